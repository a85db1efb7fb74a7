#!/usr/bin/python3
"""Faults on real processes under load: each ends as docs/runtime.md says, and every call has exactly one outcome
(tests/e2e/wire/fault_node counts them and fails when one has none or two)."""
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('VECTRON_BUILD', os.path.join(ROOT, 'build', 'release'))
NODE = os.path.join(BUILD, 'fault_node')
SHIM = os.path.join(BUILD, 'libfault_shim.so')
LONG = os.environ.get('VECTRON_LONG') == '1'


class Faults(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.address = f'ipc://{self.folder.name}/node.sock'

    def serve(self, *more, address=None, faults=None, limit=None):
        def limit_files():
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        server = subprocess.Popen([NODE, 'serve', address or self.address, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, env=self.environment(faults),
                                  preexec_fn=limit_files if limit else None)
        self.addCleanup(self.end, server)
        self.bound = server.stdout.readline().strip()
        return server

    def end(self, server):
        if server.poll() is None:
            server.send_signal(signal.SIGCONT)
            server.kill()
        server.wait()
        for stream in (server.stdin, server.stdout, server.stderr):
            stream.close()

    def environment(self, faults):
        if not faults:
            return None
        return dict(os.environ, LD_PRELOAD=SHIM, **{k: str(v) for k, v in faults.items()})

    def load(self, seconds=3, name='echo', faults=None, local=False):
        where = ['local'] if local else ['load', self.bound]
        return subprocess.Popen([NODE, *where, str(seconds), name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.environment(faults))

    def outcomes(self, load):
        out, err = load.communicate(timeout=120)
        self.assertEqual(load.returncode, 0, f'some call had no outcome, or two: {out} {err[-2000:]}')
        counts = json.loads(out)
        self.words = err
        self.assertEqual(counts['calls'], sum(v for k, v in counts.items() if k != 'calls'))
        self.assertGreater(counts['calls'], 0)
        return counts

    def only(self, counts, *allowed):
        self.assertLessEqual(set(counts), {'calls', *allowed}, counts)

    def test_nothing(self):
        self.serve()
        counts = self.outcomes(self.load())
        self.only(counts, 'OK', 'CANCELLED')
        self.assertGreater(counts['OK'], 1000)

    def test_kill_9_under_load(self):
        server = self.serve()
        load = self.load(4)
        time.sleep(1.5)
        server.kill()
        server.wait()
        self.serve()
        counts = self.outcomes(load)
        self.only(counts, 'OK', 'CANCELLED', 'LOST_PEER')
        self.assertGreater(counts['LOST_PEER'], 0)

    def test_stop_and_continue_under_load(self):
        """A second is waited out (calls of 400 ms expire); after three the peer is lost, and met again later."""
        for pause, expected in ((1, 'EXPIRED'), (5, 'LOST_PEER')):
            with self.subTest(pause=pause):
                server = self.serve(address=f'ipc://{self.folder.name}/{pause}.sock')
                load = self.load(pause + 4)
                time.sleep(1.5)
                server.send_signal(signal.SIGSTOP)
                time.sleep(pause)
                server.send_signal(signal.SIGCONT)
                counts = self.outcomes(load)
                self.only(counts, 'OK', 'CANCELLED', 'LOST_PEER', 'EXPIRED')
                self.assertGreater(counts.get(expected, 0), 0, counts)

    def test_the_load_is_stopped(self):
        self.serve()
        load = self.load(6)
        time.sleep(1.5)
        load.send_signal(signal.SIGSTOP)
        time.sleep(2)
        load.send_signal(signal.SIGCONT)
        counts = self.outcomes(load)
        self.only(counts, 'OK', 'CANCELLED', 'LOST_PEER', 'EXPIRED')

    def test_slow_receiver(self):
        """144 calls are in flight: credits keep the rest here, deadlines end what waits too long, nothing is dropped."""
        self.serve()
        counts = self.outcomes(self.load(name='slow'))
        self.only(counts, 'OK', 'CANCELLED', 'EXPIRED')
        self.assertGreater(counts['OK'], 100)

    def test_an_answer_that_never_comes(self):
        self.serve()
        counts = self.outcomes(self.load(name='never'))
        self.only(counts, 'CANCELLED', 'EXPIRED')

    def test_an_actor_that_fails_and_restarts(self):
        """What it owes ends in LOST_PEER; what waits for its next life while it backs off may expire."""
        self.serve()
        counts = self.outcomes(self.load(4, 'failing'))
        self.only(counts, 'OK', 'CANCELLED', 'LOST_PEER', 'EXPIRED')
        self.assertGreater(counts['LOST_PEER'], 0)

    def test_a_handler_that_crashes(self):
        server = self.serve()
        counts = self.outcomes(self.load(name='crashing'))
        self.assertEqual(server.wait(timeout=10), -signal.SIGABRT)
        self.only(counts, 'CANCELLED', 'LOST_PEER')

    def test_a_handler_that_never_returns(self):
        """The other lane goes on; after the stall limit the process ends by SIGABRT, and says who held the lane."""
        server = self.serve('1500')
        stuck = self.load(4, 'stuck')
        self.assertEqual(server.wait(timeout=10), -signal.SIGABRT)
        words = server.stderr.read()
        self.assertRegex(words, r'server/\d+#\d+ holds lane \d+ since \d+ ms in RouterGet, at .*on_get.* < ')
        self.assertRegex(words, r'lane \d+ made no progress for 1500 ms: the process ends')
        self.only(self.outcomes(stuck), 'CANCELLED', 'EXPIRED', 'LOST_PEER')

    def test_a_stopped_process_did_not_stall(self):
        server = self.serve('1500')
        server.send_signal(signal.SIGSTOP)
        time.sleep(3)
        server.send_signal(signal.SIGCONT)
        counts = self.outcomes(self.load(2))
        self.assertGreater(counts['OK'], 0)
        self.assertIsNone(server.poll())

    def test_a_high_water_mark_of_one(self):
        for local in (False, True):
            with self.subTest(local=local):
                if not local:
                    self.serve(faults={'FAULT_HWM': 1})
                counts = self.outcomes(self.load(faults={'FAULT_HWM': 1}, local=local))
                self.only(counts, 'OK', 'CANCELLED', 'EXPIRED', 'BUSY')
                self.assertGreater(counts['OK'], 100)

    def test_full_ways_at_every_send(self):
        """EAGAIN by chance at all places that send, here and there. Ways between lanes are no sockets; they are full in tests/sim."""
        faults = {'FAULT_EAGAIN_PPM': 200000}
        self.serve(faults=faults)
        counts = self.outcomes(self.load(faults=faults))
        self.only(counts, 'OK', 'CANCELLED', 'EXPIRED', 'BUSY', 'LOST_PEER')
        self.assertGreater(counts['OK'], 100)
        self.assertRegex(self.words, r'[1-9]\d* forced')

    def test_full_ways_place_by_place(self):
        """The same at one place after the other, and nearly always."""
        for site in range(12 if LONG else 5):
            faults = {'FAULT_EAGAIN_PPM': 900000, 'FAULT_SITE': site}
            with self.subTest(site=site):
                self.serve(address=f'ipc://{self.folder.name}/{site}.sock', faults=faults)
                counts = self.outcomes(self.load(2, faults=faults))
                self.only(counts, 'OK', 'CANCELLED', 'EXPIRED', 'BUSY', 'LOST_PEER')

    def test_few_descriptors(self):
        """A process that cannot have its sockets says so and ends; with a few more it serves."""
        for limit in (16, 40, 200):
            with self.subTest(limit=limit):
                server = self.serve(address=f'ipc://{self.folder.name}/{limit}.sock', limit=limit)
                self.assertEqual(self.bound, '')
                words = server.stderr.read()
                self.assertEqual(server.wait(timeout=20), 1, words)
                self.assertIn('fault_node: ', words)
        self.serve(limit=400)
        counts = self.outcomes(self.load(2))
        self.only(counts, 'OK', 'CANCELLED')


if __name__ == '__main__':
    if not os.path.exists(NODE):
        print(f'test_faults: {NODE} is not built', file=sys.stderr)
        sys.exit(77)
    unittest.main(verbosity=2)
