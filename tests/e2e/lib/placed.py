"""placed: a cluster from one placement file, run by `vectron supervise`: whoever dies is back without a hand.

Where the system allows it each process has a network namespace of its own behind a bridge, else all are on loopback.
"""
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile

from lib import disk, vectron
from lib.bridge import Bridge
from lib.vectron import wait_for

PDS, WORKERS = ('pd1', 'pd2', 'pd3'), ('worker1', 'worker2', 'worker3')
SEARCHER, GATEWAY = 'searcher', 'gateway'
DISK_MB = 128  # some 32 are kept in reserve
ALL = (*PDS, *WORKERS, SEARCHER, GATEWAY)


class Placed:
    """3 placement drivers, 3 workers, one that only searches, a gateway; each with a network namespace and those that write with a small
    disk of their own, if wanted and permitted. with Placed(network=True, disks=True) as cluster: …"""

    def __init__(self, network, disks=False, env=None):
        self.folder = tempfile.mkdtemp(dir=vectron.TEMPORARY)
        self.disks = [name for name in (*PDS, *WORKERS) if disks and disk.mount(self.data(name), DISK_MB)]
        self.bridge = Bridge() if network else None
        self.ports = {}
        for name in ALL:
            if network:
                self.bridge.add(name)
                self.ports[name] = (7001, 6001)
            else:
                self.ports[name] = vectron.free_ports(2)
        self.env = {'VECTRON_REPLICATION_FACTOR': 3, 'VECTRON_INSECURE': 1, **(env or {})}
        self.pd_links = ','.join(self.link(name) for name in PDS)
        self.supervisor = None

    def host(self, name):
        return self.bridge.address(name) if self.bridge else '127.0.0.1'

    def link(self, name):
        return f'{self.host(name)}:{self.ports[name][0]}'

    def data(self, name):
        return os.path.join(self.folder, name)

    def arguments(self, name):
        first, second = self.link(name), f'{self.host(name)}:{self.ports[name][1]}'
        if name in PDS:
            founders = ','.join(f'{i + 1}:{self.link(pd)}' for i, pd in enumerate(PDS))
            return ['pd', '--node-id', name[-1], '--initial-members', founders, '--raft-addr', first, '--grpc-addr', second]
        if name == GATEWAY:
            return ['gateway', '--pd-addrs', self.pd_links, '--grpc-addr', first, '--http-addr', second]
        return ['worker', '--pd-addrs', self.pd_links, '--raft-addr', first, '--grpc-addr', second]

    def text(self):
        """The placement file. In a namespace of its own a process cannot tell the supervisor that it is ready."""
        lines = ['[supervisor]', 'link = "ipc://supervisor/link.ipc"', '[defaults]', 'intensity = 100',
                 f'ready = "{"spawned" if self.bridge else "notify"}"']
        for name in ALL:
            prefix = self.bridge.prefix(name) if self.bridge else []
            env = {**self.env, **({'VECTRON_SEARCH_ONLY': 1} if name == SEARCHER else {})}
            command = [*prefix, vectron.BINARY, *self.arguments(name), '--data-dir', self.data(name)]
            lines += [f'[process.{name}]', f'command = {json.dumps(command)}',
                      'environment = { ' + ', '.join(f'{key} = "{value}"' for key, value in env.items()) + ' }']
        return '\n'.join(lines) + '\n'

    # --- what it says

    def tool(self, *words):
        done = subprocess.run([vectron.BINARY, *words, '--json'], cwd=self.folder, capture_output=True, text=True, timeout=120,
                              env={**vectron.clean_environment(), 'VECTRON_INSECURE': '1'})
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def admin(self, *words):
        return self.tool('admin', *words, '--pd-addrs', self.pd_links)

    def row(self, name):
        """Of `vectron supervise status`."""
        return next(r for r in self.tool('supervise', 'status')['processes'] if r['name'] == name)

    def alarms(self, name):
        """(name, subject and words) of those that are not over."""
        link = f'ipc://{self.data(name)}/link.ipc' if name == GATEWAY else self.link(name)
        said = self.tool('stats', '--link', link).get('alarms', [])
        return [(a['name'], f'{a["subject"]} {a["text"]}') for a in said if not a.get('over')]

    def in_order(self):
        said = self.admin('pd')
        return said.get('inOrder', False) and sum(not m.get('away') for m in said['members']) == 3

    def leading_pd(self):
        """The name of the placement driver that leads, or None."""
        link = self.admin('pd').get('link', '')
        return next((name for name in PDS if link.endswith(self.link(name))), None)

    def worker_name(self, number):
        link = next(w['link'] for w in self.admin('workers')['workers'] if int(w['worker']) == int(number))
        return next(name for name in (*WORKERS, SEARCHER) if link.endswith(self.link(name)))

    def log(self):
        with open(os.path.join(self.folder, 'log'), errors='replace') as file:
            return file.read()

    def client(self, **options):
        return vectron.Client(self.link(GATEWAY), **options)

    def http_url(self):
        return f'http://{self.host(GATEWAY)}:{self.ports[GATEWAY][1]}'

    # --- what happens to it

    def kill(self, name):
        os.kill(self.row(name)['pid'], signal.SIGKILL)

    @contextlib.contextmanager
    def paused(self, name):
        pid = self.row(name)['pid']
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def pulled(self, name):
        """Its cable."""
        self.bridge.pull(name)
        try:
            yield
        finally:
            self.bridge.plug(name)

    @contextlib.contextmanager
    def cut(self, senders, receivers, both=True):
        """Nothing gets from the ones to the others, nor back unless both is False."""
        ways = [(a, b) for a in senders for b in receivers]
        ways += [(b, a) for a, b in ways] if both else []
        for way in ways:
            self.bridge.cut(*way)
        try:
            yield
        finally:
            for way in ways:
                self.bridge.mend(*way)

    def full(self, name):
        """Its disk."""
        return disk.full(self.data(name))

    def __enter__(self):
        with open(os.path.join(self.folder, 'cluster.toml'), 'w') as file:
            file.write(self.text())
        with open(os.path.join(self.folder, 'log'), 'w') as log:
            self.supervisor = subprocess.Popen([vectron.BINARY, 'supervise', 'cluster.toml'], cwd=self.folder, stdout=log, stderr=log,
                                               stdin=subprocess.DEVNULL, env=vectron.clean_environment())
        try:
            wait_for(self.started, 60)
            wait_for(lambda: sum(w['state'] == 'ready' for w in self.admin('workers').get('workers', [])) == 4, 60)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def started(self):
        assert self.supervisor.poll() is None, self.log()[-3000:]
        return 'supervisor | ready' in self.log()

    def stop(self):
        """SIGTERM: all drain in order. The exit code."""
        self.supervisor.send_signal(signal.SIGTERM)
        return self.supervisor.wait(60)

    def __exit__(self, kind, value, trace):
        if kind is not None:
            sys.stderr.write(self.log()[-6000:])
        if self.supervisor.poll() is None:
            self.supervisor.kill()
        self.supervisor.wait()
        for name in self.disks:
            disk.unmount(self.data(name))
        if self.bridge:
            self.bridge.close()
