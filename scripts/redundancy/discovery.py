#!/usr/bin/env python3
"""Discovery from etcd for real: an etcd of three members, a proxy that watches a prefix in it, and all that can go wrong between them.

    discovery.py EVENKEEL [ROUNDS [KEYS]]

Keys are put and deleted, leases end, etcd compacts what a stopped proxy has not seen yet, the member that the proxy is connected to is killed or
stopped (SIGSTOP), and all members are killed and started again. What is measured is the time from the moment that etcd has confirmed a change until the
proxy has another set of backends. What has to hold: the set is right in the end, no backend is taken away because etcd can't be asked, and no request
fails.
"""

import base64
import http.server
import json
import pathlib
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

PREFIX = "/services/api/"
CONFIG = """
admin.bind = "127.0.0.1:{admin}"
server.state_dir = "{folder}/state"
[[listener]]
name = "web"
bind = "127.0.0.1:{port}"
service = "api"
[service.api]
discover = {{ etcd = "{prefix}", endpoints = [{endpoints}] }}
"""
# until the set has changed, in seconds; a member that is killed may have been the leader, and then the others elect one first
LIMITS = {"one key put": 1, "one key deleted": 1, "all keys put": 5, "a lease of half of them revoked": 2, "a lease has run out": 1,
          "compacted behind a stopped proxy": 8, "its member killed": 5, "its member stopped": 8, "all members killed": 8}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def encoded(text):
    return base64.b64encode(text.encode()).decode()


class Member:
    def __init__(self, folder, number):
        self.name, self.folder, self.port, self.peer = f"m{number}", folder, free_port(), free_port()
        self.url, self.process = f"http://127.0.0.1:{self.port}", None

    def start(self, members):
        peer = f"http://127.0.0.1:{self.peer}"
        self.process = subprocess.Popen(
            ["etcd", "--name", self.name, "--data-dir", f"{self.folder}/{self.name}", "--listen-client-urls", self.url,
             "--advertise-client-urls", self.url, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
             "--initial-cluster", ",".join(f"{one.name}=http://127.0.0.1:{one.peer}" for one in members)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


class Etcd:
    """Three members; calls go to those that are not in trouble."""

    def __init__(self, folder):
        self.members = [Member(folder, number) for number in range(3)]
        self.well = list(self.members)
        for member in self.members:
            member.start(self.members)

    def call(self, path, message, seconds=60):
        end = time.monotonic() + seconds
        while True:
            for member in self.well:
                try:
                    body = json.dumps(message).encode()
                    with urllib.request.urlopen(urllib.request.Request(member.url + path, body), timeout=3) as answer:
                        return json.load(answer)
                except OSError as error:
                    last = error
            if time.monotonic() > end:
                raise SystemExit(f"etcd does not answer {path} within {seconds} s: {last}")
            time.sleep(0.01)

    def put(self, key, value, lease=0):
        self.call("/v3/kv/put", {"key": encoded(PREFIX + key), "value": encoded(value), "lease": lease})

    def put_all(self, values, lease=0):
        """So many at a time as a transaction takes."""
        entries = list(values.items())
        for at in range(0, len(entries), 100):
            puts = [{"requestPut": {"key": encoded(PREFIX + key), "value": encoded(value), "lease": lease}}
                    for key, value in entries[at:at + 100]]
            self.call("/v3/kv/txn", {"success": puts})

    def delete(self, key):
        self.call("/v3/kv/deleterange", {"key": encoded(PREFIX + key)})

    def count(self):
        answer = self.call("/v3/kv/range", {"key": encoded(PREFIX), "range_end": encoded(PREFIX[:-1] + "0"), "count_only": True})
        return int(answer.get("count", 0))

    def compact(self):
        revision = self.call("/v3/kv/range", {"key": encoded(PREFIX), "count_only": True})["header"]["revision"]
        self.call("/v3/kv/compaction", {"revision": revision})

    def grant(self, ttl):
        return self.call("/v3/lease/grant", {"TTL": ttl})["ID"]

    def revoke(self, lease):
        self.call("/v3/lease/revoke", {"ID": lease})


class Proxy:
    def __init__(self, binary, folder, etcd):
        self.admin, self.port, self.failed, self.sent = free_port(), free_port(), [], 0
        file = pathlib.Path(folder, "proxy.toml")
        endpoints = ", ".join(f'"{member.url}"' for member in etcd.members)
        file.write_text(CONFIG.format(admin=self.admin, port=self.port, folder=folder, prefix=PREFIX, endpoints=endpoints))
        self.log = open(f"{folder}/proxy.log", "ab")
        self.process = subprocess.Popen([binary, "run", "-c", file], stdout=self.log, stderr=self.log)
        self.is_stopped = self.ends = False

    def status(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/api/v1/status?service=api&limit=1", timeout=10) as answer:
            return json.load(answer)

    def total(self):
        return self.status()["services"]["api"]["total"]

    def ids(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/api/v1/status?service=api", timeout=10) as answer:
            return {backend["id"]: backend["address"] for backend in json.load(answer)["services"]["api"]["backends"]}

    def wait_for(self, total, seconds=30):
        began = time.monotonic()
        while (seen := self.total()) != total:
            if time.monotonic() - began > seconds:
                raise SystemExit(f"waited {seconds} s in vain for {total} backends: there are {seen}")
            time.sleep(0.005)
        return time.monotonic() - began

    def member(self, etcd):
        """The member that it is connected to."""
        shown = subprocess.run(["ss", "-tnpH", "state", "established"], capture_output=True, text=True, check=True).stdout
        lines = [line for line in shown.splitlines() if f"pid={self.process.pid}," in line]
        for member in etcd.members:
            if any(line.split()[3].endswith(f":{member.port}") for line in lines):
                return member
        raise SystemExit("the proxy is connected to no member")

    def send(self):
        """Requests, one after the other, until the end."""
        while not self.ends:
            if self.is_stopped:
                time.sleep(0.01)
                continue
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=20) as answer:
                    answer.read()
            except OSError as error:
                self.failed.append(str(error))
            self.sent += 1


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Play:
    def __init__(self, etcd, proxy, port, keys):
        self.etcd, self.proxy, self.port, self.keys = etcd, proxy, port, keys
        self.took, self.sets = {}, []

    def address(self, number):
        return f"127.1.{number // 250}.{number % 250 + 1}:{self.port}"

    def value(self, number):
        return json.dumps({"address": self.address(number), "weight": 1, "zone": "z"})

    def values(self, name, numbers):
        return {f"{name}-{number}": self.value(number) for number in numbers}

    def note(self, what, seconds):
        self.took.setdefault(what, []).append(seconds)

    def keys_come_and_go(self):
        self.etcd.put("more", self.address(0))
        self.note("one key put", self.proxy.wait_for(2))
        self.etcd.delete("more")
        self.note("one key deleted", self.proxy.wait_for(1))

    def leases_end(self):
        """All keys; half of them go at once."""
        generation, began = self.proxy.status()["config_generation"], time.monotonic()
        leases = [self.etcd.grant(3600) for _ in range(2)]
        self.etcd.put_all(self.values("a", range(self.keys // 2)), leases[0])
        self.etcd.put_all(self.values("b", range(self.keys // 2, self.keys)), leases[1])
        self.proxy.wait_for(self.keys + 1)
        self.note("all keys put", time.monotonic() - began)
        self.sets.append(self.proxy.status()["config_generation"] - generation)
        self.etcd.revoke(leases[0])
        self.note("a lease of half of them revoked", self.proxy.wait_for(self.keys - self.keys // 2 + 1))
        self.etcd.revoke(leases[1])
        self.proxy.wait_for(1)
        self.etcd.put("dies", self.address(1), self.etcd.grant(2))
        self.proxy.wait_for(2)
        while self.etcd.count() > 1:
            time.sleep(0.005)
        self.note("a lease has run out", self.proxy.wait_for(1))

    def compaction(self):
        self.proxy.is_stopped = True
        time.sleep(0.5)
        self.proxy.process.send_signal(signal.SIGSTOP)
        try:
            # more than fits into what is on its way to the proxy
            for _ in range(12):
                self.etcd.put_all({key: json.dumps({"address": self.address(0), "zone": "z" * 2000})
                                   for key in self.values("c", range(self.keys))})
            for number in range(0, self.keys, 2):
                self.etcd.delete(f"c-{number}")
            self.etcd.compact()
        finally:
            self.proxy.process.send_signal(signal.SIGCONT)
            self.proxy.is_stopped = False
        self.note("compacted behind a stopped proxy", self.proxy.wait_for(self.keys // 2 + 1))
        wanted = {f"c-{number}" for number in range(1, self.keys, 2)} | {"first"}
        if set(self.proxy.ids()) != wanted:
            raise SystemExit("the set is wrong after a compaction")
        self.clear("c")

    def clear(self, name):
        self.etcd.call("/v3/kv/deleterange", {"key": encoded(f"{PREFIX}{name}-"), "range_end": encoded(f"{PREFIX}{name}.")})
        self.proxy.wait_for(1)

    def member_in_trouble(self, what, begin, end):
        member = self.proxy.member(self.etcd)
        self.etcd.well.remove(member)
        begin(member)
        began = time.monotonic()
        self.etcd.put("more", self.address(0))
        self.proxy.wait_for(2)
        self.note(what, time.monotonic() - began)
        end(member)
        self.etcd.well.append(member)
        self.settle()

    def settle(self):
        """The key is deleted for good: a call that got no answer in time may be carried out later."""
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 4:
            if self.etcd.count() > 1:
                self.etcd.delete("more")
                quiet_since = time.monotonic()
            time.sleep(0.1)
        self.proxy.wait_for(1)

    def all_killed(self):
        for member in self.etcd.members:
            member.kill()
        end = time.monotonic() + 12
        while time.monotonic() < end:
            if self.proxy.total() != 1:
                raise SystemExit("a backend was taken away while etcd was gone")
            time.sleep(0.1)
        for member in self.etcd.members:
            member.start(self.etcd.members)
        self.etcd.put("more", self.address(0))
        self.note("all members killed", self.proxy.wait_for(2))
        self.settle()

    def play(self, rounds):
        for _ in range(10 * rounds):
            self.keys_come_and_go()
        for _ in range(rounds):
            self.leases_end()
            self.compaction()
            self.member_in_trouble("its member killed", Member.kill, lambda member: member.start(self.etcd.members))
            self.member_in_trouble("its member stopped", lambda member: member.process.send_signal(signal.SIGSTOP),
                                   lambda member: member.process.send_signal(signal.SIGCONT))
            self.all_killed()


def main():
    binary, rounds, keys = sys.argv[1], *(int(number) for number in (sys.argv[2:4] + ["3", "1000"][len(sys.argv) - 2:])[:2])
    folder = tempfile.mkdtemp(prefix="evenkeel-discovery-")
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    etcd = Etcd(folder)
    proxy, failures = None, []
    try:
        etcd.put("first", f"127.1.0.1:{server.server_port}")
        proxy = Proxy(binary, folder, etcd)
        end = time.monotonic() + 20
        while True:
            try:
                proxy.status()
                break
            except OSError:
                if time.monotonic() > end:
                    raise SystemExit("the proxy does not start") from None
                time.sleep(0.05)
        proxy.wait_for(1)
        play = Play(etcd, proxy, server.server_port, keys)
        sender = threading.Thread(target=proxy.send, daemon=True)
        sender.start()
        play.play(rounds)
        proxy.ends = True
        sender.join()
    finally:
        if proxy:
            proxy.process.send_signal(signal.SIGCONT)
            proxy.process.terminate()
            proxy.process.wait()
        for member in etcd.members:
            member.kill()
    print(f"{'':<34}{'times':>6}{'median':>9}{'longest':>9}{'limit':>7}   until the set has changed, s")
    for what, seconds in play.took.items():
        limit = LIMITS[what]
        print(f"{what:<34}{len(seconds):>6}{statistics.median(seconds):>9.3f}{max(seconds):>9.3f}{limit:>7}")
        if max(seconds) > limit:
            failures.append(f"{what}: {max(seconds):.2f} s, more than {limit} s")
    print(f"{keys} keys in {', '.join(map(str, play.sets))} sets; {proxy.sent} requests, {len(proxy.failed)} failed")
    if proxy.failed:
        failures.append(f"{len(proxy.failed)} requests failed, the first one: {proxy.failed[0]}")
    for failure in failures:
        print("FAILED:", failure)
    if failures:
        print("the logs are in", folder)
        raise SystemExit(1)
    shutil.rmtree(folder)


main()
