#!/usr/bin/env python3
"""Canaries for real: bad ones that are sent back by themselves, a good one that arrives, and a thousand clients with cookies who don't change sides.

    scripts/canary.py [--binary PATH] [--short]

A bad canary fails, is ten times as slow, or hangs, from its first request on, and gets 1 % or 5 % of 400 requests a second. It is configured by a reload under load,
and the time until it is back at 0 % counts from the signal. What it costs are the requests that failed, were not answered within three seconds, or took three times as long as
99 % of those before; it may be the step's share of what was sent until then, and three standard deviations of as many draws.

The good one has steps of 10, 25, 50 and 100 %. Its clients each keep the cookie that they were given, and ask again and again: while a step lasts nobody changes
sides; when the share grows, some go from stable to canary; nobody goes back.

It takes about two and a half minutes, with --short less than one. The exit code is 1 where a target was missed.
"""

import argparse
import http.client
import json
import math
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Broken, Fleet, OpenLoop, Processes, Row, free_port, get, get_json, in_parts, percentile, print_table, timing, told, wait_until  # noqa: E402

RATE, PATIENCE = 400.0, 3.0
# seconds of load before the canary, and with it
BEFORE, LONGEST = 5.0, 20.0
BACK_WITHIN = 10.0
CANARY = 2  # of the backends; the others are stable's
CLIENTS, AT_A_TIME = 1000, 8
STEPS = [0.1, 0.25, 0.5, 1.0]

CONFIG = """
[server]
workers = 1
state_dir = "{folder}/state"
[admin]
bind = "127.0.0.1:{admin}"
[[listener]]
name = "web"
bind = "127.0.0.1:{port}"
[[listener.route]]
path_prefix = "/"
{route}
[service.stable]
backend = [{{ address = "127.0.0.1:{ports[0]}" }}, {{ address = "127.0.0.1:{ports[1]}" }}]
[service.next]
backend = [{{ address = "127.0.0.1:{ports[2]}" }}]
response_headers = {{ set = {{ x-side = "next" }} }}
"""


class Proxy:
    """Evenkeel before a fleet: the first two backends are `stable`, the third one is `next`."""

    def __init__(self, processes, binary, ports):
        self.folder, self.ports = processes.folder, ports
        self.port, self.admin = free_port(), free_port()
        self.write('split = [{ service = "stable", weight = 1 }, { service = "next", weight = 0 }]')
        self.process = processes.start(
            "proxy.log", [binary, "run", "-c", pathlib.Path(self.folder, "proxy.toml")], start_new_session=False
        )
        wait_until("the proxy answers", lambda: get(self.port))

    def write(self, route):
        config = CONFIG.format(folder=self.folder, admin=self.admin, port=self.port, ports=self.ports, route=route)
        pathlib.Path(self.folder, "proxy.toml").write_text(config)

    def begin(self, plan, more=""):
        """Configures the canary by a reload; gives back when that was asked for."""
        self.write(f'canary = {{ service = "next", stable = "stable", {plan} }}\n{more}')
        at = time.monotonic()
        self.process.send_signal(signal.SIGHUP)
        return at

    def canary(self):
        return get_json(self.admin, "/api/v1/services/next/canary")

    def say(self, word):
        asked = urllib.request.Request(f"http://127.0.0.1:{self.admin}/api/v1/services/next/canary/{word}", data=b"", method="POST")
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return json.load(answer)


# ---------------------------------------------------------------- a bad one

BAD = {"fails": {"errors": 1.0}, "is ten times as slow": {"slow": 10.0}, "hangs": {"hang": True}}


def bad(binary, what, changes, share):
    with tempfile.TemporaryDirectory() as folder, Processes(folder) as processes:
        with Fleet(folder, backends=3, timetable=[[0.0, CANARY, changes]]) as fleet:
            proxy = Proxy(processes, binary, fleet.ports)
            start = time.monotonic() + 0.5
            fleet.begin(start)
            with OpenLoop(port=proxy.port, start=start, phases=[[0.0, BEFORE + LONGEST, RATE]], patience=PATIENCE) as load:
                time.sleep(max(0.0, start + BEFORE - time.monotonic()))
                began = proxy.begin(f'steps = ["{share:.0%}", "100%"], every = "1h"')
                seen = wait_until("it is back", lambda: (canary := proxy.canary())["stage"] == "back" and canary, LONGEST - 1.0)
                back = time.monotonic()
                requests, arrivals = load.requests(), fleet.arrivals()
    sent = [request for request in requests if began - start <= request[0] < back - start]
    usual = percentile([took for planned, _, took, outcome, _ in requests if 1.0 <= planned < BEFORE and outcome == 200], 0.99)
    cost = [request for request in sent if request[3] != 200 or request[2] > 3 * usual]
    due = share * len(sent)
    most = due + 3 * math.sqrt(due * (1 - share))
    # what was decided before, and is on its way
    later = sum(at > back + 0.1 and backend == CANARY for at, backend in arrivals)
    name = f"{share:.0%} of a canary that {what}"
    yield timing(f"{name}: back after", f"<= {BACK_WITHIN:.0f} s", f"{back - began:.1f} s", back - began <= BACK_WITHIN)
    yield Row(f"{name}: its cost", f"<= {share:.0%} (+ 3 sigma: {most:.0f})", f"{len(cost)} of {len(sent)} ({len(cost) / len(sent):.2%})", len(cost) <= most)
    yield Row(f"{name}: requests after that", "0", str(later), later == 0)
    yield told(f"{name}: why", seen["reason"])


# ---------------------------------------------------------------- a good one


class Client:
    """Asks with the cookie that it was given, and keeps which side has answered and when."""

    def __init__(self):
        self.cookie, self.answers = None, []

    def ask(self, connection):
        fields = {"Cookie": self.cookie} if self.cookie else {}
        began = time.monotonic()
        connection.request("GET", "/", headers=fields)
        answer = connection.getresponse()
        answer.read()
        if given := answer.getheader("Set-Cookie"):
            self.cookie = given.partition(";")[0]
        side = "next" if answer.getheader("X-Side") == "next" else "stable"
        self.answers.append((began, time.monotonic(), side if answer.status == 200 else answer.status))


def ask_all(port, clients):
    """All ask once, some at a time."""

    def some(own):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for client in own:
            client.ask(connection)
        connection.close()

    threads = [threading.Thread(target=some, args=(clients[at::AT_A_TIME],)) for at in range(AT_A_TIME)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def have_it(clients):
    return {number for number, client in enumerate(clients) if client.answers[-1][2] == "next"}


def changes(clients):
    """Each change of sides: whose, from when, until when, and to which side."""
    for client in clients:
        for (before, _, one), (_, after, other) in zip(client.answers, client.answers[1:]):
            if one != other:
                yield before, after, other


def good(binary, every):
    with tempfile.TemporaryDirectory() as folder, Processes(folder) as processes, Fleet(folder, backends=3) as fleet:
        proxy = Proxy(processes, binary, fleet.ports)
        fleet.begin(time.monotonic())
        clients = [Client() for _ in range(CLIENTS)]
        began = proxy.begin(
            f'steps = {json.dumps([f"{step:.0%}" for step in STEPS])}, every = "{every}s", min_requests = 20', 'split_by = "cookie"'
        )
        wait_until("it has begun", lambda: proxy.canary()["stage"] == "stepping")
        shares, at_first = {}, None
        longest = began + every * len(STEPS) * 3 + 20
        while (canary := proxy.canary())["stage"] == "stepping":
            if time.monotonic() > longest:
                raise Broken(f"the good canary does not arrive: {canary}")
            ask_all(proxy.port, clients)
            after = proxy.canary()
            # one round within one step
            if after["share"] == canary["share"] and after["stage"] == "stepping":
                shares.setdefault(after["share"], []).append((clients[0].answers[-1][0], time.monotonic(), len(have_it(clients))))
                at_first = at_first or have_it(clients)
        arrived, took = canary, time.monotonic() - began
        ask_all(proxy.port, clients)
        everybody = len(have_it(clients))
        growing = list(changes(clients))
        gone_back = sum(side == "stable" for _, _, side in growing)
        rounds = sum(len(client.answers) for client in clients) // CLIENTS
        held = [(rounds_of[0][0], rounds_of[-1][1]) for rounds_of in shares.values()]
        while_held = sum(any(begin <= before and after <= end for begin, end in held) for before, after, _ in growing)
        proxy.say("back")
        ask_all(proxy.port, clients)
        left = len(have_it(clients))
        proxy.say("start")
        ask_all(proxy.port, clients)
        again = have_it(clients)
        failed = sum(side not in ("stable", "next") for client in clients for _, _, side in client.answers)
    name = "a good canary"
    yield Row(f"{name}: arrives", "100 %", f"{arrived['stage']}, {arrived['share']:.0%}, after {took:.0f} s", arrived["stage"] == "arrived")
    yield told(f"{name}: requests of {CLIENTS} clients", f"{rounds} rounds, {failed} failed")
    for share, rounds_of in sorted(shares.items()):
        counts = [count for _, _, count in rounds_of]
        near = 4 * math.sqrt(CLIENTS * share * (1 - share))
        seen = f"{counts[-1]} in each of {len(counts)} rounds" if len(set(counts)) == 1 else str(counts)
        holds = len(set(counts)) == 1 and abs(counts[-1] - share * CLIENTS) <= near
        yield Row(f"{name}: clients that have it at {share:.0%}", f"{share * CLIENTS:.0f} +- {near:.0f}", seen, holds)
    yield Row(f"{name}: changes of sides while a step lasts", "0", str(while_held), while_held == 0)
    yield Row(f"{name}: changes back to stable while it grows", "0", f"{gone_back} (of {len(growing)} changes)", gone_back == 0)
    yield Row(f"{name}: clients that have it in the end", str(CLIENTS), str(everybody), everybody == CLIENTS)
    yield Row(f"{name}: clients that have it once a person has said back", "0", str(left), left == 0)
    seen = f"{len(at_first)} and {len(again)}" if at_first else "the first step was over before all had asked"
    yield Row(f"{name}: clients that have it at {STEPS[0]:.0%} the first and the second time", "the same", seen, at_first == again)
    yield Row(f"{name}: failed requests", "0", str(failed), failed == 0)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.environ.get("EVENKEEL", "target/release/evenkeel"))
    options.add_argument("--short", action="store_true", help="one bad canary, and steps of 3 s instead of 6")
    options = options.parse_args()
    scenes = [(what, changed, share) for what, changed in BAD.items() for share in (0.01, 0.05)]
    parts = []
    for what, changed, share in scenes[1:2] if options.short else scenes:
        parts.append((f"{share:.0%} of a canary that {what}", bad(options.binary, what, changed, share)))
    parts.append(("a good canary", good(options.binary, 3 if options.short else 6)))
    table = print_table(in_parts(parts))
    return any(not row.holds for row in table)


if __name__ == "__main__":
    sys.exit(main())
