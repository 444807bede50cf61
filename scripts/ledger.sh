#!/usr/bin/env bash
# Kills the binary again and again under load, with outages under way, and compares what its ledger holds with what the clients saw.
#
#   [EVENKEEL=binary] scripts/ledger.sh [KILLS [SEED]]
#
# It takes about 1.6 s for each kill.
cd "$(dirname "$0")/.."
bound=900
. scripts/lib.sh

the_binary
python3 scripts/ledger/kills.py "$evenkeel" "${1:-20}" "${2:-1}"
