"""failures: how long a cluster takes over what fails and who joins, while a client writes: real processes on this machine, sync on.

failover   the worker that leads is killed -9, until the next acknowledged write; the next kill comes when all copies serve again
join       a fourth worker starts: until it has its share and everything is in order; what writes took meanwhile, and before
balance    gets fall on the collections of one worker alone: what the busiest worker has of all requests, before and after copies
           (one of each) or leaders (of three copies) went to others, and how long that took; no get fails meanwhile
"""
import itertools
import math
import statistics
import threading
import time

import numpy
from service import pb, row, say, vectron
from lib.vectron import wait_for

SHARDS, POINTS, DIMENSION, BATCH = 8, 40000, 128, 500
GRACE = {'VECTRON_REPLICATION_FACTOR': 3, 'VECTRON_WORKER_GRACE': '10m'}


def percentile(times, percent):
    return sorted(times)[min(len(times) - 1, int(len(times) * percent / 100))]


def in_order(cluster):
    return cluster.admin('pd').get('inOrder', False)


def create(cluster, shards, dimension):
    client = cluster.client()
    wait_for(lambda: sum(w['state'] == 'ready' for w in cluster.admin('workers').get('workers', [])) == len(cluster.workers))
    client.CreateCollection(name='docs', dimension=dimension, distance='euclidean', shards=shards)
    wait_for(lambda: in_order(cluster), 60)
    return client


def leading_worker(cluster, client):
    """Which of the processes leads the only shard."""
    leader = client.GetCollectionStatus(name='docs').shards[0].leader_id
    link = next(w['link'] for w in cluster.admin('workers')['workers'] if int(w['worker']) == leader)
    return next(i for i, (_, port) in enumerate(cluster.worker_ports) if link.endswith(f':{port}'))


def restart(cluster, nth):
    """Until the placement driver has heard of the new life: before, what it says of the copies there is of the old one."""
    link, since = f':{cluster.worker_ports[nth][1]}', time.time() * 1000
    cluster.start_worker(nth)
    wait_for(lambda: any(int(w['lastBeatMs']) > since and w['state'] == 'ready'
                         for w in cluster.admin('workers').get('workers', []) if w['link'].endswith(link)), 60)


def one_failover(cluster, client, put):
    client.call('Upsert', put)
    victim = leading_worker(cluster, client)
    started = time.monotonic()
    cluster.workers[victim].kill()
    client.call('Upsert', put, timeout=30)
    seconds = time.monotonic() - started
    restart(cluster, victim)
    wait_for(lambda: all(r.ready for r in client.GetCollectionStatus(name='docs').shards) and in_order(cluster), 60)
    return seconds


def failover(kills):
    with vectron.Cluster(workers=3, env=GRACE) as cluster:
        client = create(cluster, 1, 16)
        put = client.message('Upsert', collection='docs', points=[pb.Point(id='x', vector=[0.0] * 16)])
        times = [one_failover(cluster, client, put) for _ in range(kills)]
    say(f'failover, {kills} kills:', ' '.join(f'{t:.2f}' for t in sorted(times)))
    p50, p99 = statistics.median(times), percentile(times, 99)
    row('cluster', f'leader killed {kills} times', 'failover_p50', 's', round(p50, 2), 1.0, 'limit', round(1.0 / p50, 2))
    row('cluster', f'leader killed {kills} times', 'failover_p99', 's', round(p99, 2), 2.0, 'limit', round(2.0 / p99, 2))


class Writer(threading.Thread):
    """One point after the other; what each took, in milliseconds."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.client, self.going, self.times, self.failed = cluster.client(), True, [], 0

    def run(self):
        vector = [1.0] * DIMENSION
        while self.going:
            began = time.monotonic()
            try:
                self.client.Upsert(collection='docs', points=[pb.Point(id=f'w{len(self.times)}', vector=vector)])
                self.times.append((time.monotonic() - began) * 1000)
            except vectron.grpc.RpcError:
                self.failed += 1

    def taken(self):
        times, self.times = self.times, []
        return times


def fill(client):
    rows = numpy.random.default_rng(1).standard_normal((POINTS, DIMENSION)).astype(numpy.float32)
    for first in range(0, POINTS, BATCH):
        client.Upsert(collection='docs', points=[pb.Point(id=str(i), vector=rows[i]) for i in range(first, first + BATCH)])


def share(cluster, nth):
    """Copies that this worker keeps as a voter."""
    link = f':{cluster.worker_ports[nth][1]}'
    rows = [w for w in cluster.admin('workers').get('workers', []) if w['link'].endswith(link)]
    return rows[0]['shards'] - rows[0]['learners'] - rows[0]['leaving'] if rows else 0


def join(quiet_seconds):
    with vectron.Cluster(workers=3, env=GRACE) as cluster:
        client = create(cluster, SHARDS, DIMENSION)
        fill(client)
        writer = Writer(cluster)
        writer.start()
        time.sleep(quiet_seconds)
        before, started = writer.taken(), time.monotonic()
        cluster.add_worker()
        wait_for(lambda: share(cluster, 3) == SHARDS * 3 // 4 and in_order(cluster), 120)
        seconds, during = time.monotonic() - started, writer.taken()
        writer.going = False
        writer.join()
        assert not writer.failed, f'{writer.failed} writes failed'
    case = f'a 4th worker, {SHARDS} shards, {POINTS} points'
    row('cluster', case, 'join_s', 's', round(seconds, 1))
    row('cluster', case, 'write_p50_ms', 'ms', round(percentile(during, 50), 2), round(percentile(before, 50), 2), 'before',
        round(percentile(before, 50) / percentile(during, 50), 2))
    row('cluster', case, 'write_p99_ms', 'ms', round(percentile(during, 99), 2), round(percentile(before, 99), 2), 'before',
        round(percentile(before, 99) / percentile(during, 99), 2))
    say(f'join: {len(during)} writes meanwhile, the slowest {max(during):.0f} ms; before {len(before)}, {max(before):.0f} ms')


COLLECTIONS, READERS, PATIENCE = 12, 4, 120


class Reader(threading.Thread):
    """Gets of the hot collections, one after the other."""

    def __init__(self, cluster, names):
        super().__init__(daemon=True)
        self.client, self.names, self.going, self.done, self.failed = cluster.client(), names, True, 0, []

    def run(self):
        for name in itertools.cycle(self.names):
            if not self.going:
                return
            try:
                self.client.Get(collection=name, id='x')
                self.done += 1
            except vectron.grpc.RpcError as error:
                self.failed.append(f'{name}: {error.code().name}')


def serving(cluster, copies):
    """Collection -> the worker that serves its gets."""
    shards_ = cluster.admin('shards').get('shards', [])
    if copies == 1:
        return {s['collection']: int(s['replicas'][0]['worker']) for s in shards_}
    return {s['collection']: int(s.get('leader', 0)) for s in shards_}


def busiest(cluster, hot, copies):
    """How many of the hot collections the busiest worker serves."""
    where = [worker for name, worker in serving(cluster, copies).items() if name in hot]
    return max(where.count(worker) for worker in set(where))


def skewed(copies):
    env = {**GRACE, 'VECTRON_REPLICATION_FACTOR': copies}
    with vectron.Cluster(workers=3, env=env) as cluster:
        client = cluster.client()
        wait_for(lambda: sum(w['state'] == 'ready' for w in cluster.admin('workers').get('workers', [])) == 3)
        for i in range(COLLECTIONS):
            client.CreateCollection(name=f'c{i}', dimension=16, distance='euclidean', shards=1, replicas=copies)
            client.Upsert(collection=f'c{i}', points=[pb.Point(id='x', vector=[0.0] * 16)])
        wait_for(lambda: in_order(cluster), 120)
        where = serving(cluster, copies)
        worker = max(set(where.values()), key=list(where.values()).count)
        hot = [name for name, at in where.items() if at == worker]
        before = busiest(cluster, hot, copies)
        readers = [Reader(cluster, hot[i:] + hot[:i]) for i in range(READERS)]
        started = time.monotonic()
        for reader in readers:
            reader.start()
        wait_for(lambda: busiest(cluster, hot, copies) <= math.ceil(len(hot) / 3) or time.monotonic() - started > PATIENCE, PATIENCE + 30, every=0.5)
        seconds, after = time.monotonic() - started, busiest(cluster, hot, copies)
        for reader in readers:
            reader.going = False
        for reader in readers:
            reader.join()
        failed = [words for reader in readers for words in reader.failed]
        assert not failed, failed[:3]
        case = f'{len(hot)} busy shards on one of 3 workers, ' + ('one copy' if copies == 1 else f'{copies} copies')
        row('cluster', case, 'busiest_has', 'shards', after, before, 'before', round(before / after, 2))
        row('cluster', case, 'balance_s', 's', round(seconds, 1))
        say(f'balance: {sum(r.done for r in readers)} gets meanwhile, none failed')


def balance():
    skewed(1)
    skewed(3)
