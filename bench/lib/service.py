"""service: a server under load, for the benches: starts `vectron up`, imports, drives it with vectron-load."""
import json
import os
import struct
import subprocess
import sys

import numpy

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, 'build', 'release')
sys.path.insert(0, os.path.join(ROOT, 'tests', 'e2e'))
from lib import vectron  # noqa: E402,F401
from lib.vectron import pb  # noqa: E402


def row(suite, case, metric, unit, ours, peer=None, peer_name=None, ratio=None, target=None):
    """target: the least ratio that will do."""
    told = {'suite': suite, 'case': case, 'metric': metric, 'unit': unit, 'ours': ours, 'peer': peer, 'peer_name': peer_name, 'ratio': ratio}
    if target is not None:
        told |= {'target': target, 'met': ratio >= target}
    print(json.dumps(told), flush=True)


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def write_messages(path, messages):
    with open(path, 'wb') as file:
        for message in messages:
            data = message if isinstance(message, bytes) else message.SerializeToString()
            file.write(struct.pack('<I', len(data)) + data)


def read_messages(path, kind):
    with open(path, 'rb') as file:
        while size := file.read(4):
            yield kind.FromString(file.read(struct.unpack('<I', size)[0]))


def load(port, method, requests, connections, streams, seconds, replies=None):
    """Runs vectron-load; its report."""
    command = [os.path.join(BUILD, 'vectron-load'), '127.0.0.1', str(port), method, requests, str(connections), str(streams), str(seconds)]
    run = subprocess.run(command + ([replies] if replies else []), capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f'vectron-load: {run.stderr.strip()} {run.stdout.strip()}')
    return json.loads(run.stdout)


def import_npy(server, rows, collection, *arguments):
    """Imports with the product's own command; its seconds."""
    import time
    path = os.path.join(server.folder, f'{collection}.npy')
    numpy.save(path, rows)
    started = time.monotonic()
    subprocess.run([vectron.BINARY, 'import', path, '--collection', collection, '--address', server.target, *arguments],
                   check=True, stdout=subprocess.DEVNULL, env=vectron.clean_environment())
    seconds = time.monotonic() - started
    os.remove(path)
    return seconds


def wait_linked(server, collection_points, seconds=1800):
    """Waits until no shard has a tail: searches then measure the graph. Sees it by the server's own idleness."""
    import time
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = vectron.cpu_seconds(server.process.pid)
        time.sleep(1.0)
        if vectron.cpu_seconds(server.process.pid) - before < 0.03:
            return
    raise TimeoutError('the index never became idle')
