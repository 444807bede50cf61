#!/usr/bin/env python3
"""The backends of one situation: listeners on loopback in one process, whose behaviour follows a timetable.

Reads one JSON object from standard input (`backends`, `seed`, `usual`, `timetable`), prints the ports, reads the moment at which the
situation begins (seconds of the monotonic clock), and at the end of its input writes every request that arrived to the file it was given.

A timetable is a list of `[seconds, backend, {key: value}]`; the keys are the attributes of `Behaviour`. What hits the whole process
(closed, stopped, hanging, all errors, all resets, garbage, slowness) hits health checks too; what hits some requests does not.
"""

import asyncio
import gc
import heapq
import json
import math
import os
import random
import socket
import struct
import sys
import time

BODY = bytes(97 + i % 26 for i in range(1000))
GARBAGE = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is not HTTP\r\n\r\n"
SERVICE_TIME = 0.005  # median, seconds
SPREAD = 0.2  # of the service time's logarithm: p99 is 1.6 times the median


class Behaviour:
    """How a backend treats requests. The attributes are what a timetable may set."""

    def __init__(self):
        self.slow = 1.0  # times the service time
        self.grows = None  # [to, seconds]: `slow` rises evenly from 1
        self.cools = None  # [from, seconds]: `slow` falls from there to 1 with this time constant
        self.wait = 0.0  # seconds that every answer takes in addition
        self.spread = SPREAD
        self.workers = None  # so many requests are worked on at a time, and the others wait for their turn; None = all
        self.errors = 0.0  # share of requests answered with 500
        self.error_path = None
        self.resets = 0.0  # share of requests on kept connections; 1 = all requests
        self.garbage = False
        self.hang = False
        self.stall = False  # half of each body, then nothing
        self.cpu = None  # in its load reports
        self.ready = True  # what the check is told; while it is not, connections are closed after the answer
        self.closed = False  # nobody listens
        self.stopped = False  # as by SIGSTOP: the kernel takes connections and requests, nothing is answered until it goes on
        self.since = 0.0

    def service_time(self, draw, now):
        slow = self.slow
        if self.grows:
            to, seconds = self.grows
            slow = 1 + (to - 1) * min((now - self.since) / seconds, 1)
        if self.cools:
            start, seconds = self.cools
            slow = 1 + (start - 1) * math.exp((self.since - now) / seconds)
        return SERVICE_TIME * slow * draw.lognormvariate(0, self.spread) + self.wait


class Backend:
    def __init__(self, number, fleet):
        self.number, self.fleet = number, fleet
        self.behaviour = Behaviour()
        self.connections = set()
        self.free_at = []  # of each worker, when it has done all that it was given
        self.held = []  # what was to be done while it was stopped
        # keeps the port while nobody listens on it
        self.place = socket.socket()
        self.place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.place.bind(("127.0.0.1", 0))
        self.port = self.place.getsockname()[1]
        self.listener = None

    def apply(self, changes):
        was_closed, was_stopped = self.behaviour.closed, self.behaviour.stopped
        for key, value in changes.items():
            assert hasattr(self.behaviour, key), key
            setattr(self.behaviour, key, value)
        if "workers" in changes:
            self.free_at = [0.0] * (changes["workers"] or 0)
        self.behaviour.since = time.monotonic()
        if self.behaviour.closed != was_closed:
            self.close() if self.behaviour.closed else self.listen()
        if was_stopped and not self.behaviour.stopped:
            held, self.held = self.held, []
            for action, arguments in held:
                action(*arguments)

    def listen(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(4096)
        self.listener.setblocking(False)
        self.fleet.loop.add_reader(self.listener, self.accept)

    def accept(self):
        try:
            while True:
                connection, _ = self.listener.accept()
                connection.setblocking(False)
                task = self.fleet.loop.connect_accepted_socket(lambda: Connection(self), connection)
                self.fleet.keep(self.fleet.loop.create_task(task))
        except OSError:
            pass

    def takes(self, now):
        """How long a request takes that has come now: its work, and before that the wait for a worker."""
        work = self.behaviour.service_time(self.fleet.draw, now)
        if not self.free_at:
            return work
        # by the times at which it should be done, so that a timer that is late costs no capacity
        done = max(now, heapq.heappop(self.free_at)) + work
        heapq.heappush(self.free_at, done)
        return done - now

    def close(self):
        """As the kernel does for a process that has ended; one that was not ready first answers what it has."""
        self.fleet.loop.remove_reader(self.listener)
        self.listener.close()
        for connection in list(self.connections):
            if self.behaviour.ready or not connection.busy:
                connection.transport.abort()


class Connection(asyncio.Protocol):
    def __init__(self, backend):
        self.backend, self.buffer, self.requests, self.busy = backend, b"", 0, False

    def connection_made(self, transport):
        self.transport = transport
        self.backend.connections.add(self)

    def connection_lost(self, error):
        self.backend.connections.discard(self)

    def data_received(self, data):
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            path = self.buffer[: self.buffer.find(b"\r\n")].split(b" ")[1]
            self.buffer = self.buffer[end + 4 :]
            self.request(path)

    def request(self, path):
        backend, fleet = self.backend, self.backend.fleet
        self.requests += 1
        self.busy = True
        path = path.partition(b"?")[0]
        if path != b"/health":
            fleet.arrivals.append((time.monotonic(), backend.number))
        if backend.behaviour.stopped:
            backend.held.append((self.treat, (path,)))
        else:
            self.treat(path)

    def treat(self, path):
        fleet, behaviour, draw = self.backend.fleet, self.backend.behaviour, self.backend.fleet.draw
        check = path == b"/health"
        if behaviour.hang:
            return
        kept = self.requests > 1 or behaviour.resets >= 1
        if behaviour.resets and kept and (behaviour.resets >= 1 or not check) and draw.random() < behaviour.resets:
            self.reset()
            return
        if behaviour.garbage:
            self.send(GARBAGE, True)
            return
        status = self.status(check, path)
        takes = 10.0 if path == b"/poll" else self.backend.takes(time.monotonic())
        fleet.loop.call_later(takes, self.answer, status, behaviour.stall and not check)

    def status(self, check, path):
        behaviour = self.backend.behaviour
        if check:
            return b"503 Service Unavailable" if not behaviour.ready or behaviour.errors >= 1 else b"200 OK"
        if path.startswith(b"/status/"):
            return path[8:] + b" as asked for"
        if path.decode() == behaviour.error_path or self.backend.fleet.draw.random() < behaviour.errors:
            return b"500 Internal Server Error"
        return b"200 OK"

    def answer(self, status, stalls):
        behaviour = self.backend.behaviour
        fields = b"HTTP/1.1 " + status + b"\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n" % len(BODY)
        if behaviour.cpu is not None:
            fields += b"endpoint-load-metrics: TEXT cpu_utilization=%.2f,mem_utilization=0.40\r\n" % behaviour.cpu
        if not behaviour.ready:
            fields += b"Connection: close\r\n"
        body = BODY[: len(BODY) // 2] if stalls else BODY
        self.send(fields + b"\r\n" + body, not behaviour.ready)

    def send(self, answer, then_close):
        if self.backend.behaviour.stopped:
            self.backend.held.append((self.send, (answer, then_close)))
            return
        self.busy = False
        if not self.transport.is_closing():
            self.transport.write(answer)
            if then_close:
                self.transport.close()

    def reset(self):
        linger = struct.pack("ii", 1, 0)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()


class Fleet:
    def __init__(self, plan):
        self.plan, self.draw = plan, random.Random(plan["seed"])
        self.arrivals, self.tasks = [], set()
        self.loop = asyncio.get_running_loop()
        self.backends = [Backend(number, self) for number in range(plan["backends"])]
        for backend in self.backends:
            if plan["usual"].get("closed"):
                backend.behaviour.closed = True
            else:
                backend.listen()
            backend.apply({key: value for key, value in plan["usual"].items() if key != "closed"})

    def keep(self, task):
        """Holds on to a task until it has ended: the loop alone does not."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def begin(self, start):
        for at, backend, changes in self.plan["timetable"]:
            self.loop.call_at(start + at, self.backends[backend].apply, changes)


async def main(path):
    loop = asyncio.get_running_loop()
    fleet = Fleet(json.loads(sys.stdin.readline()))
    print(*(backend.port for backend in fleet.backends), flush=True)
    start = float(await loop.run_in_executor(None, sys.stdin.readline) or "0")
    fleet.begin(start)
    await loop.run_in_executor(None, sys.stdin.readline)
    with open(path, "w") as out:
        json.dump(fleet.arrivals, out)
    os._exit(0)  # what is open ends with the process


gc.disable()  # its pauses would be all backends' pauses
asyncio.run(main(sys.argv[1]))
