#!/usr/bin/env bash
# Evenkeel's reading of HTTP/1 requests against that of two strict parsers of others, llhttp and h11: what either refuses, it refuses.
#
# EVENKEEL names the binary (default: target/release/evenkeel, built when it is not there). DIFFERENTIAL_SECONDS is how long requests
# are made up (default 20), DIFFERENTIAL_SEED which ones. The two parsers come from PyPI; the rest happens on loopback.
cd "$(dirname "$0")/.."
bound=$((${DIFFERENTIAL_SECONDS:-20} + 160))
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

scripts/install-clients.sh
the_binary
here=scripts/differential

the_python

start backend "$python" "$here/compare.py" backend
until_it 'the backend' grep -s '^[0-9]' "$work/backend.log"
cat >"$work/proxy.toml" <<TOML
[server]
workers = 1
[admin]
bind = "127.0.0.1:0"
[log]
format = "json"
[[listener]]
name = "clear"
bind = "127.0.0.1:0"
service = "echo"
[service.echo]
[[service.echo.backend]]
address = "127.0.0.1:$(<"$work/backend.log")"
TOML
start proxy "$evenkeel" run -c "$work/proxy.toml"
proxy=$!
until_it Evenkeel grep -s '"message":"ready"' "$work/proxy.log"
address=$(sed -n '/"message":"listening"/s/.*"listener":"clear".*"address":"\([0-9.:]*\)".*/\1/p' "$work/proxy.log")

check 'llhttp and h11: what either refuses is refused' \
    "$python" "$here/compare.py" "$address" "${DIFFERENTIAL_SECONDS:-20}" "${DIFFERENTIAL_SEED:-1}"
if [ "$failed" = 0 ]; then cat "$work/out"; fi

stop_and_sum_up "$proxy"
