"""bridge: a small network of its own: a namespace for each node, joined by veth pairs to a bridge in the namespace of the test.

    test, bridge 10.77.0.1 ──┬── pd1 10.77.0.2
                             ├── worker1 10.77.0.3     each behind a pair of interfaces, of which
                             └── …                     the bridge's end is called by its number

A cable is pulled by taking the bridge's end down. One way is cut by a permanent neighbour entry of nobody: what is sent there is
never heard of again, and what comes from there comes. Neither needs a kernel module beyond the bridge.
"""
import subprocess

NOBODY = '02:00:00:00:00:ff'


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


def permitted():
    """This kernel has bridges and pairs, and lets us make them."""
    try:
        run('ip', 'link', 'add', 'trial', 'type', 'bridge')
        run('ip', 'link', 'add', 'trial1', 'type', 'veth', 'peer', 'name', 'trial2')
        run('ip', 'link', 'del', 'trial1')
        run('ip', 'link', 'del', 'trial')
        run('nsenter', '--version')
        return True
    except (OSError, subprocess.CalledProcessError):
        return False


class Bridge:
    """In a network namespace of one's own (lib.network.private_network). Closed with the process."""

    def __init__(self):
        self.nodes, self.holders = {}, {}
        run('ip', 'link', 'add', 'bridge', 'type', 'bridge')
        run('ip', 'address', 'add', '10.77.0.1/24', 'dev', 'bridge')
        run('ip', 'link', 'set', 'bridge', 'up')

    def add(self, name):
        n = len(self.nodes) + 2
        holder = subprocess.Popen(['unshare', '--net', 'sh', '-c', 'echo; exec cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holder.stdout.readline()
        self.holders[name], self.nodes[name] = holder, n
        run('ip', 'link', 'add', f'port{n}', 'type', 'veth', 'peer', 'name', f'node{n}')
        run('ip', 'link', 'set', f'node{n}', 'netns', str(holder.pid))
        run('ip', 'link', 'set', f'port{n}', 'master', 'bridge', 'up')
        for words in (['link', 'set', 'lo', 'up'], ['link', 'set', f'node{n}', 'name', 'eth0'], ['address', 'add', f'{self.address(name)}/24', 'dev', 'eth0'],
                      ['link', 'set', 'eth0', 'up']):
            self.inside(name, 'ip', *words)

    def address(self, name):
        return f'10.77.0.{self.nodes[name]}'

    def prefix(self, name):
        """Of a command that is to run there."""
        return ['nsenter', f'--net=/proc/{self.holders[name].pid}/ns/net']

    def inside(self, name, *command):
        run(*self.prefix(name), *command)

    def pull(self, name):
        run('ip', 'link', 'set', f'port{self.nodes[name]}', 'down')

    def plug(self, name):
        run('ip', 'link', 'set', f'port{self.nodes[name]}', 'up')

    def cut(self, sender, receiver):
        """Nothing of the sender reaches the receiver any more."""
        self.inside(sender, 'ip', 'neighbour', 'replace', self.address(receiver), 'lladdr', NOBODY, 'nud', 'permanent', 'dev', 'eth0')

    def mend(self, sender, receiver):
        self.inside(sender, 'ip', 'neighbour', 'del', self.address(receiver), 'dev', 'eth0')

    def close(self):
        for holder in self.holders.values():
            holder.kill()
            holder.wait()
