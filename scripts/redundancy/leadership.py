#!/usr/bin/env python3
"""Leadership for real: instances of Evenkeel, an etcd, and all that can go wrong between them.

    leadership.py EVENKEEL [SCHEDULES [SEED]]

Three instances are elected through a real etcd, which each reaches through a relay of its own. A backend is down for good, so the leader runs its command
again and again; the command appends its fencing token to one file, twenty times a second, for as long as it lives. In each schedule the leader is
stopped beyond its lease (SIGSTOP), killed, cut off from etcd, or told to end, or etcd itself is killed and started again; at random with another
trouble at the same time. What has to hold: the tokens in the file never go down (a lower one behind a higher one was written by somebody who had
been superseded), another instance leads within the lease and a second, and clients are served all the time. In every second schedule the clock of the wall
of the leader jumps before that by an hour to years (libfaketime, where it is installed; the machine's own clock is not touched): it goes on leading.
"""

import collections
import glob
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

TTL = 3.0
INSTANCES = ["one", "two", "three"]
ACTS = ["stopped", "killed", "cut off", "told to end", "etcd killed"]
# where it is installed, the leader's clock of the wall jumps too: nothing is to come of it
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
JUMPS = ["+3600s", "-3600s", "+90d", "-20y"]
HOOK = """
while :; do echo "$EVENKEEL_FENCING_TOKEN $NAME $(date +%s.%N)" >> "$FILE"; sleep 0.05; done
"""
CONFIG = """
admin.bind = "127.0.0.1:{admin}"
cluster = {{ name = "{name}", elect = {{ etcd = ["http://127.0.0.1:{relay}"], ttl = "{ttl}s" }} }}
server.state_dir = "{folder}/{name}"
[[listener]]
name = "web"
bind = "127.0.0.1:{port}"
service = "api"
[service.api]
health = {{ path = "/", interval = "200ms", fall = 1, rise = 1 }}
backend = [{{ id = "good", address = "127.0.0.1:{good}" }}, {{ id = "bad", address = "127.0.0.1:{bad}" }},
           {{ id = "fine", address = "127.0.0.1:{fine}" }}]
[[service.api.recover]]
strategy = "restart"
run = ["/bin/sh", "-c", '''{hook}''']
environment = {{ NAME = "{name}", FILE = "{folder}/tokens" }}
attempts = 100000
delay = "50ms"
time_out = "2s"
within = "1s"
[service.api.recovery]
cool_down = "50ms"
per_hour = 0
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Relay:
    """Bytes to and from etcd; while it is cut, none of them arrives, and nobody is told."""

    def __init__(self, to):
        self.to, self.cut = to, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.to), 1)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for source, target in [(client, server), (server, client)]:
                threading.Thread(target=self.pump, args=(source, target), daemon=True).start()

    def pump(self, source, target):
        try:
            while data := source.recv(65536):
                while self.cut:
                    time.sleep(0.02)
                target.sendall(data)
        except OSError:
            pass
        for side in (source, target):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Etcd:
    def __init__(self, folder):
        self.folder, self.port, self.peer = folder, free_port(), free_port()
        self.start()

    def start(self):
        client, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.peer}"
        self.process = subprocess.Popen(
            ["etcd", "--data-dir", f"{self.folder}/etcd", "--listen-client-urls", client, "--advertise-client-urls", client,
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Instance:
    def __init__(self, binary, folder, name, etcd, good, fine, bad):
        self.binary, self.name = binary, name
        self.relay, self.admin, self.port = Relay(etcd.port), free_port(), free_port()
        self.file = pathlib.Path(folder, f"{name}.toml")
        self.file.write_text(CONFIG.format(admin=self.admin, name=name, relay=self.relay.port, ttl=int(TTL), folder=folder,
                                           port=self.port, good=good, fine=fine, bad=bad, hook=HOOK))
        self.log = open(f"{folder}/{name}.log", "ab")
        self.is_stopped = False
        self.clock = pathlib.Path(folder, f"{name}.clock")
        self.set_clock("+0s")
        self.start()

    def start(self):
        fake = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1"} if FAKETIME else {}
        self.process = subprocess.Popen([self.binary, "run", "-c", self.file], stdout=self.log, stderr=self.log, env=os.environ | fake)

    def set_clock(self, offset):
        """Sets the clock of the wall that the process sees, as far from the real one. Time namespaces can't do that: they know monotonic clocks only."""
        self.clock.with_suffix(".new").write_text(offset + "\n")
        self.clock.with_suffix(".new").rename(self.clock)

    def signal(self, which):
        self.process.send_signal(which)
        self.is_stopped = which == signal.SIGSTOP

    def standing(self):
        if self.is_stopped or self.process.poll() is not None:
            return {"leader": False}
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/api/v1/cluster", timeout=1) as answer:
                return json.load(answer)
        except OSError:
            return {"leader": False}

    def leads(self):
        return self.standing()["leader"]

    def has_renewed(self):
        """Whether it leads, and etcd has prolonged its lease a moment ago."""
        standing = self.standing()
        return standing["leader"] and standing["until_ms"] > (TTL * 4 / 5 - 0.3) * 1000

    def serves(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False


def leader_among(instances, seconds, leads=Instance.leads):
    """Who leads, as soon as somebody does, and after how long."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        for instance in instances:
            if leads(instance):
                return instance, time.monotonic() - began
        time.sleep(0.02)
    return None, seconds


def trouble(act, leader, etcd):
    """Makes it, and gives back what ends it."""
    def start_again():
        leader.process.wait()
        leader.start()

    if act == "stopped":
        leader.signal(signal.SIGSTOP)
        return lambda: leader.signal(signal.SIGCONT)
    if act == "killed":
        leader.signal(signal.SIGKILL)
        return start_again
    if act == "cut off":
        leader.relay.cut = True
        return lambda: setattr(leader.relay, "cut", False)
    if act == "told to end":
        leader.signal(signal.SIGTERM)
        return start_again
    etcd.kill()
    return etcd.start


def main():
    binary, schedules = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    print(f"{schedules} schedules, seed {seed}")
    chance, folder = random.Random(seed), tempfile.mkdtemp(prefix="evenkeel-leadership-")
    backends = [subprocess.Popen([sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={"PYTHONUNBUFFERED": "1"})
                for _ in range(2)]
    good, fine = [int(backend.stdout.readline().split(b" port ")[1].split()[0]) for backend in backends]
    etcd, failures = Etcd(folder), []
    instances = [Instance(binary, folder, name, etcd, good, fine, free_port()) for name in INSTANCES]
    took, refused, jumps = collections.defaultdict(list), 0, 0
    try:
        if not leader_among(instances, 20)[0]:
            raise SystemExit("nobody leads at the start")
        for number in range(schedules):
            # etcd that was just started lets each lease last longer (by its own time-out of elections), until it is renewed
            leader, _ = leader_among(instances, TTL + 5, Instance.has_renewed)
            if not leader:
                failures.append(f"schedule {number}: nobody leads before the trouble")
                continue
            time.sleep(chance.uniform(0.2, 1.5))
            if FAKETIME and number % 2:
                before = leader.standing()
                leader.set_clock(chance.choice(JUMPS))
                time.sleep(chance.uniform(0.2, 1.5))
                after = leader.standing()
                jumps += 1
                if (before["leader"], before.get("token")) != (after["leader"], after.get("token")):
                    failures.append(f"schedule {number}: the clock jumped, and {before} became {after}")
            act = ACTS[number % len(ACTS)]
            ends = [trouble(act, leader, etcd)]
            others = [instance for instance in instances if instance is not leader]
            if act != "etcd killed" and chance.random() < 0.3:
                other = chance.choice(others)
                others.remove(other)
                ends.append(trouble(chance.choice(["stopped", "cut off"]), other, etcd))
            if act == "etcd killed":
                time.sleep(chance.uniform(0.5, 2 * TTL))
                refused += sum(not instance.serves() for instance in instances)
                ends.pop()()
                # etcd needs its time to start, and then lets each lease last for its whole time once more
                _, seconds = leader_among(instances, TTL + 1 + 3)
            else:
                next_one, seconds = leader_among(others, TTL + 3)
                refused += sum(not instance.serves() for instance in others)
                if not next_one or seconds > TTL + 1:
                    failures.append(f"schedule {number}: {act}: no other leader within {TTL + 1} s ({seconds:.2f} s)")
                time.sleep(chance.uniform(0, 1.5))
            took[act].append(seconds)
            for end in ends:
                end()
            time.sleep(0.3)
    finally:
        for instance in instances:
            instance.relay.cut = False
            if instance.is_stopped:
                instance.signal(signal.SIGCONT)
            instance.process.terminate()
        for instance in instances:
            instance.process.wait()
        etcd.kill()
        for backend in backends:
            backend.kill()
    lines = [line.split() for line in pathlib.Path(folder, "tokens").read_text().splitlines()]
    tokens = [(int(line[0]), line[1]) for line in lines]
    highest = 0
    for number, (token, name) in enumerate(tokens):
        if token < highest:
            failures.append(f"line {number}: {name} acted with {token} after {highest}")
        highest = max(highest, token)
    by_token = collections.defaultdict(set)
    for token, name in tokens:
        by_token[token].add(name)
    failures += [f"token {token} is of {names}" for token, names in by_token.items() if len(names) > 1]
    print(f"{'the leader was':<16}{'times':>6}{'median':>9}{'longest':>9}   until another one leads, s")
    for act, seconds in took.items():
        print(f"{act:<16}{len(seconds):>6}{statistics.median(seconds):>9.2f}{max(seconds):>9.2f}")
    print(f"{len(tokens)} acts under {len(by_token)} tokens, the last one {highest}; requests that were not answered: {refused}; jumps of a leader's clock: {jumps}")
    if refused:
        failures.append("clients were not served")
    for failure in failures:
        print("FAILED:", failure)
    if failures:
        print("the logs are in", folder)
        raise SystemExit(1)
    shutil.rmtree(folder)


main()
