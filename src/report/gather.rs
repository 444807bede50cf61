//! Makes a report of what the ledger holds: the same for the admin address and for whoever has only the file.

use std::collections::BTreeMap;

use super::model::{ClockJump, Day, Gap, MaintenanceWindow, Note, RecordedIncident, Report, ServiceReport};
use super::period::Period;
use super::{phrase, windows};
use crate::clock::Stamp;
use crate::ledger::{self, GapReason, Level, Reader, StoredIncident};
use crate::sla::Promise;
use crate::sla::maintenance::Planned;

/// The room in the ledger where promises are kept, by service: who has only the file learns there what was promised.
pub const PROMISES: &str = "promise";

/// How many attempts of a service a report has at most, the newest of them.
const ATTEMPTS: usize = 1_000;

/// What a report is made of, beside the ledger.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The period.
    pub period: &'a Period,
    /// The present.
    pub now: Stamp,
    /// These services only; none = all.
    pub services: &'a [String],
    /// What is promised now, where a process runs that knows it; it goes before what the ledger knows.
    pub promises: BTreeMap<String, Promise>,
    /// The windows of maintenance that the configuration has now, in the same way.
    pub windows: BTreeMap<String, Vec<Planned>>,
}

/// Makes it.
///
/// # Errors
///
/// What can't be read, or that nothing was ever promised of the service; for people.
pub fn report(reader: &Reader, asked: Asked<'_>) -> Result<Report, String> {
    let Asked { period, now, services: only, promises: current, windows } = asked;
    let mut promises = kept(reader)?;
    promises.extend(current);
    if let Some(name) = only.iter().find(|name| !promises.contains_key(*name)) {
        return Err(format!("nothing is known of a service {name:?} of which something was promised"));
    }
    promises.retain(|name, _| only.is_empty() || only.contains(name));
    let mut rules = windows::kept(reader)?;
    rules.extend(windows);
    let asked_names: Vec<String> = promises.keys().cloned().collect();
    let mut services = Vec::with_capacity(promises.len());
    for (name, promise) in promises {
        services.push(service(reader, &name, promise, period)?);
    }
    let (from, to) = (period.time.start, period.time.end);
    let head = reader.head()?;
    Ok(Report {
        made: now,
        period: period.time.clone(),
        label: period.label.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        services,
        maintenance: maintenance(reader, &asked_names, period)?.into_iter().map(sentence).collect(),
        windows: all_windows(reader, &asked_names, &rules, period, now)?,
        gaps: reader.gaps(from, to)?.into_iter().map(|one| gap(one, from)).collect(),
        jumps: reader.jumps(from, to)?.into_iter().map(|jump| ClockJump { at: jump.at, by_ms: jump.by_ms }).collect(),
        head: (head.seq > 0).then_some(head.hash),
        remarks: remarks(reader, &asked_names, period, now)?,
    })
}

/// Whether something was ever promised of a service.
///
/// # Errors
///
/// What can't be read; for people.
pub fn knows(reader: &Reader, service: &str) -> Result<bool, String> {
    Ok(kept(reader)?.contains_key(service))
}

/// What the ledger knows of promises.
fn kept(reader: &Reader) -> Result<BTreeMap<String, Promise>, String> {
    let kept = reader.kept(PROMISES)?;
    let read = |(name, text): (String, String)| serde_json::from_str(&text).ok().map(|promise| (name, promise));
    Ok(kept.into_iter().filter_map(read).collect())
}

/// What the ledger holds of one service in this period.
///
/// # Errors
///
/// What can't be read; for people.
pub fn service(reader: &Reader, name: &str, promise: Promise, period: &Period) -> Result<ServiceReport, String> {
    let (from, to) = (period.time.start, period.time.end);
    let mut days = Vec::new();
    for (start, tally) in reader.series(name, from, to, Level::Day)? {
        let end = start.plus(Level::Day.millis());
        // of a day that is not wholly in the period, only the part that is
        let tally = match start < from || end > to {
            true => reader.tallies(start.max(from), end.min(to))?.get(name).copied().unwrap_or_default(),
            false => tally,
        };
        days.push(Day { start: start.max(from), tally });
    }
    let incidents = reader.incidents(Some(name), from, to)?.into_iter().map(recorded).collect();
    let mut attempts = reader.recoveries(Some(name), 0, from, to, ATTEMPTS)?;
    attempts.reverse();
    Ok(ServiceReport::new(name, promise, &period.time, days, incidents).with_attempts(attempts))
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
fn gap(gap: ledger::Gap, from: Stamp) -> Gap {
    let why = match gap.why {
        GapReason::Stopped => "Evenkeel was stopped".to_owned(),
        GapReason::Crashed => "Evenkeel ended without a word".to_owned(),
        GapReason::Suspended => "the machine slept".to_owned(),
        GapReason::Stalled => "the process was stopped for a while, or kept from running".to_owned(),
        GapReason::SetAside { file } => {
            format!("the history before this was damaged; it is in {file}, as far as it can be read")
        }
    };
    Gap { time: gap.from.max(from)..gap.to, why }
}

/// The maintenance that was started by hand.
fn maintenance(reader: &Reader, names: &[String], period: &Period) -> Result<Vec<ledger::Maintenance>, String> {
    let announced = reader.maintenance(period.time.start)?.into_iter();
    let is_asked = |one: &ledger::Maintenance| names.iter().any(|name| **name == *one.service);
    Ok(announced.filter(|one| one.from < period.time.end && is_asked(one)).collect())
}

fn sentence(one: ledger::Maintenance) -> String {
    let (from, to) = (phrase::moment(one.from), phrase::moment(one.to));
    format!("{}: from {from} to {to} UTC, as {} announced: {}", one.service, one.who, one.reason)
}

/// All windows, by service and in order: those of the configuration, and those that were started by hand.
fn all_windows(
    reader: &Reader,
    names: &[String],
    rules: &BTreeMap<String, Vec<Planned>>,
    period: &Period,
    now: Stamp,
) -> Result<Vec<MaintenanceWindow>, String> {
    let by_hand = |one: ledger::Maintenance| MaintenanceWindow {
        service: one.service.to_string(),
        time: one.from..one.to,
        rule: None,
        reason: one.reason,
        who: one.who,
    };
    let mut all: Vec<_> = maintenance(reader, names, period)?.into_iter().map(by_hand).collect();
    for name in names {
        let rules = rules.get(name).map(Vec::as_slice).unwrap_or_default();
        all.extend(windows::configured(reader, name, rules, &period.time, now)?);
    }
    all.sort_by(|one, other| (&one.service, one.time.start).cmp(&(&other.service, other.time.start)));
    Ok(all)
}

fn remarks(reader: &Reader, names: &[String], period: &Period, now: Stamp) -> Result<Vec<String>, String> {
    let mut remarks = Vec::new();
    match reader.until()? {
        None => remarks.push("Nothing was accounted so far.".to_owned()),
        Some(until) if now.since(until) > 60_000 && until < period.time.end => {
            remarks.push(format!("The history ends at {until}: what came after that is not known."));
        }
        Some(_) => {}
    }
    for (name, since) in reader.services()? {
        if since > period.time.start && names.iter().any(|asked| **asked == *name) {
            remarks.push(format!("The accounts of {name} begin at {since}: what was before is not known."));
        }
    }
    if reader.is_partial() {
        remarks.push(
            "The newest part of the history can't be read, because the file is on a read-only file system without it."
                .to_owned(),
        );
    }
    Ok(remarks)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::ledger::{Batch, Keeper, Ledger};
    use crate::sla::{Tally, Window};

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_period_holds_what_was_in_it_and_not_the_rest_of_its_first_day() {
        let folder = std::env::temp_dir().join(format!("evenkeel-gather-{}", std::process::id()));
        let ledger = Ledger::of(&folder, Box::new(|trouble| panic!("{trouble}")));
        ledger.begin();
        let noon = Stamp::from_millis(1_795_780_800_000).floor(24 * HOUR).plus(12 * HOUR);
        let down = |at: Stamp| (Arc::<str>::from("api"), at, Tally { down: 1000, failed: 1, ..Tally::default() });
        let tallies = vec![down(noon.plus(-3 * HOUR)), down(noon.plus(-HOUR / 2)), down(noon)];
        let batch = Batch { tallies, keeper: Keeper(1), takes_over: true, until: Some(noon), ..Batch::default() };
        ledger.enter(batch).unwrap();
        assert!(ledger.flush(Duration::from_secs(60)));
        let promise: Promise = serde_json::from_str(
            &serde_json::to_string(&Promise {
                tier: None,
                target: 0.999,
                rto: Duration::from_secs(60),
                rpo: Duration::from_secs(1),
                mttr: Duration::from_secs(300),
                mtbf: Duration::from_secs(3600),
                window: Window::Rolling(Duration::from_secs(3600)),
                latency: None,
                floor: 0.95,
                protect: false,
            })
            .unwrap(),
        )
        .unwrap();
        let reader = ledger.read().unwrap();
        let of = |period: &Period| service(&reader, "api", promise.clone(), period).unwrap().summary.tally.down;
        assert_eq!(of(&Period::last("1h", noon).unwrap()), 1000);
        assert_eq!(of(&Period::last("4h", noon).unwrap()), 2000);
        assert_eq!(of(&Period { time: noon.floor(24 * HOUR)..noon.plus(12 * HOUR), label: String::new() }), 3000);
        drop((reader, ledger));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
