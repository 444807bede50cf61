"""Three instances that are elected through a real etcd, each by a relay of its own, and an act that only the leader may do.

A backend is down for good, so the leader runs its command again and again; the command appends its fencing token to one file, twenty times a
second, for as long as it lives.
"""

import glob
import os
import signal
import socket
import threading
import time
from pathlib import Path

from harness import Backend, Broken, free_port, get, get_json, kill, wait_until

TTL = 3.0
INSTANCES = ["one", "two", "three"]
# where it is installed, an instance's clock of the wall can be set; the machine's own is not touched
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
HOOK = """
while :; do echo "$EVENKEEL_FENCING_TOKEN $NAME $(date +%s.%N)" >> "$FILE"; sleep 0.05; done
"""
ELECTED = 'cluster = {{ name = "{name}", elect = {{ etcd = ["http://127.0.0.1:{relay}"], ttl = "{ttl}s" }} }}'
CONFIG = """
admin.bind = "127.0.0.1:{admin}"
{cluster}
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
environment = {{ NAME = "{name}", FILE = "{tokens}" }}
attempts = 100000
delay = "50ms"
time_out = "2s"
within = "1s"
[service.api.recovery]
cool_down = "50ms"
per_hour = 0
"""


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
    def __init__(self, processes):
        self.processes, self.port, self.peer = processes, free_port(), free_port()
        self.start()

    def start(self):
        client, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.peer}"
        self.process = self.processes.start("etcd.log", [
            "etcd", "--data-dir", f"{self.processes.folder}/etcd", "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        ])

    def kill(self):
        kill(self.process)


class Instance:
    """One of the cluster; or, without etcd, one that is always the leader of itself, whose acts go to a file of its own."""

    def __init__(self, processes, evenkeel, name, etcd, good, fine, bad):
        self.processes, self.evenkeel, self.name = processes, evenkeel, name
        self.admin, self.port = free_port(), free_port()
        cluster, tokens = "", Path(processes.folder, f"{name}-acts")
        if etcd:
            self.relay, tokens = Relay(etcd.port), Path(processes.folder, "tokens")
            cluster = ELECTED.format(name=name, relay=self.relay.port, ttl=int(TTL))
        self.file = Path(processes.folder, f"{name}.toml")
        self.file.write_text(CONFIG.format(cluster=cluster, tokens=tokens, admin=self.admin, name=name, folder=processes.folder, port=self.port,
                                           good=good, fine=fine, bad=bad, hook=HOOK))
        self.is_stopped = False
        self.clock = Path(processes.folder, f"{name}.clock")
        self.set_clock("+0s")
        self.start()

    def start(self):
        fake = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1"} if FAKETIME else {}
        self.process = self.processes.start(f"{self.name}.log", [self.evenkeel, "run", "-c", self.file], env=os.environ | fake)

    def set_clock(self, offset):
        """Sets the clock of the wall that the process sees, as far from the real one. Time namespaces can't: they know monotonic clocks only."""
        new = self.clock.with_suffix(".new")
        new.write_text(offset + "\n")
        new.rename(self.clock)

    def signal(self, which):
        self.process.send_signal(which)
        self.is_stopped = which == signal.SIGSTOP

    def standing(self):
        if self.is_stopped or self.process.poll() is not None:
            return {"leader": False}
        try:
            return get_json(self.admin, "/api/v1/cluster", 1)
        except (OSError, ValueError):
            return {"leader": False}

    def leads(self):
        return self.standing()["leader"]

    def has_renewed(self):
        """Whether it leads, and etcd has prolonged its lease a moment ago."""
        standing = self.standing()
        return standing["leader"] and standing["until_ms"] > (TTL * 4 / 5 - 0.3) * 1000

    def serves(self):
        try:
            return bool(get(self.port, timeout=5))
        except OSError:
            return False


class Cluster:
    def __init__(self, processes, evenkeel, with_alone=False):
        self.tokens_file = Path(processes.folder, "tokens")
        self.etcd = Etcd(processes)
        backends = [Backend().port, Backend().port, free_port()]
        self.instances = [Instance(processes, evenkeel, name, self.etcd, *backends) for name in INSTANCES]
        self.alone = Instance(processes, evenkeel, "alone", None, *backends) if with_alone else None
        everybody = [*self.instances, *([self.alone] if self.alone else [])]
        wait_until("all serve", lambda: all(instance.serves() for instance in everybody))
        if not leader_among(self.instances, 20)[0]:
            raise Broken("nobody leads at the start")

    def tokens(self):
        """Who has acted with which token, in the order of the acts, and when."""
        lines = [line.split() for line in self.tokens_file.read_text().splitlines()]
        return [(int(token), name, float(at)) for token, name, at in lines]


def leader_among(instances, seconds, leads=Instance.leads):
    """Who leads, as soon as somebody does, and after how long."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        for instance in instances:
            if leads(instance):
                return instance, time.monotonic() - began
        time.sleep(0.02)
    return None, seconds


def superseded(tokens):
    """Acts that were done with a token after somebody had acted with a higher one, or with a token that another one had."""
    found, highest, owners = [], 0, {}
    for number, (token, name, _) in enumerate(tokens):
        if token < highest:
            found.append(f"line {number}: {name} acted with {token} after {highest}")
        if owners.setdefault(token, name) != name:
            found.append(f"line {number}: {name} acted with {token}, which is {owners[token]}'s")
        highest = max(highest, token)
    return found
