#!/usr/bin/python3
"""PlacementService and WorkerService over gRPC, every method, also with what they must refuse: grpcio against a pd and workers."""
import json
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import Service, fails, grpc, wait_for  # noqa: E402
import placementdriver_pb2 as pd_pb  # noqa: E402
import worker_pb2 as worker_pb  # noqa: E402

cluster = vectron.Cluster(workers=2)
EPOCH = 1


pd = Service(pd_pb, 'PlacementService', cluster.pd_port)
workers = [Service(worker_pb, 'WorkerService', ports[0]) for ports in cluster.worker_ports]
WORKER_ADDRESSES = {f'127.0.0.1:{ports[0]}' for ports in cluster.worker_ports}


def worker_of(address):
    return workers[[ports[0] for ports in cluster.worker_ports].index(int(address.rpartition(':')[2]))]


def vector(name, values, metadata=b''):
    return worker_pb.Vector(id=name, vector=values, metadata=metadata)


def both_are_ready():
    try:
        found = pd.ListWorkers().workers
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        return False
    return len(found) == 2 and all(w.healthy for w in found)


# --- placement ---

def test_collections_are_made_and_found():
    wait_for(both_are_ready)
    assert pd.CreateCollection(name='docs', dimension=2, distance='euclidean').success
    assert pd.CreateCollection(name='more', dimension=3).success
    assert list(pd.ListCollections().collections) == ['docs', 'more']
    with fails('ALREADY_EXISTS', 'docs'):
        pd.CreateCollection(name='docs', dimension=2)
    for wrong in [dict(name='', dimension=2), dict(name='x', dimension=0), dict(name='x', dimension=2, distance='cubic'), dict(name='../x', dimension=2)]:
        with fails('INVALID_ARGUMENT'):
            pd.CreateCollection(**wrong)
    status = pd.GetCollectionStatus(name='docs')
    assert (status.dimension, status.distance, len(status.shards)) == (2, 'euclidean', 16), status
    assert status.shards[0].key_range_start == 0 and status.shards[-1].key_range_end == 2**64 - 1
    for a, b in zip(status.shards, status.shards[1:]):
        assert a.key_range_end + 1 == b.key_range_start
    assert all(s.ready and s.shard_epoch == EPOCH and list(s.replicas) == [s.leader_id] for s in status.shards), status
    assert {s.leader_grpc_address for s in status.shards} == WORKER_ADDRESSES
    assert all(list(s.replica_grpc_addresses) == [s.leader_grpc_address] for s in status.shards)
    with fails('NOT_FOUND', 'nope'):
        pd.GetCollectionStatus(name='nope')
    assert pd.DeleteCollection(name='more').success
    with fails('NOT_FOUND', 'more'):
        pd.DeleteCollection(name='more')
    with fails('INVALID_ARGUMENT'):
        pd.DeleteCollection(name='')


def test_workers_are_listed_with_what_they_are():
    found = pd.ListWorkers().workers
    assert {w.grpc_address for w in found} == WORKER_ADDRESSES
    for worker in found:
        assert worker.state == pd_pb.WORKER_STATE_READY and worker.healthy and list(worker.collections) == ['docs']
        assert worker.metadata['role'] == 'write' and worker.metadata['replicas'] == '8' and worker.last_heartbeat > 1.6e9, worker
    assert set(pd.ListWorkersForCollection(collection='docs').grpc_addresses) == WORKER_ADDRESSES
    with fails('NOT_FOUND'):
        pd.ListWorkersForCollection(collection='nope')
    with fails('INVALID_ARGUMENT'):
        pd.ListWorkersForCollection(collection='')


def test_a_worker_is_found_for_a_point():
    status = pd.GetCollectionStatus(name='docs')
    by_id = {s.shard_id: s for s in status.shards}
    seen = set()
    for i in range(100):
        found = pd.GetWorker(collection='docs', vector_id=f'p{i}')
        assert found.grpc_address == by_id[found.shard_id].leader_grpc_address and found.shard_epoch == EPOCH, found
        assert found.lease_expiry_unix_ms > 1.6e12
        seen.add(found.shard_id)
    assert len(seen) > 8
    assert pd.GetWorker(collection='docs').shard_id == min(by_id)
    with fails('NOT_FOUND'):
        pd.GetWorker(collection='nope')
    with fails('INVALID_ARGUMENT'):
        pd.GetWorker()


def test_the_leader_and_a_rebalance():
    assert pd.GetLeader().leader_address == f'127.0.0.1:{cluster.pd_port}'
    assert pd.Rebalance().started


def test_a_foreign_worker_registers_beats_and_is_removed():
    facts = dict(grpc_address='127.0.0.1:1', raft_address='127.0.0.1:2', capabilities=['search_only'], cpu_cores=2, memory_bytes=2**30,
                 disk_bytes=2**40, rack='r', zone='z', region='e')
    name = pd.RegisterWorker(**facts).worker_id
    assert pd.RegisterWorker(**facts).worker_id == name, 'the same addresses are the same worker'
    assert [w for w in pd.ListWorkers().workers if w.worker_id == name][0].state == pd_pb.WORKER_STATE_JOINING
    with fails('INVALID_ARGUMENT'):
        pd.RegisterWorker(grpc_address='127.0.0.1:1')
    with fails('INVALID_ARGUMENT'):
        pd.RegisterWorker(**{**facts, 'cpu_cores': -1})
    answer = pd.Heartbeat(worker_id=name)
    assert answer.ok and json.loads(answer.message) == [] and answer.assignments_epoch > 0, answer
    found = [w for w in pd.ListWorkers().workers if w.worker_id == name][0]
    assert found.healthy and found.metadata['role'] == 'search_only' and found.metadata['zone'] == 'z' and not found.collections
    for wrong in ['', 'x', '0', '-1', '1x']:
        with fails('INVALID_ARGUMENT', 'worker_id'):
            pd.Heartbeat(worker_id=wrong)
        with fails('INVALID_ARGUMENT', 'worker_id'):
            pd.DrainWorker(worker_id=wrong)
        with fails('INVALID_ARGUMENT', 'worker_id'):
            pd.RemoveWorker(worker_id=wrong)
    for call in (pd.Heartbeat, pd.DrainWorker, pd.RemoveWorker):
        with fails('NOT_FOUND', '999'):
            call(worker_id='999')
    assert pd.DrainWorker(worker_id=name).success
    assert [w for w in pd.ListWorkers().workers if w.worker_id == name][0].state == pd_pb.WORKER_STATE_DRAINING
    assert pd.RemoveWorker(worker_id=name).success


def test_a_beat_is_answered_with_all_that_a_worker_of_the_original_needs():
    worker = [w for w in pd.ListWorkers().workers if w.grpc_address == f'127.0.0.1:{cluster.worker_ports[0][0]}'][0]
    running = [s.shard_id for s in pd.GetCollectionStatus(name='docs').shards if s.leader_id == int(worker.worker_id)]
    answer = pd.Heartbeat(worker_id=worker.worker_id, running_shards=running,
                          shard_leader_info=[dict(shard_id=s, leader_id=int(worker.worker_id)) for s in running])
    rows = json.loads(answer.message)
    assert [r['shard_info']['shard_id'] for r in rows] == running, rows
    info = rows[0]['shard_info']
    assert (info['collection'], info['dimension'], info['distance'], info['epoch']) == ('docs', 2, 'euclidean', EPOCH), info
    assert info['replicas'] == [int(worker.worker_id)] and info['leader_id'] == int(worker.worker_id) and info['bootstrapped']
    assert rows[0]['initial_members'] == {worker.worker_id: worker.raft_address} and rows[0]['bootstrap'] is False
    with fails('UNAVAILABLE', 'drain it first'):
        pd.RemoveWorker(worker_id=worker.worker_id)


def test_rerankers_come_by_turns():
    with fails('UNAVAILABLE', 'no healthy rerankers available'):
        pd.GetReranker()
    names = [pd.RegisterReranker(grpc_address=f'127.0.0.1:{p}', capabilities=['rule']).reranker_id for p in (5, 6)]
    assert pd.RegisterReranker(grpc_address='127.0.0.1:5').reranker_id == names[0]
    assert pd.RerankerHeartbeat(reranker_id=names[1]).ok
    assert {pd.GetReranker().grpc_address for _ in range(2)} == {'127.0.0.1:5', '127.0.0.1:6'}
    found = pd.ListRerankers().rerankers
    assert [r.reranker_id for r in found] == names and all(r.healthy for r in found) and found[1].metadata['role'] == 'rule', found
    with fails('NOT_FOUND'):
        pd.RerankerHeartbeat(reranker_id='99')
    with fails('INVALID_ARGUMENT'):
        pd.RerankerHeartbeat(reranker_id='x')
    with fails('INVALID_ARGUMENT'):
        pd.RegisterReranker()


# --- worker ---

def place(name):
    found = pd.GetWorker(collection='docs', vector_id=name)
    return worker_of(found.grpc_address), dict(shard_id=found.shard_id, shard_epoch=found.shard_epoch, lease_expiry_unix_ms=found.lease_expiry_unix_ms)


def test_vectors_are_stored_got_searched_and_deleted():
    worker, lease = place('a')
    worker.StoreVector(vector=vector('a', [1, 2], b'{"color": "red", "n": "7"}'), **lease)
    got = worker.GetVector(id='a', **lease).vector
    assert list(got.vector) == [1, 2] and json.loads(got.metadata) == {'color': 'red', 'n': '7'}, got
    # The gateway sees the same point.
    assert dict(cluster.client().Get(collection='docs', id='a').point.payload) == {'color': 'red', 'n': '7'}
    assert worker.BatchStoreVector(vectors=[vector(f'a{i}', [i, 0]) for i in range(2500)], **lease).stored == 2500
    found = worker.Search(vector=[1, 2], k=3, linearizable=True, shard_id=lease['shard_id'], shard_epoch=lease['shard_epoch'])
    assert list(found.ids) == ['a', 'a1', 'a0'] or list(found.ids)[:2] == ['a', 'a1'], found
    assert found.scores[0] == 0 and json.loads(found.metadata[0])['color'] == 'red' and found.metadata[1] == b'', found
    exact = worker.Search(vector=[1, 2], brute_force=True, shard_id=lease['shard_id'], shard_epoch=lease['shard_epoch'])
    assert len(exact.ids) == 10 and list(exact.scores) == sorted(exact.scores)
    worker.DeleteVector(id='a', **lease)
    worker.DeleteVector(id='a', **lease)
    with fails('NOT_FOUND', 'vector with id a not found'):
        worker.GetVector(id='a', **lease)


def test_a_stream_of_batches_is_stored_in_order():
    worker, lease = place('s')
    batches = [worker_pb.BatchStoreVectorRequest(vectors=[vector('s', [n, n])] + [vector(f's{n}-{i}', [n, i]) for i in range(99)], **lease)
               for n in range(50)]
    assert worker.StreamBatchStoreVector(batches).stored == 5000
    assert list(worker.GetVector(id='s', **lease).vector.vector) == [49, 49]
    with fails('INVALID_ARGUMENT'):
        worker.StreamBatchStoreVector([])
    with fails('INVALID_ARGUMENT', 'dimension'):
        worker.StreamBatchStoreVector([batches[0], worker_pb.BatchStoreVectorRequest(vectors=[vector('x', [1, 2, 3])], **lease)])
    with fails('FAILED_PRECONDITION', 'missing shard epoch'):
        worker.StreamBatchStoreVector([worker_pb.BatchStoreVectorRequest(shard_id=lease['shard_id'], vectors=[vector('x', [1, 2])])])


def test_a_search_without_a_shard_looks_at_all_that_a_worker_keeps():
    client = cluster.client()
    client.CreateCollection(name='wide', dimension=2, distance='euclidean', shards=4)
    client.upsert('wide', [(f'w{i}', [i, 0], {'i': str(i)}) for i in range(200)])
    both = [w.Search(collection='wide', vector=[0, 0], k=100) for w in workers]
    names = [n for found in both for n in found.ids]
    assert len(names) == len(set(names)) and {f'w{i}' for i in range(50)} <= set(names), names
    for found in both:
        assert list(found.scores) == sorted(found.scores) and json.loads(found.metadata[0])['i'] == found.ids[0][1:]
    batch = workers[0].BatchSearch(requests=[dict(collection='wide', vector=[x, 0], k=1) for x in (0, 199)]).responses
    assert len(batch) == 2 and batch[0].scores[0] < 400 and len(workers[0].BatchSearch().responses) == 0
    with fails('NOT_FOUND', 'nope'):
        workers[0].Search(collection='nope', vector=[0, 0])
    with fails('NOT_FOUND', 'requests[1]'):
        workers[0].BatchSearch(requests=[dict(collection='wide', vector=[0, 0]), dict(collection='nope', vector=[0, 0])])
    with fails('INVALID_ARGUMENT', 'dimension'):
        workers[0].Search(collection='wide', vector=[0])
    with fails('INVALID_ARGUMENT', 'above the limit'):
        workers[0].Search(collection='wide', vector=[0, 0], k=10001)


def test_a_point_is_a_key_and_a_value_too():
    worker, lease = place('kv')
    value = struct.pack('<I2f', 2, 3, 4) + b'{"a":"b"}'
    worker.Put(kv=dict(key=b'v_kv', value=value), **lease)
    assert worker.Get(key=b'v_kv', **lease).kv == worker_pb.KeyValuePair(key=b'v_kv', value=value)
    assert list(worker.GetVector(id='kv', **lease).vector.vector) == [3, 4]
    worker.Delete(key=b'v_kv', **lease)
    with fails('NOT_FOUND'):
        worker.Get(key=b'v_kv', **lease)
    for key in (b'', b'v_', b'kv', b'v_a\0b'):
        with fails('INVALID_ARGUMENT', 'a key is'):
            worker.Put(kv=dict(key=key, value=value), **lease)
        with fails('INVALID_ARGUMENT', 'a key is'):
            worker.Get(key=key, **lease)
        with fails('INVALID_ARGUMENT', 'a key is'):
            worker.Delete(key=key, **lease)
    with fails('INVALID_ARGUMENT', 'a key is'):
        worker.Put(**lease)
    for wrong in (b'', b'\x02\0\0', struct.pack('<I1f', 2, 3), struct.pack('<I2f', 2 | 1 << 31, 3, 4), struct.pack('<I', 0xffffff)):
        with fails('INVALID_ARGUMENT'):
            worker.Put(kv=dict(key=b'v_x', value=wrong), **lease)


def test_states_and_streams_of_the_original():
    worker, lease = place('a')
    assert worker.Status(**lease).status == 'serving'
    worker.Flush(**lease)
    chunks = list(worker.StreamHNSWSnapshot(shard_id=lease['shard_id']))
    assert len(chunks) == 1 and chunks[0].done and chunks[0].data == b'' and chunks[0].shard_id == lease['shard_id'], chunks
    with fails('UNIMPLEMENTED', 'Raft log'):
        list(worker.StreamHNSWUpdates(shard_id=lease['shard_id']))
    with fails('UNAVAILABLE', 'not ready'):
        list(worker.StreamHNSWSnapshot(shard_id=9999))
    with fails('UNAVAILABLE', 'not ready'):
        list(worker.StreamHNSWUpdates(shard_id=9999))


def test_old_leases_are_refused():
    worker, lease = place('a')
    calls = [(worker.StoreVector, dict(vector=vector('x', [1, 2]))), (worker.BatchStoreVector, dict(vectors=[vector('x', [1, 2])])),
             (worker.GetVector, dict(id='a')), (worker.DeleteVector, dict(id='a')), (worker.Search, dict(vector=[1, 2])),
             (worker.Put, dict(kv=dict(key=b'v_a', value=struct.pack('<I2f', 2, 3, 4)))), (worker.Get, dict(key=b'v_a')),
             (worker.Delete, dict(key=b'v_a')), (worker.Status, {}), (worker.Flush, {})]
    for call, fields in calls:
        with fails('FAILED_PRECONDITION', 'missing shard epoch'):
            call(shard_id=lease['shard_id'], **fields)
        with fails('FAILED_PRECONDITION', 'shard lease expired'):
            call(**{**lease, 'lease_expiry_unix_ms': 1}, **fields)
        with fails('UNAVAILABLE', 'shard 9999 not ready'):
            call(**{**lease, 'shard_id': 9999}, **fields)
        if fields != dict(vector=[1, 2]):  # a search without a shard looks at all of them
            with fails('INVALID_ARGUMENT', 'shard_id is required'):
                call(shard_epoch=1, **fields)
    with fails('INVALID_ARGUMENT', 'vector is required'):
        worker.StoreVector(**lease)
    for metadata in (b'[]', b'{"a": 1}', b'{', b'{}},"id":"x"', b'{"a":"b"},"vector":[1]', b'\xff'):
        with fails('INVALID_ARGUMENT', 'metadata'):
            worker.StoreVector(vector=vector('x', [1, 2], metadata), **lease)
    with fails('INVALID_ARGUMENT'):
        worker.StoreVector(vector=vector('', [1, 2]), **lease)
    with fails('INVALID_ARGUMENT', 'finite'):
        worker.StoreVector(vector=vector('x', [1, float('nan')]), **lease)


def test_every_method_was_called():
    assert pd.called == set(pd.methods), set(pd.methods) - pd.called
    assert workers[0].called | workers[1].called == set(workers[0].methods), set(workers[0].methods) - workers[0].called


def test_both_services_are_there_in_one_process_too():
    with vectron.Up() as up:
        alone, shards = Service(pd_pb, 'PlacementService', up.port), Service(worker_pb, 'WorkerService', up.port)
        wait_for(lambda: any(w.healthy for w in alone.ListWorkers().workers))
        assert alone.CreateCollection(name='docs', dimension=1).success
        found = alone.GetWorker(collection='docs', vector_id='a')
        assert found.grpc_address == f'127.0.0.1:{up.port}'
        shards.StoreVector(shard_id=found.shard_id, shard_epoch=found.shard_epoch, vector=vector('a', [1]))
        assert up.client().Get(collection='docs', id='a').point.id == 'a'


if __name__ == '__main__':
    with cluster:
        code = vectron.run_tests(dict(globals()))
    sys.exit(code)
