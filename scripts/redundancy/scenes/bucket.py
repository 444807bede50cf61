"""A machine is lost again and again, and its ledger is restored from a bucket on another one.

The bucket is PyPI's `moto[server]`. In each round Evenkeel runs under load, with an outage under way in every second one, is killed by SIGKILL, and its
state_dir is gone; what `evenkeel state restore --from` puts in another folder is compared with what was lost. In the last round the bucket is gone for a
while. What has to hold: the recovery point is at most `every` + 10 s before the loss, and up to there the report is equal.
"""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from harness import Backend, Broken, Processes, Row, free_port, get, get_json, kill, stop, timing, wait_until

NEEDS = ("moto_server",)
EVERY = 3.0
SLACK = 10.0


class Bucket:
    """A server with an empty bucket; what is in it is gone with the process."""

    def __init__(self, processes):
        self.processes, self.port = processes, free_port()
        self.start()

    def start(self):
        self.process = self.processes.start("bucket.log", ["moto_server", "-H", "127.0.0.1", "-p", self.port])
        create = urllib.request.Request(f"http://127.0.0.1:{self.port}/copies", method="PUT")
        wait_until("the bucket", lambda: urllib.request.urlopen(create, timeout=5).status == 200, 60)

    def environment(self):
        """That of a process which is to find it."""
        more = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
        }
        ours = ("AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "STATE_DIRECTORY")
        return {**{name: value for name, value in os.environ.items() if name not in ours}, **more}


class Proxy:
    def __init__(self, processes, evenkeel, folder, name, backend, environment, backup=True):
        self.name, self.state = name, folder / "state"
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
""" + (f'[state]\nbackup = {{ to = "s3://copies/prod", every = "{EVERY:g}s", name = "{name}" }}\n' if backup else ""))
        self.process = processes.start(f"{name}.log", [evenkeel, "run", "-c", configuration], env=environment)
        wait_until("the proxy", lambda: get(self.admin, "/readyz"), 60)

    def backup(self):
        return get_json(self.admin, "/api/v1/status")["ledger_backup"]

    def kinds(self):
        return [event["kind"] for event in get_json(self.admin, "/api/v1/events")]


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


def report(evenkeel, state):
    told = subprocess.run([evenkeel, "report", "--state", str(state), "--format", "json", "--last", "1h"], capture_output=True, check=True)
    return json.loads(told.stdout)["services"]["api"]


def known(service):
    """The time of which is known how it was; what was up may turn out to have been down."""
    return service["uptime_s"] + service["downtime_s"] + service["planned_s"]


@dataclass
class Round:
    """One machine that was lost, and what came back."""

    age: float
    lost_requests: int
    is_equal: bool
    is_sound: bool
    took: float


def lose(number, evenkeel, processes, bucket, folder, is_bucket_gone):
    folder.mkdir()
    backend, environment = Backend(), bucket.environment()
    proxy = Proxy(processes, evenkeel, folder, f"lb-{number}", backend, environment)
    load = Load(proxy.port)
    wait_until("a copy", lambda: proxy.backup()["last_success"], 60)
    time.sleep(EVERY * 1.5)
    if number % 2:
        backend.is_down = True
        time.sleep(EVERY)
    if is_bucket_gone:
        stop(bucket.process)
        wait_until("the failure is told", lambda: "ledger_backup_failed" in proxy.kinds(), 60)
        bucket.start()
        wait_until("it is over", lambda: "ledger_backup_recovered" in proxy.kinds(), 60)
    lost_at = time.time()
    kill(proxy.process)
    load.ends = True
    # what was lost is kept aside, to be compared with
    lost, other = folder / "lost", folder / "other"
    shutil.move(proxy.state, lost)
    began = time.monotonic()
    command = [evenkeel, "state", "restore", "--from", "s3://copies/prod", "--name", proxy.name, "--state", other]
    restored = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    if restored.returncode:
        raise Broken(restored.stderr + processes.log(f"{proxy.name}.log")[-2000:])
    point = until(other / "ledger.sqlite")
    before, after = report(evenkeel, lost), report(evenkeel, other)
    is_less = known(after) <= known(before) + 0.001 and after["requests"]["good"] <= before["requests"]["good"]
    check = subprocess.run([evenkeel, "state", "check", other / "ledger.sqlite"], capture_output=True, check=False)
    return Round(
        age=lost_at - point / 1000,
        lost_requests=before["requests"]["good"] - after["requests"]["good"],
        is_equal=is_less and seconds(other / "ledger.sqlite", point) == seconds(lost / "ledger.sqlite", point),
        is_sound=check.returncode == 0,
        took=took,
    )


def play(context):
    count = context.size("ROUNDS", 2, 4, 20)
    with tempfile.TemporaryDirectory(prefix="evenkeel-bucket-") as folder, Processes(folder) as processes:
        bucket = Bucket(processes)
        rounds = [
            lose(number, context.evenkeel, processes, bucket, Path(folder) / str(number), number == count - 1) for number in range(count)
        ]
    equal, sound = (sum(getattr(one, name) for one in rounds) for name in ("is_equal", "is_sound"))
    worst = max(one.age for one in rounds)
    yield Row(f"machine lost, {count} times; restored from the bucket: report equal up to the recovery point", str(count), str(equal), equal == count)
    yield Row("what was restored passes `state check`", str(count), str(sound), sound == count)
    yield timing(
        f"recovery point before the loss, worst (every = {EVERY:g} s)",
        f"<= {EVERY + SLACK:g} s",
        f"{worst:.1f} s; {max(one.lost_requests for one in rounds)} requests were not in it; restored in {max(one.took for one in rounds):.1f} s",
        worst <= EVERY + SLACK,
    )
