#!/usr/bin/env bash
# Checks deploy/prometheus-alerts.yml with promtool: that the rules can be used, and that the alerts fire when they should
# (scripts/alerts/tests.yml).
cd "$(dirname "$0")/.."
bound=300
. scripts/lib.sh

the_promtool
"$promtool" check rules deploy/prometheus-alerts.yml
# the tests name the rules by a path beside them
cp deploy/prometheus-alerts.yml scripts/alerts/tests.yml "$work"
"$promtool" test rules "$work/tests.yml"
