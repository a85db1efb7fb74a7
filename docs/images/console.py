#!/usr/bin/python3
"""Takes the pictures of docs/console.md: starts a cluster under load, walks vectron console through its views in tmux,
and draws what is on the screen (capture-pane -e) as SVG. Run it alone: it uses ports of 127.0.0.1.

    docs/images/console.py
"""
import html
import os
import random
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests/e2e'))
from lib import vectron  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, HEIGHT = 116, 34
CELL_WIDTH, CELL_HEIGHT, FONT = 8.0, 17, 13.3
GROUND, INK = '#14161b', '#d0d0d0'
BASIC = ['#000000', '#cd3131', '#0dbc79', '#e5e510', '#2472c8', '#bc3fbc', '#11a8cd', '#e5e5e5',
         '#666666', '#f14c4c', '#23d18b', '#f5f543', '#3b8eea', '#d670d6', '#29b8db', '#ffffff']


def palette(n):
    if n < 16:
        return BASIC[n]
    if n >= 232:
        return '#' + f'{8 + 10 * (n - 232):02x}' * 3
    steps = [0, 95, 135, 175, 215, 255]
    n -= 16
    return '#%02x%02x%02x' % (steps[n // 36], steps[n // 6 % 6], steps[n % 6])


class Style:
    def __init__(self):
        self.reset()

    def reset(self):
        self.ink, self.ground, self.bold, self.reverse = INK, None, False, False

    def take(self, codes):
        codes = [int(c or 0) for c in codes.replace(':', ';').split(';')]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.reset()
            elif code == 1:
                self.bold = True
            elif code == 22:
                self.bold = False
            elif code in (7, 27):
                self.reverse = code == 7
            elif code in (38, 48) and codes[:1] == [5]:
                colour = palette(codes[1])
                del codes[:2]
                if code == 38:
                    self.ink = colour
                else:
                    self.ground = colour
            elif 30 <= code <= 37:
                self.ink = palette(code - 30)
            elif 40 <= code <= 47:
                self.ground = palette(code - 40)
            elif 90 <= code <= 97:
                self.ink = palette(code - 82)
            elif code == 39:
                self.ink = INK
            elif code == 49:
                self.ground = None

    def look(self):
        ink, ground = self.ink, self.ground
        if self.reverse:
            ink, ground = ground or GROUND, ink
        return ink, ground, self.bold


def cells(line):
    """[(character, look)] of a line with escapes."""
    style, out, at = Style(), [], 0
    while at < len(line):
        if line.startswith('\x1b[', at):
            end = at + 2
            while not line[end].isalpha():
                end += 1
            if line[end] == 'm':
                style.take(line[at + 2:end])
            at = end + 1
        elif line[at] in '\x0e\x0f':
            at += 1
        else:
            out.append((line[at], style.look()))
            at += 1
    return out


def block(character):
    """The part of a cell a block character fills: (x, y, width, height) in eighths of it; None: it is text."""
    code = ord(character)
    if 0x2581 <= code <= 0x2588:
        part = code - 0x2580
        return 0, 8 - part, 8, part
    if 0x2589 <= code <= 0x258f:
        return 0, 0, 0x2590 - code, 8
    return None


def draw_row(row, line, out):
    top, column = 12 + row * CELL_HEIGHT, 0
    while column < len(line):
        character, look = line[column]
        end = column + 1
        while end < len(line) and line[end][1] == look:
            end += 1
        ink, ground, bold = look
        x = 12 + column * CELL_WIDTH
        if ground:
            out.append(f'<rect x="{x:g}" y="{top}" width="{(end - column) * CELL_WIDTH:g}" height="{CELL_HEIGHT}" fill="{ground}"/>')
        draw_run(line[column:end], column, top, ink, bold, out)
        column = end


def stretches(run):
    """(offset, text) of what is no block, without blanks around it."""
    parts = ''.join('\0' if block(character) else character for character, _ in run).split('\0')
    at = 0
    for part in parts:
        if part.strip():
            yield at + len(part) - len(part.lstrip()), part.strip()
        at += len(part) + 1


def draw_run(run, column, top, ink, bold, out):
    """Blocks are rectangles, so that bars have no gaps in any font; the rest is text at fixed places."""
    weight = ' font-weight="bold"' if bold else ''
    for offset, text in stretches(run):
        x, width = 12 + (column + offset) * CELL_WIDTH, len(text) * CELL_WIDTH
        out.append(f'<text x="{x:g}" y="{top + 13}" fill="{ink}"{weight} textLength="{width:g}" '
                   f'lengthAdjust="spacingAndGlyphs">{html.escape(text)}</text>')
    for i, (character, _) in enumerate(run):
        part = block(character)
        if part:
            x, y, width, height = part
            out.append(f'<rect x="{12 + (column + i) * CELL_WIDTH + x * CELL_WIDTH / 8:g}" y="{top + y * CELL_HEIGHT / 8:g}" '
                       f'width="{width * CELL_WIDTH / 8:g}" height="{height * CELL_HEIGHT / 8:g}" fill="{ink}"/>')


def picture(text):
    lines = text.rstrip('\n').split('\n')
    width, height = 24 + WIDTH * CELL_WIDTH, 24 + len(lines) * CELL_HEIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="{width:g}" height="{height}" '
           f'font-family="\'DejaVu Sans Mono\',Menlo,Consolas,monospace" font-size="{FONT}" xml:space="preserve" shape-rendering="crispEdges">',
           f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>']
    for row, line in enumerate(lines):
        draw_row(row, cells(line), out)
    return '\n'.join([*out, '</svg>', ''])


class Terminal:
    def __init__(self, cluster, *arguments):
        self.socket = os.path.join(vectron.TEMPORARY, 'tmux')
        command = ' '.join([vectron.BINARY, 'console', *arguments])
        environment = {**vectron.clean_environment(), 'LANG': 'C.UTF-8', 'LC_ALL': 'C.UTF-8', 'TERM': 'xterm-256color'}
        subprocess.run(['tmux', '-S', self.socket, '-f', '/dev/null', 'new-session', '-d', '-x', str(WIDTH), '-y', str(HEIGHT),
                        '-s', 'x', command], check=True, env=environment, cwd=cluster.folder)

    def tmux(self, *arguments):
        return subprocess.run(['tmux', '-S', self.socket, *arguments], capture_output=True, text=True).stdout

    def keys(self, *keys):
        self.tmux('send-keys', '-t', 'x', *keys)

    def save(self, name, wait=3.0):
        time.sleep(wait)
        with open(os.path.join(HERE, f'console-{name}.svg'), 'w', encoding='utf-8') as file:
            file.write(picture(self.tmux('capture-pane', '-p', '-e', '-t', 'x')))
        print(f'console-{name}.svg')


def work(cluster, seed, over):
    client, chance = cluster.client(), random.Random(seed)
    while not over.is_set():
        collection = chance.choice(['articles', 'articles', 'images'])
        dimension = 128 if collection == 'articles' else 64
        vector = [chance.gauss(0, 1) for _ in range(dimension)]
        try:
            if chance.random() < 0.35:
                client.upsert(collection, [(f'p{chance.randrange(40000)}', vector) for _ in range(10)])
            else:
                client.Search(collection=collection, vector=vector, top_k=10)
        except Exception:  # refused under load: that is part of the picture
            time.sleep(0.05)


def walk(terminal):
    terminal.save('cluster', 45)
    terminal.keys('2')
    terminal.save('actors', 8)
    terminal.keys('/', 'r', 'o', 'u', 't', 'e', 'r', 'Enter', 'Enter')
    time.sleep(3)
    terminal.keys('t')
    terminal.save('actor', 4)
    terminal.keys('Escape', 'Escape', '3')
    terminal.save('links')
    terminal.keys('4')
    terminal.save('waits')
    terminal.keys('6')
    terminal.save('traces', 4)
    terminal.keys('/', 'S', 'e', 'a', 'r', 'c', 'h', 'Enter')
    time.sleep(2)
    terminal.keys('Home', 'Enter')
    terminal.save('trace', 4)
    terminal.keys('7')
    terminal.save('shards', 5)


def main():
    cluster, over = vectron.Cluster(workers=2), threading.Event()
    with cluster:
        client = cluster.client()
        client.CreateCollection(name='articles', dimension=128, shards=4)
        client.CreateCollection(name='images', dimension=64, shards=3)
        threads = [threading.Thread(target=work, args=(cluster, i, over), daemon=True) for i in range(4)]
        for thread in threads:
            thread.start()
        terminal = Terminal(cluster, '--link', f'127.0.0.1:{cluster.pd_link}')
        try:
            walk(terminal)
        finally:
            over.set()
            terminal.tmux('kill-server')
    return 0


if __name__ == '__main__':
    sys.exit(main())
