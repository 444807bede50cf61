#!/usr/bin/env python3
"""Isolation by `interface` and `mark`: a listener that is tied to an interface is reached through it only, and so are the backends of a service.

A namespace with Evenkeel has two links, each to a namespace of its own with a backend and a client: `red` and `blue`. Both of these use the same addresses, so
that it is the interface, or the mark, alone that decides who is meant. It needs root and `ip`, and nothing beyond Python's standard library.

    EVENKEEL=target/release/evenkeel scripts/redundancy/isolation.py
"""

import atexit
import http.server
import os
import signal
import subprocess
import sys
import tempfile
import time

from namespaces import clean, inside, ip, run, space

EVENKEEL = os.path.abspath(os.environ.get("EVENKEEL", "target/release/evenkeel"))
TAG = f"eki{os.getpid()}"
PROXY = f"{TAG}-proxy"
SIDES = {"red": 1, "blue": 2}
ME = os.path.abspath(__file__)

ROWS = []


def set_up():
    """On both sides the other end is 10.90.0.5, and ours is 10.90.0.1."""
    space(PROXY)
    for side, table in SIDES.items():
        there = f"{TAG}-{side}"
        space(there)
        ip("-n", PROXY, "link", "add", side, "type", "veth", "peer", "name", "eth0", "netns", there)
        ip("-n", PROXY, "addr", "add", "10.90.0.1/24", "dev", side, "noprefixroute")
        ip("-n", there, "addr", "add", "10.90.0.5/24", "dev", "eth0")
        ip("-n", PROXY, "link", "set", side, "up")
        ip("-n", there, "link", "set", "eth0", "up")
        # who is tied to an interface uses its route, and who has the mark uses that of the table
        ip("-n", PROXY, "route", "add", "10.90.0.0/24", "dev", side, "metric", str(100 * table))
        ip("-n", PROXY, "route", "add", "10.90.0.0/24", "dev", side, "table", str(table))
        ip("-n", PROXY, "rule", "add", "fwmark", str(table), "table", str(table))
        inside(there, sys.executable, ME, "--backend", side, stderr=subprocess.DEVNULL)
    for name in ("all", "default", *SIDES):
        run("ip", "netns", "exec", PROXY, "sysctl", "-w", f"net.ipv4.conf.{name}.rp_filter=0")


TOML = """
[server]
state_dir = "{folder}/state"
[[listener]]
name = "red"
bind = "10.90.0.1:8080"
interface = "red"
service = "red"
[[listener]]
name = "blue"
bind = "10.90.0.1:8084"
interface = "blue"
service = "blue"
[[listener]]
name = "marked-red"
bind = "127.0.0.1:8081"
service = "marked-red"
[[listener]]
name = "marked-blue"
bind = "127.0.0.1:8082"
service = "marked-blue"
[[listener]]
name = "only-red"
bind = "0.0.0.0:8083"
interface = "red"
service = "red"
[service.red]
interface = "red"
backend = [{{ address = "10.90.0.5:80" }}]
[service.blue]
interface = "blue"
backend = [{{ address = "10.90.0.5:80" }}]
[service.marked-red]
mark = 1
backend = [{{ address = "10.90.0.5:80" }}]
[service.marked-blue]
mark = 2
backend = [{{ address = "10.90.0.5:80" }}]
"""


def get(where, url):
    """What is answered, or "nobody"."""
    code = f"import urllib.request as u; print(u.urlopen({url!r}, timeout=3).read().decode())"
    answer = run("ip", "netns", "exec", where, sys.executable, "-c", code, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else "nobody"


def wait_for(what, done, limit=20):
    until = time.monotonic() + limit
    while time.monotonic() < until:
        if done():
            return
        time.sleep(0.1)
    raise SystemExit(f"waited {limit} s in vain: {what}")


def row(situation, found, wanted):
    ROWS.append((situation, found, wanted, "yes" if found == wanted else "NO"))


def isolation():
    folder = tempfile.mkdtemp(prefix=f"{TAG}-")
    path = f"{folder}/proxy.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(TOML.format(folder=folder))
    log = open(f"{folder}/log", "w", encoding="utf-8")
    inside(PROXY, EVENKEEL, "run", "--config", path, stdout=log, stderr=log)
    try:
        wait_for("evenkeel is ready", lambda: "ready" in get(PROXY, "http://127.0.0.1:9900/readyz"))
    except SystemExit:
        print(open(f"{folder}/log", encoding="utf-8").read()[-2000:], file=sys.stderr)
        raise
    for side in SIDES:
        there = f"{TAG}-{side}"
        wait_for(f"the backend of {side}", lambda: get(there, "http://10.90.0.5/") == side)
        for other, port in (("red", 8080), ("blue", 8084)):
            row(f"from {side}, to the listener of {other}", get(there, f"http://10.90.0.1:{port}/"), side if side == other else "nobody")
    # the kernel takes what a machine sends to its own address for something that has come by the interface that has the address
    row("from this machine itself, to the address of red", get(PROXY, "http://10.90.0.1:8080/"), "red")
    row("to a listener of red at any address: from red", get(f"{TAG}-red", "http://10.90.0.1:8083/"), "red")
    row("  from blue", get(f"{TAG}-blue", "http://10.90.0.1:8083/"), "nobody")
    row("  from this machine itself", get(PROXY, "http://127.0.0.1:8083/"), "nobody")
    for port, side in ((8081, "red"), (8082, "blue")):
        row(f"by the mark of {side}", get(PROXY, f"http://127.0.0.1:{port}/"), side)
    ip("-n", PROXY, "link", "set", "blue", "down")
    row("blue is cut: from red", get(f"{TAG}-red", "http://10.90.0.1:8080/"), "red")


class Saying(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = sys.argv[2].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    if sys.argv[1:2] == ["--backend"]:
        return http.server.ThreadingHTTPServer(("0.0.0.0", 80), Saying).serve_forever()
    if os.geteuid() != 0:
        raise SystemExit("it needs root, for network namespaces")
    atexit.register(clean)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    set_up()
    isolation()
    widths = [max(len(line[column]) for line in ROWS) for column in range(4)]
    for line in ROWS:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    return 0 if all(line[3] == "yes" for line in ROWS) else 1


if __name__ == "__main__":
    sys.exit(main())
