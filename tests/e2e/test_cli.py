#!/usr/bin/python3
"""The command line against a real server: every file format, resume after a kill, bad rows, demo, exit codes."""
import gzip
import json
import os
import signal
import struct
import subprocess
import sys
import time

import h5py
import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402

server = vectron.Up()
ROWS = numpy.random.default_rng(1).standard_normal((1200, 24)).astype('f4')


def environment(env=None):
    return {**vectron.clean_environment(), 'VECTRON_ADDRESS': server.target,
            'VECTRON_DATA_DIR': os.path.join(server.folder, 'data'), **(env or {})}


def run(*arguments, code=0, env=None):
    done = subprocess.run([vectron.BINARY, *arguments], env=environment(env), cwd=server.folder, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == code, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done


def path(name):
    return os.path.join(server.folder, name)


def vector(collection, name):
    return json.loads(run('get', collection, name, '--json').stdout)['point']


def fvecs(rows, kind):
    return b''.join(struct.pack('<i', len(r)) + r.astype(kind).tobytes() for r in rows)


def test_every_format_arrives():
    numpy.save(path('a.npy'), ROWS.astype('f8'))
    numpy.save(path('half.npy'), ROWS.astype('f2'))
    with open(path('a.fvecs'), 'wb') as f:
        f.write(fvecs(ROWS, 'f4'))
    small = numpy.clip(numpy.abs(ROWS * 50), 0, 255).astype('u1')
    with gzip.open(path('a.bvecs.gz'), 'wb') as f:
        f.write(fvecs(small, 'u1'))
    with gzip.open(path('a-images-idx3-ubyte.gz'), 'wb') as f:
        f.write(struct.pack('>4B3I', 0, 0, 8, 3, len(small), 4, 6) + small.tobytes())
    with h5py.File(path('a.hdf5'), 'w') as f:
        f.create_dataset('train', data=ROWS, chunks=(100, 24), compression='gzip')
    with gzip.open(path('a.jsonl.gz'), 'wt') as f:
        for i, r in enumerate(ROWS):
            f.write(json.dumps({'id': f'{i}', 'vector': [float(x) for x in r], 'payload': {'n': i, 't': 'ä "x"'}}) + '\n')
    with open(path('a.csv'), 'w') as f:
        f.write('id,' + ','.join(f'v{i}' for i in range(24)) + ',name\n')
        for i, r in enumerate(ROWS):
            f.write(f'{i},' + ','.join(repr(float(x)) for x in r) + f',"n, {i}"\n')
    for name, wanted in [('a.npy', ROWS), ('half.npy', ROWS.astype('f2').astype('f4')), ('a.fvecs', ROWS), ('a.bvecs.gz', small),
                         ('a-images-idx3-ubyte.gz', small), ('a.hdf5', ROWS), ('a.jsonl.gz', ROWS), ('a.csv', ROWS)]:
        collection = name.replace('.', '-')
        result = json.loads(run('import', path(name), '--collection', collection, '--create', '--distance', 'euclidean', '--json').stdout)
        assert result['imported'] == len(ROWS) and result['bad'] == 0, (name, result)
        for row in (0, 599, 1199):
            got = numpy.array(vector(collection, str(row))['vector'], dtype='f4')
            assert (got == wanted[row].astype('f4')).all(), (name, row)
    assert vector('a-jsonl-gz', '7')['payload'] == {'n': '7', 't': 'ä "x"'}
    assert vector('a-csv', '7')['payload'] == {'name': 'n, 7'}


def test_a_killed_import_goes_on():
    big = numpy.random.default_rng(2).standard_normal((30000, 64)).astype('f4')
    numpy.save(path('big.npy'), big)
    command = ['import', path('big.npy'), '--collection', 'big', '--create', '--distance', 'euclidean', '--batch', '100',
               '--concurrency', '1']
    first = subprocess.Popen([vectron.BINARY, *command], env=environment(), cwd=server.folder, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    folder = os.path.join(server.folder, 'data.import')
    vectron.wait_for(lambda: os.path.isdir(folder) and sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder)) > 400)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = run(*command, '--json')
    result = json.loads(second.stdout)
    assert 'resuming' in second.stderr
    assert result['resumed'] > 0 and result['resumed'] + result['imported'] == len(big), result
    assert not os.path.exists(folder)
    for row in (0, result['resumed'] - 1, result['resumed'], 29999):
        assert (numpy.array(vector('big', str(row))['vector'], dtype='f4') == big[row]).all(), row


def test_bad_rows_stop_or_are_left_out():
    with open(path('bad.jsonl'), 'w') as f:
        for i in range(10):
            f.write(json.dumps({'id': f'b{i}', 'vector': [i, 1]}) + '\n')
        f.write('{"id": "broken", "vector": [1,\n')
        f.write('{"id": "short", "vector": [1]}\n')
        f.write('{"id": "b10", "vector": [10, 1]}\n')
    stopped = run('import', path('bad.jsonl'), '--collection', 'bad', '--create', code=1)
    assert 'line 11' in stopped.stderr, stopped.stderr
    assert 'imported 10' in stopped.stdout, stopped.stdout
    skipped = run('import', path('bad.jsonl'), '--collection', 'bad', '--on-error', 'skip')
    assert 'line 11' in skipped.stderr and 'line 12: 1 components, the collection has 2' in skipped.stderr, skipped.stderr
    assert 'imported 1 vectors' in skipped.stdout and '2 bad rows left out' in skipped.stdout, skipped.stdout
    assert vector('bad', 'b10')['vector'] == [10, 1]


def test_cut_files_are_told():
    numpy.save(path('cut.npy'), ROWS)
    with open(path('cut.npy'), 'r+b') as f:
        f.truncate(5000)
    failed = run('import', path('cut.npy'), '--collection', 'cut', '--create', code=1)
    assert 'cut.npy: byte 5000: the file is cut inside a row' in failed.stderr, failed.stderr


def test_the_bundled_demo_answers():
    run('demo', '--bundled', '--collection', 'little')
    answer = run('search', 'little', 'play music in a terminal', '-k', '3').stdout
    assert 'music-box' in answer.splitlines()[1], answer
    reply = json.loads(run('search', 'little', 'chess engine', '-k=2', '--json').stdout)
    assert reply['results'][0]['id'] == 'chess-think' and len(reply['results']) == 2, reply
    assert 'was not loaded by `vectron demo`' in run('search', 'bad', 'text', code=1).stderr


def test_collections_and_searches():
    run('collections', 'create', 'made', '--dimension', '2', '--distance', 'dot')
    assert 'already exists' in run('collections', 'create', 'made', '--dimension', '2', code=1).stderr
    assert 'made' in run('collections').stdout.split()
    assert '2 dimensions, dot, 1 shard\n' in run('collections', 'status', 'made').stdout
    assert json.loads(run('collections', 'status', 'made', '--json').stdout)['dimension'] == 2
    answer = run('search', 'bad', '--vector', '[3, 1]', '-k', '2', '--with-vectors', '--exact').stdout
    assert 'b10' not in answer and '[' in answer, answer
    with open(path('made.jsonl'), 'w') as f:
        f.write('{"id": "tenths", "vector": [0.1, -2.5]}\n')
    run('import', path('made.jsonl'), '--collection', 'made', '--quiet')
    assert '[0.1, -2.5]' in run('get', 'made', 'tenths').stdout
    run('collections', 'delete', 'made')
    assert 'not found' in run('collections', 'status', 'made', code=1).stderr
    assert 'not found' in run('get', 'bad', 'nobody', code=1).stderr


def test_wrong_command_lines_exit_2():
    assert 'did you mean search?' in run('serach', code=2).stderr
    assert 'did you mean --exact?' in run('search', 'bad', 'x', '--exakt', code=2).stderr
    run('search', code=2)
    run('import', 'x', code=2)
    run('search', 'bad', '--vector', '[1,', code=2)
    listed = run('help').stdout
    commands = [line.split()[0] for line in listed.splitlines() if line.startswith('  ')]
    assert {'up', 'worker', 'search', 'console', 'supervise', 'admin', 'version'} < set(commands), listed
    for command in commands + ['index build']:
        words = command.split()
        if command == 'index':
            continue  # its parts have flags
        bad = run(*words, '--no-such-flag', code=2).stderr
        assert bad == f'vectron: {command}: unknown flag --no-such-flag\nsee: vectron {command} --help\n', bad
    assert '--dat-dir; did you mean --data-dir?\n' in run('worker', '--dat-dir', 'x', code=2).stderr
    assert 'worker: flag --data-dir needs a value\n' in run('worker', '--data-dir', code=2).stderr
    assert 'VECTRON_IO_LANES' in run('up', code=2, env={'VECTRON_IO_LANES': 'x'}).stderr
    assert 'not loopback' in run('gateway', code=2, env={'GRPC_ADDR': '0.0.0.0:1'}).stderr
    for command in ('up', 'pd', 'worker', 'gateway', 'config', 'import', 'search', 'get', 'collections', 'stats', 'demo', 'version'):
        assert 'usage: vectron ' + command in run(command, '--help').stdout
    run(), run('help'), run('help', 'import'), run('--version')
    assert 'ZeroMQ' in run('version').stdout and 'zlib' in json.loads(run('version', '--json').stdout)['libraries']
    assert 'is the server running?' in run('collections', '--address', '127.0.0.1:1', code=1).stderr


def test_stats_shows_the_actors():
    answer = run('stats').stdout
    assert 'router' in answer and 'keeper' in answer and 'compute' in answer, answer
    report = json.loads(run('stats', '--json').stdout)
    assert any(actor['name'] == 'edge/1' for actor in report['actors']), report


def test_a_second_process_is_kept_out():
    failed = run('up', code=1, env={'GRPC_ADDR': '127.0.0.1:0', 'HTTP_ADDR': '127.0.0.1:0'})
    assert 'another process uses the data folder' in failed.stderr, failed.stderr


def test_signals_stop_with_the_right_codes():
    server.process.process.send_signal(signal.SIGTERM)
    assert server.process.process.wait(40) == 0
    assert 'stopped' in server.process.log()
    server.start()
    assert vector('bad', 'b1')['vector'] == [1, 1]
    started = time.monotonic()
    assert server.process.stop() == 0 and time.monotonic() - started < 10


if __name__ == '__main__':
    with server:
        sys.exit(vectron.run_tests(dict(globals())))
