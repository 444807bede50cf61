#!/usr/bin/env bash
# The metrics against a real Prometheus, and against what was really served.
#
#   scripts/metrics.sh [SECONDS [REQUESTS]]     of load for the rate, default 60; and to be counted, default 1,000,000
#
# Prometheus scrapes the real binary under wrk: its rate must be wrk's within 2 %. promtool and the parser of prometheus_client read both
# formats. Then backends are killed again and again while h2load sends its requests and others are broken off: the counters must be what
# h2load has seen and what the access log has.
# EVENKEEL names the binary (default: target/release/evenkeel, built when it is not there). Prometheus is taken out of Debian's package, which is
# not installed: that would start a server.
cd "$(dirname "$0")/.."
bound=1800
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
seconds=${1:-60}
requests=${2:-1000000}

scripts/install-clients.sh
the_binary
the_python
prometheus=${PROMETHEUS:-$(command -v prometheus || true)}
promtool=${PROMTOOL:-$(command -v promtool || true)}
if [ -z "$prometheus" ] || [ -z "$promtool" ]; then
    chmod 755 "$work"
    (cd "$work" && apt-get download -qq prometheus && dpkg -x prometheus_*.deb .)
    prometheus=$work/usr/bin/prometheus
    promtool=$work/usr/bin/promtool
fi

# ---------------------------------------------------------------- what it takes

read -r front admin prom a b c silent admin_a admin_b admin_c <<<"$(free_ports 10)"

backend() { # NAME PORT ADMIN: Evenkeel answers itself
    cat >"$work/$1.toml" <<TOML
[server]
workers = 1
state_dir = "$work/state-$1"
[admin]
bind = "127.0.0.1:$3"
[[listener]]
name = "web"
bind = "127.0.0.1:$2"
[[listener.route]]
path_prefix = "/"
respond = { status = 200, body = "$1\n" }
TOML
}
backend a "$a" "$admin_a"
backend b "$b" "$admin_b"
backend c "$c" "$admin_c"

cat >"$work/proxy.toml" <<TOML
[server]
workers = 2
state_dir = "$work/state"
[admin]
bind = "127.0.0.1:$admin"
[log]
access = "$work/access.log"
[[listener]]
name = "web"
bind = "127.0.0.1:$front"
service = "app"
[[listener.route]]
path = "/silent"
service = "silent"
[service.app.retry]
attempts = 3
budget = 0.5
[[service.app.backend]]
id = "a"
address = "127.0.0.1:$a"
[[service.app.backend]]
id = "b"
address = "127.0.0.1:$b"
[[service.app.backend]]
id = "c"
address = "127.0.0.1:$c"
[[service.silent.backend]]
address = "127.0.0.1:$silent"
TOML

cat >"$work/prometheus.yml" <<YML
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: evenkeel
    static_configs: [{ targets: ["127.0.0.1:$admin"] }]
YML
mkdir "$work/data"

for name in a b c; do start "$name" "$evenkeel" run -c "$work/$name.toml"; done
backends=("${pids[@]}")
# takes connections and never says a word
start silent python3 -c "
import socket, time
held = socket.create_server(('127.0.0.1', $silent), backlog=4096)
time.sleep(10000)"
silent_one=$!
for port in "$a" "$b" "$c" "$silent"; do until_it 'the backends' listens "$port"; done
start proxy "$evenkeel" run -c "$work/proxy.toml"
proxy=$!
until_it 'the proxy' curl -sf "http://127.0.0.1:$front/"
start prometheus "$prometheus" --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
    --web.listen-address="127.0.0.1:$prom" --log.level=warn
scraper=$!
until_it 'Prometheus' curl -sf "http://127.0.0.1:$prom/-/ready"

metrics() { curl -sf "$@" "http://127.0.0.1:$admin/metrics"; }

ask() { # EXPRESSION TIME: the value of its one series
    curl -sf "http://127.0.0.1:$prom/api/v1/query" --data-urlencode "query=$1" --data-urlencode "time=$2" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["result"][0]["value"][1])'
}

# ---------------------------------------------------------------- the rate

agrees() {
    local wrk ended seen
    wrk -t 2 -c 32 -d "${seconds}s" "http://127.0.0.1:$front/" >"$work/wrk.txt"
    ended=$(date +%s.%N)
    # the scrape that follows the end
    sleep 2
    wrk=$(awk '/^Requests\/sec/ { print $2 }' "$work/wrk.txt")
    seen=$(ask "sum(rate(evenkeel_requests_total{service=\"app\"}[${seconds}s]))" "$ended")
    say "wrk: $wrk requests a second, Prometheus: $seen"
    python3 -c "import sys; sys.exit(abs($seen / $wrk - 1) > 0.02)"
    [ "$(ask 'min_over_time(up{job="evenkeel"}[10s])' "$ended")" = 1 ]
}
check 'the rate that Prometheus sees is that of wrk within 2 %' agrees
grep '^metrics: wrk' "$work/out" || true

reads() {
    metrics >"$work/text"
    "$promtool" check metrics <"$work/text"
    metrics -H 'Accept: application/openmetrics-text; version=1.0.0' | "$python" scripts/metrics/openmetrics.py "$work/text"
}
# idle by now, so that the two scrapes are the same
sleep 2
check 'both formats are read by the parsers of Prometheus and OpenMetrics, and say the same' reads
tail -n 1 "$work/out"

# ---------------------------------------------------------------- the counts

# from here on everything is counted from zero
kill -TERM "$proxy"
wait "$proxy"
pids=("${backends[@]}" "$silent_one" "$scraper")
rm -f "$work/access.log"
start proxy "$evenkeel" run -c "$work/proxy.toml"
proxy=$!
until_it 'the proxy' listens "$front"

kills() { # kills one backend after the other, and starts it again, until it is ended itself
    local name port
    declare -A running
    trap 'kill -KILL "${running[@]}"; exit 0' TERM
    while :; do
        for name in a b c; do
            port=${!name}
            if [ -n "${running[$name]:-}" ]; then kill -KILL "${running[$name]}"; fi
            wait "${running[$name]:-}" 2>/dev/null || true
            "$evenkeel" run -c "$work/$name.toml" >>"$work/$name.log" 2>&1 &
            running[$name]=$!
            until listens "$port"; do sleep 0.05; done
            sleep 1
        done
    done
}
# others take their places, which are killed again and again
kill -KILL "${backends[@]}"
wait "${backends[@]}" || true
kills &
killer=$!
pids=("$proxy" "$killer" "$silent_one" "$scraper")
for port in "$a" "$b" "$c"; do until_it 'the backends' listens "$port"; done

cancelled=$((requests / 200))
counts() {
    python3 scripts/metrics/cancellations.py "$front" "$cancelled" &
    local others=$!
    h2load --h1 -n "$requests" -c 64 -t 2 "http://127.0.0.1:$front/" >"$work/h2load.txt"
    wait "$others"
    # the last ones that were broken off have been noticed when nothing is in flight
    for _ in $(seq 100); do
        metrics >"$work/text"
        grep -q '^evenkeel_in_flight.* [1-9]' "$work/text" || break
        sleep 0.1
    done
    # the log is flushed when its writer has nothing more to write
    sleep 2
    "$python" scripts/metrics/tally.py "$work/text" "$work/access.log" "$work/h2load.txt" "$cancelled"
}
check "$requests requests under kills, retries and cancellations: counted as served" counts
sed 's/^/    /' "$work/out" | tail -n 8

stop_and_sum_up "$proxy"
