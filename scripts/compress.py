#!/usr/bin/env python3
"""Evenkeel's compression beside nginx': bytes, processor time, and what others on the same worker notice of it.

    scripts/compress.py [--binary PATH] [--short] [bytes] [time] [others] [instructions]

A web server (nginx) serves pages, text and scripts of this repository, JSON that is made up, and bytes by chance, which are dense already; each in several lengths. Before it
are Evenkeel and nginx in turn, one worker each. nginx is at `gzip_comp_level 1`, Evenkeel at its default, which is for the same purpose.

    bytes         how long the compressed answers are: within 5 % of nginx' with gzip. Evenkeel's other algorithms are told as well
    time          user and system time of the proxy for a MiB of content, from /proc, passing it on included. Both are asked by turns, for many rounds, and the median of
                  the rounds' ratios counts, so that what else the machine does falls on both: not above nginx' where an answer has 128 KiB or more. What passing
                  the content on without compressing it takes is told as well
    others        how long small requests on the same worker take: alone, while two clients get 64 MiB as they are, and while they get them compressed, by turns. What
                  counts is the median of the rounds' ratios of p99: at most 1.2 of what they take while 64 MiB are passed on as they are. nginx with gzip is told as well
    instructions  those of a MiB of content with gzip, by valgrind's callgrind, where that is there (some minutes, and only when it is named)

It takes about four minutes, with --short one. The exit code is 1 where a target is missed.
"""

import argparse
import html
import json
import pathlib
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from harness import Broken, Processes, free_port, percentile, processor_time, stop, wait_until  # noqa: E402

PARTS = ["bytes", "time", "others", "instructions"]

KIB, MIB = 1 << 10, 1 << 20
LONG = 64 * MIB
# shorter ones are not compressed, and long ones have to be several times as long as the window
LENGTHS = {"2k": 2 * KIB, "16k": 16 * KIB, "128k": 128 * KIB, "8m": 8 * MIB}
# from here on the content is what costs, and not the request
COUNTS = 128 * KIB

NGINX = """
daemon off;
worker_processes 1;
master_process {master};
pid {folder}/nginx-{port}.pid;
error_log {folder}/nginx-{port}.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    types {{ text/html html; text/plain txt; text/javascript js; application/json json; }}
    server {{
        listen 127.0.0.1:{port};
        {content}
    }}
}}
"""
FILES = "root {folder}/files; location = /small {{ return 200 ok; }}"
GZIP = """
        gzip on; gzip_comp_level 1; gzip_types text/plain text/javascript application/json; gzip_proxied any; gzip_http_version 1.1;
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


def contents():
    """What is served, by name: each as many bytes as the longest length has."""
    made = {
        "page.html": page().encode(),
        "text.txt": b"".join(file.read_bytes() for file in sorted((HERE.parent / "docs").glob("*.md"))),
        "table.json": table().encode(),
        "script.js": b"".join(file.read_bytes() for file in sorted((HERE.parent / "src/admin/assets").glob("*.js"))),
        "dense.txt": random.Random(2).randbytes(MIB),
    }
    return {name: at_length(data, max(LENGTHS.values())) for name, data in made.items()}


def at_length(data, length):
    return (data * (length // len(data) + 1))[:length]


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


def worker(process):
    """The process that works for nginx: its master's only child."""

    class Child:
        pid = int(wait_until("nginx' worker", lambda: pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())[0])

    return Child


def in_bytes(contents, nginx, evenkeel):
    """How long the answers are; whether that is within the target."""
    is_good = True
    print(f"{'bytes':18}{'content':>9}{'nginx gzip':>11}{'gzip':>9}{'ratio':>7}{'br':>9}{'zstd':>9}")
    for name in contents:
        for label, length in LENGTHS.items():
            path = f"/{label}/{name}"
            (theirs, _), *ours = [Client(port).get(path, coding) for port, coding in ((nginx, "gzip"), (evenkeel, "gzip"), (evenkeel, "br"), (evenkeel, "zstd"))]
            if [coding for _, coding in ours] != ["gzip", "br", "zstd"]:
                raise Broken(f"{path} was not compressed: {ours}")
            ratio = ours[0][0] / theirs
            is_good &= ratio <= 1.05
            print(f"{label + ' ' + name:18}{length:>9}{theirs:>11}{ours[0][0]:>9}{ratio:>7.3f}{ours[1][0]:>9}{ours[2][0]:>9}{'' if ratio <= 1.05 else '  MISSED'}")
    return is_good


def cost(process, client, path, length, coding, seconds):
    """The processor time for a MiB of content in milliseconds, over so much of it."""
    before, count = processor_time(process), 0
    while (used := processor_time(process) - before) < seconds:
        # what is short is asked for several times between two looks
        for _ in range(max(1, 64 * KIB // length)):
            if client.get(path, coding)[1] != coding:
                raise Broken(f"{path} did not come as {coding}")
            count += 1
    return used / count / (length / MIB) * 1000


def in_time(contents, nginx, evenkeel, rounds):
    """Processor time for a MiB; whether that is within the target."""
    is_good = True
    print(f"\n{'ms of a MiB':18}{'nginx gzip':>11}{'gzip':>9}{'ratio':>7}{'of rounds':>14}{'as it is':>10}{'br':>9}{'zstd':>9}")
    for name in contents:
        for label, length in LENGTHS.items():
            path, rows, ratios = f"/{label}/{name}", [], []
            clients = [Client(port) for _, port in (nginx, evenkeel)]

            def of(side, coding, seconds):
                return cost((nginx, evenkeel)[side][0], clients[side], path, length, coding, seconds)

            for side in (0, 1):
                of(side, "gzip", 0.02)
            for at in range(rounds):
                # by turns, so that nobody is always the first
                order = (0, 1) if at % 2 else (1, 0)
                measured = {side: of(side, "gzip", 0.08) for side in order}
                rows.append((measured[0], measured[1]))
                ratios.append(measured[1] / measured[0])
            others = [of(1, coding, 0.05) for coding in ("identity", "br", "zstd")]
            ratio, (theirs, ours) = statistics.median(ratios), (statistics.median(column) for column in zip(*rows))
            counts = length >= COUNTS
            is_good &= ratio <= 1.0 or not counts
            verdict = "  MISSED" if ratio > 1.0 and counts else ""
            print(
                f"{label + ' ' + name:18}{theirs:>11.2f}{ours:>9.2f}{ratio:>7.2f}{f'{min(ratios):.2f}-{max(ratios):.2f}':>14}"
                f"{others[0]:>10.2f}{others[1]:>9.2f}{others[2]:>9.2f}{verdict}"
            )
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


class Load:
    """Two clients that get 64 MiB again and again in this coding; `None` = there are none."""

    def __init__(self, port, coding):
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(port, coding)) for _ in range(2 if coding else 0)]

    def run(self, port, coding):
        command = ["curl", "-s", "-o", "/dev/null", "-H", f"Accept-Encoding: {coding}", f"http://127.0.0.1:{port}/long.html"]
        while not self.is_over.is_set():
            running = subprocess.Popen(command)
            while running.poll() is None and not self.is_over.wait(0.01):
                pass
            running.kill()
            running.wait()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(0.3)

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


def others(nginx, evenkeel, rounds, seconds):
    """What small requests notice of large answers; whether the target is met."""
    codings = {"alone": None, "64 MiB as they are": "identity", "64 MiB with gzip": "gzip", "64 MiB with br": "br", "64 MiB with zstd": "zstd"}
    kinds = {what: (evenkeel, coding) for what, coding in codings.items()} | {"nginx: with gzip": (nginx, "gzip")}
    seen = {what: [] for what in kinds}
    for at in range(rounds):
        for what, (port, coding) in list(kinds.items())[:: 1 if at % 2 else -1]:
            with Load(port, coding):
                taken = latencies(port, seconds)
            seen[what].append([percentile(taken, share) for share in (0.5, 0.99)])
    print(f"\nsmall requests    {'p50 ms':>16}{'p99 ms':>9}{'p99, by that as they are':>27}{'by that alone':>16}")
    ratios = {}
    for what, rows in seen.items():
        by = {of: statistics.median(ours[1] / theirs[1] for ours, theirs in zip(rows, seen[of])) for of in ("64 MiB as they are", "alone")}
        p50, p99 = (statistics.median(column) for column in zip(*rows))
        ratios[what] = by["64 MiB as they are"]
        print(f"{what:22}{p50:>12.2f}{p99:>9.2f}{by['64 MiB as they are']:>27.2f}{by['alone']:>16.2f}")
    return ratios["64 MiB with gzip"] <= 1.2


def instructions(processes, binary, nginx_config, evenkeel_config, ports):
    """Those of a MiB of content with gzip, of each; whether Evenkeel's are not more."""
    if not shutil.which("valgrind"):
        print("\nvalgrind is not there: no instructions are counted")
        return True
    print()
    commands = {"nginx": ["nginx", "-e", processes.folder / "early.log", "-c", nginx_config], "Evenkeel": [binary, "run", "-c", evenkeel_config]}
    is_good = True
    for name in ("page.html", "table.json"):
        counted = {}
        for who, command in commands.items():
            # what two answers more take, so that the start does not count
            few, many = (under_valgrind(processes, command, ports[who], f"/128k/{name}", answers) for answers in (2, 10))
            counted[who] = (many - few) / 8 / (128 * KIB / MIB)
        ratio = counted["Evenkeel"] / counted["nginx"]
        is_good &= ratio <= 1.0
        print(f"instructions of a MiB of {name}: nginx {counted['nginx'] / 1e6:.1f} M, Evenkeel {counted['Evenkeel'] / 1e6:.1f} M, ratio {ratio:.2f}")
    return is_good


def under_valgrind(processes, command, port, path, answers):
    """How many instructions a proxy has for so many answers with gzip, start and end included."""
    out = processes.folder / "callgrind.out"
    proxy = processes.start("valgrind.log", ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *command])
    client = wait_until("a proxy under valgrind", lambda: Client(port), 120)
    client.socket.settimeout(300)
    for _ in range(answers):
        client.get(path, "gzip")
    client.socket.close()
    stop(proxy, 120)
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)[1])


def serve(folder):
    """Writes what is served."""
    made = contents()
    for label, length in LENGTHS.items():
        (folder / label).mkdir(parents=True)
        for name, data in made.items():
            (folder / label / name).write_bytes(data[:length])
    (folder / "long.html").write_bytes(at_length(made["page.html"], LONG))
    return list(made)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=HERE.parent / "target/release/evenkeel", type=pathlib.Path)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all but the last by default")
    options = parser.parse_args()
    parts = options.parts or PARTS[:-1]
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder, Processes(pathlib.Path(folder)) as processes:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        names = serve(folder / "files")
        backend, theirs, ours, admin = (free_port() for _ in range(4))

        def nginx_config(port, content, master):
            path = folder / f"nginx-{port}-{master}.conf"
            path.write_text(NGINX.format(folder=folder, port=port, master=master, content=content.format(folder=folder, backend=backend)))
            return path

        def nginx(config):
            return processes.start("nginx", ["nginx", "-e", folder / "early.log", "-c", config])

        config = folder / "proxy.toml"
        config.write_text(EVENKEEL.format(port=ours, admin=admin, backend=backend))
        nginx(nginx_config(backend, FILES, "on"))
        met = []
        if "instructions" in parts:
            ports = {"nginx": theirs, "Evenkeel": ours}
            met.append(instructions(processes, options.binary, nginx_config(theirs, GZIP, "off"), config, ports))
        proxy = nginx(nginx_config(theirs, GZIP, "on"))
        evenkeel = processes.start("evenkeel", [options.binary, "run", "-c", config])
        for port in (backend, theirs, ours):
            wait_until(f"an answer at {port}", lambda: Client(port).get("/2k/page.html"))
        if "bytes" in parts:
            met.append(in_bytes(names, theirs, ours))
        if "time" in parts:
            met.append(in_time(names, (worker(proxy), theirs), (evenkeel, ours), 5 if options.short else 15))
        if "others" in parts:
            met.append(others(theirs, ours, *(3, 1.0) if options.short else (7, 2.0)))
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
