"""Three instances that enforce one rate together by a real Redis, which is slow, hung, killed and started again under load, cut off
from two of them, and has its clock set back."""

import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

from harness import Processes, Row, free_port, get, kill, wait_until
from steady import Client, play

RATE = 300
EVEN, UNEVEN = (250, 250, 250), (500, 80, 40)

CONFIG = """
[server]
workers = 1
state_dir = "{folder}/state-{number}"
[admin]
bind = "127.0.0.1:{admin}"
[[listener]]
name = "web"
bind = "127.0.0.1:{port}"
[[listener.rate_limit]]
rate = "{rate}/s"
burst = 30
by = "all"
store = "redis://127.0.0.1:{redis}"
[[listener.route]]
path_prefix = "/"
respond = {{ status = 200, body = "ok" }}
"""


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


class Redis:
    def __init__(self, processes):
        self.processes, self.port = processes, free_port()
        self.start()

    def start(self):
        command = ["redis-server", "--port", self.port, "--save", "", "--appendonly", "no", "--dir", self.processes.folder]
        self.process = self.processes.start("redis.log", command, start_new_session=False)
        wait_until("Redis listens", lambda: socket.create_connection(("127.0.0.1", self.port), 1))

    def set_the_clock_back(self):
        subprocess.run(["redis-cli", "-p", str(self.port), "EVAL", AN_HOUR_BACK, "0"], check=True, stdout=subprocess.DEVNULL)

    def stands_still_half_of_the_time(self, over):
        while not over.wait(0.12):
            self.process.send_signal(signal.SIGSTOP)
            time.sleep(0.12)
            self.process.send_signal(signal.SIGCONT)


def gauge(admin, name):
    lines = get(admin, "/metrics").splitlines()
    return next(line.split()[-1] for line in lines if line.startswith(f"evenkeel_limit_store_{name}{{"))


def rows(binary, short):
    """Each row is what the three have allowed in some seconds, in requests a second."""
    seconds = 3 if short else 6
    with tempfile.TemporaryDirectory() as folder, Processes(folder) as processes:
        redis = Redis(processes)
        ports = [(free_port(), free_port()) for _ in range(3)]
        ways = [Way(redis.port) for _ in ports]
        for number, (port, admin) in enumerate(ports):
            path = pathlib.Path(folder, f"{number}.toml")
            path.write_text(CONFIG.format(folder=folder, number=number, admin=admin, port=port, rate=RATE, redis=ways[number].port))
            processes.start(f"{number}.log", [binary, "run", "--config", path], start_new_session=False)

        def all_are_up():
            return wait_until("all reach the store", lambda: all(gauge(admin, "up") == "1" for _, admin in ports))

        all_are_up()
        clients = [Client(port) for port, _ in ports]
        for client in clients:
            client.start()

        def row(what, offered, shares=False):
            seen, _ = play(clients, offered, seconds)
            error, over = sum(seen) / RATE - 1, max(seen) / (RATE / 3) - 1
            each = " + ".join(f"{allowed:.1f}" for allowed in seen)
            target, told, holds = f"{RATE}/s +- 5 %", f"{each} = {sum(seen):.1f}/s, error {error:+.1%}", abs(error) <= 0.05
            if shares:
                target, told, holds = "none above a share by 5 %", f"{each}, the most {over:+.1%} of a share", over <= 0.05
            if not holds or sum(seen) / RATE < 0.95:
                known = [(gauge(admin, "up"), gauge(admin, "instances")) for _, admin in ports]
                known = "; ".join(", ".join(one) for one in known)
                late = max(client.late for client in clients)
                told += f" (requests came up to {late * 1e3:.0f} ms late, which a burst of 100 ms does not forgive; each: is the store up, instances known: {known})"
            return Row(f"three instances, {what}", target, told, holds)

        yield row("requests dealt evenly", EVEN)
        yield row("dealt 500, 80, 40", UNEVEN)
        over = threading.Event()
        pulse = threading.Thread(target=redis.stands_still_half_of_the_time, args=(over,))
        pulse.start()
        try:
            yield row("the store stands still half of the time", EVEN)
        finally:
            over.set()
            pulse.join()
        redis.set_the_clock_back()
        yield row("its clock is set back by an hour", EVEN)
        for way in ways[:2]:
            way.cut()
        yield row("two of three are cut off from it", EVEN)
        for way in ways:
            way.is_cut = False
        all_are_up()
        redis.process.send_signal(signal.SIGSTOP)
        yield row("the store hangs", EVEN, shares=True)
        redis.process.send_signal(signal.SIGCONT)
        all_are_up()
        yield row("it goes on", EVEN)
        kill(redis.process)
        yield row("the store is killed", EVEN, shares=True)
        redis.start()
        all_are_up()
        yield row("it is back, and empty", EVEN)
