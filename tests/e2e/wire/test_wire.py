#!/usr/bin/python3
"""test_wire WIRE_NODE: docs/protocol.md against a real process, from a program with only ZeroMQ and msgpack."""
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import protocol_client as wire  # noqa: E402

WIRE_NODE = None
CLIENT = wire.__file__


class Wire(unittest.TestCase):
    def start(self, address):
        node = subprocess.Popen([WIRE_NODE, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop, node)
        return node.stdout.readline().strip()

    def stop(self, node):
        node.stdin.close()
        node.stdout.close()
        self.assertEqual(node.wait(timeout=20), 0, 'the process did not survive')

    def test_the_client_prints_a_report(self):
        with tempfile.TemporaryDirectory() as folder:
            for given in ('tcp://127.0.0.1:*', f'ipc://{folder}/node.sock'):
                address = self.start(given)
                done = subprocess.run([sys.executable, CLIENT, address], capture_output=True, text=True, timeout=20)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stdout, r'^wire \d+\.\d+\.\d+, up ')
                self.assertIn('  actor sys: ', done.stdout)
                self.assertIn('  actor echo: ', done.stdout)
                self.assertIn('  peer script  connected', done.stdout)
                done = subprocess.run([sys.executable, CLIENT, address, 'nobody'], capture_output=True, text=True, timeout=20)
                self.assertEqual(done.returncode, 1)
                self.assertIn("no actor is called 'nobody'", done.stderr)

    def test_calls(self):
        with wire.Link(self.start('tcp://127.0.0.1:*')) as link:
            self.assertEqual(link.peer, 'wire')
            echo = link.lookup('echo')
            for floats in (0, 1, 768, 500000):
                (kind, point), = link.call(echo, 'RouterGet', {2: 'é', 3: floats, 77: ['unknown', {'x': None}]})
                self.assertEqual(kind, wire.op('RouterPoint'))
                self.assertEqual(point[1], 'é')
                self.assertEqual(len(point.get(2, b'')), 4 * floats)
            for body, words in (({2: 5}, 'status 1: .*wants a string'), ({3: -1}, 'status 1: '), ([], 'status 1: ')):
                with self.assertRaisesRegex(wire.LinkError, words):
                    list(link.call(echo, 'RouterGet', body))
            with self.assertRaisesRegex(wire.LinkError, 'status 19: '):
                list(link.call(echo, 'RouterSearch', {}))
            with self.assertRaisesRegex(wire.LinkError, 'status 19: '):
                list(link.call(echo, 'NoSuchMessage', {}))
            with self.assertRaisesRegex(wire.LinkError, 'status 10: '):
                list(link.call(echo + 1, 'RouterGet', {}))

    def test_the_documented_bytes(self):
        address = self.start('tcp://127.0.0.1:*')
        raw = zmq.Context.instance().socket(zmq.DEALER)
        raw.setsockopt(zmq.LINGER, 0)
        raw.setsockopt(zmq.RCVTIMEO, 5000)
        raw.connect(address)
        raw.send(bytes.fromhex('97 01 a7') + b'vectron' + bytes.fromhex('01 a6') + b'script' + bytes.fromhex('05 06 00'))
        hello = raw.recv()
        self.assertTrue(hello.startswith(bytes.fromhex('98 01 a7') + b'vectron' + bytes.fromhex('01 a4') + b'wire'), hello)
        told = address.encode()
        self.assertTrue(hello.endswith(bytes.fromhex('06 00') + bytes([0xa0 + len(told)]) + told), hello)
        raw.send(bytes.fromhex('93 03 01 a3') + b'sys')
        found = raw.recv()
        self.assertTrue(found.startswith(bytes.fromhex('94 04 01 00 ce')), found)
        raw.send(bytes.fromhex('93 02 9a 01 01 02') + found[4:] + bytes.fromhex('01 01 ce 00 4c 4b 40 c0 00 ce 19 75 2e bb c4 03 81 01 c3'))
        while True:
            frame = raw.recv()
            if frame[:4] == bytes.fromhex('dc 00 03 02'):
                break
        self.assertEqual(frame[4:7], bytes.fromhex('9a 01 02'), 'a reply')
        self.assertEqual(frame[8:9], b'\x01', 'to us')
        raw.close()

    def test_a_slow_answer_needs_beats(self):
        link = wire.Link(self.start('tcp://127.0.0.1:*'), timeout=4)
        with self.assertRaisesRegex(wire.LinkError, 'status 13|no answer in time'):
            list(link.call(link.lookup('echo'), 'RouterDelete', {}))
        link.lookup('sys')  # still a peer after four seconds
        time.sleep(5)
        with self.assertRaisesRegex(wire.LinkError, 'goodbye: you were silent for too long'):
            link.lookup('sys')
        link.socket.close()

    def test_noise(self):
        """Garbage of every layer: the process counts it, cuts who sends it, and serves the others."""
        address = self.start('tcp://127.0.0.1:*')
        rng = random.Random(4)
        host, port = address[len('tcp://'):].split(':')
        greeting = b'\xff' + bytes(8) + b'\x7f' + b'\x03\x00NULL' + bytes(48)
        for start in (b'', greeting, b'GET / HTTP/1.1\r\n\r\n', b'\xff' * 10):
            for _ in range(20):
                with socket.create_connection((host, int(port))) as s:
                    s.sendall(start + rng.randbytes(rng.randrange(1, 2000)))
        for _ in range(10):
            raw = zmq.Context.instance().socket(zmq.DEALER)
            raw.connect(address)
            raw.send(msgpack.packb([1, 'vectron', 1, 'noise', 1, rng.getrandbits(60), 0]))
            for _ in range(40):
                frame = bytearray(msgpack.packb([2, [1, 1, 2, 1 << 24 | 1, 1, 5, None, None, 0, 7], b'\x80' * 50]))
                for _ in range(rng.randrange(1, 6)):
                    frame[rng.randrange(len(frame))] = rng.randrange(256)
                raw.send_multipart([bytes(frame)] * rng.choice((1, 1, 1, 2, 30)))
            raw.close(linger=500)
        with wire.Link(address) as link:
            for _, report in link.call(link.lookup('sys'), 'SysAsk', {}):
                self.assertEqual(report[1], 'wire')

    def test_a_flood_that_nobody_reads(self):
        """A client that asks for gigabytes and reads nothing cannot fill the server's memory."""
        address = self.start('tcp://127.0.0.1:*')
        with wire.Link(address) as link:
            echo = link.lookup('echo')
            (_, before), = link.call(link.lookup('sys'), 'SysAsk', {})
            glutton = wire.Link(address, 'glutton')
            body = msgpack.packb({3: 500000})  # 2 MB of answer
            for i in range(1000):
                envelope = [1, wire.CALL, 2, echo, 1, i, None, None, 0, wire.op('RouterGet')]
                try:
                    glutton.socket.send(msgpack.packb([2, envelope, body]), zmq.NOBLOCK)
                except zmq.Again:
                    break
            time.sleep(2)
            (_, after), = link.call(link.lookup('sys'), 'SysAsk', {})
            glutton.socket.close(linger=0)
        grown = (after[4] - before[4]) >> 20
        self.assertLess(grown, 400, f'{grown} MiB more')


if __name__ == '__main__':
    WIRE_NODE = sys.argv.pop(1)
    unittest.main(verbosity=2)
