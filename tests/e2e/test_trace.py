#!/usr/bin/python3
"""One request's trace through pd, two workers and a gateway: traceparent in and out, `vectron trace`, Perfetto files, OTLP to a receiver of
its own, and the flight recorder of a process that crashes."""
import gzip
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import vectron  # noqa: E402
from lib.vectron import wait_for  # noqa: E402

CREATE = '0af7651916cd43dd8448eb211c80319c'
SEARCH = '4bf92f3577b34da6a3ce929d0e0e4736'
PARENT = '00f067aa0ba902b7'


# --- a receiver of OTLP/HTTP: reads the bytes by field numbers of opentelemetry-proto, not by our schema ---------------

def fields(data):
    """A protobuf message as {number: [values]}."""
    out, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        key = varint()
        number, wire = key >> 3, key & 7
        if wire == 0:
            value = varint()
        elif wire == 1:
            value, at = int.from_bytes(data[at:at + 8], 'little'), at + 8
        elif wire == 2:
            size = varint()
            value, at = data[at:at + size], at + size
        elif wire == 5:
            value, at = int.from_bytes(data[at:at + 4], 'little'), at + 4
        else:
            raise ValueError(f'wire type {wire}')
        out.setdefault(number, []).append(value)
    return out


def one(message, number, default=b''):
    return message.get(number, [default])[-1]


def attributes(values):
    out = {}
    for value in values:
        pair = fields(value)
        held = fields(one(pair, 2))
        out[one(pair, 1).decode()] = one(held, 1).decode() if 1 in held else one(held, 3, 0)
    return out


def spans_of(body):
    for resource_spans in fields(body)[1]:
        group = fields(resource_spans)
        resource = attributes(fields(one(group, 1)).get(1, []))
        for scope_spans in group[2]:
            for data in fields(scope_spans)[2]:
                span = fields(data)
                status = fields(one(span, 15))
                yield {'trace': one(span, 1).hex(), 'span': one(span, 2).hex(), 'parent': one(span, 4).hex(), 'name': one(span, 5).decode(),
                       'kind': one(span, 6, 0), 'start': one(span, 7, 0), 'end': one(span, 8, 0), 'attributes': attributes(span.get(9, [])),
                       'status': one(status, 3, 0), 'words': one(status, 2).decode(), 'resource': resource}


class Receiver(http.server.BaseHTTPRequestHandler):
    spans, requests, refuse, never = [], [], 0, None

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        if self.headers.get('Content-Encoding') == 'gzip':
            body = gzip.decompress(body)
        Receiver.requests.append((self.path, dict(self.headers)))
        never = Receiver.never is not None and any(s['name'] == Receiver.never for s in spans_of(body))
        if Receiver.refuse or never:
            Receiver.refuse -= 0 if never else 1
            self.send_response(400 if never else 503)
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        Receiver.spans += spans_of(body)
        self.send_response(200)
        self.send_header('Content-Type', 'application/x-protobuf')
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, *_):
        pass


receiver = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
cluster = vectron.Cluster(workers=2, env={
    'OTEL_EXPORTER_OTLP_ENDPOINT': f'http://127.0.0.1:{receiver.server_address[1]}/',
    'OTEL_EXPORTER_OTLP_HEADERS': 'x-tenant=blue,x-more=1', 'OTEL_SERVICE_NAME': 'shop', 'VECTRON_TRACE_SAMPLE': '0'},
    gateway_env={'OTEL_EXPORTER_OTLP_COMPRESSION': 'gzip'})


def trace(*arguments, check=True, link=None):
    link = link or f'ipc://{cluster.folder}/gateway/link.ipc'
    run = subprocess.run([vectron.BINARY, 'trace', '--link', link, *arguments], env=vectron.clean_environment(), capture_output=True, text=True)
    if check:
        assert run.returncode == 0, run.stderr
    return run


def http_call(method, path, body=None, headers=()):
    """(status, answer, traceresponse)"""
    with tempfile.NamedTemporaryFile('r') as heads:
        status, answer = vectron.http(method, f'http://127.0.0.1:{cluster.http_port}{path}', body, headers, arguments=['-D', heads.name])
        found = re.search(r'^traceresponse: (\S+)', heads.read(), re.M | re.I)
    return status, answer, found and found.group(1)


def spans(trace_id):
    return json.loads(trace(trace_id, '--json').stdout)['spans']


# --- in and out ----------------------------------------------------------------------------------------------------------

def test_a_trace_goes_through_all_four_processes():
    client = cluster.client()

    def both_workers_are_known():
        name = f'first{len(client.ListCollections().collections)}'
        client.CreateCollection(name=name, dimension=2, distance='euclidean', shards=2)
        return len({s.leader_id for s in client.GetCollectionStatus(name=name).shards}) == 2
    wait_for(both_workers_are_known)
    status, answer, response = http_call('POST', '/v1/collections', {'name': 'traced', 'dimension': 2, 'distance': 'euclidean', 'shards': 4},
                                         [f'traceparent: 00-{CREATE}-{PARENT}-01', 'tracestate: a=b'])
    assert status == 200, answer
    version, trace_id, span, flags = response.split('-')
    assert (version, trace_id, flags) == ('00', CREATE, '01') and span != PARENT
    found = wait_for(lambda: len({s['node'] for s in spans(CREATE)}) == 4 and spans(CREATE))
    by_id = {s['span']: s for s in found}
    root = by_id[span]
    assert root['kind'] == 'edge' and root['parent'] == PARENT and root['trace'] == CREATE, root
    assert root['message'] == 'vectron.v1.VectronService/CreateCollection' and root['outcome'] == 'OK'
    assert {s['node'].split(':')[0] for s in found} == {'gateway', 'pd', 'worker'}
    for s in found:
        assert s is root or s['parent'] in by_id, f'{s} has no parent here'
        assert int(s['tookUs']) >= int(s['waitedUs']), s


def test_times_lie_inside_those_of_the_parents():
    client = cluster.client()
    client.upsert('traced', [(f'p{i}', [float(i), 1.0]) for i in range(50)])
    reply, call = client._stub('Search').with_call(client.message('Search', collection='traced', vector=[1, 1], top_k=3), timeout=10,
                                                   metadata=[('traceparent', f'00-{SEARCH}-{PARENT}-01')])
    assert len(reply.results) == 3
    assert dict(call.initial_metadata())['traceresponse'].startswith(f'00-{SEARCH}-')
    found = wait_for(lambda: len([s for s in spans(SEARCH) if s['message'] == 'ShardSearch']) == 8 and spans(SEARCH))
    by_id = {s['span']: s for s in found}
    slack = 200  # microseconds, between the clocks of processes
    for s in found:
        parent = by_id.get(s['parent'])
        if not parent:
            assert s['kind'] == 'edge'
            continue
        assert int(s['startUs']) + slack >= int(parent['startUs']), (s, parent)
    shard, searcher = (next(s for s in found if s['actor'].startswith(kind)) for kind in ('shard/', 'searcher/'))
    assert shard['outcome'] == 'FORWARDED' and searcher['outcome'] == 'OK'
    assert by_id[searcher['parent']]['actor'].startswith('shard/')


def test_an_invalid_traceparent_is_ignored():
    for header in ('00-zzz', f'00-{"0" * 32}-{PARENT}-01', f'ff-{SEARCH}-{PARENT}-01', f'00-{SEARCH.upper()}-{PARENT}-01'):
        status, _, response = http_call('GET', '/v1/collections', headers=[f'traceparent: {header}'])
        assert status == 200 and SEARCH not in response and response.endswith('-00'), (header, response)
    _, _, response = http_call('GET', '/v1/collections', headers=[f'traceparent: 00-{SEARCH}-{PARENT}-01', f'traceparent: 00-{CREATE}-{PARENT}-01'])
    assert SEARCH not in response and CREATE not in response, 'two are none'


# --- what is kept --------------------------------------------------------------------------------------------------------

def test_what_fails_is_kept_everywhere_and_what_is_fine_is_not():
    _, _, fine = http_call('GET', '/v1/collections')
    _, _, bad = http_call('POST', '/v1/collections/nothing/points/search', {'vector': [1, 2], 'top_k': 1})
    fine, bad = fine.split('-')[1], bad.split('-')[1]
    rows = wait_for(lambda: {r['trace']: r for r in json.loads(trace('--json', '--max', '200').stdout)['traces']}.get(bad) and
                    {r['trace']: r for r in json.loads(trace('--json', '--max', '200').stdout)['traces']})
    assert rows[bad]['why'] == 'failed' and rows[bad]['outcome'] == 'NOT_FOUND', rows[bad]
    assert rows[CREATE]['why'] == 'sampled' and fine not in rows
    failed = trace('--failed').stdout
    assert bad in failed and CREATE not in failed


def test_a_waterfall_fits_a_terminal():
    text = trace(SEARCH).stdout
    lines = text.rstrip('\n').split('\n')
    assert re.match(rf'trace {SEARCH}: \S+, \d+ spans in 3 processes, OK$', lines[0]), lines[0]
    assert all(len(line) <= 80 for line in lines), max(lines, key=len)
    assert "! collection 'nothing' not found" in trace(http_call('POST', '/v1/collections/nothing/points/search', {'vector': [1, 2]})[2].split('-')[1]).stdout
    assert 'gateway edge/' in text and ' router RouterSearch' in text and 'searcher/' in text and '━' in text, text
    assert trace('123', check=False).returncode == 2
    gone = trace('1' * 32, check=False)
    assert gone.returncode == 1 and 'no process knows' in gone.stderr


# --- files for Perfetto ----------------------------------------------------------------------------------------------------

def check_events(path, by_lane):
    with open(path) as file:
        events = json.load(file)['traceEvents']
    slices = [e for e in events if e['ph'] == 'X']
    names = {e['pid']: e['args']['name'] for e in events if e['ph'] == 'M' and e['name'] == 'process_name'}
    tracks = {}
    for e in slices:
        assert e['ts'] >= 0 and e['dur'] >= 0 and e['pid'] in names and e['tid'] > 0, e
        tracks.setdefault((e['pid'], e['tid']), []).append((e['ts'], e['ts'] + e['dur']))
    for track in tracks.values():
        track.sort()
        for before, after in zip(track, track[1:]):
            assert before[1] <= after[0] + (1 if by_lane else 0), f'slices overlap: {before} {after}'
    begins = {e['id']: e for e in events if e['ph'] == 's'}
    ends = {e['id']: e for e in events if e['ph'] == 'f'}
    assert begins and begins.keys() == ends.keys()
    for flow in begins:
        assert begins[flow]['ts'] <= ends[flow]['ts']
    return slices, names, {(begins[f]['pid'], ends[f]['pid']) for f in begins}


def test_perfetto_files_are_sound():
    path = os.path.join(cluster.folder, 'trace.json')
    trace(SEARCH, '--perfetto', path)
    slices, names, flows = check_events(path, by_lane=False)
    assert len(slices) == len(spans(SEARCH)) and len(names) == 3
    assert any(a != b for a, b in flows), 'an arrow between processes'


def test_a_recording_has_every_turn():
    path = os.path.join(cluster.folder, 'turns.json')
    recorder = subprocess.Popen([vectron.BINARY, 'trace', '--link', f'ipc://{cluster.folder}/gateway/link.ipc', 'record', '2', '-o', path],
                                env=vectron.clean_environment(), stdout=subprocess.PIPE)
    client = cluster.client()
    while recorder.poll() is None:
        client.Search(collection='traced', vector=[1, 1], top_k=3)
    assert recorder.returncode == 0
    slices, names, _ = check_events(path, by_lane=True)
    assert len(names) == 4, names
    kinds = {e['cat'] for e in slices}
    assert {'call', 'reply', 'edge', 'event'} <= kinds, kinds
    assert trace('record', '0', check=False).returncode == 2 and trace('record', '1', check=False).returncode == 2


# --- OTLP ------------------------------------------------------------------------------------------------------------------

def test_spans_reach_the_receiver():
    mine = wait_for(lambda: len(got := [s for s in Receiver.spans if s['trace'] == SEARCH]) >= len(spans(SEARCH)) and got)
    by_id = {s['span']: s for s in mine}
    assert len(by_id) == len(mine), 'none twice'
    root = next(s for s in mine if s['parent'] == PARENT)
    assert root['name'] == 'vectron.v1.VectronService/Search' and root['kind'] == 2 and root['status'] == 0
    assert all(s is root or s['parent'] in by_id for s in mine)
    assert all(s['end'] >= s['start'] > 1.6e18 for s in mine), 'nanoseconds of unix time'
    assert root['start'] <= min(s['start'] for s in mine) + 200000
    assert {s['resource']['service.name'] for s in mine} == {'shop'}
    assert len({s['resource']['service.instance.id'] for s in mine}) == 3
    searcher = next(s for s in mine if s['attributes']['vectron.actor'].startswith('searcher/'))
    assert searcher['name'] == 'ShardSearch' and searcher['kind'] == 1 and searcher['attributes']['vectron.outcome'] == 'OK'
    assert {h.get('Content-Encoding') for _, h in Receiver.requests} == {None, 'gzip'}, 'workers as it is, the gateway packed'
    path, headers = Receiver.requests[0]
    assert path == '/v1/traces' and headers['Content-Type'] == 'application/x-protobuf' and headers['x-tenant'] == 'blue'


def test_failures_have_a_status_and_come_again_after_a_refusal():
    Receiver.refuse = 2
    _, _, bad = http_call('POST', '/v1/collections/nothing/points/search', {'vector': [1, 2], 'top_k': 1})
    bad = bad.split('-')[1]
    mine = wait_for(lambda: [s for s in Receiver.spans if s['trace'] == bad and s['kind'] == 2])
    assert Receiver.refuse == 0 and len(mine) == 1, 'once, after two refusals'
    assert mine[0]['status'] == 2 and mine[0]['words'] == "collection 'nothing' not found" and mine[0]['parent'] == ''
    report = gateway_report()
    assert int(report['exported']) > 0 and int(report['exportLost']) == 0 and int(report['spans']) > int(report['exported'])


def gateway_report():
    run = subprocess.run([vectron.BINARY, 'stats', '--json', '--link', f'ipc://{cluster.folder}/gateway/link.ipc'], check=True,
                         env=vectron.clean_environment(), capture_output=True, text=True)
    return json.loads(run.stdout)


def test_what_the_receiver_will_never_take_is_counted_as_lost():
    Receiver.never = 'vectron.v1.VectronService/GetCollectionStatus'
    _, _, bad = http_call('GET', '/v1/collections/nothing/status')
    wait_for(lambda: int(gateway_report()['exportLost']) > 0)
    assert not [s for s in Receiver.spans if s['trace'] == bad.split('-')[1]]
    assert 'spans do not reach' in cluster.gateway.log()


# --- the flight recorder -----------------------------------------------------------------------------------------------------

def flight_files(folder):
    return sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.startswith('flight-'))


def flight(*arguments):
    run = subprocess.run([vectron.BINARY, 'flight', *arguments], env=vectron.clean_environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_recorder_is_read_on_demand():
    folder = os.path.join(cluster.folder, 'worker1')
    os.kill(cluster.workers[1].pid, signal.SIGUSR2)
    path = wait_for(lambda: flight_files(folder))[0]
    wait_for(lambda: 'flight recorder: ' in cluster.workers[1].log())
    text = flight(path, '--trace', SEARCH)
    assert 'asked' in text.split('\n')[0] and 'ShardSearch' in text and 'FORWARDED' in text
    rows = json.loads(flight(path, '--actor', 'shard/*', '--last', '100000', '--json'))['spans']
    assert rows and all(r['actor'].startswith('shard/') for r in rows)
    assert cluster.workers[1].alive()


def test_a_crash_leaves_a_file():
    folder = os.path.join(cluster.folder, 'worker1')
    before = flight_files(folder)
    os.kill(cluster.workers[1].pid, signal.SIGSEGV)
    assert cluster.workers[1].process.wait(10) == -signal.SIGSEGV, 'the signal takes its course'
    path = next(f for f in flight_files(folder) if f not in before)
    text = flight(path, '--trace', SEARCH)
    assert 'Segmentation fault' in text.split('\n')[0] and 'ShardSearch' in text
    with open(path, 'rb') as file:
        data = file.read()
    cut = os.path.join(cluster.folder, 'cut.bin')
    with open(cut, 'wb') as file:
        file.write(data[:len(data) // 2])
    assert 'ends early' in flight(cut)
    with open(cut, 'wb') as file:
        file.write(b'nothing of ours' * 100)
    run = subprocess.run([vectron.BINARY, 'flight', cut], capture_output=True, text=True)
    assert run.returncode == 1 and 'not a flight recorder' in run.stderr


if __name__ == '__main__':
    with cluster:
        code = vectron.run_tests(globals())
    sys.exit(code)
