"""Instances of Evenkeel, an etcd, and all that can go wrong between them.

In each schedule the leader is stopped beyond its lease (SIGSTOP), killed, cut off from etcd, or told to end, or etcd itself is killed and started
again; at random with another trouble at the same time. What has to hold: tokens never go down (a lower one behind a higher one was written by somebody
who had been superseded), another instance leads within the lease and a second, and clients are served all the time. In about every second schedule
the leader's clock of the wall jumps before that by an hour to years (libfaketime, where it is installed): it goes on leading. SEED repeats a run.
"""

import collections
import random
import signal
import statistics
import tempfile
import time

from cluster import FAKETIME, TTL, Cluster, Instance, leader_among, superseded
from harness import Processes, Row, timing, told

NEEDS = ("etcd",)
JUMPS = ["+3600s", "-3600s", "+90d", "-20y"]
ACTS = ["stopped", "killed", "cut off", "told to end", "etcd killed"]


def trouble(act, leader, etcd):
    """Makes it, and gives back what ends it."""
    def start_again():
        leader.process.wait()
        leader.start()

    if act == "stopped":
        leader.signal(signal.SIGSTOP)
        return lambda: leader.signal(signal.SIGCONT)
    if act == "killed":
        leader.signal(signal.SIGKILL)
        return start_again
    if act == "cut off":
        leader.relay.cut = True
        return lambda: setattr(leader.relay, "cut", False)
    if act == "told to end":
        leader.signal(signal.SIGTERM)
        return start_again
    etcd.kill()
    return etcd.start


class Schedules:
    """What came of those that were played."""

    def __init__(self, cluster, chance):
        self.cluster, self.chance = cluster, chance
        self.took, self.refused, self.leaderless = collections.defaultdict(list), 0, 0
        self.jumps, self.upset = 0, []

    def play(self, act):
        instances, etcd, chance = self.cluster.instances, self.cluster.etcd, self.chance
        # etcd that was just started lets each lease last longer (by its own time-out of elections), until it is renewed
        leader, seconds = leader_among(instances, TTL + 5, Instance.has_renewed)
        if not leader:
            self.leaderless += 1
            return
        time.sleep(chance.uniform(0.2, 1.5))
        if FAKETIME and chance.random() < 0.5:
            self.jump(leader)
        ends = [trouble(act, leader, etcd)]
        others = [instance for instance in instances if instance is not leader]
        if act != "etcd killed" and chance.random() < 0.3:
            other = chance.choice(others)
            others.remove(other)
            ends.append(trouble(chance.choice(["stopped", "cut off"]), other, etcd))
        if act == "etcd killed":
            time.sleep(chance.uniform(0.5, 2 * TTL))
            self.refused += sum(not instance.serves() for instance in instances)
            ends.pop()()
            # etcd needs its time to start, and then lets each lease last for its whole time once more
            _, seconds = leader_among(instances, TTL + 1 + 3)
        else:
            _, seconds = leader_among(others, TTL + 3)
            self.refused += sum(not instance.serves() for instance in others)
            time.sleep(chance.uniform(0, 1.5))
        self.took[act].append(seconds)
        for end in ends:
            end()
        time.sleep(0.3)


    def jump(self, leader):
        """The clock of the wall jumps, of which nothing is to come."""
        before = leader.standing()
        leader.set_clock(self.chance.choice(JUMPS))
        time.sleep(self.chance.uniform(0.2, 1.5))
        after = leader.standing()
        self.jumps += 1
        if (before["leader"], before.get("token")) != (after["leader"], after.get("token")):
            self.upset.append(f"{before} became {after}")


def play(context):
    count = context.size("SCHEDULES", 3, 20, 1000)
    seed = context.size("SEED", *[random.randrange(1 << 32)] * 3)
    with tempfile.TemporaryDirectory(prefix="evenkeel-leadership-") as folder, Processes(folder) as processes:
        cluster = Cluster(processes, context.evenkeel)
        schedules = Schedules(cluster, random.Random(seed))
        acts = ACTS * (count // len(ACTS) + 1)
        for act in (acts if count >= len(ACTS) else random.Random(seed).sample(ACTS, len(ACTS)))[:count]:
            schedules.play(act)
        processes.close()
        tokens = cluster.tokens()
    wrong = superseded(tokens)
    yield Row(
        f"leadership, {count} schedules (SEED={seed}): acts of one who had been superseded, or with another's token",
        "0",
        f"{len(wrong)} of {len(tokens)} acts under {len({token for token, _, _ in tokens})} tokens {'; '.join(wrong[:3])}",
        not wrong and len(tokens) > 0,
    )
    yield Row("requests that were not answered meanwhile", "0", str(schedules.refused), schedules.refused == 0)
    yield Row(f"a leader's clock of the wall jumps, {schedules.jumps} times: it leads no more", "0", f"{len(schedules.upset)} {'; '.join(schedules.upset[:1])}", not schedules.upset)
    yield timing("schedules that began without a leader", "0", str(schedules.leaderless), schedules.leaderless == 0)
    for act, seconds in schedules.took.items():
        row = f"the leader {act}, {len(seconds)} times" if act != "etcd killed" else f"etcd killed and started again, {len(seconds)} times"
        seen = f"median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s"
        if act == "etcd killed":
            yield told(f"{row}: somebody leads after", seen)
        else:
            yield timing(f"{row}: another one leads after", f"<= {TTL + 1:g} s", seen, max(seconds) <= TTL + 1)
