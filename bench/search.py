#!/usr/bin/python3
"""bench search: what the service adds to a search: the same queries through gRPC and in process.

Rows per set: recall (both), service_cpu_us (server CPU per search at 16 connections x 1 stream, peer: in-process CPU),
added_cpu_us (their difference; target <= 40), added_p50_us (one connection, one stream; target <= 150), qps. And beside
vectron-floor, the same index behind a socket with nothing between, asked by the same client: above_floor_cpu_us and
above_floor_p50_us tell what is ours of the two, the peer is what the floor adds to the index in process: the machine's
share. All are measured in turn, some seconds each; the rows are medians over the rounds.
"""
import argparse
import json
import os
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


class InProcess:
    """The index in a process of its own, measured in turn with the service, so that both see the same machine."""

    def __init__(self, data, folder, seconds):
        base, queries, self.hits = (os.path.join(folder, n) for n in ('base.f32', 'queries.f32', 'hits.u64'))
        data.base.tofile(base)
        data.queries.tofile(queries)
        self.shape = (len(data.queries), K)
        self.process = subprocess.Popen([os.path.join(service.BUILD, 'vectron-inproc'), base, queries, str(data.base.shape[1]),
                                         data.distance, str(K), str(EF), str(seconds), self.hits],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self):
        self.process.stdin.write('\n')
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        """The row numbers found."""
        self.process.stdin.close()
        assert self.process.wait() == 0
        return numpy.fromfile(self.hits, 'u8').reshape(self.shape)


class Floor:
    """The least a server could do: the index behind a socket, threads that search where they read."""

    def __init__(self, data, folder, reply_bytes):
        files = [os.path.join(folder, n) for n in ('base.f32', 'queries.f32')]
        self.process = subprocess.Popen([os.path.join(service.BUILD, 'vectron-floor'), str(reply_bytes), *files,
                                         str(data.base.shape[1]), data.distance, str(K), str(EF)],
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def end(self):
        self.process.kill()
        self.process.wait()


def over_the_wire(port, pid, requests, seconds):
    """(CPU a search at 16 x 1, p50 at 1 x 1, searches a second at 16 x 1)"""
    before = vectron.cpu_seconds(pid)
    report = service.load(port, METHOD, requests, 16, 1, seconds)
    cpu = (vectron.cpu_seconds(pid) - before) / report['requests'] * 1e6
    return cpu, service.load(port, METHOD, requests, 1, 1, seconds)['p50_us'], report['qps']


def rounds_of(server, data, alone, floor, requests, seconds, rounds):
    """Rows of (CPU alone, CPU in the service, p50 alone, p50 in the service, searches a second, CPU and p50 of the floor)."""
    rows = []
    for _ in range(rounds):
        inside = alone.measure()
        cpu, p50, qps = over_the_wire(server.port, server.process.pid, requests, seconds)
        floor_cpu, floor_p50, _ = over_the_wire(floor.port, floor.process.pid, requests, seconds)
        rows.append((inside['cpu_us'], cpu, inside['p50_us'], p50, qps, floor_cpu, floor_p50))
    say(f'{data.name}: {len(data.base)} x {data.base.shape[1]}, in process {inside}')
    return numpy.array(rows)


def run(data, seconds, rounds, folder):
    with vectron.Up() as server:
        alone = InProcess(data, folder, seconds)
        server.client().CreateCollection(name='bench', dimension=data.base.shape[1], distance=data.distance)
        service.import_npy(server, data.base, 'bench', '--bulk')
        alone.measure()  # it is built when this returns
        service.wait_linked(server, len(data.base))
        requests, replies = os.path.join(folder, 'requests'), os.path.join(folder, 'replies')
        service.write_messages(requests, [pb.SearchRequest(collection='bench', vector=q, top_k=K) for q in data.queries])
        service.load(server.port, METHOD, requests, 4, 4, 0.1, replies)
        answers = list(service.read_messages(replies, pb.SearchResponse))
        found = [[int(hit.id) for hit in answer.results] for answer in answers]
        floor = Floor(data, folder, sum(answer.ByteSize() for answer in answers) // len(answers))
        rows = rounds_of(server, data, alone, floor, requests, seconds, rounds)
        floor.end()
        return found, alone.end(), rows


def bench(data, seconds, rounds):
    truth = data.truth(K)
    with tempfile.TemporaryDirectory() as folder:
        found, numbers, rows = run(data, seconds, rounds, folder)
    middle = numpy.median(rows, axis=0)
    added_cpu, added_p50 = numpy.median(rows[:, 1] - rows[:, 0]), numpy.median(rows[:, 3] - rows[:, 2])
    above_cpu, above_p50 = numpy.median(rows[:, 1] - rows[:, 5]), numpy.median(rows[:, 3] - rows[:, 6])
    machine_cpu, machine_p50 = numpy.median(rows[:, 5] - rows[:, 0]), numpy.median(rows[:, 6] - rows[:, 2])
    ours, theirs = sets.recall(found, truth), sets.recall(numbers, truth)
    row('search', data.name, 'recall_at_10', '', round(ours, 4), round(theirs, 4), 'in process', round(ours / theirs, 4))
    row('search', data.name, 'service_cpu_us', 'us', round(middle[1], 1), round(middle[0], 1), 'in process', round(middle[0] / middle[1], 3))
    row('search', data.name, 'added_cpu_us', 'us', round(added_cpu, 1), 40, 'target', round(40 / max(added_cpu, 0.1), 2))
    row('search', data.name, 'added_p50_us', 'us', round(added_p50, 1), 150, 'target', round(150 / max(added_p50, 0.1), 2))
    row('search', data.name, 'above_floor_cpu_us', 'us', round(above_cpu, 1), round(machine_cpu, 1), 'floor adds', round(machine_cpu / max(above_cpu, 0.1), 2))
    row('search', data.name, 'above_floor_p50_us', 'us', round(above_p50, 1), round(machine_p50, 1), 'floor adds', round(machine_p50 / max(above_p50, 0.1), 2))
    row('search', data.name, 'qps', '1/s', round(middle[4], 1), round(1e6 / middle[0], 1), 'in process, 1 thread', round(middle[4] * middle[0] / 1e6, 3))


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
            bench(make(), 1.5 if options.quick else 3, 3 if options.quick else 9)


if __name__ == '__main__':
    main()
