#!/usr/bin/python3
"""Keeps the pages true: runs the commands of README.md and docs/*.md as printed and compares what they print.

A fenced ```sh block below the line `<!-- run -->` is run by bash, in order, and must exit 0; a ```text block right
behind it is what it prints, loosely: `…` stands for anything inside a line, a line of its own for any lines, and below
`<!-- run, numbers vary -->` any number matches any. Besides:

    <!-- run in background -->   another terminal: goes on until the page ends or the next stop; each line of
                                 its text must appear
    <!-- stop -->                Ctrl-C there; it must end with exit code 0

Each page runs in a folder of its own that looks like a fresh checkout, and with a network of its own where the system
allows that, so that the default ports are free.

    tests/e2e/test_docs.py [PAGE …]
"""
import contextlib
import difflib
import glob
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

from lib.network import private_network

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, 'build', os.environ.get('VECTRON_PRESET', 'release'))
PORTS = [6001, 6002, 6003, 7001, 7002, 7003, 8080, 8081, 9090, 9091, 9092, 9191, 9192, 9193]
SECONDS = 300  # a block may take this long
MARK = re.compile(r'<!-- (run(?:, numbers vary)?|run in background|stop) -->')
NUMBER = r'[0-9]+(?:\.[0-9]+)?'


def ports_in_use():
    used = []
    for port in PORTS:
        with socket.socket() as s:
            if s.connect_ex(('127.0.0.1', port)) == 0:
                used.append(port)
    return used


def steps_of(path):
    """(line, what, sh block, text block or None) of every mark of a page."""
    with open(path) as file:
        lines = file.read().split('\n')

    def block(at, language):
        """The fenced block that starts at the next line that is not empty, and the line behind it."""
        while at < len(lines) and not lines[at].strip():
            at += 1
        if at == len(lines) or lines[at] != '```' + language:
            return None, at
        end = lines.index('```', at + 1)
        return '\n'.join(lines[at + 1:end]), end + 1

    for at, line in enumerate(lines):
        mark = MARK.fullmatch(line)
        if not mark:
            assert not line.startswith('<!-- run'), f'{path}:{at + 1}: unknown mark {line}'
            continue
        if mark[1] == 'stop':
            yield at + 1, 'stop', None, None
            continue
        sh, behind = block(at + 1, 'sh')
        assert sh is not None, f'{path}:{at + 1}: no ```sh block follows'
        text, _ = block(behind, 'text')
        yield at + 1, mark[1], sh, text


def pattern_of(text, numbers_vary):
    """The regular expression of a text block, line by line."""
    rows = []
    for line in text.split('\n'):
        if line.strip() == '…':
            rows.append(r'(?:.*\n)*?')
            continue
        row = '.*'.join(re.escape(part) for part in line.rstrip().split('…'))
        if numbers_vary:
            row = re.sub(r'[0-9]+(?:\\\.[0-9]+)?', lambda _: NUMBER, row)
            row = re.sub(r'(?:\\ )+', ' +', row)  # columns move with them
        rows.append(row + r' *\n')
    return ''.join(rows)


def told(text, output):
    return '\n'.join(difflib.unified_diff(text.split('\n'), output.rstrip('\n').split('\n'), 'page', 'printed', '', '',
                                          lineterm=''))


class Page:
    def __init__(self, path):
        self.path = path
        self.folder = tempfile.TemporaryDirectory(prefix='vectron-docs-')
        self.background = []
        self.sessions = []  # process groups: what a block leaves running ends with the page
        tracked = subprocess.run(['git', '-C', ROOT, 'ls-files'], capture_output=True, text=True).stdout.split('\n')
        names = {name.split('/')[0] for name in tracked if name} or set(os.listdir(ROOT)) - {'build', 'vectron-data'}
        for name in names:
            os.symlink(os.path.join(ROOT, name), self.file(name))
        os.mkdir(self.file('build'))
        os.symlink(BUILD, self.file('build/release'))
        kept = {k: v for k, v in os.environ.items() if not k.startswith('VECTRON_')}
        self.environment = {**kept, 'PATH': f'{BUILD}:{os.environ["PATH"]}', 'LC_ALL': 'C.UTF-8', 'TERM': 'dumb'}

    def file(self, name):
        return os.path.join(self.folder.name, name)

    def bash(self, sh, output):
        process = subprocess.Popen(['bash', '-eo', 'pipefail', '-c', sh], cwd=self.folder.name, env=self.environment,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        self.sessions.append(process.pid)
        return process

    def run(self, what, sh, text):
        with tempfile.TemporaryFile() as log:
            process = self.bash(sh, log)
            try:
                code = process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                code = f'none within {SECONDS} s'
            log.seek(0)
            output = log.read().decode(errors='replace')
        assert code == 0, f'exit code {code}:\n{output}'
        if text is None:
            return
        matches = re.fullmatch(pattern_of(text, 'numbers vary' in what), output.rstrip('\n') + '\n')
        assert matches, f'it prints something else:\n{told(text, output)}'

    def start(self, sh, text):
        log = tempfile.NamedTemporaryFile()
        process = self.bash(sh, log)
        self.background.append((process, log))
        end = time.monotonic() + SECONDS
        while text is not None:
            with open(log.name, errors='replace') as file:
                output = file.read()
            if all(re.search('^' + pattern_of(line, False), output, re.M) for line in text.split('\n')):
                return
            assert process.poll() is None, f'it ended with {process.returncode}:\n{output}'
            assert time.monotonic() < end, f'not printed within {SECONDS} s:\n{told(text, output)}'
            time.sleep(0.05)

    def stop(self):
        assert self.background, 'nothing runs in the background'
        process, log = self.background.pop()
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(SECONDS)
        with open(log.name, errors='replace') as file:
            assert code == 0, f'exit code {code} after Ctrl-C:\n{file.read()}'

    def close(self):
        for group in self.sessions:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        for process, log in self.background:
            process.wait()
            log.close()
        self.folder.cleanup()


def run_page(path):
    """The number of blocks that ran; raises at the first that is not as printed."""
    page = Page(path)
    n = 0
    try:
        for line, what, sh, text in steps_of(path):
            try:
                if what == 'stop':
                    page.stop()
                elif what == 'run in background':
                    page.start(sh, text)
                else:
                    page.run(what, sh, text)
            except AssertionError as error:
                raise AssertionError(f'{os.path.relpath(path, ROOT)}:{line}: {error}\n--- block\n{sh}') from None
            n += 1
    finally:
        page.close()
    return n


def main():
    if not private_network() and ports_in_use():
        print(f'test_docs: ports {ports_in_use()} are in use, and there is no right to a network of its own: skipped')
        return 77
    failed = ran = 0
    paths = [os.path.abspath(p) for p in sys.argv[1:]] or \
        [os.path.join(ROOT, 'README.md'), *sorted(glob.glob(os.path.join(ROOT, 'docs', '*.md')))]
    for path in paths:
        started = time.monotonic()
        name = os.path.relpath(path, ROOT)
        try:
            n = run_page(path)
            ran += n
            if n:
                print(f'  ok   {name}: {n} blocks ({time.monotonic() - started:.1f} s)', flush=True)
        except AssertionError as error:
            failed += 1
            print(f'  FAIL {error}', flush=True)
    print(f'test_docs.py: {ran} blocks ran, {failed} pages failed', flush=True)
    return 1 if failed or not ran else 0


sys.exit(main())
