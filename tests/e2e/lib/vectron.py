"""vectron: starts real servers for the end-to-end tests and speaks gRPC and HTTP to them.

Every server gets a folder and ports of its own below a temporary folder that goes away at the end. Nothing here
imports the product: stubs are made from schemas/public with protoc into the temporary folder.
"""
import atexit
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

import grpc

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.path.join(ROOT, 'build', os.environ.get('VECTRON_PRESET', 'release'))
BINARY = os.path.join(BUILD, 'vectron')
DATA = os.path.join(os.path.dirname(ROOT), 'shared', 'data')
LONG = os.environ.get('VECTRON_LONG') == '1'

TEMPORARY = tempfile.mkdtemp(prefix='vectron-e2e-')
atexit.register(shutil.rmtree, TEMPORARY, ignore_errors=True)


def make_stubs():
    folder = os.path.join(TEMPORARY, 'stubs')
    os.makedirs(folder, exist_ok=True)
    public = os.path.join(ROOT, 'schemas', 'public')
    protos = sorted(os.path.join(public, f) for f in os.listdir(public) if f.endswith('.proto'))
    subprocess.run(['protoc', f'--python_out={folder}', '-I', public] + protos, check=True)
    sys.path.insert(0, folder)


make_stubs()
import apigateway_pb2 as pb  # noqa: E402
import health_pb2  # noqa: E402


def free_ports(n):
    """n ports that were free a moment ago, all different."""
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(('127.0.0.1', 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(what, seconds=30.0, every=0.05):
    """Calls what() until it is true; the last value, or a TimeoutError."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f'not within {seconds} s: {what}')
        time.sleep(every)


class Skip(Exception):
    """raise Skip('why'): a test that this machine does not permit."""


class Process:
    """One vectron process with its log file."""

    def __init__(self, role, env, folder, arguments=(), prefix=()):
        self.role, self.folder = role, folder
        self.log_path = os.path.join(folder, f'{role}-{time.monotonic_ns()}.log')
        self.environment = {**clean_environment(), **{k: str(v) for k, v in env.items()}}
        self.command = [*prefix, BINARY, role, *arguments]
        self.process = None
        self.start()

    def start(self):
        log = open(self.log_path, 'ab')
        self.process = subprocess.Popen(self.command, env=self.environment, cwd=self.folder,
                                        stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def log(self):
        with open(self.log_path, errors='replace') as file:
            return file.read()

    @contextlib.contextmanager
    def paused(self):
        """with process.paused(): …   no thread of it runs inside: SIGSTOP alone only asks, and may take a while on a busy machine."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            wait_for(lambda: set(self.thread_states()) == {'T'})
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def thread_states(self):
        tasks = f'/proc/{self.pid}/task'
        for task in os.listdir(tasks):
            with open(f'{tasks}/{task}/stat') as file:
                yield file.read().rpartition(')')[2].split()[0]

    def kill(self):
        if self.alive():
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=30):
        """SIGTERM; the exit code."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f'{self.role} did not stop within {seconds} s:\n{self.log()[-3000:]}')


def clean_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith('VECTRON_')}


class Up:
    """`vectron up` in a folder of its own. with Up() as server: …"""

    def __init__(self, env=None, folder=None, prefix=()):
        self.folder = folder or tempfile.mkdtemp(dir=TEMPORARY)
        self.port, self.http_port = free_ports(2)
        self.env = {'GRPC_ADDR': f'127.0.0.1:{self.port}', 'HTTP_ADDR': f'127.0.0.1:{self.http_port}',
                    'VECTRON_DATA_DIR': os.path.join(self.folder, 'data'), **(env or {})}
        self.prefix = prefix
        self.process = None

    def start(self):
        self.process = Process('up', self.env, self.folder, prefix=self.prefix)
        self.wait_ready()
        return self

    def wait_ready(self, seconds=60):
        wait_ready(self.http_port, [self.process], seconds)

    def kill(self):
        self.process.kill()

    def stop(self):
        return self.process.stop()

    @property
    def target(self):
        return f'127.0.0.1:{self.port}'

    @property
    def url(self):
        return f'http://127.0.0.1:{self.http_port}'

    def client(self, **options):
        return Client(self.target, **options)

    def run(self, *arguments, code=0, stdin=None):
        """A command of the binary against it; it must end with this exit code."""
        done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, input=stdin,
                              env={**clean_environment(), 'VECTRON_ADDRESS': self.target})
        assert done.returncode == code, (arguments, done)
        return done

    def stats(self):
        """What `vectron stats --json` says."""
        run = subprocess.run([BINARY, 'stats', '--json'], env={**clean_environment(), 'VECTRON_DATA_DIR': self.env['VECTRON_DATA_DIR']},
                             capture_output=True, text=True, check=True)
        return json.loads(run.stdout)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind is not None and self.process:
            sys.stderr.write(self.process.log()[-4000:])
        if self.process:
            self.process.kill()


def wait_ready(http_port, processes, seconds=60):
    def ready():
        for process in processes:
            if not process.alive():
                raise AssertionError(f'{process.role} exited {process.process.returncode}:\n{process.log()[-4000:]}')
        status, _ = http('GET', f'http://127.0.0.1:{http_port}/readyz', check=False)
        return status == 200
    wait_for(ready, seconds)


class Cluster:
    """pd, workers and a gateway as processes of their own."""

    def __init__(self, workers=2, env=None, gateway_env=None, pds=1):
        self.folder = tempfile.mkdtemp(dir=TEMPORARY)
        ports = free_ports(2 + 2 * workers + 2 * pds)
        self.port, self.http_port = ports[:2]
        self.worker_ports = [ports[2 + 2 * i:4 + 2 * i] for i in range(workers)]
        self.pd_ports = [ports[2 + 2 * i:4 + 2 * i] for i in range(workers, workers + pds)]
        self.pd_port, self.pd_link = self.pd_ports[0]
        self.pd_links = ','.join(f'127.0.0.1:{link}' for _, link in self.pd_ports)
        # One copy of a shard unless a test is about copies: most are about processes, and count what each keeps.
        self.env, self.gateway_env = {'VECTRON_REPLICATION_FACTOR': 1, **(env or {})}, gateway_env or {}
        self.pds, self.gateway = [None] * pds, None
        self.workers = [None] * workers

    @property
    def pd(self):
        return self.pds[0]

    def pd_folder(self, n=0):
        return os.path.join(self.folder, f'pd{n}' if n else 'pd')

    def start_pd(self, n=0, member=None):
        """The nth of one or several, which are one group; member: its id, when it is no founder."""
        grpc_port, link = self.pd_ports[n]
        group = []
        if len(self.pds) > 1:
            founders = ','.join(f'{i + 1}:127.0.0.1:{link}' for i, (_, link) in enumerate(self.pd_ports))
            group = ['--node-id', str(member or n + 1), '--initial-members', founders]
        self.pds[n] = Process('pd', {**self.env, 'VECTRON_DATA_DIR': self.pd_folder(n)}, self.folder,
                              ['--grpc-addr', f'127.0.0.1:{grpc_port}', '--raft-addr', f'127.0.0.1:{link}', *group])

    def start_worker(self, n):
        grpc_port, link = self.worker_ports[n]
        self.workers[n] = Process('worker', {**self.env, 'VECTRON_DATA_DIR': os.path.join(self.folder, f'worker{n}')},
                                  self.folder,
                                  ['--grpc-addr', f'127.0.0.1:{grpc_port}', '--raft-addr', f'127.0.0.1:{link}',
                                   '--pd-addrs', self.pd_links])

    def add_worker(self):
        """One more."""
        self.worker_ports.append(free_ports(2))
        self.workers.append(None)
        self.start_worker(len(self.workers) - 1)

    def start_gateway(self):
        self.gateway = Process('gateway', {**self.env, **self.gateway_env,
                                           'GRPC_ADDR': f'127.0.0.1:{self.port}',
                                           'HTTP_ADDR': f'127.0.0.1:{self.http_port}',
                                           'PLACEMENT_DRIVER': self.pd_links,
                                           'VECTRON_DATA_DIR': os.path.join(self.folder, 'gateway')}, self.folder)

    def admin(self, *words):
        """`vectron admin WORDS --json`; {} when it was refused."""
        done = subprocess.run([BINARY, 'admin', *words, '--json', '--pd-addrs', self.pd_links], capture_output=True, text=True, timeout=120,
                              env=clean_environment())
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def processes(self):
        return [p for p in [*self.pds, *self.workers, self.gateway] if p]

    def client(self, **options):
        return Client(f'127.0.0.1:{self.port}', **options)

    def __enter__(self):
        for n in range(len(self.pds)):
            self.start_pd(n)
        for n in range(len(self.workers)):
            self.start_worker(n)
        self.start_gateway()
        wait_ready(self.http_port, self.processes())
        return self

    def __exit__(self, kind, value, trace):
        for process in self.processes():
            if kind is not None:
                sys.stderr.write(f'--- {process.role}\n{process.log()[-3000:]}\n')
            process.kill()


class Service:
    """Methods of a service by name: service.GetWorker(collection='c')."""

    def __init__(self, module, name, port):
        self.module, self.name = module, name
        self.methods = {m.name: m for m in module.DESCRIPTOR.services_by_name[name].methods}
        self.channel = grpc.insecure_channel(f'127.0.0.1:{port}', options=[('grpc.use_local_subchannel_pool', 1)])
        self.called = set()

    def __getattr__(self, method):
        described = self.methods[method]
        request, response = (getattr(self.module, t.name) for t in (described.input_type, described.output_type))
        kind = 'stream_unary' if method == 'StreamBatchStoreVector' else 'unary_stream' if method.startswith('StreamHNSW') else 'unary_unary'
        stub = getattr(self.channel, kind)(f'/{self.module.DESCRIPTOR.package}.{self.name}/{method}',
                                           request_serializer=request.SerializeToString, response_deserializer=response.FromString)
        self.called.add(method)
        if kind == 'stream_unary':
            return lambda messages, timeout=20: stub(iter(messages), timeout=timeout)
        return lambda timeout=20, **fields: stub(request(**fields), timeout=timeout)


class Client:
    """The gateway's RPCs by name: client.Search(collection='c', vector=[…], top_k=3)."""

    METHODS = {m.name: m for m in pb.DESCRIPTOR.services_by_name['VectronService'].methods}

    def __init__(self, target, timeout=30.0, **channel_options):
        limits = [('grpc.use_local_subchannel_pool', 1), ('grpc.max_receive_message_length', -1),
                  ('grpc.max_send_message_length', -1)]
        self.channel = grpc.insecure_channel(target, options=limits, **channel_options)
        self.timeout = timeout

    def _stub(self, name):
        method = self.METHODS[name]
        make = self.channel.unary_stream if name == 'SearchStream' else self.channel.unary_unary
        return make(f'/vectron.v1.VectronService/{name}',
                    request_serializer=getattr(pb, method.input_type.name).SerializeToString,
                    response_deserializer=getattr(pb, method.output_type.name).FromString)

    def message(self, name, /, **fields):
        return getattr(pb, self.METHODS[name].input_type.name)(**fields)

    def call(self, name, message, timeout=None, metadata=None, **options):
        return self._stub(name)(message, timeout=timeout or self.timeout, metadata=metadata, **options)

    def future(self, name, message, timeout=None, **options):
        return self._stub(name).future(message, timeout=timeout or self.timeout, **options)

    def __getattr__(self, name):
        if name not in self.METHODS:
            raise AttributeError(name)
        return lambda timeout=None, metadata=None, **fields: self.call(name, self.message(name, **fields), timeout, metadata)

    def upsert(self, collection, points):
        """points: (id, vector[, payload])"""
        return self.Upsert(collection=collection, points=[
            pb.Point(id=p[0], vector=p[1], payload=p[2] if len(p) > 2 else {}) for p in points])

    def health(self, service=''):
        check = self.channel.unary_unary('/grpc.health.v1.Health/Check',
                                         request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                                         response_deserializer=health_pb2.HealthCheckResponse.FromString)
        return check(health_pb2.HealthCheckRequest(service=service), timeout=10).status

    def close(self):
        self.channel.close()


@contextlib.contextmanager
def fails(code, *words):
    """with fails('NOT_FOUND', 'docs'): …   the call inside must fail so."""
    try:
        yield
    except grpc.RpcError as error:
        assert error.code() == getattr(grpc.StatusCode, code), f'{error.code()} instead of {code}: {error.details()}'
        for word in words:
            assert word in error.details(), f'{word!r} is not in {error.details()!r}'
    else:
        raise AssertionError(f'no error, expected {code}')


def http(method, url, body=None, headers=(), check=True, arguments=(), seconds=30):
    """curl it: (status, parsed JSON or text)."""
    command = ['curl', '-sS', '-m', str(seconds), '-X', method, '-w', '\n%{http_code}', *arguments]
    for header in headers:
        command += ['-H', header]
    if body is not None:
        command += ['-H', 'Content-Type: application/json', '--data-binary', '@-']
        body = body if isinstance(body, (str, bytes)) else json.dumps(body)
    run = subprocess.run([*command, url], input=body.encode() if isinstance(body, str) else body, capture_output=True)
    text, _, status = run.stdout.decode(errors='replace').rpartition('\n')
    if check and run.returncode:
        raise AssertionError(f'curl {method} {url}: {run.stderr.decode()}')
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return int(status or 0), value


def cpu_seconds(pid):
    """User + system time of a process so far."""
    with open(f'/proc/{pid}/stat') as file:
        fields = file.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def memory_bytes(pid, key='RssAnon'):
    with open(f'/proc/{pid}/status') as file:
        for line in file:
            if line.startswith(key + ':'):
                return int(line.split()[1]) * 1024
    raise KeyError(key)


def run_tests(scope):
    """Runs the test_* functions of a module in order of definition; prints a line each; the exit code."""
    names = [n for n in scope if n.startswith('test_') and callable(scope[n])]
    only = sys.argv[1:]
    passed = failed = 0
    for name in names:
        if only and not any(word in name for word in only):
            continue
        started = time.monotonic()
        try:
            scope[name]()
            passed += 1
            print(f'  ok   {name[5:].replace("_", " ")} ({time.monotonic() - started:.1f} s)', flush=True)
        except Skip as why:
            print(f'  skip {name[5:].replace("_", " ")}: {why}', flush=True)
        except Exception as error:  # every failure is told, the rest still runs
            failed += 1
            print(f'  FAIL {name[5:].replace("_", " ")}: {type(error).__name__}: {error}', flush=True)
            traceback.print_exc()
    print(f'{os.path.basename(sys.argv[0])}: {passed} passed, {failed} failed', flush=True)
    return 1 if failed or not passed else 0
