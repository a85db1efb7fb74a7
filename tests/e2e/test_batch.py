#!/usr/bin/python3
"""Many searches in one request, against a real `vectron up`, by grpcio, HTTP and the command line: each is what it is
alone, errors are of one query, limits hold."""
import json
import os
import sys
import urllib.request

import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import fails, pb  # noqa: E402
import filter_pb2  # noqa: E402

server = vectron.Up()
client = None
RANDOM = numpy.random.default_rng(12)
# Codes: 6,000 points of 32 dimensions in one shard; floats: 3,000 in three shards.
ROWS = {'one': RANDOM.standard_normal((6000, 32)).astype('f4'), 'three': RANDOM.standard_normal((3000, 8)).astype('f4')}


def request(vector, **more):
    return pb.SearchRequest(vector=[float(x) for x in vector], **more)


def batch(collection, requests, **more):
    return list(client.BatchSearch(collection=collection, requests=requests, **more).results)


def alone(collection, one):
    single = pb.SearchRequest()
    single.CopyFrom(one)
    single.collection = collection
    return client.call('Search', single)


def hits(reply):
    return [(r.id, r.score, dict(r.payload), list(r.vector)) for r in reply.results]


def test_fill():
    for name, shards in ('one', 1), ('three', 3):
        client.CreateCollection(name=name, dimension=len(ROWS[name][0]), distance='euclidean', shards=shards)
        client.upsert(name, [(f'p{i}', [float(x) for x in row], {'n': str(i)}) for i, row in enumerate(ROWS[name])])


def test_exact_searches_are_what_they_are_alone_and_right():
    for name in ROWS:
        queries = RANDOM.standard_normal((300, len(ROWS[name][0]))).astype('f4')
        requests = [request(q, exact=True, top_k=1 + i % 20) for i, q in enumerate(queries)]
        results = batch(name, requests)
        assert len(results) == 300 and not any(r.code for r in results)
        for i in range(0, 300, 7):
            assert hits(results[i].response) == hits(alone(name, requests[i])), (name, i)
        for query, result, one in zip(queries, results, requests):
            d = ((ROWS[name].astype('f8') - query) ** 2).sum(1)
            assert [r.id for r in result.response.results] == [f'p{i}' for i in numpy.argsort(d)[:one.top_k]]


def test_every_kind_of_search_is_what_it_is_alone():
    few = filter_pb2.Filter(key='n', integer=filter_pb2.IntegerCondition(lt=500))
    for name in ROWS:
        q = ROWS[name][7]
        far = float(numpy.sort(((ROWS[name].astype('f8') - q) ** 2).sum(1))[29:31].mean())
        requests = [request(q, top_k=5), request(q, exact=True, include_metadata=True), request(q, exact=True, within=far),
                    request(q, filter=few, exact=True, include_vectors=True), request(q, ef=300, top_k=40, explain=True),
                    request(q, exact=True, top_k=10000), request(q, top_k=2000, include_metadata=True, exact=True)]
        results = batch(name, requests)
        for one, result in zip(requests, results):
            assert result.code == 0, result
            reply = alone(name, one)
            assert hits(result.response) == hits(reply), (name, one)
            assert result.response.range == reply.range and len(result.response.explain.shards) == len(reply.explain.shards)
        assert len(results[2].response.results) == 30 and results[3].response.results[0].vector
        assert results[1].response.results[0].payload == {'n': '7'}


def test_what_is_wrong_with_one_is_its_own_failure():
    good, q = request(ROWS['one'][3], top_k=1), [float(x) for x in ROWS['one'][3]]
    bad = [(request(q[:5]), 3, 'dimension 5'), (request([]), 3, 'cannot be empty'), (request(q, top_k=10001), 3, 'top_k'),
           (request(q, collection='three'), 3, 'another'), (request(q, ef=20001), 3, 'ef is 20001'),
           (request(q, session='x'), 3, "batch's"), (request(q, timeout_ms=5), 3, "batch's"),
           (request(q, filter=filter_pb2.Filter(key='n')), 3, 'filter'), (request([float('nan')] * 32), 3, 'finite')]
    results = batch('one', [x for one in bad for x in (good, one[0])] + [good])
    assert [r.response.results[0].id for r in results[::2]] == ['p3'] * (len(bad) + 1)
    for result, (_, code, words) in zip(results[1::2], bad):
        assert result.code == code and words in result.message and not result.HasField('response'), result


def test_limits_and_what_is_wrong_with_all():
    one = request(ROWS['one'][0])
    with fails('INVALID_ARGUMENT', '0 requests', '1 to 1000'):
        batch('one', [])
    with fails('INVALID_ARGUMENT', '1001 requests'):
        batch('one', [one] * 1001)
    with fails('INVALID_ARGUMENT', 'top_k of all requests together is 110000', '100000'):
        batch('one', [request(ROWS['one'][0], top_k=10000)] * 11)
    with fails('NOT_FOUND', 'nothing'):
        batch('nothing', [one])
    with fails('INVALID_ARGUMENT', 'session'):
        batch('one', [one], session='###')
    assert len(batch('one', [one] * 1000)) == 1000


def test_a_batch_sees_what_was_written_and_passes_a_session_on():
    client.CreateCollection(name='moving', dimension=2, distance='euclidean', shards=2)
    for i in range(20):
        client.upsert('moving', [(f'p{i}', [i, 0], {})])
        for exact in True, False:
            reply = client.BatchSearch(collection='moving', requests=[request([i, 0], exact=exact, top_k=1)] * 3)
            assert [r.response.results[0].id for r in reply.results] == [f'p{i}'] * 3
    assert reply.results[0].response.session == '' and reply.session
    client.BatchSearch(collection='moving', requests=[request([1, 1])], session=reply.session)


def test_http():
    vector = [float(x) for x in ROWS['three'][3]]
    body = json.dumps({'requests': [{'vector': vector, 'topK': 1}, {'vector': [1]}]}).encode()
    with urllib.request.urlopen(urllib.request.Request(f'{server.url}/v1/collections/three/points/search/batch', body)) as a:
        first, second = json.load(a)['results']
    assert first['code'] == 0 and first['response']['results'][0]['id'] == 'p3', first
    assert second['code'] == 3 and 'dimension 1' in second['message'] and second['response'] is None, second


def test_the_command_line():
    path = os.path.join(vectron.TEMPORARY, 'queries.npy')
    numpy.save(path, ROWS['three'][:700])
    lines = server.run('search', 'three', '--batch', path, '-k', '1', '--exact').stdout.splitlines()
    assert len(lines) == 701 and lines[0].split() == ['QUERY', '#', 'SCORE', 'ID'], lines[:3]
    assert all(line.split() == [str(i), '1', '0.0000', f'p{i}'] for i, line in enumerate(lines[1:])), lines[:3]
    rows = ''.join(json.dumps({'id': f'q{i}', 'vector': [float(x) for x in ROWS['three'][i]][:8 - i]}) + '\n' for i in (0, 1))
    done = server.run('search', 'three', '--batch', '-', '--format', 'jsonl', '--json', stdin=rows, code=1)
    assert [json.loads(line)['code'] for line in done.stdout.splitlines()] == [0, 3] and 'query q1: INVALID_ARGUMENT' in done.stderr
    assert '--batch' in server.run('search', 'three', '--batch', path, '--vector', '[1]', code=2).stderr


if __name__ == '__main__':
    with server:
        client = server.client()
        sys.exit(vectron.run_tests(dict(globals())))
