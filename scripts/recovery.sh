#!/usr/bin/env bash
# Recovery for real: backends are killed, hang, leak, are all gone or overloaded under load, and the binary repairs them.
#
#   [EVENKEEL=binary] scripts/recovery.sh [SITUATION...]
#
# It takes about two minutes.
cd "$(dirname "$0")/.."
bound=900
. scripts/lib.sh

the_binary
python3 scripts/recovery/situations.py "$evenkeel" "$@"
