//! The account of one service: looks at it come in, and the time and the requests since the look before go out as tallies, with the incidents
//! that begin and end.
//!
//! Time is measured by the monotonic clock and stamped with the wall's: an hour that is set back makes nobody's outage shorter. A look says
//! how the service stands *from then on*; the time before it is that of the look before. So it is transitions that are accounted, as long as
//! whoever looks does so when one happens, and not how often somebody looked.
//!
//! What requests say is known only a while after it began. The time that was taken for up until then is corrected, by a tally with negative
//! members: what is written at once, and what is right in the end, come to the same.

mod open;
mod outage;
mod stretches;
mod under_way;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::judge::Judge;
use super::maintenance::{Calendar, Planned, planned};
use super::{Action, Cause, Incident, Promise, Tally};
use crate::clock::{Moment, Stamp};
pub use stretches::{Watched, millis};

pub use open::Left;

use outage::State;
use stretches::{Stretch, Stretches};
use under_way::Open;

/// The wall's clock runs a little faster or slower than the other, and the two are not read at the same time. Up to this many milliseconds between
/// them are no change of the time: each second of the history is to hold a second.
const SLACK: i64 = 100;
/// A look comes ten times a second. After so long without one nobody has watched: the process was stopped, or the machine was.
pub const UNWATCHED: Duration = Duration::from_secs(5);
/// Actions that are kept of an incident.
const MOST_ACTIONS: usize = 50;

/// How a service stands, and what its requests were since the look before.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// When, by the monotonic clock.
    pub now: Moment,
    /// When, by the wall's clock.
    pub at: Stamp,
    /// Whether a backend can be used; `None` = nobody knows yet, because none has been checked so far.
    pub is_usable: Option<bool>,
    /// The requests that ended since the look before: only the four numbers of requests are read.
    pub requests: Tally,
}

/// What a look has brought.
#[derive(Debug, Default)]
pub struct Booked {
    /// What is to be added to the history, by second.
    pub tallies: Vec<(Stamp, Tally)>,
    /// What has happened, in order.
    pub changes: Vec<Change>,
}

/// Something that has happened to a service.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It went down.
    Began(Incident),
    /// It is up again, and has been for a while.
    Ended(Incident),
    /// Maintenance has begun, which ends then, or is looked at again then.
    MaintenanceBegan(Stamp),
    /// Maintenance is over.
    MaintenanceEnded,
}

/// The account of one service.
#[derive(Debug)]
pub struct Account {
    service: Arc<str>,
    promise: Promise,
    calendar: Calendar,
    judge: Judge,
    state: State,
    /// What the time from the last look on is taken for, unless it is planned.
    taken_for: Watched,
    /// What it is taken for while nobody knows how the service stands: unknown, or as another process has seen it last.
    unseen: Watched,
    /// The moment up to which time is accounted, by both clocks; `None` = it is not accounted here.
    until: Option<(Moment, Stamp)>,
    /// What was accounted of late, for corrections.
    past: Stretches,
    incident: Option<Open>,
    is_planned: bool,
    /// When maintenance was last under way.
    planned_until: Moment,
    /// Requests that ended before are those of an incident that is over.
    settled: Moment,
}

impl Account {
    /// Of a service of which this is promised. Its first look begins it.
    pub fn new(service: Arc<str>, promise: Promise, maintenance: Vec<Planned>) -> Self {
        Self {
            service,
            judge: Judge::new(promise.floor, promise.latency.is_some()),
            promise,
            calendar: Calendar::new(maintenance),
            state: State::Up,
            taken_for: Watched::Unknown,
            unseen: Watched::Unknown,
            until: None,
            past: Stretches::default(),
            incident: None,
            is_planned: false,
            planned_until: Moment::NEVER,
            settled: Moment::NEVER,
        }
    }

    /// Takes on another promise, or other maintenance.
    pub fn set(&mut self, promise: Promise, maintenance: Vec<Planned>) {
        self.judge.set(promise.floor, promise.latency.is_some());
        self.promise = promise;
        self.calendar = Calendar::new(maintenance);
    }

    /// The time from `from` to `to` in pieces that are planned as a whole, or not at all.
    pub fn planned(&mut self, from: Stamp, to: Stamp) -> Vec<(Stamp, Stamp, bool)> {
        if from >= to {
            return Vec::new();
        }
        let (is_planned, until) = self.calendar.at(from);
        if until >= to {
            return vec![(from, to, is_planned)];
        }
        let (mut at, mut pieces) = (from, Vec::new());
        for (start, end) in planned(self.calendar.windows(), from, to) {
            if at < start {
                pieces.push((at, start, false));
            }
            pieces.push((start, end, true));
            at = end;
        }
        if at < to {
            pieces.push((at, to, false));
        }
        pieces
    }

    /// What is promised.
    pub fn promise(&self) -> &Promise {
        &self.promise
    }

    /// Whether the time now is planned.
    pub fn is_planned(&self) -> bool {
        self.is_planned
    }

    /// Until when the maintenance under way lasts, as far as that is known; `None` = there is none.
    pub fn maintenance_until(&mut self, at: Stamp) -> Option<Stamp> {
        let (is_planned, until) = self.calendar.at(at);
        is_planned.then_some(until)
    }

    /// Begins to account time at this moment. `goes_on`: another process has done so until now, and told of the maintenance under way.
    pub fn start(&mut self, now: Moment, at: Stamp, goes_on: bool) {
        self.until = Some((now, at));
        self.unseen = if goes_on { Watched::Up } else { Watched::Unknown };
        self.taken_for = self.unseen;
        self.is_planned = goes_on && self.calendar.at(at).0;
    }

    /// Whether the service is down.
    pub fn is_down(&self) -> bool {
        matches!(self.state, State::Down(_))
    }

    /// The incident under way.
    pub fn incident(&self) -> Option<&Incident> {
        self.incident.as_ref().map(|open| &open.incident)
    }

    /// Says why the incident under way has begun, and which backends it is about.
    pub fn explain(&mut self, cause: Cause, backends: Vec<Arc<str>>) {
        if let Some(open) = &mut self.incident {
            (open.incident.cause, open.incident.backends) = (cause, backends);
        }
    }

    /// Something was done while the incident is under way.
    pub fn acted(&mut self, at: Stamp, text: String) {
        if let Some(open) = &mut self.incident
            && open.incident.actions.len() < MOST_ACTIONS
        {
            open.incident.actions.push(Action { at, text });
        }
    }

    /// What the time is taken for while nobody knows how the service stands.
    pub fn unseen(&self) -> Watched {
        self.unseen
    }

    /// Accounts no time any more: another process does. Requests that end here are still counted.
    pub fn retire(&mut self) {
        (self.until, self.incident) = (None, None);
    }

    /// Takes a look. A new incident gets the number `next`, which is then one more.
    pub fn look(&mut self, look: &Look, next: &mut i64) -> Booked {
        let mut booked = Booked::default();
        let look = &Look { at: self.stamp(look), ..*look };
        let before = self.until.map_or(look.now, |(until, _)| until);
        // which of the requests came before the boundary is not known: a look takes some tenth of a second, and whoever announces maintenance has begun it
        let is_planned = self.account_time(look, &mut booked) || self.is_planned;
        self.count(look, before, is_planned, &mut booked);
        self.announce_maintenance(look, &mut booked);
        if let Some(is_usable) = look.is_usable {
            self.decide(look, is_usable, &mut booked);
        }
        self.keep_incident(look, next, &mut booked);
        self.taken_for = match (look.is_usable, self.state) {
            (None, _) => self.unseen,
            (Some(_), State::Down(_)) => Watched::Down,
            (Some(_), State::Up | State::UpByRequests) => Watched::Up,
        };
        booked
    }

    /// Counts requests only: for a process that was replaced.
    pub fn count_only(&mut self, look: &Look) -> Booked {
        let mut booked = Booked::default();
        self.is_planned = self.calendar.at(look.at).0;
        self.count(look, look.now, self.is_planned, &mut booked);
        booked
    }

    /// When a look is by the wall's clock, which goes on from the look before unless it was set.
    fn stamp(&self, look: &Look) -> Stamp {
        let goes_on = self.until.map(|(until, at)| at.plus(millis(look.now.since(until))));
        goes_on.filter(|at| look.at.since(*at).abs() < SLACK).unwrap_or(look.at)
    }

    /// Accounts the time since the look before. Returns whether some of it was planned.
    fn account_time(&mut self, look: &Look, booked: &mut Booked) -> bool {
        let Some((until, _)) = self.until.replace((look.now, look.at)) else { return false };
        let elapsed = look.now.since(until);
        let taken_for = if elapsed > UNWATCHED { Watched::Unknown } else { self.taken_for };
        let from = look.at.plus(-millis(elapsed));
        let mut some_planned = false;
        for (start, end, is_planned) in self.planned(from, look.at) {
            let watched = if is_planned { Watched::Planned } else { taken_for };
            let began = Moment::from_millis(until.as_millis() + start.since(from).unsigned_abs());
            let stretch = Stretch { began, from: start, ms: end.since(start), watched };
            self.enter(watched.tallies(start, stretch.ms), booked);
            self.past.push(stretch, look.now);
            if is_planned {
                self.planned_until = Moment::from_millis(began.as_millis() + stretch.ms.unsigned_abs());
            }
            some_planned |= is_planned && stretch.ms > 0;
        }
        some_planned
    }

    /// Counts the requests since the look before. Those that fall into maintenance count neither way.
    fn count(&mut self, look: &Look, before: Moment, is_planned: bool, booked: &mut Booked) {
        let Tally { good, failed, slow, excluded, .. } = look.requests;
        let counted = match is_planned {
            true => Tally { excluded: good + failed + slow + excluded, ..Tally::default() },
            false => Tally { good, failed, slow, excluded, ..Tally::default() },
        };
        self.judge.add(before, look.now, [counted.good, counted.failed, counted.slow]);
        if !counted.is_empty() {
            self.enter(vec![(look.at.floor(1000), counted)], booked);
        }
    }

    fn announce_maintenance(&mut self, look: &Look, booked: &mut Booked) {
        let (is_planned, until) = self.calendar.at(look.at);
        match (std::mem::replace(&mut self.is_planned, is_planned), is_planned) {
            (false, true) => booked.changes.push(Change::MaintenanceBegan(until)),
            (true, false) => booked.changes.push(Change::MaintenanceEnded),
            _ => {}
        }
    }

    /// Adds to what the look has brought, and to the incident under way.
    fn enter(&mut self, tallies: Vec<(Stamp, Tally)>, booked: &mut Booked) {
        if let Some(Open { incident, planned_ms, up, .. }) = &mut self.incident {
            for (_, tally) in &tallies {
                if let Some(up) = up {
                    up.good += tally.good;
                }
                *planned_ms += tally.planned;
                incident.down_ms += tally.down;
                incident.lost += tally.bad();
                incident.good += tally.good;
            }
        }
        booked.tallies.extend(tallies);
    }
}
