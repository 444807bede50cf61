#!/usr/bin/env python3
"""Two links to each backend, one of which is cut or loses packets; and many sessions to one backend by `source`.

Everything happens in network namespaces that this script makes and removes: one with Evenkeel and its clients, one for each backend.
It needs root, `ip`, and `tc` with netem or `nft`, and nothing beyond Python's standard library. `scripts/redundancy.sh paths` plays all of it.

    EVENKEEL=target/release/evenkeel scripts/redundancy/paths.py [cut] [loss] [sessions]

CUT_SECONDS, RATE, SESSIONS and PROCESSES change how long a situation is, the requests a second, the sessions that are tried, and by how many
processes of Evenkeel.
"""

import asyncio
import atexit
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import Row  # noqa: E402
from namespaces import clean, inside, ip, processes, run, space  # noqa: E402

EVENKEEL = os.path.abspath(os.environ.get("EVENKEEL", "target/release/evenkeel"))
RATE = int(os.environ.get("RATE", "1000"))
SECONDS = float(os.environ.get("CUT_SECONDS", "12"))
SESSIONS = int(os.environ.get("SESSIONS", "45000"))
PROCESSES = int(os.environ.get("PROCESSES", "5"))
TAG = f"ekp{os.getpid()}"
PROXY = f"{TAG}-proxy"
BACKENDS = 2
IP_BIND_ADDRESS_NO_PORT = 24
ME = os.path.abspath(__file__)


def link(backend, number):
    """A link between Evenkeel's namespace and a backend's: 10.7N.B.1 and 10.7N.B.5."""
    ours, theirs = f"p{backend}{number}", f"b{backend}{number}"
    there = f"{TAG}-b{backend}"
    ip("-n", PROXY, "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", there)
    ip("-n", PROXY, "addr", "add", f"10.7{number}.{backend}.1/24", "dev", ours)
    ip("-n", there, "addr", "add", f"10.7{number}.{backend}.5/24", "dev", theirs)
    ip("-n", PROXY, "link", "set", ours, "up")
    ip("-n", there, "link", "set", theirs, "up")


def set_up():
    space(PROXY)
    for backend in range(1, BACKENDS + 1):
        space(f"{TAG}-b{backend}")
        for number in (1, 2):
            link(backend, number)
        inside(f"{TAG}-b{backend}", sys.executable, ME, "--backend")


def get(path, port=9900):
    code = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}{path}', timeout=5).read().decode())"
    return run("ip", "netns", "exec", PROXY, sys.executable, "-c", code).stdout


def wait_for(what, done, limit=20):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            if done():
                return
        except (subprocess.CalledProcessError, ValueError, KeyError):
            pass
        time.sleep(0.1)
    raise SystemExit(f"waited {limit} s in vain: {what}")


def start(toml, port=9900):
    folder = tempfile.mkdtemp(prefix=f"{TAG}-")
    with open(f"{folder}/proxy.toml", "w", encoding="utf-8") as file:
        file.write(f'[server]\nstate_dir = "{folder}/state"\n' + toml)
    log = open(f"{folder}/log", "w", encoding="utf-8")
    proxy = inside(PROXY, EVENKEEL, "run", "--config", f"{folder}/proxy.toml", stdout=log, stderr=log)
    proxy.folder = folder
    try:
        wait_for("evenkeel is ready", lambda: "ready" in get("/readyz", port))
    except SystemExit:
        print(open(f"{folder}/log", encoding="utf-8").read()[-2000:], file=sys.stderr)
        raise
    return proxy


def stop(process):
    process.terminate()
    process.wait(timeout=40)
    processes.remove(process)


HTTP = """
[[listener]]
name = "web"
bind = "127.0.0.1:8080"
service = "api"
[service.api]
protocol = "http1"
health = {{ path = "/health", interval = "{interval}", fast_interval = "500ms", timeout = "{timeout}" }}
""" + "".join(
    f'[[service.api.backend]]\nid = "b{backend}"\naddresses = ["10.71.{backend}.5:80", "10.72.{backend}.5:80"]\n'
    for backend in range(1, BACKENDS + 1)
)


def paths():
    backends = json.loads(get("/api/v1/status"))["services"]["api"]["backends"]
    return [path for backend in backends for path in backend["paths"]]


def events(kind):
    all_events = json.loads(get("/api/v1/events?limit=1000"))
    return [event for event in all_events if event["kind"] == kind]


def load(seconds):
    return inside(PROXY, sys.executable, ME, "--load", str(seconds), str(RATE), stdout=subprocess.PIPE, text=True)


def outcome(process):
    result = json.loads(process.communicate()[0])
    processes.remove(process)
    return result


ROWS = []


def row(situation, figure, wanted, good):
    ROWS.append((situation, figure, wanted, "yes" if good else "NO"))
    Row(situation.strip(), wanted, figure, good, is_timing="lost" not in figure and not situation.startswith("sessions")).tell()


def cut():
    """The link that is in use is cut at its far end: packets vanish, and nobody says so."""
    proxy = start(HTTP.format(interval="2s", timeout="1s"))
    wait_for("all paths are checked", lambda: all(path["last_check"] for path in paths()))
    loading = load(SECONDS)
    time.sleep(SECONDS / 4)
    began = time.time()
    for backend in range(1, BACKENDS + 1):
        ip("-n", f"{TAG}-b{backend}", "link", "set", f"b{backend}1", "down")
    time.sleep(SECONDS / 3)
    states = [path["state"] for path in paths()]
    for backend in range(1, BACKENDS + 1):
        ip("-n", f"{TAG}-b{backend}", "link", "set", f"b{backend}1", "up")
    result = outcome(loading)
    told = [seconds_of(event["time"]) - began for event in events("path_chosen")]
    name = f"link 1 to each of {BACKENDS} backends cut, {RATE} requests/s"
    row(name, f"{result['lost']} of {result['sent']} lost", "0", result["lost"] == 0)
    row("  the other path is used after", f"{max(told, default=-1):.1f} s", "<= 3 s (a check: 2 s + 1 s)", 0 <= max(told, default=-1) <= 3)
    row("  slowest answer", f"{result['slowest']:.1f} s", "<= 4 s", result["slowest"] <= 4)
    row("  p99 of all answers", f"{result['p99'] * 1e3:.0f} ms", "(said)", True)
    row("  states while cut", ", ".join(states), "down, up", states == ["down", "up"] * BACKENDS)
    backend_events = events("backend_down") + events("backend_ejected")
    row("  backends that were taken out", str(len(backend_events)), "0", not backend_events)
    stop(proxy)


def lose(where, device):
    """30 % of the packets of a device are lost: netem's doing, or, where the kernel has none, that of nftables."""
    netem = ("tc", "qdisc", "add", "dev", device, "root", "netem", "loss", "30%")
    if run("ip", "netns", "exec", where, *netem, check=False).returncode == 0:
        return
    rules = "add table ip lossy; add chain ip lossy in { type filter hook input priority 0; };"
    rules += f'add rule ip lossy in iifname "{device}" numgen random mod 100 < 30 drop'
    run("ip", "netns", "exec", where, "nft", rules)


def loss():
    """A third of the packets is lost on the link that is in use."""
    proxy = start(HTTP.format(interval="2s", timeout="1s"))
    wait_for("all paths are checked", lambda: all(path["last_check"] for path in paths()))
    before = [path["chosen"] for path in paths()]
    loading = load(SECONDS * 2)
    time.sleep(SECONDS / 4)
    for backend in range(1, BACKENDS + 1):
        number = 1 if before[(backend - 1) * 2] else 2
        for where, device in ((PROXY, f"p{backend}{number}"), (f"{TAG}-b{backend}", f"b{backend}{number}")):
            lose(where, device)
    began = time.time()
    result = outcome(loading)
    chosen = events("path_chosen")
    after = [seconds_of(event["time"]) - began for event in chosen]
    moved = [path["chosen"] for path in paths()] == [not was for was in before]
    name = "30 % loss both ways on the path in use"
    row(name, f"{result['lost']} of {result['sent']} lost", "0", result["lost"] == 0)
    row("  the other path is used after", f"{max(after, default=-1):.1f} s", "(said)", moved)
    row("  changes of path", str(len(chosen)), f"{BACKENDS}, no flapping", len(chosen) == BACKENDS)
    row("  p99 in the last third", f"{result['late_p99'] * 1e3:.0f} ms", "(said)", True)
    row("  losses of the paths, as seen", ", ".join(f"{path['loss']:.2f}" for path in paths()), "(said)", True)
    for where in (PROXY, *(f"{TAG}-b{backend}" for backend in range(1, BACKENDS + 1))):
        run("ip", "netns", "exec", where, "nft", "flush", "ruleset", check=False)
        for number in (1, 2):
            for device in (f"p1{number}", f"p2{number}", f"b1{number}", f"b2{number}"):
                run("ip", "netns", "exec", where, "tc", "qdisc", "del", "dev", device, "root", check=False)
    stop(proxy)


def sessions():
    """More sessions to one address and port of one backend than one source has ports for.

    Descriptors bound what one process can hold, ports what one machine can: so several processes share the machine, and with it the ports of
    its sources. They are all started with the same sources, first with one and then with four."""
    for last in range(11, 15):
        ip("-n", PROXY, "addr", "add", f"10.71.1.{last}/24", "dev", "p11")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ports = 60999 - 32768 + 1
    run("ip", "netns", "exec", PROXY, "sysctl", "-w", "net.ipv4.ip_local_port_range=32768 60999")
    each = (hard - 200) // 2
    most = min(SESSIONS, each * PROCESSES)
    # so many processes at the backend as their descriptors make necessary; one listens there already
    for _ in range(most // (hard - 200)):
        inside(f"{TAG}-b1", sys.executable, ME, "--backend", "81", "82")
    # each goes to a port of its own: a port of ours that was used with the same one has to rest for a minute
    for name, source, port in (("one source", "10.71.1.11", 81), ("four sources", "10.71.1.11-10.71.1.14", 82)):
        opened, answered, by_source, took = many_sessions(source, port, most, each)
        # a port that was used rests for a minute, also where its session has ended: so within that time each session needs one of its own
        wanted = min(most, ports) if name == "one source" else most
        said = f"{wanted}, its ports" if wanted < most else f"{most}"
        row(f"{name}: sessions begun to one address and port", f"{answered} of {most}", said, wanted - 16 <= answered <= wanted)
        row("  in", f"{took:.0f} s, {PROCESSES} processes of {hard} descriptors", "(said, below 60 s)", True)
        row("  open at the end", str(opened), "(said)", True)
        row("  by source", ", ".join(str(by_source[source]) for source in sorted(by_source)), "(said)", True)


def many_sessions(source, backend, most, each):
    """Opens sessions through several processes of Evenkeel, and gives back how many were open at the end, how many had an answer, the open ones by source, and how long it took."""
    # goes on in the section [server]
    toml = """workers = 1
[admin]
bind = "127.0.0.1:{admin}"
[[listener]]
name = "tcp"
bind = "127.0.0.1:{port}"
protocol = "tcp"
service = "api"
idle_timeout = "1h"
[service.api]
source = ["{source}"]
retry = {{ attempts = 0 }}
outlier = {{ consecutive_failures = 0, latency_factor = 0.0, error_rate = 0.0 }}
[[service.api.backend]]
address = "10.71.1.5:{backend}"
"""
    proxies, clients = [], []
    began = time.monotonic()
    for number in range(PROCESSES):
        text = toml.format(admin=9900 + number, port=8080 + number, source=source, backend=backend)
        proxies.append(start(text, port=9900 + number))
    left = most
    for number in range(PROCESSES):
        wanted = min(each, left)
        left -= wanted
        client = inside(PROXY, sys.executable, ME, "--clients", str(wanted), str(8080 + number), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        clients.append(client)
    # each keeps its sessions until all have opened theirs
    results = [json.loads(client.stdout.readline()) for client in clients]
    took = time.monotonic() - began
    # what is open at the end, as the kernel has it
    # the kernel's own table: not every kernel tells `ss` of all of them
    there = run("ip", "netns", "exec", PROXY, "cat", "/proc/net/tcp").stdout
    to, established, by_source = f"0501470A:{backend:04X}", "01", {}
    for _, local, remote, state, *_ in map(str.split, there.splitlines()[1:]):
        if (remote, state) == (to, established):
            source = socket.inet_ntoa(bytes.fromhex(local[:8])[::-1])
            by_source[source] = by_source.get(source, 0) + 1
    for client in clients:
        client.kill()
        client.wait()
        processes.remove(client)
    for proxy in proxies:
        # what it still has would only make the next situation wait
        proxy.kill()
        proxy.wait()
        processes.remove(proxy)
    answered = sum(result["open"] for result in results)
    return sum(by_source.values()), answered, by_source, took


def seconds_of(text):
    from datetime import datetime

    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


# what runs inside the namespaces


class Answering(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""

    def data_received(self, data):
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            _, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class Telling(asyncio.Protocol):
    """Tells each connection where it comes from."""

    def connection_made(self, transport):
        transport.write((transport.get_extra_info("peername")[0] + "\n").encode())
        transport.pause_reading()


async def serve(ports):
    loop = asyncio.get_running_loop()
    for port in ports:
        await loop.create_server(Answering if port == 80 else Telling, "0.0.0.0", port, backlog=4096, reuse_port=True)
    await asyncio.Event().wait()


async def generate(seconds, rate):
    """Open loop: requests begin at their times, whatever became of those before."""
    times, free, lost, sent, reasons = [], [], 0, 0, {}
    begin = time.monotonic()

    async def one(at):
        nonlocal lost
        began = time.monotonic()
        try:
            reader, writer = free.pop() if free else await asyncio.open_connection("127.0.0.1", 8080)
            writer.write(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            if head[9:12] != b"200":
                raise OSError(head.split(b"\r\n")[0].decode())
            free.append((reader, writer))
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, IndexError) as error:
            lost += 1
            reasons[str(error)] = reasons.get(str(error), 0) + 1
        times.append((at, time.monotonic() - began))

    tasks = set()
    while (now := time.monotonic() - begin) < seconds:
        while sent < now * rate:
            task = asyncio.create_task(one(sent / rate))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        await asyncio.sleep(0.002)
    while tasks:
        await asyncio.sleep(0.05)
    took = sorted(took for _, took in times)
    late = sorted(took for at, took in times if at > seconds * 2 / 3)
    p99 = lambda all_times: all_times[int(len(all_times) * 0.99)] if all_times else 0.0
    print(json.dumps({"sent": sent, "lost": lost, "reasons": reasons, "slowest": took[-1], "p99": p99(took), "late_p99": p99(late)}))


def many_clients(most, port):
    """Opens sessions through Evenkeel one after the other, 256 at a time, and keeps all of them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kept, sources, began, failed = [], {}, time.monotonic(), 0
    while len(kept) < most and failed < 50:
        batch = []
        for _ in range(min(256, most - len(kept))):
            one = socket.socket()
            one.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            one.bind((f"127.0.{port % 100}.{1 + (len(kept) + len(batch)) % 16}", 0))
            one.settimeout(20)
            try:
                one.connect(("127.0.0.1", port))
                batch.append(one)
            except OSError:
                failed += 1
        for one in batch:
            try:
                source = one.recv(64).decode().strip()
            except OSError:
                source = ""
            if source:
                sources[source] = sources.get(source, 0) + 1
                kept.append(one)
            else:
                failed += 1
    print(json.dumps({"open": len(kept), "sources": sources, "seconds": time.monotonic() - began}), flush=True)
    sys.stdin.read()


def main():
    asked = sys.argv[1:] or ["cut", "loss", "sessions"]
    if asked[0] == "--backend":
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return asyncio.run(serve([int(port) for port in asked[1:]] or [80, 81, 82]))
    if asked[0] == "--load":
        return asyncio.run(generate(float(asked[1]), float(asked[2])))
    if asked[0] == "--clients":
        return many_clients(int(asked[1]), int(asked[2]))
    if os.geteuid() != 0:
        raise SystemExit("it needs root, for network namespaces")
    atexit.register(clean)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    set_up()
    for situation in asked:
        {"cut": cut, "loss": loss, "sessions": sessions}[situation]()
    widths = [max(len(row[column]) for row in ROWS) for column in range(4)]
    for line in ROWS:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    return 0 if all(line[3] == "yes" for line in ROWS) else 1


if __name__ == "__main__":
    sys.exit(main())
