#!/usr/bin/env python3
"""tidy: what the house style asks of the text of the repository. Prints each offence, exits 1 on any.

Checks: include arrows between layers, foreign headers where they belong, poison.h, header guards and headers
that compile alone, columns, function length (a ratchet: today's longest may stay, none may grow), functions of one name
in two files, TODO without an issue, paths of a machine, a changelog entry for the version.
"""
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COLUMNS = 100
FUNCTION_LINES = 70
FILE_LINES = 900

# A folder may include itself and what is named here.
LAYERS = {
    'schemas': [],
    'runtime': ['schemas'],
    'index': ['runtime', 'schemas'],
    'storage': ['runtime', 'schemas'],
    'replication': ['runtime', 'schemas'],
    'actors': ['replication', 'index', 'storage', 'runtime', 'schemas'],
    'adapters': ['actors', 'replication', 'index', 'storage', 'runtime', 'schemas'],
    'cli': ['adapters', 'actors', 'replication', 'index', 'storage', 'runtime', 'schemas'],
}
FOREIGN = {  # header prefix: folders that may include it
    'zmq.h': ['runtime'], 'msgpack': ['runtime'],
    'rocksdb/': ['storage'], 'raft': ['replication'],
    'nghttp2/': ['adapters'], 'czmq': ['adapters'], 'openssl/': ['adapters', 'cli'], 'http_parser.h': ['adapters'],
    'curl/': ['cli'], 'curses.h': ['cli'], 'hdf5': ['cli'],
}
POISONED_FOLDERS = ['index', 'storage', 'replication', 'actors']

offences = []


def offend(path, line, words):
    offences.append(f'{path}:{line}: {words}')


def tracked(*endings):
    files = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=ROOT, text=True,
                           capture_output=True, check=True).stdout.split('\n')
    return sorted(f for f in files if f.endswith(endings) and os.path.exists(os.path.join(ROOT, f)))


def check_includes(path, lines):
    folder = path.split('/')[0]
    if folder not in LAYERS:
        return
    for number, line in enumerate(lines, 1):
        own = re.match(r'#include "([^"]+)"', line)
        if own:
            target = own.group(1).split('/')[0]
            if target in LAYERS and target != folder and target not in LAYERS[folder]:
                offend(path, number, f'{folder} must not include {target}')
        foreign = re.match(r'#include <([^>]+)>', line)
        if foreign:
            for prefix, allowed in FOREIGN.items():
                if foreign.group(1).startswith(prefix) and folder not in allowed:
                    offend(path, number, f'<{foreign.group(1)}> belongs in {", ".join(allowed)}')


def check_text(path, lines):
    if len(lines) > FILE_LINES:
        offend(path, len(lines), f'{len(lines)} lines; look for the seam ({FILE_LINES})')
    for number, line in enumerate(lines, 1):
        # Tables of long rows are allowed where the formatter is off.
        if len(line) > COLUMNS and path.endswith(('.c', '.h')) and '//' not in line and '"' not in line \
                and not line.startswith((' *', '/*')):
            offend(path, number, f'{len(line)} columns')
        if re.search(r'\b(TODO|FIXME|XXX)\b(?!\(#\d+\))', line):
            offend(path, number, 'TODO without an issue')
        if re.search(r'/(home|root)/[a-z]', line) or '/work' + '/main' in line:
            offend(path, number, 'a path of one machine')


def function_lengths(path, lines):
    start = None
    for number, line in enumerate(lines, 1):
        if re.match(r'^[A-Za-z_].*\{$', line) and '(' in line and not line.startswith(('struct', 'enum', 'static const', 'typedef', 'extern')) \
                or (line == '{' and start is None):
            start = number
        elif line.startswith(') {') and start is None:
            start = number
        elif line == '}' and start is not None:
            yield start, number - start - 1
            start = None


def check_functions(path, lines, ratchet):
    for start, length in function_lengths(path, lines):
        if length > FUNCTION_LINES:
            allowed = ratchet.get(path, 0)
            if length > allowed:
                offend(path, start, f'function of {length} lines (at most {max(FUNCTION_LINES, allowed)})')


def check_names(path, lines, seen):
    """Libraries are static: of two functions of one name one is silently not linked, and the other called for both."""
    if path.split('/')[0] not in LAYERS or not path.endswith('.c') or path.startswith('index/library/'):
        return
    for number, line in enumerate(lines, 1):
        defined = re.match(r'(?!.*\bstatic\b|typedef\b|extern\b|return\b|else\b)[A-Za-z_][\w *]*?[ *](\w+)\((?!.*;$)', line)
        if defined and defined.group(1) != 'main':
            first = seen.setdefault(defined.group(1), path)
            if first != path:
                offend(path, number, f'{defined.group(1)} is also in {first}')


def check_poison(path, lines):
    folder = path.split('/')[0]
    if folder not in POISONED_FOLDERS or not path.endswith('.c'):
        return
    includes = [line for line in lines if line.startswith('#include')]
    if not includes or includes[-1] != '#include "runtime/poison.h"':
        offend(path, 1, 'the last include must be "runtime/poison.h"')


def check_guard(path, lines):
    if not path.endswith('.h') or path.split('/')[0] not in LAYERS:
        return
    stem = re.sub(r'[^A-Z0-9]', '_', '/'.join(path.split('/')[-2:]).upper())
    if not any(line.startswith('#ifndef ') for line in lines):
        offend(path, 1, f'no include guard ({stem})')
    if path != 'runtime/poison.h' and not lines[0].startswith('/*'):
        offend(path, 1, 'the first line says what the header is')


def check_headers_alone(headers):
    """Each header compiles alone, with the flags of any build that is there."""
    build = next((os.path.join(ROOT, 'build', p) for p in ('dev', 'release', 'race')
                  if os.path.exists(os.path.join(ROOT, 'build', p, 'schemas', 'shard.pb-c.h'))), None)
    if build is None:
        print('tidy: no build with generated headers yet, headers are not compiled alone')
        return
    for header in headers:
        if header.split('/')[0] not in LAYERS:
            continue
        run = subprocess.run(['cc', '-std=c11', '-D_GNU_SOURCE', '-fsyntax-only', '-I', ROOT, '-I', build, '-x', 'c', '-'],
                             input=f'#include "{header}"\n', text=True, capture_output=True, cwd=ROOT)
        if run.returncode:
            offend(header, 1, 'does not compile alone: ' + run.stderr.split('\n')[0])


def check_changelog():
    with open(os.path.join(ROOT, 'CMakeLists.txt')) as file:
        version = re.search(r'VERSION (\d+\.\d+\.\d+)', file.read()).group(1)
    try:
        with open(os.path.join(ROOT, 'CHANGELOG.md')) as file:
            if f'## {version}' not in file.read():
                offend('CHANGELOG.md', 1, f'no entry for {version}')
    except FileNotFoundError:
        offend('CHANGELOG.md', 1, 'missing')


def main():
    with open(os.path.join(ROOT, 'tests/tidy/ratchet.json')) as file:
        ratchet = json.load(file)
    sources = tracked('.c', '.h')
    names = {}
    for path in sources + tracked('.py', '.proto', '.sh', 'CMakeLists.txt'):
        with open(os.path.join(ROOT, path), encoding='utf-8') as file:
            lines = file.read().split('\n')
        if path.endswith(('.c', '.h')):
            check_includes(path, lines)
            check_functions(path, lines, ratchet)
            check_names(path, lines, names)
            check_poison(path, lines)
            check_guard(path, lines)
        if path != 'tests/tidy/tidy.py':
            check_text(path, lines)
    check_headers_alone([s for s in sources if s.endswith('.h')])
    check_changelog()
    for offence in offences:
        print(offence)
    print(f'tidy: {len(sources)} sources, {len(offences)} offences')
    return 1 if offences else 0


if __name__ == '__main__':
    sys.exit(main())
