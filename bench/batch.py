#!/usr/bin/python3
"""bench batch: many searches in one request, beside as many requests at once on the same connection.

Rows exact_N and graph_N, for N of 1, 8 and 64: queries a second of BatchSearch with N queries; peer: N calls of Search at the same
time. Also exact_N_cpu and graph_N_cpu: microseconds of the server's processors a query. Each in turn, medians of rounds. The client
is Python, and counts in the seconds, not in the processor time.
"""
import argparse
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import service  # noqa: E402
import sets  # noqa: E402
from service import row, vectron  # noqa: E402
from service import pb  # noqa: E402

COUNTS = 1, 8, 64
SECONDS = 0.5  # of each kind in a round


def requests_of(data, exact):
    return [pb.SearchRequest(collection='bench', vector=query.tolist(), top_k=10, exact=exact) for query in data.queries[:512]]


def together(client, asked):
    results = client.call('BatchSearch', pb.BatchSearchRequest(collection='bench', requests=asked)).results
    assert len(results) == len(asked) and not any(r.code for r in results)


def apart(client, asked):
    for reply in [client.future('Search', one) for one in asked]:
        assert len(reply.result().results) == 10


def run(server, client, how, requests, n):
    """Queries a second, and the server's microseconds a query."""
    done, cpu, started = 0, vectron.cpu_seconds(server.process.pid), time.monotonic()
    while time.monotonic() - started < SECONDS:
        at = done % len(requests)
        how(client, (requests + requests)[at:at + n])
        done += n
    seconds = time.monotonic() - started
    return done / seconds, (vectron.cpu_seconds(server.process.pid) - cpu) / done * 1e6


def bench(data, rounds):
    with vectron.Up() as server:
        client = server.client()
        client.CreateCollection(name='bench', dimension=data.base.shape[1], distance=data.distance)
        service.import_npy(server, data.base, 'bench', '--bulk')
        for exact in True, False:
            requests = requests_of(data, exact)
            for n in COUNTS:
                measured = {together: [], apart: []}
                for _ in range(rounds):
                    for how in measured:
                        measured[how].append(run(server, client, how, requests, n))
                (ours, ours_cpu), (peer, peer_cpu) = ([statistics.median(x) for x in zip(*measured[how])] for how in measured)
                name = f"{'exact' if exact else 'graph'}_{n}"
                row('batch', data.name, name, '1/s', round(ours, 1), round(peer, 1), f'{n} searches', round(ours / peer, 3))
                row('batch', data.name, f'{name}_cpu', 'us', round(ours_cpu, 1), round(peer_cpu, 1), f'{n} searches', round(peer_cpu / ours_cpu, 3))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--only')
    options = parser.parse_args()
    for name, make in sets.available(options.quick).items():
        if not options.only or options.only == name:
            bench(make(), 3 if options.quick else 9)


if __name__ == '__main__':
    main()
