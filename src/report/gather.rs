//! Makes a report of what the ledger holds: the same for the admin address and for whoever has only the file.

use std::collections::BTreeMap;

mod history;

use super::model::{ClockJump, Report};
use super::period::Period;
use super::phrase;
use crate::clock::Stamp;
use crate::ledger::{self, Reader};
use crate::sla::Promise;
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
    /// This service only.
    pub service: Option<&'a str>,
    /// What is promised now, where a process runs that knows it; it goes before what the ledger knows.
    pub promises: BTreeMap<String, Promise>,
}

/// Makes it.
///
/// # Errors
///
/// What can't be read, or that nothing was ever promised of the service; for people.
pub fn report(reader: &Reader, asked: Asked<'_>) -> Result<Report, String> {
    let Asked { period, now, service: only, promises: current } = asked;
    let mut promises = kept(reader)?;
    promises.extend(current);
    promises.retain(|name, _| only.is_none_or(|only| only == name));
    if let Some(name) = only.filter(|_| promises.is_empty()) {
        return Err(format!("nothing is known of a service {name:?} of which something was promised"));
    }
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
        maintenance: maintenance(reader, &asked_names, period)?,
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

/// The maintenance that was started by hand, in sentences.
fn maintenance(reader: &Reader, names: &[String], period: &Period) -> Result<Vec<String>, String> {
    let announced = reader.maintenance(period.time.start)?.into_iter();
    let announced =
        announced.filter(|one| one.from < period.time.end && names.iter().any(|name| **name == *one.service));
    let sentence = |one: ledger::Maintenance| {
        let (from, to) = (phrase::moment(one.from), phrase::moment(one.to));
        format!("{}: from {from} to {to} UTC, as {} announced: {}", one.service, one.who, one.reason)
    };
    Ok(announced.map(sentence).collect())
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
