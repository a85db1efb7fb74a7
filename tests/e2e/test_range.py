#!/usr/bin/python3
"""Searches for all points within a distance, against a real `vectron up`, by grpcio, HTTP and the command line, beside
numpy; and `explain` of searches with and without a filter."""
import json
import os
import sys
import urllib.request

import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import fails  # noqa: E402
import filter_pb2  # noqa: E402

server = vectron.Up()
client = None
RANDOM = numpy.random.default_rng(11)
# Enough for codes: 6,000 points of 32 dimensions in one shard; 3,000 in three shards.
ROWS = {'one': RANDOM.standard_normal((6000, 32)).astype('f4'), 'three': RANDOM.standard_normal((3000, 8)).astype('f4')}


def search(collection, vector, **more):
    return client.Search(collection=collection, vector=[float(x) for x in vector], **more)


def distances(collection, vector):
    return ((ROWS[collection].astype('f8') - vector) ** 2).sum(1)


def test_fill():
    for name, shards in ('one', 1), ('three', 3):
        client.CreateCollection(name=name, dimension=len(ROWS[name][0]), distance='euclidean', shards=shards)
        client.upsert(name, [(f'p{i}', [float(x) for x in row], {'n': str(i)}) for i, row in enumerate(ROWS[name])])


def test_exact_finds_all_that_are_within_and_nothing_else():
    for name in ROWS:
        for n in 1, 40, 700:
            query = RANDOM.standard_normal(len(ROWS[name][0])).astype('f4')
            d = distances(name, query)
            within = float(numpy.sort(d)[n - 1:n + 1].mean())
            reply = search(name, query, exact=True, within=within)
            assert {r.id for r in reply.results} == {f'p{i}' for i in numpy.flatnonzero(d <= within)}, (name, n)
            assert len(reply.results) == n and reply.HasField('range') and not reply.range.cut
            scores = [r.score for r in reply.results]
            assert scores == sorted(scores) and scores[-1] <= within


def test_a_walk_finds_nearly_all():
    found = wanted = 0
    for name in ROWS:
        for n in 1, 40, 700:
            query = RANDOM.standard_normal(len(ROWS[name][0])).astype('f4')
            d = distances(name, query)
            within = float(numpy.sort(d)[n - 1:n + 1].mean())
            ids = {r.id for r in search(name, query, within=within).results}
            found += len(ids & {f'p{i}' for i in numpy.flatnonzero(d <= within)})
            wanted += n
    assert found > 0.95 * wanted, (found, wanted)


def test_more_than_top_k_are_cut_and_that_is_said():
    for name in ROWS:
        for exact in False, True:
            d = distances(name, ROWS[name][5])
            within = float(numpy.sort(d)[99:101].mean())
            reply = search(name, ROWS[name][5], within=within, top_k=10, exact=exact)
            assert len(reply.results) == 10 and reply.range.cut, (name, exact, reply.range)
            assert reply.results[0].id == 'p5'
            assert not search(name, ROWS[name][5], within=within, top_k=200, exact=exact).range.cut
    assert not search('one', ROWS['one'][5]).HasField('range')


def test_with_a_filter():
    query, name = ROWS['one'][9], 'one'
    d = distances(name, query)
    within = float(numpy.sort(d)[499:501].mean())
    few = filter_pb2.Filter(key='n', integer=filter_pb2.IntegerCondition(lt=2000))
    wanted = {f'p{i}' for i in numpy.flatnonzero(d <= within) if i < 2000}
    reply = search(name, query, within=within, exact=True, filter=few)
    assert {r.id for r in reply.results} == wanted
    assert len({r.id for r in search(name, query, within=within, filter=few).results} & wanted) > 0.95 * len(wanted)


def test_http_and_the_command_line():
    vector = [float(x) for x in ROWS['three'][3]]
    within = float(numpy.sort(distances('three', ROWS['three'][3]))[2:4].mean())
    body = json.dumps({'vector': vector, 'within': within, 'exact': True}).encode()
    url = f'{server.url}/v1/collections/three/points/search'
    with urllib.request.urlopen(urllib.request.Request(url, body)) as answer:
        reply = json.load(answer)
    assert [len(reply['results']), reply['range']] == [3, {'cut': False}], reply
    printed = server.run('search', 'three', '--vector', json.dumps(vector), '--within', str(within), '--exact')
    assert len(printed.stdout.strip().split('\n')) == 4 and 'more points' not in printed.stderr
    printed = server.run('search', 'three', '--vector', json.dumps(vector), '--within', str(within), '-k', '2', '--exact')
    assert 'more points lie within: these are the 2 nearest' in printed.stderr
    assert '--within' in server.run('search', 'three', '--vector', '[1]', '--within', 'far', code=2).stderr


def test_what_is_no_distance_is_refused():
    for value in float('nan'), float('inf'):
        with fails('INVALID_ARGUMENT', 'within', 'must be finite'):
            search('one', ROWS['one'][0], within=value)
    assert not search('one', ROWS['one'][0], within=-1).results


def test_explain_tells_of_searches_without_a_filter_too():
    for name, shards in ('one', 1), ('three', 3):
        plans = search(name, ROWS[name][0], explain=True, ef=64).explain.shards
        assert sorted(p.shard_id for p in plans) == sorted({p.shard_id for p in plans}) and len(plans) == shards
        assert sum(p.points for p in plans) == sum(p.matching for p in plans) == len(ROWS[name])
        assert all(p.distances > 0 for p in plans), plans
    assert vectron.wait_for(lambda: search('one', ROWS['one'][0], explain=True).explain.shards[0].plan == 'walk', 60)
    plan = search('one', ROWS['one'][0], explain=True).explain.shards[0]
    assert 0 < plan.visited < 6000 and plan.search_ns > 0 and not plan.fell_back, plan
    assert search('one', ROWS['one'][0], explain=True, exact=True).explain.shards[0].plan == 'scan'
    told = server.run('search', 'one', '--vector', json.dumps([float(x) for x in ROWS['one'][0]]), '--explain').stdout
    assert 'PLAN' in told and 'walk' in told, told


if __name__ == '__main__':
    with server:
        client = server.client()
        sys.exit(vectron.run_tests(dict(globals())))
