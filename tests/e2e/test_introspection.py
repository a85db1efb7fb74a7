#!/usr/bin/python3
"""What a running process tells about itself: stats, tap, letters, and that nobody acts or looks into bodies unasked."""
import gzip
import json
import os
import subprocess
import sys
import threading
import time

import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402

plain = vectron.Up()
whole = vectron.Up(env={'VECTRON_SYS_BODIES': 'whole'})
open_one = vectron.Up(env={'VECTRON_SYS_BODIES': 'redacted', 'VECTRON_SYS_ACTIONS': 'test'})


def run(server, *arguments, code=0, seconds=60):
    env = {**vectron.clean_environment(), 'VECTRON_ADDRESS': server.target,
           'VECTRON_DATA_DIR': os.path.join(server.folder, 'data')}
    done = subprocess.run([vectron.BINARY, *arguments], env=env, cwd=server.folder, capture_output=True, text=True,
                          timeout=seconds)
    assert done.returncode == code, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done


def load(server, name):
    run(server, 'collections', 'create', name, '--dimension', '4')
    rows = os.path.join(server.folder, f'{name}.jsonl')
    with open(rows, 'w') as f:
        for i in range(20):
            f.write(json.dumps({'id': f'secret-{i}', 'vector': [i, 1, 2, 3], 'payload': {'color': 'red'}}) + '\n')
    run(server, 'import', rows, '--collection', name)


def search(server, name):
    return run(server, 'search', name, '--vector', '[1,1,2,3]', '--json')


def during(seconds, server, name):
    """Searches all the time from another thread."""
    over = time.monotonic() + seconds

    def loop():
        while time.monotonic() < over:
            search(server, name)
    thread = threading.Thread(target=loop)
    thread.start()
    return thread


def test_stats_tell_more():
    report = json.loads(run(plain, 'stats', '--json').stdout)
    assert report['api'] == 1 and report['role'] == 'up', report
    assert report.get('bodies') in (None, False) and report.get('actions') in (None, False)
    assert report['link'].startswith('ipc://') and int(report['incarnation']) and int(report['cpuUs'])
    router = next(a for a in report['actors'] if a['name'] == 'router')
    assert router['supervisor'] == 'root' and len(router['depths']) == 3 and router['restartPeriodS'], router
    memory = {m['component']: int(m.get('bytes', 0)) for m in report['memory']}
    assert memory['spans'] > 0 and {'mailboxes', 'indexes', 'point cache', 'point memtables', 'log cache', 'log memtables', 'edge bodies'} <= set(memory), memory
    table = run(plain, 'stats').stdout
    assert 'RESTARTS' in table and 'DOING' in table


def test_a_tap_sees_a_search_pass():
    load(plain, 'tapped')
    thread = during(4, plain, 'tapped')
    text = run(plain, 'tap', '--kind', 'shard', '--message', 'ShardSearch', '--max', '3', '--seconds', '20').stdout
    thread.join()
    lines = [line for line in text.split('\n') if 'ShardSearch' in line]
    assert len(lines) == 3 and all('router -> shard/' in line for line in lines), text
    assert '3 messages' in text


def test_a_tap_ends_by_itself():
    began = time.monotonic()
    text = run(plain, 'tap', '--actor', 'nobody*', '--seconds', '1').stdout
    assert '0 messages' in text and time.monotonic() - began < 10


def test_bodies_are_denied_unless_allowed_and_redacted_then():
    assert 'VECTRON_SYS_BODIES' in run(plain, 'tap', '--bodies', code=1).stderr
    assert 'VECTRON_SYS_BODIES' in run(plain, 'letters', '--bodies', code=1).stderr
    load(open_one, 'films')
    thread = during(4, open_one, 'films')
    text = run(open_one, 'tap', '--actor', 'router', '--message', 'RouterSearch', '--bodies', '--max', '2', '--seconds',
               '20').stdout
    thread.join()
    assert 'collection=films' in text and 'k=10' in text, text
    assert 'vector' not in text and 'secret' not in text and 'red' not in text.replace('redacted', ''), text


def test_wrong_questions_are_refused():
    assert 'no message of that type' in run(plain, 'tap', '--message', 'Nonsense', code=1).stderr
    run(plain, 'tap', '--trace', 'xyz', code=2)
    run(plain, 'tap', '--seconds', '0', code=2)
    run(plain, 'tap', 'word', code=2)
    run(plain, 'letters', 'resend', code=2)
    run(plain, 'letters', 'resend', '-1', code=2)
    run(plain, 'letters', 'burn', '1', code=2)


def test_letters_are_listed_and_not_sent_again_unasked():
    assert 'dead letters' in run(plain, 'letters').stdout
    letters = json.loads(run(plain, 'letters', '--json').stdout)
    assert len(letters.get('letters', [])) <= 32
    assert 'VECTRON_SYS_ACTIONS' in run(plain, 'letters', 'resend', '1', code=1).stderr
    assert 'NOT_FOUND' in run(open_one, 'letters', 'resend', '99999999', code=1).stderr


def fields(data):
    """(number, value) of a protobuf message, written without a library: an independent reader."""
    at = 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        else:
            size = varint() if tag & 7 == 2 else {1: 8, 5: 4}[tag & 7]
            yield tag >> 3, data[at:at + size]
            at += size


def read_profile(path):
    """Names of functions by how many samples they are in, and the names of the values."""
    with gzip.open(path) as file:
        profile = list(fields(file.read()))
    texts = [value.decode() for number, value in profile if number == 6]
    functions = {dict(fields(f))[1]: texts[dict(fields(f))[2]] for n, f in profile if n == 5}
    locations = {}
    for number, value in profile:
        if number == 4:
            parts = dict(fields(value))
            locations[parts[1]] = functions[dict(fields(parts[4]))[1]]
    seen, samples = {}, 0
    for number, value in profile:
        if number != 2:
            continue
        samples += 1
        packed = dict(fields(value))[1]
        ids, item, shift = [], 0, 0
        for byte in packed:
            item |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                ids.append(item)
                item, shift = 0, 0
        for name in {locations[i] for i in ids}:
            seen[name] = seen.get(name, 0) + 1
    return seen, samples, [texts[dict(fields(v))[1]] for n, v in profile if n == 1]


def test_a_cpu_profile_names_our_functions():
    path = os.path.join(plain.folder, 'cpu.pb.gz')
    rows = os.path.join(plain.folder, 'busy.npy')
    numpy.save(rows, numpy.random.default_rng(1).standard_normal((30000, 128)).astype('f4'))
    thread = threading.Thread(target=lambda: run(plain, 'import', rows, '--collection', 'busy', '--create'))
    thread.start()
    assert 'pprof' in run(plain, 'profile', '3', '-o', path, '--hz', '999').stdout
    thread.join()
    seen, samples, values = read_profile(path)
    assert values == ['samples', 'cpu'] and samples > 3, (values, samples, seen)
    assert seen.get('cell_run', 0) > samples / 10 and any('index' in name for name in seen), (samples, seen)


def test_an_allocation_profile_names_who_asks():
    path = os.path.join(plain.folder, 'heap.pb.gz')
    load(plain, 'allocated')
    thread = during(4, plain, 'allocated')
    run(plain, 'profile', '3', '--allocation', '-o', path)
    thread.join()
    seen, samples, values = read_profile(path)
    assert values == ['samples', 'alloc_space'], values
    assert samples == 0 or any(name.startswith('mem_') for name in seen), seen


def test_pprof_settings_profile_the_start():
    path, heap = (os.path.join(plain.folder, name) for name in ('start.pb.gz', 'heap-start.pb.gz'))
    with vectron.Up(env={'PPROF_CPU_PATH': path, 'PPROF_CPU_SECONDS': '1', 'PPROF_HEAP_PATH': heap}) as server:
        vectron.wait_for(lambda: all(os.path.exists(p) and os.path.getsize(p) for p in (path, heap)), 30)
        run(server, 'stats')
    assert read_profile(path)[2] == ['samples', 'cpu'] and read_profile(heap)[2] == ['samples', 'alloc_space']


def test_a_recording_is_whole_and_only_where_allowed():
    path = os.path.join(whole.folder, 'router.rec')
    assert 'VECTRON_SYS_BODIES' in run(open_one, 'record', '--actor', 'router', '-o', path, code=1).stderr
    assert not os.path.exists(path)
    load(whole, 'recorded')
    thread = during(4, whole, 'recorded')
    text = run(whole, 'record', '--actor', 'router', '--seconds', '3', '-o', path).stdout
    thread.join()
    data = open(path, 'rb').read()
    assert int(text.split()[0]) > 2 and text.strip().endswith(', 0 came too fast or were too large'), text
    assert data.startswith(b'VRECORD3') and b'RouterSearch' in data and b'secret-' in data


def test_stalls_of_a_quiet_process_are_none():
    path = os.path.join(plain.folder, 'stalls.pb.gz')
    run(plain, 'profile', '1', '--stalls', '-o', path)
    assert read_profile(path)[2] == ['looks', 'stall']


def test_one_profile_at_a_time():
    path = os.path.join(plain.folder, 'one.pb.gz')
    thread = threading.Thread(target=lambda: run(plain, 'profile', '3', '-o', path))
    thread.start()
    time.sleep(1)
    assert 'BUSY' in run(plain, 'profile', '1', '-o', path + '.second', code=1).stderr
    assert not os.path.exists(path + '.second')
    thread.join()
    run(plain, 'profile', '0', '-o', path, code=2)
    run(plain, 'profile', '5', code=2)


def test_help_can_be_read():
    for command in ('tap', 'letters', 'profile', 'record'):
        text = run(plain, command, '--help').stdout
        assert all(len(line) <= 100 for line in text.split('\n')) and 'vectron ' + command in text


def actor(server, *arguments, code=0):
    done = run(server, 'actor', *arguments, code=code)
    return done.stdout + done.stderr


def test_a_person_restarts_moves_and_holds_an_actor():
    assert ', open, lane ' in actor(open_one, 'router') and 'restarts 0 ' in actor(open_one, 'router')
    load(open_one, 'acted')
    assert actor(open_one, 'router', '--restart') == 'router: restart\n'
    vectron.wait_for(lambda: 'restarts 1 ' in actor(open_one, 'router'))
    assert len(json.loads(search(open_one, 'acted').stdout)['results']) == 10
    assert actor(open_one, 'router', '--pause') == 'router: pause\n'
    assert ', paused, ' in actor(open_one, 'router')
    assert 'DEADLINE_EXCEEDED' in run(open_one, 'search', 'acted', '--vector', '[1,1,2,3]', '--timeout', '300ms', code=1).stderr
    assert actor(open_one, 'router', '--resume') == 'router: resume\n'
    assert len(json.loads(search(open_one, 'acted').stdout)['results']) == 10
    assert 'is no io lane' in actor(open_one, 'router', '--migrate', '--lane', '64', code=1)
    assert actor(open_one, 'router', '--migrate') == 'router: migrate\n'
    assert json.loads(run(open_one, 'actor', 'router', '--json').stdout)['actor']['name'] == 'router'


def test_nobody_acts_unasked():
    assert 'VECTRON_SYS_ACTIONS=on' in actor(plain, 'router', '--restart', code=1)
    assert 'NOT_FOUND' in actor(plain, 'nobody', code=1)
    assert 'one action' in actor(plain, 'router', '--restart', '--pause', code=2)
    assert 'goes with --migrate' in actor(plain, 'router', '--lane', '2', code=2)


if __name__ == '__main__':
    with plain, open_one, whole:
        sys.exit(vectron.run_tests(dict(globals())))
