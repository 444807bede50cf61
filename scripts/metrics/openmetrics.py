"""Reads OpenMetrics text from standard input with the parser of prometheus_client, and what the text format of Prometheus says from a file:
openmetrics.py FILE. Both must have the same series, but for what changes from one scrape to the next."""

import sys

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

# what moves while nothing is asked for but the metrics themselves
MOVES = ("process_", "evenkeel_discovery_age_seconds")


def series(families):
    found = {}
    for family in families:
        for sample in family.samples:
            labels = dict(sample.labels)
            if "le" in labels:
                labels["le"] = float(labels["le"])
            key = (sample.name, tuple(sorted(labels.items(), key=lambda item: item[0])))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return {key: value for key, value in found.items() if not key[0].startswith(MOVES)}


families = list(openmetrics.text_string_to_metric_families(sys.stdin.read()))
for family in families:
    assert family.documentation, f"{family.name} has no help"
    assert not family.unit or family.name.endswith("_" + family.unit), family.name
with open(sys.argv[1]) as file:
    text = series(text_string_to_metric_families(file.read()))
opened = series(families)
different = {key for key in text.keys() | opened.keys() if repr(text.get(key)) != repr(opened.get(key))}
assert not different, sorted(different)[:5]
units = sorted({family.unit for family in families if family.unit})
print(f"{len(families)} families, {len(opened)} series, the same in both formats; units: {', '.join(units)}")
