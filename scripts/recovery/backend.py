#!/usr/bin/env python3
"""A backend that can be made to leak and to be slow, and the commands that start, restart, add and take away such backends.

    backend.py serve    FOLDER ID PORT     answers until it is killed
    backend.py restart  FOLDER ID PORT     kills it, if it lives, and starts it anew; does not wait for it
    backend.py restart-by-id FOLDER ID     the same, with the port that FOLDER/ports.json has
    backend.py up       FOLDER             starts one more, and adds it to FOLDER/backends.json, which is discovered
    backend.py down     FOLDER             takes the last one away again

FOLDER/ID.mode says how it behaves, and is looked at ten times a second: `leak` = its memory is full in eighteen seconds, and then it dies. A restart
removes that. A request for /slow takes a second. FOLDER/actions has a line for each command, with the time.
"""

import asyncio
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

# at a time; the rest waits, so that a backend with more work than it can do is slow
SLOTS = int(os.environ.get("SLOTS", "64"))
SERVICE_MS = float(os.environ.get("SERVICE_MS", "2"))


class Backend:
    def __init__(self, folder, name):
        self.mode, self.name, self.memory = folder / f"{name}.mode", name, 0.3
        self.slots = asyncio.Semaphore(SLOTS)

    async def behave(self):
        while True:
            await asyncio.sleep(0.1)
            if self.mode.exists() and self.mode.read_text().strip() == "leak":
                # fast up to 0.95, and then slowly
                self.memory += 0.05 if self.memory < 0.95 else 0.0003
                if self.memory >= 1:
                    os._exit(137)

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET /healthz "):
                    body = b"ok"
                else:
                    async with self.slots:
                        await asyncio.sleep(1 if head.startswith(b"GET /slow ") else SERVICE_MS / 1000)
                    body = self.name.encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body)
                    + f"endpoint-load-metrics: TEXT cpu_utilization=0.2,mem_utilization={self.memory:.3f}\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


async def serve(folder, name, port):
    backend = Backend(folder, name)
    server = await asyncio.start_server(backend.serve, "127.0.0.1", port, backlog=1024)
    (folder / f"{name}.ready").write_text(str(time.time()))
    async with server:
        await asyncio.gather(server.serve_forever(), backend.behave())


def note(folder, text):
    with open(folder / "actions", "a") as actions:
        actions.write(f"{time.time():.3f} {text}\n")


def stop(folder, name):
    pid_file = folder / f"{name}.pid"
    try:
        pid = int(pid_file.read_text())
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        # the number may belong to somebody else by now
        if name.encode() in command and b"serve" in command:
            os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        pass


def start(folder, name, port):
    (folder / f"{name}.mode").unlink(missing_ok=True)
    log = open(folder / f"{name}.log", "a")
    arguments = [sys.executable, __file__, "serve", str(folder), name, str(port)]
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (folder / f"{name}.pid").write_text(str(process.pid))


def restart(folder, name, port):
    note(folder, f"restart {name} attempt={os.environ.get('EVENKEEL_ATTEMPT')} fault={os.environ.get('EVENKEEL_FAULT')}")
    stop(folder, name)
    # a socket of the one that was killed may take a moment to be gone
    time.sleep(0.02)
    start(folder, name, port)
    print(f"started {name} on port {port}")


def discovered(folder):
    try:
        return json.loads((folder / "backends.json").read_text())
    except OSError:
        return []


def write(folder, backends):
    draft = folder / "backends.new"
    draft.write_text(json.dumps(backends))
    draft.rename(folder / "backends.json")


def up(folder):
    import socket

    note(folder, f"up attempt={os.environ.get('EVENKEEL_ATTEMPT')}")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    backends = discovered(folder)
    name = f"more-{len(backends) + 1}"
    (folder / f"{name}.ready").unlink(missing_ok=True)
    start(folder, name, port)
    while not (folder / f"{name}.ready").exists():
        time.sleep(0.02)
    write(folder, backends + [{"address": f"127.0.0.1:{port}", "id": name}])
    print(f"added {name}")


def down(folder):
    note(folder, f"down attempt={os.environ.get('EVENKEEL_ATTEMPT')}")
    backends = discovered(folder)
    if backends:
        last = backends.pop()
        write(folder, backends)
        # what is under way ends first
        time.sleep(1)
        stop(folder, last["id"])
        print(f"took {last['id']} away")


def main():
    command, folder, *rest = sys.argv[1], pathlib.Path(sys.argv[2]), *sys.argv[3:]
    match command:
        case "serve":
            asyncio.run(serve(folder, rest[0], int(rest[1])))
        case "restart":
            restart(folder, rest[0], int(rest[1]))
        case "restart-by-id":
            restart(folder, rest[0], json.loads((folder / "ports.json").read_text())[rest[0]])
        case "up":
            up(folder)
        case "down":
            down(folder)


if __name__ == "__main__":
    main()
