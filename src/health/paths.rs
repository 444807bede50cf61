//! Which of several paths to a backend work, and which is used. Pure: results of checks and the time go in, and what is to be told comes out;
//! the choice is published in the endpoint's [`Paths`], where dials read it.
//!
//! A path over which no connection can be made is down at once where another path works: that the kernel at the other end does not answer is
//! no matter of load. It has 300 ms for that, or eight times as long as it usually takes. Any other failure needs as many in a row as take a backend down. So does a path where no other one works, because it is the
//! backend that is down then. A path comes up again after as many good checks as a backend does, and not before most of its recent ones were good, so
//! that one that loses packets does not go up and down with each of them.
//!
//! Of the paths that are up, the first one written is used until another one is far better. What a path costs is the time to connect, and a
//! second for each failure: the time in which TCP repeats the first packet (RFC 6298, section 2). Far better is half of it, by 5 ms, at
//! two checks in a row of the path in use, by the time that this very check took where that is less than the average: one check that was slow moves nothing.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::probe::PathResult;
use crate::clock::Moment;
use crate::endpoint::addresses::Addresses;
use crate::endpoint::paths::Paths;
use crate::error::Shortage;
use crate::event::PathChange;
use crate::policy::Health as Policy;
use crate::timer;

/// The share that the newest check has in the average of failures.
const NEWEST_FAILURE: f64 = 0.2;
/// The share that it has in the average time to connect.
const NEWEST_RTT: f64 = 0.3;
/// A path with a greater share of failures does not come up.
const LOSSY: f64 = 0.25;
/// A path of which more fail than this is checked more often.
const DOUBTFUL: f64 = 0.1;
/// How many times the usual time a connection may take, and the least that it may, in seconds.
const RTTS: f64 = 8.0;
const LEAST_PATIENCE: f64 = 0.3;
/// What a failure costs, in milliseconds.
const FAILURE_MS: f64 = 1000.0;
/// The least that a better path saves, in milliseconds.
const WORTH_MS: f64 = 5.0;
/// At how many checks in a row of the path in use another one has to be far better.
const LASTING: u32 = 2;
/// Losses of dials beyond this add nothing to one look.
const MOST_LOSSES: u32 = 5;

/// What is known of the paths to one backend.
#[derive(Debug)]
pub struct PathWatch {
    addresses: Arc<Addresses>,
    paths: Arc<Paths>,
    each: Vec<Watched>,
    /// The path that was told to be the one in use.
    told: usize,
    /// Checks in a row of the path in use at which another one was far better.
    better: u32,
}

#[derive(Debug)]
struct Watched {
    is_up: bool,
    /// Whether it was left as dead, since it was up last.
    is_cut: bool,
    /// Whether a check is under way.
    is_probed: bool,
    since: Moment,
    last: Option<PathCheck>,
    failed: u32,
    passed: u32,
    /// The average share of failures.
    loss: f64,
    /// The average time to connect, in milliseconds.
    rtt: Option<f64>,
    /// The time to connect of the last check that has connected, in milliseconds.
    newest_rtt: Option<f64>,
    /// The losses of dials that have been seen.
    losses: u32,
}

/// The last check of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathCheck {
    /// When it began.
    pub began: Moment,
    /// When it ended.
    pub at: Moment,
    /// Whether it was good.
    pub ok: bool,
    /// Whether a connection was made.
    pub connected: bool,
    /// Why it failed, or what was good.
    pub reason: Cow<'static, str>,
}

/// A path as others are shown it.
#[derive(Debug, Clone, PartialEq)]
pub struct PathReading {
    /// Its address.
    pub address: SocketAddr,
    /// Whether it works, as far as is known.
    pub is_up: bool,
    /// Whether it is the one in use.
    pub is_chosen: bool,
    /// Since when it is up or down.
    pub since: Moment,
    /// The average time to connect, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// The share of its recent checks, and dials, that failed.
    pub loss: f64,
    /// Its last check.
    pub last_check: Option<PathCheck>,
}

impl PathWatch {
    /// Nothing is known yet; `None` = there is one path only.
    pub fn new(addresses: &Arc<Addresses>, now: Moment) -> Option<Self> {
        let paths = addresses.paths().filter(|paths| paths.count() > 1)?;
        let each = (0..paths.count()).map(|place| Watched::new(paths.losses(place), now)).collect();
        Some(Self { addresses: Arc::clone(addresses), told: paths.first(), paths: Arc::clone(paths), each, better: 0 })
    }

    /// Whether it is that of these addresses.
    pub fn is_of(&self, addresses: &Arc<Addresses>) -> bool {
        Arc::ptr_eq(&self.addresses, addresses)
    }

    /// Begins a check of each path of which none is under way; gives back their places, and how long each has to be connected to.
    pub fn begin(&mut self) -> Vec<(usize, Duration)> {
        let free = self.each.iter_mut().enumerate().filter(|(_, path)| !path.is_probed);
        free.map(|(place, path)| {
            path.is_probed = true;
            (place, path.patience())
        })
        .collect()
    }

    /// A check of this path broke off.
    pub fn broke_off(&mut self, place: usize) {
        self.each[place].is_probed = false;
    }

    /// Whether checks are under way of paths that are up: what they show is waited for.
    pub fn are_up_probed(&self) -> bool {
        self.each.iter().any(|path| path.is_up && path.is_probed)
    }

    /// Whether the paths should be checked again soon.
    pub fn is_in_doubt(&self) -> bool {
        self.each.iter().any(|path| match &path.last {
            Some(last) if path.is_up => !last.ok || path.loss > DOUBTFUL,
            Some(last) => last.ok,
            None => true,
        })
    }

    /// Whether dials have met trouble since the last look.
    pub fn has_losses(&self) -> bool {
        self.each.iter().enumerate().any(|(place, path)| self.paths.losses(place) != path.losses)
    }

    /// Records what a check of one path has shown, and looks at all.
    pub fn observe(
        &mut self,
        place: usize,
        shown: &PathResult,
        policy: &Policy,
        began: Moment,
        now: Moment,
    ) -> Vec<PathChange> {
        self.each[place].record(shown, began, now);
        self.look(place, policy, now)
    }

    /// Judges the paths by what is known, of which a check of the one at this place is new, and publishes which one is used.
    fn look(&mut self, checked: usize, policy: &Policy, now: Moment) -> Vec<PathChange> {
        let mut news = Vec::new();
        for (place, path) in self.each.iter_mut().enumerate() {
            path.take_losses(self.paths.losses(place));
        }
        let mut cut = Vec::new();
        for place in 0..self.each.len() {
            if self.judge(place, policy, now, &mut news) {
                cut.push(place);
            }
        }
        self.choose(checked, &mut news);
        if !cut.is_empty() {
            // only now, when those that are sent again find another path; those that were cut before may have connections by now that are good
            cut.into_iter().for_each(|place| self.paths.cut(place));
            timer::wake_all();
        }
        news
    }

    /// Whether the path is to be cut.
    fn judge(&mut self, place: usize, policy: &Policy, now: Moment, news: &mut Vec<PathChange>) -> bool {
        let Some(last) = self.each[place].last.clone() else { return false };
        // of the same round, or a later one
        let is_good_since =
            |other: &Watched| other.last.as_ref().is_some_and(|check| check.ok && check.at >= last.began);
        let another_works = self.each.iter().enumerate().any(|(at, other)| at != place && is_good_since(other));
        let address = self.name(place);
        let path = &mut self.each[place];
        if path.is_up {
            let at_once = !last.connected && another_works;
            if !last.ok && (at_once || path.failed >= policy.fall.max(1)) {
                (path.is_up, path.since) = (false, now);
                news.push(PathChange::Down { address, reason: last.reason.clone().into_owned() });
            }
        } else if path.passed >= policy.rise.max(1) && path.loss < LOSSY {
            (path.is_up, path.is_cut, path.since) = (true, false, now);
            news.push(PathChange::Up { address });
        }
        let is_cut = !path.is_up && !last.ok && another_works && !path.is_cut;
        path.is_cut |= is_cut;
        is_cut
    }

    /// Puts the paths into an order, and tells when another one is the first.
    fn choose(&mut self, checked: usize, news: &mut Vec<PathChange>) {
        let current = self.paths.first();
        let cost = |place: &usize| self.each[*place].cost();
        let by_cost = |a: &usize, b: &usize| cost(a).partial_cmp(&cost(b)).unwrap_or(Ordering::Equal);
        let mut order: Vec<usize> = (0..self.each.len()).collect();
        // stable: of equals the one that is written first
        order.sort_by(|a, b| self.each[*b].is_up.cmp(&self.each[*a].is_up).then_with(|| by_cost(a, b)));
        let best = order[0];
        let is_better = cost(&best) * 2.0 + WORTH_MS < self.each[current].least_cost();
        self.better = match is_better {
            // the check of another path says nothing new of the one in use
            true if checked == current => self.better + 1,
            true => self.better,
            false => 0,
        };
        let is_out = !self.each[current].is_up && self.each[best].is_up;
        let chosen = if is_out || self.better >= LASTING { best } else { current };
        if let Some(at) = order.iter().position(|place| *place == chosen) {
            order[..=at].rotate_right(1);
        }
        self.paths.set_order(order.into_iter());
        let was = std::mem::replace(&mut self.told, chosen);
        if was == chosen {
            return;
        }
        self.better = 0;
        let reason = self.reason(was, chosen, current != was);
        self.paths.leave(was);
        news.push(PathChange::Chosen { address: self.name(chosen), was: self.name(was), reason });
    }

    fn reason(&self, was: usize, chosen: usize, by_dials: bool) -> String {
        let (old, new) = (&self.each[was], &self.each[chosen]);
        if !old.is_up {
            return "it is down".to_owned();
        }
        if by_dials {
            return "connections over it fail, or take longer".to_owned();
        }
        let percent = |share: f64| (share * 100.0).round();
        if old.loss > new.loss + NEWEST_FAILURE / 2.0 {
            return format!("{} % of what is tried over it fails, not {} %", percent(old.loss), percent(new.loss));
        }
        let shown = |path: &Watched| path.rtt.map_or_else(|| "?".to_owned(), |rtt| format!("{rtt:.1}"));
        format!("it takes {} ms to connect, not {} ms", shown(old), shown(new))
    }

    fn name(&self, place: usize) -> String {
        self.addresses.at(place).map(|address| address.to_string()).unwrap_or_default()
    }

    /// The paths as others are shown them, in the order in which they are written.
    pub fn read(&self) -> Vec<PathReading> {
        let first = self.paths.first();
        let reading = |(place, path): (usize, &Watched)| {
            Some(PathReading {
                address: self.addresses.at(place)?,
                is_up: path.is_up,
                is_chosen: place == first,
                since: path.since,
                rtt_ms: path.rtt,
                loss: path.loss,
                last_check: path.last.clone(),
            })
        };
        self.each.iter().enumerate().filter_map(reading).collect()
    }
}

impl Watched {
    fn new(losses: u32, now: Moment) -> Self {
        Self {
            is_up: true,
            is_cut: false,
            is_probed: false,
            since: now,
            last: None,
            failed: 0,
            passed: 0,
            loss: 0.0,
            rtt: None,
            newest_rtt: None,
            losses,
        }
    }

    fn record(&mut self, shown: &PathResult, began: Moment, now: Moment) {
        self.is_probed = false;
        // what this machine is out of says nothing about a path; that it has no way there does
        if shown.result.as_ref().is_err_and(|failure| failure.is_ours && failure.reason != Shortage::Route.as_str()) {
            return;
        }
        let ok = shown.result.is_ok();
        (self.failed, self.passed) =
            if ok { (0, self.passed.saturating_add(1)) } else { (self.failed.saturating_add(1), 0) };
        self.loss += NEWEST_FAILURE * (f64::from(u8::from(!ok)) - self.loss);
        if let Some(rtt) = shown.rtt {
            let newest = millis(rtt);
            self.newest_rtt = Some(newest);
            self.rtt = Some(self.rtt.map_or(newest, |average| average + NEWEST_RTT * (newest - average)));
        }
        let reason = match &shown.result {
            Ok(good) => good.clone(),
            Err(failure) => failure.reason.clone(),
        };
        self.last = Some(PathCheck { began, at: now, ok, connected: shown.rtt.is_some(), reason });
    }

    /// Counts what dials have met as failures.
    fn take_losses(&mut self, losses: u32) {
        let new = losses.wrapping_sub(std::mem::replace(&mut self.losses, losses)).min(MOST_LOSSES);
        for _ in 0..new {
            self.loss += NEWEST_FAILURE * (1.0 - self.loss);
        }
    }

    /// How long is waited for a connection. A packet that gets no answer in that time is sent again only after a second (RFC 6298), so that there is
    /// no need to wait for the whole of a check's time-out. Of a path that was never connected to nobody knows.
    fn patience(&self) -> Duration {
        self.rtt.map_or(Duration::MAX, |rtt| Duration::from_secs_f64((rtt * RTTS / 1e3).max(LEAST_PATIENCE)))
    }

    /// In milliseconds.
    fn cost(&self) -> f64 {
        self.rtt.unwrap_or(0.0) + self.loss * FAILURE_MS
    }

    /// The same by the time of the last check, where that is less than the average.
    fn least_cost(&self) -> f64 {
        let rtt = self.rtt.zip(self.newest_rtt).map_or(0.0, |(average, newest)| average.min(newest));
        rtt + self.loss * FAILURE_MS
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests;
