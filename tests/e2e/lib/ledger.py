"""ledger: constant load from real gRPC clients, and a book of what they were told.

Each writer has keys of its own and one call under way at a time, so for each key it is known what may be read:

    acknowledged value (or none), and those of later calls whose outcome is unknown ─▶ one of them, no other
    nobody asked for anything of this key since the read began                      ─▶ searches are held to it, too

A read that shows something else is a violation and kept with its words; so is an outcome that no fault explains.
"""
import random
import threading
import time

from lib import vectron
from lib.vectron import grpc, pb

LINEARIZABLE, SESSION, BOUNDED, EVENTUAL = 1, 2, 3, 4
LEVELS = {LINEARIZABLE: 'LINEARIZABLE', SESSION: 'SESSION', BOUNDED: 'BOUNDED', EVENTUAL: 'EVENTUAL'}
STALENESS_MS = 2000
PAUSE = 0.05  # seconds after a refusal
GONE = None  # the value of what was deleted
EXPECTED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


class Key:
    def __init__(self):
        self.now = {GONE}       # what may be read: the acknowledged value, and those whose outcome is unknown
        self.calls = 0          # begun
        self.open = False       # one is under way
        self.last = 0.0         # when the last one ended
        self.ever = {GONE}      # all values there were


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.keys, self.violations = {}, []
        self.next = 0

    def begin(self, name, gone=False):
        """The value to be written."""
        with self.lock:
            key = self.keys.setdefault(name, Key())
            self.next += 1
            value = GONE if gone else self.next
            key.calls += 1
            key.open = True
            key.now.add(value)
            key.ever.add(value)
            return value

    def end(self, name, value, acknowledged):
        with self.lock:
            key = self.keys[name]
            key.open, key.last = False, time.monotonic()
            if acknowledged:
                key.now = {value}

    def take(self, name, value):
        """It is there already, and nobody changes it."""
        with self.lock:
            key = self.keys[name] = Key()
            key.now, key.ever = {value}, {value}

    def blame(self, words):
        with self.lock:
            self.violations.append(f'{time.strftime("%X")} {words}')

    def seen(self, name, value, how):
        """A read of a key whose owner has nothing under way: at a level that sees all that was acknowledged."""
        with self.lock:
            may = set(self.keys[name].now)
        if value not in may:
            self.blame(f'{how}: {name} is {value}, not one of {may}')

    def settled(self, age=0.0):
        """Keys with nothing under way and their state, of which at least the last call is so old."""
        now = time.monotonic()
        with self.lock:
            return {name: (key.calls, set(key.now)) for name, key in self.keys.items() if not key.open and now - key.last >= age}

    def judge_search(self, settled, hits, how):
        """hits: {id: value}. What was settled before it, and is untouched since, is found as it was left."""
        with self.lock:
            left = {name: may for name, (calls, may) in settled.items() if self.keys[name].calls == calls}
            strange = [name for name, value in hits.items() if name not in self.keys or value not in self.keys[name].ever]
        wrong = {name: hits.get(name, GONE) for name, may in left.items() if hits.get(name, GONE) not in may}
        for name in strange[:3]:
            self.blame(f'{how}: {name} is {hits[name]}, which nobody wrote')
        for name in list(wrong)[:3]:
            self.blame(f'{how}: {name} is {wrong[name]}, not one of {left[name]} ({len(wrong)} such, {len(hits)} hits)')
        return len(left)


class Load:
    """Writers and a searcher against a collection of two dimensions. with Load(connect, 'docs') as load: …"""

    def __init__(self, connect, collection, writers=3, keys=40, deadline=20):
        self.connect, self.collection, self.deadline = connect, collection, deadline
        self.ledger = Ledger()
        self.going = True
        self.counts, self.refused, self.words, self.last_ack, self.longest = {}, {}, '', time.monotonic(), 0.0
        self.threads = [threading.Thread(target=self.run, args=(self.writer, n, keys), daemon=True) for n in range(writers)]
        self.threads.append(threading.Thread(target=self.run, args=(self.searcher, 99, 0), daemon=True))

    def run(self, what, n, keys):
        try:
            what(n, keys)
        except Exception as error:  # a thread that ended would be load that is missing
            self.ledger.blame(f'{what.__name__} {n} ended: {type(error).__name__}: {error}')

    def count(self, what):
        with self.ledger.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def outcome(self, what, error):
        code = error.code()
        with self.ledger.lock:
            self.refused[code.name] = self.refused.get(code.name, 0) + 1
            self.words = error.details()
        full = code == grpc.StatusCode.FAILED_PRECONDITION and 'space' in error.details()
        if code not in EXPECTED and not full:
            self.ledger.blame(f'{what}: {code.name} {error.details()}')
        time.sleep(PAUSE)

    def acknowledge(self):
        now = time.monotonic()
        with self.ledger.lock:
            self.longest = max(self.longest, now - self.last_ack)
            self.last_ack = now

    # --- calls

    def ask(self, client, method, **fields):
        """It waits for a connection: grpcio makes none while calls fail at once, as nobody polls for it."""
        return client.call(method, client.message(method, collection=self.collection, **fields), timeout=self.deadline, wait_for_ready=True)

    def upsert(self, client, names):
        """The session token, or None."""
        values = {name: self.ledger.begin(name) for name in names}
        reply = None
        try:
            reply = self.ask(client, 'Upsert', points=[pb.Point(id=k, vector=[v, 1]) for k, v in values.items()])
            self.acknowledge()
        except grpc.RpcError as error:
            self.outcome('upsert', error)
        for name, value in values.items():
            self.ledger.end(name, value, reply is not None)
        self.count('upserts')
        return reply.session if reply else None

    def delete(self, client, name):
        self.ledger.begin(name, gone=True)
        fine = False
        try:
            self.ask(client, 'Delete', id=name)
            fine = True
            self.acknowledge()
        except grpc.RpcError as error:
            self.outcome('delete', error)
        self.ledger.end(name, GONE, fine)
        self.count('deletes')

    def get(self, client, name, level):
        try:
            value = int(self.ask(client, 'Get', id=name, consistency=level).point.vector[0])
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                self.outcome('get', error)
                return
            value = GONE
        self.count(f'gets {LEVELS[level]}')
        if level == LINEARIZABLE:
            self.ledger.seen(name, value, 'get LINEARIZABLE')
        elif value not in self.ledger.keys[name].ever:
            self.ledger.blame(f'get EVENTUAL: {name} is {value}, which nobody wrote')

    def search(self, client, level, settled, exact, **more):
        """Of everything; judged by what was settled before."""
        try:
            reply = self.ask(client, 'Search', vector=[0, 1], top_k=10000, include_vectors=True, consistency=level, exact=exact, **more)
        except grpc.RpcError as error:
            self.outcome(f'search {LEVELS[level]}', error)
            return
        self.count(f'searches {LEVELS[level]}')
        if reply.partial:
            self.ledger.blame('a search is partial that nobody allowed to be')
        hits = {hit.id: int(hit.vector[0]) for hit in reply.results}
        self.ledger.judge_search({} if level == EVENTUAL else settled, hits, f'search {LEVELS[level]}{" exact" if exact else ""}')

    # --- threads

    def writer(self, n, keys):
        client, rng = self.connect(), random.Random(n)
        names = [f'w{n}-{i}' for i in range(keys)]
        for name in names:
            self.ledger.keys.setdefault(name, Key())
        while self.going:
            dice, name = rng.random(), rng.choice(names)
            if dice < 0.5:
                batch = rng.sample(names, rng.randint(1, 8))
                session = self.upsert(client, batch)
                if session and dice < 0.1:
                    of_batch = {k: v for k, v in self.ledger.settled().items() if k in batch}
                    self.search(client, SESSION, of_batch, dice < 0.05, session=session)
            elif dice < 0.65:
                self.delete(client, name)
            else:
                self.get(client, name, LINEARIZABLE if dice < 0.85 else EVENTUAL)
        client.close()

    def searcher(self, n, keys):
        client, rng = self.connect(), random.Random(n)
        while self.going:
            exact = rng.random() < 0.5
            self.search(client, LINEARIZABLE, self.ledger.settled(), exact)
            self.search(client, BOUNDED, self.ledger.settled(STALENESS_MS / 1000), exact, max_staleness_ms=STALENESS_MS)
            self.search(client, EVENTUAL, {}, exact)
            time.sleep(0.02)
        client.close()

    # --- from outside

    def acknowledged_since(self, moment):
        return self.last_ack > moment

    def stop(self):
        self.going = False
        for thread in self.threads:
            thread.join(2 * self.deadline)
            assert not thread.is_alive(), 'a call has no outcome'

    def judge_all(self, client):
        """Every key once more, when nobody writes."""
        for name in self.ledger.keys:
            self.get(client, name, LINEARIZABLE)
        for level in (LINEARIZABLE, SESSION):
            self.search(client, level, self.ledger.settled(), True)
            self.search(client, level, self.ledger.settled(), False)

    def report(self):
        with self.ledger.lock:
            said = ', '.join(f'{n} {what}' for what, n in sorted(self.counts.items()))
            refused = ', '.join(f'{n} {code}' for code, n in sorted(self.refused.items())) or 'none'
        return f'{said}; refused: {refused}; the longest pause between acknowledged writes {self.longest:.1f} s'

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.going = False
