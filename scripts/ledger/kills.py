#!/usr/bin/env python3
"""Kills Evenkeel again and again under load, with outages under way, and compares what its ledger holds with what the clients saw.

    kills.py EVENKEEL [KILLS [SEED]]

What has to hold after each crash: what was answered longer than the RPO before it is in the ledger, nothing is in it twice, and the time in which nothing
ran is unknown. The last crash is followed by a check of the whole file.
"""

import json
import pathlib
import random
import socket
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


class Load:
    """Clients that send one request after the other, and note when each was answered, and how."""

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
                    self.answered.append((time.monotonic(), int(head[9:12])))
                if b"onnection: close" in head:
                    raise OSError("closed")
                time.sleep(0.004)
            except OSError:
                connection = None
                time.sleep(0.01)


def main(binary, kills=200, seed=1):
    chance, folder = random.Random(seed), pathlib.Path(tempfile.mkdtemp(prefix="evenkeel-kills-"))
    backends, port, admin = [Backend(), Backend()], free_port(), free_port()
    sections = "".join(f'[[service.api.backend]]\naddress = "127.0.0.1:{backend.port}"\n' for backend in backends)
    (folder / "proxy.toml").write_text(
        f'[admin]\nbind = "127.0.0.1:{admin}"\n[log]\nlevel = "error"\n[server]\nstate_dir = "state"\n'
        f'[[listener]]\nname = "web"\nbind = "127.0.0.1:{port}"\nservice = "api"\n[service.api]\n{sections}'
        '[service.api.health]\ninterval = "200ms"\nfast_interval = "100ms"\nfall = 2\nrise = 1\n[service.api.sla]\nrpo = "1s"\n'
    )
    load, at_least, started = Load(port), 0, time.monotonic()
    processes, killed = Processes(folder), 0
    try:
        for number in range(kills + 1):
            before = len(load.answered)
            process = processes.start("log", [binary, "run", "-c", folder / "proxy.toml"])
            time.sleep(chance.uniform(0.1, 3) if number < kills else 4)
            if number == kills:
                break
            moment = kill(process)
            killed += 1
            if chance.random() < 0.3:
                down = chance.random() < 0.6
                for backend in backends:
                    backend.is_down = down
            with load.lock:
                at_least += sum(1 for at, _ in load.answered[before:] if at < moment - RPO - SLACK)
        load.ends = True
        for thread in load.threads:
            thread.join()
        time.sleep(2.5)
        with load.lock:
            at_least += len(load.answered) - before
            total = len(load.answered)
        api = get_json(admin, "/api/v1/sla")["api"]
        wall = time.monotonic() - started
        process.terminate()
        process.wait(30)
    finally:
        processes.close()
    command = [binary, "report", "--state", folder / "state", "--format", "json", "--last", "1d"]
    report = json.loads(subprocess.check_output(command))
    check = subprocess.run([binary, "state", "check", "--state", folder / "state"], capture_output=True, text=True)
    counted = sum(api["requests"].values())
    elapsed = sum(api[name] for name in ("uptime_s", "downtime_s", "planned_s", "unknown_s"))
    gaps = [gap for gap in report["gaps"] if "without a word" in gap["why"]]
    ids = [incident["id"] for incident in api["incidents"]]
    # an answer that came just before a kill may have been counted, or not; one that no client has seen may have been counted too
    verdicts = {
        f"nothing older than the RPO is lost: {counted} counted, at least {at_least}": counted >= at_least,
        f"nothing is twice: {counted} counted, {total} answered": counted <= total + CLIENTS * kills,
        f"no time is twice: {elapsed:.1f} s accounted in {wall:.1f} s": elapsed <= wall,
        # a run that was killed before it had begun makes the gap before it longer
        f"crashes are gaps: {len(gaps)} of {killed}": 0 < len(gaps) <= killed,
        f"the gaps are unknown: {api['unknown_s']:.1f} s": api["unknown_s"] > 0,
        f"incidents are told apart: {len(ids)}, {sum(i['cut'] for i in api['incidents'])} cut": len(ids) == len(set(ids)) > 0,
        f"the file is sound: {check.stdout.strip()} {check.stderr.strip()}": check.returncode == 0,
    }
    for verdict, holds in verdicts.items():
        print("ok  " if holds else "FAIL", verdict)
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *(int(number) for number in sys.argv[2:])))
