#!/usr/bin/python3
"""Every HTTP route with curl, over HTTP/1.1 and HTTP/2, on both listeners of a real `vectron up`."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import http  # noqa: E402

server = vectron.Up()
VERSIONS = (['--http1.1'], ['--http2-prior-knowledge'])


def each(name):
    """The four ways in: two protocols on two listeners."""
    for n, (version, port) in enumerate((v, p) for v in VERSIONS for p in (server.http_port, server.port)):
        yield f'{name}{n}', lambda method, path, body=None, version=version, port=port, **more: http(
            method, f'http://127.0.0.1:{port}{path}', body, arguments=[*version, *more.pop('arguments', [])], **more)


def test_every_route_of_the_gateway():
    for name, ask in each('routes'):
        assert ask('POST', '/v1/collections', {'name': name, 'dimension': 2, 'distance': 'euclidean'}) == (200, {'success': True})
        status, listed = ask('GET', '/v1/collections')
        assert status == 200 and name in listed['collections'] and listed['collections'] == sorted(listed['collections'])
        status, body = ask('POST', f'/v1/collections/{name}/points', {'points': [
            {'id': 'a/b', 'vector': [1, 2], 'payload': {'k': 'v'}}, {'id': 'ü', 'vector': [0.5, '2.5']}]})
        assert (status, body) == (200, {'upserted': 2, **{k: v for k, v in body.items() if k == 'session'}}), (status, body)
        status, body = ask('GET', f'/v1/collections/{name}/status')
        shard = body['shards'][0]
        assert status == 200 and body['dimension'] == 2 and body['distance'] == 'euclidean'
        assert isinstance(shard['leaderId'], str) and isinstance(shard['replicas'][0], str) and shard['ready'] is True
        for key in ('topK', 'top_k'):
            status, body = ask('POST', f'/v1/collections/{name}/points/search',
                               {'vector': [1, 2], key: 1, 'includeMetadata': True, 'include_vectors': True, 'unknown': {'x': [1]}})
            hit = body['results'][0]
            assert status == 200 and len(body['results']) == 1 and hit['id'] == 'a/b' and hit['score'] == 0
            assert hit['payload'] == {'k': 'v'} and hit['vector'] == [1, 2], hit
        status, body = ask('POST', f'/v1/collections/{name}/points/search', {'vector': [1, 2]})
        assert status == 200 and body['results'][0]['payload'] == {} and body['results'][0]['vector'] == []
        status, body = ask('GET', f'/v1/collections/{name}/points/a%2Fb')
        assert status == 200 and body['point'] == {'id': 'a/b', 'vector': [1, 2], 'payload': {'k': 'v'}}, body
        status, body = ask('GET', f'/v1/collections/{name}/points/%C3%BC')
        assert status == 200 and body['point']['vector'] == [0.5, 2.5]
        assert ask('DELETE', f'/v1/collections/{name}/points/a%2Fb') == (200, {})
        status, body = ask('GET', f'/v1/collections/{name}/points/a%2Fb')
        assert status == 404 and body['code'] == 5 and 'not found' in body['message'] and body['details'] == []
        assert ask('PUT', '/v1/user/profile', {'plan': 'PAID'})[0] == 501
        assert ask('POST', '/v1/feedback', {'collection': name})[0] == 501
        assert ask('DELETE', f'/v1/collections/{name}') == (200, {'success': True})


def test_errors_have_the_contracts_shape():
    for name, ask in each('errors'):
        ask('POST', '/v1/collections', {'name': name, 'dimension': 2})
        rows = [('POST', '/v1/collections', '{"name":', 400, 3), ('POST', '/v1/collections', {'name': name, 'dimension': 2}, 409, 6),
                ('POST', '/v1/collections', {'name': 'x', 'dimension': 'two'}, 400, 3),
                ('GET', '/v1/nothing', None, 404, 5), ('PATCH', '/v1/collections', '{}', 501, 12),
                ('GET', '/v1/collections/absent/status', None, 404, 5),
                ('POST', f'/v1/collections/{name}/points', {'points': [{'id': 'a', 'vector': [1e39, 1]}]}, 400, 3),
                ('POST', f'/v1/collections/{name}/points', {'points': [{'id': 'a', 'vector': [1, 2, 3]}]}, 400, 3),
                ('POST', f'/v1/collections/{name}/points/search', {'vector': [1]}, 400, 3)]
        for method, path, body, status, code in rows:
            got, answer = ask(method, path, body)
            assert got == status and answer['code'] == code and answer['message'] and answer['details'] == [], (method, path, got, answer)
        assert ask('GET', '/v1/nothing')[1]['message'] == 'Not Found'
        assert ask('PATCH', '/v1/collections', '{}')[1]['message'] == 'Method Not Allowed'
        ask('DELETE', f'/v1/collections/{name}')


def test_search_stream_is_server_sent_events():
    for name, ask in each('events'):
        ask('POST', '/v1/collections', {'name': name, 'dimension': 2, 'shards': 3})
        ask('POST', f'/v1/collections/{name}/points', {'points': [{'id': f'p{i}', 'vector': [i, 0]} for i in range(20)]})
        status, text = ask('POST', f'/v1/collections/{name}/points/search/stream', {'vector': [0, 0], 'topK': 3})
        assert status == 200 and text.endswith('event: end\ndata: {}\n\n'), text
        events = [json.loads(part[5:]) for part in text.split('\n\n') if part.startswith('data:')]
        assert [hit['id'] for hit in events[-1]['results']] == ['p0', 'p1', 'p2'], events
        ask('DELETE', f'/v1/collections/{name}')


def test_cors_and_health_and_openapi():
    for _, ask in each('x'):
        status, text = ask('OPTIONS', '/anything/at/all', arguments=['-i'])
        assert status == 200 and 'access-control-allow-origin: *' in text.lower() and 'PATCH' in text
        _, text = ask('GET', '/v1/collections', arguments=['-i'])
        assert 'access-control-allow-origin: *' in text.lower()
        for path in ('/healthz', '/readyz', '/livez'):
            assert ask('GET', path)[0] == 200, path
        status, document = ask('GET', '/openapi.json')
        assert status == 200 and document['openapi'].startswith('3.')
        assert '/v1/collections/{collection}/points/search' in document['paths']


def test_large_and_compressed_bodies():
    ask = next(each('large'))[1]
    ask('POST', '/v1/collections', {'name': 'large', 'dimension': 768})
    points = [{'id': f'p{i}', 'vector': [((i * 7 + j) % 100) / 100 for j in range(768)]} for i in range(3000)]
    for version in VERSIONS:
        status, body = http('POST', f'{server.url}/v1/collections/large/points', {'points': points}, arguments=version, seconds=120)
        assert status == 200 and body['upserted'] == 3000, body
    ask('DELETE', '/v1/collections/large')


def test_expect_100_continue_and_keep_alive():
    run = subprocess.run(['curl', '-sv', '-H', 'Expect: 100-continue', '-d', '{"name":"e","dimension":1}', f'{server.url}/v1/collections',
                          '--next', '-s', f'{server.url}/v1/collections'], capture_output=True, text=True)
    assert '100 Continue' in run.stderr and 'Re-using existing connection' in run.stderr, run.stderr
    http('DELETE', f'{server.url}/v1/collections/e')


if __name__ == '__main__':
    with server:
        code = vectron.run_tests(dict(globals()))
    sys.exit(code)
