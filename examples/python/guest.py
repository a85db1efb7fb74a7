#!/usr/bin/python3
"""guest: a Python program among Vectron's actors, with pyzmq and msgpack and nothing of Vectron.

    guest.py LINK CENSUS-LINK

It calls the router of the Vectron at LINK, watches its messages through a tap, and is an actor itself, ext/clerk,
which the census actor of another process (examples/census, at CENSUS-LINK) finds by name and calls. The wire:
docs/protocol.md; the messages: schemas/internal/*.proto, by field number.
"""
import os
import struct
import sys
import time

import msgpack
import zmq

HELLO, MESSAGES, LOOKUP, FOUND, BEAT, BEATEN, BYE, REGISTER, REGISTERED = range(1, 10)
CAST, CALL, REPLY, PART = range(4)
DATA_BAND = 2
OK, UNIMPLEMENTED = 0, 19
ME, CLERK = 1, 1 << 24 | 1  # handles of ours, by our own choice


def op(message):
    """What a message type is called in envelopes: FNV-1a of its name."""
    value = 2166136261
    for byte in message.encode():
        value = ((value ^ byte) * 16777619) & 0xffffffff
    return value


class Failed(Exception):
    pass


class Link:
    """One connection to a process: calls out, and calls in for the actors that were registered on it."""

    def __init__(self, address, name='guest.py'):
        links.append(self)
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 200)
        self.socket.connect(address)
        self.answers = {}  # correlation → list of (kind, op, body) that came
        self.replies = {}  # token → found or registered
        self.actors = {}   # handle → {op: function(body) → (type, body)}
        self.numbers = 0
        self.hello = None
        self.send([HELLO, 'vectron', 1, name, random_number(), random_number(), 0])
        self.wait(lambda: self.hello)

    def send(self, frame):
        self.socket.send(msgpack.packb(frame))

    def close(self):
        self.send([BYE, 'done'])
        self.socket.close()

    def wait(self, done, seconds=5.0):
        """Takes what comes until done() is true; its value."""
        until = time.monotonic() + seconds
        while not done():
            if time.monotonic() > until:
                raise Failed('nothing came in time')
            pump(0.1)
        return done()

    def take(self):
        """Acts on every frame that is there."""
        while self.socket.poll(0):
            frame = msgpack.unpackb(self.socket.recv(), strict_map_key=False)
            kind = frame[0]
            if kind == HELLO:
                self.hello = frame
            elif kind == BEAT:
                self.send([BEATEN, frame[1]])
            elif kind in (FOUND, REGISTERED):
                self.replies[frame[1]] = frame
            elif kind == BYE:
                raise Failed(f'the process said goodbye: {frame[1]}')
            elif kind == MESSAGES:
                for envelope, body in zip(frame[1::2], frame[2::2]):
                    self.on_message(envelope, msgpack.unpackb(body, strict_map_key=False) if body else {})

    def on_message(self, envelope, body):
        kind, to, sender, correlation, message = envelope[1], envelope[3], envelope[4], envelope[5], envelope[9]
        if kind in (REPLY, PART) and correlation in self.answers:
            self.answers[correlation].append((kind, message, body))
        elif kind in (CALL, CAST):
            handler = self.actors.get(to, {}).get(message)
            answer = handler(body) if handler else ('Failed', {1: UNIMPLEMENTED, 2: 'not understood here'})
            if kind == CALL:
                self.post(REPLY, sender, to, correlation, *answer)

    def post(self, kind, to, sender, correlation, message, body):
        envelope = [1, kind, DATA_BAND, to, sender, correlation, None, None, 0, op(message)]
        self.send([MESSAGES, envelope, msgpack.packb(body)])

    def ask(self, kind, *values):
        self.numbers += 1
        token = self.numbers
        self.send([kind, token, *values])
        return self.wait(lambda: self.replies.get(token))

    def find(self, name):
        """The handle of a named actor, 0 when there is none now."""
        status, handle = self.ask(LOOKUP, name)[2:4]
        return handle if status == OK else 0

    def lookup(self, name):
        handle = self.find(name)
        if handle == 0:
            raise Failed(f'no actor is called {name}')
        return handle

    def register(self, name, handle, handlers):
        self.actors[handle] = {op(message): handler for message, handler in handlers.items()}
        status = self.ask(REGISTER, name, handle)[2]
        if status != OK:
            raise Failed(f'{name}: status {status}')

    def start(self, to, message, body):
        """Calls without waiting; the answers come into the list that is returned."""
        self.numbers += 1
        self.answers[self.numbers] = []
        self.post(CALL, to, ME, self.numbers, message, body)
        return self.answers[self.numbers]

    def call(self, to, message, body):
        """The final answer's body."""
        answers = self.start(to, message, body)
        self.wait(lambda: answers and answers[-1][0] == REPLY, 15)
        return judge(answers[-1])


def judge(answer):
    """The body of an answer; raises what it failed with."""
    _, message, body = answer
    if message == op('Failed'):
        raise Failed(f'status {body.get(1, 0)}: {body.get(2, "")}')
    return body


links = []
last_beat = 0.0


def pump(seconds):
    """Waits for any link, takes what came, and shows that we live."""
    global last_beat
    zmq.select([link.socket for link in links], [], [], seconds)
    for link in links:
        link.take()
    if time.monotonic() - last_beat > 0.5:
        last_beat = time.monotonic()
        for link in links:
            link.send([BEAT, 0])


def random_number():
    return int.from_bytes(os.urandom(8), 'little')


def vector(*floats):
    """Repeated floats are one bin of little-endian float32."""
    return struct.pack(f'<{len(floats)}f', *floats)


def search(link):
    router = link.lookup('router')
    try:
        link.call(router, 'RouterCreateCollection', {1: 'planets', 2: 2, 3: 'euclidean'})
    except Failed as failed:  # status 3: it is there
        if 'status 3' not in str(failed):
            raise
    points = [{1: name, 2: vector(*at)} for name, at in
              {'mercury': (0.4, 0), 'venus': (0.7, 0.1), 'earth': (1, 0.2), 'mars': (1.5, 0.1)}.items()]
    link.call(router, 'RouterUpsert', {1: 'planets', 2: points})
    hits = link.call(router, 'RouterSearch', {1: 'planets', 2: vector(0.9, 0.2), 3: 2})
    for hit in hits[1]:
        print(f'router: {hit[1]} {hit.get(2, 0):.4f}')


def tap(link):
    """Sees the router's messages while another search runs: SysTap is answered in parts."""
    router, sys_actor = link.lookup('router'), link.lookup('sys')
    tapped = link.start(sys_actor, 'SysTap', {1: 'router', 8: 100, 9: 5})
    time.sleep(0.2)
    link.call(router, 'RouterSearch', {1: 'planets', 2: vector(1.4, 0.2), 3: 1})

    def seen():
        rows = [row for answer in tapped for row in judge(answer).get(1, [])]
        return [row for row in rows if row.get(3) == 'RouterSearch']
    row = link.wait(seen)[0]
    print(f'tap: {row[3]} to {row[6]}')


def clerk(link):
    """Is called: the census asks ext/clerk, which is this program."""
    asked = []

    def on_count(body):
        asked.append(body)
        return 'census.Counted', {1: 2, 2: ['pens', 'paper'], 3: len(asked)}
    link.register('ext/clerk', CLERK, {'census.Count': on_count})
    counted = link.call(link.lookup('census'), 'census.Ask', {1: 'ext/clerk'})
    print(f'clerk: asked {len(asked)} time, the census heard {", ".join(counted[2])}')


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        vectron, census = Link(sys.argv[1]), Link(sys.argv[2])
        search(vectron)
        clerk(census)
        tap(vectron)
        for link in links:
            link.close()
    except Failed as failed:
        sys.exit(f'guest.py: {failed}')


if __name__ == '__main__':
    main()
