#!/usr/bin/env bash
# The situations of tests/resilience at full length and load, with the release binary, as a table (Markdown).
#   scripts/resilience.sh [FILTER...]         all situations, or those whose names contain a word
#   EVENKEEL=path scripts/resilience.sh       with another binary
#   PEER=haproxy scripts/resilience.sh        the same against HAProxy (Debian's, or HAPROXY=path), configured to do the same
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${PEER:-evenkeel}" = evenkeel ] && [ -z "${EVENKEEL:-}" ]; then
    cargo build --locked --release >&2
    EVENKEEL=${CARGO_TARGET_DIR:-target}/release/evenkeel
    export EVENKEEL
fi
exec cargo test --locked --quiet --test resilience -- --table "$@"
