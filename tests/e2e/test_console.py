#!/usr/bin/python3
"""The console in a real terminal (tmux) against a real cluster under load: every view by key and by click, resizing,
search, stepping back, record and replay, text and JSON, a process that dies while it is shown; and what it costs."""
import concurrent.futures
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402

cluster = vectron.Cluster(workers=2, env={'VECTRON_SYS_ACTIONS': 'test', 'VECTRON_SYS_BODIES': 'redacted'})
VIEWS = ['cluster', 'actors', 'links', 'waits', 'letters', 'traces', 'shards', 'alarms']


def link():
    return f'127.0.0.1:{cluster.pd_link}'


def environment(**more):
    return {**vectron.clean_environment(), 'LANG': 'C.UTF-8', 'LC_ALL': 'C.UTF-8', 'TERM': 'xterm-256color', 'TZ': 'UTC', **more}


def console(*arguments, code=0):
    done = subprocess.run([vectron.BINARY, 'console', *arguments], env=environment(), cwd=cluster.folder,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == code, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout if code == 0 else done.stderr


def tables(*arguments):
    return json.loads(console(*arguments, '--json', '--link', link()))


class Terminal:
    """`vectron console` in a tmux of its own."""

    def __init__(self, *arguments, width=80, height=24, term='tmux-256color', env=None):
        self.term = term
        self.socket = os.path.join(vectron.TEMPORARY, f'tmux-{time.monotonic_ns()}')
        command = ' '.join([vectron.BINARY, 'console', *arguments])
        self.tmux('-f', '/dev/null', 'new-session', '-d', '-x', str(width), '-y', str(height), '-s', 'x',
                  f'env TERM={term} {command}; echo "exit $?"; sleep 100', env=env)

    def tmux(self, *arguments, env=None):
        return subprocess.run(['tmux', '-S', self.socket, *arguments], capture_output=True, text=True, cwd=cluster.folder,
                              env=environment(**(env or {})), timeout=20).stdout

    def keys(self, *keys):
        self.tmux('send-keys', '-t', 'x', *keys)

    def screen(self, *options):
        return self.tmux('capture-pane', '-p', '-t', 'x', *options)

    def see(self, *words, seconds=15):
        """Waits until all words are on the screen; the screen."""
        def there():
            text = self.screen()
            return text if all(word in text for word in words) else None
        try:
            return vectron.wait_for(there, seconds)
        except TimeoutError:
            raise AssertionError(f'{words} not on the screen:\n{self.screen()}') from None

    def click(self, word):
        """Where the word stands."""
        for row, line in enumerate(self.see(word).split('\n')):
            if word in line:
                self.mouse(0, row, line.index(word))
                return

    def mouse(self, button, row, column):
        """As the terminal of this name sends it: press and release, in xterm's old form or its SGR one."""
        if self.term.startswith('xterm'):
            sent = b''.join(b'\x1b[<%d;%d;%d%c' % (button, column + 1, row + 1, end) for end in b'Mm')
        else:
            sent = b''.join(b'\x1b[M' + bytes([32 + code, 33 + column, 33 + row]) for code in (button, 3))
        self.keys('-H', *[f'{byte:02x}' for byte in sent])

    def pid(self):
        shell = self.tmux('list-panes', '-t', 'x', '-F', '#{pane_pid}').strip()
        tree = subprocess.run(['pgrep', '-P', shell], capture_output=True, text=True).stdout.split()
        return int(tree[0]) if tree else int(shell)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.tmux('kill-server')


@contextlib.contextmanager
def load(threads=2):
    """Upserts and searches until the block ends."""
    over = threading.Event()

    def work(seed):
        client, chance = cluster.client(), random.Random(seed)
        while not over.is_set():
            vector = [chance.random() for _ in range(32)]
            try:
                if chance.random() < 0.3:
                    client.upsert('articles', [(f'p{chance.randrange(5000)}', vector)])
                else:
                    client.Search(collection='articles', vector=vector, top_k=5)
            except Exception:  # a worker may be dead
                time.sleep(0.1)
    workers = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        over.set()
        for worker in workers:
            worker.join(30)


def test_every_view_is_a_key_and_a_tab():
    with load(), Terminal('--link', link()) as terminal:
        terminal.see('4 processes', 'pd', 'gateway', 'worker:', 'compute 2', 'live')
        expected = {'actors': ('ACTOR', 'RUNp99', 'sys'), 'links': ('FROM', 'gateway', 'RTT'),
                    'waits': ('WHO WAITS FOR WHOM',), 'letters': ('REASON',), 'traces': ('TOOK', 'edge/1'),
                    'shards': ('articles', 'serving', 'ready'), 'alarms': (), 'cluster': ('turns', 'lanes busy')}
        for number, view in enumerate(VIEWS, 1):
            terminal.keys(str(number))
            terminal.see(f'{number} {view}', *expected[view])
        for number, view in reversed(list(enumerate(VIEWS, 1))):
            terminal.click(f'{number} {view}')
            terminal.see(*expected[view])
        terminal.keys('?')
        terminal.see('WHAT THEY DO')
        terminal.keys('q')
        terminal.see('exit 0')


def test_an_actor_from_search_to_tap():
    with load(), Terminal('--link', link(), width=120, height=50) as terminal:
        terminal.see('4 processes')
        terminal.keys('2', '/')
        terminal.keys('-l', 'rout')
        screen = terminal.see('/rout', 'router')
        assert 'keeper' not in screen, screen
        terminal.keys('Enter', 'Enter')
        terminal.see('router on gateway', 'mailbox', 'system', 'control', 'data', 'time waiting', 'time in handler',
                     'p99', 'top senders', 'edge/1', 'last messages')
        terminal.keys('t')
        terminal.see('messages tapped', 'seen', 'RouterSearch')
        terminal.keys('t')
        terminal.see('tap ended')
        terminal.keys('Escape')
        terminal.see('ACTOR', 'enter open')


def test_actions_ask_and_are_done():
    with Terminal('--link', link(), 'actor', 'router') as terminal:
        terminal.see('router on gateway')
        terminal.keys('R')
        terminal.see('restart router on gateway?', 'y yes')
        terminal.keys('n')
        terminal.see('left alone')
        terminal.keys('p')
        terminal.see('pause router on gateway?')
        terminal.click('y yes')
        terminal.see('pause router: done')
        terminal.see('paused')
        terminal.keys('n')
        terminal.see('step router: done')
        terminal.keys('c')
        terminal.see('resume router: done')
        terminal.see(' open')
        terminal.keys('R')
        terminal.keys('y')
        terminal.see('restart router: done')
        terminal.see('restarts 1')
        terminal.keys('n')
        terminal.see('step router: NOT_READY it is not paused')


def test_actions_are_refused_where_they_are_not_allowed():
    with vectron.Up() as up:
        socket = 'ipc://' + os.path.join(up.folder, 'data', 'link.ipc')
        with Terminal('--link', socket, 'actor', 'router') as terminal:
            terminal.see('router on up')
            terminal.keys('R')
            terminal.see('restart router on up?')
            terminal.keys('y')
            terminal.see('restart router: DENIED')


def test_bodies_of_a_tap_where_they_are_shown():
    with load(), Terminal('--link', link(), 'actor', 'router', width=220, height=50) as terminal:
        terminal.see('router on gateway')
        terminal.keys('b')
        terminal.see('bodies are asked for')
        terminal.keys('t')
        terminal.see('messages tapped', 'top_k=5')


def test_mouse_orders_picks_and_opens():
    for term in 'tmux-256color', 'xterm-256color', 'screen':
        check_mouse(term)


def check_mouse(term):
    with load(), Terminal('--link', link(), width=110, height=60, term=term) as terminal:
        terminal.see('4 processes')
        terminal.click('2 actors')
        terminal.see('DEPTH▾')
        terminal.click('ACTOR')
        terminal.see('ACTOR▴')
        terminal.click('ACTOR▴')
        terminal.see('ACTOR▾')
        terminal.click('keeper')
        time.sleep(0.3)
        terminal.click('keeper')
        terminal.see('keeper on worker:')
        terminal.click('esc back')
        terminal.see('ACTOR▾')


def test_it_resizes_and_does_without_colour_and_unicode():
    with Terminal('--link', link()) as terminal:
        terminal.see('4 processes')
        terminal.tmux('resize-window', '-t', 'x', '-x', '140', '-y', '45')
        terminal.see('vectron', '? help', 'cpu')
        terminal.tmux('resize-window', '-t', 'x', '-x', '40', '-y', '10')
        time.sleep(1)
        assert all(len(line) <= 40 for line in terminal.screen().split('\n'))
        terminal.tmux('resize-window', '-t', 'x', '-x', '80', '-y', '24')
        terminal.see('4 processes')
        assert '\x1b[' in terminal.screen('-e')
    with Terminal('--link', link(), term='vt100', env={'LANG': 'C', 'LC_ALL': 'C'}) as terminal:
        terminal.see('4 processes', 'compute 2')
        assert terminal.screen().isascii(), terminal.screen()
    with Terminal('--link', link(), '--color=false', '--ascii') as terminal:
        terminal.see('4 processes')
        colours = [part for part in terminal.screen('-e').split('\x1b[') if part.startswith(('38', '48', '31', '32'))]
        assert not colours, colours


def test_it_stands_still_and_steps_back():
    with load(), Terminal('--link', link()) as terminal:
        terminal.see('live', '4 processes')
        time.sleep(4)  # so many steps to go back
        terminal.keys('Space')
        still = terminal.see('⏸')
        clock = still.split('⏸ ')[1].split()[0]
        time.sleep(1.5)
        assert clock in terminal.screen(), 'it moved'
        terminal.keys('Left', 'Left', 'Left')
        terminal.see('◆')
        vectron.wait_for(lambda: terminal.screen().split('⏸ ')[1].split()[0] < clock)
        terminal.keys('2')
        terminal.see('ACTOR')
        terminal.keys('g')
        terminal.see('● live')


def test_recording_and_replay():
    path = os.path.join(cluster.folder, 'session.console')
    with load(), Terminal('--link', link(), 'actors', '--record', path) as terminal:
        terminal.see('4 processes', 'router')
        vectron.wait_for(lambda: os.path.getsize(path) > 10000)
        time.sleep(1)  # two rounds at least
        terminal.keys('q')
        terminal.see('exit 0')
    with Terminal('--replay', path) as terminal:
        terminal.see('recording', 'pd')
        terminal.keys('g')
        terminal.see('4 processes', '⏸')
        terminal.keys('2')
        terminal.see('router', 'MSG/s')
        terminal.keys('[')
        terminal.see('⏸')
        terminal.keys('q')
        terminal.see('exit 0')
    rows = json.loads(console('actors', '--json', '--replay', path))['actors']
    assert any(row['actor'] == 'router' and row['received_per_second'] > 0 for row in rows)
    assert 'exists' in console('--record', path, '--once', '--link', link(), code=1)
    with open(path, 'ab') as file:
        file.write(b'\x10\x00\x00\x00torn')
    console('actors', '--once', '--replay', path)
    with open(path, 'wb') as file:
        file.write(b'something else')
    assert 'no recording' in console('--replay', path, '--once', code=1)


def test_text_and_json_of_every_view():
    with load():
        time.sleep(1)
        with concurrent.futures.ThreadPoolExecutor(len(VIEWS)) as pool:  # each waits for two answers of all processes, a while apart
            views = dict(zip(VIEWS, pool.map(tables, VIEWS)))
            router = pool.submit(tables, 'actor', 'router')
            trace = pool.submit(tables, 'trace', views['traces']['traces'][0]['trace'])
            router, spans = router.result(), trace.result()['spans']
        assert all(views[view]['view'] == view for view in VIEWS), views
        processes = views['cluster']['processes']
        assert sorted(p['role'] for p in processes) == ['gateway', 'pd', 'worker', 'worker'], processes
        assert all(p['state'] == 'up' and p['turns_per_second'] >= 0 for p in processes)
        assert router['actor'][0]['process'] == 'gateway' and router['actor'][0]['status'] == 'OK', router
        shards = views['shards']
        assert len(shards['shards']) == 4 and all(s['state'] == 'serving' for s in shards['shards']), shards
        assert sum(s['points'] for s in shards['shards']) > 0
        assert spans and spans[0]['depth'] == 0, spans
        links = views['links']['links']
        assert {'gateway', 'pd'} <= {row['process'] for row in links}, links
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        cluster_text = pool.submit(console, '--once', '--link', link())
        text = pool.submit(console, 'actors', '--once', '--link', link(), '--width', '100').result()
    assert 'gateway' in cluster_text.result(), cluster_text.result()
    assert 'router' in text and all(len(line) <= 100 for line in text.split('\n'))
    # From any process: here from the gateway's socket, by its folder.
    found = subprocess.run([vectron.BINARY, 'console', '--json'], env=environment(VECTRON_DATA_DIR=os.path.join(cluster.folder, 'gateway')),
                           capture_output=True, text=True, timeout=60)
    assert len(json.loads(found.stdout)['processes']) == 4, found


def test_wrong_command_lines():
    rows = [('unknown view', ['everything'], 2), ('which actor?', ['actor', '--once'], 2),
            ('no terminal', ['--link', link()], 2), ('no answer', ['--once', '--link', '127.0.0.1:1'], 1),
            ('refresh', ['--refresh', '10'], 2)]
    with concurrent.futures.ThreadPoolExecutor(len(rows)) as pool:
        told = list(pool.map(lambda row: console(*row[1], code=row[2]), rows))
    for (words, _, _), said in zip(rows, told):
        assert words in said, said


@contextlib.contextmanager
def members(n):
    """A process of n actors that talk once a second; its link."""
    node = subprocess.Popen([os.path.join(vectron.BUILD, 'console_node'), 'tcp://127.0.0.1:*', str(n)], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=vectron.clean_environment())
    try:
        yield node.stdout.readline().strip()
    finally:
        node.kill()
        node.wait()


SETTLED, SECONDS = 5, 20  # rounds of questions as far apart as the ones before; of measuring


def every(terminal):
    return terminal.see('every').split('every ')[1].split()[0]


def cost(view):
    """The part of a core that the console takes, and what its screen says of it."""
    with members(1000) as address, Terminal('--link', address, view, width=120) as terminal:
        terminal.see('1,0', 'actors')
        seen = []
        while len(seen) < 30 and not (len(seen) >= SETTLED and len(set(seen[-SETTLED:])) == 1):
            seen.append(every(terminal))  # it finds out how often it may ask
            time.sleep(1)
        pid = terminal.pid()
        before = vectron.cpu_seconds(pid)
        time.sleep(SECONDS)
        share = (vectron.cpu_seconds(pid) - before) / SECONDS
        says = terminal.see('cost').split('cost ')[1].split()[0]
        return share, f'console, 1,000 actors, {view}: {100 * share:.2f} % of a core, it says {says}, asks every {every(terminal)}'


# Its own processor time is what counts, so the other tests may run meanwhile.
measuring = concurrent.futures.ThreadPoolExecutor(2)
costs = []


def test_it_costs_less_than_a_hundredth_of_a_core_at_a_thousand_actors():
    for measured in costs:
        share, words = measured.result()
        print(words)
        assert share < 0.01, words


def test_a_process_dies_while_it_is_shown():
    with load(), Terminal('--link', link(), width=100, height=40) as terminal:
        terminal.see('4 processes')
        cluster.workers[1].kill()
        terminal.see('lost', '1 lost')
        terminal.keys('8')
        terminal.see('process_lost', 'no answer for')
        terminal.keys('2')
        terminal.see('router')
        cluster.start_worker(1)
        terminal.keys('1')
        vectron.wait_for(lambda: ' lost' not in terminal.screen(), 30)
        terminal.see('4 processes')


if __name__ == '__main__':
    if not shutil.which('tmux'):
        print('tmux is not there')
        sys.exit(77)
    with cluster:
        cluster.client().CreateCollection(name='articles', dimension=32, shards=4)
        costs += [measuring.submit(cost, view) for view in ('cluster', 'actors')]
        sys.exit(vectron.run_tests(dict(globals())))
