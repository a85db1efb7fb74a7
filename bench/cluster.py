#!/usr/bin/python3
"""bench cluster: what three copies of a shard cost beside one: real processes on this machine, sync on, one shard.

Rows upserts_per_s (16-d: log and store), cpu_per_upsert (768-d: all processes), get_p50_us (linearizable beside eventual), and failover_s:
the leader's worker is killed -9, until the next acknowledged write.
"""
import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import service  # noqa: E402
from service import pb, row, vectron  # noqa: E402

WORKERS, POINTS, BATCH = 3, 20000, 64
LINEARIZABLE, EVENTUAL = 1, 4
SERVICE = '/vectron.v1.VectronService'


def requests(name, path, dimension, n):
    rng = numpy.random.default_rng(1)
    rows = rng.standard_normal((BATCH, dimension)).astype(numpy.float32)
    service.write_messages(path, (
        pb.UpsertRequest(collection=name, points=[pb.Point(id=f'{i}-{j}', vector=rows[j]) for j in range(BATCH)]) for i in range(n // BATCH)))


def cpu(cluster):
    return sum(vectron.cpu_seconds(p.pid) for p in cluster.processes())


def create(cluster, name, dimension, copies):
    def made():
        with contextlib.suppress(vectron.grpc.RpcError):
            return cluster.client().CreateCollection(name=name, dimension=dimension, distance='euclidean', shards=1, replicas=copies)
    vectron.wait_for(made)
    vectron.wait_for(lambda: len(cluster.client().GetCollectionStatus(name=name).shards[0].replicas) == copies, 60)


def upserts(cluster, copies, dimension, seconds):
    """(points a second, CPU seconds a point)"""
    name = f'c{copies}-{dimension}'
    path = os.path.join(cluster.folder, name)
    create(cluster, name, dimension, copies)
    requests(name, path, dimension, POINTS)
    before = cpu(cluster)
    report = service.load(cluster.port, f'{SERVICE}/Upsert', path, 2, 4, seconds)
    points = report['requests'] * BATCH
    assert not report['failed'], report
    return points / report['seconds'], (cpu(cluster) - before) / points


def get_p50(cluster, level, seconds):
    path = os.path.join(cluster.folder, f'get{level}')
    service.write_messages(path, (pb.GetRequest(collection='c3-16', id=f'{i}-0', consistency=level) for i in range(100)))
    report = service.load(cluster.port, f'{SERVICE}/Get', path, 1, 1, seconds)
    assert not report['failed'], report
    return report['p50_us']


def worker_of(cluster, number):
    """Which of the processes has this id."""
    run = subprocess.run([vectron.BINARY, 'admin', 'workers', '--json', '--pd-addrs', f'127.0.0.1:{cluster.pd_link}'],
                         env=vectron.clean_environment(), capture_output=True, text=True, check=True)
    link = next(w['link'] for w in json.loads(run.stdout)['workers'] if int(w['worker']) == number)
    return next(i for i, (_, port) in enumerate(cluster.worker_ports) if link.endswith(f':{port}'))


def failover(cluster):
    client = cluster.client()
    put = client.message('Upsert', collection='c3-16', points=[pb.Point(id='x', vector=[0.0] * 16)])
    client.call('Upsert', put)
    leader = client.GetCollectionStatus(name='c3-16').shards[0].leader_id
    victim = worker_of(cluster, leader)
    started = time.monotonic()
    cluster.workers[victim].kill()
    client.call('Upsert', put, timeout=30)
    seconds = time.monotonic() - started
    cluster.start_worker(victim)
    time.sleep(5)
    return seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--only')
    options = parser.parse_args()
    seconds = 3 if options.quick else 10
    wanted = lambda case: not options.only or options.only == case  # noqa: E731
    with vectron.Cluster(workers=WORKERS) as cluster:
        rates, costs = {}, {}
        for copies in (1, 3):
            rates[copies], _ = upserts(cluster, copies, 16, seconds)
            if wanted('cpu'):
                _, costs[copies] = upserts(cluster, copies, 768, seconds)
        if wanted('upserts'):
            row('cluster', '16-d, 3 copies', 'upserts_per_s', '1/s', round(rates[3]), round(rates[1]), 'one copy', round(rates[3] / rates[1], 3))
        if wanted('cpu'):
            row('cluster', '768-d, 3 copies', 'cpu_per_upsert', 'us', round(costs[3] * 1e6, 1), round(costs[1] * 1e6, 1), 'one copy',
                round(costs[1] / costs[3], 3))
        if wanted('get'):
            linearizable, eventual = get_p50(cluster, LINEARIZABLE, seconds), get_p50(cluster, EVENTUAL, seconds)
            row('cluster', 'linearizable get', 'p50', 'us', linearizable, eventual, 'eventual', round(eventual / linearizable, 3))
        if wanted('failover'):
            times = sorted(failover(cluster) for _ in range(3 if options.quick else 15))
            row('cluster', 'leader killed', 'failover_p50', 's', round(statistics.median(times), 2), 1.0, 'limit', round(1.0 / statistics.median(times), 2))
            row('cluster', 'leader killed', 'failover_max', 's', round(times[-1], 2), 2.0, 'limit', round(2.0 / times[-1], 2))


if __name__ == '__main__':
    main()
