"""An address moves: the active instance is killed, hangs, or loses its cable, and a partition heals."""

import signal
import time

from harness import Row, percentile, timing, wait_until
from pair import VIP, Load, Owners, Pair

NEEDS = ("namespaces", "keepalived")
# for what has to happen at all, also on a machine that does much else: then the standby's script may be late too, and nobody has the address for a while
PATIENCE = 20


def play(context):
    pair = Pair(context.evenkeel)
    try:
        rate = context.size("RATE", 300, 1000, 1000)
        yield from killed(pair, rate, context.size("KILLS", 2, 3, 30))
        times = context.size("FAULTS", 1, 2, 10)
        yield from moved(pair, rate, "the process hangs (SIGSTOP)", times, hang, go_on)
        yield from moved(pair, rate, "the cable is pulled (link down)", times, pull, plug_in)
        yield from healed(pair, times)
        yield from sees_less(pair)
    finally:
        pair.close()


def killed(pair, rate, times):
    firsts, lost, refused, in_flight = [], [], 0, 0
    for _ in range(times):
        active, standby = pair.settle()
        load = Load(pair, rate)
        time.sleep(0.5)
        at = time.monotonic()
        active.end(signal.SIGKILL)
        over = time.monotonic()
        wait_until("the address at the other one", standby.has_address, PATIENCE)
        active.start()
        time.sleep(1)
        seen = load.stop()
        # a request that was begun before the process was gone may have been answered by it
        firsts.append(first_answer(seen, over) + over - at)
        gone = [one for one in seen if one.is_lost()]
        lost.append(len(gone))
        in_flight += sum(one.begin <= over for one in gone)
        refused += sum(one.refused > 0 for one in seen)
    p99 = percentile(firsts, 0.99)
    yield timing(f"killed (SIGKILL), {times} times, {rate} requests/s: first answer, p99", "<= 500 ms", f"{ms(p99)}; median {ms(percentile(firsts, 0.5))}", p99 <= 0.5)
    yield Row(
        "requests lost by the kills, of those that were in flight at the end of the process",
        "all",
        f"{in_flight} of {sum(lost)} ({max(lost)} at most at one kill); {refused} were refused before they were sent, and connected again",
        sum(lost) == in_flight,
    )


def moved(pair, rate, what, times, do, undo):
    firsts, lost = [], []
    for _ in range(times):
        active, _ = pair.settle()
        load = Load(pair, rate)
        time.sleep(0.5)
        at = time.monotonic()
        do(pair, active)
        other = pair.b if active is pair.a else pair.a
        wait_until("the address at the other one", other.has_address, PATIENCE)
        time.sleep(0.5)
        undo(pair, active)
        seen = load.stop()
        firsts.append(first_answer(seen, at, quiet=0.05))
        lost.append(sum(one.is_lost() for one in seen))
    worst = max(firsts)
    yield timing(f"{what}, {times} times: first answer, worst", "<= 1000 ms", f"{ms(worst)}; median {ms(percentile(firsts, 0.5))}; {sum(lost) / times:.0f} requests lost each time", worst <= 1.0)


def hang(pair, active):
    active.evenkeel.send_signal(signal.SIGSTOP)


def go_on(pair, active):
    active.evenkeel.send_signal(signal.SIGCONT)


def pull(pair, active):
    pair.lab.cut(pair.ports[active.name])


def plug_in(pair, active):
    pair.lab.heal(pair.ports[active.name])


def healed(pair, times):
    owners, longest = Owners(pair), 0.0
    for _ in range(times):
        active, standby = pair.settle()
        pair.lab.cut(pair.cable)
        wait_until("two owners", standby.has_address, PATIENCE)
        time.sleep(0.5)
        at = time.monotonic()
        pair.lab.heal(pair.cable)
        wait_until("one owner", lambda: active.has_address() != standby.has_address(), PATIENCE, 0.005)
        gave_way = [change for change in owners.changes if change[0] > at and change[2] == "lost"]
        longest = max(longest, gave_way[0][0] - at)
    yield timing(f"a partition heals, {times} times: two owners for, worst", "<= 100 ms (one advert)", ms(longest), longest <= 0.1)


def sees_less(pair):
    """The owner loses sight of a backend that the other one sees: the address goes to the other one."""
    active, standby = pair.settle()
    active.machine.run("ip", "route", "add", "blackhole", "10.77.0.21/32")
    at = time.monotonic()
    wait_until("the address at the one that reaches more", standby.has_address, 30)
    took = time.monotonic() - at
    active.machine.run("ip", "route", "del", "blackhole", "10.77.0.21/32")
    yield timing(f"the owner of {VIP} reaches less of the fleet than the standby: the address is there after", "<= 15 s", f"{took:.1f} s", took <= 15)
    pair.settle()
    wait_until("equal weights", lambda: active.tracked() == 100 and standby.tracked() == 100, 30)
    time.sleep(8)
    yield Row("it reaches as much again: the address", "stays", "stays" if standby.has_address() else "went back", standby.has_address())


def first_answer(seen, at, quiet=0.0):
    """How long after `at` the first request was answered that was begun after it; answers within `quiet` are those of the old owner."""
    return min(one.end for one in seen if one.begin > at + quiet and not one.is_lost()) - at


def ms(seconds):
    return f"{seconds * 1000:.0f} ms"
