#!/usr/bin/env bash
# DNS through Evenkeel and through nginx's stream module, in the same run: a real server (unbound), a real client (dnsperf).
#
#   scripts/dns.sh [SECONDS]        for each measurement; default 10
#
# Each proxy has one worker, alone on the first core; server and client share the others. What is printed of a proxy is the
# rate that came through, what was lost, and its CPU time for each query. Three kinds of traffic:
#
#   few    10 ports of clients, as fast as it goes: how much there is to be had
#   many   1,000 ports at a steady rate: the price of a query
#   new    each query is a session of its own: 10,240 ports in turn, sessions end after one second of silence
#
# EVENKEEL names the binary (default: target/release/evenkeel, built when it is not there). Needs Debian's unbound, dnsperf,
# bind9-dnsutils, nginx-light and libnginx-mod-stream, which are installed where they are missing.
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

seconds=${1:-10}
the_binary
missing=
for need in unbound:unbound dnsperf:dnsperf dig:bind9-dnsutils nginx:nginx-light; do
    command -v "${need%%:*}" >/dev/null || missing="$missing ${need#*:}"
done
[ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || missing="$missing libnginx-mod-stream"
# shellcheck disable=SC2086
[ -z "$missing" ] || apt-get install -qq -y --no-install-recommends $missing >/dev/null

ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
others=1-$(($(nproc) - 1))
[ "$(nproc)" -gt 1 ] || others=0
server=10053 ours=10153 theirs=10253 admin=10353

cat >"$work/unbound.conf" <<EOF
server:
    interface: 127.0.0.1@$server
    port: $server
    access-control: 127.0.0.0/8 allow
    num-threads: 1
    so-rcvbuf: 0
    do-daemonize: no
    username: ""
    chroot: ""
    directory: "$work"
    pidfile: ""
    use-syslog: no
    logfile: "$work/unbound.log"
    do-tcp: no
    local-zone: "example." static
EOF
for at in $(seq 100); do
    echo "    local-data: \"name$at.example. 60 A 192.0.2.$at\"" >>"$work/unbound.conf"
    echo "name$at.example. A" >>"$work/queries"
done

cat >"$work/nginx.conf" <<EOF
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid $work/nginx.pid;
error_log stderr crit;
events { worker_connections 60000; }
stream {
    upstream dns { server 127.0.0.1:$server; }
    server { listen 127.0.0.1:$theirs udp; proxy_pass dns; proxy_timeout 1s; }
}
EOF

cat >"$work/proxy.toml" <<EOF
[server]
workers = 1
state_dir = "$work/state"
[admin]
bind = "127.0.0.1:$admin"
[log]
level = "warn"
[[listener]]
name = "dns"
bind = "127.0.0.1:$ours"
protocol = "udp"
idle_timeout = "1s"
service = "dns"
[service.dns]
[[service.dns.backend]]
address = "127.0.0.1:$server"
EOF

start server taskset -c "$others" unbound -c "$work/unbound.conf"
start nginx taskset -c 0 nginx -c "$work/nginx.conf" -e stderr
start proxy taskset -c 0 "$evenkeel" run -c "$work/proxy.toml"
own=$!

answers() { [ "$(dig +short +time=1 +tries=1 -p "$1" @127.0.0.1 name7.example A)" = 192.0.2.7 ]; }
for port in $server $theirs $ours; do
    until_it "an answer from port $port" answers "$port"
done
worker=$(pgrep -P "$(cat "$work/nginx.pid")" | head -n 1)

measure() { # NAME PID PORT ARGUMENTS...: one line. A tick is 10 ms
    local name=$1 pid=$2 port=$3 before after
    shift 3
    before=$(ticks "$pid")
    taskset -c "$others" dnsperf -s 127.0.0.1 -p "$port" -d "$work/queries" -l "$seconds" "$@" >"$work/out" 2>&1
    after=$(ticks "$pid")
    awk -v name="$name" -v ticks=$((after - before)) '
        /Queries completed/ { completed = $3 }
        /Queries lost/ { lost = $3 }
        /Queries per second/ { rate = $4 }
        /Average Latency/ { latency = $4 }
        END {
            printf "  %-9s %8.0f queries/s  %6d lost  %6.2f us CPU a query  %7.3f ms\n",
                name, rate, lost, completed ? ticks * 10000 / completed : 0, latency * 1000
        }' "$work/out"
}

compare() { # TITLE ARGUMENTS...
    echo "$1"
    shift
    for _ in 1 2; do
        measure nginx "$worker" $theirs "$@"
        measure evenkeel "$own" $ours "$@"
    done
}

compare "few: 10 ports, as fast as it goes" -c 10 -q 200
# a thread of dnsperf has 256 ports at most
compare "many: 1,000 ports, 20,000 queries a second" -T 4 -c 1000 -q 1000 -Q 20000
compare "new: a session for each query, 5,000 a second" -T 40 -c 10240 -q 10240 -Q 5000
