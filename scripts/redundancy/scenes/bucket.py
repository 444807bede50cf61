#!/usr/bin/env python3
"""Loses a machine again and again, and restores its ledger from a bucket on another one.

    [EVENKEEL=binary] bucket.py [ROUNDS]

The bucket is PyPI's `moto[server]` (requirements.txt; MOTO_SERVER names its program where it is neither on the path nor beside this Python). In each round Evenkeel runs under load, with an outage under way in every
second one, is killed by SIGKILL, and its state_dir is gone; what `evenkeel state restore --from` puts in another folder is compared with what was lost. In the last round the
bucket is gone for a while. What has to hold: the recovery point is at most `every` + 10 s before the loss, and up to there the report is equal.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

EVERY = 3.0
SLACK = 10.0
EVENKEEL = os.environ.get("EVENKEEL", "target/release/evenkeel")
BESIDE = pathlib.Path(sys.executable).parent / "moto_server"
MOTO = os.environ.get("MOTO_SERVER", str(BESIDE) if BESIDE.exists() else "moto_server")


class Backend:
    """Answers, or resets whoever comes."""

    def __init__(self):
        self.is_down = False
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            while connection.recv(65536):
                if self.is_down:
                    break
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except OSError:
            pass
        connection.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def wait_for(what, done, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            found = done()
            if found:
                return found
        except OSError:
            pass
        time.sleep(0.02)
    sys.exit(f"waited {seconds} s in vain: {what}")


def bucket(port):
    """Starts a server with an empty bucket."""
    server = subprocess.Popen([MOTO, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    create = urllib.request.Request(f"http://127.0.0.1:{port}/copies", method="PUT")
    wait_for("the bucket", lambda: urllib.request.urlopen(create, timeout=5).status == 200)
    return server


class Proxy:
    def __init__(self, folder, name, backend, environment):
        self.folder, self.name = folder, name
        self.state = folder / "state"
        self.port, self.admin = free_port(), free_port()
        configuration = folder / "proxy.toml"
        configuration.write_text(f"""
[server]
workers = 1
state_dir = "{self.state}"
[admin]
bind = "127.0.0.1:{self.admin}"
[[listener]]
name = "web"
bind = "127.0.0.1:{self.port}"
service = "api"
[service.api]
backend = [{{ address = "127.0.0.1:{backend.port}" }}]
[service.api.health]
interval = "200ms"
[service.api.sla]
tier = "standard"
[state]
backup = {{ to = "s3://copies/prod", every = "{EVERY:g}s", name = "{name}" }}
""")
        self.process = subprocess.Popen(
            [EVENKEEL, "run", "-c", str(configuration)], env=environment, stdout=subprocess.DEVNULL, stderr=open(folder / "log", "wb")
        )
        wait_for("the proxy", lambda: self.get("/readyz") is not None)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=5) as answer:
            return answer.read()

    def backup(self):
        return json.loads(self.get("/api/v1/status"))["ledger_backup"]

    def kinds(self):
        return [event["kind"] for event in json.loads(self.get("/api/v1/events"))]


class Load:
    """Sends a request after the other."""

    def __init__(self, port):
        self.port, self.ends, self.sent = port, False, 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ends:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                    while not self.ends:
                        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                        if not connection.recv(65536):
                            break
                        self.sent += 1
                        time.sleep(0.005)
            except OSError:
                time.sleep(0.01)


def seconds(ledger, until):
    """All whole seconds and ended incidents before a time."""
    connection = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    spans = connection.execute("SELECT * FROM span_second WHERE start < ? ORDER BY 1, 2", [until // 1000 * 1000 - 1000]).fetchall()
    incidents = connection.execute("SELECT id, began, ended FROM incident WHERE ended < ? ORDER BY id", [until - 15000]).fetchall()
    connection.close()
    return spans, incidents


def until(ledger):
    connection = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    (value,) = connection.execute("SELECT value FROM meta WHERE name = 'until'").fetchone()
    connection.close()
    return int(value)


def report(state):
    told = subprocess.run([EVENKEEL, "report", "--state", str(state), "--format", "json", "--last", "1h"], capture_output=True, check=True)
    return json.loads(told.stdout)["services"]["api"]


def known(service):
    """The time of which is known how it was; what was up may turn out to have been down."""
    return service["uptime_s"] + service["downtime_s"] + service["planned_s"]


def play(number, folder, environment, server, port):
    folder.mkdir()
    backend = Backend()
    proxy = Proxy(folder, f"lb-{number}", backend, environment)
    load = Load(proxy.port)
    wait_for("a copy", lambda: proxy.backup()["last_success"])
    time.sleep(EVERY * 1.5)
    what = "killed"
    if number % 2:
        what = "killed, in an outage"
        backend.is_down = True
        time.sleep(EVERY)
    if server is not None:
        what = "killed, after the bucket was gone"
        server.terminate()
        server.wait()
        wait_for("the failure is told", lambda: "ledger_backup_failed" in proxy.kinds())
        server = bucket(port)
        wait_for("it is over", lambda: "ledger_backup_recovered" in proxy.kinds())
    lost_at = time.time()
    proxy.process.send_signal(signal.SIGKILL)
    proxy.process.wait()
    load.ends = True
    # what was lost is kept aside, to be compared with
    lost = folder / "lost"
    shutil.move(proxy.state, lost)
    other = folder / "other"
    began = time.monotonic()
    restored = subprocess.run(
        [EVENKEEL, "state", "restore", "--from", "s3://copies/prod", "--name", proxy.name, "--state", str(other)],
        env=environment, capture_output=True, text=True,
    )
    took = time.monotonic() - began
    if restored.returncode:
        sys.exit(restored.stderr + (folder / "log").read_text())
    point = until(other / "ledger.sqlite")
    age = lost_at - point / 1000
    is_equal = seconds(other / "ledger.sqlite", point) == seconds(lost / "ledger.sqlite", point)
    before, after = report(lost), report(other)
    is_less = known(after) <= known(before) + 0.001 and after["requests"]["good"] <= before["requests"]["good"]
    check = subprocess.run([EVENKEEL, "state", "check", str(other / "ledger.sqlite")], capture_output=True)
    good = is_equal and is_less and check.returncode == 0 and age <= EVERY + SLACK
    lost_requests = before["requests"]["good"] - after["requests"]["good"]
    size = (other / "ledger.sqlite").stat().st_size
    print(f"| {number} | {what} | {load.sent} | {lost_requests} | {age:.2f} | {'yes' if is_equal else 'NO'} | {took:.2f} | {size} | {'ok' if good else 'FAILED'} |", flush=True)
    return good, server


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    if shutil.which(MOTO) is None:
        sys.exit(f"{MOTO} is not installed: pip install -r scripts/redundancy/requirements.txt")
    port = free_port()
    environment = {
        **os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }
    for name in ("AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "STATE_DIRECTORY"):
        environment.pop(name, None)
    server = bucket(port)
    print(f"every = {EVERY:g} s; the recovery point may be {EVERY + SLACK:g} s old")
    print("| round | the machine was | requests | good ones lost | recovery point, s before the loss | equal up to it | restored in s | bytes | |")
    print("|---|---|---|---|---|---|---|---|---|")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            is_last = number == rounds - 1
            passed, kept = play(number, pathlib.Path(folder) / str(number), environment, server if is_last else None, port)
            server = kept or server
            good = good and passed
    server.terminate()
    server.wait()
    sys.exit(0 if good else 1)


main()
