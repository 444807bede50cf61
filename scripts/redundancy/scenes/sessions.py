"""Sessions that two instances share through a real Redis: who moves when an instance dies, and what a Redis costs that is gone, slow, silent or full.

Each instance has two listeners over the same backends: the sessions of one are shared, those of the other are in a table of the instance's own.
Requests to both are measured by turns, so the difference between the two is what sharing costs. SESSIONS are begun, PAIRS measured in each state of the
store. On a machine that has no processor to spare, 5 ms may not be enough for Redis to get its turn, and then a session moves by right: STORE_TIMEOUT is
what is waited where moves are counted, and is longer in the short form. What sharing costs is measured with the default.
"""

import asyncio
import contextlib
import multiprocessing
import os
import re
import signal
import socket
import statistics
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from harness import Processes, Row, free_port, get, kill, percentile, timing, told, wait_until

NEEDS = ("redis-server",)
BACKENDS = 3
# a load that leaves the processors some room: this is about sessions, and not about how fast they are
CONNECTIONS = 4
BATCH = 8
ADDED_MS = 1.0
DEFAULT_TIMEOUT = "5ms"


# --- backends, and the relay in front of Redis: a process of their own each, so that the load does not share a processor's turn with them


class Backend(asyncio.Protocol):
    """Answers each request with its name."""

    def __init__(self, name):
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + name.encode()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(self.answer * data.count(b"\r\n\r\n"))


def serve_backend(name, port):
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Backend(name), "127.0.0.1", port, backlog=1024)
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())


def serve_relay(port, to, delay):
    """Passes everything on to Redis, and its answers back `delay` seconds later."""

    async def pump(reader, writer, late):
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                pause = delay.value if late else 0
                if pause:
                    loop.call_later(pause, writer.write, data)
                else:
                    writer.write(data)
        writer.close()

    async def accept(reader, writer):
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", to)
        except OSError:
            return writer.close()
        await asyncio.gather(pump(reader, to_writer, False), pump(to_reader, writer, True))

    async def main():
        server = await asyncio.start_server(accept, "127.0.0.1", port)
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())


# --- what is tried


class Redis:
    def __init__(self, processes):
        self.port, self.processes = free_port(), processes
        self.start()

    def start(self):
        command = ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += ["--dir", self.processes.folder, "--maxmemory-policy", "noeviction"]
        self.process = self.processes.start("redis.log", command)
        wait_until("redis-server answers", lambda: self.call("PING") == "+PONG")

    def call(self, *words):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
                return s.makefile("rb").readline().decode().strip()
        except OSError:
            return None

    def kill(self):
        kill(self.process)


class Instance:
    def __init__(self, processes, evenkeel, name, ports, redis_port, timeout, entries):
        self.processes, self.evenkeel, self.folder, self.ports, self.entries = processes, evenkeel, processes.folder, ports, entries
        self.name, self.shared, self.alone, self.admin = name, free_port(), free_port(), free_port()
        self.file = Path(self.folder, f"{name}.toml")
        self.write(redis_port, timeout)
        self.start()

    def write(self, redis_port, timeout):
        folder, name = self.folder, self.name
        backends = lambda service: "".join(
            f'[[service.{service}.backend]]\nid = "{chr(97 + i)}"\naddress = "127.0.0.1:{port}"\n' for i, port in enumerate(self.ports)
        )
        limit = f"max_entries = {self.entries}"
        Path(folder, "session.key").write_text("0123456789abcdef" * 4)
        self.file.write_text(
            f'[server]\nworkers = 1\nstate_dir = "{folder}/{name}"\n[admin]\nbind = "127.0.0.1:{self.admin}"\n'
            f'[[listener]]\nname = "shared"\nbind = "127.0.0.1:{self.shared}"\nservice = "shared"\n'
            f'[[listener]]\nname = "alone"\nbind = "127.0.0.1:{self.alone}"\nservice = "alone"\n'
            f'[service.shared]\naffinity = {{ by = "header:x-user", {limit}, store = "redis://127.0.0.1:{redis_port}", '
            f'store_timeout = "{timeout}", '
            f'secret_file = "session.key" }}\n{backends("shared")}'
            f'[service.alone]\naffinity = {{ by = "header:x-user", {limit} }}\n{backends("alone")}'
        )

    def reload(self, redis_port, timeout=DEFAULT_TIMEOUT):
        self.write(redis_port, timeout)
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin}/api/v1/reload", method="POST", data=b"")
        urllib.request.urlopen(request, timeout=10).read()
        self.wait_for_store()

    def start(self):
        self.process = self.processes.start(f"{self.name}.log", [self.evenkeel, "run", "-c", self.file])
        wait_until(f"{self.name} is ready", lambda: get(self.admin, "/readyz"))
        self.wait_for_store()

    def wait_for_store(self):
        # for a moment of doubt nobody asks the store, and what is decided waits, before it is said to be gone
        wait_until(
            f"{self.name} has its store, which has taken what waited",
            lambda: self.metric("evenkeel_session_store_up") == 1 and not self.metric("evenkeel_session_store_queue_bytes"),
            60,
        )

    def metric(self, series):
        found = re.findall(rf"^{re.escape(series)}(?:{{[^}}]*}})? (\S+)$", get(self.admin, "/metrics"), re.M)
        return sum(map(float, found)) if found else None

    def lookups(self):
        page = get(self.admin, "/metrics")
        return ", ".join(f"{outcome} {count}" for outcome, count in re.findall(r'^evenkeel_session_lookups_total{service="shared",outcome="(\w+)"} (\d+)', page, re.M))

    def kill(self):
        kill(self.process)


def listens(port):
    socket.create_connection(("127.0.0.1", port)).close()
    return True


# --- the load


def request(user):
    return b"GET / HTTP/1.1\r\nHost: a\r\nX-User: user-%d\r\n\r\n" % user


async def answer(reader):
    """The body of an answer; None when there is none, or no good one."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            length = re.search(rb"(?i)content-length: (\d+)", head)
            await reader.readexactly(int(length.group(1)) if length else 0)
            return None
        return (await reader.readexactly(1)).decode()
    except (OSError, asyncio.IncompleteReadError):
        return None


async def serve(port_of, users, served):
    """Asks for these users; what serves each of them goes into `served`."""
    queue = list(reversed(users))

    async def connection():
        opened = {}
        while queue:
            batch = [queue.pop() for _ in range(min(BATCH, len(queue)))]
            for port in {port_of(user) for user in batch}:
                mine = [user for user in batch if port_of(user) == port]
                if port not in opened:
                    try:
                        opened[port] = await asyncio.open_connection("127.0.0.1", port)
                    except OSError:
                        continue
                reader, writer = opened[port]
                writer.write(b"".join(map(request, mine)))
                for user in mine:
                    body = await answer(reader)
                    if body is None:
                        del opened[port]
                        break
                    served[user] = body
        for _, writer in opened.values():
            writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))


def ask_all(port_of, users):
    served = {}
    asyncio.run(serve(port_of, users, served))
    return served


async def measure(instance, sessions, pairs, first_new, meanwhile):
    """Latencies in ms by turns, shared and alone; one request in five is of a session that is new. Returns also what was lost, and what served."""
    times, lost, served = ([], []), [0], {}
    connections = [await asyncio.open_connection("127.0.0.1", port) for port in (instance.shared, instance.alone)]
    if meanwhile:
        meanwhile()
    for turn in range(pairs):
        user = first_new + turn if turn % 5 == 0 else turn % sessions
        for which, (reader, writer) in enumerate(connections):
            began = time.perf_counter()
            writer.write(request(user))
            body = await answer(reader)
            times[which].append((time.perf_counter() - began) * 1e3)
            if body is None:
                lost[0] += 1
                connections[which] = await asyncio.open_connection("127.0.0.1", (instance.shared, instance.alone)[which])
            elif which == 0:
                served[user] = body
    for _, writer in connections:
        writer.close()
    return times, lost[0], served


def moved(before, after):
    return sum(1 for user, body in after.items() if before.get(user, body) != body)


@dataclass
class Setting:
    """What the parts below play with."""

    sessions: int
    pairs: int
    redis: Redis
    relay: int
    delay: object
    first: Instance
    second: Instance


def play(context):
    children = []
    spawn = multiprocessing.get_context("fork").Process
    delay = multiprocessing.Value("d", 0.0)
    sessions, pairs = context.size("SESSIONS", 3_000, 20_000, 100_000), context.size("PAIRS", 400, 4000, 4000)
    with tempfile.TemporaryDirectory(prefix="evenkeel-sessions-") as folder, Processes(folder) as processes:
        try:
            ports = [free_port() for _ in range(BACKENDS)]
            redis, relay = Redis(processes), free_port()
            jobs = [(serve_backend, (chr(97 + i), port)) for i, port in enumerate(ports)] + [(serve_relay, (relay, redis.port, delay))]
            for target, arguments in jobs:
                child = spawn(target=target, args=arguments, daemon=True)
                child.start()
                children.append(child)
            for port in [*ports, relay]:
                wait_until("backends and the relay listen", lambda port=port: listens(port))
            timeout = os.environ.get("STORE_TIMEOUT", "1s" if context.form == "short" else DEFAULT_TIMEOUT)
            first, second = (Instance(processes, context.evenkeel, name, ports, redis.port, timeout, sessions * 2) for name in ("first", "second"))
            setting = Setting(sessions, pairs, redis, relay, delay, first, second)
            before = yield from begun_and_crossed(setting)
            yield from an_instance_dies(setting, before)
            yield from store_in_trouble(setting, before)
        finally:
            for child in children:
                child.terminate()


def begun_and_crossed(setting):
    first, second, sessions, users = setting.first, setting.second, setting.sessions, list(range(setting.sessions))
    both = lambda user: first.shared if user % 2 else second.shared
    crossed = lambda user: second.shared if user % 2 else first.shared
    began = time.monotonic()
    before = ask_all(both, users)
    sizes = sorted(list(before.values()).count(name) for name in set(before.values()))
    seen = f"{len(before)} in {time.monotonic() - began:.1f} s; {sizes[0]} to {sizes[-1]} at each backend"
    yield Row("sessions begun, half of them on each instance", f"{sessions}, about even", seen, len(before) == sessions and sizes[0] * 1.2 > sizes[-1])
    after = ask_all(crossed, users)
    went = moved(before, after)
    yield Row("moved when each comes to the other instance; requests lost", "0; 0", f"{went}; {sessions - len(after)}", went == 0 and len(after) == sessions)
    yield told("lookups of the two", f"{first.lookups()}; {second.lookups()}")
    return before


def an_instance_dies(setting, before):
    """It dies while it begins sessions: whoever had an answer from it is served by the same backend."""
    first, second, sessions, users = setting.first, setting.second, setting.sessions, list(range(setting.sessions))
    new, begun = list(range(sessions, 2 * sessions)), {}

    async def die():
        async def at_a_quarter():
            while len(begun) < sessions // 4:
                await asyncio.sleep(0.005)
            first.kill()

        await asyncio.gather(serve(lambda _: first.shared, new, begun), at_a_quarter())

    asyncio.run(die())
    rest = ask_all(lambda _: second.shared, users + list(begun))
    went, lost = moved(before | begun, rest), sessions + len(begun) - len(rest)
    yield Row(
        f"an instance is killed while it begins sessions: moved, of {sessions + len(begun)}; requests lost by the other one", "0; 0", f"{went}; {lost}", went + lost == 0
    )
    first.start()
    again = ask_all(lambda _: first.shared, users)
    went = moved(before, again)
    yield Row("moved when it is back, with nothing in its memory", "0", str(went), went == 0)


def store_in_trouble(setting, before):
    redis, delay, first, second = setting.redis, setting.delay, setting.first, setting.second

    def full():
        redis.call("CONFIG", "SET", "maxmemory", "1")

    def slow():
        delay.value = 1.0

    def well():
        redis.process.send_signal(signal.SIGCONT)
        delay.value = 0.0
        redis.call("CONFIG", "SET", "maxmemory", "0")
        if redis.process.poll() is not None:
            redis.start()

    states = [
        ("well", None),
        ("full (maxmemory, noeviction)", full),
        ("slow (answers after 1 s)", slow),
        ("stopped (SIGSTOP)", lambda: redis.process.send_signal(signal.SIGSTOP)),
        ("killed (SIGKILL)", redis.kill),
    ]
    next_new = 10 * setting.sessions
    second.reload(redis.port)
    for name, change in states:
        if change is slow:
            second.reload(setting.relay)
        times, lost, served = asyncio.run(measure(second, setting.sessions, setting.pairs, next_new, change))
        (median, tail), (alone, alone_tail) = [(statistics.median(t), percentile(t, 0.99)) for t in times]
        went = moved(before, served)
        yield timing(
            f"Redis is {name}: added to the median and to the p99 of an answer",
            f"<= {ADDED_MS:g} ms",
            f"{median - alone:.2f} ms, {tail - alone_tail:.2f} ms; shared {median:.2f} and {tail:.2f} ms, worst {max(times[0]):.1f} ms",
            max(median - alone, tail - alone_tail) <= ADDED_MS,
        )
        yield Row("moved; requests lost", "0; 0", f"{went}; {lost}", went + lost == 0)
        well()
        second.wait_for_store()
        if change is slow:
            second.reload(redis.port)
        first.wait_for_store()
        # what was decided meanwhile is known to the other instance
        follow = ask_all(lambda _: first.shared, [user for user in served if user >= next_new])
        went = moved(served, follow)
        # a store that is full takes nothing in, and one that was killed has lost the rest, which is asked for again within 10 s
        yield told("of those begun meanwhile, moved at the other instance", went) if change is full else Row(
            "of those begun meanwhile, moved at the other instance", "0", str(went), went == 0
        )
        next_new += setting.pairs
