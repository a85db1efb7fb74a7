#!/usr/bin/python3
"""vectron supervise: real processes placed, watched, restarted, rolled and drained; nothing is left of them."""
import glob
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.network import private_network  # noqa: E402
from lib.vectron import wait_for  # noqa: E402


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


class Supervisor:
    """`vectron supervise` of a file in a folder of its own."""

    def __init__(self, text, env=None):
        self.folder = tempfile.mkdtemp(dir=vectron.TEMPORARY)
        self.file = os.path.join(self.folder, 'cluster.toml')
        with open(self.file, 'w') as file:
            file.write(text)
        self.log_path = os.path.join(self.folder, 'log')
        with open(self.log_path, 'w') as log:
            self.process = subprocess.Popen([vectron.BINARY, 'supervise', 'cluster.toml'], cwd=self.folder, stdout=log,
                                            stderr=log, env={**vectron.clean_environment(), **(env or {})})
        self.pids = set()

    def log(self):
        with open(self.log_path) as file:
            return file.read()

    def ask(self, *words):
        return json.loads(self.run(*words, '--json', only_stdout=True))

    def run(self, *words, code=0, only_stdout=False):
        run = subprocess.run([vectron.BINARY, 'supervise', *words], cwd=self.folder, capture_output=True, text=True, timeout=120)
        assert run.returncode == code, (words, run.returncode, run.stdout, run.stderr, self.log()[-2000:])
        return run.stdout if only_stdout else run.stdout + run.stderr

    def status(self):
        report = self.ask('status')
        rows = {row['name']: row for row in report['processes']}
        self.pids |= {row['pid'] for row in rows.values() if row['pid']}
        return rows

    def state(self, name):
        return self.status()[name]['state']

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, self.log()[-3000:]
            return 'supervisor | ready' in self.log()
        wait_for(ready, 60)
        return self

    def left(self):
        return [pid for pid in self.pids if alive(pid)]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            sys.stderr.write(self.log()[-4000:])
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def cluster_text(ports, extra=''):
    pd, w1, g1, g2, h1, h2 = ports
    base = w1 - 1
    return f'''
[supervisor]
link = "ipc://supervisor/link.ipc"
[process.gateway]
role = "gateway"
count = 2
args = ["--data-dir", "{{name}}", "--pd-addrs", "127.0.0.1:{pd}", "--grpc-addr", "127.0.0.1:{{{g1 - 1}+n}}",
        "--http-addr", "127.0.0.1:{{{h1 - 1}+n}}"]
after = ["worker"]
readyz = "http://127.0.0.1:{{{h1 - 1}+n}}/readyz"
[process.worker]
role = "worker"
count = 2
args = ["--data-dir", "{{name}}", "--raft-addr", "127.0.0.1:{{{base}+n}}", "--pd-addrs", "127.0.0.1:{pd}"]
after = ["pd"]
watchdog = "3s"
[process.pd]
role = "pd"
args = ["--data-dir", "{{name}}", "--raft-addr", "127.0.0.1:{pd}"]
environment = {{ VECTRON_REPLICATION_FACTOR = "1" }}
{extra}'''


def free_run(n):
    """n ports in a row that are free."""
    while True:
        first = vectron.free_ports(1)[0]
        try:
            sockets = []
            for port in range(first, first + n):
                s = socket.socket()
                sockets.append(s)
                s.bind(('127.0.0.1', port))
            return first
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()


def new_ports():
    first = free_run(7)
    return [first, first + 1, first + 3, first + 4, first + 5, first + 6]


def test_a_wrong_file_is_told_with_line_and_key():
    folder = tempfile.mkdtemp(dir=vectron.TEMPORARY)
    with open(f'{folder}/cluster.toml', 'w') as file:
        file.write('[process.pd]\nrole = "pd"\nrestart = "sometimes"\n')
    run = subprocess.run([vectron.BINARY, 'supervise', 'cluster.toml'], cwd=folder, capture_output=True, text=True, timeout=20)
    assert run.returncode == 2 and 'cluster.toml, line 3, process.pd.restart: "sometimes" is not one of' in run.stderr, run
    run = subprocess.run([vectron.BINARY, 'supervise', 'status'], cwd=folder, capture_output=True, text=True, timeout=20)
    assert run.returncode == 2, run


def test_the_example_is_the_procfile():
    """deploy/cluster.toml starts the commands of the Procfile."""
    with open(os.path.join(vectron.ROOT, 'Procfile')) as file:
        lines = dict(line.strip().split(': ', 1) for line in file if line.strip())
    wanted = {name: shlex.split(command)[1:] for name, command in lines.items()}
    example = os.path.join(vectron.ROOT, 'deploy', 'cluster.toml')
    check = subprocess.run([vectron.BINARY, 'supervise', example, '--check'], capture_output=True, text=True)
    assert check.returncode == 0 and '7 processes' in check.stdout, check
    with open(example) as file, Supervisor(file.read()) as running:
        running.wait_ready()
        found = {}
        for name, row in running.status().items():
            with open(f"/proc/{row['pid']}/cmdline") as file:
                found[name] = file.read().rstrip('\0').split('\0')[1:]
        assert found == wanted, (found, wanted)
        running.run('stop')
        assert running.process.wait(30) == 0


def test_processes_start_in_order_and_say_who_they_are():
    global main, ports, client
    ports = new_ports()
    main = Supervisor(cluster_text(ports)).wait_ready()
    rows = main.status()
    assert [row['state'] for row in rows.values()] == ['ready'] * 5, rows
    assert list(rows) == ['gateway1', 'gateway2', 'worker1', 'worker2', 'pd']
    log = main.log()
    firsts = [log.index(f'{name:10} | ready') for name in ('pd', 'worker1', 'gateway1')]
    assert firsts == sorted(firsts), log
    table = main.run('status')
    assert re.search(r'^worker2 +ready +\d+ .* 0 of 5', table, re.M), table
    client = vectron.Client(f'127.0.0.1:{ports[2]}')
    client.CreateCollection(name='c', dimension=2, distance='euclidean', shards=4)
    client.upsert('c', [(f'p{i}', [i, 0]) for i in range(1000)])


class Load(threading.Thread):
    """Searches over and over, by either gateway; an answer must come from one of the two."""

    def __init__(self, complete):
        super().__init__(daemon=True)
        self.complete, self.answered, self.failures, self.over = complete, 0, [], False

    def once(self, port):
        one = vectron.Client(f'127.0.0.1:{port}', timeout=20)  # a channel that failed would wait before it connects again
        try:
            reply = one.Search(collection='c', vector=[0, 0], top_k=10000, allow_partial=not self.complete)
            return len(reply.results) == 1000 or not self.complete
        finally:
            one.close()

    def run(self):
        while not self.over:
            errors = []
            for port in ports[2:4] * 2:  # one may go while the other is asked
                try:
                    if self.once(port):
                        self.answered += 1
                        break
                    errors.append('short')
                except vectron.grpc.RpcError as error:
                    errors.append(f'{error.code()} {error.details()}')
            else:
                self.failures.append(errors)
            time.sleep(0.01)

    def stop(self):
        self.over = True
        self.join(60)
        return self


def test_a_killed_process_is_back_under_load():
    load = Load(complete=False)
    load.start()
    before = main.status()['worker1']['pid']
    os.kill(before, signal.SIGKILL)
    killed = time.monotonic()
    row = wait_for(lambda: (row := main.status()['worker1'])['pid'] not in (0, before) and row, 10, 0.005)
    took = time.monotonic() - killed
    print(f'       a new process after {took * 1000:.0f} ms', flush=True)
    assert took < 2, took
    wait_for(lambda: main.state('worker1') == 'ready')
    assert row['restarts'] == 1 and row['lastExit'] == 'killed by SIGKILL' and 'killed by SIGKILL; restarted' in main.log()

    def whole():
        try:
            return len(client.Search(collection='c', vector=[0, 0], top_k=10000).results) == 1000
        except vectron.grpc.RpcError:
            return False
    wait_for(whole)
    load.stop()
    assert load.answered > 0 and not load.failures, load.failures[:3]


def test_a_process_that_hangs_is_found_out():
    pid = main.status()['worker2']['pid']
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: main.status()['worker2']['pid'] not in (0, pid), 20)
    assert 'gave no sign of life for 3000 ms: SIGABRT' in main.log()
    wait_for(lambda: main.state('worker2') == 'ready')


def test_a_restart_waits_until_it_is_ready():
    before = main.status()
    main.run('restart', 'worker')
    after = main.status()
    for name in before:
        assert (before[name]['pid'] != after[name]['pid']) == name.startswith('worker'), name
    assert after['worker1']['state'] == after['worker2']['state'] == 'ready'
    assert after['worker1']['restarts'] == 1, 'what was asked for is not counted'
    assert 'no process and no group is called "nobody"' in main.run('restart', 'nobody', code=1)
    main.run('restart', code=2)
    main.run('status', 'more', code=2)


def test_a_roll_keeps_answering():
    load = Load(complete=True)
    load.start()
    wait_for(lambda: load.answered > 3)
    before = main.status()
    rolling = subprocess.Popen([vectron.BINARY, 'supervise', 'roll'], cwd=main.folder)
    wait_for(lambda: main.ask('status')['doing'] == 'rolling', 10, 0.01)
    second = subprocess.run([vectron.BINARY, 'supervise', 'roll', 'pd'], cwd=main.folder, capture_output=True, text=True)
    assert rolling.wait(60) == 0
    assert second.returncode == 0 or 'BUSY a roll is under way' in second.stderr, second
    after = main.status()
    assert all(before[name]['pid'] != after[name]['pid'] for name in before)
    answered = load.answered
    wait_for(lambda: load.answered > answered + 3)
    load.stop()
    assert not load.failures, load.failures[:3]


def test_reload_reaches_all():
    main.run('reload')
    wait_for(lambda: main.log().count('certificates were read again') >= 2)
    main.process.send_signal(signal.SIGHUP)
    wait_for(lambda: main.log().count('certificates were read again') >= 4)


def test_sigterm_drains_all_in_reverse_order():
    main.status()
    main.process.send_signal(signal.SIGTERM)
    assert main.process.wait(60) == 0
    log = main.log()
    lasts = [log.rindex(f'{name:10} | exit code 0') for name in ('gateway1', 'worker1', 'pd')]
    assert lasts == sorted(lasts), log[-2000:]
    assert 'SIGKILL' not in log[log.rindex('stopping'):]
    assert not main.left(), main.left()


def test_nothing_is_left_of_a_supervisor_that_was_killed():
    with Supervisor(cluster_text(new_ports())).wait_ready() as running:
        assert len(running.status()) == 5
        running.process.kill()
        running.process.wait()
        wait_for(lambda: not running.left(), 5, 0.01)
    with Supervisor('[supervisor]\nlink = "ipc://s/l"\n[process.a]\nready = "spawned"\n'
                    'command = ["sh", "-c", "trap \\"\\" TERM; while :; do sleep 1; done"]\n').wait_ready() as running:
        assert running.state('a') == 'ready'
        running.process.send_signal(signal.SIGTERM)
        wait_for(lambda: 'stopping' in running.log())
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(10) == 1, 'the second signal does not wait'
        wait_for(lambda: not running.left(), 5, 0.01)


def test_its_own_keys_are_read_again():
    """Its link is for whoever is on its list; reload, by message or SIGHUP, reads the list anew."""
    port = vectron.free_ports(1)[0]
    text = f'[supervisor]\nlink = "127.0.0.1:{port}"\n[process.a]\ncommand = ["sh", "-c", "trap \'\' HUP; exec sleep 100"]\nready = "spawned"\n'
    folder = tempfile.mkdtemp(dir=vectron.TEMPORARY)
    public = {}
    for name in ('supervisor', 'tool', 'late'):
        said = subprocess.run([vectron.BINARY, 'admin', 'keygen', name, '--out', f'{folder}/{name}.key'], capture_output=True, text=True, check=True)
        public[name] = said.stdout.split()[1]

    def allow(*names):
        with open(f'{folder}/new', 'w') as file:
            file.writelines(f'{name} {public[name]}\n' for name in names)
        os.replace(f'{folder}/new', f'{folder}/allowed')

    def ask(running, name, *words, code=0):
        return running.run(*words, '--link', f'supervisor@127.0.0.1:{port}', '--key-file', f'{folder}/{name}.key',
                           '--allowed-keys', f'{folder}/allowed', code=code)
    allow('supervisor', 'tool')
    with Supervisor(text, env={'VECTRON_KEY_FILE': f'{folder}/supervisor.key', 'VECTRON_ALLOWED_KEYS': f'{folder}/allowed'}) as running:
        running.wait_ready()
        ask(running, 'late', 'status', code=1)
        allow('supervisor', 'tool', 'late')
        ask(running, 'tool', 'reload')
        wait_for(lambda: running.log().count('allowed keys were read again') == 1)
        assert 'ready' in ask(running, 'late', 'status')
        allow('supervisor', 'tool')
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: running.log().count('allowed keys were read again') == 2)
        ask(running, 'late', 'status', code=1)
        ask(running, 'tool', 'stop')
        assert running.process.wait(30) == 0


def test_too_many_restarts_end_all():
    text = cluster_text(new_ports(), '''
[process.broken]
command = ["sh", "-c", "exit 3"]
ready = "spawned"
intensity = 2
backoff = "50ms"
after = ["gateway"]
''')
    with Supervisor(text) as running:
        assert running.process.wait(60) == 1
        log = running.log()
        assert 'broken ended 3 times within 60000 ms (intensity, period): giving up, all processes stop' in log, log
        assert 'broken     | exit code 3; restarted\n' in log and re.search(r'exit code 3; restarted in \d+ ms', log), log
        assert 'pd         | exit code 0' in log


def test_what_is_not_ready_in_time_is_killed():
    with Supervisor('[supervisor]\nlink = "ipc://s/l"\n[process.mute]\ncommand = ["sleep", "100"]\n'
                    'ready_timeout = "300ms"\nintensity = 1\n') as running:
        assert running.process.wait(30) == 1
        assert running.log().count('was not ready within 300 ms: SIGKILL') == 2, running.log()


def test_restart_policies():
    text = '''
[supervisor]
link = "ipc://s/l"
[defaults]
ready = "spawned"
[process.once]
command = ["true"]
restart = "temporary"
[process.done]
command = ["true"]
restart = "transient"
[process.crashed]
command = ["sh", "-c", "test -e again || {{ touch again; kill -9 $$; }"]
restart = "transient"
'''
    with Supervisor(text).wait_ready() as running:
        wait_for(lambda: [row['state'] for row in running.status().values()] == ['stopped'] * 3)
        rows = running.status()
        assert [row['restarts'] for row in rows.values()] == [0, 0, 1], rows
        assert rows['crashed']['lastExit'] == 'exit code 0'
        running.run('restart', 'done')
        running.run('stop')
        assert running.process.wait(10) == 0


def test_limits_cores_folder_and_environment():
    script = ('ulimit -n; ulimit -d; grep Cpus_allowed_list /proc/self/status; pwd; echo $A $NOTIFY_SOCKET; '
              'ls /proc/self/fd | wc -l; grep -E \\"^Sig(Blk|Ign)\\" /proc/self/status; echo over')
    text = f'''
[supervisor]
link = "ipc://s/l"
[process.w]
count = 2
command = ["sh", "-c", "{script}"]
ready = "spawned"
restart = "temporary"
nofile = 321
memory = "100MB"
cpus = "0"
folder = "/tmp"
environment = {{ A = "a{{n}}" }}
'''
    with Supervisor(text).wait_ready() as running:
        wait_for(lambda: running.log().count('| over') == 2)
        lines = [line.split(' | ')[1] for line in running.log().split('\n') if line.startswith('w2 ')]
        assert lines[:4] == ['321', '102400', 'Cpus_allowed_list:\t0', '/tmp'], lines
        assert re.match(r'a2 @vectron-supervise-\d+-1$', lines[4]), lines
        assert int(lines[5]) <= 4, f'descriptors leak: {lines}'
        assert lines[6] == 'SigBlk:\t0000000000000000' and not int(lines[7].split()[1], 16) & 1 << signal.SIGPIPE - 1, lines
        running.run('stop')


def test_control_groups_bound_memory_and_processor_time():
    """A process that takes too much memory is killed and the reason told; no group is left behind."""
    text = '''
[supervisor]
link = "ipc://s/l"
[defaults]
ready = "spawned"
restart = "temporary"
[process.hungry]
command = ["python3", "-c", "b'x' * 200_000_000"]
cgroup_memory = "50MB"
[process.busy]
command = ["sh", "-c", "while :; do :; done"]
cgroup_cpu = 20
'''
    with Supervisor(text) as running:
        wait_for(lambda: '| ready' in running.log() or running.process.poll() is not None)
        if running.process.poll() is not None:
            words = running.log()
            assert 'Delegate=yes' in words or 'is mounted' in words, words
            print(f'       skipped: {words.strip().splitlines()[-1]}')
            return
        groups = f'/sys/fs/cgroup/**/vectron-{running.process.pid}-'

        def throttled():
            for path in glob.glob(f'{groups}busy/cpu.stat', recursive=True):
                with open(path) as file:
                    return re.search(r'nr_throttled [1-9]', file.read())
        wait_for(throttled)
        wait_for(lambda: running.status()['hungry']['lastExit'] == 'killed by SIGKILL: out of cgroup_memory')
        running.run('stop')
        assert running.process.wait(20) == 0
    assert not glob.glob(f'{groups}*', recursive=True)


def test_a_command_that_is_not_there():
    with Supervisor('[supervisor]\nlink = "ipc://s/l"\n[process.a]\ncommand = ["/no/such"]\nintensity = 0\n') as running:
        assert running.process.wait(20) == 1
        assert '/no/such: No such file or directory' in running.log(), running.log()


class Manager:
    """systemd's end of the protocol: a datagram socket, and what was said to it in order."""

    def __init__(self, watchdog_us=400000):
        self.path = os.path.join(tempfile.mkdtemp(dir=vectron.TEMPORARY), 'notify')
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.env = {'NOTIFY_SOCKET': self.path, 'WATCHDOG_USEC': str(watchdog_us)}
        self.said = []

    def hear(self, seconds=60):
        """The next datagram as lines; [] when nothing is said in that time."""
        self.socket.settimeout(seconds)
        try:
            lines = self.socket.recv(4096).decode().split('\n')
        except TimeoutError:
            return []
        self.said += lines
        return lines

    def hear_until(self, line):
        while line not in self.said:
            assert self.hear(), f'{line} was never said, but {self.said}'

    def drain(self):
        while self.hear(0.001):
            pass

    def beats(self, n):
        """Waits for n signs of life from now on."""
        self.drain()
        wanted = self.said.count('WATCHDOG=1') + n
        while self.said.count('WATCHDOG=1') < wanted:
            assert self.hear(), self.said

    def silent(self, seconds):
        self.drain()
        return not self.hear(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()


def all_stopped(pid):
    for path in glob.glob(f'/proc/{pid}/task/*/stat'):
        with open(path) as file:
            if file.read().rpartition(')')[2].split()[0] != 'T':
                return False
    return True


def stands_to_its_manager(manager, pid):
    """Ready once, alive while it runs, silent while it is stopped, alive again, and told of the end."""
    manager.hear_until('READY=1')
    manager.beats(3)
    os.kill(pid, signal.SIGHUP)  # systemctl reload
    manager.beats(1)
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all_stopped(pid), 60)
    assert manager.silent(2), 'who hangs must not say that it lives'
    os.kill(pid, signal.SIGCONT)
    manager.beats(2)
    assert manager.said.count('READY=1') == 1 and 'STOPPING=1' not in manager.said, manager.said
    os.kill(pid, signal.SIGTERM)
    manager.hear_until('STOPPING=1')


def test_it_notifies_systemd():
    text = '[supervisor]\nlink = "ipc://s/l"\n[process.a]\ncommand = ["sleep", "100"]\nready = "spawned"\n'
    with Manager() as manager, Supervisor(text, env=manager.env) as running:
        stands_to_its_manager(manager, running.process.pid)
        assert running.process.wait(60) == 0
        assert 'STATUS=all processes are ready' in manager.said, manager.said
    with Manager() as manager, vectron.Up(env=manager.env) as up:
        stands_to_its_manager(manager, up.process.pid)
        up.process.process.wait(60)
        assert 'STATUS=ready' in manager.said, manager.said


def test_only_who_is_watched_says_that_it_lives():
    """WATCHDOG_PID is another's: as for a child of a unit's main process. And without a manager nothing is told to anybody."""
    with Manager() as manager:
        with vectron.Up(env={**manager.env, 'WATCHDOG_PID': str(os.getpid())}):
            manager.hear_until('READY=1')
            assert manager.silent(1) and 'WATCHDOG=1' not in manager.said, manager.said
    with vectron.Up(env={'NOTIFY_SOCKET': '/no/such/socket', 'WATCHDOG_USEC': '400000'}) as up:
        assert up.process.process.poll() is None


def test_units_are_sound():
    if not shutil.which('systemd-analyze'):
        print('       no systemd-analyze here', flush=True)
        return
    units = glob.glob(os.path.join(vectron.ROOT, 'deploy', 'systemd', '*.service'))
    assert units
    with tempfile.TemporaryDirectory() as folder:
        for unit in units:
            with open(unit) as file:
                text = file.read().replace('/usr/local/bin/vectron', vectron.BINARY)
            copy = os.path.join(folder, os.path.basename(unit))
            with open(copy, 'w') as file:
                file.write(text)
            name = copy.replace('@.', '@x.')
            if name != copy:
                os.rename(copy, name)
            if 'Delegate=' in text:  # else the unit would be stopped when one process in a group below it outgrows its memory
                assert 'OOMPolicy=continue' in text, unit
            run = subprocess.run(['systemd-analyze', 'verify', '--man=no', name], capture_output=True, text=True)
            words = [line for line in run.stderr.split('\n') if os.path.basename(name) in line]
            assert run.returncode == 0 and not words, (run.returncode, run.stderr)


main = ports = client = None

if __name__ == '__main__':
    private_network()  # the example has the usual ports
    code = vectron.run_tests(dict(globals()))
    if main and main.process.poll() is None:
        main.process.kill()
    sys.exit(code)
