#!/usr/bin/python3
"""bench edge: server CPU of one small unary call: our edge beside the gRPC C++ library.

Both echo a Search of 128 floats; ours decodes and encodes it, the peer (a generic callback server, when libgrpc++-dev was
there at build time) copies bytes. Case CxS = C connections with S streams each; cpu_us = server CPU a call; interleaved,
medians. p50_us is the client's view, for the machine at hand.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import service  # noqa: E402
from service import pb, row, say, vectron  # noqa: E402

CASES = {'1x1': (1, 1), '1x64': (1, 64), '16x1': (16, 1)}


class Server:
    """A process that prints "listening" when it is ready."""

    def __init__(self, name, command, port):
        self.name, self.port = name, port
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if 'listening' not in self.process.stdout.readline():
            sys.exit(f'edge: {name} did not start')

    def measure(self, requests, connections, streams, seconds):
        before = vectron.cpu_seconds(self.process.pid)
        report = service.load(self.port, '/test.Echo/Unary', requests, connections, streams, seconds)
        return (vectron.cpu_seconds(self.process.pid) - before) / report['requests'] * 1e6, report['p50_us']


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--only')
    options = parser.parse_args()
    rounds, seconds = (3, 1) if options.quick else (7, 3)
    ports = vectron.free_ports(2)
    echo, grpc = (os.path.join(service.BUILD, name) for name in ('edge_echo', 'grpc-peer'))
    servers = [Server('ours', [echo, '-n', '1', f'127.0.0.1:{ports[0]}'], ports[0])]
    if os.path.exists(grpc):
        servers.append(Server('grpc++', [grpc, str(ports[1])], ports[1]))
    else:
        say('edge: no grpc-peer (libgrpc++-dev was absent at build time): ours alone')
    with tempfile.TemporaryDirectory() as folder:
        requests = os.path.join(folder, 'requests')
        service.write_messages(requests, [pb.SearchRequest(collection='c', vector=[i / 128] * 128, top_k=10) for i in range(16)])
        for case, (connections, streams) in CASES.items():
            if options.only and options.only != case:
                continue
            results = {server.name: [] for server in servers}
            for _ in range(rounds):
                for server in servers:
                    results[server.name].append(server.measure(requests, connections, streams, seconds))
            for metric, column in (('cpu_us', 0), ('p50_us', 1)):
                median = {name: statistics.median(r[column] for r in rows) for name, rows in results.items()}
                peer = median.get('grpc++')
                row('edge', case, metric, 'us', round(median['ours'], 2), peer and round(peer, 2), 'grpc++' if peer else None,
                    peer and round(peer / median['ours'], 2))
    for server in servers:
        server.process.kill()
        server.process.wait()


if __name__ == '__main__':
    main()
