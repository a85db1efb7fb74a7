#!/usr/bin/python3
"""Payload indexes that come and go: by grpcio, HTTP and the command line; right answers meanwhile and after restarts, with
a sound file beside the index file, a bad one and none; the 65th in a batch; every worker of a cluster has them."""
import os
import random
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import fails  # noqa: E402
import apigateway_pb2 as pb  # noqa: E402
import filter_pb2  # noqa: E402

server = vectron.Up()
client = None
random.seed(41)
N, DIMENSION = 12000, 8
NUMBER, KEYWORD = filter_pb2.PAYLOAD_NUMBER, filter_pb2.PAYLOAD_KEYWORD
POINTS = [(f'p{i}', [random.random() for _ in range(DIMENSION)], {'price': str(i % 100), 'color': f'c{i % 7}'}) for i in range(N)]
CHEAP = filter_pb2.Filter(key='price', number=filter_pb2.NumberCondition(lt=5))
BLUE = filter_pb2.Filter(key='color', keyword=filter_pb2.KeywordCondition(any_of=['c3']))


def create(key, kind, collection='shop'):
    client.CreatePayloadIndex(collection=collection, index=filter_pb2.PayloadIndex(key=key, type=kind))


def indexes(collection='shop'):
    return {(i.key, i.type): i for i in client.GetCollectionStatus(name=collection).payload_indexes}


def wait_ready(key, kind, collection='shop'):
    vectron.wait_for(lambda: (i := indexes(collection).get((key, kind))) and i.ready and i.declared, 60)


def ids(condition, vector=POINTS[0][1]):
    return {r.id for r in client.Search(collection='shop', vector=vector, top_k=10000, filter=condition, exact=True).results}


CHEAP_IDS = {f'p{i}' for i in range(N) if i % 100 < 5}
BLUE_IDS = {f'p{i}' for i in range(N) if i % 7 == 3}


def said(*arguments, code=0):
    done = server.run(*arguments, code=code)
    return done.stdout + done.stderr


def test_one_is_created_while_searches_and_writes_go_on():
    client.CreateCollection(name='shop', dimension=DIMENSION, distance='euclidean', payload_indexes=[filter_pb2.PayloadIndex(key='color')])
    for at in range(0, N, 2000):
        client.upsert('shop', POINTS[at:at + 2000])
    wrong, stop = [], threading.Event()

    def search():
        while not stop.is_set():
            found = ids(CHEAP)
            if found != CHEAP_IDS:
                wrong.append(len(found))
    searching = threading.Thread(target=search)
    searching.start()
    create('price', NUMBER)
    client.upsert('shop', POINTS[:500])  # again: new points replace the old ones
    wait_ready('price', NUMBER)
    stop.set()
    searching.join()
    assert not wrong and ids(CHEAP) == CHEAP_IDS, wrong
    assert indexes()['price', NUMBER].progress == 1


def test_what_is_there_or_not_is_said():
    with fails('ALREADY_EXISTS', 'price', 'number'):
        create('price', NUMBER)
    with fails('NOT_FOUND', 'price', 'integer'):
        client.DropPayloadIndex(collection='shop', key='price', type='integer')
    with fails('NOT_FOUND', 'nothing'):
        create('price', NUMBER, 'nothing')
    with fails('INVALID_ARGUMENT', 'index.key has 0 bytes'):
        create('', NUMBER)


def columns_files():
    folder = os.path.join(server.env['VECTRON_DATA_DIR'], 'index')
    return [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith('.columns')] if os.path.isdir(folder) else []


def restarted(how):
    global client
    how()
    server.start()
    client = server.client()
    assert set(indexes()) == {('color', KEYWORD), ('price', NUMBER)} and all(i.ready and i.declared for i in indexes().values())
    assert ids(CHEAP) == CHEAP_IDS and ids(BLUE) == BLUE_IDS


def test_they_are_there_after_restarts_with_a_file_a_bad_one_and_none():
    restarted(server.stop)  # saves it
    path = vectron.wait_for(columns_files)[0]
    restarted(server.kill)
    with open(path, 'r+b') as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    restarted(server.kill)
    assert 'its payload indexes are built anew from the points' in server.process.log(), server.process.log()
    for path in columns_files():
        os.unlink(path)
    restarted(server.kill)


def test_one_is_dropped_and_a_filter_builds_its_own():
    client.DropPayloadIndex(collection='shop', key='price', type='number')
    vectron.wait_for(lambda: ('price', NUMBER) not in indexes())
    assert ids(CHEAP) == CHEAP_IDS  # built on first use
    assert not indexes()['price', NUMBER].declared
    create('price', NUMBER)  # it is declared, and need not be built
    wait_ready('price', NUMBER)
    assert ids(CHEAP) == CHEAP_IDS


def test_http_and_the_command_line():
    url = f'{server.url}/v1/collections/shop/indexes'
    assert vectron.http('POST', url, {'index': {'key': 'at/b', 'type': 'PAYLOAD_DATETIME'}}) == (200, {'success': True})
    assert vectron.http('DELETE', f'{url}/at%2Fb/datetime') == (200, {'success': True})
    assert vectron.http('DELETE', f'{url}/at%2Fb/datetime')[0] == 404
    assert 'color:integer' not in said('collections', 'index', 'list', 'shop')
    assert 'color as integer of shop is ready' in said('collections', 'index', 'create', 'shop', 'color', '--type', 'integer')
    listed = said('collections', 'index', 'list', 'shop')
    assert 'color  integer' in listed and f'{N}  0.' in listed, listed
    assert 'dropped color as integer of shop' in said('collections', 'index', 'drop', 'shop', 'color:integer')
    assert 'NOT_FOUND' in said('collections', 'index', 'drop', 'shop', 'color:integer', code=1)
    assert 'one KEY' in said('collections', 'index', 'create', 'shop', code=2)
    assert 'no type' in said('collections', 'index', 'create', 'shop', 'a', '--type', 'money', code=2)
    assert 'is being built' in said('collections', 'index', 'create', 'shop', 'later', '--no-wait')


def test_the_limit_of_declared_ones_and_room_for_one_more():
    with fails('RESOURCE_EXHAUSTED', '32 payload indexes', 'drop one'):
        for i in range(32):
            create(f'more{i}', KEYWORD)
    client.DropPayloadIndex(collection='shop', key='more0')
    create('not_too_many', KEYWORD)


def test_a_65th_index_is_refused_to_its_own_search_of_a_batch_alone():
    def absent(i):
        return pb.SearchRequest(vector=POINTS[0][1], top_k=1, filter=filter_pb2.Filter(key=f'absent{i}', exists=False))
    vectron.wait_for(lambda: all(i.ready for i in indexes().values()), 60)
    plain = pb.SearchRequest(vector=POINTS[5][1], top_k=1)
    results = list(client.BatchSearch(collection='shop', requests=[r for i in range(40) for r in (absent(i), plain)]).results)
    assert [r.code for r in results[1::2]] == [0] * 40 and {r.response.results[0].id for r in results[1::2]} == {'p5'}
    refused = [r for r in results[::2] if r.code]
    assert 0 < len(refused) < 40 and len(indexes()) == 64, (len(refused), len(indexes()))
    assert all(r.code == 3 and '64' in r.message and 'payload index' in r.message for r in refused), refused[0]
    assert all(r.response.results for r in results[::2] if not r.code)
    with fails('INVALID_ARGUMENT', '64 payload indexes'):
        client.Search(collection='shop', vector=POINTS[0][1], filter=filter_pb2.Filter(key='absent39', exists=True))
    # A declared one has a place all the same.
    client.DropPayloadIndex(collection='shop', key='more1')
    create('declared_late', KEYWORD)
    wait_ready('declared_late', KEYWORD)


def test_copies_on_three_workers_have_the_same():
    with vectron.Cluster(workers=3, env={'VECTRON_REPLICATION_FACTOR': 3}) as cluster:
        there = cluster.client()
        there.CreateCollection(name='shop', dimension=DIMENSION, shards=2)
        there.upsert('shop', POINTS[:3000])
        there.CreatePayloadIndex(collection='shop', index=filter_pb2.PayloadIndex(key='price', type=NUMBER))

        def ready():
            told = there.GetCollectionStatus(name='shop').payload_indexes
            return [(i.key, i.ready, i.declared, i.values) for i in told] == [('price', True, True, 3000)]
        vectron.wait_for(ready, 60)

        def found():  # whichever replica answers; it may be behind
            return len(there.Search(collection='shop', vector=POINTS[0][1], top_k=1000, filter=CHEAP, exact=True,
                                    consistency=pb.CONSISTENCY_EVENTUAL).results)
        vectron.wait_for(lambda: all(found() == 150 for _ in range(20)), 60)
        there.DropPayloadIndex(collection='shop', key='price', type='number')
        vectron.wait_for(lambda: not there.GetCollectionStatus(name='shop').payload_indexes)


if __name__ == '__main__':
    with server:
        client = server.client()
        sys.exit(vectron.run_tests(dict(globals())))
