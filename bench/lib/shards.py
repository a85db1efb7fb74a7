"""shards: cases of bench cluster about what a process carries: many idle shards, a snapshot of 1 GB, a restart with 1 M points."""
import concurrent.futures
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import numpy

import service
import sets
from service import pb, row, say, vectron

UPSERT = '/vectron.v1.VectronService/Upsert'
DIMENSION = 16
GIGABYTE = 1 << 30


def send(client, request, seconds=60):
    """Again while it is refused for now."""
    end = time.monotonic() + seconds
    while True:
        try:
            return client.call('Upsert', request, timeout=60)
        except vectron.grpc.RpcError as error:
            if error.code().name not in ('RESOURCE_EXHAUSTED', 'UNAVAILABLE') or time.monotonic() > end:
                raise
            time.sleep(0.05)


# --- many idle shards

SHARDS, POINTS_EACH = 1000, 10


def settled(measure, seconds=60, every=2.0):
    """Waits until two looks, `every` apart, differ by less than a tenth of the first."""
    end = time.monotonic() + seconds
    before = measure()
    while time.monotonic() < end:
        time.sleep(every)
        now = measure()
        if abs(now - before) < max(before, 1e-9) * 0.1:
            return
        before = now


def idle_cpu(pids, seconds):
    """Share of a core that they use together."""
    before, started = sum(map(vectron.cpu_seconds, pids)), time.monotonic()
    time.sleep(seconds)
    return (sum(map(vectron.cpu_seconds, pids)) - before) / (time.monotonic() - started)


def anonymous(pids):
    return sum(map(vectron.memory_bytes, pids))


def fill(client, name, copies):
    client.CreateCollection(name=name, dimension=DIMENSION, distance='euclidean', shards=SHARDS, replicas=copies, timeout=120)
    rng = numpy.random.default_rng(1)
    for page in range(SHARDS * POINTS_EACH // 1000):
        rows = rng.standard_normal((1000, DIMENSION)).astype('f4')
        send(client, pb.UpsertRequest(collection=name, points=[pb.Point(id=f'{page}-{i}', vector=rows[i]) for i in range(1000)]))


def bench_idle(quick):
    with vectron.Up() as server:
        pids = [server.process.pid]
        client = server.client()
        client.CreateCollection(name='first', dimension=DIMENSION, distance='euclidean', shards=1)
        client.upsert('first', [('x', [0.0] * DIMENSION)])
        time.sleep(3)
        base, empty = anonymous(pids), idle_cpu(pids, 5)
        fill(client, 'many', 1)
        settled(lambda: anonymous(pids))
        time.sleep(0 if quick else 65)  # the points' flush is due after a minute
        share, each = idle_cpu(pids, 10), (anonymous(pids) - base) / SHARDS
    case = f'{SHARDS} idle shards'
    say(f'the process alone uses {empty:.2%} of a core')
    row('cluster', case, 'cpu_share', '%', round(share * 100, 2), 3.0, 'limit', round(0.03 / max(share, 1e-4), 2), 1.0)
    row('cluster', case, 'bytes_each', 'B', round(each), 1 << 20, 'limit', round((1 << 20) / max(each, 1), 2), 1.0)


def bench_idle_copies():
    """The same in three copies on three workers: what a group costs when it has heartbeats."""
    with vectron.Cluster(workers=3, env={'VECTRON_REPLICATION_FACTOR': 3, 'VECTRON_BALANCE': 0}) as cluster:
        client = cluster.client(timeout=120)
        vectron.wait_for(lambda: len(cluster.admin('workers').get('workers', [])) == 3)
        fill(client, 'many', 3)
        pids = [w.pid for w in cluster.workers]
        settled(lambda: anonymous(pids))
        share = idle_cpu(pids, 10) / len(pids)
    row('cluster', f'{SHARDS} idle groups of 3', 'cpu_share', '%', round(share * 100, 2), None, None, None)


# --- a snapshot

PAYLOAD, SNAPSHOT_DIMENSION = 16 * 1024, 128


def copied(folder, size):
    """Seconds of `cp` + `sync` of a file of so many bytes, whose pages are cached."""
    path = os.path.join(folder, 'file')
    block = os.urandom(1 << 20)
    with open(path, 'wb') as file:
        for _ in range(size >> 20):
            file.write(block)
        os.fsync(file.fileno())
    started = time.monotonic()
    subprocess.run(['cp', path, path + '2'], check=True)
    subprocess.run(['sync', path + '2'], check=True)
    seconds = time.monotonic() - started
    os.remove(path)
    os.remove(path + '2')
    return seconds


def fill_big(client, size):
    """Points of 16 KiB, so many bytes in all."""
    client.CreateCollection(name='big', dimension=SNAPSHOT_DIMENSION, distance='euclidean', shards=1, replicas=1)
    payload = [os.urandom(PAYLOAD).hex()[:PAYLOAD] for _ in range(16)]
    each = PAYLOAD + 4 * SNAPSHOT_DIMENSION

    def page(number):
        rows = numpy.random.default_rng(number).standard_normal((64, SNAPSHOT_DIMENSION)).astype('f4')
        send(client, pb.UpsertRequest(collection='big', points=[
            pb.Point(id=f'{number}-{i}', vector=rows[i], payload={'text': payload[i % 16]}) for i in range(64)]))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(page, range(size // each // 64)))


def watch_move(cluster, shard, here, there):
    """Moves the only copy; when what was first seen (seconds since the order), until it is done."""
    started, seen = time.monotonic(), {}
    subprocess.run([vectron.BINARY, 'admin', 'move', str(shard), str(here), str(there), '--pd-addrs', cluster.pd_links],
                   check=True, stdout=subprocess.DEVNULL, env=vectron.clean_environment())

    def done():
        shards = cluster.admin('shards').get('shards')
        if not shards:
            return False  # the placement driver is busy
        replicas = shards[0]['replicas']
        for replica in replicas:
            if int(replica['worker']) == there:
                seen.setdefault(f'{replica["state"].split()[0]} {replica["role"]}', time.monotonic() - started)
        return [int(r['worker']) for r in replicas] == [there]

    vectron.wait_for(done, 140, 0.05)
    seen['alone'] = time.monotonic() - started
    return seen


SNAPSHOT_LINE = re.compile(r'snapshot of entry \d+: (\d+) MB in ([\d.]+) s.*')


def bench_snapshot(quick):
    """What travels beside cp + sync of as many bytes; what placement does before and after that is said, not counted."""
    size = GIGABYTE // 8 if quick else GIGABYTE
    with vectron.Cluster(workers=2, env={'VECTRON_BALANCE': 0}) as cluster:
        client = cluster.client()
        vectron.wait_for(lambda: len(cluster.admin('workers').get('workers', [])) == 2)
        fill_big(client, size)
        shard = cluster.admin('shards')['shards'][0]
        here = int(shard['replicas'][0]['worker'])
        there = next(int(w['worker']) for w in cluster.admin('workers')['workers'] if int(w['worker']) != here)
        subprocess.run(['sync'], check=True)  # what filling wrote is no part of either
        cp = copied(cluster.folder, size)
        seen = watch_move(cluster, shard['shard'], here, there)
        lines = [line for worker in cluster.workers for line in worker.log().splitlines() if 'shard/' in line]
    say('\n'.join(lines))
    say('the move: ' + ', '.join(f'{name} after {at:.1f} s' for name, at in seen.items()))
    line = next(filter(None, map(SNAPSHOT_LINE.search, lines)))
    seconds, case = float(line[2]), f'snapshot of {line[1]} MB'
    cp *= (int(line[1]) << 20) / size
    row('cluster', case, 'seconds', 's', round(seconds, 2), round(cp, 2), 'cp + sync', round(cp / seconds, 3), 0.5)
    row('cluster', case, 'move_seconds', 's', round(seen['alone'], 2))


# --- a restart

RESTART_DIMENSION, SAVED_AFTER = 128, 15


@contextlib.contextmanager
def filling(folder):
    """A server that is at the same address in every run, by which the import's journal knows it; interrupted, it saves what it linked."""
    path = os.path.join(folder, 'ports')
    if not os.path.exists(path):
        with open(path, 'w') as file:
            json.dump(vectron.free_ports(2), file)
    with open(path) as file:
        ports = json.load(file)
    server = vectron.Up(folder=folder, env={'GRPC_ADDR': f'127.0.0.1:{ports[0]}', 'HTTP_ADDR': f'127.0.0.1:{ports[1]}'})
    server.port, server.http_port = ports
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(f'interrupted; the next run goes on in {folder}'))
    try:
        yield server.start()
    except BaseException:
        server.stop()
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def restart_folder(n):
    """A data folder with so many points, linked, killed; kept in build/bench for the next run. What was interrupted goes on."""
    folder = os.path.join(service.ROOT, 'build', 'bench', f'restart-{n}')
    path, imported, done = (os.path.join(folder, name) for name in ('rows.npy', 'imported', 'filled'))
    if os.path.exists(done):
        return folder
    os.makedirs(folder, exist_ok=True)
    say(f'filling {folder}, once')
    if not os.path.exists(path):
        numpy.save(path + '.tmp.npy', sets.synthetic(n, RESTART_DIMENSION, 1).base)
        os.rename(path + '.tmp.npy', path)
    with filling(folder) as server:
        if not os.path.exists(imported):
            subprocess.run([vectron.BINARY, 'import', path, '--collection', 'bench', '--create', '--distance', 'euclidean',
                            '--address', server.target, '--resume', os.path.join(folder, 'journal'), '--quiet'],
                           check=True, stdout=subprocess.DEVNULL, env=vectron.clean_environment())
            open(imported, 'w').close()
        service.wait_linked(server, n)
        time.sleep(SAVED_AFTER)  # a change rests for ten seconds before the index is saved
        service.wait_linked(server, n)
        server.kill()
    os.remove(path)
    open(done, 'w').close()
    return folder


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(('127.0.0.1', port)) == 0


def bench_restart(quick):
    n = 100_000 if quick else 1_000_000
    folder = restart_folder(n)
    times = []
    query = [0.5] * RESTART_DIMENSION
    for _ in range(4):  # the first one warms the page cache
        server = vectron.Up(folder=folder)
        started = time.monotonic()
        server.process = vectron.Process('up', server.env, folder)
        try:
            vectron.wait_for(lambda: listens(server.port), 140, 0.01)  # a channel that began too early would wait a second
            client = server.client()

            def found():
                with contextlib.suppress(vectron.grpc.RpcError):
                    return client.Search(collection='bench', vector=query, top_k=10, timeout=5).results

            vectron.wait_for(found, 140, 0.01)
            times.append(time.monotonic() - started)
            # A few writes, so that there is a log to replay behind what was flushed.
            client.upsert('bench', [(f'new-{i}', query) for i in range(100)])
        finally:
            server.kill()
    middle = sorted(times[1:])[1]
    say('seconds of each start: ' + ' '.join(f'{t:.2f}' for t in times))
    row('cluster', f'restart, {n // 1000}k x {RESTART_DIMENSION}', 'seconds', 's', round(middle, 2), 2.0, 'limit', round(2.0 / middle, 2), 1.0)
