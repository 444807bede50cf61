#!/usr/bin/env python3
"""What a hook that prints 1 GB and then hangs costs those who are served: the p99 of the proxy beside it and without it, in turns.

    p99.py EVENKEEL [ROUNDS]

Two backends are nginx; the third one is dead, and its "repair" is the hook. h2load asks at a steady rate that leaves the machine idle for the most part,
since what is looked for is not whether a machine that is full gets slower. Each round has windows of three seconds: quiet, the hook printing,
the hook hanging, and as a yardstick the same bytes printed into a pipe by processes that have nothing to do with the proxy.
"""

import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

from situations import Failed, Fleet

RATE_PER_CLIENT = 250
CLIENTS = 8
SECONDS = 3
SERVICE = """
[[service.api.recover]]
strategy = "custom"
on = ["unresponsive"]
run = ["/bin/sh", "-c", "COMMAND"]
time_out = "60s"
within = "70s"
attempts = 100000
delay = "100ms"
[service.api.recovery]
cool_down = "100ms"
max_unhealthy = 1.0
per_hour = 0
"""
PRINTS = "head -c 1000000000 /dev/zero; touch FOLDER/printed; exec sleep 60"


def nginx(folder, ports):
    """Backends that cost little."""
    servers = "".join(f'server {{ listen 127.0.0.1:{port}; location / {{ return 200 "ok"; }} }}' for port in ports)
    (folder / "nginx.conf").write_text(
        f"worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;\n"
        f"events {{}} http {{ access_log off; keepalive_requests 1000000; {servers} }}\n"
    )
    return subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf")])


def p99(port, seconds=SECONDS):
    """In milliseconds, of requests at a steady rate."""
    with tempfile.NamedTemporaryFile() as log:
        count = int(RATE_PER_CLIENT * CLIENTS * seconds)
        subprocess.run(
            ["h2load", "--h1", f"-n{count}", f"-c{CLIENTS}", "-t1", f"--rps={RATE_PER_CLIENT}", f"--log-file={log.name}", f"http://127.0.0.1:{port}/"],
            check=True, stdout=subprocess.DEVNULL,
        )
        lines = [line.split() for line in open(log.name)]
    lost = [line for line in lines if line[1] != "200"]
    if lost:
        raise Failed(f"{len(lost)} of {count} requests were lost")
    took = sorted(int(line[2]) for line in lines)
    return took[int(len(took) * 0.99)] / 1000


def round_of(fleet, printed):
    fleet.ask("/api/v1/recovery/pause", method="POST")
    fleet.wait(lambda: all(attempt["end"] for attempt in fleet.attempts()), "nothing is under way")
    quiet = p99(fleet.port)
    with subprocess.Popen("head -c 1000000000 /dev/zero | nice cat >/dev/null; sleep 10", shell=True, start_new_session=True) as other:
        beside = p99(fleet.port)
        subprocess.run(["pkill", "-KILL", "-s", str(other.pid)])
    printed.unlink(missing_ok=True)
    fleet.ask("/api/v1/recovery/resume", method="POST")
    fleet.wait(lambda: any(attempt["phase"] == "acting" for attempt in fleet.attempts()), "the hook runs")
    printing = p99(fleet.port)
    fleet.wait(printed.exists, "the hook has printed")
    return quiet, beside, printing, p99(fleet.port)


def main():
    binary, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10
    fleet = Fleet(binary, SERVICE.replace("COMMAND", PRINTS), clients=0)
    for name in fleet.ports:
        fleet.signal(name, 9)
    server = nginx(fleet.folder, [fleet.ports["a"], fleet.ports["c"]])
    try:
        fleet.wait(lambda: fleet.ask("/api/v1/status")["services"]["api"]["healthy"] == 2, "two backends are up, and one is down")
        p99(fleet.port, 1)
        figures = list(zip(*(round_of(fleet, fleet.folder / "printed") for _ in range(rounds))))
        memory = re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{fleet.proxy.pid}/status").read_text())[1]
        for what, values in zip(("quiet", "others print", "the hook prints", "the hook hangs"), figures):
            print(f"p99 while {what:16} median {statistics.median(values):6.2f} ms  ({', '.join(f'{value:.2f}' for value in sorted(values))})")
        print(f"no request lost; the proxy holds {int(memory) // 1024} MiB")
    except Failed as why:
        print(f"FAILED: {why}; see {fleet.folder}")
        sys.exit(1)
    finally:
        server.terminate()
        fleet.end()


if __name__ == "__main__":
    main()
