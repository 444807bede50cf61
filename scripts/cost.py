#!/usr/bin/env python3
"""What a feature costs: processor time per request with it, against the same proxy without it.

    python3 scripts/cost.py [ROUNDS [SECONDS [WORD...]]]   default: 15 rounds of 1 second of load for each feature, or for those whose names have a word
    python3 scripts/cost.py instructions [WORD...]         instructions by valgrind's callgrind, which are the same on every machine, however busy it is

One proxy for each feature runs all the while, and they take turns under wrk's load; `off` has a turn before and after each of the others, and a feature's
ratio is to the mean of these two, because a shared machine is slower at one moment than at another. All threads of the process are counted, as the
kernel counts them (/proc/PID/task/*/schedstat), not those of clients and backends. The table has the medians, and the middle half of the ratios.
Instructions are those of the worker alone: not of a thread that writes a log, and not of the kernel.
EVENKEEL names the binary (default: target/release/evenkeel); BEFORE another one, which is then a feature too, with everything off.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness import free_port, in_turns, per_request, processor_time, stop, wrk  # noqa: E402

INSTRUCTIONS = sys.argv[1:2] == ["instructions"]
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 and not INSTRUCTIONS else 15
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 and not INSTRUCTIONS else 1
WORDS = sys.argv[2:] if INSTRUCTIONS else sys.argv[3:]
BINARY = os.environ.get("EVENKEEL", "target/release/evenkeel")
BEFORE = os.environ.get("BEFORE")
# `secret`, by bcrypt at its least cost: it is computed once, and remembered
HASHED = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

# what a client says who has a password
FIELDS = ["Authorization: Basic YW5uOnNlY3JldA=="]

BACKENDS = """
[server]
workers = 1
[admin]
bind = "127.0.0.1:{admin}"
""" + "".join(f"""
[[listener]]
name = "{name}"
bind = "127.0.0.1:{{{name}}}"
[[listener.route]]
path_prefix = "/"
respond = {{{{ status = 200, body = "hello from a backend", content_type = "text/plain" }}}}
""" for name in "ab")

PROXY = """
[server]
workers = 1
state_dir = "{work}/{name}"
[admin]
bind = "127.0.0.1:{admin}"
[log]
{log}
[[listener]]
name = "web"
bind = "127.0.0.1:{web}"
service = "api"
{listener}
[service.api]
balance = "round_robin"
{service}
[[service.api.backend]]
address = "127.0.0.1:{a}"
[[service.api.backend]]
address = "127.0.0.1:{b}"
{more}
"""

# for each feature, what of the configuration it needs, and where
FEATURES = {
    "off": {},
    "off again": {},
    "access log to a file": {"log": 'access = "{work}/access.log"'},
    "access log, combined": {"log": 'access = "{work}/combined.log"\naccess_format = "combined"'},
    "access log to /dev/null": {"log": 'access = "/dev/null"'},
    "OTLP, 1 % sampled": {"more": '[otlp]\nendpoint = "http://127.0.0.1:{a}"\nprotocol = "http"\nsample = 0.01'},
    # with a latency: all that can be promised
    "availability accounted": {"service": 'sla = {{ latency = "1s" }}'},
    "shadow": {"service": 'shadow = ["response_time"]'},
    "rate limit by client": {"listener": '[[listener.rate_limit]]\nrate = "1000000/s"'},
    "allow by network": {"listener": 'allow = ["127.0.0.0/8", "10.0.0.0/8"]'},
    "password, remembered": {"listener": '[[listener.route]]\npath_prefix = "/"\nservice = "api"\nauth = {{ basic = {{ file = "{work}/users" }} }}'},
    "hedging that hedges nothing": {"service": 'retry.hedge = "10s"'},
    "a variable in a header": {"listener": 'request_headers = {{ set = {{ x-client = "${{client_ip}}" }} }}'},
    "a header without one": {"listener": 'request_headers = {{ set = {{ x-client = "a" }} }}'},
    "security headers": {"listener": 'security_headers = "standard"'},
    "mirroring 0.01 %": {"listener": '[[listener.route]]\npath_prefix = "/"\nservice = "api"\nmirror = {{ service = "next", share = "0.01%" }}', "more": '[[service.next.backend]]\naddress = "127.0.0.1:{b}"'},
    "mirroring 100 %": {"listener": '[[listener.route]]\npath_prefix = "/"\nservice = "api"\nmirror = {{ service = "next" }}', "more": '[[service.next.backend]]\naddress = "127.0.0.1:{b}"'},
    "adaptive limit": {"service": "concurrency = {{}}"},
    "compression, not asked for": {"listener": "compress = true"},
    "error pages, no error": {"listener": 'error_pages = {{ "5xx" = "{work}/5xx.html" }}'},
    "split by address": {"listener": '[[listener.route]]\npath_prefix = "/"\nsplit = [{{ service = "api", weight = 90 }}, {{ service = "next", weight = 10 }}]\nsplit_by = "client_ip"', "more": '[[service.next.backend]]\naddress = "127.0.0.1:{b}"'},
    "paths normalised": {"listener": 'paths = "normalised"'},
}
FEATURES = {name: parts for name, parts in FEATURES.items() if name == "off" or not WORDS or any(word in name for word in WORDS)}
if BEFORE:
    FEATURES["the binary before"] = {}


def run(stack, config, work, name, admin, before=()):
    """A proxy that is ready; its process."""
    file = Path(work) / f"{plain(name)}.toml"
    file.write_text(config)
    binary = BEFORE if name == "the binary before" else BINARY
    process = subprocess.Popen([*before, binary, "run", "-c", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(stop, process)
    for _ in range(2400):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=1).read()
            return process
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{name} did not become ready: {BINARY} check -c {file}")


def plain(name):
    return name.replace(" ", "-").replace("/", "")


class Lab:
    """Two backends, and a proxy before them for each feature that is asked for."""

    def __init__(self, stack):
        self.stack, self.work = stack, stack.enter_context(tempfile.TemporaryDirectory())
        self.a, self.b, admin = free_port(), free_port(), free_port()
        run(stack, BACKENDS.format(admin=admin, a=self.a, b=self.b), self.work, "backends", admin)
        Path(self.work, "5xx.html").write_text("It does not work.\n")
        Path(self.work, "users").write_text(f"ann:{HASHED}\n")

    def proxy(self, name, before=()):
        """Its port and its process."""
        admin, web = free_port(), free_port()
        values = dict(work=self.work, name=plain(name), admin=admin, web=web, a=self.a, b=self.b)
        parts = {part: FEATURES[name].get(part, "").format(**values) for part in ("log", "listener", "service", "more")}
        return web, run(self.stack, PROXY.format(**values, **parts), self.work, name, admin, before)


def instructions(lab):
    print(f"{'':28} instructions/request  against off")
    off = None
    for name in FEATURES:
        count = per_request(lab.work, lambda before, name=name: lab.proxy(name, before), FIELDS)
        off = off or count
        print(f"{name:28} {count:20.0f} {count / off - 1:+12.1%}", flush=True)


def processor_times(lab):
    proxies = {name: lab.proxy(name) for name in FEATURES}

    def cost(name):
        web, process = proxies[name]
        before = processor_time(process)
        answered = wrk(web, SECONDS, fields=FIELDS)
        time.sleep(0.05)
        return ((processor_time(process) - before) / answered * 1e6,)

    features = [name for name in proxies if name != "off"]
    costs, ratios = in_turns(cost, "off", features, ROUNDS)
    print(f"{'':28} us/request   ratio    middle half")
    print(f"{'off':28} {statistics.median(cost for cost, in costs['off']):10.2f}   1.000")
    for name in features:
        low, middle, high = statistics.quantiles(ratio for ratio, in ratios[name])
        print(f"{name:28} {statistics.median(cost for cost, in costs[name]):10.2f}   {middle:5.3f}    {low:5.3f}  {high:5.3f}")


with ExitStack() as stack:
    lab = Lab(stack)
    (instructions if INSTRUCTIONS else processor_times)(lab)
