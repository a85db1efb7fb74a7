#!/usr/bin/python3
"""protocol_client ADDRESS [NAME]: asks the actor NAME (sys) of a running process for its SysReport and prints it.

Needs nothing of Vectron but the wire of docs/protocol.md: a ZeroMQ socket and msgpack.

    /usr/bin/python3 tests/e2e/protocol_client.py tcp://127.0.0.1:9191
"""
import os
import sys
import time

import msgpack
import zmq

HELLO, MESSAGES, LOOKUP, FOUND, BEAT, BEATEN, BYE = range(1, 8)
CALL, REPLY, PART = 1, 2, 3
DATA_BAND = 2
ME = 1  # our own handle: any number but 0; answers come back to it


class LinkError(Exception):
    pass


def op(message):
    """FNV-1a, 32 bits, of a message type's name."""
    value = 2166136261
    for byte in message.encode():
        value = ((value ^ byte) * 16777619) & 0xffffffff
    return value


def random_number():
    return int.from_bytes(os.urandom(8), 'little')


class Link:
    """One connection to a Vectron process, from a program with one socket."""

    def __init__(self, address, name='script', timeout=5.0, secure=lambda raw: None):
        """secure(socket) sets CURVE's keys, for a link that wants them."""
        self.timeout = timeout
        self.calls = 0
        self.inbox = []  # messages (envelope, body) that wait to be asked for
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        secure(self.socket)
        self.socket.connect(address)
        session = random_number()
        self.send([HELLO, 'vectron', 1, name, random_number(), session, 0])
        hello = self.wait_for(HELLO)
        if hello[2] != 1 or hello[5] != session:
            raise LinkError(f'not our hello: {hello}')
        self.peer = hello[3]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.send([BYE, 'done'])
        self.socket.close(linger=200)

    def send(self, frame):
        self.socket.send(msgpack.packb(frame))

    def next_frame(self, until):
        """The next frame that is not about being alive; beats are sent and answered meanwhile."""
        while time.monotonic() < until:
            if not self.socket.poll(500):
                self.send([BEAT, time.monotonic_ns() // 1000])
                continue
            # Keys of bodies are numbers, which msgpack.unpackb refuses unless told otherwise.
            frame = msgpack.unpackb(self.socket.recv(), strict_map_key=False)
            if frame[0] == BEAT:
                self.send([BEATEN, frame[1]])
            elif frame[0] == BYE:
                raise LinkError(f'the process said goodbye: {frame[1]}')
            elif frame[0] != BEATEN:
                return frame
        raise LinkError('no answer in time')

    def wait_for(self, kind):
        until = time.monotonic() + self.timeout
        while True:
            frame = self.next_frame(until)
            if frame[0] == kind:
                return frame
            if frame[0] == MESSAGES:
                self.inbox += zip(frame[1::2], frame[2::2])

    def lookup(self, name):
        """The handle of a named actor, good as long as this connection is."""
        self.calls += 1
        self.send([LOOKUP, self.calls, name])
        while True:
            _, token, status, handle = self.wait_for(FOUND)[:4]
            if token == self.calls:
                break
        if status != 0:
            raise LinkError(f'no actor is called {name!r}')
        return handle

    def call(self, to, message, body):
        """Calls the actor; yields (op, body) of every part of the answer, the final one last."""
        self.calls += 1
        deadline_us = int(self.timeout * 1e6)
        envelope = [1, CALL, DATA_BAND, to, ME, self.calls, deadline_us, None, 0, op(message)]
        self.send([MESSAGES, envelope, msgpack.packb(body)])
        while True:
            while not self.inbox:
                frame = self.wait_for(MESSAGES)
                self.inbox += zip(frame[1::2], frame[2::2])
            envelope, body = self.inbox.pop(0)
            if envelope[5] != self.calls:
                continue  # a late answer of a call given up
            body = msgpack.unpackb(body, strict_map_key=False)
            if envelope[9] == op('Failed'):
                raise LinkError(f'status {body.get(1, 0)}: {body.get(2, "")}')
            yield envelope[9], body
            if envelope[1] == REPLY:
                return


def print_report(report):
    """SysReport, by the field numbers of schemas/internal/sys.proto."""
    print(f'{report[1]} {report[2]}, up {report.get(3, 0) / 1000:.1f} s, '
          f'{report.get(4, 0) >> 20} MiB, {report.get(5, 0)} threads, {report.get(9, 0)} dead letters')
    for lane in report.get(6, []):
        print(f'  lane {lane.get(1)} ({lane.get(2)}): {lane.get(3, 0)} turns')
    for actor in report.get(7, []):
        print(f'  actor {actor.get(1)}: {actor.get(5, 0)} received, {actor.get(11, 0)} waiting')
    for link in report.get(8, []):
        state = 'connected' if link.get(3) else 'connecting'
        print(f'  peer {link.get(1)} {link.get(2, "")} {state}, {link.get(5, 0)} messages from it')


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    name = sys.argv[2] if len(sys.argv) > 2 else 'sys'
    try:
        with Link(sys.argv[1]) as link:
            for kind, body in link.call(link.lookup(name), 'SysAsk', {1: True}):
                if kind != op('SysReport'):
                    sys.exit(f'{name} answered something else')
                print_report(body)
    except LinkError as error:
        sys.exit(f'protocol_client: {error}')


if __name__ == '__main__':
    main()
