#!/usr/bin/python3
"""What a collection's status says, by grpcio, HTTP and the command line: payload indexes, recall, points; and the ef and
recall of a search that explains itself."""
import json
import os
import sys

import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
import filter_pb2  # noqa: E402

server = vectron.Up()
client = None
N, DIMENSION = 6000, 32
ROWS = numpy.random.default_rng(13).standard_normal((N, DIMENSION)).astype('f4')


def status():
    return client.GetCollectionStatus(name='shop')


def indexes():
    return {(i.key, i.type): i for i in status().payload_indexes}


def test_an_empty_collection():
    client.CreateCollection(name='shop', dimension=DIMENSION, shards=2, target_recall=0.9, payload_indexes=[
        filter_pb2.PayloadIndex(key='price', type=filter_pb2.PAYLOAD_NUMBER), filter_pb2.PayloadIndex(key='color')])
    told = status()
    assert [(s.state, s.points, s.waiting, s.recall) for s in told.shards] == [('serving', 0, 0, 0)] * 2
    assert [(i.key, i.type, i.values, i.progress, i.ready) for i in told.payload_indexes] == \
        [('color', filter_pb2.PAYLOAD_KEYWORD, 0, 1, True), ('price', filter_pb2.PAYLOAD_NUMBER, 0, 1, True)]


def test_points_and_values_are_counted():
    client.upsert('shop', [(f'p{i}', ROWS[i].tolist(), {'price': str(i) if i % 10 else 'dear', **({'color': f'c{i % 7}'} if i % 2 else {})})
                           for i in range(N)])
    told = status()
    assert sum(s.points for s in told.shards) == N and all(s.memory_bytes > 0 and s.storage for s in told.shards)
    price, color = indexes()['price', filter_pb2.PAYLOAD_NUMBER], indexes()['color', filter_pb2.PAYLOAD_KEYWORD]
    assert (price.values, price.unparsed, color.values, color.unparsed) == (N - N // 10, N // 10, N // 2, 0), (price, color)
    assert price.bytes >= 8 * N and color.bytes >= 4 * N


def test_an_index_that_a_filter_had_built_is_listed():
    asked = filter_pb2.Filter(key='price', integer=filter_pb2.IntegerCondition(lt=5))
    found = client.Search(collection='shop', vector=ROWS[0].tolist(), filter=asked).results
    assert sorted(r.id for r in found) == ['p1', 'p2', 'p3', 'p4']
    built = indexes()['price', filter_pb2.PAYLOAD_INTEGER]
    assert built.ready and built.progress == 1 and built.values == N - N // 10, built


def test_the_recall_that_is_delivered_is_told():
    for row in ROWS[:200]:
        client.Search(collection='shop', vector=row.tolist(), target_recall=0.9)
    told = vectron.wait_for(lambda: (t := status()) and all(s.recall > 0 and s.waiting == 0 for s in t.shards) and t, 60)
    assert all(0.8 < s.recall <= 1 and s.ef > 0 for s in told.shards), told
    plan = client.Search(collection='shop', vector=ROWS[0].tolist(), explain=True).explain.shards[0]
    assert plan.plan == 'walk' and plan.ef > 0 and 0.8 < plan.recall <= 1, plan
    assert client.Search(collection='shop', vector=ROWS[0].tolist(), explain=True, exact=True).explain.shards[0].ef == 0


def test_http_and_the_command_line():
    code, told = vectron.http('GET', f'{server.url}/v1/collections/shop/status')
    assert code == 200 and [i['key'] for i in told['payloadIndexes']] == ['color', 'price', 'price'], told
    assert told['payloadIndexes'][0]['values'] == str(N // 2) and told['shards'][0]['recall'] > 0
    printed = server.run('collections', 'status', 'shop').stdout
    assert f'price  number     {N - N // 10}' in printed and 'RECALL' in printed and 'UNPARSED' in printed, printed
    assert json.loads(server.run('collections', 'status', 'shop', '--json').stdout)['payloadIndexes'] == told['payloadIndexes']
    explained = server.run('search', 'shop', '--vector', json.dumps(ROWS[0].tolist()), '--explain').stdout
    assert 'EF' in explained and 'RECALL' in explained, explained


if __name__ == '__main__':
    with server:
        client = server.client()
        sys.exit(vectron.run_tests(dict(globals())))
