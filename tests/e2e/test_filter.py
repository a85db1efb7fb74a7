#!/usr/bin/python3
"""Filtered searches against a real `vectron up`, by grpcio, curl and the command line, beside a plain list in Python."""
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import fails  # noqa: E402
import apigateway_pb2  # noqa: E402,F401
import filter_pb2 as pb  # noqa: E402

server = vectron.Up()
client = None
COLORS = ['red', 'blue', 'green']
random.seed(5)


def payload(i):
    made = {'n': str(i), 'price': f'{i % 997 / 10:.1f}', 'color': COLORS[i % 3], 'hot': 'true' if i % 10 == 0 else 'false',
            'at': f'20{i % 30:02d}-03-{i % 28 + 1:02d}T12:00:00Z'}
    if i % 7 == 0:
        made['price'] = 'free'
    if i % 5 == 0:
        del made['color']
    return made


def fill(name, n, **more):
    client.CreateCollection(name=name, dimension=8, distance='euclidean', **more)
    points = {f'p{i}': ([random.random() for _ in range(8)], payload(i)) for i in range(n)}
    client.upsert(name, [(key, vector, made) for key, (vector, made) in points.items()])
    return points


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


# What the server is asked, and the same in Python.
CASES = [
    (pb.Filter(key='color', keyword=pb.KeywordCondition(any_of=['red', 'blue'])), lambda p: p.get('color') in ('red', 'blue')),
    (pb.Filter(key='color', keyword=pb.KeywordCondition(prefix='gr')), lambda p: p.get('color', '').startswith('gr')),
    (pb.Filter(key='price', number=pb.NumberCondition(lt=10)), lambda p: number(p['price']) is not None and number(p['price']) < 10),
    (pb.Filter(key='price', number=pb.NumberCondition(gte=3, lte=3.5)), lambda p: number(p['price']) is not None and 3 <= number(p['price']) <= 3.5),
    (pb.Filter(key='n', integer=pb.IntegerCondition(any_of=[5, 6, 700, 99999])), lambda p: int(p['n']) in (5, 6, 700)),
    (pb.Filter(key='n', integer=pb.IntegerCondition(gt=1990)), lambda p: int(p['n']) > 1990),
    (pb.Filter(key='hot', boolean=True), lambda p: p['hot'] == 'true'),
    (pb.Filter(key='at', datetime=pb.DatetimeCondition(gte='2010-01-01', lt='2012-01-01T00:00:00Z')), lambda p: '2010' <= p['at'] < '2012'),
    (pb.Filter(key='color', exists=False), lambda p: 'color' not in p),
    (pb.Filter(any=[pb.Filter(key='n', integer=pb.IntegerCondition(lt=3)), pb.Filter(key='hot', boolean=True)],
               none=[pb.Filter(key='color', exists=True)]),
     lambda p: (int(p['n']) < 3 or p['hot'] == 'true') and 'color' not in p),
    (pb.Filter(all=[pb.Filter(key='color', keyword=pb.KeywordCondition(any_of=['red'])), pb.Filter(key='price', number=pb.NumberCondition(gt=50))]),
     lambda p: p.get('color') == 'red' and number(p['price']) is not None and number(p['price']) > 50),
    (pb.Filter(), lambda p: True),
]


def nearest(points, query, meets, k):
    found = sorted((sum((a - b) ** 2 for a, b in zip(vector, query)), key) for key, (vector, made) in points.items() if meets(made))
    return [key for _, key in found[:k]]


def check(name, points, exact=True):
    for condition, meets in CASES:
        query = [random.random() for _ in range(8)]
        reply = client.Search(collection=name, vector=query, top_k=10, exact=exact, include_metadata=True, filter=condition)
        wanted = nearest(points, query, meets, 10)
        got = [hit.id for hit in reply.results]
        assert len(got) == len(wanted), (condition, got, wanted)
        for hit in reply.results:
            assert meets(dict(hit.payload)), (condition, hit)
        common = len(set(got) & set(wanted))
        assert common == len(wanted) if exact else common >= 0.8 * len(wanted), (condition, got, wanted)


INDEXES = [pb.PayloadIndex(key='color', type='PAYLOAD_KEYWORD'), pb.PayloadIndex(key='price', type='PAYLOAD_NUMBER'),
           pb.PayloadIndex(key='n', type='PAYLOAD_INTEGER'), pb.PayloadIndex(key='hot', type='PAYLOAD_BOOL'),
           pb.PayloadIndex(key='at', type='PAYLOAD_DATETIME')]


def test_declared_indexes_and_those_built_on_first_use_agree_with_a_list():
    for name, more in (('declared', {'payload_indexes': INDEXES, 'shards': 2}), ('undeclared', {})):
        points = fill(name, 2000, **more)
        check(name, points)
        check(name, points, exact=False)
        client.DeleteCollection(name=name)


def test_filters_stay_right_through_updates_deletes_and_restarts():
    global client
    points = fill('changing', 2000, payload_indexes=INDEXES[:2])
    for i in range(0, 2000, 3):
        points[f'p{i}'] = ([random.random() for _ in range(8)], payload(i + 1))
    client.upsert('changing', [(key, *points[key]) for key in list(points)[::3]])
    for i in range(1, 2000, 50):
        client.Delete(collection='changing', id=f'p{i}')
        del points[f'p{i}']
    check('changing', points)
    for stop in (server.kill, server.stop):
        stop()
        server.start()
        client = server.client()
        check('changing', points)
    client.DeleteCollection(name='changing')


def test_explain_tells_what_matched():
    points = fill('explained', 2000, payload_indexes=INDEXES, shards=2)
    reply = client.Search(collection='explained', vector=[0.5] * 8, filter=CASES[0][0], explain=True)
    assert len(reply.explain.shards) == 2, reply.explain
    assert sum(shard.points for shard in reply.explain.shards) == 2000
    assert sum(shard.matching for shard in reply.explain.shards) == sum(CASES[0][1](made) for _, made in points.values())
    assert {shard.plan for shard in reply.explain.shards} <= {'scan', 'hop', 'sweep'}, reply.explain
    assert not client.Search(collection='explained', vector=[0.5] * 8).HasField('explain')


def test_errors_name_the_place_the_limit_and_the_remedy():
    def search(condition):
        client.Search(collection='explained', vector=[0.5] * 8, filter=condition)
    with fails('INVALID_ARGUMENT', 'filter.all[1].datetime.gte', 'yesterday', 'RFC 3339'):
        search(pb.Filter(all=[pb.Filter(key='n', exists=True), pb.Filter(key='n', datetime=pb.DatetimeCondition(gte='yesterday'))]))
    with fails('INVALID_ARGUMENT', 'filter.key is empty'):
        search(pb.Filter(exists=True))
    with fails('INVALID_ARGUMENT', 'filter', 'nothing is asked about key "n"'):
        search(pb.Filter(key='n'))
    with fails('INVALID_ARGUMENT', 'filter.number', 'any_of or bounds, not both'):
        search(pb.Filter(key='n', number=pb.NumberCondition(any_of=[1], lt=3)))
    with fails('INVALID_ARGUMENT', '256', 'any_of'):
        search(pb.Filter(any=[pb.Filter(key='n', exists=True)] * 300))
    with fails('INVALID_ARGUMENT', '4096'):
        search(pb.Filter(key='n', integer=pb.IntegerCondition(any_of=range(5000))))
    deep = pb.Filter(key='n', exists=True)
    for _ in range(9):
        deep = pb.Filter(none=[deep])
    with fails('INVALID_ARGUMENT', '8 levels'):
        search(deep)
    with fails('INVALID_ARGUMENT', 'payload_indexes[1]', 'same'):
        client.CreateCollection(name='twice', dimension=2, payload_indexes=[pb.PayloadIndex(key='a')] * 2)
    for i in range(70):
        try:
            search(pb.Filter(key=f'absent{i}', exists=True))
        except vectron.grpc.RpcError as error:
            assert error.code() == vectron.grpc.StatusCode.INVALID_ARGUMENT and '64 payload indexes' in error.details(), error
            break
    else:
        raise AssertionError('70 payload indexes were built on demand, the limit is 64')


def test_http_and_the_command_line_ask_the_same():
    fill('shop', 300, payload_indexes=INDEXES)
    body = {'vector': [0.5] * 8, 'topK': 3, 'exact': True,
            'filter': {'all': [{'key': 'price', 'number': {'lt': 10}}, {'key': 'color', 'keyword': {'anyOf': ['red', 'blue']}}]}}
    status, answer = vectron.http('POST', f'{server.url}/v1/collections/shop/points/search', body)
    assert status == 200, answer
    ids = [hit['id'] for hit in answer['results']]
    assert len(ids) == 3 and 'explain' not in answer, answer

    def run(*words):
        return subprocess.run([vectron.BINARY, 'search', 'shop', '--address', server.target, '--vector', json.dumps([0.5] * 8), *words],
                              capture_output=True, text=True)
    made = run('--filter', 'price < 10 and color in ("red", \'blue\')', '-k', '3', '--exact', '--json', '--explain')
    assert made.returncode == 0, made
    told = json.loads(made.stdout)
    assert [hit['id'] for hit in told['results']] == ids and told['explain']['shards'][0]['plan'] == 'scan', told
    wrong = run('--filter', 'price < ')
    assert wrong.returncode == 2 and 'at its end: expected a value' in wrong.stderr, wrong


if __name__ == '__main__':
    with server:
        client = server.client()
        code = vectron.run_tests(dict(globals()))
    sys.exit(code)
