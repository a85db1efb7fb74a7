#!/usr/bin/python3
"""`vectron record` of actors in real processes, and `vectron replay`: they do again what they did; a recording that was changed
is told apart; what cannot be recorded or replayed is refused in words."""
import os
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
import filter_pb2 as pb  # noqa: E402

THIRD = pb.Filter(key='n', integer=pb.IntegerCondition(any_of=[3]))
ALLOWED = {'VECTRON_SYS_BODIES': 'whole', 'VECTRON_SYS_ACTIONS': 'on'}


def run(*arguments, code=0):
    done = subprocess.run([vectron.BINARY, *arguments], env=vectron.clean_environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == code, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout + done.stderr


class Recording:
    """Of an actor, while the block runs; it begins with the actor's open."""

    def __init__(self, server_link, actor, path, last=b''):
        self.path, self.actor, self.link, self.last = path, actor, server_link, last

    def __enter__(self):
        self.process = subprocess.Popen([vectron.BINARY, 'record', '--link', self.link, '--actor', self.actor, '--restart', '--seconds', '120',
                                         '-o', self.path], env=vectron.clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        vectron.wait_for(self.began, 60)
        return self

    def began(self):
        """There is a turn in the file: the actor was restarted, and is recorded."""
        return self.process.poll() is not None or os.path.exists(self.path) and os.path.getsize(self.path) > 8

    def __exit__(self, kind, *_):
        if kind is None:
            vectron.wait_for(self.is_whole, 60)
        self.process.terminate()
        words, _ = self.process.communicate(timeout=60)
        if kind is None:
            assert self.process.returncode == 0 and ' came too fast' in words, words

    def is_whole(self):
        """The last of what was done is in the file."""
        with open(self.path, 'rb') as file:
            return self.last in file.read()


def use(client, name, **more):
    client.CreateCollection(name=name, dimension=3, distance='euclidean', shards=2, **more)
    for step in range(20):
        client.upsert(name, [(f'p{step}-{i}', [float(step), float(i), 1.0], {'n': str(i)}) for i in range(5)])
        assert client.Search(collection=name, vector=[float(step), 0.0, 1.0], top_k=3).results[0].id == f'p{step}-0'
    assert client.Get(collection=name, id='p3-1').point.id == 'p3-1'
    with vectron.fails('NOT_FOUND'):
        client.Get(collection='nothing', id='x')
    client.Delete(collection=name, id='p3-1')


def same(path, *arguments):
    words = run('replay', path, *arguments)
    assert ': the same: ' in words and 'without what it knew' not in words, words
    return int(words.split(': the same: ')[1].split()[0])


def test_a_router_does_again_what_it_did():
    with vectron.Up(ALLOWED) as server:
        path = os.path.join(server.folder, 'router.rec')
        client = server.client()
        client.ListCollections()
        with Recording(f'ipc://{server.env["VECTRON_DATA_DIR"]}/link.ipc', 'router', path, b'nothing'):
            use(client, 'docs')
        turns = same(path)
        assert turns > 100, turns
        assert run('replay', path, '--turns').count('RouterSearch') == 20
        check_changed(path)


def check_changed(path):
    """The last upsert's point gets another name: what the shard was asked is not what it would be."""
    with open(path, 'rb') as file:
        data = file.read()
    at = data.index(b'p7-3')
    with open(path + '.changed', 'wb') as file:
        file.write(data[:at] + b'q' + data[at + 1:])
    words = run('replay', path + '.changed', code=1)
    assert 'not the same after ' in words and 'recorded: ' in words and 'replayed: ' in words and 'q7-3' in words, words
    with open(path + '.torn', 'wb') as file:
        file.write(data[:-3])
    assert 'cut off' in run('replay', path + '.torn', code=1)
    assert 'is no recording' in run('replay', os.devnull, code=1)


def test_a_gateway_of_a_cluster_and_its_placement_driver():
    with vectron.Cluster(workers=2, env=ALLOWED, gateway_env=ALLOWED) as cluster:
        client = cluster.client()
        vectron.wait_for(lambda: both_workers_are_there(client), 20)
        router, pd = os.path.join(cluster.folder, 'router.rec'), os.path.join(cluster.folder, 'pd.rec')
        before = os.path.join(cluster.folder, 'before')
        at_rest(os.path.join(cluster.folder, 'pd', 'log'))
        shutil.copytree(os.path.join(cluster.folder, 'pd'), before, ignore=lambda _, names: [n for n in names if n.endswith('.ipc')])
        with Recording(f'127.0.0.1:{cluster.pd_link}', 'pd', pd), Recording(f'ipc://{cluster.folder}/gateway/link.ipc', 'router', router):
            vectron.wait_for(lambda: succeeds(client), 20)
            use(client, 'docs')
        assert same(router) > 100
        assert same(pd, '--data-dir', before, '--shards', '16', '--link', f'tcp://127.0.0.1:{cluster.pd_link}',
                    '--grpc-addr', f'127.0.0.1:{cluster.pd_port}') > 5


def test_what_replicas_say_to_each_other():
    with vectron.Cluster(workers=2, env={**ALLOWED, 'VECTRON_REPLICATION_FACTOR': '2'}) as cluster:
        client = cluster.client()
        vectron.wait_for(lambda: both_workers_are_there(client), 20)
        path, link = os.path.join(cluster.folder, 'raft.rec'), f'127.0.0.1:{cluster.worker_ports[0][1]}'
        with Recording(link, 'raft', path):
            use(client, 'docs')
        assert same(path, '--link', f'tcp://{link}') > 100
        assert 'not the same' in run('replay', path, '--link', 'tcp://elsewhere:1', code=1)


def points(start, n, dimension=8):
    return [(f'p{i}', [float((i * 7 + j * 3) % 11) for j in range(dimension)], {'n': str(i % 5), 'word': f'secret-{i}'}) for i in range(start, start + n)]


def work(client, name, start):
    """Writes, searches with and without a filter, gets and removals, of one client."""
    for step in range(12):
        client.upsert(name, points(start + step * 20, 40))
        assert client.Search(collection=name, vector=[1.0] * 8, top_k=3).results
        assert client.Search(collection=name, vector=[1.0] * 8, top_k=3, filter=THIRD).results
        assert client.Get(collection=name, id=f'p{start + step * 20}').point.id
        client.Delete(collection=name, id=f'p{start + step * 20 + 1}')


def at_once(jobs):
    failed = []

    def run_one(job):
        try:
            job()
        except Exception as error:  # told by the test's thread
            failed.append(error)
    threads = [threading.Thread(target=run_one, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed


def answers(client, name):
    """The shard is there again: it was restarted."""
    try:
        return client.Get(collection=name, id='p3') is not None
    except vectron.grpc.RpcError:
        return False


def test_a_shard_does_again_what_it_did():
    with vectron.Up(ALLOWED) as server:
        path, client = os.path.join(server.folder, 'shard.rec'), server.client()
        link = f'ipc://{server.env["VECTRON_DATA_DIR"]}/link.ipc'
        client.CreateCollection(name='docs', dimension=8, distance='euclidean', shards=1)
        client.upsert('docs', points(0, 300))
        with Recording(link, 'shard/1', path):
            vectron.wait_for(lambda: answers(client, 'docs'), 20)
            at_once([lambda: work(server.client(), 'docs', 1000), lambda: work(server.client(), 'docs', 2000)])
        turns = same(path)
        assert turns > 100, turns
        check_other_shard(path)
        check_limit(client, link, path + '.large')


def check_other_shard(path):
    """Twins: a write of another point, and another payload on the disk that the recording carries."""
    with open(path, 'rb') as file:
        data = file.read()
    for name, at, new in (('write', data.index(b'p1003'), b'q1003'), ('disk', data.index(b'secret-3'), b'sacred-3')):
        old = data[at:at + len(new)]
        end = data.index(b'ShardGet') if name == 'disk' else at + len(new)
        with open(path + name, 'wb') as file:
            file.write(data[:at] + data[at:end].replace(old, new) + data[end:])
        words = run('replay', path + name, code=1)
        assert 'not the same after ' in words and {'write': 'LogAppend', 'disk': 'ShardPoint'}[name] in words and 'they differ from byte' in words, (name, words)


def check_limit(client, link, path):
    client.CreateCollection(name='large', dimension=512, shards=1)
    for start in range(0, 1000, 250):
        client.upsert('large', points(start, 250, 512))
    words = run('record', '--link', link, '--actor', 'shard/2', '--restart', '--seconds', '1', '--disk-mb', '1', '-o', path, code=1)
    assert 'more than 1 MB on its disk' in words and '--disk-mb' in words, words
    assert not os.path.exists(path)


def test_a_keeper_does_again_what_it_did():
    with vectron.Up(ALLOWED) as server:
        path, client = os.path.join(server.folder, 'keeper.rec'), server.client()
        client.CreateCollection(name='before', dimension=3, shards=2)
        with Recording(f'ipc://{server.env["VECTRON_DATA_DIR"]}/link.ipc', 'keeper', path):
            vectron.wait_for(lambda: succeeds(client), 20)
            for name in ('one', 'two', 'three'):
                client.CreateCollection(name=name, dimension=3, shards=2)
            client.DeleteCollection(name='two')
            client.DeleteCollection(name='before')
        assert same(path) > 10
        shown = run('replay', path, '--turns')
        assert 'KeeperShard' in shown and 'PdAssignments' in shown
        with open(path, 'rb') as file:
            data = file.read()
        with open(path + '.changed', 'wb') as file:
            file.write(data.replace(b'euclidean', b'eucl1dean').replace(b'cosine', b'c0sine'))
        assert 'not the same' in run('replay', path + '.changed', code=1)


def test_replicas_of_a_shard():
    """The leader and a follower of one group, each by itself."""
    with vectron.Cluster(workers=2, env={**ALLOWED, 'VECTRON_REPLICATION_FACTOR': '2'}) as cluster:
        client = cluster.client()
        vectron.wait_for(lambda: both_workers_are_there(client), 20)
        client.CreateCollection(name='docs', dimension=8, distance='euclidean', shards=1)
        client.upsert('docs', points(0, 100))
        shard = [s.shard_id for s in client.GetCollectionStatus(name='docs').shards][0]
        one, other = (os.path.join(cluster.folder, f'{n}.rec') for n in (0, 1))
        links = [f'127.0.0.1:{ports[1]}' for ports in cluster.worker_ports]
        with Recording(links[0], f'shard/{shard}', one), Recording(links[1], f'shard/{shard}', other):
            vectron.wait_for(lambda: answers(client, 'docs'), 20)
            work(client, 'docs', 1000)
        assert same(one) > 100 and same(other) > 100


def at_rest(folder):
    """Nothing was written there for a second: what the trial left to do is done."""
    def sizes():
        return sorted((name, os.path.getsize(os.path.join(folder, name))) for name in os.listdir(folder))
    since, seen = time.monotonic(), sizes()
    while time.monotonic() - since < 1:
        time.sleep(0.1)
        if sizes() != seen:
            since, seen = time.monotonic(), sizes()


def both_workers_are_there(client):
    """What they registered is in the placement driver's log from then on."""
    client.CreateCollection(name='trial', dimension=2, shards=2)
    leaders = {s.leader_id for s in client.GetCollectionStatus(name='trial').shards}
    client.DeleteCollection(name='trial')
    return len(leaders) == 2


def succeeds(client):
    """The placement driver answers again: it was restarted."""
    try:
        return client.ListCollections() is not None
    except vectron.grpc.RpcError:
        return False


def test_what_cannot_be_is_refused():
    with vectron.Up({'VECTRON_SYS_BODIES': 'whole'}) as server:
        link, path = f'ipc://{server.env["VECTRON_DATA_DIR"]}/link.ipc', os.path.join(server.folder, 'x.rec')
        assert 'VECTRON_SYS_ACTIONS=on' in run('record', '--link', link, '--actor', 'router', '--restart', '-o', path, code=1)
        assert 'whole name' in run('record', '--link', link, '--actor', 'shard/*', '-o', path, code=1)
        server.client().CreateCollection(name='c', dimension=2)
        recorder = subprocess.Popen([vectron.BINARY, 'record', '--link', link, '--actor', 'keeper', '--seconds', '2', '-o', path],
                                    env=vectron.clean_environment())
        time.sleep(0.7)
        server.client().CreateCollection(name='d', dimension=2)
        assert recorder.wait(30) == 0
        assert '(vectron record --restart)' in run('replay', path, code=1)
    with vectron.Up() as server:
        link = f'ipc://{server.env["VECTRON_DATA_DIR"]}/link.ipc'
        assert 'VECTRON_SYS_BODIES=whole' in run('record', '--link', link, '--actor', 'router', '-o', path + '2', code=1)


if __name__ == '__main__':
    sys.exit(vectron.run_tests(dict(globals())))
