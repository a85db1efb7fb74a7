#!/usr/bin/python3
"""crash: a real `vectron up` loses power again and again; every acknowledged write must be there after it.

    tests/crash/crash.py [--rounds N] [--seed N]      N = 5; 50 when VECTRON_LONG=1

Writers upsert and delete at full speed, each with ids of its own, so that the last answer about an id says what
it must be; a call without an answer leaves two possibilities. The server runs under the shim libhold.so, is
killed with SIGKILL at a random time (also while it starts), robbed of what it had not synced (powerloss), and
started again without a hand's help. Then every id is asked for by Get, and an exact search must return the
living ones and no other. At the end the same is done with syncs swallowed: that run must fail.
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'e2e'))
from lib import vectron  # noqa: E402
from lib.vectron import grpc, pb  # noqa: E402

COLLECTIONS = {'one': dict(dimension=8, shards=1), 'many': dict(dimension=300, shards=4)}
WRITERS = 4
IDS = 60  # of a writer in a collection
DELETED = 0


class Wrong(AssertionError):
    """The judge's verdict: something acknowledged is not there, or something deleted is."""


def vector_of(name, id_, version):
    return random.Random(f'{name} {id_} {version}').choices(range(-99, 100), k=COLLECTIONS[name]['dimension'])


class Knowledge:
    """What the answers so far allow an id to be: a set of versions; DELETED is one of them."""

    def __init__(self):
        self.possible = {(name, f'w{w}-{i}'): {DELETED} for name in COLLECTIONS for w in range(WRITERS) for i in range(IDS)}
        self.acknowledged = 0

    def may_be(self, key, version):
        self.possible[key] = self.possible[key] | {version}

    def is_now(self, key, version):
        self.possible[key] = {version}


class Writer(threading.Thread):
    """Writes until the server was killed. Versions grow for ever."""

    versions = 1

    def __init__(self, number, server, knowledge, seed):
        super().__init__(daemon=True)
        self.number, self.knowledge = number, knowledge
        self.random = random.Random(seed)
        self.client = server.client(timeout=20)
        self.surprise = None
        self.acknowledged = 0
        self.killed = threading.Event()

    def run(self):
        gone = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED)
        while not self.killed.is_set() and not self.surprise:
            try:
                self.write()
            except grpc.RpcError as error:
                if error.code() not in gone:
                    self.surprise = f'{error.code()}: {error.details()}'
                time.sleep(0.01)  # a shard may still load
        self.client.close()

    def write(self):
        name = self.random.choice(list(COLLECTIONS))
        Writer.versions += 1
        version = Writer.versions * WRITERS + self.number
        if self.random.random() < 0.3:
            keys, now = [(name, f'w{self.number}-{self.random.randrange(IDS)}')], DELETED
            call = lambda: self.client.Delete(collection=name, id=keys[0][1])  # noqa: E731
        else:
            chosen = self.random.sample(range(IDS), self.random.choice((1, 1, 3, 20)))
            keys, now = [(name, f'w{self.number}-{i}') for i in chosen], version
            points = [pb.Point(id=k[1], vector=vector_of(name, k[1], version), payload={'version': str(version)})
                      for k in keys]
            call = lambda: self.client.Upsert(collection=name, points=points)  # noqa: E731
        for key in keys:
            self.knowledge.may_be(key, now)
        call()
        for key in keys:
            self.knowledge.is_now(key, now)
        self.acknowledged += 1


class World:
    def __init__(self, seed, swallow=False):
        self.random = random.Random(seed)
        self.folder = tempfile.mkdtemp(dir=vectron.TEMPORARY)
        self.data = os.path.join(self.folder, 'data')
        self.journal = os.path.join(self.folder, 'hold')
        os.makedirs(self.data, mode=0o700)
        env = {'LD_PRELOAD': os.path.join(vectron.BUILD, 'libhold.so'), 'VECTRON_HOLD': self.data,
               'VECTRON_HOLD_JOURNAL': self.journal, 'VECTRON_DATA_DIR': self.data}
        if swallow:
            env['VECTRON_HOLD_SWALLOW'] = '1'
        self.server = vectron.Up(env=env, folder=self.folder)
        self.knowledge = Knowledge()
        self.lost = 0

    def create(self):
        self.server.start()
        client = self.server.client()
        for name, options in COLLECTIONS.items():
            client.CreateCollection(name=name, distance='euclidean', **options)
        client.close()

    def lose_power(self):
        self.server.kill()
        loss = self.random.choice(('all', 'prefix'))
        run = subprocess.run([os.path.join(vectron.BUILD, 'powerloss'), self.journal, loss,
                              str(self.random.randrange(1 << 30))], text=True, capture_output=True)
        if run.returncode:
            raise RuntimeError(f'powerloss: {run.stderr}')
        self.lost += int(run.stdout.split()[1])
        return run.stdout.strip() + f' ({loss})'

    def write_until_killed(self):
        writers = [Writer(n, self.server, self.knowledge, self.random.random()) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        time.sleep(self.random.uniform(0.1, 1.5))
        self.server.kill()
        for writer in writers:
            writer.killed.set()
        words = self.lose_power()
        for writer in writers:
            writer.join(30)
            if writer.is_alive() or writer.surprise:
                raise Wrong(f'writer {writer.number}: {writer.surprise or "hangs"}')
        self.knowledge.acknowledged += sum(w.acknowledged for w in writers)
        return words

    def start(self):
        """Starts; now and then power is lost before it is ready."""
        while self.random.random() < 0.3:
            self.server.process = vectron.Process('up', self.server.env, self.server.folder)
            time.sleep(self.random.uniform(0, 0.4))
            self.lose_power()
        try:
            self.server.start()
        except (AssertionError, TimeoutError) as error:
            last_words = str(error).strip().split('\n')[-1]
            raise Wrong(f'the server does not start by itself: {last_words}') from error

    def check(self):
        client = self.server.client()
        try:
            for name in COLLECTIONS:
                self.check_collection(client, name)
        except grpc.RpcError as error:
            raise Wrong(f'{error.code()}: {error.details()}') from error
        finally:
            client.close()

    def check_collection(self, client, name):
        alive = {}
        for (collection, id_), possible in self.knowledge.possible.items():
            if collection != name:
                continue
            found = self.get(client, name, id_)
            if found not in possible:
                raise Wrong(f'{name}/{id_} is version {found}, must be one of {sorted(possible)} (0: deleted)')
            self.knowledge.is_now((name, id_), found)
            if found != DELETED:
                alive[id_] = found
        reply = self.patiently(lambda: client.Search(
            collection=name, vector=[0] * COLLECTIONS[name]['dimension'], top_k=10_000, exact=True, include_metadata=True))
        seen = {hit.id: int(hit.payload['version']) for hit in reply.results}
        if seen != alive or len(reply.results) != len(alive):
            different = {i for i in seen.keys() | alive.keys() if seen.get(i) != alive.get(i)}
            raise Wrong(f'{name}: search and get differ about {sorted(different)[:5]}')

    @staticmethod
    def patiently(call, seconds=60):
        """A shard that still loads says UNAVAILABLE, and clients try again."""
        end = time.monotonic() + seconds
        while True:
            try:
                return call()
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def get(self, client, name, id_):
        try:
            point = self.patiently(lambda: client.Get(collection=name, id=id_)).point
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND and 'collection' not in error.details().split('"')[0]:
                return DELETED
            raise
        version = int(point.payload['version'])
        if list(point.vector) != vector_of(name, id_, version):
            raise Wrong(f'{name}/{id_} has the payload of version {version} and another vector')
        return version

    def close(self):
        if self.server.process:
            self.server.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def run_rounds(world, rounds, quiet=False):
    world.create()
    for number in range(1, rounds + 1):
        before = world.knowledge.acknowledged
        words = world.write_until_killed()
        world.start()
        world.check()
        if not quiet:
            print(f'  round {number}: {world.knowledge.acknowledged - before} writes acknowledged and there; {words}',
                  flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=50 if vectron.LONG else 5)
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    for needed in ('vectron', 'libhold.so', 'powerloss'):
        if not os.path.exists(os.path.join(vectron.BUILD, needed)):
            sys.exit(f'crash: {os.path.join(vectron.BUILD, needed)} is not built')

    print(f'crash: {options.rounds} rounds, seed {options.seed}', flush=True)
    world = World(options.seed)
    try:
        run_rounds(world, options.rounds)
    except Wrong as wrong:
        print(f'crash: WRONG: {wrong}\ncrash: again with --seed {options.seed}; the server said:')
        print(world.server.process.log()[-3000:])
        return 1
    finally:
        world.close()
    print(f'crash: {world.knowledge.acknowledged} acknowledged writes, {world.lost} unsynced changes lost: all right')
    if not world.lost:
        print('crash: nothing was ever unsynced: the shim does not work')
        return 1

    world = World(options.seed, swallow=True)
    try:
        run_rounds(world, 5, quiet=True)
    except Wrong as wrong:
        print(f'crash: with syncs swallowed the check fails, as it must: {wrong}')
        return 0
    finally:
        world.close()
    print('crash: with syncs swallowed nothing was missed: this test proves nothing')
    return 1


if __name__ == '__main__':
    sys.exit(main())
