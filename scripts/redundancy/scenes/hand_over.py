"""A planned hand-over, back and forth, under load: nothing is lost."""

import time

from lab import Broken
from pair import Load, Pair, percentile
from play import Row

RATE = 1000


def play(context):
    wanted = 1_000_000 if context.is_full else 20_000
    pair = Pair(context.evenkeel)
    try:
        load, began, times, took = Load(pair, RATE, keep_alive=0.5), time.monotonic(), 0, []
        while (time.monotonic() - began) * RATE < wanted:
            active, _ = pair.settle()
            at = time.monotonic()
            said = active.ask("drain", "--hand-over", "--reason", "a new kernel")
            if said.returncode != 0:
                raise Broken(f"{said.stdout}{said.stderr}\n{pair.lab.log(active.name + '.log')[-3000:]}")
            if active.evenkeel.wait(30) != 0:
                raise Broken("the instance that handed over did not end well")
            took.append(time.monotonic() - at)
            times += 1
            time.sleep(1)
            active.start()
        seen = load.stop()
    finally:
        pair.close()
    lost = [one for one in seen if one.is_lost()]
    kinds = {kind: sum(one.outcome == kind for one in lost) for kind in {one.outcome for one in lost}}
    latencies = [one.end - one.begin for one in seen if not one.is_lost()]
    late = sum(latency > 0.5 for latency in latencies)
    yield Row(
        f"{times} planned hand-overs under {RATE} requests/s, half of them over kept connections: requests lost",
        f"{len(lost)} of {len(seen)} {kinds or ''}",
        "0",
        not lost and len(seen) >= wanted,
    )
    yield Row(
        "a hand-over takes, at the median; requests that waited longer than 0.5 s for each; p99 and worst of all",
        f"{percentile(took, 0.5):.1f} s; {late / times:.0f}; {percentile(latencies, 0.99) * 1000:.0f} ms, {max(latencies) * 1000:.0f} ms",
        "worst <= 3.5 s",
        max(latencies) <= 3.5,
    )
