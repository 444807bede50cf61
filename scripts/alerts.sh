#!/usr/bin/env bash
# Checks deploy/prometheus-alerts.yml with promtool: that the rules can be used, and that the alerts fire when they should
# (scripts/alerts/tests.yml). Where there is no promtool it is taken out of Debian's package, which is not installed: that would start a
# server.
cd "$(dirname "$0")/.."
bound=300
. scripts/lib.sh

promtool=${PROMTOOL:-$(command -v promtool || true)}
if [ -z "$promtool" ]; then
    chmod 755 "$work"
    (cd "$work" && apt-get download -qq prometheus && dpkg -x prometheus_*.deb .)
    promtool=$work/usr/bin/promtool
fi

"$promtool" check rules deploy/prometheus-alerts.yml
# the tests name the rules by a path beside them
cp deploy/prometheus-alerts.yml scripts/alerts/tests.yml "$work"
"$promtool" test rules "$work/tests.yml"
