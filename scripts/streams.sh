#!/usr/bin/env bash
# One large TCP stream through Evenkeel and through HAProxy with `option splice-auto`, in the same run: iperf3's own rate, and the
# proxy's CPU time for each gigabyte.
#
#   scripts/streams.sh [SECONDS [ROUNDS]]       for each measurement; default 5, and 3 rounds, of which the median counts
#
# Each proxy has one worker. Nothing is pinned: with client and server of iperf3 on one core, it is these two that are measured.
# EVENKEEL names the binary (default: target/release/evenkeel, built when it is not there).
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
seconds=${1:-5}
rounds=${2:-3}
scripts/install-clients.sh
the_binary
read -r server ours theirs admin <<<"$(free_ports 4)"

cat >"$work/haproxy.cfg" <<EOF
global
  nbthread 1
  maxconn 1000
defaults
  mode tcp
  option splice-auto
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen iperf
  bind 127.0.0.1:$theirs
  server iperf 127.0.0.1:$server
EOF
cat >"$work/proxy.toml" <<EOF
[server]
workers = 1
state_dir = "$work/state"
[admin]
bind = "127.0.0.1:$admin"
[[listener]]
name = "iperf"
bind = "127.0.0.1:$ours"
protocol = "tcp"
service = "iperf"
[[service.iperf.backend]]
address = "127.0.0.1:$server"
EOF
start server iperf3 -s -B 127.0.0.1 -p "$server"
start haproxy haproxy -db -f "$work/haproxy.cfg"
haproxy=$!
start proxy "$evenkeel" run -c "$work/proxy.toml"
own=$!
for port in "$server" "$ours" "$theirs"; do
    until_it "somebody at port $port" listens "$port"
done

measure() { # NAME PID PORT DIRECTION ARGUMENTS...
    local before after
    before=$(ticks "$2")
    iperf3 -c 127.0.0.1 -p "$3" -t "$seconds" -J "${@:5}" >"$work/json"
    after=$(ticks "$2")
    python3 - "$work/json" "$((after - before))" "$(getconf CLK_TCK)" <<'PY' >>"$work/$1.$4"
import json, sys
end = json.load(open(sys.argv[1]))["end"]["sum_received"]
print(end["bits_per_second"] / 1e9, int(sys.argv[2]) / int(sys.argv[3]) / (end["bytes"] / 1e9))
PY
}
for _ in $(seq "$rounds"); do
    for direction in up down; do
        reverse=()
        [ "$direction" = up ] || reverse=(--reverse)
        measure haproxy "$haproxy" "$theirs" "$direction" "${reverse[@]}"
        measure evenkeel "$own" "$ours" "$direction" "${reverse[@]}"
    done
done
printf '%-10s %-6s %10s %14s\n' proxy way Gbit/s 'CPU s per GB'
for direction in up down; do
    for name in haproxy evenkeel; do
        python3 - "$name" "$direction" "$work/$name.$direction" <<'PY'
import statistics, sys
rows = [tuple(map(float, line.split())) for line in open(sys.argv[3])]
rate, cpu = (statistics.median(column) for column in zip(*rows))
print(f"{sys.argv[1]:<10} {sys.argv[2]:<6} {rate:>10.2f} {cpu:>14.4f}")
PY
    done
done
