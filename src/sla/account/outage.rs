//! How a service stands, why, and how that is decided.

use std::fmt;

use super::under_way::Up;
use super::{Account, Booked, Look, Watched};
use crate::clock::{Moment, Stamp};
use crate::sla::judge::{Complaint, Finding};

/// How a service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is up.
    Up,
    /// It is up although no backend can be used: its requests say so.
    UpByRequests,
    /// It is down.
    Down(Outage),
}

/// A time in which a service is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: Moment,
    /// When that was found. Only requests that ended later can show that it is up again.
    pub found: Moment,
    /// Whether a backend could be used then.
    pub was_usable: bool,
}

/// Why a service is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No backend can be used.
    NoBackend,
    /// Its requests say so.
    Requests(Finding),
}

impl Account {
    /// Decides how the service stands from now on, and corrects what was taken for the opposite before.
    pub(super) fn decide(&mut self, look: &Look, usable: bool, booked: &mut Booked) {
        let now = look.now;
        match self.state {
            State::UpByRequests if usable => self.state = State::Up,
            State::Up if !usable => {
                // requests may have failed before that was found
                let since = self.judge.first_sign(now).unwrap_or(now);
                self.go_down(Outage { reason: Reason::NoBackend, since, found: now, was_usable: usable }, booked);
            }
            State::Up | State::UpByRequests => {
                if let Some(finding) = self.judge.finding(now) {
                    let reason = Reason::Requests(finding);
                    self.go_down(Outage { reason, since: finding.since, found: now, was_usable: usable }, booked);
                } else if self.state == State::UpByRequests && self.judge.is_silent(now) {
                    self.go_down(
                        Outage { reason: Reason::NoBackend, since: now, found: now, was_usable: usable },
                        booked,
                    );
                }
            }
            State::Down(Outage { reason: Reason::NoBackend, found, .. }) if usable => {
                // requests may have succeeded before that was found
                let since = self.judge.well_since(found).unwrap_or(now);
                let at = self.past.stamp_of(since).unwrap_or(look.at);
                self.go_up(State::Up, (since, at), booked);
            }
            State::Down(outage @ Outage { reason: Reason::Requests(_), was_usable: true, .. }) if !usable => {
                let reason = Reason::NoBackend;
                self.state = State::Down(Outage { reason, found: now, was_usable: usable, ..outage });
            }
            State::Down(outage) => self.look_for_recovery(outage, look, booked),
        }
    }

    /// Takes the service for up again when its requests show it, or when a backend can be used and there are no requests.
    fn look_for_recovery(&mut self, outage: Outage, look: &Look, booked: &mut Booked) {
        let is_usable = look.is_usable == Some(true);
        let up = if is_usable { State::Up } else { State::UpByRequests };
        let (complaint, share) = match outage.reason {
            Reason::NoBackend => (Complaint::Errors, 1.0),
            Reason::Requests(finding) => (finding.complaint, finding.share()),
        };
        if let Some(since) = self.judge.recovered(complaint, share, outage.found, look.now) {
            let at = self.past.stamp_of(since).unwrap_or(look.at);
            self.go_up(up, (since, at), booked);
        } else if is_usable && self.judge.is_silent(look.now) {
            self.go_up(up, (look.now, look.at), booked);
        }
    }

    fn go_down(&mut self, outage: Outage, booked: &mut Booked) {
        if let Some(open) = &mut self.incident {
            (open.up, open.incident.is_cut) = (None, false);
        }
        self.state = State::Down(outage);
        let corrections = self.past.correct(outage.since, Watched::Up, Watched::Down);
        self.enter(corrections, booked);
    }

    fn go_up(&mut self, state: State, (since, at): (Moment, Stamp), booked: &mut Booked) {
        self.state = state;
        // what requests said before says nothing about what comes now
        self.judge.forget_before(since);
        if let Some(open) = &mut self.incident {
            let lasted_ms = open.lasted(since) + self.past.ms_since(since, Watched::Planned);
            open.up = Some(Up { since, at, lasted_ms, good: self.judge.since(since).0 });
        }
        let corrections = self.past.correct(since, Watched::Down, Watched::Up);
        self.enter(corrections, booked);
    }
}

/// What is known here of the reason, for people.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Requests(Finding { complaint, bad, of, .. }) = self else {
            return f.write_str("no backend can be used");
        };
        match complaint {
            Complaint::Errors => write!(f, "{bad} of {of} requests failed"),
            Complaint::Latency => write!(f, "{bad} of {of} answers were slower than is promised"),
        }
    }
}
