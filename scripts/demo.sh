#!/usr/bin/env bash
# The README's first command, started for real and asked with curl: its three backends answer in turn.
# EVENKEEL names the binary (default: the release build, brought up to date first by the command that the README has).
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

if [ -n "${EVENKEEL:-}" ]; then
    run=("$EVENKEEL")
else
    # built first, so that the process started below is the proxy and the wait is for it alone
    cargo build --locked --release
    run=(cargo run --locked --release --)
fi
start demo "${run[@]}" demo
demo=$!
until_it 'the demo' curl -sf http://127.0.0.1:9900/readyz

seen=$(for _ in 1 2 3 4 5 6; do curl -sf http://127.0.0.1:8080/ | sed -n 's/^This is backend \(.\)\.$/\1/p'; done | tr -d '\n')
case "$seen" in
abcabc | bcabca | cabcab) ;;
*) give_up "the backends did not answer in turn: '$seen'" ;;
esac
[ "$(curl -sf http://127.0.0.1:9900/healthz)" = ok ] || give_up "/healthz is not ok"
curl -sf -o "$work/metrics" http://127.0.0.1:9900/metrics || give_up "/metrics does not answer"
grep -q '^evenkeel_requests_total{.*code_class="2xx"} [1-9]' "$work/metrics" || give_up "/metrics counts nothing"
curl -sf -o "$work/status" http://127.0.0.1:9900/api/v1/status || give_up "/api/v1/status does not answer"
grep -q '"demo"' "$work/status" || give_up "/api/v1/status does not know the service"

kill -TERM "$demo"
wait "$demo" || give_up "it did not stop with exit code 0"
say "answered by $seen in turn; stopped with exit code 0"
