"""Figures of one run, from what arrived at the backends and what became of each request.

A backend's fair share is what was sent in the same time, divided by the number of backends.
"""

import bisect
import math

import situations

LOST = 0.25  # of its fair share: a bad backend with less than this has been taken out
BELOW = 0.5  # of its fair share: a healthy backend with less than this is accused
ENOUGH = 12  # requests of a fair share in a window: with fewer, chance alone could empty it
STEP = 0.05  # seconds


def quantile(values, share):
    values = sorted(values)
    return values[min(int(len(values) * share), len(values) - 1)] if values else math.nan


class Run:
    def __init__(self, situation, rate, arrivals, requests, start):
        self.situation, self.requests = situation, requests
        self.fair_rate = situation.requests_per_second(rate) / situation.backends
        self.sent = sorted(row[1] for row in requests)
        self.work = [[] for _ in range(situation.backends)]
        for at, backend in arrivals:
            self.work[backend].append(at - start)

    def window(self, at_least):
        return max(at_least, ENOUGH / self.fair_rate)

    def share(self, backend, begin, end):
        """Of its fair share, which is 1; None where nothing was sent."""
        sent = count(self.sent, begin, end)
        return count(self.work[backend], begin, end) * self.situation.backends / sent if sent else None

    def first(self, backend, begin, end, window, holds):
        """How long after `begin` the share over a window first satisfies `holds`."""
        for step in range(int((end - begin - window) / STEP) + 1):
            at = begin + step * STEP
            share = self.share(backend, at, at + window)
            if share is not None and holds(share):
                return step * STEP
        return None

    def delays(self):
        """Of each bad backend, until it is out; None where it is not."""
        return [self.delay(n) for n in self.situation.bad]

    def delay(self, backend):
        window, begin = self.window(0.5), situations.HEALTHY
        found = self.first(backend, begin, self.situation.ends, window, lambda share: share < LOST)
        # what it still got in that window counts as the time in which it would have got it at its full share
        return None if found is None else found + window * self.share(backend, begin + found, begin + found + window)

    def back(self):
        """Of each bad backend, from the end of the fault until it has work again."""
        begin, end = self.situation.ends, self.situation.length
        return [self.first(n, begin, end, self.window(1.0), lambda share: share >= BELOW) for n in self.situation.bad]

    def accusations(self):
        """Episodes in which a healthy backend has less than half of its share for a second, as `[backend, from, to]`."""
        window, found = self.window(1.0), []
        for n in range(self.situation.backends):
            until = situations.HEALTHY if n in self.situation.bad else self.situation.length
            open_until = -math.inf
            for step in range(int((until - 1 - window) / STEP) + 1):
                at = 1 + step * STEP
                share = self.share(n, at, at + window)
                if share is None or share >= BELOW or self.is_excused(n, at, at + window):
                    continue
                if at > open_until:
                    found.append([n, round(at, 2), 0])
                open_until = at + window
                found[-1][2] = round(open_until, 2)
        return found

    def is_excused(self, backend, begin, end):
        return any(n == backend and a < end and begin < b for n, a, b in self.situation.excused)

    def figures(self):
        ours = [row for row in self.requests if row[4] != "/poll"]
        is_good = lambda row: row[3] == (int(row[4][8:]) if row[4].startswith("/status/") else 200)
        healthy = [row[2] for row in ours if 1 <= row[0] < situations.HEALTHY and is_good(row)]
        outcomes = {}
        for row in self.requests:
            if not is_good(row):
                outcomes[str(row[3])] = outcomes.get(str(row[3]), 0) + 1
        return {
            "delays": self.delays(),
            "work": [self.share(n, situations.HEALTHY, self.situation.ends) for n in self.situation.bad],
            "back": self.back(),
            "accusations": self.accusations(),
            "requests": len(self.requests),
            "failed": sum(outcomes.values()),
            "outcomes": outcomes,
            "healthy_p99": quantile(healthy, 0.99),
            "latencies": [round(row[2], 4) for row in ours if row[2] > 0.015 and is_good(row)],
            "failed_after": [round(row[2], 4) for row in ours if not is_good(row)],
            "late_p99": quantile([row[1] - row[0] for row in self.requests], 0.99),
        }


def count(times, begin, end):
    return bisect.bisect_left(times, end) - bisect.bisect_left(times, begin)
