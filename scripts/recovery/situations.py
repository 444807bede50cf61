#!/usr/bin/env python3
"""Recovery for real: backends die, hang, leak, are overloaded or all gone under load, and the running proxy repairs them by its commands.

    situations.py EVENKEEL [NAME...]

Each situation prints what it shows: how long it took from the fault to the repair and to the traffic that is back, and how many requests were lost.
It ends with 1 if a situation failed.
"""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

BACKEND = str(pathlib.Path(__file__).with_name("backend.py"))
CLIENTS = 8
PAUSE = 0.004


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Load:
    """Clients that send one request after the other over connections that are kept."""

    def __init__(self, port, clients=CLIENTS, path="/work"):
        self.port, self.path, self.ends, self.lock = port, path, False, threading.Lock()
        self.lost, self.samples = [], []
        self.threads = []
        self.add(clients)

    def add(self, clients):
        for _ in range(clients):
            thread = threading.Thread(target=self.run, daemon=True)
            self.threads.append(thread)
            thread.start()

    def run(self):
        connection = None
        while not self.ends:
            began = time.time()
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
                connection.request("GET", self.path)
                answer = connection.getresponse()
                body = answer.read().decode()
                status = answer.status
            except (OSError, http.client.HTTPException) as error:
                connection, body, status = None, repr(error), 0
            now = time.time()
            with self.lock:
                self.samples.append((began, now - began, status, body))
                if status != 200:
                    self.lost.append((began, status, body[:60]))
            time.sleep(PAUSE)

    def answered_by(self, name, since):
        with self.lock:
            return next((at + took for at, took, status, body in self.samples if status == 200 and body == name and at + took > since), None)

    def p99(self, since, until):
        with self.lock:
            took = sorted(took for at, took, _, _ in self.samples if since <= at < until)
        return took[int(len(took) * 0.99)] if took else 0.0

    def end(self):
        self.ends = True
        for thread in self.threads:
            thread.join(timeout=25)


class Fleet:
    """Backends that are processes, the proxy in front of them, and the load."""

    def __init__(self, binary, service, backends=("a", "b", "c"), backup=(), environment=None, clients=CLIENTS):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="recovery-"))
        self.ports = {name: free_port() for name in (*backends, *backup)}
        self.environment = dict(os.environ, **(environment or {}))
        for name in self.ports:
            self.start(name)
        self.port, self.admin = free_port(), free_port()
        lines = [
            f'[server]\nworkers = 2\nstate_dir = "{self.folder}/state"\n[admin]\nbind = "127.0.0.1:{self.admin}"\n',
            f'[[listener]]\nname = "web"\nbind = "127.0.0.1:{self.port}"\nservice = "api"\n[service.api]\n',
            service.replace("BACKEND_PY", BACKEND).replace("PYTHON", sys.executable).replace("FOLDER", str(self.folder)),
            '[service.api.health]\npath = "/healthz"\ninterval = "500ms"\nfast_interval = "200ms"\n[service.api.sla]\nrto = "10s"\n',
        ]
        for name, port in self.ports.items():
            more = "backup = true\n" if name in backup else ""
            lines.append(f'[[service.api.backend]]\nid = "{name}"\naddress = "127.0.0.1:{port}"\n{more}')
        (self.folder / "proxy.toml").write_text("".join(lines))
        # the restart command is given the id of the backend only
        (self.folder / "ports.json").write_text(json.dumps(self.ports))
        self.log = open(self.folder / "proxy.log", "w")
        self.proxy = subprocess.Popen([binary, "run", "-c", str(self.folder / "proxy.toml")], stdout=self.log, stderr=self.log, env=self.environment)
        self.wait(lambda: self.ask("/readyz", raw=True) is not None, "the proxy is ready")
        self.load = Load(self.port, clients)
        time.sleep(2)

    def start(self, name):
        (self.folder / f"{name}.ready").unlink(missing_ok=True)
        subprocess.run([sys.executable, BACKEND, "restart", str(self.folder), name, str(self.ports[name])], check=True, env=self.environment, stdout=subprocess.DEVNULL)
        self.wait(lambda: (self.folder / f"{name}.ready").exists(), f"{name} listens")

    def pid(self, name):
        return int((self.folder / f"{name}.pid").read_text())

    def signal(self, name, number):
        os.kill(self.pid(name), number)

    def ask(self, path, method="GET", raw=False):
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{self.admin}{path}", method=method)
            with urllib.request.urlopen(request, timeout=5) as answer:
                text = answer.read().decode()
                return text if raw else json.loads(text)
        except OSError:
            return None

    def attempts(self):
        return self.ask("/api/v1/recoveries") or []

    def wait(self, done, what, limit=60):
        until = time.time() + limit
        while time.time() < until:
            got = done()
            if got:
                return got
            time.sleep(0.02)
        raise Failed(f"not within {limit} s: {what}")

    def wait_for(self, **wanted):
        def found():
            return next((a for a in self.attempts() if all(a.get(key) == value for key, value in wanted.items())), None)

        return self.wait(found, f"an attempt with {wanted}")

    def events(self, kind):
        return [event for event in self.ask("/api/v1/events?limit=10000") or [] if event["kind"] == kind]

    def end(self):
        self.load.end()
        self.proxy.terminate()
        try:
            self.proxy.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.proxy.kill()
        for pid_file in self.folder.glob("*.pid"):
            try:
                os.kill(int(pid_file.read_text()), signal.SIGKILL)
            except (OSError, ValueError):
                pass
        self.log.close()


class Failed(Exception):
    pass


def expect(is_so, what):
    if not is_so:
        raise Failed(what)


RESTART = """
[[service.api.recover]]
strategy = "restart"
on = ["unresponsive", "high_error_rate", "resource_exhaustion"]
run = ["PYTHON", "BACKEND_PY", "restart-by-id", "FOLDER", "${backend}"]
drain = "5s"
[service.api.recovery]
cool_down = "2s"
"""


def repaired(fleet, name, since):
    """What the repair of a backend came to, and when it answered again."""
    attempt = fleet.wait_for(backend=name, outcome="healed")
    acted = max(float(line.split()[0]) for line in (fleet.folder / "actions").read_text().splitlines() if f"restart {name}" in line)
    back = fleet.wait(lambda: fleet.load.answered_by(name, acted), f"{name} answers again")
    ready = float((fleet.folder / f"{name}.ready").read_text())
    started = ready - acted
    return attempt, back - since, started


def one_is_killed(binary):
    fleet = Fleet(binary, RESTART)
    try:
        since = time.time()
        fleet.signal("b", signal.SIGKILL)
        attempt, rto, started = repaired(fleet, "b", since)
        fleet.load.end()
        lost = fleet.load.lost
        print(f"  killed, traffic is back after {rto:.2f} s, of which its start took {started:.2f} s; verified after {attempt['recovery_s']:.2f} s; {len(lost)} of {len(fleet.load.samples)} requests lost {lost[:3]}")
        expect(not lost, "requests were lost")
        expect(rto - started <= 3, "it took more than 3 s beside the start of the process")
    finally:
        fleet.end()


def one_hangs(binary):
    fleet = Fleet(binary, RESTART)
    try:
        since = time.time()
        fleet.signal("b", signal.SIGSTOP)
        attempt, rto, started = repaired(fleet, "b", since)
        fleet.load.end()
        lost = fleet.load.lost
        print(f"  hung, traffic is back after {rto:.2f} s, of which its start took {started:.2f} s; verified after {attempt['recovery_s']:.2f} s; {len(lost)} of {len(fleet.load.samples)} requests lost {lost[:3]}")
        expect(not lost, "requests were lost")
    finally:
        fleet.end()


def one_leaks(binary):
    fleet = Fleet(binary, RESTART + "[service.api.detect]\n[service.api.detect.performance]\nmemory = 0.9\n")
    try:
        pid, since = fleet.pid("b"), time.time()
        (fleet.folder / "b.mode").write_text("leak")
        attempt, rto, started = repaired(fleet, "b", since)
        fleet.load.end()
        lost = fleet.load.lost
        died = "137" in (fleet.folder / "b.log").read_text()
        print(f"  leaks, fault {attempt['fault']}; restarted before it died, traffic is back after {rto:.2f} s; {len(lost)} of {len(fleet.load.samples)} requests lost {lost[:3]}")
        expect(not lost, "requests were lost")
        expect(attempt["fault"] == "resource_exhaustion" and not died and fleet.pid("b") != pid, "it was not restarted for its memory")
    finally:
        fleet.end()


def primaries_are_gone(binary):
    failover = '[[service.api.recover]]\nstrategy = "failover"\nback_after = "3s"\n'
    fleet = Fleet(binary, failover, backends=("a", "b"), backup=("z",))
    try:
        since = time.time()
        for name in ("a", "b"):
            fleet.signal(name, signal.SIGKILL)
        first = fleet.wait(lambda: fleet.load.answered_by("z", since), "the backup answers")
        attempt = fleet.wait_for(strategy="failover", outcome="healed")
        verdict_to_act = parse(attempt["acted"]) - parse(attempt["raised"])
        time.sleep(2)
        back_since = time.time()
        for name in ("a", "b"):
            fleet.start(name)
        fleet.wait(lambda: fleet.events("recovery_released"), "the failover is over")
        home = time.time()
        fleet.wait(lambda: fleet.load.answered_by("a", home), "the primaries answer")
        time.sleep(1)
        late = [s for s in fleet.load.samples if s[3] == "z" and s[0] > home + 0.3]
        fleet.load.end()
        lost = fleet.load.lost
        print(f"  first answer of the backup {first - since:.2f} s after the kill, failover {verdict_to_act:.2f} s after the verdict; home again {home - back_since:.2f} s after they were back; {len(lost)} of {len(fleet.load.samples)} requests lost, {len(late)} late answers of the backup")
        expect(verdict_to_act < 1, "the failover took more than a second")
        expect(not late, "the backup still gets work")
    finally:
        fleet.end()


def overload(binary):
    service = """discover = { file = "FOLDER/backends.json" }
balance = "least_connections"
[[service.api.recover]]
strategy = "scale_up"
on = ["high_latency", "resource_exhaustion"]
run = ["PYTHON", "BACKEND_PY", "up", "FOLDER"]
down = ["PYTHON", "BACKEND_PY", "down", "FOLDER"]
down_after = "5s"
environment = { SLOTS = "1", SERVICE_MS = "8" }
max_instances = 6
within = "20s"
delay = "1s"
[service.api.recovery]
cool_down = "2s"
per_hour = 30
max_unhealthy = 1.0
[service.api.detect]
[service.api.detect.performance]
latency = "60ms"
"""
    # each does 100 requests a second, so two do 200
    fleet = Fleet(binary, service, backends=("a", "b"), environment={"SLOTS": "1", "SERVICE_MS": "8"})
    try:
        calm = fleet.load.p99(time.time() - 1, time.time())
        since = time.time()
        fleet.load.add(24)
        attempt = fleet.wait_for(strategy="scale_up", outcome="healed")
        more = len(fleet.ask("/api/v1/status")["services"]["api"]["backends"])
        time.sleep(1)
        worst, after = fleet.load.p99(since + 2, since + 4), fleet.load.p99(time.time() - 1, time.time())
        expect(more > 2, "no backend came")
        fleet.load.ends = True
        time.sleep(0.5)
        fleet.load.ends = False
        quiet = Load(fleet.port, 2)
        fleet.wait(lambda: "down" in (fleet.folder / "actions").read_text(), "an instance is taken away again", 90)
        fleet.wait(lambda: len(fleet.ask("/api/v1/status")["services"]["api"]["backends"]) == 2, "two are left", 90)
        quiet.end()
        fleet.load.end()
        lost = fleet.load.lost + quiet.lost
        print(f"  p99 {calm * 1000:.0f} ms calm, {worst * 1000:.0f} ms overloaded, {after * 1000:.0f} ms with {more} backends; healed after {attempt['recovery_s']:.2f} s; two again at the end; {len(lost)} requests lost {lost[:3]}")
    finally:
        fleet.end()


def parse(time_text):
    import datetime

    return datetime.datetime.fromisoformat(time_text.replace("Z", "+00:00")).timestamp()


SITUATIONS = {f.__name__: f for f in (one_is_killed, one_hangs, one_leaks, primaries_are_gone, overload)}


def main():
    binary, *names = sys.argv[1:]
    failed = 0
    for name in names or SITUATIONS:
        print(name, flush=True)
        try:
            SITUATIONS[name](binary)
        except Failed as why:
            failed += 1
            print(f"  FAILED: {why}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
