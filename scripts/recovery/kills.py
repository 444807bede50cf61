#!/usr/bin/env python3
"""Kills Evenkeel in the middle of recoveries, again and again, and looks whether anything was done twice, left running, or forgotten.

    kills.py EVENKEEL [KILLS [SEED]]

Backend `b` is killed, which sets a recovery going; at a random moment of it (before it is entered, while the command runs, while it is verified) the proxy is
killed too, and started again. What has to hold: no attempt has its command run twice, nothing that a command has started outlives the proxy by more
than a few seconds, every attempt that was cut off is closed as unknown, and what was learned is still there.
"""

import collections
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

from situations import Failed, Fleet, expect, parse

MARK = "RECOVERY_KILLS_TEST"
SLOW = str(pathlib.Path(__file__).with_name("slow_restart.sh"))
SERVICE = """
[[service.api.recover]]
strategy = "restart"
run = ["/bin/sh", "SLOW", "PYTHON", "BACKEND_PY", "FOLDER", "${backend}"]
environment = { MARK = "FOLDER" }
attempts = 1000
delay = "100ms"
within = "5s"
[service.api.recovery]
cool_down = "300ms"
per_hour = 0
"""
# the runner gives a command two seconds between SIGTERM and SIGKILL
OUTLIVES_BY = 4.0


def left_running(folder):
    """Processes that a command has started and that are no backend."""
    found = []
    for process in pathlib.Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            environment = (process / "environ").read_bytes()
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if f"{MARK}={folder}".encode() in environment and b"serve" not in command.split(b"\0"):
            found.append((process.name, command.replace(b"\0", b" ").decode(errors="replace").strip()))
    return found


def start_again(fleet, binary):
    fleet.proxy = subprocess.Popen([binary, "run", "-c", str(fleet.folder / "proxy.toml")], stdout=fleet.log, stderr=fleet.log, env=fleet.environment)
    fleet.wait(lambda: fleet.ask("/readyz", raw=True) is not None, "the proxy is ready again")


def learned(fleet):
    known = fleet.ask("/api/v1/recoveries/effectiveness") or {}
    return {(s, f, r): e["attempts"] for s, fs in known.items() for f, rs in fs.items() for r, e in rs.items()}


def main():
    binary, kills = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100
    random.seed(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    fleet = Fleet(binary, SERVICE.replace("SLOW", SLOW).replace("MARK", MARK))
    phases = collections.Counter()
    try:
        before = {}
        for n in range(kills):
            fleet.wait(lambda: fleet.ask("/api/v1/status")["services"]["api"]["healthy"] == 3, "all three are well", 60)
            fleet.signal("b", signal.SIGKILL)
            time.sleep(random.uniform(0, 2.5))
            now = fleet.ask("/api/v1/recoveries?limit=1") or [{}]
            phases[(now[0] if now else {}).get("phase", "none")] += 1
            before = learned(fleet) or before
            fleet.proxy.kill()
            fleet.proxy.wait()
            killed = time.time()
            while left_running(fleet.folder) and time.time() < killed + OUTLIVES_BY:
                time.sleep(0.05)
            left = left_running(fleet.folder)
            expect(not left, f"kill {n}: left running: {left}")
            start_again(fleet, binary)
            fleet.wait(lambda: learned(fleet) or not before, "what was learned is there")
            after = learned(fleet)
            for key, attempts in before.items():
                # what was learned within the last RPO of a second before the kill may be lost
                expect(after.get(key, 0) >= attempts - 1, f"kill {n}: {key} had {attempts} attempts, has {after.get(key)}")
            # a command that was killed half-way may have left `b` dead; the next recovery does it
            fleet.wait(lambda: all(a["end"] for a in fleet.attempts() if parse(a["start"]) < killed), f"kill {n}: what was under way is closed", 20)
        lines = (fleet.folder / "runs").read_text().split()
        twice = [run for run, count in collections.Counter(lines).items() if count > 1]
        expect(not twice, f"run twice: {twice}")
        outcomes = collections.Counter(a["outcome"] for a in fleet.ask("/api/v1/recoveries?limit=10000"))
        print(f"{kills} kills ({dict(phases)}): {len(lines)} commands, none twice; outcomes {dict(outcomes)}; nothing left running; what was learned is there")
    except Failed as why:
        print(f"FAILED: {why}; see {fleet.folder}")
        sys.exit(1)
    finally:
        fleet.end()


if __name__ == "__main__":
    main()
