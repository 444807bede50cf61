#!/usr/bin/env python3
"""Kills Evenkeel in the middle of recoveries, again and again, and looks whether anything was done twice, left running, or forgotten.

    kills.py EVENKEEL [KILLS [SEED]]

The phases take turns: a backend is made to leak or is killed, which sets a recovery going; when that is in the phase whose turn it is, the proxy is killed
too, at a random moment of it, and started again. What has to hold: no command of an attempt is run twice, nothing that a command has started
outlives the proxy by more than a few seconds, every attempt that was cut off is closed as unknown, and what was learned is still there. It takes
about twenty seconds a kill.
"""

import collections
import pathlib
import random
import signal
import subprocess
import sys
import time

from situations import Failed, Fleet, Load, expect, parse

MARK = "RECOVERY_KILLS_TEST"
SLOW = str(pathlib.Path(__file__).with_name("slow_restart.sh"))
SERVICE = """
[[service.api.recover]]
strategy = "restart"
on = ["unresponsive", "high_error_rate", "resource_exhaustion"]
run = ["/bin/sh", "SLOW", "PYTHON", "BACKEND_PY", "FOLDER", "${backend}"]
undo = ["/bin/sh", "SLOW", "PYTHON", "BACKEND_PY", "FOLDER", "${backend}"]
environment = { MARK = "FOLDER" }
attempts = 1000
delay = "100ms"
drain = "5s"
within = "5s"
[service.api.recovery]
cool_down = "300ms"
per_hour = 0
"""
# the runner gives a command two seconds between SIGTERM and SIGKILL
OUTLIVES_BY = 4.0
# each with the longest time, in seconds, from its begin to the kill
PHASES = {"entering": 0.003, "draining": 0.6, "acting": 1.0, "verifying": 0.3, "undoing": 0.8}


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


def newest(fleet):
    return (fleet.ask("/api/v1/recoveries?limit=1") or [{}])[0]


def go_into(phase, fleet):
    """Sets a recovery going, and returns its attempt in the moment it is in this phase, or in another one when that came and went unseen."""
    before = newest(fleet).get("id", 0)
    if phase in ("entering", "acting") and random.random() < 0.5:
        fleet.signal("b", signal.SIGKILL)
    else:
        (fleet.folder / "b.mode").write_text("leak")
    later = list(PHASES)[list(PHASES).index(phase) :] + ["ended"]
    # what is being entered is told as what comes next
    wanted = ("draining", "acting", *later) if phase == "entering" else tuple(later)
    if phase == "undoing":
        fleet.wait(lambda: newest(fleet).get("id", 0) > before and newest(fleet).get("outcome") == "healed", "a restart has helped", 60)
        fleet.ask(f"/api/v1/recoveries/{newest(fleet)['id']}/undo", "POST")
    return fleet.wait(lambda: (n := newest(fleet)).get("id", 0) > before and n.get("phase") in wanted and n, f"a recovery is {phase}", 60)


def kill(n, phase, fleet, binary, phases):
    """One kill; returns what was learned before it."""
    attempt = go_into(phase, fleet)
    before = learned(fleet)
    time.sleep(random.uniform(0, PHASES[phase]))
    fleet.proxy.kill()
    fleet.proxy.wait()
    killed = time.time()
    while left_running(fleet.folder) and time.time() < killed + OUTLIVES_BY:
        time.sleep(0.05)
    left = left_running(fleet.folder)
    expect(not left, f"kill {n}: left running: {left}")
    ran = (fleet.folder / "runs").read_text() if (fleet.folder / "runs").exists() else ""
    start_again(fleet, binary)
    fleet.wait(lambda: learned(fleet) or not before, "what was learned is there")
    after = learned(fleet)
    for key, attempts in before.items():
        # what was learned within the last RPO of a second before the kill may be lost
        expect(after.get(key, 0) >= attempts - 1, f"kill {n}: {key} had {attempts} attempts, has {after.get(key)}")
    # a command that was killed half-way may have left `b` dead; the next recovery does it
    fleet.wait(lambda: all(a["end"] for a in fleet.attempts() if parse(a["start"]) < killed), f"kill {n}: what was under way is closed", 20)
    kept = fleet.ask(f"/api/v1/recoveries/{attempt['id']}") or {}
    roles = sorted(line.split("-")[1] for line in ran.split() if line.startswith(f"{attempt['id']}-"))
    phases[f"{phase}: {kept.get('outcome') or 'not entered'}, done {' and '.join(roles) or 'nothing'}"] += 1


def main():
    binary, kills = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100
    random.seed(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    fleet = Fleet(binary, SERVICE.replace("SLOW", SLOW).replace("MARK", MARK))
    # what is under way at a backend, so that draining it takes a while
    slow = Load(fleet.port, path="/slow")
    phases = collections.Counter()
    try:
        for n in range(kills):
            fleet.wait(lambda: fleet.ask("/api/v1/status")["services"]["api"]["healthy"] == 3 and newest(fleet).get("end", True), "all three are well", 60)
            kill(n, list(PHASES)[n % len(PHASES)], fleet, binary, phases)
        lines = (fleet.folder / "runs").read_text().split()
        twice = [run for run, count in collections.Counter(lines).items() if count > 1]
        expect(not twice, f"run twice: {twice}")
        outcomes = collections.Counter(a["outcome"] for a in fleet.ask("/api/v1/recoveries?limit=10000"))
        for phase, count in sorted(phases.items()):
            print(f"killed {count:3} times while {phase}")
        print(f"{kills} kills: {len(lines)} commands, none twice; outcomes {dict(outcomes)}; nothing left running; what was learned is there")
    except Failed as why:
        print(f"FAILED: {why}; see {fleet.folder}")
        sys.exit(1)
    finally:
        slow.end()
        fleet.end()


if __name__ == "__main__":
    main()
