#!/usr/bin/env python3
"""Kills Evenkeel again and again under load, with outages under way, and compares what its ledger holds with what the clients saw.

    kills.py EVENKEEL [KILLS [SEED]]

After each kill a copy of the file is read, as the crash has left it. What has to hold: what was answered longer than the RPO before the crash is in it,
nothing is in it twice, and the time in which nothing ran is unknown. Every 25th run is long enough for incidents to end. The last crash is followed by a check of
the whole file.
"""

import json
import pathlib
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import Backend, Processes, free_port, get_json, kill  # noqa: E402

RPO = 1.0
# a look, a commit and its fsync on a machine that does other things
SLACK = 0.5
CLIENTS = 4
# an incident is over when the service has been up for 10 s
QUIET, QUIET_EVERY = 12.0, 25
SUMS = ("up", "down", "planned", "unknown", "good", "failed", "slow", "excluded")


class Load:
    """Clients that send one request after the other, and note when each was answered."""

    def __init__(self, port):
        self.port, self.answered, self.ends = port, [], False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        connection = None
        while not self.ends:
            try:
                if connection is None:
                    connection = socket.create_connection(("127.0.0.1", self.port), 2)
                connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                head = connection.recv(4096)
                if not head:
                    raise OSError("closed")
                with self.lock:
                    self.answered.append(time.monotonic())
                if b"onnection: close" in head:
                    raise OSError("closed")
                time.sleep(0.004)
            except OSError:
                connection = None
                time.sleep(0.01)

    def between(self, begin, end):
        """How many requests were answered then."""
        with self.lock:
            return sum(1 for at in self.answered if begin <= at < end)

    def end(self):
        self.ends = True
        for thread in self.threads:
            thread.join()


def held(state):
    """The sums of all that a ledger holds. A copy is read: whoever opens the file itself changes what a crash has left."""
    with tempfile.TemporaryDirectory() as folder:
        for file in state.glob("ledger.sqlite*"):
            shutil.copy(file, folder)
        file = pathlib.Path(folder, "ledger.sqlite")
        if not file.exists():
            return dict.fromkeys(SUMS, 0)
        with sqlite3.connect(file) as ledger:
            has_tables = ledger.execute("SELECT 1 FROM sqlite_schema WHERE name = 'span_day'").fetchone()
            sums = ", ".join(f"coalesce(sum({name}), 0)" for name in SUMS)
            row = ledger.execute(f"SELECT {sums} FROM span_day").fetchone() if has_tables else [0] * len(SUMS)
        ledger.close()
        return dict(zip(SUMS, row))


def requests(sums):
    return sum(sums[name] for name in ("good", "failed", "slow", "excluded"))


class Run:
    """One life of the process, from its start to the kill, and what the ledger holds of it."""

    def __init__(self, load, is_down, begun, killed, before, after):
        self.counted = requests(after) - requests(before)
        self.at_least = load.between(begun, killed - RPO - SLACK)
        # an answer that came just before the kill may be read after it, and one that no client has read may have been counted
        self.at_most = load.between(begun, killed + 1) + CLIENTS
        self.watched = (after["up"] + after["down"] - before["up"] - before["down"]) / 1000
        self.lasted = killed - begun
        # the backends stay as they are from before the start to the kill: none of the time is of the other kind
        self.mistaken = after["up"] - before["up"] if is_down else after["down"] - before["down"]


def verdicts(runs, killed, report, api, check):
    """What has to hold, each with whether it does."""
    lost = [f"{run.counted} of {run.at_least}" for run in runs if run.counted < run.at_least]
    twice = [f"{run.counted} of {run.at_most}" for run in runs if run.counted > run.at_most]
    longer = [f"{run.watched:.3f} s of {run.lasted:.3f}" for run in runs if run.watched > run.lasted]
    mistaken = [f"{run.mistaken} ms" for run in runs if run.mistaken]
    gaps = [gap for gap in report["gaps"] if "without a word" in gap["why"]]
    incidents = sorted(api["incidents"], key=lambda incident: incident["began"])
    ids = [incident["id"] for incident in incidents]
    overlap = [two["id"] for one, two in zip(incidents, incidents[1:]) if not one["ended"] or one["ended"] > two["began"]]
    in_incidents, failed = sum(incident["requests_lost"] for incident in incidents), api["requests"]["failed"]
    counted, at_least = sum(run.counted for run in runs), sum(run.at_least for run in runs)
    return {
        f"nothing older than the RPO is lost, in any of {len(runs)} runs ({counted} counted, at least {at_least}) {lost}": not lost,
        f"nothing is twice, in any run {twice}": not twice,
        f"no time is twice, in any run {longer}": not longer,
        f"no outage is uptime, and no uptime an outage, in any run {mistaken}": not mistaken,
        # a run that was killed before it had begun makes the gap before it longer
        f"crashes are gaps: {len(gaps)} of {killed}": 0 < len(gaps) <= killed,
        f"the gaps are unknown: {api['unknown_s']:.1f} s": api["unknown_s"] > 0,
        f"incidents follow each other: {len(ids)}, {sum(i['cut'] for i in incidents)} cut {overlap}": len(ids) == len(set(ids)) > 0 and not overlap,
        f"incidents lose no more than there was: {in_incidents} of {failed}": in_incidents <= failed,
        f"the file is sound: {check.stdout.strip()} {check.stderr.strip()}": check.returncode == 0,
    }


def main(binary, kills=200, seed=1):
    chance, folder = random.Random(seed), pathlib.Path(tempfile.mkdtemp(prefix="evenkeel-kills-"))
    backends, port, admin, state = [Backend(), Backend()], free_port(), free_port(), folder / "state"
    sections = "".join(f'[[service.api.backend]]\naddress = "127.0.0.1:{backend.port}"\n' for backend in backends)
    (folder / "proxy.toml").write_text(
        f'[admin]\nbind = "127.0.0.1:{admin}"\n[log]\nlevel = "error"\n[server]\nstate_dir = "state"\n'
        f'[[listener]]\nname = "web"\nbind = "127.0.0.1:{port}"\nservice = "api"\n[service.api]\n{sections}'
        '[service.api.health]\ninterval = "200ms"\nfast_interval = "100ms"\nfall = 2\nrise = 1\n[service.api.sla]\nrpo = "1s"\n'
    )
    load, runs, before, processes, is_down = Load(port), [], held(state), Processes(folder), False
    try:
        for number in range(1, kills + 1):
            is_quiet = number % QUIET_EVERY == 0
            if is_quiet or chance.random() < 0.3:
                is_down = not is_quiet and chance.random() < 0.6
                for backend in backends:
                    backend.is_down = is_down
            begun = time.monotonic()
            process = processes.start("log", [binary, "run", "-c", folder / "proxy.toml"])
            time.sleep(QUIET if is_quiet else chance.uniform(0.1, 3))
            killed = kill(process)
            after = held(state)
            runs.append(Run(load, is_down, begun, killed, before, after))
            before = after
        process = processes.start("log", [binary, "run", "-c", folder / "proxy.toml"])
        time.sleep(4)
        load.end()
        time.sleep(2.5)
        api = get_json(admin, "/api/v1/sla")["api"]
        process.terminate()
        process.wait(30)
    finally:
        processes.close()
    command = [binary, "report", "--state", state, "--format", "json", "--last", "1d"]
    report = json.loads(subprocess.check_output(command))
    check = subprocess.run([binary, "state", "check", "--state", state], capture_output=True, text=True)
    found = verdicts(runs, kills, report, api, check)
    for verdict, holds in found.items():
        print("ok  " if holds else "FAIL", verdict)
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *(int(number) for number in sys.argv[2:])))
