#!/usr/bin/python3
"""pd, two workers and a gateway as processes: shards spread, searches fan out, a lost worker is told, not hidden."""
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import fails, pb, wait_for  # noqa: E402

cluster = vectron.Cluster(workers=2)
client = None
POINTS = [(f'p{i}', [float(i % 97), float(i)], {'n': str(i)}) for i in range(1000)]


def count(**more):
    return len(client.Search(collection='spread', vector=[0, 0], top_k=10000, **more).results)


def survives(what, seconds=30):
    def tried():
        try:
            return what()
        except vectron.grpc.RpcError as error:
            assert error.code() in (vectron.grpc.StatusCode.UNAVAILABLE, vectron.grpc.StatusCode.DEADLINE_EXCEEDED), error
    return wait_for(tried, seconds)


def both_workers_are_there():
    """A worker that has not registered yet gets no shard."""
    client.CreateCollection(name='trial', dimension=2, distance='euclidean', shards=2)
    leaders = {s.leader_id for s in client.GetCollectionStatus(name='trial').shards}
    client.DeleteCollection(name='trial')
    return len(leaders) == 2


def test_four_shards_spread_over_both_workers():
    survives(both_workers_are_there)
    client.CreateCollection(name='spread', dimension=2, distance='euclidean', shards=4)
    shards = client.GetCollectionStatus(name='spread').shards
    assert len(shards) == 4 and all(s.ready for s in shards), shards
    leaders = [s.leader_id for s in shards]
    assert sorted(leaders.count(w) for w in set(leaders)) == [2, 2], leaders
    assert client.upsert('spread', POINTS).upserted == 1000
    assert count() == 1000
    hits = client.Search(collection='spread', vector=[0, 0], top_k=5, include_metadata=True).results
    assert [h.id for h in hits] == ['p0', 'p1', 'p2', 'p3', 'p4'] and hits[3].payload['n'] == '3'


def test_a_killed_worker_is_told_and_its_data_comes_back():
    cluster.workers[0].kill()
    started = time.monotonic()
    with fails('UNAVAILABLE'):
        client.call('Search', client.message('Search', collection='spread', vector=[0, 0], top_k=10000), timeout=8)
    assert time.monotonic() - started < 9
    reply = client.Search(collection='spread', vector=[0, 0], top_k=10000, allow_partial=True)
    assert reply.partial and len(reply.failed_shards) == 2 and 0 < len(reply.results) < 1000, (reply.partial, reply.failed_shards, len(reply.results))
    cluster.start_worker(0)
    assert survives(count) == 1000
    assert client.upsert('spread', [('new', [0.5, 0.5])]).upserted == 1
    assert count() == 1001
    client.Delete(collection='spread', id='new')


def test_data_flows_while_the_placement_driver_is_down():
    cluster.pd.kill()
    assert count() == 1000
    client.upsert('spread', [('pd-down', [0.25, 0.25])])
    assert client.Get(collection='spread', id='pd-down').point.id == 'pd-down'
    client.Delete(collection='spread', id='pd-down')
    cluster.workers[1].kill()
    cluster.start_worker(1)  # knows its shards without the PD
    assert survives(count) == 1000
    cluster.start_pd()
    survives(lambda: client.GetCollectionStatus(name='spread').shards)
    assert 'spread' in client.ListCollections().collections


def test_the_gateway_may_restart():
    cluster.gateway.kill()
    cluster.start_gateway()
    vectron.wait_ready(cluster.http_port, cluster.processes())
    assert survives(count) == 1000


def test_a_paused_worker_is_a_lost_worker_until_it_wakes():
    with cluster.workers[0].paused(), fails_either('UNAVAILABLE', 'DEADLINE_EXCEEDED'):
        client.call('Search', client.message('Search', collection='spread', vector=[0, 0], top_k=10000), timeout=8)
    assert survives(count) == 1000


class fails_either:
    def __init__(self, *codes):
        self.codes = codes

    def __enter__(self):
        pass

    def __exit__(self, kind, error, trace):
        assert error is not None, f'no error, expected one of {self.codes}'
        return isinstance(error, vectron.grpc.RpcError) and error.code().name in self.codes


def test_random_operations_match_a_model():
    client.CreateCollection(name='model', dimension=4, distance='euclidean', shards=5)
    rng, model = random.Random(7), {}
    for step in range(300):
        if rng.random() < 0.6:
            batch = [(f'k{rng.randrange(60)}', [rng.gauss(0, 1) for _ in range(4)]) for _ in range(rng.randint(1, 8))]
            client.upsert('model', batch)
            model.update({key: pb.Point(vector=v).vector[:] for key, v in batch})
        elif rng.random() < 0.5:
            key = f'k{rng.randrange(60)}'
            client.Delete(collection='model', id=key)
            model.pop(key, None)
        else:
            query = [rng.gauss(0, 1) for _ in range(4)]
            got = [h.id for h in client.Search(collection='model', vector=query, top_k=100, exact=rng.random() < 0.5).results]
            want = sorted(model, key=lambda k: sum((a - b) ** 2 for a, b in zip(model[k], query)))
            assert set(got) == set(want), step
    client.DeleteCollection(name='model')
    with fails('NOT_FOUND', 'model'):
        client.Search(collection='model', vector=[0] * 4)


def test_everything_stops_cleanly():
    assert cluster.gateway.stop() == 0
    assert [w.stop() for w in cluster.workers] == [0, 0]
    assert cluster.pd.stop() == 0


if __name__ == '__main__':
    with cluster:
        client = cluster.client()
        code = vectron.run_tests(dict(globals()))
    sys.exit(code)
