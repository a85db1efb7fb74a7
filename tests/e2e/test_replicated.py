#!/usr/bin/python3
"""Three copies of every shard: a worker is killed under load, nothing acknowledged is lost, writes go on, and what it kept is made anew."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import wait_for  # noqa: E402

cluster = vectron.Cluster(workers=4, env={'VECTRON_REPLICATION_FACTOR': 3, 'VECTRON_WORKER_GRACE': '10s'})
client = None
acknowledged = {}


def workers():
    return cluster.admin('workers').get('workers', [])


def shards():
    return cluster.admin('shards', 'docs').get('shards', [])


def whole():
    """Every shard has three voters that serve, and nothing is on the move."""
    return len(shards()) == 4 and all(s['state'] == 'ready' and sum(r['role'] != 'learner' and r['state'] == 'serving' for r in s['replicas']) == 3 for s in shards())


class Writer(threading.Thread):
    """Writes points with values of their own until it is stopped; what was acknowledged is remembered."""

    def __init__(self):
        super().__init__(daemon=True)
        self.going, self.failed, self.longest = True, 0, 0.0

    def run(self):
        own, n, last = cluster.client(), 0, time.monotonic()
        while self.going:
            name, value = f'p{n % 500}', float(n)
            try:
                own.call('Upsert', own.message('Upsert', collection='docs', points=[vectron.pb.Point(id=name, vector=[value, 1])]), timeout=15)
            except vectron.grpc.RpcError:
                self.failed += 1
                acknowledged.pop(name, None)  # it may have been written, or not
            else:
                acknowledged[name] = value
                self.longest = max(self.longest, time.monotonic() - last)
                last = time.monotonic()
            n += 1


def all_are_there():
    for name, value in acknowledged.items():
        assert client.Get(collection='docs', id=name).point.vector[0] == value, name
    found = {h.id for h in client.Search(collection='docs', vector=[0, 0], top_k=1000).results}
    assert set(acknowledged) <= found, set(acknowledged) - found


def test_three_copies_on_four_workers():
    wait_for(lambda: sum(w['state'] == 'ready' for w in workers()) == 4)
    client.CreateCollection(name='docs', dimension=2, distance='euclidean', shards=4)
    wait_for(whole)  # leaders may be handed on at first, so that each worker has one
    assert [w['shards'] for w in workers()] == [3, 3, 3, 3]


def test_a_killed_worker_loses_nothing_and_its_copies_are_made_anew():
    writer = Writer()
    writer.start()
    time.sleep(1)
    cluster.workers[0].kill()
    link = f':{cluster.worker_ports[0][1]}'
    wait_for(lambda: [w['shards'] for w in workers() if w['link'].endswith(link)] == [0] and whole(), seconds=90)
    time.sleep(1)
    writer.going = False
    writer.join()
    print(f'    {len(acknowledged)} ids, {writer.failed} writes failed, the longest pause {writer.longest:.2f} s')
    assert writer.failed == 0 and writer.longest < 10, writer.longest
    all_are_there()
    wait_for(lambda: sorted(w['shards'] for w in workers()) == [0, 4, 4, 4] and whole())


def test_it_comes_back_and_takes_its_share():
    cluster.start_worker(0)
    wait_for(lambda: sorted(w['shards'] for w in workers()) == [3, 3, 3, 3] and whole(), seconds=90)
    all_are_there()


if __name__ == '__main__':
    with cluster:
        client = cluster.client()
        code = vectron.run_tests(dict(globals()))
    sys.exit(code)
