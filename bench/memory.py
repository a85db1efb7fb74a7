#!/usr/bin/python3
"""bench memory: what points cost in memory while they are loaded through gRPC, and what a small collection costs.

Case load: n x 128 float32 with ids of 16 bytes and no payload (1,000,000; --quick: 100,000), into a fresh `vectron up`. Row
peak_anon_MB: the most RssAnon (it holds the RocksDB caches and memtables too) until every point is linked; peer `limit`:
2.5 times the raw vectors. after_anon_MB: the same at rest. Case small, bytes_each: what RssAnon grows by for each of 40
collections of 100 points; limit 1 MB.
"""
import argparse
import os
import sys
import threading
import time

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import service  # noqa: E402
import sets  # noqa: E402
from service import pb, row, say, vectron  # noqa: E402

DIMENSION, ID_BYTES = 128, 16
PAGE, STREAMS = 1000, 4
PEAK_FACTOR, SMALL_LIMIT = 2.5, 1_000_000
SMALL_COLLECTIONS, SMALL_POINTS = 40, 100
UPSERT = '/vectron.v1.VectronService/Upsert'


def anon_bytes(pid):
    with open(f'/proc/{pid}/status') as file:
        for line in file:
            if line.startswith('RssAnon:'):
                return int(line.split()[1]) * 1024
    raise RuntimeError('no RssAnon')


class Peak(threading.Thread):
    """The most a process had, looked at every 20 ms."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.bytes, self.over = pid, 0, threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.02):
            self.bytes = max(self.bytes, anon_bytes(self.pid))

    def end(self):
        self.over.set()
        self.join()
        return self.bytes


def pages_of(collection, vectors):
    """UpsertRequests as bytes: a million points are too many for objects of Python."""
    ids = numpy.array([f'point-{i:010d}' for i in range(len(vectors))], dtype=f'S{ID_BYTES}')
    sample = pb.UpsertRequest(points=[pb.Point(id=ids[0].decode(), vector=vectors[0].tolist())]).SerializeToString()
    rows = numpy.tile(numpy.frombuffer(sample, 'u1'), (len(vectors), 1))
    id_at, vector_at = sample.index(ids[0]), len(sample) - vectors.shape[1] * 4
    rows[:, id_at:id_at + ID_BYTES] = ids.view('u1').reshape(-1, ID_BYTES)
    rows[:, vector_at:] = vectors.view('u1').reshape(len(vectors), -1)
    head = pb.UpsertRequest(collection=collection).SerializeToString()
    for at in range(0, len(vectors), PAGE):
        yield head + rows[at:at + PAGE].tobytes()


def load(server, collection, vectors, told=None):
    """Upserts all of them, STREAMS requests at a time; tries again what is refused for now. told(page number) before each."""
    pages, lock = enumerate(pages_of(collection, vectors)), threading.Lock()
    failures = []

    def work():
        client = server.client()
        upsert = client.channel.unary_unary(UPSERT, response_deserializer=pb.UpsertResponse.FromString)
        while not failures:
            with lock:
                number, page = next(pages, (None, None))
            if page is None:
                return
            if told:
                told(number)
            try:
                send(upsert, page)
            except Exception as error:  # told below, by the thread that waits
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(STREAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def send(upsert, page):
    while True:
        try:
            upsert(page, timeout=60)
            return
        except vectron.grpc.RpcError as error:
            if error.code() not in (vectron.grpc.StatusCode.RESOURCE_EXHAUSTED, vectron.grpc.StatusCode.UNAVAILABLE):
                raise
            time.sleep(0.05)


def bench_load(n):
    vectors = sets.synthetic(n, DIMENSION, 1).base
    with vectron.Up() as server:
        server.client().CreateCollection(name='bench', dimension=DIMENSION, distance='euclidean')
        peak = Peak(server.process.pid)
        started = time.monotonic()

        def told(page):
            if page and page % 100 == 0:
                say(f'  {page * PAGE} points after {time.monotonic() - started:.0f} s, so far {peak.bytes / 1e6:.0f} MB')

        load(server, 'bench', vectors, told)
        loaded = time.monotonic() - started
        service.wait_linked(server, n)
        most, after = peak.end(), anon_bytes(server.process.pid)
        say(f'{n} points acknowledged in {loaded:.0f} s, linked after {time.monotonic() - started:.0f} s')
    case, limit = f'load-{n // 1000}k-{DIMENSION}', PEAK_FACTOR * vectors.nbytes / 1e6
    row('memory', case, 'peak_anon_MB', 'MB', round(most / 1e6, 1), round(limit, 1), 'limit', round(limit * 1e6 / most, 2))
    row('memory', case, 'after_anon_MB', 'MB', round(after / 1e6, 1), round(vectors.nbytes / 1e6, 1), 'raw vectors',
        round(vectors.nbytes / after, 2))


def bench_small():
    vectors = sets.synthetic(SMALL_POINTS, DIMENSION, 1).base
    with vectron.Up() as server:
        client = server.client()

        def add(name):
            client.CreateCollection(name=name, dimension=DIMENSION, distance='euclidean')
            load(server, name, vectors)
            client.Search(collection=name, vector=vectors[0].tolist(), top_k=10)

        for i in range(5):  # what is paid once: caches, arenas, first pages
            add(f'first-{i}')
        time.sleep(2)
        before = anon_bytes(server.process.pid)
        for i in range(SMALL_COLLECTIONS):
            add(f'small-{i}')
        time.sleep(2)
        each = (anon_bytes(server.process.pid) - before) / SMALL_COLLECTIONS
    row('memory', 'small-100', 'bytes_each', 'B', round(each), SMALL_LIMIT, 'limit', round(SMALL_LIMIT / max(each, 1), 2))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--only', choices=('load', 'small'))
    options = parser.parse_args()
    if options.only != 'load':
        bench_small()
    if options.only != 'small':
        bench_load(100_000 if options.quick else 1_000_000)


if __name__ == '__main__':
    main()
