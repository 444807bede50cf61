//! Recorded samples: how they are written and read, and how detectors are run over them (`evenkeel detect --replay`).
//!
//! ```text
//!   lines ─▶ reader ─▶ Row ─▶ Replay ─▶ Player, one for each service ─▶ Event
//!            (CSV or JSON)              (rows of a moment are one look)
//! ```
//!
//! * [`column`]: what a row may say; the same columns are written by `detect.record`
//! * [`reader`]: rows out of lines, with what is wrong with them
//! * [`figures`]: a row's figures as a sample, and a sample as a row's figures
//! * [`quantiles`]: latencies out of their percentiles
//! * [`player`]: the detection of one service, run over its rows
//! * `series`: rows that hold nothing but a value
//!
//! A file may be larger than the memory: rows are read one after the other, and none is kept.

pub mod column;
pub mod event;
pub mod figures;
mod lines;
pub mod player;
mod quantiles;
pub mod reader;
mod series;
mod time;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::detect::fault::Fault;
use crate::detect::service::{Backend, Settings};
use event::{Event, What};
use player::Player;
use reader::Row;
use series::SeriesPlayer;

/// More services in one file are no services.
const MOST_SERVICES: usize = 1000;

/// More series in one file are none.
const MOST_SERIES: usize = 10_000;

/// What the detection of a service is told: its settings, and the hosts and zones of the backends that are known.
pub type SetUp<'a> = dyn Fn(&str) -> (Settings, Vec<Backend>) + 'a;

/// The detection of all services of a file.
pub struct Replay<'a> {
    set_up: &'a SetUp<'a>,
    /// The only service that is looked at.
    only: Option<&'a str>,
    players: BTreeMap<Arc<str>, Player>,
    /// By service and name.
    series: BTreeMap<(Arc<str>, String), SeriesPlayer>,
    summary: Summary,
}

/// What has been seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Rows that were looked at.
    pub samples: u64,
    /// Rows that hold nothing but a value of a series.
    pub values: u64,
    /// Rows of services that were not asked for.
    pub others: u64,
    /// Backends.
    pub backends: usize,
    /// The times of the first row and of the last, since 1970.
    pub span: Option<(Duration, Duration)>,
    /// How many verdicts were raised, by fault.
    pub raised: BTreeMap<Fault, u64>,
    /// How many verdicts still hold.
    pub holding: usize,
    /// How many values were anomalous.
    pub unusual: u64,
    /// How often the `peers` detector would have had a backend ejected.
    pub accused: u64,
}

impl<'a> Replay<'a> {
    /// Nothing has been read. `only`: the rows of other services are passed over, where rows name their services.
    pub fn new(set_up: &'a SetUp<'a>, only: Option<&'a str>) -> Self {
        Self { set_up, only, players: BTreeMap::new(), series: BTreeMap::new(), summary: Summary::default() }
    }

    /// Takes in a row, and tells what follows from those before it.
    ///
    /// # Errors
    ///
    /// What is wrong with the row.
    pub fn row(&mut self, row: &Row, tell: &mut dyn FnMut(Event)) -> Result<(), String> {
        let named = if row.service.is_empty() { self.only.unwrap_or_default() } else { &row.service };
        if self.only.is_some_and(|only| only != named) {
            self.summary.others += 1;
            return Ok(());
        }
        let mut tell = counting(&mut self.summary, tell);
        match row.figures.only_value() {
            Some(value) => {
                let series = series(&mut self.series, self.set_up, named, &row.backend)?;
                series.row(row, value, &mut tell)?;
            }
            None => player(&mut self.players, self.set_up, named)?.row(row, &mut tell)?,
        }
        drop(tell);
        match row.figures.only_value() {
            Some(_) => self.summary.values += 1,
            None => self.summary.samples += 1,
        }
        let (first, last) = self.summary.span.unwrap_or((row.time, row.time));
        self.summary.span = Some((first.min(row.time), last.max(row.time)));
        Ok(())
    }

    /// There are no more rows.
    pub fn end(mut self, tell: &mut dyn FnMut(Event)) -> Summary {
        for player in self.players.values_mut() {
            player.end(&mut counting(&mut self.summary, tell));
            self.summary.backends += player.backends();
            self.summary.holding += player.holding();
        }
        self.summary
    }
}

/// The detection of this service, which begins with its first row.
fn player<'a>(
    players: &'a mut BTreeMap<Arc<str>, Player>,
    set_up: &SetUp<'_>,
    service: &str,
) -> Result<&'a mut Player, String> {
    if !players.contains_key(service) {
        if players.len() >= MOST_SERVICES {
            return Err(format!("more than {MOST_SERVICES} services: is `service` the right column?"));
        }
        let (settings, known) = set_up(service);
        let name: Arc<str> = service.into();
        players.insert(Arc::clone(&name), Player::new(name, settings, known));
    }
    players.get_mut(service).ok_or_else(String::new)
}

/// The series of this name, which begins with its first row.
fn series<'a>(
    all: &'a mut BTreeMap<(Arc<str>, String), SeriesPlayer>,
    set_up: &SetUp<'_>,
    service: &str,
    name: &str,
) -> Result<&'a mut SeriesPlayer, String> {
    if all.len() >= MOST_SERIES && !all.contains_key(&(service.into(), name.to_owned())) {
        return Err(format!("more than {MOST_SERIES} series: is `backend` the right column?"));
    }
    let service: Arc<str> = service.into();
    let new = || SeriesPlayer::new(Arc::clone(&service), name, set_up(&service).0.anomaly);
    Ok(all.entry((Arc::clone(&service), name.to_owned())).or_insert_with(new))
}

/// Tells of events and counts them.
fn counting<'a>(summary: &'a mut Summary, tell: &'a mut dyn FnMut(Event)) -> impl FnMut(Event) + 'a {
    |event| {
        match &event.what {
            What::Raised(verdict) => *summary.raised.entry(verdict.fault).or_default() += 1,
            What::Accused(_) => summary.accused += 1,
            What::Unusual { .. } => summary.unusual += 1,
            What::Cleared(..) | What::LeftOut(..) => {}
        }
        tell(event);
    }
}
