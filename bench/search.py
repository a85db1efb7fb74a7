#!/usr/bin/python3
"""bench search: what the service adds to a search: the same queries through gRPC and in process.

Rows per set: recall (both), service_cpu_us (server CPU per search at 16 connections x 1 stream, peer: in-process CPU),
added_cpu_us (their difference; target <= 40), added_p50_us (one connection, one stream; target <= 150), qps.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import service  # noqa: E402
import sets  # noqa: E402
from service import pb, row, say, vectron  # noqa: E402

METHOD = '/vectron.v1.VectronService/Search'
K, EF = 10, 0


def in_process(data, folder, seconds):
    """The baseline: (report, row numbers found)."""
    base, queries, hits = (os.path.join(folder, n) for n in ('base.f32', 'queries.f32', 'hits.u64'))
    data.base.tofile(base)
    data.queries.tofile(queries)
    run = subprocess.run([os.path.join(service.BUILD, 'vectron-inproc'), base, queries, str(data.base.shape[1]), data.distance,
                          str(K), str(EF), str(seconds), hits], capture_output=True, text=True, check=True)
    return json.loads(run.stdout), numpy.fromfile(hits, 'u8').reshape(len(data.queries), K)


def through_service(data, folder, seconds, rounds):
    with vectron.Up() as server:
        server.client().CreateCollection(name='bench', dimension=data.base.shape[1], distance=data.distance)
        service.import_npy(server, data.base, 'bench')
        service.wait_linked(server, len(data.base))
        requests, replies = os.path.join(folder, 'requests'), os.path.join(folder, 'replies')
        service.write_messages(requests, [pb.SearchRequest(collection='bench', vector=q, top_k=K) for q in data.queries])
        service.load(server.port, METHOD, requests, 4, 4, 0.1, replies)
        found = [[int(hit.id) for hit in reply.results] for reply in service.read_messages(replies, pb.SearchResponse)]
        cpu, p50, qps = [], [], []
        for _ in range(rounds):
            before = vectron.cpu_seconds(server.process.pid)
            report = service.load(server.port, METHOD, requests, 16, 1, seconds)
            cpu.append((vectron.cpu_seconds(server.process.pid) - before) / report['requests'] * 1e6)
            qps.append(report['qps'])
            p50.append(service.load(server.port, METHOD, requests, 1, 1, seconds)['p50_us'])
    return found, statistics.median(cpu), statistics.median(p50), statistics.median(qps)


def bench(data, seconds, rounds):
    truth = data.truth(K)
    with tempfile.TemporaryDirectory() as folder:
        alone, numbers = in_process(data, folder, seconds)
        found, cpu, p50, qps = through_service(data, folder, seconds, rounds)
    say(f'{data.name}: {len(data.base)} x {data.base.shape[1]}, in process {alone}')
    ours, theirs = sets.recall(found, truth), sets.recall(numbers, truth)
    row('search', data.name, 'recall_at_10', '', round(ours, 4), round(theirs, 4), 'in process', round(ours / theirs, 4))
    row('search', data.name, 'service_cpu_us', 'us', round(cpu, 1), alone['cpu_us'], 'in process', round(alone['cpu_us'] / cpu, 3))
    row('search', data.name, 'added_cpu_us', 'us', round(cpu - alone['cpu_us'], 1), 40, 'target', round(40 / max(cpu - alone['cpu_us'], 0.1), 2))
    row('search', data.name, 'added_p50_us', 'us', round(p50 - alone['p50_us'], 1), 150, 'target', round(150 / max(p50 - alone['p50_us'], 0.1), 2))
    row('search', data.name, 'qps', '1/s', round(qps, 1), round(1e6 / alone['cpu_us'], 1), 'in process, 1 thread', round(qps * alone['cpu_us'] / 1e6, 3))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--only')
    options = parser.parse_args()
    makers = sets.available(options.quick)
    if options.only and options.only not in makers:
        sys.exit(f'search: no set {options.only!r}; have {", ".join(makers)}')
    for name, make in makers.items():
        if not options.only or options.only == name:
            bench(make(), 3 if options.quick else 10, 1 if options.quick else 3)


if __name__ == '__main__':
    main()
