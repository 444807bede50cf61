//! Facts for tests.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::facts::{CheckLimits, Facts, Fleet, Limits, Recovery, Said};
use super::zones::{ZoneFact, ZoneFacts};
use crate::clock::Moment;
use crate::endpoint::standing::{Health, Override, WHOLE};
use crate::endpoint::state::{Condition, DecidedBy, State};
use crate::health::checks::LastCheck;
use crate::health::ejector::Sight;
use crate::health::outlier::{Figures, Observation, RequestCounts};
use crate::policy::{Breaker, LatencyRule, Outlier};

/// A backend `api/a` with which nothing is wrong, beside two like it.
pub fn facts() -> Facts {
    Facts {
        limits: Arc::new(limits()),
        id: "a".into(),
        at: at(60),
        condition: Condition { state: State::Up, by: DecidedBy::Checks },
        reason: "status 200".into(),
        since: at(0),
        said: Said {
            operator: Override::Configured,
            drains: false,
            agent: Override::Configured,
            weight: 1,
            configured_weight: 1,
        },
        is_repaired: false,
        held_open: None,
        is_unresolved: false,
        health: Health::Up,
        check: Some(LastCheck {
            at: Moment::NEVER,
            ok: true,
            took: Duration::from_millis(2),
            reason: "status 200".into(),
            failed: 0,
            passed: 9,
        }),
        traffic: Some(Box::new(Sight { figures: figures(0), suspicion: 0.0, accused: None, seems_to_hang: false })),
        ejected: None,
        ejections: 0,
        breaker: None,
        work_share: WHOLE,
        joined: Duration::from_secs(600),
        zone: "a".into(),
        paths: Box::default(),
        is_backup: false,
        is_picked: true,
        fleet: Fleet {
            total: 3,
            usable: 3,
            primaries: 3,
            usable_primaries: 3,
            panic: false,
            detour: None,
            zones: None,
        },
        votes: Box::default(),
        recovery: Recovery::default(),
    }
}

/// The zones `a`, which is the own one, `b` and `c`: how many backends of each can be used, how many there are, and the part that it gets.
pub fn zones(each: [(usize, usize, u32); 3]) -> ZoneFacts {
    let names = ["a", "b", "c"].into_iter().zip(each);
    let each = names.map(|(name, (usable, total, part))| ZoneFact { name: name.into(), total, usable, part });
    ZoneFacts { own: "a".into(), each: each.collect(), are_heeded: true }
}

/// So many seconds after the time at which [`facts`] became up.
pub fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// What the service `api` is judged by.
pub fn limits() -> Limits {
    Limits {
        service: "api".into(),
        outlier: Outlier {
            consecutive_failures: 5,
            error_rate: 0.5,
            latency: LatencyRule::Auto,
            window: Duration::from_secs(10),
            min_requests: 20,
            eject_for: Duration::from_secs(10),
            max_eject_for: Duration::from_secs(300),
            max_ejected: 0.5,
        },
        breaker: None::<Breaker>,
        checks: Some(CheckLimits { fall: 3, rise: 2, interval: Duration::from_secs(2) }),
        slow_start: Duration::ZERO,
        panic_threshold: 0.5,
    }
}

/// What traffic shows of one that has failed so many times in a row, of 40 exchanges.
pub fn figures(consecutive: u32) -> Figures {
    let counts =
        RequestCounts { requests: 40, failures: u64::from(consecutive), elapsed: Duration::from_millis(40 * 5) };
    Figures {
        observation: Observation { takes_part: true, is_ejected: false, consecutive, accused: None, counts },
        failing: f64::from(consecutive) / 40.0,
        peers_failing: 0.0,
        mean: Some(Duration::from_millis(5)),
        peers_mean: Some(Duration::from_millis(5)),
        reason: None,
        excused: None,
        out: 0,
        working: 3,
        room: 1,
    }
}
