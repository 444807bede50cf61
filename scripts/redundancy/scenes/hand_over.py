"""Planned hand-overs, back and forth, under load: nothing is lost. HTTP/1 first, then HTTP/2; and what datagrams see is told."""

import time

from harness import Broken, Row, percentile, timing, told
from pair import Datagrams, Load, Pair

NEEDS = ("namespaces", "keepalived")


def play(context):
    pair = Pair(context.evenkeel)
    # where the client has no processor for its rate, what it measures is itself
    rate = context.size("RATE", 300, 1000, 1000)
    try:
        yield from under(pair, rate, {"keep_alive": 0.5}, context.size("REQUESTS", 6_000, 20_000, 1_000_000), "half of them over kept connections")
        yield from under(pair, rate, {"over": "h2"}, context.size("REQUESTS_H2", 4_000, 20_000, 1_000_000), "HTTP/2 over 8 connections")
        yield from datagrams(pair, context.size("FAULTS", 1, 2, 10))
    finally:
        pair.close()


def hand_over(pair):
    """Hands over once; gives back how long it took, and the instance that has done it and is gone."""
    active, _ = pair.settle()
    at = time.monotonic()
    said = active.ask("drain", "--hand-over", "--reason", "a new kernel")
    if said.returncode != 0:
        raise Broken(f"{said.stdout}{said.stderr}\n{pair.lab.log(active.name + '.log')[-3000:]}")
    if active.evenkeel.wait(30) != 0:
        raise Broken("the instance that handed over did not end well")
    return time.monotonic() - at, active


def under(pair, rate, kind, wanted, how):
    load, began, took = Load(pair, rate, **kind), time.monotonic(), []
    while (time.monotonic() - began) * rate < wanted:
        seconds, gone = hand_over(pair)
        took.append(seconds)
        time.sleep(1)
        gone.start()
    seen = load.stop()
    lost = [one for one in seen if one.is_lost()]
    kinds = {kind: sum(one.outcome == kind for one in lost) for kind in {one.outcome for one in lost}}
    latencies = [one.end - one.begin for one in seen if not one.is_lost()]
    late = sum(latency > 0.5 for latency in latencies)
    yield Row(
        f"{len(took)} planned hand-overs under {rate} requests/s, {how}: requests lost",
        "0",
        f"{len(lost)} of {len(seen)} {kinds or ''}; {sum(one.again > 0 for one in seen)} were refused unprocessed, and sent again",
        not lost and len(seen) >= wanted * 0.98,
    )
    yield timing(
        "a hand-over takes, at the median; requests that waited longer than 0.5 s for each; p99 and worst of all",
        "worst <= 3.5 s",
        f"{percentile(took, 0.5):.1f} s; {late / len(took):.0f}; {percentile(latencies, 0.99) * 1000:.0f} ms, {max(latencies) * 1000:.0f} ms",
        max(latencies) <= 3.5,
    )


def datagrams(pair, times):
    """A datagram has no connection that could be closed first: those that are sent between two owners are lost."""
    lost, sent, longest = 0, 0, 0.0
    for _ in range(times):
        pair.settle()
        load = Datagrams(pair)
        time.sleep(1)
        _, gone = hand_over(pair)
        time.sleep(1)
        seen = load.stop()
        lost += seen["sent"] - seen["answered"]
        sent += seen["sent"]
        longest = max(longest, seen["longest_gap"])
        gone.start()
    yield told(
        f"{times} planned hand-overs under {Datagrams.FLOWS} flows of UDP, {Datagrams.RATE} datagrams/s each: datagrams without an answer",
        f"{lost} of {sent}; a flow had none for {longest * 1000:.0f} ms at most",
    )
