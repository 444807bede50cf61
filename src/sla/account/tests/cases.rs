//! Cases that were worked out by hand.

use super::driver::Event::{Burst, Clock, Nobody, Requests, Restart, Stall, Upgrade, Usable};
use super::driver::{Driver, Event, HOUR, MINUTE, SECOND};
use crate::clock::{Stamp, parse_rfc3339};

/// Noon of a Friday.
const NOON: &str = "2026-11-27T12:00:00Z";
const GOOD: Event = Requests([100, 0, 0]);
const NONE: Event = Requests([0, 0, 0]);
const FAILING: Event = Requests([0, 100, 0]);

/// An incident. Its begin and its end are times of the wall's clock, counted from the begin of the history.
#[derive(Debug, PartialEq)]
struct Expected {
    began: i64,
    ended: i64,
    lasted: i64,
    down: i64,
    is_within_rto: bool,
    lost: i64,
}

/// What happens, from when and for how long, and what is to come of it. All times are in milliseconds.
struct Case {
    what: &'static str,
    begin: &'static str,
    maintenance: &'static [&'static str],
    history: &'static [(i64, Event)],
    length: i64,
    /// How long it was up, down, planned and unknown.
    time: [i64; 4],
    incidents: &'static [Expected],
}

const fn incident(began: i64, ended: i64, lasted: i64, down: i64, is_within_rto: bool, lost: i64) -> Expected {
    Expected { began, ended, lasted, down, is_within_rto, lost }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case {
        what: "no requests: up all the time",
        begin: NOON, maintenance: &[], length: HOUR,
        history: &[],
        time: [HOUR, 0, 0, 0],
        incidents: &[],
    },
    Case {
        what: "no requests, and no backend for 30 s",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(10_000, Usable(false)), (40_000, Usable(true))],
        time: [30_000, 30_000, 0, 0],
        incidents: &[incident(10_000, 40_000, 30_000, 30_000, true, 0)],
    },
    Case {
        what: "no backend for 50 ms",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(10_020, Usable(false)), (10_070, Usable(true))],
        time: [59_950, 50, 0, 0],
        incidents: &[incident(10_020, 10_070, 50, 50, true, 0)],
    },
    Case {
        what: "no backend, and requests fail: two causes, one incident",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(0, GOOD), (10_000, FAILING), (10_000, Usable(false)), (15_000, Usable(true)), (15_000, GOOD)],
        time: [55_000, 5000, 0, 0],
        incidents: &[incident(10_000, 15_000, 5000, 5000, true, 500)],
    },
    Case {
        what: "all backends are away for 7 s, which checks notice after 1.5 s",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(0, GOOD), (10_000, FAILING), (11_500, Usable(false)), (17_000, Usable(true)), (17_000, GOOD)],
        time: [53_000, 7000, 0, 0],
        incidents: &[incident(10_000, 17_000, 7000, 7000, true, 700)],
    },
    Case {
        what: "the same, noticed after 0.5 s by checks and too soon for requests to say so",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(0, GOOD), (10_000, FAILING), (10_500, Usable(false)), (17_000, Usable(true)), (17_000, GOOD)],
        time: [53_000, 7000, 0, 0],
        incidents: &[incident(10_000, 17_000, 7000, 7000, true, 700)],
    },
    Case {
        what: "a lone request failed 4 minutes before the backends go away: no sign of that",
        begin: NOON, maintenance: &[], length: 10 * MINUTE,
        history: &[(MINUTE, Burst([0, 1, 0, 0])), (5 * MINUTE, Usable(false)), (6 * MINUTE, Usable(true))],
        time: [9 * MINUTE, MINUTE, 0, 0],
        incidents: &[incident(5 * MINUTE, 6 * MINUTE, MINUTE, MINUTE, true, 0)],
    },
    Case {
        what: "requests that ended well before the backends went away don't show that it is up without them",
        begin: NOON, maintenance: &[], length: 10 * MINUTE,
        history: &[
            (0, Requests([1, 0, 0])), (5 * MINUTE, NONE), (5 * MINUTE, Usable(false)), (6 * MINUTE, Usable(true)),
        ],
        time: [9 * MINUTE, MINUTE, 0, 0],
        incidents: &[incident(5 * MINUTE, 6 * MINUTE, MINUTE, MINUTE, true, 0)],
    },
    Case {
        what: "an outage from before maintenance across midnight to after it",
        begin: "2026-11-27T23:00:00Z", maintenance: &["Fri 23:30-00:30"], length: 2 * HOUR,
        history: &[(20 * MINUTE, Usable(false)), (100 * MINUTE, Usable(true))],
        time: [40 * MINUTE, 20 * MINUTE, HOUR, 0],
        incidents: &[incident(20 * MINUTE, 100 * MINUTE, 20 * MINUTE, 20 * MINUTE, false, 0)],
    },
    Case {
        what: "an outage that begins within maintenance counts from the end of it",
        begin: "2026-11-27T11:55:00Z", maintenance: &["Fri 12:00-12:10"], length: 20 * MINUTE,
        history: &[(7 * MINUTE, Usable(false)), (17 * MINUTE, Usable(true))],
        time: [8 * MINUTE, 2 * MINUTE, 10 * MINUTE, 0],
        incidents: &[incident(15 * MINUTE, 17 * MINUTE, 2 * MINUTE, 2 * MINUTE, false, 0)],
    },
    Case {
        what: "an outage within maintenance is none, and its requests count neither way",
        begin: "2026-11-27T11:55:00Z", maintenance: &["Fri 12:00-12:10"], length: 20 * MINUTE,
        history: &[
            (0, GOOD), (7 * MINUTE, FAILING), (7 * MINUTE, Usable(false)), (9 * MINUTE, Usable(true)), (9 * MINUTE, GOOD),
        ],
        time: [10 * MINUTE, 0, 10 * MINUTE, 0],
        incidents: &[],
    },
    Case {
        what: "nobody looks for 20 s around the begin of maintenance, and for 10 s around its end",
        begin: "2026-11-27T11:55:00Z", maintenance: &["Fri 12:00-12:10"], length: 20 * MINUTE,
        history: &[(290_000, Stall(20_000)), (895_000, Stall(10_000))],
        // a process that looks at nothing for so long was stopped
        time: [10 * MINUTE - 15_000, 0, 10 * MINUTE, 15_000],
        incidents: &[],
    },
    Case {
        what: "maintenance in the night in which clocks go back: 02:00 to 04:00 are three hours",
        begin: "2026-10-24T23:00:00Z", maintenance: &["Sun 02:00-04:00 Europe/Berlin"], length: 5 * HOUR,
        history: &[],
        time: [2 * HOUR, 0, 3 * HOUR, 0],
        incidents: &[],
    },
    Case {
        what: "maintenance in the night in which clocks go forward: 01:00 to 04:00 are two hours",
        begin: "2026-03-29T00:00:00Z", maintenance: &["Sun 01:00-04:00 Europe/Berlin"], length: 4 * HOUR,
        history: &[],
        time: [2 * HOUR, 0, 2 * HOUR, 0],
        incidents: &[],
    },
    Case {
        what: "the clock is set back an hour amid 10 minutes of outage",
        begin: NOON, maintenance: &[], length: 20 * MINUTE,
        history: &[(5 * MINUTE, Usable(false)), (10 * MINUTE, Clock(-HOUR)), (15 * MINUTE, Usable(true))],
        time: [10 * MINUTE, 10 * MINUTE, 0, 0],
        incidents: &[incident(5 * MINUTE, 15 * MINUTE - HOUR, 10 * MINUTE, 10 * MINUTE, false, 0)],
    },
    Case {
        what: "the clock is set forward a day amid 30 s of outage",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(10_000, Usable(false)), (20_000, Clock(24 * HOUR)), (40_000, Usable(true))],
        time: [30_000, 30_000, 0, 0],
        incidents: &[incident(10_000, 40_000 + 24 * HOUR, 30_000, 30_000, true, 0)],
    },
    Case {
        what: "down for a day",
        begin: NOON, maintenance: &[], length: 26 * HOUR,
        history: &[(HOUR, Usable(false)), (25 * HOUR, Usable(true))],
        time: [2 * HOUR, 24 * HOUR, 0, 0],
        incidents: &[incident(HOUR, 25 * HOUR, 24 * HOUR, 24 * HOUR, false, 0)],
    },
    Case {
        what: "one of three backends is away and retries save all requests but one in a hundred",
        begin: NOON, maintenance: &[], length: 5 * MINUTE,
        history: &[(0, Requests([99, 1, 0]))],
        time: [5 * MINUTE, 0, 0, 0],
        incidents: &[],
    },
    Case {
        what: "one of three backends is away for 30 s, without retries: a third fails",
        begin: NOON, maintenance: &[], length: 2 * MINUTE,
        history: &[(0, Requests([99, 0, 0])), (10_000, Requests([66, 33, 0])), (40_000, Requests([99, 0, 0]))],
        time: [90_000, 30_000, 0, 0],
        incidents: &[incident(10_000, 40_000, 30_000, 30_000, true, 990)],
    },
    Case {
        what: "a tenth of 10 requests a second fails for 10 minutes, which takes a while to be sure of",
        begin: NOON, maintenance: &[], length: 20 * MINUTE,
        history: &[(0, Requests([10, 0, 0])), (5 * MINUTE, Requests([9, 1, 0])), (15 * MINUTE, Requests([10, 0, 0]))],
        // the first failure is the one that ends the first second, seen by the look that ends then
        time: [10 * MINUTE + 900, 10 * MINUTE - 900, 0, 0],
        incidents: &[incident(5 * MINUTE + 900, 15 * MINUTE, 10 * MINUTE - 900, 10 * MINUTE - 900, false, 600)],
    },
    Case {
        what: "flapping at the edge of a check: down 1 s and up 2 s, ten times",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[
            (10_000, Usable(false)), (11_000, Usable(true)), (13_000, Usable(false)), (14_000, Usable(true)),
            (16_000, Usable(false)), (17_000, Usable(true)), (19_000, Usable(false)), (20_000, Usable(true)),
            (22_000, Usable(false)), (23_000, Usable(true)), (25_000, Usable(false)), (26_000, Usable(true)),
            (28_000, Usable(false)), (29_000, Usable(true)), (31_000, Usable(false)), (32_000, Usable(true)),
            (34_000, Usable(false)), (35_000, Usable(true)), (37_000, Usable(false)), (38_000, Usable(true)),
        ],
        time: [50_000, 10_000, 0, 0],
        incidents: &[incident(10_000, 38_000, 28_000, 10_000, true, 0)],
    },
    Case {
        what: "two outages 9 s apart are one incident",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(10_000, Usable(false)), (12_000, Usable(true)), (21_000, Usable(false)), (23_000, Usable(true))],
        time: [56_000, 4000, 0, 0],
        incidents: &[incident(10_000, 23_000, 13_000, 4000, true, 0)],
    },
    Case {
        what: "two outages 11 s apart are two",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(10_000, Usable(false)), (12_000, Usable(true)), (23_000, Usable(false)), (25_000, Usable(true))],
        time: [56_000, 4000, 0, 0],
        incidents: &[incident(10_000, 12_000, 2000, 2000, true, 0), incident(23_000, 25_000, 2000, 2000, true, 0)],
    },
    Case {
        what: "a tenth of the answers is slower than promised for a minute",
        begin: NOON, maintenance: &[], length: 5 * MINUTE,
        history: &[(0, GOOD), (MINUTE, Requests([90, 0, 10])), (2 * MINUTE, GOOD)],
        time: [4 * MINUTE, MINUTE, 0, 0],
        incidents: &[incident(MINUTE, 2 * MINUTE, MINUTE, MINUTE, true, 600)],
    },
    Case {
        what: "checks fail while requests succeed, and it is found later that too many of these were slow: each is lost once",
        begin: NOON, maintenance: &[], length: 3 * MINUTE,
        history: &[(10_000, Requests([98, 0, 2])), (10_000, Usable(false)), (100_000, Usable(true)), (100_000, GOOD)],
        // the first slow one ends the fifth tenth of a second
        time: [90_400, 89_600, 0, 0],
        incidents: &[
            incident(10_000, 10_000, 0, 0, true, 20), incident(10_400, 100_000, 89_600, 89_600, false, 160),
        ],
    },
    Case {
        what: "half a percent of the answers is slow: the 99th percentile keeps the promise",
        begin: NOON, maintenance: &[], length: 10 * MINUTE,
        history: &[(0, Requests([995, 0, 5]))],
        time: [10 * MINUTE, 0, 0, 0],
        incidents: &[],
    },
    Case {
        what: "one of three requests failed",
        begin: NOON, maintenance: &[], length: 10 * MINUTE,
        history: &[(10_000, Burst([1, 0, 0, 0])), (20_000, Burst([1, 0, 0, 0])), (30_000, Burst([0, 1, 0, 0]))],
        time: [10 * MINUTE, 0, 0, 0],
        incidents: &[],
    },
    Case {
        what: "all five requests of four minutes failed, and no more came: down until silence says nothing any more",
        begin: NOON, maintenance: &[], length: 10 * MINUTE,
        history: &[
            (60_000, Burst([0, 1, 0, 0])), (120_000, Burst([0, 1, 0, 0])), (180_000, Burst([0, 1, 0, 0])),
            (235_000, Burst([0, 1, 0, 0])), (290_000, Burst([0, 1, 0, 0])),
        ],
        time: [310_000, 290_000, 0, 0],
        incidents: &[incident(60_000, 350_000, 290_000, 290_000, false, 5)],
    },
    Case {
        what: "requests fail for half a second, and no more come for a minute",
        begin: NOON, maintenance: &[], length: 10 * MINUTE,
        history: &[(10_000, FAILING), (10_500, NONE)],
        // the last look with a request covers the time from 10.4 s on
        time: [539_600, 60_400, 0, 0],
        incidents: &[incident(10_000, 70_400, 60_400, 60_400, false, 50)],
    },
    Case {
        what: "requests fail for half a second after a minute of many, and no more come: ten seconds of silence are enough",
        begin: NOON, maintenance: &[], length: 10 * MINUTE,
        history: &[(0, GOOD), (60_000, FAILING), (60_500, NONE)],
        time: [10 * MINUTE - 10_400, 10_400, 0, 0],
        incidents: &[incident(60_000, 70_400, 10_400, 10_400, true, 50)],
    },
    Case {
        what: "a process is stopped for 20 s",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(0, GOOD), (10_000, NONE), (10_000, Stall(20_000)), (30_000, GOOD)],
        time: [40_000, 0, 0, 20_000],
        incidents: &[],
    },
    Case {
        what: "it is stopped for 20 s of an outage of 30 s, which is one, of which 10 s are known",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(10_000, Usable(false)), (15_000, Stall(20_000)), (40_000, Usable(true))],
        time: [30_000, 10_000, 0, 20_000],
        incidents: &[incident(10_000, 40_000, 30_000, 10_000, true, 0)],
    },
    Case {
        what: "an outage of 90 s, of which a minute was announced after 20 s: back within the minute that was promised",
        begin: "2026-11-27T11:59:00Z", maintenance: &["Fri 12:00-12:01"], length: 5 * MINUTE,
        history: &[(40_000, Usable(false)), (130_000, Usable(true))],
        time: [5 * MINUTE - 90_000, 30_000, MINUTE, 0],
        incidents: &[incident(40_000, 130_000, 30_000, 30_000, true, 0)],
    },
    Case {
        what: "one request in twenty fails, and then somebody takes the backend out: down since then",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[
            (0, Requests([38, 2, 0])), (10_000, Usable(false)), (10_000, Requests([0, 40, 0])), (13_000, Usable(true)), (13_000, GOOD),
        ],
        time: [57_000, 3000, 0, 0],
        // with the one that failed in the tenth of a second before
        incidents: &[incident(10_000, 13_000, 3000, 3000, true, 121)],
    },
    Case {
        what: "requests succeed again half a second before checks say so",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(0, GOOD), (10_000, FAILING), (10_000, Usable(false)), (17_000, GOOD), (17_500, Usable(true))],
        time: [53_000, 7000, 0, 0],
        incidents: &[incident(10_000, 17_000, 7000, 7000, true, 700)],
    },
    Case {
        what: "a process is killed amid an outage, and the next one takes 5 s, and 1 s to find the backend down: one incident",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(10_000, Usable(false)), (15_000, Restart(5000)), (15_000, Nobody), (21_000, Usable(false)), (25_000, Usable(true))],
        time: [45_000, 9000, 0, 6000],
        incidents: &[incident(10_000, 25_000, 15_000, 9000, true, 0)],
    },
    Case {
        what: "a process is killed 7 s after an outage: that ended when it did",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(10_000, Usable(false)), (12_000, Usable(true)), (19_000, Restart(1000))],
        time: [57_000, 2000, 0, 1000],
        incidents: &[incident(10_000, 12_000, 2000, 2000, true, 0)],
    },
    Case {
        what: "a process is replaced amid an outage, and the next one takes 3 s to know what it knew: nothing is lost",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(10_000, Usable(false)), (15_000, Nobody), (15_000, Upgrade), (18_000, Usable(false)), (20_000, Usable(true))],
        time: [50_000, 10_000, 0, 0],
        incidents: &[incident(10_000, 20_000, 10_000, 10_000, true, 0)],
    },
    Case {
        what: "a process is replaced 7 s after an outage: that ended when it did, and nothing is unknown",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(10_000, Usable(false)), (12_000, Usable(true)), (19_000, Nobody), (19_000, Upgrade), (20_000, Usable(true))],
        time: [58_000, 2000, 0, 0],
        incidents: &[incident(10_000, 12_000, 2000, 2000, true, 0)],
    },
    Case {
        what: "a process is replaced 7 s after an outage, and the service goes down again: it flaps",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(10_000, Usable(false)), (12_000, Usable(true)), (19_000, Upgrade), (20_000, Usable(false)), (21_000, Usable(true))],
        time: [57_000, 3000, 0, 0],
        incidents: &[incident(10_000, 21_000, 11_000, 3000, true, 0)],
    },
    Case {
        what: "nobody knows for 5 s after the start, and then a backend can be used",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(0, Nobody), (0, Restart(0)), (5000, Usable(true))],
        time: [55_000, 0, 0, 5000],
        incidents: &[],
    },
    Case {
        what: "requests fail for half a second, and then all succeed",
        begin: NOON, maintenance: &[], length: 10 * MINUTE,
        history: &[(0, GOOD), (10_000, FAILING), (10_500, GOOD)],
        time: [10 * MINUTE, 0, 0, 0],
        incidents: &[],
    },
    Case {
        what: "a lone failure after an outage by requests does not bring it back",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[
            (0, GOOD), (10_000, FAILING), (15_000, GOOD), (18_000, NONE), (18_500, Burst([0, 1, 0, 0])),
        ],
        time: [55_000, 5000, 0, 0],
        incidents: &[incident(10_000, 15_000, 5000, 5000, true, 501)],
    },
    Case {
        what: "requests are well again for half a second after an outage, and then the backends go away",
        begin: NOON, maintenance: &[], length: 2 * MINUTE,
        history: &[
            (0, GOOD), (10_000, FAILING), (15_000, GOOD), (15_500, NONE), (15_500, Usable(false)), (60_000, Usable(true)),
        ],
        time: [70_000, 50_000, 0, 0],
        incidents: &[incident(10_000, 60_000, 50_000, 50_000, true, 500)],
    },
    Case {
        what: "clients make mistakes",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(10_000, Burst([0, 0, 0, 500])), (11_000, Burst([0, 0, 0, 500])), (12_000, Burst([1, 0, 0, 500]))],
        time: [MINUTE, 0, 0, 0],
        incidents: &[],
    },
    Case {
        what: "checks fail for 50 s, but all requests succeed: the incident has no length",
        begin: NOON, maintenance: &[], length: 2 * MINUTE,
        history: &[(0, GOOD), (10_000, Usable(false)), (60_000, Usable(true))],
        time: [2 * MINUTE, 0, 0, 0],
        incidents: &[incident(10_000, 10_000, 0, 0, true, 0)],
    },
    Case {
        what: "checks fail, requests succeed, and then none come: that they did says nothing after a minute",
        begin: NOON, maintenance: &[], length: 3 * MINUTE,
        history: &[(0, GOOD), (10_000, Usable(false)), (20_000, NONE), (100_000, Usable(true))],
        // the last look with a request covers the time from 19.9 s on
        time: [3 * MINUTE - 20_100, 20_100, 0, 0],
        incidents: &[incident(10_000, 10_000, 0, 0, true, 0), incident(79_900, 100_000, 20_100, 20_100, true, 0)],
    },
    Case {
        what: "a lone request failed 5 s before an outage, which does not begin with it",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(0, GOOD), (5000, Burst([0, 1, 0, 0])), (10_000, FAILING), (20_000, GOOD)],
        time: [50_000, 10_000, 0, 0],
        incidents: &[incident(10_000, 20_000, 10_000, 10_000, true, 1000)],
    },
    Case {
        what: "no backend, and requests succeed again before checks do",
        begin: NOON, maintenance: &[], length: 2 * MINUTE,
        history: &[
            (0, GOOD), (10_000, FAILING), (10_000, Usable(false)), (20_000, GOOD), (60_000, Usable(true)),
        ],
        time: [110_000, 10_000, 0, 0],
        incidents: &[incident(10_000, 20_000, 10_000, 10_000, true, 1000)],
    },
    Case {
        what: "the backends go away while nobody looks for 3 s: down from when that is seen",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[(10_000, Stall(3000)), (11_000, Usable(false)), (20_000, Usable(true))],
        time: [53_000, 7000, 0, 0],
        incidents: &[incident(13_000, 20_000, 7000, 7000, true, 0)],
    },
    Case {
        what: "the same while requests fail: down from the look before, since nobody knows which failed when",
        begin: NOON, maintenance: &[], length: MINUTE,
        history: &[
            (0, GOOD), (10_000, Stall(3000)), (11_000, FAILING), (11_000, Usable(false)), (20_000, GOOD),
            (20_000, Usable(true)),
        ],
        time: [50_000, 10_000, 0, 0],
        incidents: &[incident(10_000, 20_000, 10_000, 10_000, true, 900)],
    },
];

#[test]
fn each_case_comes_out_as_worked_out_by_hand() {
    let wrong: Vec<String> = CASES.iter().filter_map(differs).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is not as expected.
fn differs(case: &Case) -> Option<String> {
    let mut driver = Driver::new(case.begin, case.maintenance);
    // hours are gone through in larger steps
    driver.pace = if case.length >= HOUR { SECOND } else { 100 };
    driver.run(case.history, case.length);
    let total = driver.total();
    let begin = Stamp::from(parse_rfc3339(case.begin).unwrap());
    let incidents: Vec<Expected> = driver
        .incidents()
        .iter()
        .map(|it| Expected {
            began: it.began.since(begin),
            ended: it.ended.unwrap().since(begin),
            lasted: it.lasted_ms,
            down: it.down_ms,
            is_within_rto: it.is_within_rto(),
            lost: it.lost,
        })
        .collect();
    let time = [total.up, total.down, total.planned, total.unknown];
    let is_right = time == case.time && incidents == case.incidents;
    let is_over = driver.account.incident().is_none();
    (!is_right || !is_over).then(|| {
        format!(
            "{}: {time:?} not {:?}\n  {incidents:?}\nnot {:?}; over: {is_over}",
            case.what, case.time, case.incidents
        )
    })
}
