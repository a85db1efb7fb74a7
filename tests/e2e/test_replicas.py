#!/usr/bin/python3
"""Three copies of each shard as real processes: any worker may be killed or stand still under load, and nothing is lost."""
import contextlib
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import pb, wait_for  # noqa: E402

# The grace is long: workers come back before anybody replaces them.
cluster = vectron.Cluster(workers=3, env={'VECTRON_REPLICATION_FACTOR': '3', 'VECTRON_WORKER_GRACE': '10m'})
client = None
acknowledged = []
LINEARIZABLE, BOUNDED, EVENTUAL = 1, 3, 4


def put(deadline=20):
    """One more point, tried until it is acknowledged; the seconds it took."""
    name = f'p{len(acknowledged)}'
    began = time.monotonic()
    point = pb.Point(id=name, vector=[float(len(acknowledged)), 1])
    client.Upsert(collection='docs', points=[point], timeout=deadline)
    acknowledged.append(name)
    return time.monotonic() - began


def found(**level):
    return {r.id for r in client.Search(collection='docs', vector=[0, 0], top_k=10000, timeout=20, **level).results}


def missing():
    return set(acknowledged) - found(consistency=LINEARIZABLE)


def nothing_is_missing():
    try:
        return not missing()
    except vectron.grpc.RpcError as error:
        assert error.code() in (vectron.grpc.StatusCode.UNAVAILABLE, vectron.grpc.StatusCode.DEADLINE_EXCEEDED), error
        return False


def three_copies_are_placed():
    """Made anew until all workers are heard of."""
    client.CreateCollection(name='docs', dimension=2, distance='euclidean', shards=2)
    status = client.GetCollectionStatus(name='docs')
    if all(len(s.replicas) == 3 for s in status.shards):
        return True
    client.DeleteCollection(name='docs')
    return False


def test_a_collection_gets_three_copies():
    wait_for(three_copies_are_placed, 30)
    for _ in range(20):
        put()
    assert not missing(), missing()


def test_every_worker_may_be_killed_in_turn():
    slowest = []
    for n in range(3):
        cluster.workers[n].kill()
        times = [put() for _ in range(20)]
        slowest.append(max(times))
        assert not missing(), missing()
        cluster.start_worker(n)
        time.sleep(3)
    print(f'       a write waited at most {max(slowest):.1f} s for another leader')
    assert max(slowest) < 10, slowest


def clock():
    return client.Get(collection='docs', id='clock', timeout=20).point.vector[0]


def test_every_worker_may_stand_still_in_turn():
    """Longer than an election takes: who led believes for a moment that it still does, and must not say what it has."""
    for n in range(3):
        client.Upsert(collection='docs', points=[pb.Point(id='clock', vector=[n, 0])], timeout=20)
        with cluster.workers[n].paused():
            for _ in range(10):
                put()
            client.Upsert(collection='docs', points=[pb.Point(id='clock', vector=[n + 0.5, 0])], timeout=20)
            assert not missing(), missing()
        seen = {clock() for _ in range(50)}
        assert seen == {n + 0.5}, f'after worker {n} woke: {seen}'
        assert not missing(), missing()
        time.sleep(2)


def test_reads_and_writes_go_on_while_the_placement_driver_stands_still():
    with cluster.pd.paused():
        for _ in range(20):
            assert put() < 5
        assert not missing(), missing()
        time.sleep(6)  # longer than a beat
        put()
    wait_for(nothing_is_missing, 30)


def search_only_has_everything():
    return [len(s['replicas']) for s in cluster.admin('shards').get('shards', [])] == [4, 4]


def test_a_search_only_worker_answers_when_nobody_with_a_vote_does():
    grpc_port, link = vectron.free_ports(2)
    env = {**cluster.env, 'VECTRON_SEARCH_ONLY': 1, 'VECTRON_DATA_DIR': os.path.join(cluster.folder, 'searcher')}
    searcher = vectron.Process('worker', env, cluster.folder,
                               ['--grpc-addr', f'127.0.0.1:{grpc_port}', '--raft-addr', f'127.0.0.1:{link}', '--pd-addrs', cluster.pd_links])
    try:
        wait_for(search_only_has_everything, 40)
        put()
        time.sleep(2)
        with contextlib.ExitStack() as all_of_them:
            for worker in cluster.workers:
                all_of_them.enter_context(worker.paused())
            assert not set(acknowledged) - found(consistency=EVENTUAL)
            time.sleep(2)
            try:
                found(consistency=BOUNDED, max_staleness_ms=1000)
            except vectron.grpc.RpcError as error:
                assert error.code() in (vectron.grpc.StatusCode.UNAVAILABLE, vectron.grpc.StatusCode.DEADLINE_EXCEEDED), error
            else:
                raise AssertionError('it cannot know whether it is a second behind, and said it is not')
        wait_for(nothing_is_missing, 30)
    finally:
        searcher.kill()


def test_all_of_them_come_back_with_everything():
    for n in range(3):
        cluster.workers[n].kill()
    for n in range(3):
        cluster.start_worker(n)
    wait_for(nothing_is_missing, 30)
    put()
    assert not missing(), missing()


def test_everything_stops_cleanly():
    assert cluster.gateway.stop() == 0
    assert [w.stop() for w in cluster.workers] == [0, 0, 0]
    assert cluster.pd.stop() == 0


if __name__ == '__main__':
    with cluster:
        client = cluster.client()
        code = vectron.run_tests(dict(globals()))
    sys.exit(code)
