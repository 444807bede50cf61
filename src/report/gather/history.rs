//! What the ledger holds of a period, of all services: it is read once, and each service takes its part.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use crate::clock::Stamp;
use crate::ledger::{self, GapReason, Level, Reader, StoredIncident};
use crate::report::model::{Day, Gap, Note, RecordedIncident, RecoveryPoint, ServiceReport};
use crate::report::period::Period;
use crate::report::phrase;
use crate::sla::{Promise, Tally};

/// How many attempts of a service a report has at most, the newest of them.
const ATTEMPTS: usize = 1_000;

/// What each service held, by its name.
type Of<T> = HashMap<Arc<str>, T>;

/// What the ledger holds of a period.
#[derive(Debug)]
pub struct History<'a> {
    reader: &'a Reader,
    period: Range<Stamp>,
    days: Of<BTreeMap<Stamp, Tally>>,
    incidents: Of<Vec<StoredIncident>>,
    /// The part of the period of which the history was deleted by hand.
    deleted: Of<Range<Stamp>>,
    /// Since when each service is known.
    since: Of<Stamp>,
    gaps: Vec<ledger::Gap>,
}

impl<'a> History<'a> {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// What can't be read; for people.
    pub fn read(reader: &'a Reader, period: &Period) -> Result<Self, String> {
        let (from, to) = (period.time.start, period.time.end);
        let mut incidents: Of<Vec<StoredIncident>> = HashMap::new();
        for stored in reader.incidents(None, from, to)? {
            incidents.entry(Arc::clone(&stored.incident.service)).or_default().push(stored);
        }
        let deleted = reader.deleted(from, to)?;
        Ok(Self {
            days: days(reader, &period.time, &deleted)?,
            incidents,
            deleted,
            since: reader.services()?.into_iter().collect(),
            gaps: reader.gaps(from, to)?,
            period: period.time.clone(),
            reader,
        })
    }

    /// What it holds of one service.
    ///
    /// # Errors
    ///
    /// What can't be read; for people.
    pub fn service(&self, name: &str, promise: Promise) -> Result<ServiceReport, String> {
        let days = self.days.get(name).into_iter().flatten();
        // a day that was not wholly in the period has only its part
        let days = days.map(|(start, tally)| Day { start: (*start).max(self.period.start), tally: *tally }).collect();
        let incidents = self.incidents.get(name).into_iter().flatten().cloned().map(recorded).collect();
        let mut attempts = self.reader.recoveries(Some(name), 0, self.period.start, self.period.end, ATTEMPTS)?;
        attempts.reverse();
        let deleted = self.deleted.get(name).map_or(0, |part| part.end.since(part.start));
        Ok(ServiceReport::new(name, promise, &self.period, days, incidents)
            .with_attempts(attempts)
            .with_deleted(deleted)
            .with_recovery_point(self.recovery_point(name)))
    }

    /// When the accounts of a service begin: with its first entry, or where the history before was deleted by hand; `None` = it has none.
    pub fn begin(&self, name: &str) -> Option<Stamp> {
        let since = *self.since.get(name)?;
        Some(self.deleted.get(name).map_or(since, |part| part.end.max(since)))
    }

    /// The times of which nobody knows, in order. What was deleted of these services is one of them.
    pub fn gaps(&self, names: &[String]) -> Vec<Gap> {
        let parts = || names.iter().filter_map(|name| self.deleted.get(name.as_str()));
        let from = parts().map(|part| part.start).min();
        let deleted = from.zip(parts().map(|part| part.end).max()).map(|(from, to)| Gap {
            time: from..to,
            reason: Gap::DELETED,
            why: format!("the history before {} was deleted by hand", phrase::moment(to)),
        });
        let entered = self.gaps.iter().map(|gap| in_words(gap, self.period.start));
        deleted.into_iter().chain(entered).collect()
    }

    /// What crashes have cost of the history of a service.
    fn recovery_point(&self, name: &str) -> RecoveryPoint {
        let since = self.since.get(name).copied().unwrap_or_default();
        let mut point = RecoveryPoint { is_partial: self.deleted.contains_key(name), ..RecoveryPoint::default() };
        for gap in self.gaps.iter().filter(|gap| gap.to > since) {
            match gap.why {
                GapReason::Crashed => {
                    point.crashes += 1;
                    point.longest_ms = point.longest_ms.max(gap.to.since(gap.from));
                }
                GapReason::SetAside { .. } | GapReason::Restored { .. } | GapReason::Moved => point.is_partial = true,
                GapReason::Stopped | GapReason::Suspended | GapReason::Stalled => {}
            }
        }
        point
    }
}

/// The days of each service that a part of lies in the period, with that part. What was deleted is unknown.
fn days(
    reader: &Reader,
    period: &Range<Stamp>,
    deleted: &Of<Range<Stamp>>,
) -> Result<Of<BTreeMap<Stamp, Tally>>, String> {
    let length = Level::Day.millis();
    let rows = reader.all_series(period.start, period.end, Level::Day)?;
    let mut all: Of<BTreeMap<Stamp, Tally>> =
        rows.into_iter().map(|(name, rows)| (name, rows.into_iter().collect())).collect();
    for (name, part) in deleted {
        let days = all.entry(Arc::clone(name)).or_default();
        let mut start = Level::Day.floor(part.start);
        while start < part.end {
            let tally = days.entry(start).or_default();
            let end = start.plus(length);
            let unknown = end.min(part.end).since(start.max(part.start));
            // a clock that was set back may have left something there since
            tally.unknown += unknown.min(length - tally.elapsed()).max(0);
            start = end;
        }
    }
    let last = Level::Day.floor(period.end);
    for start in [Level::Day.floor(period.start), last] {
        let end = start.plus(length);
        if start >= period.end || (start >= period.start && end <= period.end) {
            continue;
        }
        let part = reader.tallies(start.max(period.start), end.min(period.end))?;
        for (name, days) in &mut all {
            if let Some(day) = days.get_mut(&start) {
                *day = part.get(name).copied().unwrap_or_default();
            }
        }
    }
    Ok(all)
}

fn recorded(stored: StoredIncident) -> RecordedIncident {
    let note = |note: ledger::Note| Note { at: note.at, who: note.who, text: note.text };
    RecordedIncident {
        is_sealed: stored.sealed.is_some(),
        incident: stored.incident,
        notes: stored.notes.into_iter().map(note).collect(),
    }
}

/// A gap, as far as it lies in a period that begins at `from`: one that nobody knows the begin of began with time itself.
fn in_words(gap: &ledger::Gap, from: Stamp) -> Gap {
    let why = match &gap.why {
        GapReason::Stopped => "Evenkeel was stopped".to_owned(),
        GapReason::Crashed => "Evenkeel ended without a word".to_owned(),
        GapReason::Suspended => "the machine slept".to_owned(),
        GapReason::Stalled => "the process was stopped for a while, or kept from running".to_owned(),
        GapReason::Moved => "the ledger was taken from its place, and another one was written".to_owned(),
        GapReason::SetAside { file } => {
            format!("the history before this was damaged; it is in {file}, as far as it can be read")
        }
        GapReason::Restored { file } => {
            let after = match file {
                Some(file) => format!("what came after it is in {file}"),
                None => "what came after it is not in it".to_owned(),
            };
            format!("the history was restored from a copy that ends at {}; {after}", phrase::moment(gap.from))
        }
    };
    Gap { time: gap.from.max(from)..gap.to, reason: gap.why.as_str(), why }
}
