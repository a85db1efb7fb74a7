#!/usr/bin/python3
"""A replica moves by snapshot: points and index file come along at the rate that was set, people see how far it is, the disk is given back."""
import glob
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402

POINTS, DIMENSION, PAGE = 12000, 32, 200  # above 10,000 changes an index is saved
PAYLOAD = 12000                            # above 2 x 64 MB in all: the log is cut, and does not reach back any more
RATE = {'VECTRON_BALANCE': 0, 'VECTRON_SNAPSHOT_RATE': '30MB'}


def vector(i):
    rng = random.Random(i)
    return [rng.gauss(0, 1) for _ in range(DIMENSION)]


def filled(cluster):
    """A collection of one shard with one copy, its index saved: (shard, worker that has it, the other one)."""
    client = cluster.client()
    vectron.wait_for(lambda: len(cluster.admin('workers').get('workers', [])) == 2)
    workers = cluster.admin('workers')['workers']
    client.CreateCollection(name='c', dimension=DIMENSION, distance='euclidean', shards=1, replicas=1)
    text = 'x' * PAYLOAD
    for page in range(0, POINTS, PAGE):
        client.upsert('c', [(f'p{i}', vector(i), {'text': text}) for i in range(page, page + PAGE)])
    shard = cluster.admin('shards')['shards'][0]
    here = int(shard['replicas'][0]['worker'])
    there = next(int(w['worker']) for w in workers if int(w['worker']) != here)
    ports = {int(w['worker']): next(i for i, (_, port) in enumerate(cluster.worker_ports) if w['link'].endswith(f':{port}')) for w in workers}
    vectron.wait_for(lambda: files(cluster, ports[here]), 120)
    return str(shard['shard']), here, there, ports


def folder(cluster, number, name):
    return os.path.join(cluster.folder, f'worker{number}', name)


def files(cluster, number):
    return glob.glob(os.path.join(folder(cluster, number, 'index'), '*.index'))


def used(path):
    return sum(os.path.getsize(os.path.join(base, name)) for base, _, names in os.walk(path) for name in names if not name.startswith('LOG'))


def move(cluster, shard, here, there):
    """Until only `there` has it; what the new replica said on the way."""
    subprocess.run([vectron.BINARY, 'admin', 'move', shard, str(here), str(there), '--pd-addrs', cluster.pd_links], check=True,
                   stdout=subprocess.DEVNULL, env=vectron.clean_environment())
    states = set()

    def moved():
        replicas = cluster.admin('shards')['shards'][0]['replicas']
        states.update(r['state'] for r in replicas)
        return [int(r['worker']) for r in replicas] == [there]

    vectron.wait_for(moved, 120)
    return states


def finds_all(client):
    for i in range(0, POINTS, POINTS // 40):
        found = client.Search(collection='c', vector=vector(i), top_k=1).results
        assert [r.id for r in found] == [f'p{i}'], (i, found)


def damage(path):
    size = os.path.getsize(path)
    with open(path, 'r+b') as file:
        for at in range(4096, size, size // 16):
            file.seek(at)
            file.write(os.urandom(64))


def test_points_index_and_disk_move():
    with vectron.Cluster(workers=2, env=RATE) as cluster:
        shard, here, there, ports = filled(cluster)
        points, index = folder(cluster, ports[here], 'points'), folder(cluster, ports[here], 'index')
        before = used(points)
        states = move(cluster, shard, here, there)
        assert any(s.startswith('snapshot ') for s in states), states
        assert files(cluster, ports[there]), 'the index file did not come with the points'
        finds_all(cluster.client())
        vectron.wait_for(lambda: used(points) < before / 4 and not os.listdir(index), 60)

        # Back again, with a file that is damaged: it is refused, and the graph is built.
        for path in files(cluster, ports[there]):
            damage(path)
        move(cluster, shard, there, here)

        def found():
            try:
                finds_all(cluster.client())
                return True
            except vectron.grpc.RpcError:  # it restarts without the file
                return False

        vectron.wait_for(found, 60)


if __name__ == '__main__':
    sys.exit(vectron.run_tests(globals()))
