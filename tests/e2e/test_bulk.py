#!/usr/bin/python3
"""A bulk ingest: what was acknowledged is found exactly while it waits to be linked, it is linked by all linkers together, a
save and a restart in between lose nothing, and recall is that of any other import."""
import json
import os
import subprocess
import sys
import threading

import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402

server = vectron.Up(env={'VECTRON_COMPUTE_LANES': 3})
client = None
N, DIMENSION = 24000, 24
RANDOM = numpy.random.default_rng(23)
ROWS = (RANDOM.standard_normal((N, 8)) @ RANDOM.standard_normal((8, DIMENSION)) + 0.1 * RANDOM.standard_normal((N, DIMENSION))).astype('f4')
BULK = (('vectron-bulk', '1'),)


def upsert(first, end):
    client.Upsert(collection='rows', metadata=BULK, points=[{'id': f'p{i}', 'vector': ROWS[i].tolist()} for i in range(first, end)])


def waiting():
    return sum(shard.waiting for shard in client.GetCollectionStatus(name='rows').shards)


def nearest(i, **more):
    return client.Search(collection='rows', vector=ROWS[i].tolist(), top_k=1, **more).results[0].id


def test_points_are_found_at_once_and_linked_together():
    client.CreateCollection(name='rows', dimension=DIMENSION, distance='euclidean')
    for at in range(0, N, 1000):
        upsert(at, at + 1000)
        assert nearest(at + 7, exact=True) == f'p{at + 7}' and nearest(at + 900) == f'p{at + 900}', at
    vectron.wait_for(lambda: waiting() == 0, 60)
    found = sum(nearest(i) == f'p{i}' for i in range(0, N, 101))
    assert found >= 0.99 * len(range(0, N, 101)), found


def test_deletes_and_searches_go_on_beside_it():
    wrong, stop = [], threading.Event()

    def search():
        while not stop.is_set():
            for i in 11, 12345, 23999:
                if nearest(i) != f'p{i}':
                    wrong.append(i)
    searching = threading.Thread(target=search)
    searching.start()
    for at in range(0, 6000, 1000):  # again: each replaces a point
        upsert(12000 + at, 13000 + at)
        client.Delete(collection='rows', id=f'p{at + 500}')
    vectron.wait_for(lambda: waiting() == 0, 60)
    stop.set()
    searching.join()
    assert not wrong, wrong
    assert client.GetCollectionStatus(name='rows').shards[0].points == N - 6


def test_a_stop_and_a_kill_in_the_middle_lose_nothing():
    global client
    for stop in server.stop, server.kill:
        upsert(0, 5000)
        stop()
        server.start()
        client = server.client()
        assert client.GetCollectionStatus(name='rows').shards[0].points == N - 1  # five of the six came again
        assert all(nearest(i, exact=True) == f'p{i}' for i in range(1, 5000, 500))


def test_the_command_waits_until_all_is_linked():
    path = os.path.join(vectron.TEMPORARY, 'rows.npy')
    numpy.save(path, ROWS[:20000])
    done = subprocess.run([vectron.BINARY, 'import', path, '--collection', 'more', '--create', '--shards', '2', '--bulk', '--quiet', '--json', '--address', server.target],
                          capture_output=True, text=True, timeout=120, env=vectron.clean_environment(), cwd=server.folder)
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told['imported'] == 20000 and told['linked_seconds'] >= told['seconds'], done
    shards = client.GetCollectionStatus(name='more').shards
    assert sum(s.points for s in shards) == 20000 and not any(s.waiting for s in shards), shards


if __name__ == '__main__':
    with server:
        client = server.client()
        sys.exit(vectron.run_tests(dict(globals())))
