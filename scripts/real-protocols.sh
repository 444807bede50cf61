#!/usr/bin/env bash
# Real servers and their own clients through Layer 4 of the real binary: Redis and PostgreSQL over `tcp`, HTTPS to two names over
# `tls`, DNS over `udp`. Nothing here is ours but the proxy.
#
# EVENKEEL names the binary (default: target/release/evenkeel, built when it is not there). What is needed is installed from
# Debian's packages; the rest happens on loopback, on ports that nobody else has, within five minutes.
cd "$(dirname "$0")/.."
bound=300
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

scripts/install-clients.sh
the_binary
# shellcheck disable=SC2012 # the names are Debian's
postgres=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
# PostgreSQL runs as somebody else
chmod 755 "$work"

# ---------------------------------------------------------------- the servers

read -r redis sql site_a site_b dns front_redis front_sql front_tls front_dns admin <<<"$(free_ports 10)"

start redis redis-server --port "$redis" --bind 127.0.0.1 --save '' --appendonly no --dir "$work"

# PostgreSQL refuses to run as root
as_somebody=()
if [ "$(id -u)" = 0 ]; then
    as_somebody=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    install -d -o postgres "$work/sql"
fi
"${as_somebody[@]}" "$postgres/initdb" -D "$work/sql" -A trust -U postgres >"$work/initdb.log" 2>&1 || give_up "no database"
start sql "${as_somebody[@]}" "$postgres/postgres" -D "$work/sql" -p "$sql" -h 127.0.0.1 -k "$work/sql"

for name in a b; do
    certificates "$work/$name" "$name.example"
done
site() { # NAME PORT
    start "site-$1" openssl s_server -accept "127.0.0.1:$2" -cert "$work/$1/site.pem" -key "$work/$1/site.key" -WWW -quiet
}
mkdir "$work/www"
head -c 5242880 /dev/urandom >"$work/www/large"
(cd "$work/www" && for name in a b; do echo "this is $name" >"$name"; done)
cd "$work/www" && site a "$site_a" && site b "$site_b" && cd - >/dev/null

start dns dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces --listen-address=127.0.0.1 \
    --port="$dns" --user="$(id -un)" --pid-file= --address=/site.test/192.0.2.7 --txt-record=long.test,"$(printf 'x%.0s' $(seq 200))"

# ---------------------------------------------------------------- the proxy

cat >"$work/proxy.toml" <<TOML
[server]
workers = 2
state_dir = "$work/state"
[admin]
bind = "127.0.0.1:$admin"
[[listener]]
name = "redis"
bind = "127.0.0.1:$front_redis"
protocol = "tcp"
service = "redis"
[[listener]]
name = "sql"
bind = "127.0.0.1:$front_sql"
protocol = "tcp"
service = "sql"
[[listener]]
name = "sites"
bind = "127.0.0.1:$front_tls"
protocol = "tls"
[[listener.route]]
host = "a.example"
service = "a"
[[listener.route]]
host = "*.example"
service = "b"
[[listener]]
name = "dns"
bind = "127.0.0.1:$front_dns"
protocol = "udp"
service = "dns"
[[service.redis.backend]]
address = "127.0.0.1:$redis"
[service.redis.health]
kind = "tcp"
send = "PING\r\n"
expect = "+PONG"
[[service.sql.backend]]
address = "127.0.0.1:$sql"
[[service.a.backend]]
address = "127.0.0.1:$site_a"
[[service.b.backend]]
address = "127.0.0.1:$site_b"
[[service.dns.backend]]
address = "127.0.0.1:$dns"
TOML
until_it redis redis-cli -p "$redis" ping
until_it PostgreSQL psql -h 127.0.0.1 -p "$sql" -U postgres -c 'select 1'
until_it 'site a' curl -sk "https://127.0.0.1:$site_a/a"
until_it 'site b' curl -sk "https://127.0.0.1:$site_b/b"
until_it dnsmasq dig +short +time=1 +tries=1 -p "$dns" @127.0.0.1 site.test
start proxy "$evenkeel" run -c "$work/proxy.toml"
proxy=$!
until_it Evenkeel curl -sf "http://127.0.0.1:$admin/readyz"

# ---------------------------------------------------------------- Redis

# shellcheck disable=SC2154 # each check sets what it expects
in_redis() { [ "$(redis-cli -p "$front_redis" "$@")" = "$expected" ]; }
expected=OK check 'redis-cli: SET' in_redis set greeting hello
expected=hello check 'redis-cli: GET' in_redis get greeting
bench() { # its errors are on a line of their own
    redis-benchmark -p "$front_redis" -q "$@" | tee "$work/bench"
    ! grep -qi error "$work/bench"
}
check 'redis-benchmark: 20,000 requests, 50 connections' bench -n 20000 -c 50 -t set,get
check 'redis-benchmark: pipelines of 16' bench -n 50000 -P 16 -t set,get
check 'redis-benchmark: values of 256 KiB' bench -n 500 -d 262144 -t set,get
subscribed() { # a client that waits for the server to speak
    timeout 10 redis-cli -p "$front_redis" subscribe news >"$work/news" &
    local pid=$!
    for _ in $(seq 100); do
        [ "$(redis-cli -p "$front_redis" publish news today)" = 1 ] && break
        sleep 0.05
    done
    for _ in $(seq 100); do
        grep -q today "$work/news" && break
        sleep 0.05
    done
    kill "$pid"
    grep -q today "$work/news"
}
check 'redis-cli: PUBLISH and SUBSCRIBE' subscribed

# ---------------------------------------------------------------- PostgreSQL

ask_sql() { psql -h 127.0.0.1 -p "$front_sql" -U postgres -v ON_ERROR_STOP=1 -qtA "$@"; }
answer_is() { [ "$(ask_sql -c "$1")" = "$2" ]; }
check 'psql: a query' answer_is 'select 6 * 7' 42
copied() { # 20 MB out and in again
    ask_sql -c 'create table t as select g, md5(g::text) from generate_series(1, 500000) g'
    ask_sql -c 'copy t to stdout' >"$work/t"
    ask_sql -c 'create table u (like t)' && ask_sql -c 'copy u from stdin' <"$work/t"
    [ "$(ask_sql -c 'select count(*) from (table t except table u) d')" = 0 ]
}
check 'psql: COPY of 500,000 rows out and in' copied
pgbench() { command pgbench -h 127.0.0.1 -p "$front_sql" -U postgres "$@" postgres; }
check 'pgbench: prepared' pgbench -i -q
check 'pgbench: 2 s, 8 clients' pgbench -T 2 -c 8 -n
cancelled() { # the request to cancel comes on a connection of its own
    if timeout --signal=INT 1 psql -h 127.0.0.1 -p "$front_sql" -U postgres -c 'select pg_sleep(30)' 2>"$work/cancel"; then return 1; fi
    grep -q 'canceling statement due to user request' "$work/cancel"
}
check 'psql: a query is cancelled' cancelled

# ---------------------------------------------------------------- HTTPS to two names

get() { # NAME CA PATH
    curl -sS --fail --max-time 20 --cacert "$work/$2/ca.pem" --resolve "$1:$front_tls:127.0.0.1" "https://$1:$front_tls/$3"
}
page_is() { [ "$(get "$1" "$2" "$3")" = "$4" ]; }
check 'curl: a.example, its certificate verified' page_is a.example a a 'this is a'
check 'curl: b.example, its certificate verified' page_is b.example b b 'this is b'
check 'curl: a.example is not shown as b.example' bash -c "! curl -sS --cacert '$work/b/ca.pem' --resolve 'a.example:$front_tls:127.0.0.1' https://a.example:$front_tls/a"
large() { get a.example a large | cmp - "$work/www/large"; }
check 'curl: 5 MiB' large
refused() {
    if curl -sS --resolve "who.test:$front_tls:127.0.0.1" "https://who.test:$front_tls/" 2>"$work/refused"; then return 1; fi
    grep -qi 'unrecognized name' "$work/refused"
}
check 'curl: a name that nobody has is told so' refused

# ---------------------------------------------------------------- DNS

resolved() { [ "$(dig +short +time=2 +tries=1 -p "$front_dns" @127.0.0.1 "$@")" = "$expected" ]; }
expected=192.0.2.7 check 'dig: A' resolved site.test
long() { [[ $(dig +short +time=2 +tries=1 -p "$front_dns" @127.0.0.1 txt long.test) == *xxxx* ]]; }
check 'dig: TXT of 200 bytes' long
queries() {
    printf 'site.test A\nlong.test TXT\n' >"$work/queries"
    dnsperf -s 127.0.0.1 -p "$front_dns" -d "$work/queries" -l 2 -c 20 -Q 5000 >"$work/dnsperf" 2>&1
    cat "$work/dnsperf"
    grep -Eq 'Queries lost: +0 ' "$work/dnsperf"
}
check 'dnsperf: 5,000 a second for 2 s, 20 clients, none lost' queries

# ---------------------------------------------------------------- the end

stop_and_sum_up "$proxy"
