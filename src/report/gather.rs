//! Makes a report of what the ledger holds: the same for the admin address and for whoever has only the file.

use std::collections::BTreeMap;

mod history;

use super::model::{ClockJump, MaintenanceWindow, Report};
use super::period::Period;
use super::{phrase, windows};
use crate::clock::Stamp;
use crate::ledger::{self, Reader};
use crate::sla::Promise;
use crate::sla::maintenance::Planned;
pub use history::History;

/// The room in the ledger where promises are kept, by service: who has only the file learns there what was promised.
pub const PROMISES: &str = "promise";

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
    let history = History::read(reader, period)?;
    let mut services = Vec::with_capacity(promises.len());
    for (name, promise) in promises {
        services.push(history.service(&name, promise)?);
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
        gaps: history.gaps(&asked_names),
        jumps: reader.jumps(from, to)?.into_iter().map(|jump| ClockJump { at: jump.at, by_ms: jump.by_ms }).collect(),
        head: (head.seq > 0).then_some(head.hash),
        remarks: remarks(reader, &history, &asked_names, period, now)?,
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

fn remarks(
    reader: &Reader,
    history: &History<'_>,
    names: &[String],
    period: &Period,
    now: Stamp,
) -> Result<Vec<String>, String> {
    let mut remarks = Vec::new();
    match reader.until()? {
        None => remarks.push("Nothing was accounted so far.".to_owned()),
        Some(until) if now.since(until) > 60_000 && until < period.time.end => {
            remarks.push(format!("The history ends at {until}: what came after that is not known."));
        }
        Some(_) => {}
    }
    for name in names {
        if let Some(begin) = history.begin(name).filter(|begin| *begin > period.time.start) {
            remarks.push(format!("The accounts of {name} begin at {begin}: what was before is not known."));
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
mod measure;
#[cfg(test)]
mod tests;
