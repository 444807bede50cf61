#!/usr/bin/env bash
# Traces to a collector that is none of ours: grpcio, and the messages that OpenTelemetry generates for Python. Their spans have to
# add up and to fit what backends were sent, over gRPC and over HTTP, also while the collector is killed and started again under load.
#
# EVENKEEL names the binary (default: target/release/evenkeel, built when it is not there). What is needed is installed from PyPI; the rest
# happens on loopback, on ports that the kernel chooses, within four minutes.
cd "$(dirname "$0")/.."
bound=240
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

the_binary
the_python
for protocol in grpc http; do
    for what in adds_up outage; do
        check "$protocol: $what" "$python" scripts/otlp/play.py "$evenkeel" "$work" "$protocol" "$what"
        tail -n 1 "$work/out"
    done
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
