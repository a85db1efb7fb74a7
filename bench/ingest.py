#!/usr/bin/python3
"""bench ingest: vectors a second from a file to durable, replicated, searchable.

Row vectors_per_s: `vectron import` of the set, until every point is linked into the graph; peer: raw write + fdatasync of
the same bytes in the import's batches (what the disk alone would take). Also acknowledged_per_s: until the last reply.
Rows bulk_per_s, plain_per_s: `vectron import` with and without --bulk, until every point is linked; peer: `vectron index build` of the same
file on all cores, in turn: the linking alone.
Row bulk_lane_us: processor time a vector of the busiest compute lane, which is what linking cannot be quicker than however many cores are idle; the
one row that a busy machine does not spoil; peer: the same without --bulk.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import service  # noqa: E402
import sets  # noqa: E402
from service import row, vectron  # noqa: E402

BATCH = 256


def raw_disk(data):
    """Vectors a second of plain synced appends of the same bytes."""
    with tempfile.TemporaryFile(dir=vectron.TEMPORARY) as file:
        started = time.monotonic()
        for at in range(0, len(data.base), BATCH):
            file.write(data.base[at:at + BATCH].tobytes())
            file.flush()
            os.fdatasync(file.fileno())
        return len(data.base) / (time.monotonic() - started)


def bench(data, rounds):
    acknowledged, linked, raw = [], [], []
    for _ in range(rounds):
        raw.append(raw_disk(data))
        with vectron.Up() as server:
            server.client().CreateCollection(name='bench', dimension=data.base.shape[1], distance=data.distance)
            started = time.monotonic()
            seconds = service.import_npy(server, data.base, 'bench')
            acknowledged.append(len(data.base) / seconds)
            service.wait_linked(server, len(data.base))
            linked.append(len(data.base) / (time.monotonic() - started))
    peer = statistics.median(raw)
    for metric, values in (('acknowledged_per_s', acknowledged), ('vectors_per_s', linked)):
        ours = statistics.median(values)
        row('ingest', data.name, metric, '1/s', round(ours), round(peer), 'write + fdatasync', round(ours / peer, 4))


def linked_after(server, data, *arguments):
    """Seconds from the start of an import until its points are linked."""
    client, started = server.client(), time.monotonic()
    service.import_npy(server, data.base, 'bench', *arguments)
    while any(s.waiting or s.points < len(data.base) for s in client.GetCollectionStatus(name='bench').shards):
        time.sleep(0.02)
    return time.monotonic() - started


def build_rate(data):
    """Vectors a second of the graph alone, from the same file."""
    with tempfile.TemporaryDirectory(dir=vectron.TEMPORARY) as folder:
        path = os.path.join(folder, 'base.npy')
        numpy.save(path, data.base)
        started = time.monotonic()
        subprocess.run([vectron.BINARY, 'index', 'build', path, '--out', os.path.join(folder, 'index'), '--distance', data.distance, '--quiet'],
                       check=True, stdout=subprocess.DEVNULL, env=vectron.clean_environment())
        return len(data.base) / (time.monotonic() - started)


def busiest_lane(server):
    """Seconds of processor time of the compute lane that had most."""
    seconds, tasks = [], f'/proc/{server.process.pid}/task'
    for task in os.listdir(tasks):
        with open(os.path.join(tasks, task, 'stat'), encoding='utf-8') as file:
            name, rest = file.read().split('(', 1)[1].rsplit(')', 1)
        if name.startswith('compute-'):
            seconds.append(sum(map(int, rest.split()[11:13])) / os.sysconf('SC_CLK_TCK'))
    return max(seconds)


def bench_bulk(data, rounds):
    rates, lanes, builds = {(): [], ('--bulk',): []}, {(): [], ('--bulk',): []}, []
    for _ in range(rounds):
        builds.append(build_rate(data))
        for arguments in rates:
            with vectron.Up() as server:
                server.client().CreateCollection(name='bench', dimension=data.base.shape[1], distance=data.distance)
                rates[arguments].append(len(data.base) / linked_after(server, data, *arguments))
                lanes[arguments].append(busiest_lane(server) / len(data.base) * 1e6)
    build = statistics.median(builds)
    for metric, arguments in (('plain_per_s', ()), ('bulk_per_s', ('--bulk',))):
        ours = statistics.median(rates[arguments])
        row('ingest', data.name, metric, '1/s', round(ours), round(build), 'vectron index build', round(ours / build, 3), 1 / 1.3)
    ours, peer = statistics.median(lanes['--bulk',]), statistics.median(lanes[()])
    row('ingest', data.name, 'bulk_lane_us', 'us', round(ours, 1), round(peer, 1), 'without --bulk', round(ours / peer, 3))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--only')
    options = parser.parse_args()
    for name, make in sets.available(options.quick).items():
        if not options.only or options.only == name:
            data = make()
            bench(data, 1 if options.quick else 3)
            bench_bulk(data, 1 if options.quick else 3)


if __name__ == '__main__':
    main()
