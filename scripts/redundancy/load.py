"""A client with an open loop: so many requests a second, whatever comes back, until its standard input ends.

    load.py ADDRESS PORT RATE http1|h2 SHARE FILE

HTTP/1: SHARE of the requests go over kept connections, the others over a new one each. HTTP/2 (by prior knowledge): all go over a few
connections, which are kept. A connection that is refused carries nothing, so the client connects again, as clients do; a request that was sent is never
sent again: without an answer it is lost. But for one thing: what HTTP/2 says was not processed (REFUSED_STREAM, or a stream above GOAWAY's last one)
is sent again, as the protocol allows and clients do. Each request is a line in FILE: when it was begun and over, what came of it, how often
connecting was refused, and how often it was sent again.
"""

import asyncio
import json
import random
import socket
import sys
import time

from http2 import NOT_SENT, UNPROCESSED, Http2

PATIENCE = 6.0
AGAIN = 0.01
CONNECTIONS = 8
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Http1(asyncio.Protocol):
    def __init__(self):
        self.waits = None
        self.seen = b""
        self.is_open, self.is_kept = True, True

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.seen += data
        head, end, body = self.seen.partition(b"\r\n\r\n")
        if end and len(body) >= 2:
            if b"connection: close" in head.lower():
                self.is_kept = False
            self.done("ok" if head.startswith(b"HTTP/1.1 200 ") else "status " + head[9:12].decode())

    def eof_received(self):
        self.is_kept = False
        self.done("closed")

    def connection_lost(self, error):
        self.is_open = False
        self.done("reset" if error else "closed")

    def done(self, outcome):
        if self.waits is not None and not self.waits.done():
            self.waits.set_result(outcome)

    async def ask(self, loop, request):
        self.seen, self.waits = b"", loop.create_future()
        if not self.is_open:
            return "closed"
        self.transport.write(request)
        return await self.waits


class Client:
    def __init__(self, address, port):
        self.at, self.seen = (address, port), []

    async def connect(self, loop, protocol):
        refused = 0
        while True:
            try:
                _, connection = await loop.create_connection(protocol, *self.at, family=socket.AF_INET)
                return connection, refused
            except OSError:
                refused += 1
                await asyncio.sleep(AGAIN)

    def note(self, begin, outcome, refused, again=0):
        self.seen.append((begin, time.monotonic(), outcome, refused, again))


class Http1Client(Client):
    def __init__(self, address, port, share):
        super().__init__(address, port)
        self.share, self.kept = share, []

    async def one(self, loop, begin):
        keeps, refused = random.random() < self.share, 0
        outcome, connection = "no answer", None
        try:
            async with asyncio.timeout(PATIENCE):
                while keeps and self.kept and connection is None:
                    connection = self.kept.pop()
                    # an end that has arrived is known before anything is sent
                    if not (connection.is_open and connection.is_kept):
                        connection.transport.close()
                        connection = None
                if connection is None:
                    connection, refused = await self.connect(loop, Http1)
                request = REQUEST if keeps else REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
                outcome = await connection.ask(loop, request)
        except TimeoutError:
            pass
        if connection is not None:
            if keeps and outcome == "ok" and connection.is_kept and connection.is_open:
                self.kept.append(connection)
            else:
                connection.transport.close()
        self.note(begin, outcome, refused)


class Http2Client(Client):
    def __init__(self, address, port):
        super().__init__(address, port)
        # each place has a connection, or the task that makes one, which all who come meanwhile wait for
        self.places = [None] * CONNECTIONS

    async def connection(self, loop, place):
        held = self.places[place]
        if held is None or (held.done() and not held.result()[0].takes_requests()):
            held = self.places[place] = loop.create_task(self.connect(loop, Http2))
        # whoever is out of patience does not break the connection off for the others
        return await asyncio.shield(held)

    async def one(self, loop, begin):
        outcome, refused, again = NOT_SENT, 0, 0
        try:
            async with asyncio.timeout(PATIENCE):
                while outcome in (NOT_SENT, UNPROCESSED):
                    connection, refused = await self.connection(loop, random.randrange(CONNECTIONS))
                    outcome = await connection.ask(loop)
                    again += outcome == UNPROCESSED
        except TimeoutError:
            outcome = "no answer"
        self.note(begin, outcome, refused, again)


async def main(address, port, rate, over, share, file):
    loop = asyncio.get_running_loop()
    client = Http2Client(address, int(port)) if over == "h2" else Http1Client(address, int(port), float(share))
    ends, tasks = asyncio.Event(), set()

    def ended():
        if not sys.stdin.buffer.raw.read(1):
            loop.remove_reader(sys.stdin.fileno())
            ends.set()

    loop.add_reader(sys.stdin.fileno(), ended)
    begin, sent = time.monotonic(), 0
    with open(file, "w") as out:
        while not ends.is_set() or tasks:
            due = 0 if ends.is_set() else int((time.monotonic() - begin) * float(rate)) - sent
            for _ in range(due):
                task = loop.create_task(client.one(loop, time.monotonic()))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            sent += due
            seen, client.seen = client.seen, []
            out.writelines(json.dumps(one) + "\n" for one in seen)
            await asyncio.sleep(0.002)
        out.writelines(json.dumps(one) + "\n" for one in client.seen)


asyncio.run(main(*sys.argv[1:]))
