#!/usr/bin/env python3
"""Shared words for real: instances of Evenkeel, an etcd, and all that can go wrong between them.

    words.py EVENKEEL [ROUNDS [SEED]]

Three instances share what operators say through a real etcd, which each reaches through a relay of its own. First words are said to one instance after
the other while all is well, and it is measured when the others follow. Then, in each round, one or several instances are cut off from etcd, killed
and started again, or etcd itself is killed, or loses its history by a compaction; meanwhile words are said to all of them. Then all is well again. What
has to hold: every word is in force where it was said when it is answered, and within two seconds of the end of the trouble all instances have the
same words in force.
"""

import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from cluster import Etcd, Relay  # noqa: E402
from harness import Processes, free_port  # noqa: E402

INSTANCES = ["one", "two", "three"]
BACKENDS = ["a", "b", "c", "d"]
SAYINGS = {"drain": "draining", "disable": "disabled", "enable": "up"}
TROUBLES = ["cut off", "killed", "etcd killed", "compacted", "none"]
CONFIG = """
admin.bind = "127.0.0.1:{admin}"
server.state_dir = "{folder}/{name}"
[cluster]
name = "{name}"
share = true
elect = {{ etcd = ["http://127.0.0.1:{relay}"], ttl = "3s" }}
[[listener]]
name = "web"
bind = "127.0.0.1:{port}"
service = "api"
[service.api]
backend = [{backends}]
"""


class Instance:
    def __init__(self, binary, folder, name, etcd):
        self.binary, self.name, self.relay, self.admin = binary, name, Relay(etcd.port), free_port()
        self.file = pathlib.Path(folder) / f"{name}.toml"
        backends = ", ".join(f'{{ id = "{backend}", address = "127.0.0.1:{free_port()}" }}' for backend in BACKENDS)
        self.file.write_text(CONFIG.format(
            admin=self.admin, folder=folder, name=name, relay=self.relay.port, port=free_port(), backends=backends))
        self.log = open(pathlib.Path(folder) / f"{name}.log", "ab")
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.binary, "run", "-c", self.file], stdout=self.log, stderr=self.log)
        wait(f"{self.name} is ready", lambda: self.ask("/api/v1/status") is not None, 30)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, path, method="GET", body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin}{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.loads(answer.read() or b"null")
        except (OSError, urllib.error.URLError, json.JSONDecodeError):
            return None

    def say(self, backend, command, reason):
        return self.ask(f"/api/v1/services/api/backends/{backend}/{command}", "POST", {"reason": reason})

    def states(self):
        status = self.ask("/api/v1/status")
        return status and {backend["id"]: backend["state"] for backend in status["services"]["api"]["backends"]}

    def shared(self):
        cluster = self.ask("/api/v1/cluster") or {}
        return cluster.get("shared") or {}


def wait(what, is_so, seconds):
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > seconds:
            sys.exit(f"waited {seconds} s in vain: {what}")
        time.sleep(0.005)
    return time.monotonic() - began


def measure(instances, chance):
    """How long the others take to follow while all is well."""
    lags = []
    for turn in range(60):
        at, backend = instances[turn % len(instances)], BACKENDS[turn % len(BACKENDS)]
        now = at.states()[backend]
        command = chance.choice([command for command, state in SAYINGS.items() if state != now])
        answer = at.say(backend, command, f"turn {turn}")
        answered = time.monotonic()
        assert answer["shared"], answer
        for other in instances:
            wait(f"{other.name} follows {at.name}", lambda: other.states()[backend] == SAYINGS[command], 5)
        lags.append(time.monotonic() - answered)
    return lags


def trouble(kind, instances, etcd, chance):
    """Makes the trouble; gives back what ends it."""
    some = chance.sample(instances, chance.randint(1, len(instances)))
    if kind == "cut off":
        for instance in some:
            instance.relay.cut = True
        return lambda: [setattr(instance.relay, "cut", False) for instance in some]
    if kind == "killed":
        for instance in some:
            instance.kill()
        return lambda: [instance.start() for instance in some]
    if kind == "etcd killed":
        etcd.kill()
        return etcd.start
    if kind == "compacted":
        environment = dict(os.environ, ETCDCTL_API="3")
        etcdctl = ["etcdctl", "--endpoints", f"http://127.0.0.1:{etcd.port}"]
        found = subprocess.run([*etcdctl, "get", "x", "-w", "json"], capture_output=True, env=environment)
        revision = json.loads(found.stdout)["header"]["revision"]
        subprocess.run([*etcdctl, "compact", str(revision)], capture_output=True, env=environment)
    return lambda: None


def main():
    binary, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    chance, settled, said = random.Random(seed), [], 0
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="evenkeel-words-") as folder, Processes(folder) as processes:
        etcd = Etcd(processes)
        instances = [Instance(binary, folder, name, etcd) for name in INSTANCES]
        try:
            for instance in instances:
                wait(f"{instance.name} shares", lambda: instance.shared().get("synced"), 20)
            lags = measure(instances, chance)
            print(f"followed by all: median {statistics.median(lags) * 1e3:.0f} ms, "
                  f"longest {max(lags) * 1e3:.0f} ms of {len(lags)}", flush=True)
            for turn in range(rounds):
                kind = chance.choice(TROUBLES)
                end = trouble(kind, instances, etcd, chance)
                for _ in range(chance.randint(1, 5)):
                    at, backend = chance.choice(instances), chance.choice(BACKENDS)
                    command = chance.choice(list(SAYINGS))
                    answer = at.say(backend, command, f"round {turn}")
                    if answer is None:
                        continue
                    said += 1
                    if answer["shared"] or not answer.get("not_shared", "").startswith("it holds at"):
                        continue
                    # nobody else has been heard since: it is in force
                    assert at.states()[backend] in SAYINGS.values(), answer
                end()
                wait("etcd answers all", lambda: all(instance.shared().get("synced") for instance in instances), 30)
                settled.append(wait(f"all have the same after {kind}: {[i.states() for i in instances]}", lambda: (
                    all(instance.shared().get("waiting") == 0 for instance in instances)
                    and len({json.dumps(instance.states()) for instance in instances}) == 1), 2))
            print(f"{rounds} rounds, {said} words: all the same at most {max(settled) * 1e3:.0f} ms after etcd answers", flush=True)
        finally:
            for instance in instances:
                instance.kill()
            etcd.kill()


if __name__ == "__main__":
    main()
