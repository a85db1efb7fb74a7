"""sets: the vectors of the benches, real ones from ../shared/data when present, generated ones always.

Each set: name, base (n x d float32), queries (m x d), distance. Truth is computed here, exactly.
"""
import gzip
import hashlib
import os
import struct

import numpy

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(os.path.dirname(ROOT), 'shared', 'data')


class Set:
    def __init__(self, name, base, queries, distance):
        self.name, self.distance = name, distance
        self.base, self.queries = numpy.ascontiguousarray(base, 'f4'), numpy.ascontiguousarray(queries, 'f4')

    def truth(self, k=10, n_queries=200):
        """Row numbers of the k nearest of each of the first queries. Kept below build/: numpy takes a minute for Fashion-MNIST."""
        key = hashlib.sha256(self.base.data)
        key.update(self.queries[:n_queries].data)
        path = os.path.join(ROOT, 'build', 'truth', f'{self.name}-{k}-{self.distance}-{key.hexdigest()[:16]}.npy')
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            numpy.save(f'{path}.{os.getpid()}.npy', self.nearest(k, n_queries))
            os.rename(f'{path}.{os.getpid()}.npy', path)
        return numpy.load(path)

    def nearest(self, k, n_queries):
        base, queries = self.base.astype('f8'), self.queries[:n_queries].astype('f8')
        if self.distance == 'cosine':
            base = base / numpy.maximum(numpy.linalg.norm(base, axis=1, keepdims=True), 1e-30)
            queries = queries / numpy.maximum(numpy.linalg.norm(queries, axis=1, keepdims=True), 1e-30)
        scores = -2 * queries @ base.T
        if self.distance == 'euclidean':
            scores += (base * base).sum(1)
        best = numpy.argpartition(scores, k, axis=1)[:, :k]
        order = numpy.take_along_axis(scores, best, 1).argsort(1)
        return numpy.take_along_axis(best, order, 1)


def recall(found, truth):
    return sum(len(set(map(int, f)) & set(map(int, t))) for f, t in zip(found, truth)) / truth.size


def idx(path):
    with gzip.open(path) as file:
        _, n, rows, columns = struct.unpack('>4I', file.read(16))
        return numpy.frombuffer(file.read(), 'u1').reshape(n, rows * columns).astype('f4')


def fashion(n_queries):
    base = idx(os.path.join(DATA, 'fashion-train-images-idx3-ubyte.gz'))
    queries = idx(os.path.join(DATA, 'fashion-t10k-images-idx3-ubyte.gz'))
    return Set('fashion-mnist', base, queries[:n_queries], 'euclidean')


def beir(n_queries):
    with gzip.open(os.path.join(DATA, 'beir-bge-base-768-f16.bin.gz')) as file:
        n, d = struct.unpack('<2I', file.read(8))
        rows = numpy.frombuffer(file.read(), 'f2').reshape(n, d).astype('f4')
    return Set('beir-768', rows[1000:], rows[:min(1000, n_queries)], 'cosine')


def synthetic(n, d, n_queries, latent=16, seed=3):
    """Clusters in a latent space, mapped up, with a little noise: low intrinsic dimension."""
    rng = numpy.random.default_rng(seed)
    centres = rng.standard_normal((1000, latent), dtype='f4') * 2
    rows = centres[rng.integers(0, 1000, n + n_queries)] + rng.standard_normal((n + n_queries, latent), dtype='f4')
    rows = rows @ (rng.standard_normal((latent, d), dtype='f4') / 4) + 0.1 * rng.standard_normal((n + n_queries, d), dtype='f4')
    return Set(f'synth-{n // 1000}k-{d}', rows[n_queries:], rows[:n_queries], 'euclidean')


def available(quick, n_queries=1000):
    """Makers by name, so that a set is only loaded when it is asked for."""
    makers = {}
    if os.path.isdir(DATA):
        makers['beir-768'] = lambda: beir(n_queries)
        makers['fashion-mnist'] = lambda: fashion(n_queries)
    makers['synth-20k-128'] = lambda: synthetic(20000, 128, n_queries)
    if not quick:
        makers['synth-200k-128'] = lambda: synthetic(200000, 128, n_queries)
    return makers
