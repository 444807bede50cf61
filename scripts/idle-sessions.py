#!/usr/bin/env python3
"""What sessions of Layer 4 cost while nothing is said on them, and what is left of them when they are gone.

usage: idle-sessions.py [EVENKEEL] [--sessions 10000] [--seconds 60] [--rate 200]

Prints the proxy's memory for a session and its processor time while all are idle; then opens and resets `rate` sessions a second for
`seconds`, and prints what is left: file descriptors, memory, connections by its own count. Everything on loopback.
"""

import argparse
import os
import resource
import selectors
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request

RESET = struct.pack("ii", 1, 0)


def backend():
    """Accepts everything, answers a byte with a byte; a process of its own. Gives back its port and process id."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    pid = os.fork()
    if pid:
        return listener.getsockname()[1], pid
    watch = selectors.DefaultSelector()
    watch.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in watch.select():
            if key.fileobj is listener:
                watch.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            try:
                some = key.fileobj.recv(64)
            except OSError:
                some = b""
            if some:
                key.fileobj.send(some)
            else:
                watch.unregister(key.fileobj)
                key.fileobj.close()


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) * 1024


def ticks(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def connect(port):
    session = socket.create_connection(("127.0.0.1", port))
    session.send(b"x")
    assert session.recv(1) == b"x"
    return session


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def start(evenkeel, folder, origin):
    front, admin = free_port(), free_port()
    with open(f"{folder}/proxy.toml", "w") as file:
        file.write(
            f'[server]\nworkers = 2\nstate_dir = "{folder}"\n[admin]\nbind = "127.0.0.1:{admin}"\n'
            f'[[listener]]\nname = "tcp"\nbind = "127.0.0.1:{front}"\nprotocol = "tcp"\nservice = "app"\nidle_timeout = "1h"\n'
            f'[[service.app.backend]]\naddress = "127.0.0.1:{origin}"\n'
        )
    proxy = subprocess.Popen([evenkeel, "run", "-c", f"{folder}/proxy.toml"], stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz").close()
            return proxy, front, admin
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the proxy does not get ready")


def open_connections(admin):
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics") as metrics:
        lines = metrics.read().decode().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith("evenkeel_client_connections{"))


def affordable(sessions):
    """As many sessions as the limit of file descriptors allows: the proxy has two for each."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if 2 * sessions + 500 > hard:
        print(f"no more than {hard} file descriptors are allowed here (ulimit -Hn)")
    return min(sessions, (hard - 500) // 2)


def settled(measure, wanted, seconds=5):
    """Waits until what is measured is as wanted, for a while; what it is then."""
    until = time.monotonic() + seconds
    while (now := measure()) > wanted and time.monotonic() < until:
        time.sleep(0.1)
    return now


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("evenkeel", nargs="?", default="target/release/evenkeel")
    options.add_argument("--sessions", type=int, default=10_000)
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--rate", type=int, default=200)
    options = options.parse_args()
    options.sessions = affordable(options.sessions)
    origin, origin_pid = backend()
    with tempfile.TemporaryDirectory() as folder:
        proxy, front, admin = start(options.evenkeel, folder, origin)
        try:
            measure(options, proxy.pid, front, admin)
        finally:
            proxy.terminate()
            proxy.wait()
            os.kill(origin_pid, signal.SIGKILL)


def measure(options, pid, front, admin):
    for _ in range(50):
        connect(front).close()
    settled(lambda: descriptors(pid), 0, 1)
    before, fds = resident(pid), descriptors(pid)
    sessions = [connect(front) for _ in range(options.sessions)]
    per_session = (resident(pid) - before) / len(sessions)
    begun, spent = time.monotonic(), ticks(pid)
    time.sleep(10)
    idle = (ticks(pid) - spent) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - begun)
    print(f"{len(sessions)} idle sessions: {per_session / 1024:.2f} KiB each, {idle * 100:.2f} % of a core")
    for session in sessions:
        session.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        session.close()
    left = settled(lambda: descriptors(pid), fds)
    print(f"all reset at once: {left - fds} file descriptors more than before, {open_connections(admin)} connections by its count")
    before, opened, begun = resident(pid), 0, time.monotonic()
    while (since := time.monotonic() - begun) < options.seconds:
        while opened < since * options.rate:
            session = connect(front)
            session.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            session.close()
            opened += 1
        time.sleep(0.002)
    left = settled(lambda: descriptors(pid), fds)
    print(
        f"{opened} sessions opened and reset in {options.seconds} s: {left - fds} file descriptors more than before, "
        f"{(resident(pid) - before) / 1024:+.0f} KiB, {open_connections(admin)} connections by its count"
    )


main()
