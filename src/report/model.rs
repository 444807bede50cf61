//! What a report holds.

use std::ops::Range;

use crate::clock::Stamp;
use crate::recover::{Attempt, Outcome};
use crate::sla::{Incident, Promise, Summary, Tally};

/// A report on services over a period.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// When it was made.
    pub made: Stamp,
    /// What it is about. The end may still be to come, as that of the month that it is.
    pub period: Range<Stamp>,
    /// The period in words: `November 2026`, `last 30 days`.
    pub label: String,
    /// The version of the program that made it.
    pub version: String,
    /// The services, in the order in which they are shown.
    pub services: Vec<ServiceReport>,
    /// Maintenance that was started by hand, in sentences: who announced it, when, and why.
    pub maintenance: Vec<String>,
    /// All windows of maintenance in the period up to now, by service and in order: those of the configuration and those that were started by hand.
    pub windows: Vec<MaintenanceWindow>,
    /// When nobody watched.
    pub gaps: Vec<Gap>,
    /// When the wall's clock was set.
    pub jumps: Vec<ClockJump>,
    /// The hash of the last record of the ledger: whoever kept it can tell later whether the history was changed. `None` = it has none.
    pub head: Option<String>,
    /// What else is not known, or has to be said about how it was counted, in sentences.
    pub remarks: Vec<String>,
}

/// What a report says of one service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceReport {
    /// Its name.
    pub name: String,
    /// What is promised of it.
    pub promise: Promise,
    /// The figures of the period.
    pub summary: Summary,
    /// Day by day, in order. Their sum is the tally of the summary.
    pub days: Vec<Day>,
    /// The incidents that touch the period, in order.
    pub incidents: Vec<RecordedIncident>,
    /// What was done about faults in the period, in order.
    pub attempts: Vec<Attempt>,
    /// What crashes have cost of the history.
    pub recovery_point: RecoveryPoint,
}

/// What crashes have cost of the history of a period. The time up to which all was on the disk is known, and that at which the next process began,
/// but not when in between the one before has ended. So what was lost of the time in which it ran is known only where all of the gap is short.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecoveryPoint {
    /// How often the process ended without a word.
    pub crashes: usize,
    /// The longest time of which nothing is known after such an end, in milliseconds.
    pub longest_ms: i64,
    /// A part of the history is missing for another reason: it was damaged, deleted, or is that of a copy.
    pub is_partial: bool,
}

/// What a day held, as far as it lies in the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// When it began, at midnight or with the period.
    pub start: Stamp,
    /// What it held.
    pub tally: Tally,
}

/// An incident as it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedIncident {
    /// The incident.
    pub incident: Incident,
    /// What people wrote about it, in order.
    pub notes: Vec<Note>,
    /// Whether it is sealed: a hash over it and all records before is in the ledger, so that a later change shows.
    pub is_sealed: bool,
}

/// What somebody wrote about an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub at: Stamp,
    /// Who.
    pub who: String,
    /// What.
    pub text: String,
}

/// A time in which what happened to a service did not count, because that was announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceWindow {
    /// The service.
    pub service: String,
    /// From when to when, also where that lies outside of the period.
    pub time: Range<Stamp>,
    /// The rule of the configuration that it is of, as it is written there; `None` = it was started by hand.
    pub rule: Option<String>,
    /// Why; empty where nobody has said so.
    pub reason: String,
    /// Who announced it.
    pub who: String,
}

/// A time in which nobody watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// From when to when.
    pub time: Range<Stamp>,
    /// Why, by its name in the ledger; `deleted` = the history was deleted by hand.
    pub reason: &'static str,
    /// Why, in words for people.
    pub why: String,
}

impl Gap {
    /// The name of a reason that is no reason of the ledger.
    pub const DELETED: &'static str = "deleted";

    /// How long it lasted, in milliseconds.
    pub fn lasted(&self) -> i64 {
        self.time.end.since(self.time.start)
    }

    /// Whether nobody watched; otherwise somebody did, and what he wrote down is gone.
    pub fn was_not_watched(&self) -> bool {
        ["stopped", "crashed", "suspended", "stalled"].contains(&self.reason)
    }
}

/// The wall's clock was set. Durations don't change with it: they are of the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockJump {
    /// When, by the clock after it was set.
    pub at: Stamp,
    /// By how many milliseconds it was set forward; negative = back.
    pub by_ms: i64,
}

impl ServiceReport {
    /// Of the days and incidents of a period. Incidents that don't touch the period are left out.
    pub fn new(
        name: impl Into<String>,
        promise: Promise,
        period: &Range<Stamp>,
        days: Vec<Day>,
        mut incidents: Vec<RecordedIncident>,
    ) -> Self {
        incidents.retain(|recorded| recorded.incident.touches(period));
        let mut tally = Tally::default();
        for day in &days {
            tally += day.tally;
        }
        let summary = Summary::of(&promise, period, &tally, incidents.iter().map(|recorded| &recorded.incident));
        Self {
            name: name.into(),
            promise,
            summary,
            days,
            incidents,
            attempts: Vec::new(),
            recovery_point: RecoveryPoint::default(),
        }
    }

    /// The same, where the history of so many milliseconds of the period was deleted by hand.
    #[must_use]
    pub fn with_deleted(self, deleted_ms: i64) -> Self {
        Self { summary: self.summary.with_deleted(&self.promise, deleted_ms), ..self }
    }

    /// The same, with what crashes have cost of the history.
    #[must_use]
    pub fn with_recovery_point(self, recovery_point: RecoveryPoint) -> Self {
        Self { recovery_point, ..self }
    }

    /// Whether crashes have cost no more of the history than was promised (the recovery point objective, RPO); `None` = that can't be known.
    pub fn rpo_met(&self) -> Option<bool> {
        let RecoveryPoint { longest_ms, is_partial, .. } = self.recovery_point;
        let is_met = !is_partial && u128::from(longest_ms.unsigned_abs()) <= self.promise.rpo.as_millis();
        is_met.then_some(true)
    }

    /// The same, with what was done about faults in the period.
    #[must_use]
    pub fn with_attempts(self, attempts: Vec<Attempt>) -> Self {
        Self { attempts, ..self }
    }

    /// The attempt that ended an incident: the last one that has healed something and was at work while the incident lasted.
    pub fn ended_by(&self, incident: &Incident) -> Option<&Attempt> {
        let ended = incident.ended.filter(|_| !incident.is_cut)?;
        let was_at_work = |attempt: &&Attempt| {
            let healed = attempt.recovery_ms.map(|time| Stamp::from_millis(attempt.raised + time));
            let acted = attempt.acted.map(Stamp::from_millis);
            acted.is_some_and(|acted| acted <= ended) && healed.is_some_and(|healed| healed >= incident.began)
        };
        let has_healed = |attempt: &&Attempt| attempt.outcome == Some(Outcome::Healed) && !attempt.dry_run;
        self.attempts.iter().rev().filter(has_healed).find(was_at_work)
    }
}

impl Report {
    /// Whether all of the period is over.
    pub fn is_over(&self) -> bool {
        self.made >= self.period.end
    }

    /// When the part of the period ends that is over.
    pub fn known_until(&self) -> Stamp {
        self.made.min(self.period.end)
    }

    /// How many services met their target, missed it, and of how many nothing is known.
    pub fn outcomes(&self) -> [usize; 3] {
        [Some(true), Some(false), None]
            .map(|outcome| self.services.iter().filter(|service| service.summary.compliant == outcome).count())
    }
}
