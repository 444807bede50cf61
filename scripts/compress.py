#!/usr/bin/env python3
"""Evenkeel's compression beside nginx': bytes, processor time, and what others on the same worker notice of it.

    scripts/compress.py [--binary PATH] [--short]

nginx serves files: a page made of this repository's documentation, and JSON that is generated, 8 MiB each. Before it are Evenkeel and nginx in turn, one worker each. A client gets
each file again and again, as it is and then with gzip. nginx is at `gzip_comp_level 1`, Evenkeel at its default, which is for the same purpose. What is told of each: the
bytes of a compressed answer, and the processor time of the proxy for a MiB of content, in all and without what it takes to pass it on as it is. Evenkeel's
other algorithms are told as well.

Then small requests are sent to Evenkeel, one after the other, first alone, then while two clients get 64 MiB as they are, and then while they get them compressed.

It takes about a minute, with --short a third of it. The exit code is 1 where a target is missed: bytes within 5 % of nginx', processor time not above it, and the p99 of others
while 64 MiB are compressed not above 1.2 times that without.
"""

import argparse
import html
import json
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from harness import Broken, Processes, free_port, percentile, processor_time, wait_until  # noqa: E402

MIB = 1 << 20
LENGTH = 8 * MIB
LONG = 64 * MIB

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx-{port}.pid;
error_log {folder}/nginx-{port}.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    types {{ text/html html; application/json json; }}
    server {{
        listen 127.0.0.1:{port};
        {content}
    }}
}}
"""
FILES = "root {folder}/files; location = /small {{ return 200 ok; }}"
GZIP = """
        gzip on; gzip_comp_level 1; gzip_types application/json; gzip_proxied any; gzip_http_version 1.1;
        location / {{ proxy_pass http://127.0.0.1:{backend}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_max_temp_file_size 0; }}
"""

EVENKEEL = """
[server]
workers = 1
[admin]
bind = "127.0.0.1:{admin}"
[[listener]]
name = "web"
bind = "127.0.0.1:{port}"
service = "files"
compress = true
[[service.files.backend]]
address = "127.0.0.1:{backend}"
"""


def page():
    """A page of this repository's documentation."""
    lines = [line for file in sorted((HERE.parent / "docs").glob("*.md")) for line in file.read_text().splitlines()]
    return "".join(f'<p class="paragraph" id="p{at}">{html.escape(line)}</p>\n' for at, line in enumerate(lines))


def table():
    """What an API may answer."""
    seeded = random.Random(1)
    words = page().split()
    entries = [
        {
            "id": at,
            "name": " ".join(seeded.choices(words, k=3)),
            "email": f"user{seeded.randrange(10**6)}@example.com",
            "score": seeded.random(),
            "active": seeded.random() < 0.5,
            "tags": seeded.choices(words, k=4),
        }
        for at in range(10_000)
    ]
    return json.dumps(entries)


def fill(path, text, length):
    data = text.encode()
    path.write_bytes((data * (length // len(data) + 1))[:length])


class Client:
    """A connection that is kept."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(30)
        self.file = self.socket.makefile("rb", buffering=1 << 18)

    def get(self, path, coding="identity"):
        """The length of the answer's content, and its coding."""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n".encode())
        if b" 200 " not in self.file.readline():
            raise Broken(f"{path} was not answered")
        fields = {}
        while line := self.file.readline().strip():
            name, _, value = line.partition(b":")
            fields[name.lower()] = value.strip()
        return self.content(fields), fields.get(b"content-encoding", b"identity").decode()

    def content(self, fields):
        if b"content-length" in fields:
            return self.skip(int(fields[b"content-length"]))
        length = 0
        while size := int(self.file.readline().split(b";")[0], 16):
            length += self.skip(size)
            self.file.readline()
        self.file.readline()
        return length

    def skip(self, length):
        left = length
        while left:
            read = len(self.file.read(min(left, 1 << 18)))
            if not read:
                raise Broken("an answer broke off")
            left -= read
        return length


def cost(process, port, path, coding, times):
    """The bytes of an answer, and the processor time for a MiB of its content in milliseconds: the best of three rounds."""
    client, best = Client(port), float("inf")
    client.get(path, coding)
    for _ in range(3):
        before = processor_time(process)
        for _ in range(times):
            length, got = client.get(path, coding)
        if got != coding:
            raise Broken(f"{path} came as {got} and not {coding}")
        best = min(best, (processor_time(process) - before) / times / (LENGTH / MIB) * 1000)
    return length, best


def worker(process):
    """The process that works for nginx: its master's only child."""

    class Child:
        pid = int(wait_until("nginx' worker", lambda: pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())[0])

    return Child


def beside(evenkeel, nginx, times):
    """Bytes and processor time; whether the targets are met."""
    is_good = True
    print(f"{'':10}{'':26}{'bytes':>10}{'ms/MiB':>9}{'of it gzip':>12}")
    for path in ("/page.html", "/table.json"):
        rows = {}
        for name, (process, port), codings in (("nginx, level 1", nginx, ["gzip"]), ("Evenkeel", evenkeel, ["gzip", "br", "zstd"])):
            _, plain = cost(process, port, path, "identity", times)
            for coding in codings:
                length, whole = cost(process, port, path, coding, times)
                rows[name, coding] = (length, whole)
                print(f"{path[1:]:12}{name + ', ' + coding:24}{length:>10}{whole:>9.2f}{whole - plain:>12.2f}")
        (their_bytes, their_time), (our_bytes, our_time) = rows["nginx, level 1", "gzip"], rows["Evenkeel", "gzip"]
        print(f"{'':12}Evenkeel by nginx: bytes {our_bytes / their_bytes:.3f}, processor time {our_time / their_time:.2f}")
        is_good &= our_bytes <= 1.05 * their_bytes and our_time <= their_time
    return is_good


def latencies(port, seconds):
    """How long small requests take, one after the other with short pauses, in milliseconds."""
    client, taken, end = Client(port), [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        client.get("/small")
        taken.append((time.perf_counter() - began) * 1000)
        time.sleep(0.001)
    return taken


def others(port, seconds):
    """What small requests notice of large answers; whether the target is met."""
    seen = {}
    for what, coding in (("alone", None), ("64 MiB as they are", "identity"), ("64 MiB with gzip", "gzip"), ("64 MiB with br", "br"), ("64 MiB with zstd", "zstd")):
        is_over = threading.Event()

        def load():
            while not is_over.is_set():
                command = ["curl", "-s", "-o", "/dev/null", "-H", f"Accept-Encoding: {coding}", f"http://127.0.0.1:{port}/long.html"]
                running = subprocess.Popen(command)
                while running.poll() is None and not is_over.wait(0.01):
                    pass
                running.kill()
                running.wait()

        loads = [threading.Thread(target=load) for _ in range(2 if coding else 0)]
        for one in loads:
            one.start()
        time.sleep(0.5)
        taken = latencies(port, seconds)
        is_over.set()
        for one in loads:
            one.join()
        seen[what] = percentile(taken, 0.99)
        print(f"{what:24}{len(taken):>7} small requests, p50 {percentile(taken, 0.5):6.2f} ms, p99 {seen[what]:6.2f} ms")
    ratio = seen["64 MiB with gzip"] / seen["64 MiB as they are"]
    print(f"p99 while 64 MiB are compressed with gzip, by that while they are passed on: {ratio:.2f}")
    return ratio <= 1.2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=HERE.parent / "target/release/evenkeel", type=pathlib.Path)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Processes(folder) as processes:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        files = folder / "files"
        files.mkdir()
        fill(files / "page.html", page(), LENGTH)
        fill(files / "table.json", table(), LENGTH)
        fill(files / "long.html", page(), LONG)
        backend, theirs, ours, admin = (free_port() for _ in range(4))

        def nginx(port, content):
            path = folder / f"nginx-{port}.conf"
            path.write_text(NGINX.format(folder=folder, port=port, content=content.format(folder=folder, backend=backend)))
            return processes.start("nginx", ["nginx", "-e", folder / "early.log", "-c", path])

        nginx(backend, FILES)
        proxy = nginx(theirs, GZIP)
        config = folder / "proxy.toml"
        config.write_text(EVENKEEL.format(port=ours, admin=admin, backend=backend))
        evenkeel = processes.start("evenkeel", [options.binary, "run", "-c", config])
        for port in (backend, theirs, ours):
            wait_until(f"an answer at {port}", lambda: Client(port).get("/page.html"))
        is_good = beside((evenkeel, ours), (worker(proxy), theirs), 3 if options.short else 12)
        is_good &= others(ours, 3 if options.short else 10)
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
