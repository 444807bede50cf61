"""Compares what was counted with what was served: tally.py METRICS ACCESS_LOG H2LOAD_OUTPUT CANCELLED

METRICS is the text of /metrics after the last request, ACCESS_LOG has a line for each request."""

import json
import re
import sys
from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

metrics, log, load, cancelled = sys.argv[1:]
with open(metrics) as file:
    samples = [sample for family in text_string_to_metric_families(file.read()) for sample in family.samples]


def total(name, **labels):
    return int(sum(s.value for s in samples if s.name == name and all(s.labels[k] == v for k, v in labels.items())))


counted = Counter()
for sample in samples:
    if sample.name == "evenkeel_requests_total":
        counted[sample.labels["service"], sample.labels["code_class"]] += int(sample.value)
counted = +counted

logged, dropped = Counter(), 0
with open(log) as file:
    for line in file:
        entry = json.loads(line)
        if "dropped_lines" in entry:
            dropped += entry["dropped_lines"]
            continue
        status = entry["status"]
        logged[entry["service"] or "", f"{status // 100}xx" if status else "none"] += 1

with open(load) as file:
    text = file.read()
sent = int(re.search(r"requests: (\d+) total", text)[1])
classes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
seen = Counter({("app", f"{hundreds}xx"): int(classes[hundreds - 1]) for hundreds in (2, 3, 4, 5)})
seen = +seen

print(f"clients: {sent:,} requests sent, {int(cancelled):,} more broken off")
print(f"counted: {dict(counted)}")
print(f"in the access log: {dict(logged)}, {dropped} lines dropped")
print(f"seen by clients: {dict(seen)}")
retries = {outcome: total("evenkeel_retries_total", outcome=outcome) for outcome in ("succeeded", "failed")}
by_backend = total("evenkeel_backend_retries_total")
print(f"retries: {retries}, by the backends that failed: {by_backend}")

app = {key: count for key, count in counted.items() if key[0] == "app"}
silent = sum(count for key, count in counted.items() if key[0] == "silent")
assert app == seen, "what clients have seen is not what was counted"
assert sum(app.values()) == sent, "not every request was counted, or one twice"
assert 0 < silent <= int(cancelled), "what was broken off"
assert dropped > 0 or counted == logged, "the access log has other requests"
assert sum(logged.values()) + dropped == sum(counted.values()), "the access log has more requests, or fewer"
assert retries["succeeded"] > 0 and by_backend >= sum(retries.values()), "retries"
assert total("evenkeel_first_byte_seconds_count", service="app") == total("evenkeel_requests_total", service="app", code_class="2xx")
assert total("evenkeel_request_duration_seconds_count") == sum(counted.values())
assert total("evenkeel_backend_duration_seconds_count", service="app") == app["app", "2xx"]
assert total("evenkeel_upstream_connect_seconds_count") == total("evenkeel_upstream_connects_total")
