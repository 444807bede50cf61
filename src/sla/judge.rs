//! Whether a service is down by what its requests say: too many of them fail, or are slower than is promised.
//!
//! A share of few requests says little, and one failure of three is no outage. So it takes an exact binomial test to call a service down: its
//! requests must have failed so often that a service which just keeps its floor would do so once in a million times. A second test calls it
//! up again: so few of its requests must fail that it can hardly be as bad as it was.
//!
//! When it went bad is estimated by the cumulative sum of E. S. Page ("Continuous inspection schemes", 1954): of all the times that last until
//! now, it is the one in which the most requests were bad beyond those that are allowed.

mod pauses;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use super::statistics::at_least;
use crate::clock::Moment;
use pauses::Pauses;

/// Requests of so short a time are added up.
const TICK: Duration = Duration::from_millis(100);
/// The requests of this time are always kept.
const LATELY: Duration = Duration::from_secs(10);
/// With little traffic, those of this time are.
const AT_MOST: Duration = Duration::from_secs(300);
/// Older requests are forgotten where there are so many newer ones: with 5,000, a share of 6.6 % is told from one of 5 %, and 1.8 % from 1 %.
const ENOUGH: i64 = 5000;
/// So many requests show that a service is up again.
const SHOWN: i64 = 20;
/// So many do where they took [`LATELY`].
const SHOWN_BY_FEW: i64 = 3;
/// A failure lasts so long before it is one of the service, and so does its end.
const A_WHILE: Duration = Duration::from_secs(1);
/// How improbable it must be that a service which just keeps its promise looks as bad.
const ALPHA: f64 = 1e-6;
/// How improbable it must be that a service which is as bad as it was looks so well.
const ALPHA_UP: f64 = 1e-3;
/// The share of answers that may be slower than is promised: the promise is on the 99th percentile.
const SLOW_SHARE: f64 = 0.01;
/// A floor of all requests allows this share to fail: if it were zero, no number of good requests would be better than none.
const LEAST_ALLOWED: f64 = 1e-9;

/// What is wrong with a service's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complaint {
    /// Too many fail.
    Errors,
    /// Too many are too slow.
    Latency,
}

/// A complaint with its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub complaint: Complaint,
    /// Since when.
    pub since: Moment,
    /// So many requests were bad from then until now.
    pub bad: i64,
    /// Of so many.
    pub of: i64,
}

/// The requests of late.
#[derive(Debug)]
pub struct Judge {
    ticks: VecDeque<Tick>,
    floor: f64,
    /// Whether a latency is promised.
    has_latency: bool,
    pauses: Pauses,
}

/// The requests that ended in a short time.
#[derive(Debug, Clone, Copy)]
struct Tick {
    from: Moment,
    good: i64,
    failed: i64,
    slow: i64,
}

impl Tick {
    /// The bad requests, and all that count, as far as this complaint goes.
    fn of(&self, complaint: Complaint) -> (i64, i64) {
        match complaint {
            Complaint::Errors => (self.failed, self.good + self.failed + self.slow),
            Complaint::Latency => (self.slow, self.good + self.slow),
        }
    }
}

impl Finding {
    /// The share of requests that were bad.
    pub fn share(&self) -> f64 {
        self.bad as f64 / self.of as f64
    }
}

impl Judge {
    /// Of a service of whose requests this share is to succeed, and of which a latency may be promised.
    pub fn new(floor: f64, has_latency: bool) -> Self {
        Self { ticks: VecDeque::new(), floor, has_latency, pauses: Pauses::default() }
    }

    /// Takes on another promise.
    pub fn set(&mut self, floor: f64, has_latency: bool) {
        (self.floor, self.has_latency) = (floor, has_latency);
    }

    /// So many requests ended well, failed, or were slow between `from` and `now`.
    pub fn add(&mut self, from: Moment, now: Moment, [good, failed, slow]: [i64; 3]) {
        self.forget(now);
        if good + failed + slow == 0 {
            return;
        }
        self.pauses.request(now);
        match self.ticks.back_mut() {
            Some(last) if now.since(last.from) < TICK => {
                last.good += good;
                last.failed += failed;
                last.slow += slow;
            }
            _ => self.ticks.push_back(Tick { from, good, failed, slow }),
        }
    }

    /// Forgets the requests before this.
    pub fn forget_before(&mut self, moment: Moment) {
        self.ticks.retain(|tick| tick.from >= moment);
    }

    /// Whether there was no request for so long that what they have said no longer counts.
    pub fn is_silent(&self, now: Moment) -> bool {
        self.ticks.back().is_none_or(|last| now.since(last.from) >= self.pauses.silence())
    }

    /// The good and the bad requests since then.
    pub fn since(&self, since: Moment) -> (i64, i64) {
        let later = self.ticks.iter().filter(|tick| tick.from >= since);
        later.fold((0, 0), |(good, bad), tick| (good + tick.good, bad + tick.failed + tick.slow))
    }

    /// The bad requests of the tick that lasted until then, unless it began before `earliest`. An outage begins in the middle of a tick: the first
    /// requests that it costs are among good ones.
    pub fn bad_just_before(&self, moment: Moment, earliest: Moment) -> i64 {
        let before = self.ticks.iter().rev().find(|tick| tick.from < moment);
        let adjoins = |tick: &&Tick| tick.from >= earliest && moment.since(tick.from) <= 2 * TICK;
        before.filter(adjoins).map_or(0, |tick| tick.failed + tick.slow)
    }

    /// What is wrong now, and has been for a while.
    pub fn finding(&self, now: Moment) -> Option<Finding> {
        let newest = self.ticks.back()?;
        [Complaint::Errors, Complaint::Latency].into_iter().find_map(|complaint| {
            // nothing gets worse without a bad request
            if newest.of(complaint).0 == 0 || complaint == Complaint::Latency && !self.has_latency {
                return None;
            }
            let spans: &[Duration] = match complaint {
                Complaint::Errors => &[A_WHILE, Duration::from_secs(3), LATELY, AT_MOST],
                Complaint::Latency => &[LATELY, AT_MOST],
            };
            let is_wrong = spans.iter().any(|span| self.is_beyond_chance(complaint, now, *span));
            let finding = is_wrong.then(|| self.onset(complaint)).flatten()?;
            (now.since(finding.since) >= A_WHILE).then_some(finding)
        })
    }

    /// Since when most requests have failed without a break when something else shows at `now` that no backend can be used. What requests say of a
    /// longer time, or of a smaller share, they say by themselves.
    pub fn first_sign(&self, now: Moment) -> Option<Moment> {
        let lately = self.ticks.iter().rev().take_while(|tick| now.since(tick.from) <= LATELY);
        lately.take_while(|tick| tick.failed > tick.good + tick.slow).last().map(|tick| tick.from)
    }

    /// Since when requests after `found` have been well when something else shows that a backend can be used again; `None` = there were none.
    pub fn well_since(&self, found: Moment) -> Option<Moment> {
        self.best_since(Complaint::Errors, found).map(|finding| finding.since)
    }

    /// Since when the requests are well again; `None` = they are not, or too few have shown it. Only those after `found` can show it. `share`:
    /// so many of them were bad before.
    pub fn recovered(&self, complaint: Complaint, share: f64, found: Moment, now: Moment) -> Option<Moment> {
        let Finding { since, bad, of, .. } = self.best_since(complaint, found)?;
        let lasted = now.since(since);
        let is_shown = lasted >= A_WHILE && of >= SHOWN || lasted >= LATELY && of >= SHOWN_BY_FEW;
        let good = (of - bad).unsigned_abs();
        (is_shown && at_least(good, of.unsigned_abs(), 1.0 - share) < ALPHA_UP).then_some(since)
    }

    /// Since when requests after `found` are well.
    fn best_since(&self, complaint: Complaint, found: Moment) -> Option<Finding> {
        self.greatest_excess(complaint, -1.0, self.ticks.iter().rev().take_while(|tick| tick.from >= found))
    }

    /// Since when requests are bad.
    fn onset(&self, complaint: Complaint) -> Option<Finding> {
        self.greatest_excess(complaint, 1.0, self.ticks.iter().rev())
    }

    /// Of the times that last until now, the one with the most bad requests beyond those that are allowed (`sign` 1), or with the fewest
    /// (`sign` -1). `ticks` come with the newest first.
    fn greatest_excess<'a>(
        &self,
        complaint: Complaint,
        sign: f64,
        ticks: impl Iterator<Item = &'a Tick>,
    ) -> Option<Finding> {
        let allowed = self.allowed(complaint);
        let (mut bad, mut of, mut most, mut found) = (0, 0, 0.0, None);
        for (tick, (tick_bad, tick_of)) in ticks.map(|tick| (tick, tick.of(complaint))).filter(|(_, (_, of))| *of > 0) {
            (bad, of) = (bad + tick_bad, of + tick_of);
            let excess = sign * (bad as f64 - of as f64 * allowed);
            if excess > most {
                (most, found) = (excess, Some(Finding { complaint, since: tick.from, bad, of }));
            }
        }
        found
    }

    /// The share of requests that may be bad.
    fn allowed(&self, complaint: Complaint) -> f64 {
        match complaint {
            Complaint::Errors => (1.0 - self.floor).max(LEAST_ALLOWED),
            Complaint::Latency => SLOW_SHARE,
        }
    }

    fn is_beyond_chance(&self, complaint: Complaint, now: Moment, span: Duration) -> bool {
        let lately = self.ticks.iter().rev().take_while(|tick| now.since(tick.from) <= span);
        let (bad, of) = lately.map(|tick| tick.of(complaint)).fold((0, 0), |(b, n), (tb, tn)| (b + tb, n + tn));
        let allowed = self.allowed(complaint);
        // the test costs more where nothing is wrong
        let is_above = bad as f64 > of as f64 * allowed;
        is_above && at_least(bad.unsigned_abs(), of.unsigned_abs(), allowed) < ALPHA
    }

    /// Forgets what is too old to be of use.
    fn forget(&mut self, now: Moment) {
        let mut newer: i64 = self.ticks.iter().map(|tick| tick.of(Complaint::Errors).1).sum();
        while let Some(oldest) = self.ticks.front() {
            let age = now.since(oldest.from);
            newer -= oldest.of(Complaint::Errors).1;
            if age <= LATELY || age <= AT_MOST && newer < ENOUGH {
                break;
            }
            self.ticks.pop_front();
        }
    }
}
