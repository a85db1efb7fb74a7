#!/usr/bin/python3
"""bench isolation: writes while every core is busy with exact scans (architecture: lanes).

Row upsert_p99_ms: p99 of single-point upserts to another collection while exact scans of n x 768 run without pause;
peer: the same upserts on the idle server. The target is at most 5 times.
"""
import argparse
import os
import sys
import tempfile
import threading
import time

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import service  # noqa: E402
from service import pb, row, say, vectron  # noqa: E402


def upsert_latencies(client, seconds):
    end, latencies, i = time.monotonic() + seconds, [], 0
    vector = [0.5] * 16
    while time.monotonic() < end:
        at = time.monotonic()
        client.upsert('writes', [(f'p{i % 1000}', vector)])
        latencies.append((time.monotonic() - at) * 1e3)
        i += 1
    return latencies


def p99(values):
    return sorted(values)[len(values) * 99 // 100]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--only')
    options = parser.parse_args()
    n, seconds = (20000, 5) if options.quick else (200000, 20)
    rng = numpy.random.default_rng(1)
    rows = rng.standard_normal((n, 768), dtype='f4')
    with vectron.Up() as server, tempfile.TemporaryDirectory() as folder:
        client = server.client()
        client.CreateCollection(name='scans', dimension=768, distance='euclidean')
        client.CreateCollection(name='writes', dimension=16, distance='euclidean')
        service.import_npy(server, rows, 'scans')
        service.wait_linked(server, n, 3600)
        idle = upsert_latencies(client, seconds)
        requests = os.path.join(folder, 'requests')
        service.write_messages(requests, [pb.SearchRequest(collection='scans', vector=q, top_k=10, exact=True) for q in rows[:50]])
        reports = []
        scans = threading.Thread(target=lambda: reports.append(
            service.load(server.port, '/vectron.v1.VectronService/Search', requests, 2, 4, seconds + 4)))
        scans.start()
        time.sleep(2)
        busy = upsert_latencies(client, seconds)
        scans.join()
    say(f'{n} x 768: {reports[0]["qps"]} exact scans/s; upserts idle {len(idle) / seconds:.0f}/s, busy {len(busy) / seconds:.0f}/s')
    for name, pick in (('p50', lambda v: sorted(v)[len(v) // 2]), ('p99', p99)):
        row('isolation', f'scan-{n // 1000}k-768', f'upsert_{name}_ms', 'ms', round(pick(busy), 3), round(pick(idle), 3), 'idle',
            round(pick(idle) / pick(busy), 3))


if __name__ == '__main__':
    main()
