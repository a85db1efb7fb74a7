#!/usr/bin/python3
"""Links with CURVE keys between real processes: the right key, a wrong one, none, one added while they run; and what
the wire shows."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import protocol_client as wire  # noqa: E402
import zmq  # noqa: E402
from lib import vectron  # noqa: E402
from lib.vectron import wait_for  # noqa: E402

FOLDER = tempfile.mkdtemp(dir=vectron.TEMPORARY)
SECRET = 'a-payload-that-must-not-be-read-on-the-wire'
ALLOWED = os.path.join(FOLDER, 'allowed.keys')
NAMES = ['pd', 'worker1', 'gateway', 'tool']
public = {}
processes = {}


def vectron_run(*arguments, code=0, env=None):
    run = subprocess.run([vectron.BINARY, *arguments], capture_output=True, text=True, timeout=60, cwd=FOLDER,
                         env={**os.environ, **(env or {})})
    assert run.returncode == code, (arguments, run.returncode, run.stdout, run.stderr)
    return run


def keygen(name):
    line = vectron_run('admin', 'keygen', name, '--out', f'{name}.key').stdout
    assert re.fullmatch(rf'{name} \S{{40}}\n', line), line
    return line.split()[1]


def write_allowed(names):
    with open(ALLOWED + '.new', 'w') as file:
        file.writelines(f'{name} {public[name]}\n' for name in names)
    os.replace(ALLOWED + '.new', ALLOWED)


def keys(name):
    return ['--key-file', f'{FOLDER}/{name}.key', '--allowed-keys', ALLOWED]


class Proxy:
    """A TCP relay that keeps every byte of both directions."""

    def __init__(self, target):
        self.target, self.bytes = target, bytearray()
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(('127.0.0.1', self.target))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    def copy(self, a, b):
        try:
            while data := a.recv(65536):
                self.bytes += data
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def start(name, role, arguments, env=None):
    processes[name] = vectron.Process(role, {'VECTRON_DATA_DIR': os.path.join(FOLDER, name), **(env or {})}, FOLDER,
                                      [*arguments])


def report(address, *options, code=0):
    run = vectron_run('stats', '--json', '--link', address, *(options or keys('tool')), code=code)
    return json.loads(run.stdout) if code == 0 else run.stderr


pd_port, worker_port, grpc_port, http_port = vectron.free_ports(4)


def test_keygen_keeps_the_secret_to_its_owner():
    for name in NAMES + ['stranger', 'late']:
        public[name] = keygen(name)
        assert os.stat(f'{FOLDER}/{name}.key').st_mode & 0o777 == 0o600
    assert 'never overwritten' in vectron_run('admin', 'keygen', 'pd', '--out', 'pd.key', code=1).stderr
    vectron_run('admin', 'keygen', 'a b', code=2)
    write_allowed(NAMES)


def test_a_link_to_the_network_needs_keys():
    refused = vectron_run('worker', '--raft-addr', f'0.0.0.0:{worker_port}', code=2).stderr
    assert 'vectron admin keygen' in refused and 'VECTRON_INSECURE=1' in refused, refused
    os.chmod(f'{FOLDER}/worker1.key', 0o644)
    assert 'chmod 600' in vectron_run('worker', '--raft-addr', f'0.0.0.0:{worker_port}', *keys('worker1'), code=1).stderr
    os.chmod(f'{FOLDER}/worker1.key', 0o600)


def test_a_cluster_with_keys_works_and_the_wire_shows_nothing():
    global proxy
    proxy = Proxy(pd_port)
    start('pd', 'pd', ['--raft-addr', f'127.0.0.1:{pd_port}', *keys('pd')])
    start('worker1', 'worker', ['--raft-addr', f'127.0.0.1:{worker_port}', '--pd-addrs',
                                f'pd@127.0.0.1:{proxy.port}', *keys('worker1')])
    start('gateway', 'gateway', ['--pd-addrs', f'pd@127.0.0.1:{proxy.port}', *keys('gateway')],
          {'GRPC_ADDR': f'127.0.0.1:{grpc_port}', 'HTTP_ADDR': f'127.0.0.1:{http_port}'})
    vectron.wait_ready(http_port, processes.values())
    client = vectron.Client(f'127.0.0.1:{grpc_port}')
    wait_for(lambda: report(f'pd@127.0.0.1:{pd_port}')['links'])

    def created():
        try:
            return client.CreateCollection(name=SECRET, dimension=2, distance='euclidean')
        except vectron.grpc.RpcError:
            return None
    wait_for(created)
    client.upsert(SECRET, [('id', [1, 2], {'key': SECRET})])
    assert client.Search(collection=SECRET, vector=[1, 2], top_k=1).results[0].id == 'id'
    assert len(proxy.bytes) > 2000, 'nothing went through the proxy'
    for words in (SECRET.encode(), b'PdRegister', b'vectron\x01', b'worker'):
        assert words not in proxy.bytes, words
    assert proxy.bytes.count(b'CURVE') >= 4, 'the greeting names the mechanism'


def test_the_plain_wire_would_show_it():
    """The proof above proves something: the same traffic without keys is readable."""
    port, link = vectron.free_ports(2)
    start('plain', 'pd', ['--raft-addr', f'127.0.0.1:{link}'])
    plain = Proxy(link)
    wait_for(lambda: 'ready' in processes['plain'].log())
    report(f'127.0.0.1:{plain.port}', '--data-dir', FOLDER)
    assert b'vectron' in plain.bytes and b'tool' in plain.bytes
    processes.pop('plain').kill()


def test_sys_tells_who_is_connected_and_how():
    seen = report(f'pd@127.0.0.1:{pd_port}')
    assert seen['security']['security'] == 'curve' and seen['security']['keyOf'] == 'pd', seen['security']
    assert {(link['keyOf'], link['security']) for link in seen['links']} >= \
        {(name, 'curve') for name in ('worker1', 'gateway', 'tool')}, seen['links']
    table = vectron_run('stats', '--link', f'pd@127.0.0.1:{pd_port}', *keys('tool')).stdout
    assert 'curve worker1' in table, table


def test_a_wrong_key_is_refused_and_told_on_both_sides():
    words = report(f'pd@127.0.0.1:{pd_port}', *keys('stranger'), code=1)
    assert 'DENIED' in words and f'add `stranger {public["stranger"]}`' in words, words
    wait_for(lambda: public['stranger'] in processes['pd'].log())
    seen = report(f'pd@127.0.0.1:{pd_port}')
    rows = [row for row in seen['security']['refusals'] if row.get('key') == public['stranger']]
    assert len(rows) == 1 and rows[0]['why'] == 'key not allowed' and rows[0]['address'] == '127.0.0.1', rows
    assert abs(int(rows[0]['lastMs']) / 1000 - time.time()) < 30
    assert any(alarm['name'] == 'link_refused' for alarm in seen['alarms']), seen['alarms']


def test_a_plain_peer_is_refused_and_told_on_both_sides():
    words = report(f'127.0.0.1:{pd_port}', '--data-dir', FOLDER, code=1)
    assert 'CURVE' in words, words
    wait_for(lambda: 'does not speak CURVE' in processes['pd'].log())
    refusals = report(f'pd@127.0.0.1:{pd_port}')['security']['refusals']
    whys = {row['why'] for row in refusals}  # who closes first is chance
    assert whys & {'security differs', 'handshake broken off'}, refusals


def test_a_node_that_is_another_is_refused():
    """The name in the address says which key must be there."""
    words = report(f'worker1@127.0.0.1:{pd_port}', code=1)
    assert 'broken off' in words, words
    wait_for(lambda: 'takes this process for another' in processes['pd'].log())
    assert 'no key of the node' in report(f'nobody@127.0.0.1:{pd_port}', code=1)


def test_a_key_is_added_and_taken_away_by_sighup():
    report(f'pd@127.0.0.1:{pd_port}', *keys('late'), code=1)
    write_allowed(NAMES + ['late'])
    processes['pd'].process.send_signal(signal.SIGHUP)
    wait_for(lambda: '5 allowed keys were read again' in processes['pd'].log())
    assert report(f'pd@127.0.0.1:{pd_port}', *keys('late'))['node'] == 'pd'
    with open(ALLOWED, 'a') as file:
        file.write('half a line\n')
    processes['pd'].process.send_signal(signal.SIGHUP)
    wait_for(lambda: 'the old keys stay' in processes['pd'].log())
    write_allowed(NAMES)
    processes['pd'].process.send_signal(signal.SIGHUP)
    wait_for(lambda: '4 allowed keys were read again' in processes['pd'].log())
    report(f'pd@127.0.0.1:{pd_port}', *keys('late'), code=1)


def rewrite(name, new):
    """The key file of `new` in the place of that of `name`, under its name."""
    with open(f'{FOLDER}/{new}.key') as file:
        text = file.read().replace(f'name {new}', f'name {name}')
    with open(f'{FOLDER}/{name}.key', 'w') as file:
        file.write(text)


def test_a_node_changes_its_key_without_a_restart():
    """docs/security.md: the new key beside the old one on every list, SIGHUP; the key file, SIGHUP; the old one off."""
    worker = processes['worker1']
    pid, old = worker.process.pid, public['worker1']
    public['next'] = vectron_run('admin', 'keygen', 'next', '--out', 'next.key').stdout.split()[-1]

    def allow(keys):
        write_allowed([name for name in NAMES if name != 'worker1'])
        with open(ALLOWED, 'a') as file:
            file.write(''.join(f'worker1 {key}\n' for key in keys))
        for process in processes.values():
            process.process.send_signal(signal.SIGHUP)

    client = vectron.Client(f'127.0.0.1:{grpc_port}')

    def searches():
        try:
            return client.Search(collection=SECRET, vector=[1, 2], top_k=1).results[0].id == 'id'
        except vectron.grpc.RpcError:
            return False

    assert searches()
    allow([old, public['next']])
    rewrite('worker1', 'next')
    worker.process.send_signal(signal.SIGHUP)
    wait_for(lambda: f'this node has a new key now: worker1 {public["next"]}' in worker.log())
    wait_for(searches)
    allow([public['next']])
    wait_for(searches)
    wait_for(lambda: ('worker1', 'curve') in {(link['keyOf'], link['security']) for link in
                                              report(f'pd@127.0.0.1:{pd_port}')['links']})
    assert worker.process.pid == pid and worker.process.poll() is None
    public['worker1'] = public['next']
    with open(f'{FOLDER}/worker1.key') as file, open(f'{FOLDER}/stranger.key') as other:
        mine, others = file.read(), other.read()
    for text, words in ((others, 'the key file is now of stranger'), (mine, '4 allowed keys were read again')):
        with open(f'{FOLDER}/worker1.key', 'w') as file:
            file.write(text)
        worker.process.send_signal(signal.SIGHUP)
        wait_for(lambda: words in worker.log()[-400:])
    assert searches()


def secret_of(name):
    with open(f'{FOLDER}/{name}.key') as file:
        return dict(line.split() for line in file if not line.startswith('#'))['secret']


def test_a_foreign_program_with_a_key():
    """docs/protocol.md: pyzmq with CURVE."""
    def secure(raw, name):
        raw.curve_publickey, raw.curve_secretkey = public[name].encode(), secret_of(name).encode()
        raw.curve_serverkey = public['worker1'].encode()
    with wire.Link(f'tcp://127.0.0.1:{worker_port}', secure=lambda raw: secure(raw, 'tool')) as link:
        for _, seen in link.call(link.lookup('sys'), 'SysAsk', {}):
            assert seen[1] == 'worker', seen
    raw = zmq.Context.instance().socket(zmq.DEALER)
    secure(raw, 'stranger')
    raw.linger = 0
    raw.connect(f'tcp://127.0.0.1:{worker_port}')
    raw.send(b'\x97\x01\xa7vectron\x01\xa6script\x05\x06\x00')
    assert not raw.poll(1000), 'a stranger was answered'
    raw.close()


def test_everything_still_stops():
    for name in ('gateway', 'worker1', 'pd'):
        assert processes[name].stop() == 0


if __name__ == '__main__':
    try:
        code = vectron.run_tests(dict(globals()))
        if code:
            for name, process in processes.items():
                sys.stderr.write(f'--- {name}\n{process.log()[-3000:]}\n')
    finally:
        for process in processes.values():
            process.kill()
    sys.exit(code)
