#!/usr/bin/python3
"""How widely a search looks: presets of a request and of a collection, what wins beside ef and target_recall, and the
candidates that are measured again (rescore); by grpcio, HTTP and the command line."""
import json
import os
import sys

import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import fails  # noqa: E402

server = vectron.Up()
client = None
N, DIMENSION = 6000, 32
RANDOM = numpy.random.default_rng(17)
ROWS = RANDOM.standard_normal((N, DIMENSION)).astype('f4')
QUERIES = RANDOM.standard_normal((60, DIMENSION)).astype('f4')
KINDS = {'plain': {}, 'exact': {'preset': 'exact'}, 'accurate': {'preset': 'accurate'}, 'bits': {'storage': 'rabitq', 'rescore': 1}}


def search(collection, query=ROWS[0], **more):
    return client.Search(collection=collection, vector=[float(x) for x in query], **more)


def plan(collection, **more):
    return search(collection, explain=True, **more).explain.shards[0]


def recall(collection, **more):
    right = 0
    for query in QUERIES:
        nearest = numpy.argsort(((ROWS.astype('f8') - query) ** 2).sum(1))[:10]
        right += len({r.id for r in search(collection, query, ef=100, **more).results} & {f'p{i}' for i in nearest})
    return right / (10 * len(QUERIES))


def test_fill():
    for name, more in KINDS.items():
        client.CreateCollection(name=name, dimension=DIMENSION, distance='euclidean', **more)
        client.upsert(name, [(f'p{i}', row.tolist()) for i, row in enumerate(ROWS)])

    def linked(name):
        shards = client.GetCollectionStatus(name=name).shards
        return all(s.waiting == 0 and s.storage != 'f32' for s in shards)
    vectron.wait_for(lambda: all(linked(name) for name in KINDS), 60)


def test_a_preset_stands_for_a_recall_or_for_everything():
    for name, share in ('fast', 0.9), ('balanced', 0.95), ('accurate', 0.99):  # the curve may be measured in between
        vectron.wait_for(lambda: (p := plan('plain', preset=name)) and (p.plan, p.ef) == ((q := plan('plain', target_recall=share)).plan, q.ef), 30)
    assert plan('plain', preset='exact').plan == 'scan' and plan('plain').plan == 'walk'


def test_a_collections_own_and_what_wins():
    told = client.GetCollectionStatus(name='exact')
    assert (told.preset, told.target_recall, told.rescore) == ('exact', 0, 0)
    told = client.GetCollectionStatus(name='accurate')
    assert told.preset == 'accurate' and abs(told.target_recall - 0.99) < 1e-6
    assert client.GetCollectionStatus(name='bits').rescore == 1
    assert plan('exact').plan == 'scan'
    for more in {'preset': 'fast'}, {'ef': 50}, {'target_recall': 0.9}:
        assert plan('exact', **more).plan == 'walk', more
    assert plan('accurate', ef=33).ef == 33
    batch = client.BatchSearch(collection='exact', requests=[{'vector': QUERIES[0].tolist(), 'top_k': 3},
                                                             {'vector': QUERIES[0].tolist(), 'top_k': 3, 'exact': True}]).results
    first, second = ([(r.id, r.score) for r in one.response.results] for one in batch)
    assert first == second and len(first) == 3


def test_more_candidates_measured_again_find_more_of_a_bit_a_dimension():
    few, usual, many = recall('bits'), recall('plain'), recall('bits', rescore=30)
    assert few < many - 0.02 and many < usual, (few, many, usual)


def test_both_given_is_refused_and_bounds_hold():
    for more in {'ef': 5}, {'exact': True}, {'target_recall': 0.5}:
        with fails('INVALID_ARGUMENT', 'preset "fast" and', 'give one of them'):
            search('plain', preset='fast', **more)
    with fails('INVALID_ARGUMENT', 'ef 5 and target_recall 0.5', 'give one of them'):
        search('plain', ef=5, target_recall=0.5)
    with fails('INVALID_ARGUMENT', 'quick', 'fast, balanced, accurate or exact'):
        search('plain', preset='quick')
    with fails('INVALID_ARGUMENT', 'preset and target_recall'):
        client.CreateCollection(name='both', dimension=2, preset='fast', target_recall=0.9)
    for rescore in 0.5, 101, float('nan'):
        with fails('INVALID_ARGUMENT', '1 to 100'):
            search('plain', rescore=rescore)


def test_http_and_the_command_line():
    body = {'vector': ROWS[7].tolist(), 'preset': 'exact', 'explain': True, 'topK': 1}
    status, told = vectron.http('POST', f'{server.url}/v1/collections/plain/points/search', body)
    assert status == 200 and told['explain']['shards'][0]['plan'] == 'scan' and told['results'][0]['id'] == 'p7', told
    status, told = vectron.http('POST', f'{server.url}/v1/collections/plain/points/search', body | {'target_recal': 0.9}, arguments=('-D', '-'))
    assert status == 200 and 'field "target_recal" is unknown and was ignored; targetRecall is meant?' in told, told
    vector = json.dumps(ROWS[7].tolist())
    told = json.loads(server.run('search', 'plain', '--vector', vector, '--preset', 'exact', '--explain', '--json').stdout)
    assert told['explain']['shards'][0]['plan'] == 'scan'
    assert 'give one of them' in server.run('search', 'plain', '--vector', vector, '--preset', 'fast', '--ef', '9', code=2).stderr
    assert 'give one of them' in server.run('search', 'plain', '--vector', vector, '--target-recall', '0.9', '--ef', '9', code=2).stderr
    server.run('collections', 'create', 'made', '--dimension', '4', '--preset', 'balanced', '--rescore', '2.5')
    told = json.loads(server.run('collections', 'status', 'made', '--json').stdout)
    assert told['preset'] == 'balanced' and told['rescore'] == 2.5, told


if __name__ == '__main__':
    with server:
        client = server.client()
        sys.exit(vectron.run_tests(dict(globals())))
