#!/usr/bin/python3
"""Every RPC of the gateway, driven by python3-grpcio against a real `vectron up`."""
import math
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import fails, pb  # noqa: E402

server = vectron.Up()
client = None


def fresh(name, dimension=4, distance='euclidean', **more):
    delete_if_there(name)
    client.CreateCollection(name=name, dimension=dimension, distance=distance, **more)
    return name


def delete_if_there(name):
    try:
        client.DeleteCollection(name=name)
    except vectron.grpc.RpcError as error:
        assert error.code() == vectron.grpc.StatusCode.NOT_FOUND, error


def ids(reply):
    return [hit.id for hit in reply.results]


def test_collections_are_created_listed_described_and_deleted():
    assert client.CreateCollection(name='b', dimension=3, distance='Cosine').success
    assert client.CreateCollection(name='a', dimension=2, distance='').success
    listed = list(client.ListCollections().collections)
    assert listed == ['a', 'b'], listed
    status = client.GetCollectionStatus(name='b')
    assert (status.name, status.dimension, status.distance) == ('b', 3, 'cosine'), status
    assert len(status.shards) >= 1 and all(s.ready and s.leader_id and s.replicas for s in status.shards), status
    assert client.DeleteCollection(name='b').success and client.DeleteCollection(name='a').success
    assert list(client.ListCollections().collections) == []


def test_collection_errors_name_the_thing():
    with fails('INVALID_ARGUMENT', 'collection name cannot be empty'):
        client.CreateCollection(name='', dimension=3)
    with fails('INVALID_ARGUMENT', 'dimension must be a positive number'):
        client.CreateCollection(name='x', dimension=0)
    with fails('INVALID_ARGUMENT', '65535'):
        client.CreateCollection(name='x', dimension=70000)
    with fails('INVALID_ARGUMENT', 'manhattan'):
        client.CreateCollection(name='x', dimension=3, distance='manhattan')
    with fails('INVALID_ARGUMENT'):
        client.CreateCollection(name='no/slash', dimension=3)
    with fails('NOT_FOUND', 'not found'):
        client.DeleteCollection(name='absent')
    with fails('NOT_FOUND', 'absent'):
        client.GetCollectionStatus(name='absent')
    with fails('INVALID_ARGUMENT', 'collection name is required'):
        client.GetCollectionStatus(name='')
    fresh('twice')
    with fails('ALREADY_EXISTS', 'already exists'):
        client.CreateCollection(name='twice', dimension=4)


def test_points_come_back_bit_exact():
    name = fresh('exact')
    vector = [0.1, -1e-30, 3.4028234e38, 16777217.0]
    payload = {'title': 'näme', 'empty': ''}
    assert client.upsert(name, [('p/1', vector, payload)]).upserted == 1
    point = client.Get(collection=name, id='p/1').point
    expected = pb.Point(vector=vector).vector
    assert list(point.vector) == list(expected) and point.id == 'p/1' and dict(point.payload) == payload
    assert client.upsert(name, [('p/1', [1, 2, 3, 4])]).upserted == 1
    point = client.Get(collection=name, id='p/1').point
    assert list(point.vector) == [1, 2, 3, 4] and not point.payload, 'an upsert replaces the whole point'


def test_a_write_is_visible_to_the_next_search_and_get():
    name = fresh('visible')
    for i in range(50):
        client.upsert(name, [(f'p{i}', [float(i), 0, 0, 0])])
        assert ids(client.Search(collection=name, vector=[i, 0, 0, 0], top_k=1)) == [f'p{i}']
        assert client.Get(collection=name, id=f'p{i}').point.id == f'p{i}'


def test_scores_are_distances():
    rows = {'euclidean': ([3, 4], [0, 0], 25.0), 'cosine': ([1, 0], [1, 1], 1 - 1 / math.sqrt(2)), 'dot': ([2, 3], [4, 5], -23.0),
            'DOT': ([1, 0], [0, 1], 0.0), 'l2': ([1, 1], [2, 2], 2.0)}
    for distance, (point, query, expected) in rows.items():
        name = fresh('scores', 2, distance)
        client.upsert(name, [('p', point)])
        score = client.Search(collection=name, vector=query, top_k=1).results[0].score
        assert abs(score - expected) < 1e-5, (distance, score, expected)


def test_results_are_sorted_by_distance_then_id():
    name = fresh('sorted', 2)
    client.upsert(name, [('b', [1, 0]), ('a', [0, 1]), ('c', [2, 0]), ('0', [0, 0])])
    reply = client.Search(collection=name, vector=[0, 0], top_k=10)
    assert ids(reply) == ['0', 'a', 'b', 'c'] and [r.score for r in reply.results] == [0, 1, 1, 4]


def test_payload_and_vectors_only_when_asked():
    name = fresh('asked', 2)
    client.upsert(name, [('p', [1, 2], {'k': 'v'})])
    hit = client.Search(collection=name, vector=[1, 2]).results[0]
    assert not hit.payload and not hit.vector
    hit = client.Search(collection=name, vector=[1, 2], include_metadata=True, include_vectors=True).results[0]
    assert dict(hit.payload) == {'k': 'v'} and list(hit.vector) == [1, 2]


def test_top_k_defaults_to_10_and_goes_above_100():
    name = fresh('many', 8)
    rng = random.Random(1)
    points = [(f'p{i:04}', [rng.gauss(0, 1) for _ in range(8)]) for i in range(2000)]
    assert client.upsert(name, points).upserted == 2000
    assert len(client.Search(collection=name, vector=[0] * 8).results) == 10
    for exact in (False, True):
        reply = client.Search(collection=name, vector=[0] * 8, top_k=500, exact=exact)
        assert len(reply.results) == 500 and len(set(ids(reply))) == 500
    assert len(client.Search(collection=name, vector=[0] * 8, top_k=10000).results) == 2000
    with fails('INVALID_ARGUMENT', '10000'):
        client.Search(collection=name, vector=[0] * 8, top_k=10001)


def test_delete_then_insert_is_visible_again():
    name = fresh('again', 2)
    for _ in range(3):
        client.upsert(name, [('p', [1, 1])])
        assert ids(client.Search(collection=name, vector=[1, 1])) == ['p']
        client.Delete(collection=name, id='p')
        assert ids(client.Search(collection=name, vector=[1, 1])) == []
        with fails('NOT_FOUND', 'vector with id p not found'):
            client.Get(collection=name, id='p')
    client.Delete(collection=name, id='p')  # idempotent


def test_an_update_leaves_no_old_score():
    name = fresh('update', 2)
    client.upsert(name, [('p', [0, 0])])
    client.upsert(name, [('p', [10, 0])])
    reply = client.Search(collection=name, vector=[0, 0], top_k=5)
    assert [(r.id, r.score) for r in reply.results] == [('p', 100.0)]


def test_of_two_equal_ids_the_later_wins():
    name = fresh('equal', 2)
    assert client.upsert(name, [('p', [1, 0]), ('q', [5, 5]), ('p', [2, 0])]).upserted == 3
    assert list(client.Get(collection=name, id='p').point.vector) == [2, 0]
    assert len(client.Search(collection=name, vector=[0, 0]).results) == 2


def test_all_shards_are_searched():
    name = fresh('shards', 2, shards=7)
    assert len(client.GetCollectionStatus(name=name).shards) == 7
    client.upsert(name, [(f'p{i}', [i, i]) for i in range(300)])
    assert len(client.Search(collection=name, vector=[0, 0], top_k=1000).results) == 300
    assert ids(client.Search(collection=name, vector=[0, 0], top_k=3)) == ['p0', 'p1', 'p2']


def test_search_stream_sends_cumulative_lists():
    name = fresh('stream', 2, shards=4)
    client.upsert(name, [(f'p{i}', [i, 0], {'n': str(i)}) for i in range(100)])
    replies = list(client.SearchStream(collection=name, vector=[0, 0], top_k=5))
    assert 1 <= len(replies) <= 5 and ids(replies[-1]) == [f'p{i}' for i in range(5)], replies
    assert replies[-1].results[0].payload['n'] == '0', 'payload is always there'
    with fails('INVALID_ARGUMENT', 'include_vectors is not supported on SearchStream'):
        list(client.SearchStream(collection=name, vector=[0, 0], include_vectors=True))


def test_bad_points_are_refused_before_anything_is_written():
    name = fresh('bad', 2)
    good = ('good', [0, 0])
    rows = [(('', [1, 2]), 'point ID cannot be empty'), (('p', []), 'point vector cannot be empty'),
            (('p', [1, 2, 3]), 'vector dimension 3 does not match index dimension 2'),
            (('p', [1, math.nan]), 'p'), (('p', [math.inf, 1]), 'p'), (('x' * 1025, [1, 2]), '1024'),
            (('p', [1, 2], {'k': 'v' * 70000}), 'payload'), (('p', [1, 2], {str(i): '' for i in range(65)}), '64')]
    for point, words in rows:
        with fails('INVALID_ARGUMENT', words):
            client.upsert(name, [good, point])
    assert not client.Search(collection=name, vector=[0, 0]).results, 'nothing was written'
    with fails('INVALID_ARGUMENT', 'at least one point is required'):
        client.upsert(name, [])
    with fails('INVALID_ARGUMENT', 'collection name cannot be empty'):
        client.upsert('', [good])
    with fails('NOT_FOUND', 'absent'):
        client.upsert('absent', [good])


def test_bad_searches_are_refused():
    name = fresh('badsearch', 2)
    rows = [(dict(collection='', vector=[1, 2]), 'INVALID_ARGUMENT', 'collection name cannot be empty'),
            (dict(collection=name, vector=[]), 'INVALID_ARGUMENT', 'search vector cannot be empty'),
            (dict(collection=name, vector=[1]), 'INVALID_ARGUMENT', 'search vector dimension 1 does not match index dimension 2'),
            (dict(collection=name, vector=[math.nan, 1]), 'INVALID_ARGUMENT', ''),
            (dict(collection='absent', vector=[1, 2]), 'NOT_FOUND', 'absent')]
    for fields, code, words in rows:
        with fails(code, words):
            client.Search(**fields)
    assert not client.Search(collection=name, vector=[1, 2]).results, 'an empty collection answers nothing'
    with fails('NOT_FOUND', 'vector with id x not found'):
        client.Get(collection=name, id='x')


def test_later_services_say_so():
    with fails('UNIMPLEMENTED'):
        client.UpdateUserProfile(plan=1)
    with fails('UNIMPLEMENTED'):
        client.SubmitFeedback(collection='c')


def test_deadline_and_compression_and_tokens():
    name = fresh('deadline', 2)
    client.upsert(name, [('p', [1.5, 2])])
    many = client.message('Upsert', collection=name, points=[pb.Point(id=f'd{i}', vector=[i, i]) for i in range(5000)])
    with fails('DEADLINE_EXCEEDED'):
        client.call('Upsert', many, timeout=0.001)
    reply = client.call('Search', client.message('Search', collection=name, vector=[1.5, 2], top_k=1),
                        compression=vectron.grpc.Compression.Gzip, metadata=[('authorization', 'Bearer any')])
    assert ids(reply) == ['p']


def searches_given_up():
    """Searches that ended in the searchers without an answer."""
    return sum(int(actor.get('failed', 0)) for actor in server.stats()['actors'] if actor['name'].startswith('searcher/'))


def test_a_cancel_reaches_the_searchers():
    name = fresh('cancel', 1024, shards=2)
    client.upsert(name, [(f'p{i}', [i % 7] * 1024) for i in range(4000)])
    request = client.message('Search', collection=name, vector=[0] * 1024, top_k=10, exact=True)
    for cut in ('cancel', 'connection'):
        before = searches_given_up()
        other = server.client()
        flying = [other.future('Search', request, timeout=60) for _ in range(200)]
        vectron.wait_for(lambda: any(future.done() for future in flying), 60, 0.001)
        if cut == 'cancel':
            for future in flying:
                future.cancel()
        other.close()
        vectron.wait_for(lambda: searches_given_up() - before >= 20, 20)
    assert len(client.call('Search', request, timeout=60).results) == 10
    client.DeleteCollection(name=name)


def test_health_is_serving():
    assert client.health() == vectron.health_pb2.HealthCheckResponse.SERVING
    assert client.health('vectron.v1.VectronService') == vectron.health_pb2.HealthCheckResponse.SERVING


def test_data_is_there_after_kill_9_and_after_a_clean_stop():
    global client
    name = fresh('restart', 2, shards=3)
    client.upsert(name, [(f'p{i}', [i, 1], {'n': str(i)}) for i in range(500)])
    client.Delete(collection=name, id='p7')
    for stop in (server.kill, server.stop, server.kill):
        code = stop()
        assert code in (None, 0), f'exit code {code}'
        server.start()
        client = server.client()
        assert len(client.Search(collection=name, vector=[0, 0], top_k=1000).results) == 499
        assert client.Get(collection=name, id='p9').point.payload['n'] == '9'
        with fails('NOT_FOUND'):
            client.Get(collection=name, id='p7')
    client.DeleteCollection(name=name)


if __name__ == '__main__':
    with server:
        client = server.client()
        code = vectron.run_tests(dict(globals()))
    sys.exit(code)
