#!/usr/bin/env python3
"""What it costs the proxy to be watched: 10,000 backends in 100 services, 5,000 events a minute, and three pages.

    python3 scripts/watching.py [ROUNDS [SECONDS]]       default: 3 rounds of 30 seconds without pages, and as long with them

The backends of 50 services are checked, and the server behind all of them says of another service each half minute that it is not well: its 100
backends go down and come up again. A page is what a browser asks for: `/api/v1/live` (the overview), `/api/v1/live?service=NAME` and `/api/v1/events`, as
streams. The processor time is that of the whole process (/proc/PID/task/*/schedstat). Printed are the share of a core without and with the pages, events a
minute, and how long `/metrics`, the whole status, and a page of 100 of it take. EVENKEEL names the binary (default: target/release/evenkeel).
"""

import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 30
BINARY = os.environ.get("EVENKEEL", "target/release/evenkeel")
SERVICES, BACKENDS, CHECKED = 100, 100, 50
EVENTS_A_MINUTE = 5_000

unwell = set()


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status = 503 if self.path.removeprefix("/healthz/") in unwell else 200
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


def configuration(backend, work):
    parts = [f'[server]\nstate_dir = "{work}/state"\n[admin]\nbind = "127.0.0.1:0"\n[[listener]]\nname = "web"\nbind = "127.0.0.1:0"\n'
             'service = "s00"\n']
    for service in range(1, SERVICES):
        parts.append(f'[[listener.route]]\npath_prefix = "/s{service:02}/"\nservice = "s{service:02}"\n')
    for service in range(SERVICES):
        parts.append(f"[service.s{service:02}]\n")
        if service < CHECKED:
            parts.append(f'[service.s{service:02}.health]\npath = "/healthz/s{service:02}"\ninterval = "20s"\nfast_interval = "20s"\nfall = 1\nrise = 1\n')
        parts.extend(f'[[service.s{service:02}.backend]]\nid = "b{n:02}"\naddress = "127.1.{service}.{n + 1}:{backend}"\n' for n in range(BACKENDS))
    return "".join(parts)


def processor_time(pid):
    """In seconds."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def admin_of(process):
    said = b""
    for line in process.stderr:
        said += line
        if b"admin listening" in line:
            address = line.decode().split("address=")[1].split()[0]
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return address
    sys.exit(f"it did not start:\n{said.decode()[:2_000]}")


def ask(admin, path):
    """The answer and how long it took, in milliseconds."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(admin, timeout=30)
    connection.request("GET", path)
    body = connection.getresponse().read()
    return body, (time.monotonic() - began) * 1e3


class Page(threading.Thread):
    """Reads a stream until it is closed."""

    def __init__(self, admin, path):
        super().__init__(daemon=True)
        self.bytes = 0
        self.connection = http.client.HTTPConnection(admin, timeout=60)
        self.connection.request("GET", path, headers={"accept": "text/event-stream"})
        self.answer = self.connection.getresponse()
        self.start()

    def run(self):
        try:
            while part := self.answer.read1(1 << 16):
                self.bytes += len(part)
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass

    def close(self):
        self.connection.sock.shutdown(2)


def trouble(stop):
    """Has the services be unwell by turns, so that there are so many events a minute: each turn has two for each backend."""
    pause = 60 * 2 * BACKENDS / EVENTS_A_MINUTE
    for at in itertools.cycle(range(CHECKED)):
        if stop.wait(pause):
            return
        unwell.add(f"s{at:02}")
        # long enough for each backend to be checked in it, and short enough to be over when it is its turn again
        threading.Timer(30, unwell.discard, [f"s{at:02}"]).start()


def events(admin):
    said = json.loads(ask(admin, "/api/v1/events?limit=1")[0])
    listed = said["events"] if isinstance(said, dict) else said
    return listed[-1]["id"]


def measured(process, admin, pages):
    watching = [Page(admin, path) for path in pages]
    time.sleep(2)
    before, first = processor_time(process.pid), events(admin)
    time.sleep(SECONDS)
    share = (processor_time(process.pid) - before) / SECONDS
    told = (int(events(admin)) - int(first)) * 60 / SECONDS
    for page in watching:
        page.close()
    return share, told, sum(page.bytes for page in watching)


def main():
    server = Server(("0.0.0.0", 0), Backend)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "proxy.toml"
        file.write_text(configuration(server.server_port, work))
        process = subprocess.Popen([BINARY, "run", "-c", file], stderr=subprocess.PIPE)
        try:
            admin = admin_of(process)
            stop = threading.Event()
            threading.Thread(target=trouble, args=[stop], daemon=True).start()
            # all have been checked, and the first are unwell
            time.sleep(60)
            pages = ["/api/v1/live", "/api/v1/live?service=s00", "/api/v1/events"]
            more = []
            for _ in range(ROUNDS):
                alone, told, _ = measured(process, admin, [])
                watched, told_watched, read = measured(process, admin, pages)
                more.append(watched - alone)
                print(f"alone {alone:.2%}, with three pages {watched:.2%} of a core; {told:.0f} and {told_watched:.0f} events a minute; {read / 1e6:.1f} MB read", flush=True)
            print(f"three pages: {statistics.median(more):.2%} of a core (median)")
            for path in ["/metrics", "/api/v1/status", "/api/v1/status?limit=100"]:
                took = [ask(admin, path)[1] for _ in range(5)]
                print(f"GET {path}: {statistics.median(took):.0f} ms")
            stop.set()
        finally:
            process.kill()
            process.wait()


main()
