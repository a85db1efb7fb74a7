#!/usr/bin/python3
"""A server and a plain model of it, given the same random requests: points of all kinds come, change and go, payload indexes are
declared and dropped, the process is killed; after each the answers are what the model says. Every seed is another kind of collection;
VECTRON_LONG=1 runs more of them. To see one again: test_model.py, with SEEDS=A..B in the environment."""
import json
import os
import random
import sys
import urllib.parse

import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402

FIRST, LAST = (int(n) for n in os.environ.get('SEEDS', '1..40' if vectron.LONG else '1..4').split('..'))
STEPS, IDS = 100, 400
COLOURS = ['red', 'blue', 'grün', '', 'a"b', "x'y"]
PRICES = ['9.5', '-5', '40', '1e1', '-0', 'free']
DATES = {'2024-05-01T12:00:00Z': 1714564800, '2023-01-15': 1673740800, '2024-06-01T08:00:00+02:00': 1717221600, 'bad': None}
ODD_IDS = ['a/b', 'ü', 'x y', '%2F', '?q=1', '#', '..', "'", '"', '\\', '\u0001', '😀']
DECLARED = {'color': 'keyword', 'price': 'number', 'n': 'integer', 'hot': 'bool', 'at': 'datetime'}


class Model:
    """The points as they are meant to be, and random ones."""

    def __init__(self, seed):
        self.random, self.normal = random.Random(seed), numpy.random.default_rng(seed)
        pick = self.random.choice
        self.dimension, self.distance = pick([1, 2, 3, 7, 16, 33, 100]), pick(['cosine', 'euclidean', 'dot'])
        self.options = {'shards': pick([1, 2, 4]), 'storage': pick(['auto', 'f32', 'f16', 'sq8', 'sq4', 'rabitq']),
                        'originals': pick(['none', 'ram', 'mapped'])}
        self.points = {}

    def vector(self):
        odd = self.random.random()
        if odd < 0.05 and self.distance != 'cosine':
            return [0.0] * self.dimension
        if odd < 0.06:
            return [float(numpy.float32(self.random.choice([1e-30, 1e15, -1e10, 3]))) for _ in range(self.dimension)]
        return [float(x) for x in self.normal.standard_normal(self.dimension).astype('f4')]

    def payload(self):
        has, pick = lambda: self.random.random() < 0.6, self.random.choice
        every = {'color': pick(COLOURS), 'price': pick(PRICES), 'n': str(self.random.randint(-3, 3)), 'hot': pick(['true', 'FALSE', 'yes']),
                 'at': pick(list(DATES))}
        return {key: value for key, value in every.items() if has()}

    def id(self):
        return f'p{self.random.randint(0, IDS)}' if self.random.random() < 0.9 else self.random.choice(ODD_IDS)

    def filter(self, depth=0):
        """A filter, and who meets it."""
        pick = self.random.choice
        if depth < 3 and self.random.random() < 0.3:
            way, parts = pick(['all', 'any', 'none']), [self.filter(depth + 1) for _ in range(self.random.randint(1, 3))]
            meets = {'all': lambda p: all(m(p) for _, m in parts), 'any': lambda p: any(m(p) for _, m in parts),
                     'none': lambda p: not any(m(p) for _, m in parts)}[way]
            return {way: [f for f, _ in parts]}, meets
        low, some, date, key, yes = self.random.uniform(-6, 50), self.random.sample(COLOURS, 2), pick(list(DATES)[:3]), pick([*DECLARED, 'no']), pick([0, 1])
        start = pick(['r', 'gr', 'a"'])
        numbers = [str(n) for n in self.random.sample(range(-3, 4), 2)]
        return pick([
            ({'key': 'color', 'keyword': {'anyOf': some}}, lambda p: p.get('color') in some),
            ({'key': 'color', 'keyword': {'prefix': start}}, lambda p: p.get('color', '').startswith(start)),
            ({'key': 'price', 'number': {'gte': low}}, lambda p: p.get('price', 'free') != 'free' and float(p['price']) >= low),
            ({'key': 'n', 'integer': {'anyOf': numbers}}, lambda p: p.get('n') in numbers),
            ({'key': 'hot', 'boolean': bool(yes)}, lambda p: p.get('hot', '').lower() == ('false', 'true')[yes]),
            ({'key': 'at', 'datetime': {'gte': date}}, lambda p: (DATES.get(p.get('at')) or 0) >= DATES[date]),
            ({'key': key, 'exists': bool(yes)}, lambda p: (key in p) == bool(yes)),
        ])

    def distances(self, query, ids):
        query = numpy.array(query, 'f4').astype('f8')
        rows = numpy.array([self.points[i][0] for i in ids], 'f4').astype('f8').reshape(-1, self.dimension)
        if self.distance == 'euclidean':
            return ((rows - query) ** 2).sum(1)
        if self.distance == 'dot':
            return -rows @ query
        return 1 - rows @ query / (numpy.linalg.norm(query) * numpy.linalg.norm(rows, axis=1))


class Trial:
    """One seed: a model and the server that should be like it."""

    def __init__(self, server, seed):
        self.server, self.model = server, Model(seed)
        self.random, self.name = self.model.random, f'model{seed}'
        self.found = self.wanted = 0
        self.call('POST', '', {'name': self.name, 'dimension': self.model.dimension, 'distance': self.model.distance, **self.model.options})

    def call(self, method, path, body=None, allowed=(200,)):
        status, value = vectron.http(method, f'{self.server.url}/v1/collections{path}', body)
        assert status in allowed, (method, path, str(body)[:300], status, value)
        return status, value

    def path(self, id):
        return f'/{self.name}/points/' + urllib.parse.quote(id, safe='').replace('.', '%2E')

    def upsert(self):
        points = [{'id': self.model.id(), 'vector': self.model.vector(), 'payload': self.model.payload()}
                  for _ in range(self.random.choice([1, 1, 5, 50, 300]))]
        self.call('POST', f'/{self.name}/points', {'points': points})
        self.model.points.update({p['id']: (p['vector'], p['payload']) for p in points})

    def delete(self):
        id = self.model.id()
        self.call('DELETE', self.path(id))
        self.model.points.pop(id, None)

    def get(self):
        id = self.model.id()
        status, value = self.call('GET', self.path(id), allowed=(200, 404))
        assert (status == 200) == (id in self.model.points), (id, status)
        if status == 200:
            self.expect_point(value['point'])

    def expect_point(self, point):
        vector, payload = self.model.points[point['id']]
        assert point['payload'] == payload and numpy.array_equal(numpy.float32(point['vector']), numpy.float32(vector)), (point, payload)

    def index(self):
        key, kind = self.random.choice(list(DECLARED.items()))
        if self.random.random() < 0.5:
            self.call('POST', f'/{self.name}/indexes', {'index': {'key': key, 'type': f'PAYLOAD_{kind.upper()}'}}, allowed=(200, 409))
        else:
            self.call('DELETE', f'/{self.name}/indexes/{key}/{kind}', allowed=(200, 404))

    def kill(self):
        (self.server.kill if self.random.random() < 0.5 else self.server.stop)()
        self.server.start()

    def search(self):
        query = [float(x) for x in self.model.normal.standard_normal(self.model.dimension).astype('f4')]
        body, meets = {'vector': query, 'topK': self.random.choice([1, 3, 10, 100]), 'includeMetadata': True, 'includeVectors': True}, lambda p: True
        if self.random.random() < 0.6:
            body['filter'], meets = self.model.filter()
        if self.random.random() < 0.5:
            body['exact'] = True
        ids = [id for id, (_, payload) in self.model.points.items() if meets(payload)]
        results = self.call('POST', f'/{self.name}/points/search', body)[1]['results']
        told = json.dumps(body)
        assert len(results) == len({r['id'] for r in results}) == min(body['topK'], len(ids)), (len(results), len(ids), told)
        for result in results:
            assert result['id'] in ids, (result['id'], told)
            self.expect_point(result)
        if results:
            self.expect_nearest(query, ids, results, body.get('exact', False), told)

    def expect_nearest(self, query, ids, results, exact, told):
        farthest = numpy.sort(self.model.distances(query, ids))[len(results) - 1]
        found = self.model.distances(query, [r['id'] for r in results])
        slack = 1e-4 * max(1, abs(farthest))
        if exact:
            assert (found <= farthest + slack).all(), (found.max(), farthest, told)
            scores = numpy.array([float(r['score']) for r in results])
            assert numpy.allclose(scores, found, rtol=1e-4, atol=1e-4), (scores, found, told)
        else:
            self.found += int((found <= farthest + 10 * slack).sum())
            self.wanted += len(results)

    def run(self):
        ways = {self.upsert: 35, self.delete: 10, self.get: 8, self.index: 3, self.kill: 1, self.search: 43}
        for step in self.random.choices(list(ways), ways.values(), k=STEPS):
            step()
        assert self.found >= 0.9 * self.wanted, (self.found, self.wanted)
        self.call('DELETE', f'/{self.name}')


def test_answers_are_the_models():
    with vectron.Up() as server:
        for seed in range(FIRST, LAST + 1):
            trial = Trial(server, seed)
            try:
                trial.run()
            except AssertionError:
                print(f'seed {seed}: {trial.model.dimension} dimensions, {trial.model.distance}, {trial.model.options}', flush=True)
                raise


if __name__ == '__main__':
    sys.exit(vectron.run_tests(globals()))
