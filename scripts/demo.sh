#!/usr/bin/env bash
# The README's first command, started for real and asked with curl: its three backends answer in turn.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
demo=
finish() {
    [ -z "$demo" ] || kill "$demo" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
fail() {
    echo "demo: $*" >&2
    cat "$work/log" >&2
    exit 1
}

# built first, so that the process started below is the proxy and the wait is for it alone
cargo build --locked --release
cargo run --locked --release -- demo >"$work/log" 2>&1 &
demo=$!
for _ in $(seq 100); do
    curl -sf -o /dev/null http://127.0.0.1:9900/readyz && break
    kill -0 "$demo" 2>/dev/null || fail "it ended"
    sleep 0.1
done

seen=$(for _ in 1 2 3 4 5 6; do curl -sf http://127.0.0.1:8080/ | sed -n 's/^This is backend \(.\)\.$/\1/p'; done | tr -d '\n')
case "$seen" in
abcabc | bcabca | cabcab) ;;
*) fail "the backends did not answer in turn: '$seen'" ;;
esac
[ "$(curl -sf http://127.0.0.1:9900/healthz)" = ok ] || fail "/healthz is not ok"
# into files: `curl | grep -q` fails by pipefail when grep has seen enough before curl has written all
curl -sf -o "$work/metrics" http://127.0.0.1:9900/metrics || fail "/metrics does not answer"
grep -q '^evenkeel_requests_total{.*code_class="2xx"} [1-9]' "$work/metrics" || fail "/metrics counts nothing"
curl -sf -o "$work/status" http://127.0.0.1:9900/api/v1/status || fail "/api/v1/status does not answer"
grep -q '"demo"' "$work/status" || fail "/api/v1/status does not know the service"

kill -TERM "$demo"
wait "$demo" || fail "it did not stop with exit code 0"
demo=
echo "demo: answered by $seen in turn; stopped with exit code 0"
