#!/usr/bin/env python3
"""Sessions that two instances share through a real Redis: who moves when an instance dies, and what a Redis costs that is gone, slow, silent or full.

    EVENKEEL=target/release/evenkeel scripts/redundancy/sessions.py [SESSIONS]

SESSIONS is 100,000 where it is not given. Everything runs on loopback, on ports of the kernel's choice; `redis-server` has to be installed.
Each instance has two listeners over the same backends: the sessions of one are shared, those of the other are in a table of the instance's own.
Requests to both are measured by turns, so the difference between the two is what sharing costs. Ends with 1 when something is not as promised.
"""

import asyncio
import contextlib
import multiprocessing
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

SESSIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
BINARY = os.environ.get("EVENKEEL", "target/release/evenkeel")
BACKENDS = 3
# a load that leaves the processors some room: this is about sessions, and not about how fast they are
CONNECTIONS = 4
BATCH = 8
# of the measurement of each state of the store
PAIRS = int(os.environ.get("PAIRS", "4000"))
ADDED_MS = 1.0
# on a machine that has no processor to spare, 5 ms may not be enough for Redis to get its turn
TIMEOUT = f'store_timeout = "{os.environ["STORE_TIMEOUT"]}", ' if "STORE_TIMEOUT" in os.environ else ""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


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
    def __init__(self, folder):
        self.port, self.folder, self.process = free_port(), folder, None
        self.start()

    def start(self):
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += ["--dir", self.folder, "--maxmemory-policy", "noeviction"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("redis-server answers", lambda: self.call("PING") == "+PONG")

    def call(self, *words):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
                return s.makefile("rb").readline().decode().strip()
        except OSError:
            return None

    def kill(self):
        self.process.kill()
        self.process.wait()


class Instance:
    def __init__(self, folder, name, ports, redis_port):
        self.folder, self.ports = folder, ports
        self.name, self.shared, self.alone, self.admin = name, free_port(), free_port(), free_port()
        self.file = os.path.join(folder, f"{name}.toml")
        self.write(redis_port)
        self.process = None
        self.start()

    def write(self, redis_port):
        folder, name = self.folder, self.name
        backends = lambda service: "".join(
            f'[[service.{service}.backend]]\nid = "{chr(97 + i)}"\naddress = "127.0.0.1:{port}"\n' for i, port in enumerate(self.ports)
        )
        limit = f"max_entries = {SESSIONS * 2}"
        with open(os.path.join(folder, "session.key"), "w") as key:
            key.write("0123456789abcdef" * 4)
        with open(self.file, "w") as file:
            file.write(
                f'[server]\nworkers = 1\nstate_dir = "{folder}/{name}"\n[admin]\nbind = "127.0.0.1:{self.admin}"\n'
                f'[[listener]]\nname = "shared"\nbind = "127.0.0.1:{self.shared}"\nservice = "shared"\n'
                f'[[listener]]\nname = "alone"\nbind = "127.0.0.1:{self.alone}"\nservice = "alone"\n'
                f'[service.shared]\naffinity = {{ by = "header:x-user", {limit}, store = "redis://127.0.0.1:{redis_port}", {TIMEOUT}'
                f'secret_file = "session.key" }}\n{backends("shared")}'
                f'[service.alone]\naffinity = {{ by = "header:x-user", {limit} }}\n{backends("alone")}'
            )

    def reload(self, redis_port):
        self.write(redis_port)
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin}/api/v1/reload", method="POST", data=b"")
        urllib.request.urlopen(request, timeout=10).read()
        until(f"{self.name} has its store", lambda: self.metric("evenkeel_session_store_up") == 1)

    def start(self):
        log = open(self.file + ".log", "a")
        self.process = subprocess.Popen([BINARY, "run", "-c", self.file], stderr=log, stdout=log)
        until(f"{self.name} is ready", lambda: self.ask("/readyz") is not None)
        until(f"{self.name} has its store", lambda: self.metric("evenkeel_session_store_up") == 1)

    def ask(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def metric(self, series):
        found = re.findall(rf"^{re.escape(series)}(?:{{[^}}]*}})? (\S+)$", self.ask("/metrics") or "", re.M)
        return sum(map(float, found)) if found else None

    def lookups(self, outcome):
        page = self.ask("/metrics") or ""
        found = re.search(rf'^evenkeel_session_lookups_total{{service="shared",outcome="{outcome}"}} (\d+)', page, re.M)
        return int(found.group(1)) if found else 0

    def kill(self):
        self.process.kill()
        self.process.wait()


def until(what, done, limit=30):
    deadline = time.monotonic() + limit
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {limit} s in vain: {what}")
        time.sleep(0.02)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


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


async def measure(instance, first_new, meanwhile):
    """Latencies in ms by turns, shared and alone; one request in five is of a session that is new. Returns also what was lost, and what served."""
    times, lost, served = ([], []), [0], {}
    connections = [await asyncio.open_connection("127.0.0.1", port) for port in (instance.shared, instance.alone)]
    if meanwhile:
        meanwhile()
    for turn in range(PAIRS):
        user = first_new + turn if turn % 5 == 0 else turn % SESSIONS
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


def p(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Table:
    def __init__(self):
        self.failed = False
        print(f"{'what':58} {'value':>14}   promised")

    def row(self, what, value, promised, good):
        self.failed |= not good
        print(f"{what:58} {value:>14}   {promised}{'' if good else '   <-- not kept'}", flush=True)


def moved(before, after):
    return sum(1 for user, body in after.items() if before.get(user, body) != body)


def main():
    if not shutil.which("redis-server"):
        raise SystemExit("redis-server is not installed")
    folder, children = tempfile.mkdtemp(prefix="evenkeel-sessions-"), []
    spawn = multiprocessing.get_context("fork").Process
    delay = multiprocessing.Value("d", 0.0)
    redis = instances = None
    try:
        ports = [free_port() for _ in range(BACKENDS)]
        redis, relay = Redis(folder), free_port()
        jobs = [(serve_backend, (chr(97 + i), port)) for i, port in enumerate(ports)] + [(serve_relay, (relay, redis.port, delay))]
        for target, arguments in jobs:
            child = spawn(target=target, args=arguments, daemon=True)
            child.start()
            children.append(child)
        for port in [*ports, relay]:
            until("backends and the relay listen", lambda: listens(port))
        instances = [Instance(folder, name, ports, redis.port) for name in ("first", "second")]
        return play(redis, relay, delay, *instances)
    finally:
        for process in [redis and redis.process, *(i.process for i in instances or [])]:
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
        for child in children:
            child.terminate()
        shutil.rmtree(folder, ignore_errors=True)


def tell_lookups(*instances):
    for instance in instances:
        outcomes = ("hit", "shared", "new", "timeout", "failed", "unavailable")
        print(f"lookups of the {instance.name} instance: " + ", ".join(f"{o} {instance.lookups(o)}" for o in outcomes))


def play(redis, relay, delay, first, second):
    table, users = Table(), list(range(SESSIONS))
    both = lambda user: first.shared if user % 2 else second.shared
    crossed = lambda user: second.shared if user % 2 else first.shared

    began = time.monotonic()
    before = ask_all(both, users)
    table.row("sessions begun, half on each instance", len(before), f"{SESSIONS}", len(before) == SESSIONS)
    sizes = sorted(list(before.values()).count(name) for name in set(before.values()))
    table.row("  smallest and largest share of a backend", f"{sizes[0]}..{sizes[-1]}", "about even", sizes[0] * 1.2 > sizes[-1])
    table.row("  seconds", f"{time.monotonic() - began:.1f}", "-", True)
    after = ask_all(crossed, users)
    tell_lookups(first, second)
    table.row("moved when each comes to the other instance", moved(before, after), "0", moved(before, after) == 0)
    table.row("  requests lost", SESSIONS - len(after), "0", len(after) == SESSIONS)

    # an instance dies while it begins sessions: whoever had an answer from it is served by the same backend
    new, begun = list(range(SESSIONS, 2 * SESSIONS)), {}

    async def die():
        async def kill():
            while len(begun) < SESSIONS // 4:
                await asyncio.sleep(0.005)
            first.kill()

        await asyncio.gather(serve(lambda _: first.shared, new, begun), kill())

    asyncio.run(die())
    rest = ask_all(lambda _: second.shared, users + list(begun))
    lost = SESSIONS + len(begun) - len(rest)
    table.row("sessions begun by an instance that is killed meanwhile", len(begun), "-", True)
    table.row("moved when it is dead, of all", moved(before | begun, rest), "0", moved(before | begun, rest) == 0)
    table.row("  requests lost by the other instance", lost, "0", lost == 0)
    first.start()
    again = ask_all(lambda _: first.shared, users)
    table.row("moved when it is back, with nothing in its memory", moved(before, again), "0", moved(before, again) == 0)

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
    known, next_new = dict(before), 10 * SESSIONS
    for name, change in states:
        if change is slow:
            second.reload(relay)
        times, lost, served = asyncio.run(measure(second, next_new, change))
        (median, tail), (alone, alone_tail) = [(statistics.median(t), p(t, 0.99)) for t in times]
        went = moved(known, served)
        print(f"Redis is {name}: median {median:.3f} ms, p99 {tail:.3f} ms, worst {max(times[0]):.1f} ms; alone {alone:.3f}, {alone_tail:.3f}, {max(times[1]):.1f} ms")
        for what, more in (("median", median - alone), ("p99", tail - alone_tail)):
            table.row(f"  added to the {what}, ms", f"{more:.3f}", f"<= {ADDED_MS}", more <= ADDED_MS)
        table.row("  moved", went, "0", went == 0)
        table.row("  requests lost", lost, "0", lost == 0)
        well()
        until("the store is asked again", lambda: second.metric("evenkeel_session_store_up") == 1, 60)
        if change is slow:
            second.reload(redis.port)
        until("and by the other instance", lambda: first.metric("evenkeel_session_store_up") == 1, 60)
        # what was decided meanwhile is known to the other instance
        fresh = [user for user in served if user >= next_new]
        follow = ask_all(lambda _: first.shared, fresh)
        went = moved(served, follow)
        # a store that is full takes nothing in, and one that was killed has lost the rest, which is asked for again within 10 s
        table.row("  of those begun meanwhile, moved at the other instance", went, "0" if change is not full else "-", went == 0 or change is full)
        next_new += PAIRS
    tell_lookups(first, second)
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
