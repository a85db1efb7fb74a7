#!/usr/bin/python3
"""Three placement drivers: each is killed in turn while points are written and collections come and go; one is lost with its disk."""
import os
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import Service, wait_for  # noqa: E402
import placementdriver_pb2 as pd_pb  # noqa: E402

# The grace is short: who took workers for dead with each new leader would move everything.
cluster = vectron.Cluster(workers=3, pds=3, env={'VECTRON_REPLICATION_FACTOR': 3, 'VECTRON_WORKER_GRACE': '10s'})
client = None


def run(*words):
    return subprocess.run([vectron.BINARY, 'admin', *words, '--pd-addrs', cluster.pd_links], capture_output=True, text=True, timeout=60,
                          env=vectron.clean_environment())


def leader():
    """The nth of the cluster's, or None."""
    said = cluster.admin('pd')
    links = [f'tcp://127.0.0.1:{link}' for _, link in cluster.pd_ports]
    return links.index(said['link']) if said.get('link') in links else None


def assigned():
    return sorted((s['shard'], r['storeId'], r['worker']) for s in cluster.admin('shards', 'docs').get('shards', []) for r in s['replicas'])


def everybody_is_here():
    return [m['role'] for m in cluster.admin('pd').get('members', []) if not m.get('away')].count('voter') == 2


class Writer(threading.Thread):
    """Writes points, and makes and removes a collection over and over; nothing of it may fail."""

    def __init__(self):
        super().__init__(daemon=True)
        self.going, self.points, self.rounds, self.longest, self.failures = True, 0, 0, 0.0, []

    def collections(self, own):
        began = time.monotonic()
        own.call('CreateCollection', own.message('CreateCollection', name='brief', dimension=2, distance='dot', shards=2), timeout=30)
        own.call('DeleteCollection', own.message('DeleteCollection', name='brief'), timeout=30)
        self.longest = max(self.longest, time.monotonic() - began)
        self.rounds += 1

    def write(self):
        own = cluster.client()
        while self.going:
            try:
                own.upsert('docs', [(f'p{self.points}', [float(self.points), 1])])
                self.points += 1
            except vectron.grpc.RpcError as error:
                self.failures.append(f'point: {error.code()} {error.details()}')

    def run(self):
        own, points = cluster.client(), threading.Thread(target=self.write, daemon=True)
        points.start()
        while self.going:
            try:
                self.collections(own)
            except vectron.grpc.RpcError as error:
                self.failures.append(f'collection: {error.code()} {error.details()}')
        points.join()


def test_three_of_them_are_one_group():
    wait_for(lambda: sum(w['state'] == 'ready' for w in cluster.admin('workers').get('workers', [])) == 3)
    said = cluster.admin('pd')
    assert [m['id'] for m in said['members']] == ['1', '2', '3'] and said['factor'] == 3, said
    client.CreateCollection(name='docs', dimension=2, distance='euclidean', shards=4)
    assert len(assigned()) == 12, assigned()


def test_each_of_them_answers_clients_of_the_original():
    lead = cluster.pd_ports[leader()][0]
    for port, _ in cluster.pd_ports:
        pd = Service(pd_pb, 'PlacementService', port)
        assert pd.GetLeader().leader_address == f'127.0.0.1:{lead}'
        assert list(pd.ListCollections().collections) == ['docs']


def test_each_is_killed_in_turn_and_nothing_fails_and_nothing_moves():
    before, writer = assigned(), Writer()
    writer.start()
    for n in (leader(), *range(3)):
        wait_for(everybody_is_here, 20)
        cluster.pds[n].kill()
        time.sleep(2)
        cluster.start_pd(n)
    wait_for(everybody_is_here, 20)
    writer.going = False
    writer.join()
    print(f'       {writer.points} points, {writer.rounds} collections, the longest took {writer.longest:.1f} s')
    assert not writer.failures, writer.failures[:3]
    assert writer.rounds > 0 and writer.longest < 10, (writer.rounds, writer.longest)
    found = client.Search(collection='docs', vector=[0, 0], top_k=10000)
    assert len(found.results) == writer.points
    assert assigned() == before


def test_without_a_majority_data_flows_and_it_says_so():
    lead = leader()
    others = [n for n in range(3) if n != lead]
    for n in others:
        cluster.pds[n].kill()
    time.sleep(2)
    client.upsert('docs', [('alone', [1, 1])])
    assert client.Get(collection='docs', id='alone').point.id == 'alone'
    with vectron.fails('UNAVAILABLE', 'placement driver'):
        client.CreateCollection(name='never', dimension=2, distance='dot', timeout=20)
    for n in others:
        cluster.start_pd(n)
    wait_for(everybody_is_here, 20)


def test_one_that_lost_its_disk_is_replaced():
    lost = next(n for n in range(3) if n != leader())
    cluster.pds[lost].kill()
    shutil.rmtree(cluster.pd_folder(lost))
    cluster.start_pd(lost)
    wait_for(lambda: f'the data that member {lost + 1} had is gone' in cluster.pds[lost].log(), 20)
    cluster.pds[lost].kill()
    shutil.rmtree(cluster.pd_folder(lost))
    removed = run('pd', 'remove', str(lost + 1))
    assert removed.returncode == 0, removed
    cluster.start_pd(lost, member=4)
    again = run('pd', 'add', str(lost + 1), f'127.0.0.1:{cluster.pd_ports[lost][1]}')
    assert again.returncode == 1 and 'never use an id twice' in again.stderr, again
    added = run('pd', 'add', '4', f'127.0.0.1:{cluster.pd_ports[lost][1]}')
    assert added.returncode == 0 and 'member 4 has joined' in added.stdout, added
    wait_for(everybody_is_here, 20)
    cluster.pds[leader()].kill()  # the new one counts now
    client.CreateCollection(name='more', dimension=2, distance='dot')


if __name__ == '__main__':
    with cluster:
        client = cluster.client()
        code = vectron.run_tests(dict(globals()))
    sys.exit(code)
