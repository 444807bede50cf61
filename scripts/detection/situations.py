"""What is played: faults, in which a backend is to lose its work, and nuisances, in which none is.

Each situation is healthy for `HEALTHY` seconds (after the warm-up, which is healthy too), ill for `ILL`, then healthy again for `AFTER`. Times
in a timetable count from the end of the warm-up. Backends are numbers; the bad one is the third, so that neither the first nor the last is special.
"""

import dataclasses

HEALTHY, ILL, AFTER = 4, 8, 6
BAD = 2
ALL = 8
ALWAYS = -1000  # seconds: long before the start


@dataclasses.dataclass(eq=False)
class Situation:
    name: str
    what: str  # for the table
    bad: list = dataclasses.field(default_factory=list)  # empty: a nuisance
    timetable: list = dataclasses.field(default_factory=list)  # of the fleet: [seconds, backend, {behaviour}]
    usual: dict = dataclasses.field(default_factory=dict)  # behaviour of all from before the start
    backends: int = ALL
    rate: float = 1.0  # times --rate
    fixed_rate: float = 0.0  # requests a second, where --rate does not count
    phases: list = dataclasses.field(default_factory=list)  # [from, to, times the rate]; by default one
    bad_requests: float = 0.0  # share of requests whose answer is an error whoever answers
    polls: list = dataclasses.field(default_factory=list)
    patience: float = 5.0  # seconds that a client waits
    timeout: int = 2  # seconds that the proxy waits for an answer
    ill: float = ILL
    after: float = AFTER
    excused: list = dataclasses.field(default_factory=list)  # [backend, from, to]: it is right to give it no work
    proxy_first: bool = False  # the proxy starts before the fleet listens

    @property
    def ends(self):
        return HEALTHY + self.ill

    @property
    def length(self):
        return HEALTHY + self.ill + self.after

    def requests_per_second(self, rate):
        return self.fixed_rate or rate * self.rate

    def load_phases(self, rate, warm_up):
        base = self.requests_per_second(rate)
        phases = [[a, b, base * times] for a, b, times in self.phases or [[0, self.length, 1]]]
        phases[0][0] -= warm_up
        return phases


def fault(name, what, behaviour, bad=(BAD,), ill=ILL, **more):
    """The behaviour holds while it is ill; afterwards each key has its usual value again."""
    well = {key: USUAL[key] for key in behaviour}
    if more.get("usual"):
        well.update({key: value for key, value in more["usual"].items() if key in well})
    timetable = [[HEALTHY, n, behaviour] for n in bad] + [[HEALTHY + ill, n, well] for n in bad]
    return Situation(name, what, list(bad), timetable, ill=ill, **more)


USUAL = {
    "slow": 1.0, "grows": None, "cools": None, "wait": 0.0, "spread": 0.2, "errors": 0.0, "error_path": None, "resets": 0.0,
    "garbage": False, "hang": False, "stall": False, "cpu": None, "ready": True, "closed": False, "stopped": False,
}  # fmt: skip


def flapping():
    turns = [[HEALTHY + second, BAD, {"errors": float(second % 2 == 0)}] for second in range(ILL)]
    return Situation("flapping", "all 500, every other second", [BAD], [*turns, [HEALTHY + ILL, BAD, {"errors": 0.0}]])


# few requests say little in a short time
TRICKLE = {"fixed_rate": 5, "ill": 60, "after": 20}

FAULTS = [
    fault("refused", "its process is gone", {"closed": True}),
    fault("hang", "takes requests, never answers", {"hang": True}),
    fault("stopped", "SIGSTOP: the kernel accepts, nobody reads", {"stopped": True}),
    fault("all-500", "500 to everything", {"errors": 1.0}),
    fault("resets", "resets every request", {"resets": 1.0}),
    fault("resets-20", "resets 20 % of the requests on kept connections", {"resets": 0.2}),
    fault("errors-30", "500 to 30 %", {"errors": 0.3}),
    fault("errors-10", "500 to 10 %", {"errors": 0.1}),
    fault("one-path", "500 on one path of ten", {"error_path": "/p3"}),
    fault("slow-10x", "10 times slower", {"slow": 10.0}),
    fault("slow-5x", "5 times slower", {"slow": 5.0}),
    fault("slow-3x", "3 times slower", {"slow": 3.0}),
    fault("slow-2x", "2 times slower", {"slow": 2.0}, ill=12),
    fault("late", "answers after 800 ms", {"wait": 0.8}),
    fault("gradual", "gets slower, to 4 times in 8 s", {"grows": [4.0, 8.0]}, ill=12),
    flapping(),
    fault("garbage", "answers that are not HTTP", {"garbage": True}),
    fault(
        "exhausted", "reports cpu 0.99 and is 3 times slower", {"cpu": 0.99, "slow": 3.0}, usual={"cpu": 0.30}
    ),
    fault("two-slow", "two of eight 5 times slower", {"slow": 5.0}, bad=(BAD, 5)),
    fault("stalls", "half of each body, then nothing", {"stall": True}),
    fault("one-of-three", "one of three answers after 800 ms, at twice the rate", {"wait": 0.8}, bad=(1,), backends=3, rate=2.0),
    fault("trickle-slow", "5 requests/s in all; 10 times slower", {"slow": 10.0}, **TRICKLE),
    fault("trickle-500", "5 requests/s in all; 500 to everything but checks", {"errors": 0.999}, **TRICKLE),
]  # fmt: skip


def everyone(behaviour, at=HEALTHY):
    return [[at, n, behaviour] for n in range(ALL)]


def for_a_while(behaviour):
    return everyone(behaviour) + everyone({key: USUAL[key] for key in behaviour}, HEALTHY + ILL)


def pauses(backends, times, seconds):
    stops = [[at, n, {"stopped": True}] for at in times for n in backends]
    return stops + [[at + seconds, n, {"stopped": False}] for at in times for n in backends]


def rolling_restart():
    """Three backends in turn: not ready for 5 s, gone for half a second, ready again."""
    timetable, excused = [], []
    for turn, n in enumerate((1, 4, 6)):
        at = HEALTHY + 4 * turn
        timetable += [[at, n, {"ready": False}], [at + 5, n, {"closed": True}], [at + 5.5, n, {"closed": False, "ready": True}]]
        excused.append([n, at, at + 5.5 + 5])
    return Situation("rolling", "rolling restart with readiness", timetable=timetable, excused=excused, ill=14)


def cold_start():
    """All listen within half a second, and are 10 times slower at first."""
    timetable = [[0.06 * n, n, {"closed": False, "cools": [10.0, 0.9 + 0.05 * n]}] for n in range(ALL)]
    return Situation("cold-start", "the fleet starts with the proxy, 10 times slower at first", timetable=timetable,
                     usual={"closed": True}, proxy_first=True)  # fmt: skip


NUISANCES = [
    Situation("all-slow", "all get 8 times slower together", timetable=for_a_while({"slow": 8.0})),
    Situation("all-fail", "all answer 20 % with 500", timetable=for_a_while({"errors": 0.2})),
    Situation("gc-pause", "one pauses for 300 ms every 2 s", timetable=pauses([BAD], (4, 6, 8, 10), 0.3)),
    Situation("all-pause", "all pause for 500 ms, twice", timetable=pauses(range(ALL), (5, 9), 0.5)),
    cold_start(),
    Situation("load-step", "the load goes from a third to all and back", phases=[
        [0, HEALTHY, 1 / 3], [HEALTHY, HEALTHY + ILL, 1], [HEALTHY + ILL, HEALTHY + ILL + AFTER, 1 / 3],
    ], timetable=for_a_while({"slow": 1.5})),
    Situation("old-machine", "one has always been 1.6 times slower", timetable=[[ALWAYS, BAD, {"slow": 1.6}]]),
    Situation("bad-client", "20 % of the requests ask for a 400, 404 or 500", bad_requests=0.2),
    Situation("heavy-tail", "times of all vary widely (p99 = 16 times the median)", usual={"spread": 1.2}),
    rolling_restart(),
    Situation("long-poll", "now and then a request that takes 10 s", polls=[HEALTHY + 1.5 * n for n in range(5)],
              ill=12, after=4, patience=15, timeout=20),
]  # fmt: skip
