#!/usr/bin/python3
"""The edge with the echo service against real clients: python3-grpcio, grpc-js, curl, h2load, raw sockets.

    test_edge.py EDGE_ECHO      prints PASS or FAIL a check, exits 1 when one failed
"""
import concurrent.futures
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import grpc
from google.protobuf import descriptor_pb2

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
SCHEMAS = os.path.join(ROOT, 'schemas', 'public')
PROGRAM = os.path.abspath(sys.argv[1])
ONLY = sys.argv[2] if len(sys.argv) > 2 else ''
FOLDER = tempfile.mkdtemp(prefix='edge-e2e-')
SANITIZED = b'libasan' in subprocess.run(['ldd', PROGRAM], capture_output=True).stdout  # its memory says nothing
LARGE = [('grpc.max_receive_message_length', -1), ('grpc.max_send_message_length', -1)]

protos = [os.path.join(SCHEMAS, f) for f in os.listdir(SCHEMAS) if f.endswith('.proto')]
subprocess.run(['protoc', f'--python_out={FOLDER}', '-I', SCHEMAS] + protos, check=True)
sys.path.insert(0, FOLDER)
sys.path.insert(0, os.path.dirname(HERE))
import apigateway_pb2 as pb  # noqa: E402
import health_pb2  # noqa: E402
import reflection_v1_pb2 as reflection_v1  # noqa: E402
import reflection_v1alpha_pb2 as reflection_v1alpha  # noqa: E402
from lib import npm  # noqa: E402


def make_certificate(name):
    path = os.path.join(FOLDER, 'tls')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', f'/CN={name}',
                    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', path + '.key', '-out', path + '.crt'],
                   check=True, capture_output=True)
    return path + '.crt', path + '.key'


class Server:
    """edge_echo on free ports: .plain and .secure are host:port."""

    def __init__(self, *options, edges=1):
        self.certificate, self.key = make_certificate('first')
        addresses = ['127.0.0.1:0', '127.0.0.1:0'] if edges == 1 else [f'127.0.0.1:{p}' for p in free_ports(2)]
        self.process = subprocess.Popen([PROGRAM, '-n', str(edges), '-c', self.certificate, '-k', self.key, *options, *addresses],
                                        stdout=subprocess.PIPE, text=True)
        self.lines = []
        lines = [self.line(), self.line()]
        assert all(line.startswith('listening ') for line in lines), lines
        self.plain, self.secure = (line.split()[1] for line in lines)
        self.port = int(self.plain.split(':')[1])

    def line(self):
        line = self.process.stdout.readline().strip()
        self.lines.append(line)
        return line

    def channel(self, options=(), tls=False):
        if not tls:
            return grpc.insecure_channel(self.plain, options=[*LARGE, *options])
        with open(self.certificate, 'rb') as file:
            return grpc.secure_channel(self.secure, grpc.ssl_channel_credentials(file.read()), options=[*LARGE, *options])

    def stats(self):
        self.process.send_signal(signal.SIGUSR1)
        return {name: int(value) for name, value in re.findall(r'(\w+)=(\d+)', self.line())}

    def connect(self):
        client = socket.create_connection(('127.0.0.1', self.port))
        client.settimeout(5)
        return client

    def connect_tls(self):
        plain = socket.create_connection(('127.0.0.1', int(self.secure.split(':')[1])))
        return ssl._create_unverified_context().wrap_socket(plain)

    def memory(self):
        with open(f'/proc/{self.process.pid}/status') as file:
            return int(re.search(r'RssAnon:\s+(\d+)', file.read()).group(1)) * 1024

    def stop(self):
        """SIGTERM; what it printed and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        rest, _ = self.process.communicate(timeout=30)
        return rest, self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            rest, code = self.stop()
            assert code == 0, (rest, code)


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(('127.0.0.1', 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def unary(channel, method='Unary'):
    request = pb.UpsertRequest if method == 'Raw' else pb.SearchRequest
    reply = pb.UpsertResponse if method == 'Raw' else pb.SearchResponse
    return channel.unary_unary(f'/test.Echo/{method}', request.SerializeToString, reply.FromString)


def stream(channel):
    return channel.unary_stream('/test.Echo/Stream', pb.SearchRequest.SerializeToString, pb.SearchResponse.FromString)


def expect_code(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except grpc.RpcError as error:
        assert error.code() == code, (error.code(), error.details())
        return error
    raise AssertionError(f'no error, expected {code}')


def curl(*args):
    run = subprocess.run(['curl', '-s', '-m', '10', '-w', '\n%{http_code} %{http_version}', *args], capture_output=True, text=True)
    body, _, last = run.stdout.rpartition('\n')
    code, version = last.split()
    return int(code), version, body


# --- python3-grpcio ------------------------------------------------------------------------------------------------
def check_calls(server, tls):
    channel = server.channel(tls=tls)
    call = unary(channel)
    assert call(pb.SearchRequest(collection='a', vector=[1, 2])).results[0].id == 'a'
    assert len(list(stream(channel)(pb.SearchRequest(collection='a', top_k=1000)))) == 1000
    assert len(list(stream(channel)(pb.SearchRequest(top_k=0)))) == 0
    big = call(pb.SearchRequest(vector=[0.5] * 5000000))
    assert len(big.results[0].vector) == 5000000
    error = expect_code(grpc.StatusCode.NOT_FOUND, call, pb.SearchRequest(query='fail'))
    assert error.details() == '100% göne\nnot found'
    trailers = dict(error.trailing_metadata())
    assert trailers['grpc-status-details-bin'] == b'\x08\x05' and trailers['x-reason'] == 'asked'
    expect_code(grpc.StatusCode.UNAUTHENTICATED, call, pb.SearchRequest(query='denied'))
    error = expect_code(grpc.StatusCode.RESOURCE_EXHAUSTED, call, pb.SearchRequest(query='busy'))
    assert dict(error.trailing_metadata())['grpc-retry-pushback-ms'] == '2500'
    expect_code(grpc.StatusCode.UNIMPLEMENTED, unary(channel, 'Nothing'), pb.SearchRequest())
    _, meta = call.with_call(pb.SearchRequest(query='meta'), metadata=[('x-echo', 'here')])
    assert dict(meta.initial_metadata())['x-echo'] == 'here'
    channel.close()


def test_calls(server):
    check_calls(server, tls=False)


def test_calls_tls(server):
    check_calls(server, tls=True)


def test_gzip(server):
    channel = server.channel(options=[('grpc.default_compression_algorithm', grpc.Compression.Gzip)])
    name = 'n' * 5000
    assert unary(channel)(pb.SearchRequest(collection=name), compression=grpc.Compression.Gzip).results[0].id == name
    size = unary(channel, 'Raw')(pb.UpsertRequest(collection='x' * 50000000), compression=grpc.Compression.Gzip).upserted
    assert size > 50000000, size
    expect_code(grpc.StatusCode.UNIMPLEMENTED, unary(channel), pb.SearchRequest(collection=name), compression=grpc.Compression.Deflate)


def test_256_mib(server):
    channel = server.channel()
    size = unary(channel, 'Raw')(pb.UpsertRequest(collection='x' * (255 << 20))).upserted
    assert size >= 255 << 20
    error = expect_code(grpc.StatusCode.RESOURCE_EXHAUSTED, unary(channel, 'Raw'), pb.UpsertRequest(collection='x' * (257 << 20)))
    assert '268435456' in error.details(), error.details()
    assert unary(channel)(pb.SearchRequest(collection='a')).results[0].id == 'a'


def test_deadline_and_cancel(server):
    channel = server.channel()
    start = time.monotonic()
    expect_code(grpc.StatusCode.DEADLINE_EXCEEDED, unary(channel), pb.SearchRequest(timeout_ms=5000), timeout=0.3)
    assert time.monotonic() - start < 1
    future = unary(channel).future(pb.SearchRequest(timeout_ms=1000))
    time.sleep(0.1)
    assert future.cancel()
    parts = stream(channel)(pb.SearchRequest(top_k=100, timeout_ms=50))
    next(parts)
    parts.cancel()
    assert unary(channel)(pb.SearchRequest(collection='a')).results[0].id == 'a'


def test_many_at_once(server):
    channel = server.channel()
    start = time.monotonic()
    futures = [unary(channel).future(pb.SearchRequest(timeout_ms=1000)) for _ in range(2500)]
    assert all(len(f.result().results) == 1 for f in futures)
    assert time.monotonic() - start < 20


def test_keepalive(server):
    channel = server.channel(options=[('grpc.keepalive_time_ms', 1000), ('grpc.keepalive_permit_without_calls', 1),
                                      ('grpc.http2.max_pings_without_data', 0)])
    unary(channel)(pb.SearchRequest())
    time.sleep(4)
    unary(channel)(pb.SearchRequest())


def test_slow_reader(server):
    before = server.memory()
    channel = server.channel()
    parts = stream(channel)(pb.SearchRequest(top_k=20000, vector=[0.5] * 1000))
    time.sleep(2)
    assert server.memory() - before < 30 << 20, server.memory() - before
    assert sum(1 for _ in parts) == 20000


def test_health_and_reflection(server):
    channel = server.channel()
    check = channel.unary_unary('/grpc.health.v1.Health/Check', health_pb2.HealthCheckRequest.SerializeToString,
                                health_pb2.HealthCheckResponse.FromString)
    assert check(health_pb2.HealthCheckRequest()).status == 1
    expect_code(grpc.StatusCode.NOT_FOUND, check, health_pb2.HealthCheckRequest(service='no'))
    for version in (reflection_v1, reflection_v1alpha):
        package = version.DESCRIPTOR.package
        info = channel.stream_stream(f'/{package}.ServerReflection/ServerReflectionInfo', version.ServerReflectionRequest.SerializeToString,
                                     version.ServerReflectionResponse.FromString)
        questions = [version.ServerReflectionRequest(list_services=''),
                     version.ServerReflectionRequest(file_containing_symbol='vectron.v1.VectronService'),
                     version.ServerReflectionRequest(file_by_filename='nothing')]
        services, file, missing = info(iter(questions))
        assert 'test.Echo' in [s.name for s in services.list_services_response.service]
        files = [descriptor_pb2.FileDescriptorProto.FromString(f).name for f in file.file_descriptor_response.file_descriptor_proto]
        assert {os.path.basename(f) for f in files} == {'apigateway.proto', 'auth.proto', 'filter.proto'}, files
        assert missing.error_response.error_code == 5


# --- curl, h2load ----------------------------------------------------------------------------------------------------
def test_curl(server):
    for options in (['--http1.1'], ['--http2-prior-knowledge'], ['--http2']):
        url = f'http://{server.plain}'
        code, _, body = curl(*options, url + '/v1/echo/a%2Fb', '-d', '{"vector":[1,2]}')
        assert code == 200 and json.loads(body)['results'][0] == {'id': 'a/b', 'score': 0, 'payload': {}, 'vector': [1, 2]}, body
        assert curl(*options, url + '/v1/echo/x')[0] == 200
        assert curl(*options, url + '/nothing')[0] == 404
        assert curl(*options, '-X', 'DELETE', url + '/v1/echo/x')[0] == 501
        assert curl(*options, '-X', 'OPTIONS', url + '/any')[0::2] == (200, '')
        assert curl(*options, url + '/v1/echo/x', '-d', '{"query":"denied"}')[0] == 401
        assert curl(*options, '-I', url + '/openapi.json')[0] == 200
        for page in ('healthz', 'readyz', 'livez', 'openapi.json'):
            assert curl(*options, f'{url}/{page}')[0] == 200
        code, _, body = curl(*options, '-N', url + '/v1/echo/x/stream', '-d', '{"topK":3,"timeoutMs":20}')
        assert code == 200 and body.count('data: {"results"') == 3 and body.endswith('event: end\ndata: {}\n\n'), body
    url = f'https://localhost:{server.secure.split(":")[1]}/v1/echo/x'
    assert curl('--cacert', server.certificate, '--http2', url)[:2] == (200, '2')
    assert curl('--cacert', server.certificate, '--http1.1', url)[:2] == (200, '1.1')
    refused = subprocess.run(['curl', '-s', '--tls-max', '1.1', '-k', url], capture_output=True)
    assert refused.returncode == 35, refused.returncode


def test_large_json(server):
    path = os.path.join(FOLDER, 'large.json')
    with open(path, 'w') as file:
        json.dump({'vector': [i + 0.5 for i in range(1000000)]}, file)
    for options in (['--http1.1'], ['--http2-prior-knowledge']):
        code, _, body = curl(*options, f'http://{server.plain}/v1/echo/x', '--data-binary', f'@{path}')
        assert code == 200 and len(json.loads(body)['results'][0]['vector']) == 1000000
    with open(path, 'w') as file:
        file.write('{"vector":[' + '1,' * 1000000 + 'x]}')
    code, _, body = curl(f'http://{server.plain}/v1/echo/x', '--data-binary', f'@{path}')
    assert code == 400 and json.loads(body)['code'] == 3, body


def test_h2load(server):
    body = os.path.join(FOLDER, 'body')
    request = pb.SearchRequest(collection='docs', vector=[0.5] * 128).SerializeToString()
    with open(body, 'wb') as file:
        file.write(b'\0' + len(request).to_bytes(4, 'big') + request)
    run = subprocess.run(['h2load', '-n', '20000', '-c', '4', '-m', '16', '-d', body, '-H', 'content-type: application/grpc',
                          '-H', 'te: trailers', f'http://{server.plain}/test.Echo/Unary'], capture_output=True, text=True)
    assert '20000 succeeded, 0 failed' in run.stdout, run.stdout


def test_grpc_js(server):
    modules = os.path.join(ROOT, 'build', 'node')
    os.makedirs(modules, exist_ok=True)
    shutil.copy(os.path.join(HERE, '..', 'node', 'package.json'), modules)
    why_not = npm.install(modules)
    if why_not:
        print(f'SKIP grpc-js: {why_not}')
        return
    run = subprocess.run(['node', os.path.join(HERE, 'echo_client.js'), server.plain, 'localhost:' + server.secure.split(':')[1],
                          server.certificate, SCHEMAS, modules], timeout=120)
    assert run.returncode == 0


# --- raw sockets -----------------------------------------------------------------------------------------------------
def test_refusals_reach_the_client(server):
    """A client that goes on sending must read the answer, not a reset."""
    for _ in range(20):
        client = server.connect()
        client.sendall(b'POST /v1/echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 300000000\r\n\r\n' + b'x' * 100000)
        try:
            for _ in range(20):
                client.sendall(b'x' * 10000)
        except OSError:
            pass
        assert client.recv(65536).startswith(b'HTTP/1.1 413 ')
        client.close()


def test_lost_clients(server):
    """Clients that leave by FIN and by RST, plain and TLS, some with a pipelined request behind: no call stays."""
    request = b'POST /v1/echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n\r\n{"timeoutMs":1000}'
    before = server.stats()
    for i in range(200):
        client = server.connect_tls() if i % 4 == 3 else server.connect()
        client.sendall(request * (2 if i % 8 == 0 else 1))
        if i % 4 == 1:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        client.close()
    time.sleep(0.4)
    cancelled = server.stats()['cancelled'] - before['cancelled']
    assert cancelled >= 150, cancelled
    assert unary(server.channel())(pb.SearchRequest(collection='a')).results[0].id == 'a'
    time.sleep(4.5)
    after = server.stats()
    assert after['now'] == 0 and after['budget'] == 0, after
    assert server.process.poll() is None


def test_garbage(server):
    for data in (os.urandom(5000), b'\x16\x03\x01' * 100, b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + os.urandom(5000), b'\r\n' * 1000, b'PR'):
        client = server.connect()
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        try:
            while client.recv(65536):
                pass
        except ConnectionResetError:
            pass
    plain_to_tls = socket.create_connection(('127.0.0.1', int(server.secure.split(':')[1])))
    plain_to_tls.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    plain_to_tls.settimeout(5)
    try:
        while plain_to_tls.recv(65536):
            pass
    except ConnectionResetError:
        pass
    assert curl(f'http://{server.plain}/healthz')[0] == 200


# --- servers of their own ---------------------------------------------------------------------------------------------
def test_idle_memory(_):
    """Resident memory an idle connection costs in a server that has never seen another."""
    n = 1000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    hello = {'HTTP/1.1': b'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
             'HTTP/2': b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0'}
    for protocol, limit in (('HTTP/1.1', 10000), ('HTTP/2', 20000), ('TLS', 60000)):
        with Server() as server:
            curl(f'http://{server.plain}/healthz')
            curl('-k', f'https://{server.secure}/healthz')
            before = server.memory()
            clients = []
            for _ in range(n):
                client = server.connect() if protocol != 'TLS' else server.connect_tls()
                client.sendall(hello.get(protocol, hello['HTTP/1.1']))
                client.recv(1000)
                clients.append(client)
            each = (server.memory() - before) / n
            print(f'     idle {protocol} connection: {each:.0f} bytes')
            assert SANITIZED or each < limit
            for client in clients:
                client.close()


def test_drain(_):
    for tls in (False, True):
        with Server() as server:
            channel = server.channel(tls=tls)
            calls = [unary(channel).future(pb.SearchRequest(collection=str(i), timeout_ms=1500)) for i in range(1000)]
            plain = [server.connect() for _ in range(20)]
            for client in plain:
                client.sendall(b'POST /v1/echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n\r\n{"timeoutMs":1500}')
            time.sleep(0.7)
            start = time.monotonic()
            output, code = server.stop()
            assert code == 0 and 'cut=0' in output, (code, output)
            assert time.monotonic() - start < 6
            assert [c.result().results[0].id for c in calls] == [str(i) for i in range(1000)]
            for client in plain:
                assert client.recv(65536).startswith(b'HTTP/1.1 200 ')


def test_drain_under_load(_):
    """Clients that never stop asking: every call is answered, or was never taken (UNAVAILABLE)."""
    with Server(edges=2) as server:
        wrong, answered, stop = [], [0], threading.Event()

        def ask():
            channel = server.channel()
            call = unary(channel)
            while not stop.is_set():
                try:
                    call(pb.SearchRequest(collection='a', timeout_ms=20), timeout=10)
                    answered[0] += 1
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.UNAVAILABLE or 'refused' not in error.details():
                        wrong.append((error.code(), error.details()))
                    return

        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            for _ in range(20):
                pool.submit(ask)
            time.sleep(1)
            output, code = server.stop()
            stop.set()
        assert code == 0 and output.count('cut=0') == 2, (code, output)
        assert not wrong and answered[0] > 100, (wrong[:5], answered)


def test_reload(_):
    def subject():
        context = ssl._create_unverified_context()
        with socket.create_connection(('127.0.0.1', int(server.secure.split(':')[1]))) as plain:
            with context.wrap_socket(plain) as client:
                der = client.getpeercert(binary_form=True)
        return b'second' in der, b'first' in der

    with Server() as server:
        channel = server.channel(tls=True)
        assert unary(channel)(pb.SearchRequest(collection='a')).results[0].id == 'a'
        assert subject() == (False, True)
        make_certificate('second')
        server.process.send_signal(signal.SIGHUP)
        assert server.line() == 'reloaded edge0'
        assert subject() == (True, False)
        assert unary(channel)(pb.SearchRequest(collection='a')).results[0].id == 'a'  # the old connection lives
        with open(server.key, 'w') as file:
            file.write('no key')
        server.process.send_signal(signal.SIGHUP)
        assert server.line().startswith('failed edge0 INVALID')
        assert subject() == (True, False)


def test_budget(_):
    with Server('-b', str(100 << 20)) as server:
        channel = server.channel()
        body = pb.UpsertRequest(collection='x' * (60 << 20))
        calls = [unary(channel, 'Raw').future(body) for _ in range(8)]
        outcomes = []
        for call in calls:
            try:
                outcomes.append(call.result().upserted > 0)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
                assert 'budget' in error.details() and 'retry-after' in dict(error.trailing_metadata())
                outcomes.append(False)
        assert True in outcomes, outcomes
        assert unary(channel)(pb.SearchRequest(collection='a')).results[0].id == 'a'
        assert server.memory() < 250 << 20


def test_taken_address(_):
    with Server(edges=2) as server:
        second = subprocess.run([PROGRAM, server.plain], capture_output=True, text=True, timeout=20)
        assert second.returncode == 1 and 'in use' in second.stdout, second.stdout


def main():
    tests = [(name[5:], function) for name, function in globals().items() if name.startswith('test_') and ONLY in name]
    failed = 0
    with Server() as shared:
        for name, function in tests:
            start = time.monotonic()
            try:
                function(shared)
                print(f'PASS {name} ({time.monotonic() - start:.1f} s)', flush=True)
            except Exception:
                failed += 1
                print(f'FAIL {name}\n{traceback.format_exc()}', flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    sys.exit(1 if failed else 0)


main()
