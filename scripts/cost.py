#!/usr/bin/env python3
"""What a feature costs: processor time per request with it, against the same proxy without it.

    python3 scripts/cost.py [ROUNDS [SECONDS [WORD...]]]   default: 15 rounds of 1 second of load for each feature, or for those whose names have a word

One proxy for each feature runs all the while, and they take turns under wrk's load; `off` has a turn before and after each of the others, and a feature's
ratio is to the mean of these two, because a shared machine is slower at one moment than at another. All threads of the process are counted, as the
kernel counts them (/proc/PID/task/*/schedstat), not those of clients and backends. The table has the medians, and the middle half of the ratios.
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
from harness import free_port, in_turns, processor_time, wrk  # noqa: E402

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 15
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 1
WORDS = sys.argv[3:]
BINARY = os.environ.get("EVENKEEL", "target/release/evenkeel")
BEFORE = os.environ.get("BEFORE")
# `secret`, by bcrypt at its least cost: it is computed once, and remembered
HASHED = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

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
    "paths normalised": {"listener": 'paths = "normalised"'},
}
FEATURES = {name: parts for name, parts in FEATURES.items() if name == "off" or not WORDS or any(word in name for word in WORDS)}
if BEFORE:
    FEATURES["the binary before"] = {}


def run(stack, config, work, name, admin):
    """A proxy that is ready; its process."""
    file = Path(work) / f"{name.replace(' ', '-').replace('/', '')}.toml"
    file.write_text(config)
    binary = BEFORE if name == "the binary before" else BINARY
    process = subprocess.Popen([binary, "run", "-c", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.kill)
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=1).read()
            return process
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{name} did not become ready: {BINARY} check -c {file}")


def load(web):
    """How many requests were answered."""
    return wrk(web, SECONDS, fields=["Authorization: Basic YW5uOnNlY3JldA=="])


def main():
    with ExitStack() as stack:
        work = stack.enter_context(tempfile.TemporaryDirectory())
        a, b, admin = free_port(), free_port(), free_port()
        run(stack, BACKENDS.format(admin=admin, a=a, b=b), work, "backends", admin)
        proxies = {}
        Path(work, "users").write_text(f"ann:{HASHED}\n")
        for name, feature in FEATURES.items():
            admin, web = free_port(), free_port()
            values = dict(work=work, name=name.replace(" ", "-").replace("/", ""), admin=admin, web=web, a=a, b=b)
            parts = {part: feature.get(part, "").format(**values) for part in ("log", "listener", "service", "more")}
            config = PROXY.format(**values, **parts)
            proxies[name] = (run(stack, config, work, name, admin), web)

        def cost(name):
            process, web = proxies[name]
            before = processor_time(process)
            answered = load(web)
            time.sleep(0.05)
            return ((processor_time(process) - before) / answered * 1e6,)

        features = [name for name in proxies if name != "off"]
        costs, ratios = in_turns(cost, "off", features, ROUNDS)
        print(f"{'':28} us/request   ratio    middle half")
        print(f"{'off':28} {statistics.median(cost for cost, in costs['off']):10.2f}   1.000")
        for name in features:
            low, middle, high = statistics.quantiles(ratio for ratio, in ratios[name])
            print(f"{name:28} {statistics.median(cost for cost, in costs[name]):10.2f}   {middle:5.3f}    {low:5.3f}  {high:5.3f}")


main()
