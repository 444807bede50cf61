"""What the Python scripts beside this one have in common: processes and how they end, ports, waiting, a backend, and the rows of a table.

A script that is not in this folder puts it on its path first:

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
"""

import dataclasses
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

# the requests of two runs under valgrind, of which the difference counts
FEW, MANY = 2_000, 12_000

DETECTION = pathlib.Path(__file__).resolve().parent / "detection"


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
        """Starts one; what it prints is added to the folder's file of that name. It has a session of its own, and so no part in the weight that the
        shell was given (autogroup), unless `start_new_session` is false.
        """
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


class Fleet:
    """Backends whose behaviour follows a timetable, in a process of their own: see scripts/detection/fleet.py. They end with the block."""

    def __init__(self, folder, **plan):
        self.path = os.path.join(folder, "arrivals.json")
        self.process = talk(DETECTION / "fleet.py", self.path)
        self.say(json.dumps({"seed": 1, "usual": {}, "timetable": [], **plan}))
        self.ports = [int(port) for port in self.process.stdout.readline().split()]

    def say(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def begin(self, start):
        """Their timetable begins at this moment of the monotonic clock."""
        self.say(start)

    def arrivals(self):
        """Ends them, and gives back when each request has arrived and at which backend."""
        self.process.communicate("end\n", timeout=30)
        with open(self.path) as file:
            return json.load(file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        kill(self.process)


# ---------------------------------------------------------------- load


class OpenLoop:
    """Load that does not wait for answers, by a process of its own: see scripts/detection/load.py. It ends with the block."""

    def __init__(self, **plan):
        self.plan = {"seed": 2, "patience": 10.0, "bad": 0.0, "polls": [], **plan}
        self.process = talk(DETECTION / "load.py")
        self.process.stdin.write(json.dumps(self.plan) + "\n")
        self.process.stdin.flush()

    def requests(self):
        """What became of all requests, when it is over: `[planned, sent, seconds, outcome, path]` of each."""
        length = max(end for _, end, _ in self.plan["phases"])
        until_it_begins = self.plan["start"] - time.monotonic()
        said, _ = self.process.communicate(timeout=until_it_begins + length + self.plan["patience"] + 30)
        return json.loads(said)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        kill(self.process)


def talk(script, *arguments):
    """Starts a script that is told things by its input, and prints others."""
    return subprocess.Popen([sys.executable, script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def processor_time(process):
    """What all threads of a process have used so far, in seconds, as the kernel counts it."""
    tasks = pathlib.Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def wrk(port, seconds, connections=64, path="/some/path?with=a&query=1", fields=()):
    """How many requests were answered; other answers than good ones raise Broken."""
    more = [word for field in fields for word in ("-H", field)]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *more, f"http://127.0.0.1:{port}{path}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 20).stdout
    if wrong := re.search(r"Socket errors.*|Non-2xx.*", said):
        raise Broken(f"wrk: {wrong[0]}")
    return int(re.search(r"(\d+) requests in", said)[1])


def per_request(folder, start, fields=()):
    """The instructions that a request takes, by valgrind's callgrind: the difference of two runs, of the thread that has most to do. `start` is given what
    stands before the command of a proxy, and gives its port and its process."""
    totals = []
    for count in (FEW, MANY):
        out = pathlib.Path(tempfile.mkdtemp(dir=folder), "callgrind")
        port, process = start(["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={out}"])
        load = ["h2load", "--h1", f"-n{count}", "-c8", "-t1", *(f"-H{field}" for field in fields), f"http://127.0.0.1:{port}/"]
        said = subprocess.run(load, capture_output=True, text=True, check=True, timeout=300).stdout
        if f"{count} succeeded" not in said:
            raise Broken(f"h2load: {said}")
        stop(process, 60)
        found = [re.search(r"^(?:totals|summary): (\d+)", file.read_text(), re.M) for file in out.parent.glob("callgrind-*")]
        totals.append(max(int(total[1]) for total in found if total))
    return (totals[1] - totals[0]) / (MANY - FEW)


def in_turns(measure, off, others, rounds):
    """What each of the others costs, against `off`, which has a turn before and after each of them: for each name the figures of `measure`, and their ratios.

    A shared machine is slower at one moment than at another, so a ratio is to the mean of the two turns of `off` beside it.
    """
    for name in [off, *others]:
        measure(name)  # warm
    figures, ratios = {name: [] for name in [off, *others]}, {name: [] for name in others}
    figures[off].append(measure(off))
    for _ in range(rounds):
        for name in others:
            before, here, after = figures[off][-1], measure(name), measure(off)
            figures[name].append(here)
            figures[off].append(after)
            ratios[name].append(tuple(2 * one / (low + high) for one, low, high in zip(here, before, after)))
    return figures, ratios


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
    """Prints rows as they come, and gives them back."""
    print("| what | target | seen | |\n|---|---|---|---|", flush=True)
    printed = []
    for row in rows:
        print(f"| {row.what} | {row.target} | {row.seen} | {row.verdict()} |", flush=True)
        printed.append(row)
    return printed


def in_parts(parts):
    """The rows of `(name, rows)`; of a part that breaks off, a row that says so."""
    for name, rows in parts:
        try:
            yield from rows
        except Broken as error:
            yield Row(name, "it ends", str(error), False)
