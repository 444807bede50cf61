#!/usr/bin/env python3
"""Zones that are preferred: spill-over keeps the load of each backend even, and nobody waits for a zone that is cut.

Three zones, each a network namespace with two instances of Evenkeel and some backends, at a bridge in a fourth namespace where the clients are.
It needs root and `ip`, and nothing beyond Python's standard library.

    EVENKEEL=target/release/evenkeel scripts/redundancy/zones.py [even] [cut]

REQUESTS, RATE and CUT_SECONDS change how many requests `even` measures at least, the requests a second, and how long `cut` is.
"""

import asyncio
import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from namespaces import clean, inside, ip, processes, run, space

EVENKEEL = os.path.abspath(os.environ.get("EVENKEEL", "target/release/evenkeel"))
REQUESTS = int(os.environ.get("REQUESTS", "50000"))
RATE = int(os.environ.get("RATE", "1000"))
SECONDS = float(os.environ.get("CUT_SECONDS", "12"))
TAG = f"ekz{os.getpid()}"
HUB = f"{TAG}-hub"
ME = os.path.abspath(__file__)
ZONES = "abc"
INSTANCES = 2

ROWS = []


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process in processes:
        processes.remove(process)


def address(zone, number=0):
    """0 = the backends, from 1 on the instances."""
    return f"10.80.0.{(ZONES.index(zone) + 1) * 10 + number}"


def set_up():
    space(HUB)
    ip("-n", HUB, "link", "add", "br0", "type", "bridge")
    ip("-n", HUB, "addr", "add", "10.80.0.1/24", "dev", "br0")
    ip("-n", HUB, "link", "set", "br0", "up")
    for zone in ZONES:
        there = f"{TAG}-{zone}"
        space(there)
        ip("-n", HUB, "link", "add", f"z{zone}", "type", "veth", "peer", "name", "eth0", "netns", there)
        ip("-n", HUB, "link", "set", f"z{zone}", "master", "br0")
        ip("-n", HUB, "link", "set", f"z{zone}", "up")
        for number in range(INSTANCES + 1):
            ip("-n", there, "addr", "add", f"{address(zone, number)}/24", "dev", "eth0")
        ip("-n", there, "link", "set", "eth0", "up")


def get(zone, number, path):
    code = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{9900 + number}{path}', timeout=5).read().decode())"
    return run("ip", "netns", "exec", f"{TAG}-{zone}", sys.executable, "-c", code).stdout


def wait_for(what, done, limit=30):
    until = time.monotonic() + limit
    while time.monotonic() < until:
        try:
            if done():
                return
        except (subprocess.CalledProcessError, ValueError, KeyError):
            pass
        time.sleep(0.1)
    raise SystemExit(f"waited {limit} s in vain: {what}")


def toml(zone, number, backends, more=""):
    folder = tempfile.mkdtemp(prefix=f"{TAG}-")
    text = f"""
[server]
state_dir = "{folder}/state"
workers = 1
[admin]
bind = "127.0.0.1:{9900 + number}"
[cluster]
zone = "{zone}"
[[listener]]
name = "web"
bind = "{address(zone, number)}:8080"
service = "api"
[service.api]
zones = "prefer"
{more}
"""
    for other, count in backends.items():
        for port in range(1, count + 1):
            text += f'[[service.api.backend]]\nid = "{other}{port}"\naddress = "{address(other)}:{80 + port}"\nzone = "{other}"\n'
    path = f"{folder}/proxy.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class Fleet:
    """The backends of each zone, and the instances."""

    def __init__(self, backends, more=""):
        self.backends = backends
        self.all = []
        self.servers = {}
        for zone, count in backends.items():
            if count:
                self.servers[zone] = inside(
                    f"{TAG}-{zone}", sys.executable, ME, "--backends", str(count), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
                self.servers[zone].stdout.readline()
        for zone in ZONES:
            for number in range(1, INSTANCES + 1):
                path = toml(zone, number, backends, more)
                with open(path.replace("proxy.toml", "log"), "w", encoding="utf-8") as log:
                    self.all.append(inside(f"{TAG}-{zone}", EVENKEEL, "run", "--config", path, stdout=log, stderr=log))
        for zone in ZONES:
            for number in range(1, INSTANCES + 1):
                wait_for(f"instance {number} of zone {zone} is ready", lambda: "ready" in get(zone, number, "/readyz"))

    def counts(self):
        """What each backend has answered, by zone."""
        found = {}
        for zone, server in self.servers.items():
            server.stdin.write("\n")
            server.stdin.flush()
            found[zone] = json.loads(server.stdout.readline())
        return found

    def stop(self):
        for process in self.all + list(self.servers.values()):
            end(process)


def load(zones, seconds, rate):
    to = ",".join(address(zone, number) for zone in zones for number in range(1, INSTANCES + 1))
    return inside(HUB, sys.executable, ME, "--load", to, str(seconds), str(rate), stdout=subprocess.PIPE, text=True)


def outcome(process):
    # the line before it says that the load begins
    result = json.loads(process.communicate()[0].splitlines()[-1])
    processes.remove(process)
    return result


def row(situation, figure, wanted, good):
    ROWS.append((situation, figure, wanted, "yes" if good else "NO"))


def measure(name, fleet, usable):
    """Sends the same to each instance, and compares what a backend of each zone gets with what it would get if all got the same."""
    before = fleet.counts()
    result = outcome(load(ZONES, REQUESTS / RATE + 1, RATE))
    after = fleet.counts()
    got = {zone: [new - old for new, old in zip(after[zone], before[zone])] for zone in after}
    even = sum(sum(each) for each in got.values()) / sum(usable.values())
    off = {zone: sum(got[zone]) / (even * count) - 1 for zone, count in usable.items() if count}
    row(name, ", ".join(f"{zone} {share * 100:+.1f} %" for zone, share in off.items()), "within 5 % of even", all(abs(share) <= 0.05 for share in off.values()))
    row("  requests, and of these lost", f"{result['sent']}, {result['lost']}", f">= {REQUESTS}, 0", result["lost"] == 0 and result["sent"] >= REQUESTS)
    kept = {zone: json.loads(get(zone, 1, "/api/v1/status"))["services"]["api"]["zones"]["shares"] for zone in ZONES}
    row("  what stays in each zone", ", ".join(f"{zone} {kept[zone][zone] * 100:.1f} %" for zone in ZONES), "(said)", True)


def even():
    fleet = Fleet({"a": 1, "b": 3, "c": 5})
    measure("load of a backend in zones of 1, 3 and 5", fleet, {"a": 1, "b": 3, "c": 5})
    for zone in ZONES:
        for number in range(1, INSTANCES + 1):
            for backend in ("c1", "c2", "c3"):
                drain(zone, number, backend)
    measure("the same when 3 of those in c are drained", fleet, {"a": 1, "b": 3, "c": 2})
    fleet.stop()


def drain(zone, number, backend):
    code = f"import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:{9900 + number}/api/v1/services/api/backends/{backend}/drain', method='POST'), timeout=5).read()"
    run("ip", "netns", "exec", f"{TAG}-{zone}", sys.executable, "-c", code)


AT_ZONE_C = """
import json, urllib.request as u
found = {"in_flight": 0, "attempts": 0}
for port in PORTS:
    text = u.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    for line in text.splitlines():
        for name, metric in (("in_flight", "evenkeel_in_flight{"), ("attempts", "evenkeel_backend_attempts_total{")):
            if line.startswith(metric) and 'backend="c' in line:
                found[name] += int(float(line.rsplit(" ", 1)[1]))
print(json.dumps(found))
"""


def at_zone_c():
    """How many requests the instances of the zones a and b have at backends of zone c now, and have sent there so far."""
    code = AT_ZONE_C.replace("PORTS", str([9900 + number for number in range(1, INSTANCES + 1)]))
    asked = [
        subprocess.Popen(["ip", "netns", "exec", f"{TAG}-{zone}", sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for zone in "ab"
    ]
    answers = [json.loads(process.communicate()[0]) for process in asked]
    return {name: sum(answer[name] for answer in answers) for name in answers[0]}


def cut():
    """The link of a zone goes down: what is sent there vanishes, and nobody says so. The instances of the zones that are left spilled over into it."""
    checks = 'health = { path = "/health", interval = "250ms", fast_interval = "100ms", timeout = "250ms", fall = 2 }\n'
    fleet = Fleet({"a": 1, "b": 2, "c": 3}, checks + 'timeout = { connect = "250ms", response = "500ms" }')
    loading = load("ab", SECONDS, RATE)
    loading.stdout.readline()
    began = time.monotonic()
    time.sleep(SECONDS / 3)
    before = fleet.counts()["c"]
    at = time.monotonic() - began
    ip("-n", HUB, "link", "set", "zc", "down")
    cut_at = time.monotonic()
    time.sleep(1)
    after, after_cut = time.monotonic() - cut_at, at_zone_c()
    result = outcome(loading)
    during = [begun + took for begun, took in result["slow"] if begun + took > at]
    at_last = at_zone_c()
    row(f"zone c of three cut, {RATE} requests/s to a and b", f"{result['lost']} of {result['sent']} lost", "0", result["lost"] == 0)
    row("  c had got, of spill-over", str(sum(before)), "> 0", sum(before) > 0)
    row(f"  waiting for c {after:.1f} s after the cut", str(after_cut["in_flight"]), "0", after_cut["in_flight"] == 0)
    sent_later = at_last["attempts"] - after_cut["attempts"]
    row("  sent to c from then on", str(sent_later), "0", sent_later == 0)
    row("  answers of more than 0.2 s after the cut; the slowest", f"{len(during)}; {result['slowest']:.2f} s", "(said)", True)
    ip("-n", HUB, "link", "set", "zc", "up")
    fleet.stop()


# what runs inside the namespaces


class Counting(asyncio.Protocol):
    def __init__(self, counts, place):
        self.counts, self.place, self.buffer = counts, place, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            if not head.startswith(b"GET /health"):
                self.counts[self.place] += 1
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def serve(count):
    """Tells what each has answered whenever a line comes in."""
    loop = asyncio.get_running_loop()
    counts = [0] * count
    for place in range(count):
        await loop.create_server(lambda place=place: Counting(counts, place), "0.0.0.0", 81 + place, backlog=4096)
    print("ready", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(counts), flush=True)


async def generate(to, seconds, rate):
    """Open loop: requests begin at their times, whatever became of those before; each instance gets the next in turn."""
    free = {host: [] for host in to}
    times, slow, lost, sent = [], [], 0, 0
    print("begins", flush=True)
    begin = time.monotonic()

    async def one(host, at):
        nonlocal lost
        try:
            reader, writer = free[host].pop() if free[host] else await asyncio.open_connection(host, 8080)
            writer.write(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
            if head[9:12] != b"200":
                raise OSError("no 200")
            free[host].append((reader, writer))
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, IndexError):
            lost += 1
        took = time.monotonic() - begin - at
        times.append(took)
        if took > 0.2:
            slow.append((at, took))

    tasks = set()
    while (now := time.monotonic() - begin) < seconds:
        while sent < now * rate:
            task = asyncio.create_task(one(to[sent % len(to)], time.monotonic() - begin))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        await asyncio.sleep(0.002)
    while tasks:
        await asyncio.sleep(0.05)
    print(json.dumps({"sent": sent, "lost": lost, "slow": slow, "slowest": max(times)}))


def main():
    asked = sys.argv[1:] or ["even", "cut"]
    if asked[0] == "--backends":
        return asyncio.run(serve(int(asked[1])))
    if asked[0] == "--load":
        return asyncio.run(generate(asked[1].split(","), float(asked[2]), float(asked[3])))
    if os.geteuid() != 0:
        raise SystemExit("it needs root, for network namespaces")
    atexit.register(clean)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    set_up()
    for situation in asked:
        {"even": even, "cut": cut}[situation]()
    widths = [max(len(line[column]) for line in ROWS) for column in range(4)]
    for line in ROWS:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    return 0 if all(line[3] == "yes" for line in ROWS) else 1


if __name__ == "__main__":
    sys.exit(main())
