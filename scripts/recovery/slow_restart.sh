#!/bin/sh
# Restarts a backend, or takes that back, which is the same here. It takes its time, and has processes of its own beside it: kills.py looks for them when
# the proxy is gone.
#
#   slow_restart.sh PYTHON BACKEND_PY FOLDER ID
echo "$EVENKEEL_ATTEMPT-$EVENKEEL_ROLE" >>"$3/runs"
sleep 30 &
beside=$!
setsid sh -c 'trap "" TERM; sleep 30' &
sleep 0.5
"$1" "$2" restart-by-id "$3" "$4"
sleep 0.5
kill "$beside"
pkill -KILL -s "$!" 2>/dev/null
exit 0
