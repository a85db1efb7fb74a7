#!/usr/bin/python3
"""vectron admin against real processes: what it shows, what it refuses with which words and exit codes."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import wait_for  # noqa: E402

cluster = vectron.Cluster(workers=2)
client = None


def admin(*words, code=0, link=None):
    link = link or f'127.0.0.1:{cluster.pd_link}'
    done = subprocess.run([vectron.BINARY, 'admin', *words, *([] if link == 'none' else ['--pd-addrs', link])], capture_output=True,
                          env=vectron.clean_environment(), cwd=cluster.folder, text=True, timeout=60)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done


def workers():
    return json.loads(admin('workers', '--json').stdout)['workers']


def both_are_known():
    try:
        return len(workers()) == 2
    except AssertionError:  # the placement driver is starting
        return False


def both_are_ready():
    """The processes start all at once: nobody may answer yet."""
    try:
        return [w['state'] for w in workers()] == ['ready', 'ready']
    except AssertionError:
        return False


def test_workers_and_shards_are_shown():
    wait_for(both_are_ready)
    client.CreateCollection(name='docs', dimension=2, distance='euclidean', shards=4)
    client.upsert('docs', [(f'p{i}', [i, 0]) for i in range(100)])
    # The shards tell their keepers at once, and keepers the points with their next beat.
    wait_for(lambda: sum(int(w['points']) for w in workers()) == 100)
    assert [(w['worker'], w['shards'], w['leaders'], w['collections']) for w in workers()] == [('1', 2, 2, ['docs']), ('2', 2, 2, ['docs'])]
    text = admin('workers').stdout
    assert text.splitlines()[0].split()[:4] == ['WORKER', 'STATE', 'REPLICAS', 'LEADERS'] and 'ready' in text, text
    shards = json.loads(admin('shards', 'docs', '--json').stdout)['shards']
    assert [s['shard'] for s in shards] == ['1', '2', '3', '4'] and all(s['state'] == 'ready' for s in shards), shards
    assert all(s['replicas'][0]['role'] == 'leader' and s['replicas'][0]['worker'] == s['leader'] for s in shards), shards
    assert admin('shards').stdout.count('leader') == 4
    assert 'NOT_FOUND: collection \'nope\' not found' in admin('shards', 'nope', code=1).stderr
    status = json.loads(admin('pd', '--json').stdout)
    assert (status['workers'], status['workersReady'], status['collections'], status['shards']) == (2, 2, 1, 4), status
    assert f'127.0.0.1:{cluster.pd_link}' in admin('pd').stdout


def test_what_cannot_be_is_refused_with_words():
    for words, text in [(['drain', '9'], 'worker 9 not found'), (['remove', '9'], 'worker 9 not found'),
                        (['move', '99', '1', '2'], 'shard 99 not found'), (['move', '1', '2', '1'], 'does not keep it'),
                        (['remove', '1'], 'keeps 2 replicas: drain it first')]:
        assert text in admin(*words, code=1).stderr, words
    for words in [['drain', 'x'], ['drain', '0'], ['drain'], ['move', '1', '2'], ['workers', 'x'], ['nonsense'], [],
                  ['drain', '1', '--timeout', 'x']]:
        assert '--help' in admin(*words, code=2).stderr, words
    assert 'did you mean drain' in admin('drian', '1', code=2).stderr
    assert 'no placement driver answers at tcp://127.0.0.1:9' in admin('pd', code=1, link='127.0.0.1:9').stderr
    assert 'worker 9 not found' in admin('drain', '9', code=1, link=f'127.0.0.1:9,127.0.0.1:{cluster.pd_link}').stderr
    assert 'has no placement driver' in admin('pd', code=1, link=f'127.0.0.1:{cluster.worker_ports[0][1]}').stderr
    assert 'workers' in admin('--help', link='none').stdout


def test_a_drained_worker_keeps_nothing_and_gets_nothing_until_it_takes_part_again():
    assert 'worker 2 is drained' in admin('drain', '2', '--quiet', '--timeout', '50').stdout
    assert [(w['state'], w['shards']) for w in workers()] == [('ready', 4), ('drained', 0)]
    assert len(client.Search(collection='docs', vector=[0, 0], top_k=200).results) == 100
    client.CreateCollection(name='more', dimension=2, distance='euclidean', shards=3)
    assert [w['shards'] for w in workers()] == [7, 0]
    client.DeleteCollection(name='more')
    assert 'takes part again' in admin('drain', '2', '--stop').stdout
    wait_for(lambda: [w['shards'] for w in workers()] == [2, 2], seconds=60)
    assert len(client.Search(collection='docs', vector=[0, 0], top_k=200).results) == 100


def test_an_order_that_no_placement_driver_takes_is_kept_by_nobody():
    assert 'is being drained' in admin('drain', '2', '--no-wait').stdout
    wait_for(lambda: 'drain' in next(w['state'] for w in workers() if w['worker'] == '2'))
    cluster.pd.kill()
    words = admin('drain', '2', '--stop', code=1).stderr
    assert 'no placement driver answers' in words and 'nobody took the order' in words and 'a drain that was begun goes on then' in words, words
    cluster.start_pd()
    wait_for(both_are_known)
    assert 'worker 2 is drained' in admin('drain', '2', '--quiet', '--timeout', '50').stdout, 'it went on'
    assert 'takes part again' in admin('drain', '2', '--stop').stdout
    wait_for(lambda: [w['shards'] for w in workers()] == [2, 2], seconds=60)


def test_a_replica_is_moved():
    shard, old = next((s['shard'], s['leader']) for s in json.loads(admin('shards', '--json').stdout)['shards'])
    new = {'1': '2', '2': '1'}[old]
    assert f'goes from worker {old} to worker {new}' in admin('move', shard, old, new).stdout
    # It may be evened out again at once: what counts is that it went.
    wait_for(lambda: int(next(s['epoch'] for s in json.loads(admin('shards', '--json').stdout)['shards'] if s['shard'] == shard)) > 2, seconds=40)
    assert len(client.Search(collection='docs', vector=[0, 0], top_k=200).results) == 100
    admin('rebalance')


def test_a_stopped_worker_is_suspected_then_forgotten():
    client.DeleteCollection(name='docs')
    name = next(w['worker'] for w in workers() if w['link'].endswith(f':{cluster.worker_ports[1][1]}'))
    cluster.workers[1].stop()
    assert 'is forgotten' in admin('remove', name).stdout
    wait_for(lambda: len(workers()) == 1 and workers()[0]['worker'] != name, seconds=40)


if __name__ == '__main__':
    with cluster:
        client = cluster.client()
        code = vectron.run_tests(dict(globals()))
    sys.exit(code)
