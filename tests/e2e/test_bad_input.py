#!/usr/bin/python3
"""What the internet sends: truncated and mutated frames, request smuggling, slow clients. The server answers or
closes, keeps serving others, and never dies. Run against the ASan build when VECTRON_PRESET=dev."""
import json
import os
import random
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import pb  # noqa: E402

server = vectron.Up()
PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'


def speak(data, seconds=3.0, half_close=True):
    """Sends bytes, returns what comes back until the server closes or the time is up."""
    with socket.create_connection(('127.0.0.1', server.port), timeout=seconds) as s:
        answer = b''
        try:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            while chunk := s.recv(65536):
                answer += chunk
        except (TimeoutError, ConnectionError):
            pass
        return answer


def frame(kind, flags, stream, payload):
    return struct.pack('>I', len(payload))[1:] + bytes([kind, flags]) + struct.pack('>I', stream) + payload


def literal(name, value):
    """A header without the dynamic table or Huffman."""
    return b'\x00' + bytes([len(name)]) + name + bytes([len(value)]) + value


def headers(path, content=b'application/grpc'):
    return b''.join([literal(b':method', b'POST'), literal(b':scheme', b'http'), literal(b':path', path),
                     literal(b':authority', b'x'), literal(b'content-type', content), literal(b'te', b'trailers')])


def grpc_call(body, path=b'/vectron.v1.VectronService/Upsert'):
    return (PREFACE + frame(4, 0, 0, b'') + frame(1, 4, 1, headers(path)) + frame(0, 1, 1, body))


def message(payload, compressed=0, size=None):
    return bytes([compressed]) + struct.pack('>I', len(payload) if size is None else size) + payload


def still_serves():
    client = server.client()
    assert client.health() == vectron.health_pb2.HealthCheckResponse.SERVING
    assert client.Get(collection='base', id='p').point.id == 'p' and client.Search(collection='base', vector=[1, 2]).results
    client.close()


def upsert_bytes():
    request = pb.UpsertRequest(collection='base', points=[pb.Point(id=f'q{i}', vector=[i, i], payload={'k': 'v'}) for i in range(20)])
    return request.SerializeToString()


def test_smuggled_requests_are_refused():
    body = b'{"name":"s","dimension":1}'
    rows = [
        b'POST /v1/collections HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n',
        b'POST /v1/collections HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 26\r\n\r\n' + body,
        b'POST /v1/collections HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
        b'POST /v1/collections HTTP/1.1\r\nHost: x\r\nContent-Length : 26\r\n\r\n' + body,
        b'POST /v1/collections HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n' + body,
        b'GET /v1/collections HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n',
        b'GET /v1/collections HTTP/1.1\r\n\r\n',
        b'GET /v1/collections HTTP/9.9\r\nHost: x\r\n\r\n',
        b'GET  /v1/collections\r\n\r\n',
        b'GET /' + b'a' * 70000 + b' HTTP/1.1\r\nHost: x\r\n\r\n',
        b'GET / HTTP/1.1\r\nHost: x\r\n' + b''.join(b'H%d: %s\r\n' % (i, b'v' * 1000) for i in range(200)) + b'\r\n',
    ]
    for row in rows:
        answer = speak(row)
        first = answer.split(b'\r\n')[0]
        assert not first or first.split()[1][:1] in (b'4', b'5'), (row[:80], first)
        assert answer.count(b'\nHTTP/1.1 ') == 0, (row[:80], answer)
    still_serves()


def test_http1_requests_truncated_and_mutated():
    body = json.dumps({'points': [{'id': 'm', 'vector': [1, 2], 'payload': {'a': 'b'}}]}).encode()
    request = b'POST /v1/collections/base/points HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n' % len(body) + body
    rng = random.Random(1)
    for cut in range(0, len(request), 7):
        speak(request[:cut], 1.0)
    for _ in range(300):
        bad = bytearray(request)
        for _ in range(rng.randint(1, 4)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        speak(bytes(bad), 1.0)
    still_serves()


def test_http2_frames_truncated_and_mutated():
    request = grpc_call(message(upsert_bytes()))
    rng = random.Random(2)
    for cut in range(24, len(request), 11):
        speak(request[:cut], 1.0)
    for _ in range(300):
        bad = bytearray(request)
        for _ in range(rng.randint(1, 4)):
            bad[rng.randrange(24, len(bad))] = rng.randrange(256)
        speak(bytes(bad), 1.0)
    still_serves()


def test_grpc_messages_truncated_and_mutated():
    good, rng = upsert_bytes(), random.Random(3)
    rows = [message(good, size=len(good) + 10), message(good, size=0), message(good, size=2**32 - 1), message(good, compressed=1), message(good, compressed=7),
            b'', b'\0', message(good) + message(good), message(good)[:-3]]
    for body in rows:
        speak(grpc_call(body), 1.0, half_close=False)
    for _ in range(400):
        bad = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        speak(grpc_call(message(bytes(bad[:rng.randint(1, len(bad))]))), 0.05, half_close=False)
    still_serves()


def test_floods_are_cut():
    start = PREFACE + frame(4, 0, 0, b'')
    rapid_reset = start + b''.join(frame(1, 5, 1 + 2 * i, headers(b'/vectron.v1.VectronService/Search')) + frame(3, 0, 1 + 2 * i, struct.pack('>I', 8))
                                   for i in range(20000))
    continuation = start + frame(1, 0, 1, headers(b'/x')) + b''.join(frame(9, 0, 1, literal(b'a', b'b' * 100)) for _ in range(5000))
    pings = start + b''.join(frame(6, 0, 0, b'12345678') for _ in range(50000))
    settings = start + b''.join(frame(4, 0, 0, b'') for _ in range(50000))
    empty = start + frame(1, 4, 1, headers(b'/vectron.v1.VectronService/Upsert')) + b''.join(frame(0, 0, 1, b'') for _ in range(100000))
    for name, flood in (('rapid reset', rapid_reset), ('continuation', continuation), ('pings', pings), ('settings', settings), ('empty data', empty)):
        before = vectron.memory_bytes(server.process.pid)
        speak(flood, 2.0)
        grown = vectron.memory_bytes(server.process.pid) - before
        assert grown < 64 << 20, (name, grown)
    still_serves()


def test_slow_clients_do_not_hold_others():
    slow = []
    for _ in range(200):
        s = socket.create_connection(('127.0.0.1', server.port))
        s.sendall(b'POST /v1/collections HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{')
        slow.append(s)
    started = time.monotonic()
    still_serves()
    assert time.monotonic() - started < 5
    for s in slow:
        s.close()


def test_clients_that_leave_in_the_middle():
    for _ in range(200):
        s = socket.create_connection(('127.0.0.1', server.port))
        s.sendall(grpc_call(message(pb.SearchRequest(collection='base', vector=[1, 2]).SerializeToString()), b'/vectron.v1.VectronService/Search'))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        s.close()
    still_serves()


def test_hostile_json():
    rows = [b'[' * 100000, b'{"points":' * 5000, b'{"points":[{"id":"a","vector":[1e999,1]}]}', b'{"points":[{"id":"\\ud800","vector":[1,1]}]}',
            b'{"points":[{"id":"a\\u0000b","vector":[1,1]}]}', b'{"points":[{"id":"\xff","vector":[1,1]}]}', b'{"points":[{"id":"a","vector":["NaN",1]}]}',
            b'{"points":{"id":"a"}}', b'nul', b'{"points":[{"id":"a","vector":[1,1]}]}x', b'{"points":[{"id":"a","vector":[1,1]},]}', b'"']
    for row in rows:
        status, answer = vectron.http('POST', f'{server.url}/v1/collections/base/points', row)
        assert status == 400 and answer['code'] == 3, (row[:60], status, answer)
    still_serves()


if __name__ == '__main__':
    with server:
        setup = server.client()
        setup.CreateCollection(name='base', dimension=2, distance='euclidean')
        setup.upsert('base', [('p', [1, 2])])
        code = vectron.run_tests(dict(globals()))
    sys.exit(code)
