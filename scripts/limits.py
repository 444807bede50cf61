#!/usr/bin/env python3
"""Three instances enforce one rate together by a real Redis, which is slow, hung, killed and started again under load, cut off from two of them, and has its clock set back:
what they allow is compared with the rate.

    scripts/limits.py [path of evenkeel]

It takes less than a minute. Each row is what the three have allowed in some seconds, in requests a second; the error is against the rate, and has to be within 5 %.
Where the store is not there, it is for each instance against its share, and must not be above that by more than 5 %.
"""

import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import free_port, get, wait_until  # noqa: E402

RATE = 300
EVEN, UNEVEN = (250, 250, 250), (500, 80, 40)


class Client(threading.Thread):
    """Sends requests to one instance at a rate that can be changed, and counts the answers with 200."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.rate, self.allowed, self.sent = port, 0, 0, 0

    def run(self):
        try:
            self.send()
        except OSError:
            pass  # its instance has been ended

    def send(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = connection.makefile("rb")
        due = time.monotonic()
        while True:
            if not self.rate:
                time.sleep(0.01)
                due = time.monotonic()
                continue
            due += 1 / self.rate
            time.sleep(max(0.0, due - time.monotonic()))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.sent += 1
            self.allowed += b" 200 " in answers.readline()
            length = 0
            while (line := answers.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.read(length)


class Way:
    """A way to the store, which can be cut."""

    def __init__(self, to):
        self.to, self.is_cut, self.ends = to, False, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                near.close()
                continue
            self.ends += [near, far]
            if self.is_cut:
                self.cut()
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    @staticmethod
    def carry(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it was cut

    def cut(self):
        self.is_cut = True
        for end in self.ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already
        self.ends = []


# What the store has is an hour ahead of its clock from now on, as if that had been set back.
AN_HOUR_BACK = """
for _, key in ipairs(redis.call('KEYS', '*:limit:*')) do
  local later = function(time) return string.format('%.0f', tonumber(time) + 3600 * 1000000) end
  local value = string.gsub(redis.call('GET', key), string.rep('%d', 16), later)
  redis.call('SET', key, value, 'PX', 3700 * 1000)
end
for _, key in ipairs(redis.call('KEYS', '*:limits')) do
  for _, who in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    redis.call('ZINCRBY', key, 3600 * 1000000, who)
  end
end
"""


def play(clients, offered, seconds):
    """What each instance allows in a second."""
    for client, rate in zip(clients, offered):
        client.rate = rate
    time.sleep(1.5)
    before, began = [client.allowed for client in clients], time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    return [(client.allowed - allowed) / took for client, allowed in zip(clients, before)]


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/evenkeel"
    redis_port = free_port()
    ports = [(free_port(), free_port()) for _ in range(3)]
    started = []
    with tempfile.TemporaryDirectory() as folder:

        def redis():
            process = subprocess.Popen(
                ["redis-server", "--port", str(redis_port), "--save", "", "--appendonly", "no", "--dir", folder],
                stdout=subprocess.DEVNULL,
            )
            started.append(process)
            wait_until("Redis listens", lambda: socket.create_connection(("127.0.0.1", redis_port), 1))
            return process

        def up():
            def value(admin):
                lines = get(admin, "/metrics").splitlines()
                return next(line.split()[-1] for line in lines if line.startswith("evenkeel_limit_store_up{"))

            return all(value(admin) == "1" for _, admin in ports)

        try:
            store = redis()
            ways = [Way(redis_port) for _ in ports]
            for number, (port, admin) in enumerate(ports):
                path = pathlib.Path(folder, f"{number}.toml")
                path.write_text(
                    f"""
[server]
workers = 1
state_dir = "state-{number}"
[admin]
bind = "127.0.0.1:{admin}"
[[listener]]
name = "web"
bind = "127.0.0.1:{port}"
[[listener.rate_limit]]
rate = "{RATE}/s"
burst = 30
by = "all"
store = "redis://127.0.0.1:{ways[number].port}"
[[listener.route]]
path_prefix = "/"
respond = {{ status = 200, body = "ok" }}
"""
                )
                started.append(subprocess.Popen([binary, "run", "--config", str(path)], stderr=subprocess.DEVNULL))
            wait_until("all are up", up)
            clients = [Client(port) for port, _ in ports]
            for client in clients:
                client.start()

            worst = 0.0

            def row(what, seen, shares=False):
                nonlocal worst
                error = sum(seen) / RATE - 1
                over = max(seen) / (RATE / 3) - 1
                worst = max(worst, max(0.0, over) if shares else abs(error))
                each = " ".join(f"{allowed:6.1f}" for allowed in seen)
                print(f"{what:44} {each}   sum {sum(seen):6.1f}   error {error:+.1%}" + (f"   most over a share {over:+.1%}" if shares else ""), flush=True)

            row("requests dealt evenly", play(clients, EVEN, 6))
            row("dealt 500, 80, 40", play(clients, UNEVEN, 6))
            pulsing = threading.Event()

            def pulse():
                while not pulsing.wait(0.12):
                    store.send_signal(signal.SIGSTOP)
                    time.sleep(0.12)
                    store.send_signal(signal.SIGCONT)

            thread = threading.Thread(target=pulse)
            thread.start()
            row("the store stands still half of the time", play(clients, EVEN, 6))
            pulsing.set()
            thread.join()
            subprocess.run(["redis-cli", "-p", str(redis_port), "EVAL", AN_HOUR_BACK, "0"], check=True, stdout=subprocess.DEVNULL)
            row("its clock is set back by an hour", play(clients, EVEN, 5))
            for way in ways[:2]:
                way.cut()
            row("two of three are cut off from it", play(clients, EVEN, 5))
            for way in ways:
                way.is_cut = False
            wait_until("all are up", up)
            store.send_signal(signal.SIGSTOP)
            row("the store hangs", play(clients, EVEN, 5), shares=True)
            store.send_signal(signal.SIGCONT)
            wait_until("all are up", up)
            row("it goes on", play(clients, EVEN, 5))
            store.kill()
            store.wait()
            row("the store is killed", play(clients, EVEN, 5), shares=True)
            store = redis()
            wait_until("all are up", up)
            row("it is back, and empty", play(clients, EVEN, 5))
            print(f"worst {worst:.1%}")
            return 0 if worst <= 0.05 else 1
        finally:
            for process in started:
                process.kill()


if __name__ == "__main__":
    sys.exit(main())
