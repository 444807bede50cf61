#!/usr/bin/env bash
# Two of everything, for real: network namespaces of its own, two instances with keepalived, a client, backends; machines are killed, hung,
# cut off and handed over under load, and a table tells what clients saw.
#
#   [EVENKEEL=binary] scripts/redundancy.sh [--full] [SCENE...]
#
# It needs root (`ip netns`), iproute2 and keepalived. The short form takes about two minutes, --full about half an hour. Each scene is a
# file in scripts/redundancy/scenes/.
cd "$(dirname "$0")/.."
bound=5400
. scripts/lib.sh

[ "$(id -u)" = 0 ] || give_up "network namespaces need root"
for command in ip keepalived; do
    command -v "$command" >/dev/null || give_up "$command is not there: scripts/install-clients.sh installs it"
done
the_binary
python3 scripts/redundancy/play.py "$evenkeel" "$@"
