#!/usr/bin/python3
"""How a collection keeps its vectors, and searches by recall, against a real `vectron up`, beside numpy."""
import json
import os
import subprocess
import sys
import urllib.request

import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import fails  # noqa: E402

server = vectron.Up()
client = None
RANDOM = numpy.random.default_rng(12)
CENTRES = RANDOM.standard_normal((40, 64)) * 2
ROWS = (CENTRES[RANDOM.integers(0, 40, 5000)] + RANDOM.standard_normal((5000, 64))).astype('f4')
QUERIES = (CENTRES[RANDOM.integers(0, 40, 40)] + RANDOM.standard_normal((40, 64))).astype('f4')
# Storage, originals, the least recall at 10, and whether scores are those of the vectors.
WAYS = [('f32', '', 0.95, True), ('f16', 'none', 0.95, False), ('sq8', 'none', 0.95, False), ('sq4', '', 0.85, False), ('rabitq', '', 0.5, False),
        ('SQ4', 'ram', 0.95, True), ('rabitq', 'ram', 0.9, True), ('rabitq', 'mapped', 0.75, True)]


def name_of(way):
    return '-'.join(way[:2]) or 'auto'


def exact(query):
    d = ((ROWS.astype('f8') - query) ** 2).sum(1)
    return d, set(numpy.argsort(d)[:10])


def search(name, query, **more):
    return client.Search(collection=name, vector=[float(x) for x in query], **more)


def is_linked(name):
    plan = search(name, QUERIES[0], explain=True, ef=20).explain.shards[0]
    return plan.plan == 'walk' and plan.visited < 3000


def test_fill():
    for way in WAYS:
        client.CreateCollection(name=name_of(way), dimension=64, distance='euclidean', shards=1, storage=way[0], originals=way[1])
        client.upsert(name_of(way), [(str(i), [float(x) for x in row], {}) for i, row in enumerate(ROWS)])
    for way in WAYS:
        assert vectron.wait_for(lambda: is_linked(name_of(way)), 60), way


def test_recall_and_scores():
    for way in WAYS:
        found = 0
        for query in QUERIES:
            d, wanted = exact(query)
            results = search(name_of(way), query, ef=200).results
            assert len(results) == 10
            found += len({int(r.id) for r in results} & wanted)
            for r in results if way[3] else []:
                assert abs(r.score - d[int(r.id)]) < 1e-3 * d[int(r.id)], (way, r.score, d[int(r.id)])
        assert found >= way[2] * 10 * len(QUERIES), (way, found)


def test_exact_searches_are_exact_whatever_is_kept():
    for way in WAYS:
        for query in QUERIES[:5]:
            d, wanted = exact(query)
            assert {int(r.id) for r in search(name_of(way), query, exact=True).results} == wanted, way


def test_a_recall_is_delivered():
    client.CreateCollection(name='aim', dimension=64, distance='euclidean', shards=1, target_recall=0.9)
    client.upsert('aim', [(str(i), [float(x) for x in row], {}) for i, row in enumerate(ROWS)])
    assert vectron.wait_for(lambda: is_linked('aim'), 60)
    for recall in 0.9, 0.99:
        found = sum(len({int(r.id) for r in search('aim', q, target_recall=recall).results} & exact(q)[1]) for q in QUERIES)
        assert found >= (recall - 0.01) * 10 * len(QUERIES), (recall, found)


def test_what_is_unknown_is_refused():
    for field, value, words in (('storage', 'sq5', 'sq4 or rabitq'), ('originals', 'disk', 'none, ram or mapped'),
                                ('target_recall', 1.5, 'below 1'), ('target_recall', float('nan'), 'below 1')):
        with fails('INVALID_ARGUMENT', field, words):
            client.CreateCollection(name='no', dimension=4, distance='dot', **{field: value})
    with fails('INVALID_ARGUMENT', 'target_recall'):
        search('sq8-none', QUERIES[0], target_recall=-0.5)


def test_http_and_the_command_line():
    body = json.dumps({'name': 'web', 'dimension': 4, 'storage': 'sq4', 'originals': 'ram', 'targetRecall': 0.95}).encode()
    with urllib.request.urlopen(urllib.request.Request(f'{server.url}/v1/collections', body)) as answer:
        assert answer.status == 200
    run = subprocess.run([vectron.BINARY, 'collections', 'create', 'line', '--dimension', '4', '--storage', 'rabitq', '--originals', 'mapped',
                          '--target-recall', '0.9'], capture_output=True, text=True, timeout=60,
                         env={**vectron.clean_environment(), 'VECTRON_ADDRESS': server.target})
    assert run.returncode == 0, run
    assert set(client.ListCollections().collections) >= {'web', 'line'}


if __name__ == '__main__':
    with server:
        client = server.client()
        sys.exit(vectron.run_tests(dict(globals())))
