#!/usr/bin/env bash
# Two of everything, for real: instances of Evenkeel with keepalived, etcd, Redis and a bucket; they are killed, hung, cut off and handed over
# under load, and a table tells what clients saw.
#
#   [EVENKEEL=binary] scripts/redundancy.sh [--short|--full] [SCENE...]
#
# --short is for CI: less than four minutes, a time that is missed is told and does not count, and what needs network namespaces is left out
# where there are none. Without it about a quarter of an hour, with --full some hours. Each scene is a file in scripts/redundancy/scenes/, or a script of its
# own that scripts/redundancy/play.py lists. Sizes may be given by the environment, such as KILLS=5: the scenes name them (`context.size`).
cd "$(dirname "$0")/.."
bound=43200
[ "${1:-}" != --short ] || bound=900
. scripts/lib.sh

the_binary
# for the bucket
the_python
PATH=$PWD/$venv/bin:$PATH "$python" scripts/redundancy/play.py "$evenkeel" "$@"
