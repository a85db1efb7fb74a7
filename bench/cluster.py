#!/usr/bin/python3
"""bench cluster: what three copies of a shard cost beside one, and what a process carries: real processes on this machine, sync on.

Cases (--only): upserts (16-d: log and store), cpu (768-d, an upsert: all processes), get (p50, linearizable beside eventual); failover,
join, balance (bench/lib/failures.py); idle (1,000 shards of 10 points in one process: CPU and memory),
snapshot (1 GB to a new replica beside cp + sync), restart (1 M x 128 after kill -9, until a search is answered).
"""
import argparse
import contextlib
import os
import statistics
import sys

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import failures  # noqa: E402
import service  # noqa: E402
import shards  # noqa: E402
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


def gets(cluster, seconds):
    """In turn, in short rounds: what the machine does besides falls on both."""
    linearizable, eventual = [], []
    for _ in range(5):
        linearizable.append(get_p50(cluster, LINEARIZABLE, seconds / 5))
        eventual.append(get_p50(cluster, EVENTUAL, seconds / 5))
    ours, peer = statistics.median(linearizable), statistics.median(eventual)
    row('cluster', 'linearizable get', 'p50', 'us', ours, peer, 'eventual', round(peer / ours, 3), round(1 / 1.5, 3))


def of_copies(options, seconds):
    """What three copies cost beside one, in one cluster."""
    wanted = lambda case: options.only in (None, case)  # noqa: E731
    with vectron.Cluster(workers=WORKERS) as cluster:
        rates, costs = {}, {}
        for copies in (1, 3):
            if wanted('upserts'):
                rates[copies], _ = upserts(cluster, copies, 16, seconds)
            elif copies == 3:
                upserts(cluster, copies, 16, 1)
            if wanted('cpu'):
                _, costs[copies] = upserts(cluster, copies, 768, seconds)
        if wanted('upserts'):
            row('cluster', '16-d, 3 copies', 'upserts_per_s', '1/s', round(rates[3]), round(rates[1]), 'one copy', round(rates[3] / rates[1], 3), 0.5)
        if wanted('cpu'):
            row('cluster', '768-d, 3 copies', 'cpu_per_upsert', 'us', round(costs[3] * 1e6, 1), round(costs[1] * 1e6, 1), 'one copy',
                round(costs[1] / costs[3], 3), round(1 / 3.3, 3))
        if wanted('get'):
            gets(cluster, seconds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--only', choices=('upserts', 'cpu', 'get', 'failover', 'join', 'balance', 'idle', 'snapshot', 'restart'))
    options = parser.parse_args()
    wanted = lambda case: options.only in (None, case)  # noqa: E731
    if wanted('failover'):
        failures.failover(3 if options.quick else 100)
    if wanted('join'):
        failures.join(3 if options.quick else 10)
    if wanted('balance'):
        failures.balance()
    if any(map(wanted, ('upserts', 'cpu', 'get'))):
        of_copies(options, 3 if options.quick else 10)
    if wanted('idle'):
        shards.bench_idle(options.quick)
        shards.bench_idle_copies()
    if wanted('snapshot'):
        shards.bench_snapshot(options.quick)
    if wanted('restart'):
        shards.bench_restart(options.quick)


if __name__ == '__main__':
    main()
