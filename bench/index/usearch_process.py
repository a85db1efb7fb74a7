#!/usr/bin/env python3
"""usearch for bench_index: orders come on standard input, answers go to standard output; one thread.

An order is four u32: what, and three numbers; then what belongs to it. Little-endian.

    0 open     dimension, M, ef_construction; u32: 1 inner product, else squared L2
    1 load     bytes of the path; the path                 answers u32: 1 done, 0 no such file
    2 add      n, first label; n vectors of f32
    3 search   n, k, ef; n vectors                         answers n * k labels of u64
    4 save     bytes of the path; the path                 answers u32 1
    5 cost                                                 answers f64 seconds of the processor, f64 bytes more
"""
import os
import struct
import sys
import time

import numpy
from usearch.index import Index

source, target = sys.stdin.buffer, sys.stdout.buffer


def resident():
    with open('/proc/self/statm', encoding='ascii') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def answer(kind, *values):
    target.write(struct.pack(kind, *values))
    target.flush()


def vectors(n, dimension):
    return numpy.frombuffer(source.read(4 * n * dimension), dtype=numpy.float32).reshape(n, dimension)


def search(index, queries, k, ef):
    index.expansion_search = ef
    found = index.search(queries, k, threads=1)
    target.write(numpy.ascontiguousarray(found.keys, dtype=numpy.uint64).tobytes())
    target.flush()


def main():
    index, dimension, before = None, 0, resident()
    answer('<I', 1)
    while len(head := source.read(16)) == 16:
        what, a, b, c = struct.unpack('<4I', head)
        if what == 0:
            metric = 'ip' if struct.unpack('<I', source.read(4))[0] else 'l2sq'
            dimension, before = a, resident()
            index = Index(ndim=a, metric=metric, dtype='bf16', connectivity=b, expansion_add=c)
        elif what == 1:
            path = source.read(a).decode()
            if os.path.exists(path):
                index.load(path)
            answer('<I', int(os.path.exists(path)))
        elif what == 2:
            index.add(numpy.arange(b, b + a, dtype=numpy.uint64), vectors(a, dimension), threads=1)
        elif what == 3:
            search(index, vectors(a, dimension), b, c)
        elif what == 4:
            index.save(source.read(a).decode())
            answer('<I', 1)
        else:
            answer('<2d', time.process_time(), resident() - before)


if __name__ == '__main__':
    main()
