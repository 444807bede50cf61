#!/usr/bin/env python3
"""Three times what the backends can do, before them Evenkeel with `[service.NAME.concurrency]`, without it, and Envoy with its adaptive concurrency filter.

    scripts/overload.py [--binary PATH] [--short] [--proxies NAME,...]

Two backends work on four requests each at a time, for 40 ms each: 200 requests a second and no more, whatever comes. What is above waits in them, and is
worked on also when nobody waits for it any more, as in most servers. Load is open loop, so that latency counts from the planned time, and a client gives up
after two seconds. Each proxy has in turn fresh backends and the same requests: first a third of what the backends can do, which tells the latency without load, and then
three times that, of which a tenth is important. The first five seconds of it are for finding the limit, and are told on a row of their own. Both limits are left
at their defaults (Envoy's: those of the example in its documentation), but for Envoy's `interval`, which is 30 s as Evenkeel's `probe`; the run is long enough for both
to measure the latency without load again under load. Envoy's filter has no priorities. It is found as scripts/detection.sh says.

It takes three minutes, with --short a little more than one. The exit code is 1 where Evenkeel has missed a target.
"""

import argparse
import collections
import os
import pathlib
import resource
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE / "detection")]
import proxies  # noqa: E402
from harness import Fleet, OpenLoop, Processes, Row, free_port, get, in_parts, percentile, print_table, timing, told, wait_until  # noqa: E402

BACKENDS, WORKERS, WORK = 2, 4, 0.040
CAPACITY = BACKENDS * WORKERS / WORK
# of what the backends can do
CALM, HIGH, LOW = 0.33, 0.3, 2.7
PATIENCE = 2.0
FINDING = 5.0
SHORT = 15.0
# seconds before the overload that are not counted, and those that are
WARM_UP, CALM_SECONDS = 2.0, 6.0

EVENKEEL = """
[server]
workers = 1
state_dir = "{folder}/state"
[admin]
bind = "127.0.0.1:{admin}"
[[listener]]
name = "web"
bind = "127.0.0.1:{port}"
[[listener.route]]
path_prefix = "/high"
service = "app"
priority = "high"
[[listener.route]]
path_prefix = "/"
service = "app"
priority = "low"
[service.app]
balance = "least_connections"
backend = [{backends}]
{more}
"""

ENVOY = """
static_resources:
  listeners:
  - name: web
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          http_filters:
          - name: envoy.filters.http.adaptive_concurrency
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency
              gradient_controller_config:
                sample_aggregate_percentile: {{ value: 90 }}
                concurrency_limit_params: {{ concurrency_update_interval: 0.1s }}
                min_rtt_calc_params: {{ jitter: {{ value: 10 }}, interval: 30s, request_count: 50 }}
              enabled: {{ default_value: true, runtime_key: adaptive_concurrency.enabled }}
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{ match: {{ prefix: "/" }}, route: {{ cluster: app }} }}]
  clusters:
  - name: app
    lb_policy: LEAST_REQUEST
    circuit_breakers: {{ thresholds: [{{ max_connections: 100000, max_pending_requests: 100000, max_requests: 100000 }}] }}
    load_assignment:
      cluster_name: app
      endpoints:
      - lb_endpoints: [{backends}]
"""

ONE_OF_ENVOY = "{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} }} }}"
RUN_ENVOY = ["-c", "{config}", "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
RUN_EVENKEEL = ["run", "-c", "{config}"]
ONE_OF_EVENKEEL = '{{ address = "127.0.0.1:{port}" }}'

# name: (program, template, one backend, what of the configuration is its own, arguments)
KINDS = {
    "evenkeel": ("evenkeel", EVENKEEL, ONE_OF_EVENKEEL, "[service.app.concurrency]", RUN_EVENKEEL),
    "without": ("evenkeel", EVENKEEL, ONE_OF_EVENKEEL, "", RUN_EVENKEEL),
    "envoy": ("envoy", ENVOY, ONE_OF_ENVOY, "", RUN_ENVOY),
}
NAMES = {"evenkeel": "Evenkeel", "without": "Evenkeel without a limit", "envoy": "Envoy"}


def start(processes, kind, binaries, ports):
    """The proxy's port, once it answers."""
    program, template, one, more, arguments = KINDS[kind]
    folder, port = processes.folder, free_port()
    backends = ", ".join(one.format(port=backend) for backend in ports)
    config = pathlib.Path(folder, f"{kind}.conf.yaml" if program == "envoy" else f"{kind}.toml")
    config.write_text(template.format(folder=folder, port=port, admin=free_port(), backends=backends, more=more))
    command = [binaries[program], *(word.format(config=config) for word in arguments)]
    process = processes.start(f"{kind}.log", command, start_new_session=False)

    def answers():
        if process.poll() is not None:
            raise SystemExit(f"{kind} has ended:\n{processes.log(f'{kind}.log')[-2000:]}")
        return get(port)

    wait_until(f"{kind} answers", answers)
    return port


def play(kind, binaries, seconds):
    """What became of each request, in times from the beginning of the overload."""
    with tempfile.TemporaryDirectory() as folder, Fleet(folder, backends=BACKENDS, usual={"spread": 0.0, "slow": WORK / 0.005, "workers": WORKERS}) as fleet:
        with Processes(folder) as processes:
            port = start(processes, kind, binaries, fleet.ports)
            overload = time.monotonic() + 1.0 + WARM_UP + CALM_SECONDS
            fleet.begin(overload)
            phases = [[-WARM_UP - CALM_SECONDS, 0.0, CALM * CAPACITY], [0.0, seconds, (HIGH + LOW) * CAPACITY]]
            paths = [["/high", HIGH], ["/low", LOW]]
            with OpenLoop(port=port, start=overload, phases=phases, patience=PATIENCE, paths=paths) as load:
                return load.requests()


def served(requests, begin, end):
    """How long those have taken that were answered well within these times."""
    return [took for planned, _, took, outcome, _ in requests if outcome == 200 and begin <= planned + took < end]


def lost(requests, path):
    """The share of those that were sent there in the overload and not answered well."""
    outcomes = [outcome for planned, _, _, outcome, asked in requests if asked == path and planned >= 0]
    return sum(outcome != 200 for outcome in outcomes) / len(outcomes), len(outcomes)


def rows(kind, requests, seconds):
    """Rows of the table; targets are Evenkeel's."""
    name, ours = NAMES[kind], kind == "evenkeel"
    calm = percentile(served(requests, -CALM_SECONDS, 0.0), 0.99)
    settled = served(requests, FINDING, seconds)
    goodput = len(settled) / (seconds - FINDING) / CAPACITY
    slower = percentile(settled, 0.99) / calm
    seen = f"{slower:.2f} ({calm * 1000:.0f} ms)" if settled else "nobody is served"
    finding = served(requests, 0.0, FINDING)
    high, important = lost(requests, "/high")
    low, _ = lost(requests, "/low")
    late = percentile([sent - planned for planned, sent, *_ in requests], 0.99)

    def row(what, target, seen, holds):
        return Row(f"{name}: {what}", target, seen, holds) if ours else told(f"{name}: {what}", seen)

    yield row("goodput, of what the backends can do", ">= 0.90", f"{goodput:.3f}", goodput >= 0.9)
    yield row("p99 of what is served, of that without load", "<= 3", seen, slower <= 3)
    yield row("lost of the important requests", "0", f"{round(high * important)} of {important} ({high:.2%})", high == 0)
    yield told(f"{name}: lost of the others", f"{low:.1%}")
    first = percentile(finding, 0.99) / calm
    yield told(f"{name}: the first {FINDING:.0f} s", f"goodput {len(finding) / FINDING / CAPACITY:.3f}, p99 {first:.2f}")
    outcomes = collections.Counter(outcome for planned, _, _, outcome, _ in requests if planned >= 0)
    yield told(f"{name}: answers", ", ".join(f"{WORDS.get(outcome, outcome)} {count}" for outcome, count in sorted(outcomes.items())))
    yield timing(f"{name}: 1 % of the requests were sent late by", "<= 10 ms", f"{late * 1000:.1f} ms", late <= 0.010)


WORDS = {0: "broken", -1: "given up"}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.environ.get("EVENKEEL", "target/release/evenkeel"))
    options.add_argument("--short", action="store_true", help="15 s of overload for each proxy instead of 60: no latency is measured again")
    options.add_argument("--proxies", default=",".join(KINDS), help=f"of {', '.join(KINDS)}")
    options = options.parse_args()
    binaries = {"evenkeel": options.binary, "envoy": proxies.find("envoy")}
    # those who wait hold a connection each
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    seconds = SHORT if options.short else 60.0

    def part(kind):
        if not binaries[KINDS[kind][0]]:
            yield told(NAMES[kind], "not installed")
        else:
            # without a limit nobody is served after a few seconds, and those who have given up only add up
            long = min(seconds, SHORT) if kind == "without" else seconds
            yield from rows(kind, play(kind, binaries, long), long)

    table = print_table(in_parts((NAMES[kind], part(kind)) for kind in options.proxies.split(",")))
    return any(not row.holds and not row.is_timing for row in table)


if __name__ == "__main__":
    sys.exit(main())
