"""What the Python scripts beside this one have in common: processes and how they end, ports, waiting, a backend, and the rows of a table.

A script that is not in this folder puts it on its path first:

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
"""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request


class Broken(Exception):
    """What was waited for did not happen, or something is not there at all."""


# ---------------------------------------------------------------- ports and waiting


def free_port():
    """A port of 127.0.0.1 that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, is_so, seconds=30.0, pause=0.02):
    """Waits until something is so, and gives back what it is; somebody who does not answer yet is waited for, too."""
    end = time.monotonic() + seconds
    while True:
        try:
            if seen := is_so():
                return seen
        except (OSError, ValueError, KeyError, subprocess.CalledProcessError):
            pass
        if time.monotonic() > end:
            raise Broken(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(pause)


def get(port, path="/", timeout=5.0):
    """The body of an answer with a good status; anything else raises OSError."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
        return answer.read().decode()


def get_json(port, path, timeout=5.0):
    return json.loads(get(port, path, timeout))


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


# ---------------------------------------------------------------- processes


def stop(process, patience=10.0):
    """Ends a process, also one that is stopped or does not listen."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            kill(process)


def kill(process):
    """Ends a process at once; gives back when it was told."""
    process.kill()
    at = time.monotonic()
    process.wait()
    return at


class Processes:
    """Processes whose output goes to files of a folder. All end with the block, each by its own id."""

    def __init__(self, folder):
        self.folder, self.all = folder, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start(self, log, command, **more):
        """Starts one; what it prints is added to the folder's file of that name."""
        with open(os.path.join(self.folder, log), "ab") as out:
            options = {"stdout": out, "stderr": out, "start_new_session": True, **more}
            process = subprocess.Popen([str(word) for word in command], **options)
        self.all.append(process)
        return process

    def log(self, name):
        """What was printed to the file of that name so far."""
        try:
            with open(os.path.join(self.folder, name), errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def close(self):
        running = [process for process in reversed(self.all) if process.poll() is None]
        # all are told first, so that nobody's time to end is added to another's
        for process in running:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in running:
            stop(process, 5.0)
        self.all.clear()


# ---------------------------------------------------------------- a backend


class Backend:
    """A backend in threads of this process, for a few hundred requests a second: answers, or resets whoever comes."""

    def __init__(self):
        self.is_down = False
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            while connection.recv(65536):
                if self.is_down:
                    break
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except OSError:
            pass
        connection.close()


# ---------------------------------------------------------------- rows of a table


@dataclasses.dataclass
class Row:
    """What was looked at, what was promised, what was seen, and whether the promise was kept."""

    what: str
    target: str
    seen: str
    holds: bool = True
    # a time, or what comes of one, such as a check that was late: it depends on how busy the machine is
    is_timing: bool = False

    def verdict(self):
        return "ok" if self.holds else "MISSED"

    def tell(self):
        """A script of its own tells its rows to whoever has started it and asked for them by ROWS, the name of a file."""
        if file := os.environ.get("ROWS"):
            with open(file, "a") as out:
                out.write(json.dumps(dataclasses.asdict(self)) + "\n")
        return self


def timing(what, target, seen, holds):
    return Row(what, target, seen, holds, is_timing=True)


def told(what, seen):
    """Something that was not promised, and is worth knowing."""
    return Row(what, "-", str(seen))


def print_table(rows):
    print("| what | target | seen | |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.what} | {row.target} | {row.seen} | {row.verdict()} |", flush=True)
