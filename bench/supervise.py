#!/usr/bin/python3
"""bench supervise: how soon a process that was killed is there again.

Rows, medians of SIGKILLs of a worker with 1,000 points: restarted (the kill until the new process is the worker's program; target
<= 250 ms) and ready (until it says so). The peer is the simplest supervisor there is, a shell's loop.
"""
import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from service import row, say, vectron  # noqa: E402

FILE = '''
[supervisor]
link = "none"
[defaults]
intensity = 100
period = "1s"
backoff = "1ms"
[process.pd]
role = "pd"
args = ["--data-dir", "pd", "--raft-addr", "127.0.0.1:{pd}"]
[process.worker]
role = "worker"
args = ["--data-dir", "worker", "--raft-addr", "127.0.0.1:{worker}", "--pd-addrs", "127.0.0.1:{pd}"]
after = ["pd"]
'''


def worker_below(parent):
    """The worker that is a child of this process, once it is the program; else None."""
    for task in os.listdir(f'/proc/{parent}/task'):
        try:
            with open(f'/proc/{parent}/task/{task}/children') as file:
                children = file.read().split()
        except FileNotFoundError:
            continue
        for child in children:
            try:
                with open(f'/proc/{child}/cmdline') as file:
                    if file.read().split('\0')[1:2] == ['worker']:
                        return int(child)
            except FileNotFoundError:
                pass
    return None


def wait(what, seconds=20):
    until = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < until, what
        time.sleep(0.0005)
    return value


def measure(parent, log, times):
    """[(restarted, ready)] in ms."""
    def readies():
        with open(log) as file:
            return sum(line.rstrip().endswith('ready') and 'supervisor' not in line and not line.startswith('pd ') for line in file)
    found = []
    for _ in range(times):
        time.sleep(1.1)  # a period: each kill is the first of its own
        pid, before = wait(lambda: worker_below(parent)), readies()
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        wait(lambda: worker_below(parent) not in (None, pid))
        restarted = time.monotonic()
        wait(lambda: readies() > before)
        found.append(((restarted - killed) * 1000, (time.monotonic() - killed) * 1000))
    return found


def with_ours(folder, times):
    pd, worker = vectron.free_ports(2)
    with open(f'{folder}/cluster.toml', 'w') as file:
        file.write(FILE.format(pd=pd, worker=worker))
    with open(f'{folder}/log', 'w') as log:
        process = subprocess.Popen([vectron.BINARY, 'supervise'], cwd=folder, stdout=log, stderr=log)
    try:
        wait(lambda: 'supervisor | ready' in open(f'{folder}/log').read())
        return measure(process.pid, f'{folder}/log', times)
    finally:
        process.terminate()
        process.wait()


def with_shell(folder, times):
    pd, worker = vectron.free_ports(2)
    os.makedirs(f'{folder}/shell')
    with open(f'{folder}/shell/pd.log', 'w') as log:
        driver = subprocess.Popen([vectron.BINARY, 'pd', '--data-dir', 'pd', '--raft-addr', f'127.0.0.1:{pd}'], cwd=f'{folder}/shell',
                                  stdout=log, stderr=log)
    command = f'{vectron.BINARY} worker --data-dir worker --raft-addr 127.0.0.1:{worker} --pd-addrs 127.0.0.1:{pd}'
    with open(f'{folder}/shell/log', 'w') as log:
        process = subprocess.Popen(['sh', '-c', f'while :; do {command}; done'], cwd=f'{folder}/shell', stdout=log, stderr=log)
    try:
        wait(lambda: 'ready' in open(f'{folder}/shell/log').read())
        return measure(process.pid, f'{folder}/shell/log', times)
    finally:
        pid = worker_below(process.pid)
        process.kill()
        process.wait()
        os.kill(pid, signal.SIGKILL)
        driver.kill()
        driver.wait()


RESTARTED_MAX_MS = 250


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--only')
    options = parser.parse_args()
    if options.only not in (None, 'restarted', 'ready'):
        return
    times = 3 if options.quick else 10
    with tempfile.TemporaryDirectory() as folder:
        ours, shell = with_ours(folder, times), with_shell(folder, times)
    say('ours, ms (restarted, ready):', ' '.join(f'{a:.0f},{b:.0f}' for a, b in ours))
    for i, name in enumerate(('restarted', 'ready')):
        if options.only and options.only != name:
            continue
        a, b = (statistics.median(times[i] for times in found) for found in (ours, shell))
        if name == 'restarted':
            row('supervise', name, 'after_kill', 'ms', a, RESTARTED_MAX_MS, 'limit', RESTARTED_MAX_MS / a, 1)
        row('supervise', name, 'after_kill', 'ms', a, b, 'shell loop', b / a)


if __name__ == '__main__':
    main()
