"""Two instances that share an address by keepalived, backends, and a client's machine."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from harness import Broken, wait_until
from lab import Lab

HERE = Path(__file__).parent
VIP = "10.77.0.9"
PORT = 8080
UDP_PORT = 8081

CONFIG = """\
[server]
workers = 2
drain_timeout = "10s"
state_dir = "{state}"

[admin]
bind = "127.0.0.1:9900"

[log]
access = "off"

[[listener]]
name = "web"
bind = "{vip}:{port}"
free_bind = true
service = "app"

[service.app.health]
kind = "tcp"
interval = "500ms"

[[service.app.backend]]
address = "10.77.0.21:9001"

[[service.app.backend]]
address = "10.77.0.21:9002"

[[listener]]
name = "echo"
bind = "{vip}:{udp_port}"
protocol = "udp"
free_bind = true
service = "echo"

[[service.echo.backend]]
address = "10.77.0.21:9003"
"""


class Instance:
    """A machine with Evenkeel and keepalived."""

    def __init__(self, pair, name, address, peer):
        lab = pair.lab
        self.lab, self.name = lab, name
        self.machine = lab.machine(name)
        self.address, self.peer, self.pair = address, peer, pair
        self.config = self.machine.write(
            "proxy.toml", CONFIG.format(state=lab.folder / f"{name}-state", vip=VIP, port=PORT, udp_port=UDP_PORT)
        )
        self.weight = lab.folder / f"{name}-weight"
        self.evenkeel = self.keepalived = None

    def start(self):
        self.evenkeel = self.machine.start(f"{self.name}.log", [self.lab.evenkeel, "run", "-c", self.config])

    def start_keepalived(self, *more):
        text = self.machine.run(
            self.lab.evenkeel, "keepalived", "--vip", f"{VIP}/24", "--peer", self.peer, "-c", self.config,
            "--track-file", self.weight, *more,
        )
        conf = self.machine.write("keepalived.conf", text)
        self.machine.run("keepalived", "-t", "-f", conf)
        pids = [f"{flag}{self.lab.folder}/{self.name}-{kind}.pid" for flag, kind in (("-p", "main"), ("-r", "vrrp"))]
        self.keepalived = self.machine.start(
            f"{self.name}-keepalived.log", ["keepalived", "--vrrp", "-n", "-l", "-D", "-f", conf, *pids]
        )

    def state(self):
        """What keepalived says of itself: BACKUP, MASTER or FAULT."""
        words = [line for line in self.lab.log(f"{self.name}-keepalived.log").splitlines() if "Entering" in line]
        return words[-1].split("Entering ")[1].split()[0] if words else "none"

    def stands_by(self):
        return self.state() == "BACKUP" and not self.has_address() and self.tracked() == 100

    def has_address(self):
        return self.machine.has(VIP)

    def tracked(self):
        """The step of the weight, as keepalived reads it."""
        try:
            return int(self.weight.read_text())
        except (OSError, ValueError):
            return None

    def ask(self, *command):
        return subprocess.run(
            ["ip", "netns", "exec", self.machine.namespace, self.lab.evenkeel, *command, "-c", self.config],
            capture_output=True, text=True, check=False,
        )

    def end(self, how=signal.SIGTERM):
        self.evenkeel.send_signal(how)
        return self.evenkeel.wait(30)


class Pair:
    """The network:

        a (10.77.0.2)      b (10.77.0.3)
              |                 |
        switch `left` ===== switch `right`
              |                 |
          client            backends
    """

    def __init__(self, evenkeel, *keepalived):
        self.lab = lab = Lab(evenkeel)
        try:
            self._build(lab, keepalived)
        except BaseException:
            self.close()
            raise

    def _build(self, lab, keepalived):
        lab.bridge("left")
        lab.bridge("right")
        self.cable = lab.join("left", "right")
        self.a = Instance(self, "a", "10.77.0.2", "10.77.0.3")
        self.b = Instance(self, "b", "10.77.0.3", "10.77.0.2")
        self.ports = {
            "a": self.a.machine.plug("left", "eth0", "10.77.0.2/24"),
            "b": self.b.machine.plug("right", "eth0", "10.77.0.3/24"),
        }
        self.client, self.backends = lab.machine("client"), lab.machine("backends")
        self.client.plug("left", "eth0", "10.77.0.11/24")
        self.backends.plug("right", "eth0", "10.77.0.21/24")
        self.backend = self.backends.start("backends.log", [sys.executable, HERE / "backend.py", "10.77.0.21", "9003", "9001", "9002"])
        for instance in (self.a, self.b):
            instance.start()
        for instance in (self.a, self.b):
            instance.start_keepalived(*keepalived)
        self.settle()

    def settle(self):
        """Waits until one has the address and the other one stands by; gives back the two in this order."""

        def settled():
            for active, standby in ((self.a, self.b), (self.b, self.a)):
                if active.has_address() and active.state() == "MASTER" and standby.stands_by():
                    return active, standby
            return None

        try:
            return wait_until("one owner of the address, and one standby", settled, 30)
        except Broken as broken:
            seen = {i.name: (i.state(), i.has_address(), i.tracked()) for i in (self.a, self.b)}
            raise Broken(f"{broken}: {seen}") from broken

    def close(self):
        self.lab.close()


class Load:
    """A client that sends so many requests a second, whatever comes back, over HTTP/1 or over `h2`."""

    def __init__(self, pair, rate, keep_alive=0.0, over="http1"):
        self.out = pair.lab.folder / f"load-{time.monotonic_ns()}.jsonl"
        self.process = pair.client.start(
            "load.log",
            [sys.executable, HERE / "load.py", VIP, PORT, rate, over, keep_alive, self.out],
            stdin=subprocess.PIPE,
        )
        wait_until("the first answers", lambda: self.out.exists(), 20)

    def stop(self):
        """Ends it, and gives back what it saw, each with what `Request` has."""
        self.process.stdin.close()
        if self.process.wait(60) != 0:
            raise Broken("the client has failed")
        with open(self.out) as lines:
            return [Request(*json.loads(line)) for line in lines]


class Request:
    """One request. Times are those of the monotonic clock, which all namespaces share."""

    __slots__ = ("begin", "end", "outcome", "refused", "again")

    def __init__(self, begin, end, outcome, refused, again):
        self.begin, self.end, self.outcome, self.refused, self.again = begin, end, outcome, refused, again

    def is_lost(self):
        return self.outcome != "ok"


class Datagrams:
    """A client with flows of UDP."""

    FLOWS, RATE = 20, 50

    def __init__(self, pair):
        command = [sys.executable, HERE / "datagrams.py", VIP, UDP_PORT, self.FLOWS, self.RATE]
        self.process = pair.client.start("datagrams.log", command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def stop(self):
        """Ends it, and gives back what it has counted."""
        return json.loads(self.process.communicate(timeout=30)[0])


class Owners(threading.Thread):
    """Notes when each of the two gets and gives back the address."""

    def __init__(self, pair):
        super().__init__(daemon=True)
        self.changes = []
        for instance in (pair.a, pair.b):
            command = ["ip", "-n", instance.machine.namespace, "-4", "-o", "monitor", "address"]
            watcher = pair.lab.start("watcher.log", command, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._watch, args=(instance.name, watcher), daemon=True).start()

    def _watch(self, name, watcher):
        for line in watcher.stdout:
            if f"inet {VIP}/" in line:
                self.changes.append((time.monotonic(), name, "lost" if line.startswith("Deleted") else "got"))
