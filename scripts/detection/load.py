#!/usr/bin/env python3
"""Open-loop load: requests leave at their times, whether or not earlier ones were answered, and latency counts from the planned time.

Reads one JSON object from standard input: `port`, `start` (seconds of the monotonic clock), `phases` as `[from, to, requests a second]`,
`seed`, `patience` (seconds until a client gives up), `bad` (share of requests for an answer that is an error by itself), `polls` (times of
requests that take 10 s), and where other paths are wanted, `paths` as `[path, share]`. Prints one JSON array: `[planned, sent, seconds,
outcome, path]` for each request, times from `start`. The outcome is a status, 0 for a connection that failed or broke, -1 for a client that
gave up.
"""

import asyncio
import collections
import gc
import json
import random
import re
import sys

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.I)
CLOSES = re.compile(rb"\r\nconnection: *close", re.I)
CONNECTIONS = 64  # that are open from the start; more are opened when none is free
BAD_PATHS = ["/status/400", "/status/404", "/status/500"]


class Connection(asyncio.Protocol):
    def __init__(self, load):
        self.load, self.buffer, self.request = load, b"", None

    def connection_made(self, transport):
        self.transport = transport

    def send(self, request):
        self.request, self.buffer, self.needed = request, b"", None
        self.load.in_flight[request.number] = (request, self)
        request.sent = self.load.loop.time()
        self.transport.write(b"GET %s?%d HTTP/1.1\r\nHost: load.test\r\n\r\n" % (request.path.encode(), request.number))

    def data_received(self, data):
        self.buffer += data
        if self.request is None:
            return
        if self.needed is None:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[: end + 2]
            self.status, self.closes = int(head[9:12]), bool(CLOSES.search(head))
            length = LENGTH.search(head)
            # without a length the answer ends with its last chunk, or with the connection
            self.chunked = not length and bool(CHUNKED.search(head))
            self.needed = end + 4 + int(length.group(1)) if length else float("inf")
        if len(self.buffer) >= self.needed or self.chunked and self.buffer.endswith(b"\r\n0\r\n\r\n"):
            self.end(self.status)

    def connection_lost(self, error):
        if self.request is not None:
            unframed = self.needed == float("inf") and not self.chunked and error is None
            self.end(self.status if unframed else 0)
        self.load.forget(self)

    def end(self, outcome):
        request, self.request = self.request, None
        self.load.in_flight.pop(request.number, None)
        request.end(outcome, self.load.loop.time())
        if outcome <= 0 or self.closes:
            self.transport.abort()
        else:
            self.load.free.append(self)


class Request:
    __slots__ = ("number", "planned", "path", "sent", "took", "outcome")

    def __init__(self, number, planned, path):
        self.number, self.planned, self.path = number, planned, path
        self.sent = self.took = self.outcome = None

    def end(self, outcome, now):
        self.outcome, self.took = outcome, now - self.planned


class Load:
    def __init__(self, plan, loop):
        self.plan, self.loop = plan, loop
        self.free, self.in_flight, self.tasks = collections.deque(), {}, set()
        self.requests = self.timetable()

    def timetable(self):
        """Arrivals of a Poisson process, and the polls."""
        draw, start, planned = random.Random(self.plan["seed"]), self.plan["start"], []
        paths, shares = zip(*self.plan.get("paths", [[f"/p{number}", 1] for number in range(10)]))
        for begin, end, rate in self.plan["phases"]:
            at = begin + draw.expovariate(rate)
            while at < end:
                bad = draw.random() < self.plan["bad"]
                planned.append((start + at, draw.choice(BAD_PATHS) if bad else draw.choices(paths, shares)[0]))
                at += draw.expovariate(rate)
        planned += [(start + at, "/poll") for at in self.plan["polls"]]
        return [Request(number, at, path) for number, (at, path) in enumerate(sorted(planned))]

    def forget(self, connection):
        if connection in self.free:
            self.free.remove(connection)

    def send(self, request):
        while self.free:
            connection = self.free.popleft()
            if not connection.transport.is_closing():
                connection.send(request)
                return
        task = self.loop.create_task(self.connect(request))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def connect(self, request):
        try:
            _, connection = await self.loop.create_connection(lambda: Connection(self), "127.0.0.1", self.plan["port"])
        except OSError:
            if request is not None:
                request.sent = self.loop.time()
                request.end(0, self.loop.time())
            return
        if request is None:
            self.free.append(connection)
        else:
            connection.send(request)

    def give_up(self):
        """Clients that have waited for long enough go away."""
        now = self.loop.time()
        for request, connection in list(self.in_flight.values()):
            if now - request.planned < self.plan["patience"]:
                break  # those after it were sent later
            connection.end(-1)

    def pump(self, following):
        """Sends what is due, and comes back for what is not."""
        now = self.loop.time()
        while following < len(self.requests) and self.requests[following].planned <= now:
            self.send(self.requests[following])
            following += 1
        if following < len(self.requests):
            self.loop.call_at(self.requests[following].planned, self.pump, following)
        else:
            self.all_sent.set()

    async def run(self):
        self.all_sent = asyncio.Event()
        await asyncio.gather(*(self.connect(None) for _ in range(CONNECTIONS)))
        self.pump(0)
        while not self.all_sent.is_set() or self.in_flight or self.tasks:
            await asyncio.sleep(0.05)
            self.give_up()


async def main():
    loop = asyncio.get_running_loop()
    load = Load(json.loads(sys.stdin.readline()), loop)
    await load.run()
    start = load.plan["start"]
    rows = [(r.planned - start, r.sent - start, r.took, r.outcome, r.path) for r in load.requests]
    json.dump([[round(value, 4) if isinstance(value, float) else value for value in row] for row in rows], sys.stdout)


gc.disable()
asyncio.run(main())
