//! What is handed to the ledger at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::level::{Level, Span};
use crate::clock::Stamp;
use crate::recover::Attempt;
use crate::sla::{Incident, Tally};

/// The room and the key of what is kept on how the history ended: [`STOPPED`], [`REPLACED`] or [`RESTORED`]; nothing = without a word.
pub const ENDED: (&str, &str) = ("process", "ended");

/// The process was told to stop.
pub const STOPPED: &str = "stopped";

/// Another process keeps the time from then on.
pub const REPLACED: &str = "replaced";

/// The history is that of a copy. The name of the file that has what came after follows, where there is one.
pub(super) const RESTORED: &str = "restored";

/// What is written at a time: all of it or nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// What was in a second, for each service. It is added to what is there, so a correction is the difference.
    pub tallies: Vec<(Arc<str>, Stamp, Tally)>,
    /// The same for longer stretches, where nothing is known of their parts.
    pub spans: Vec<Span>,
    /// Incidents that are new or have changed; each takes the place of that with its id.
    pub incidents: Vec<Incident>,
    /// What people have noted about incidents.
    pub notes: Vec<Note>,
    /// Stretches of which nobody knows.
    pub gaps: Vec<Gap>,
    /// Jumps of the wall's clock.
    pub jumps: Vec<ClockJump>,
    /// Maintenance that was announced or has changed; each takes the place of that with its id.
    pub maintenance: Vec<Maintenance>,
    /// Attempts to repair something that are new or have changed; each takes the place of that with its id.
    pub recoveries: Vec<Attempt>,
    /// Events.
    pub history: Vec<EventRow>,
    /// What other rooms want to be kept: room, key, value. No value = it is forgotten.
    pub kept: Vec<(String, String, Option<String>)>,
    /// The time up to which all time is accounted, with this batch.
    pub until: Option<Stamp>,
    /// For how many milliseconds the wall's clock has gone evenly by then: since the start, or since it was set.
    pub steady_ms: i64,
    /// The run of the process that this comes from.
    pub keeper: Keeper,
    /// From this batch on its run keeps the time, whichever did so before.
    pub takes_over: bool,
    /// Its run has begun without having read the ledger.
    pub unread: Option<Unread>,
    /// What has to be written before, in the same transaction, and was entered before its run took over. [`merge`](Self::merge) makes it.
    pub before: Option<Box<Batch>>,
}

/// A run of the process, by a number that it has drawn. While an upgrade lasts, two runs serve, and only one of them keeps the time: that of a
/// service passes once, however many processes watch it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keeper(pub u64);

/// A run that has begun while the ledger could not be read. What the history before it comes to is found out when this is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// When it has begun.
    pub at: Stamp,
    /// The services that it watches.
    pub services: Vec<Arc<str>>,
    /// Another process has watched them until then.
    pub was_watched: bool,
}

/// What somebody noted about an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The incident.
    pub incident: i64,
    /// When it was noted.
    pub at: Stamp,
    /// By whom.
    pub who: String,
    /// What.
    pub text: String,
}

/// A stretch of which nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Its begin.
    pub from: Stamp,
    /// Its end.
    pub to: Stamp,
    /// Why.
    pub why: GapReason,
}

/// Why nobody knows of a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GapReason {
    /// The process was told to stop.
    Stopped,
    /// It ended without a word.
    Crashed,
    /// The machine slept.
    Suspended,
    /// The process was stopped, and went on later.
    Stalled,
    /// The file was taken from its place while it was in use, and another one was written.
    Moved,
    /// The ledger was damaged; what it held is in this file, as far as it can be read.
    SetAside {
        /// The name of the file.
        file: String,
    },
    /// A copy was put in the place of the ledger: what came after the copy is not in it.
    Restored {
        /// The name of the file that has what came after; `None` = there was none, as on another machine.
        file: Option<String>,
    },
}

/// The wall's clock was set, forwards or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockJump {
    /// The time after it.
    pub at: Stamp,
    /// By how many milliseconds.
    pub by_ms: i64,
}

/// A time in which a service may be away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    /// Its number, unique in the ledger.
    pub id: i64,
    /// The service.
    pub service: Arc<str>,
    /// Its begin.
    pub from: Stamp,
    /// Its end.
    pub to: Stamp,
    /// Why.
    pub reason: String,
    /// Who announced it.
    pub who: String,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its number in the process that told it.
    pub id: u64,
    /// When it happened.
    pub time: Stamp,
    /// Its kind.
    pub kind: String,
    /// Its level.
    pub level: String,
    /// The service that it is about.
    pub service: Option<Arc<str>>,
    /// The backend that it is about.
    pub backend: Option<Arc<str>>,
    /// All of it, as the API shows it.
    pub json: String,
}

impl Batch {
    /// Appends a batch that was made later.
    pub fn merge(&mut self, mut later: Self) {
        if let Some(before) = later.before.take() {
            self.merge(*before);
        }
        if later.takes_over && !self.takes_over {
            // what came before it was not its run's to count: the two are told apart when they are written
            let earlier = std::mem::replace(self, later);
            self.before = Some(Box::new(earlier));
            return;
        }
        self.tallies.append(&mut later.tallies);
        self.spans.append(&mut later.spans);
        self.incidents.append(&mut later.incidents);
        self.notes.append(&mut later.notes);
        self.gaps.append(&mut later.gaps);
        self.jumps.append(&mut later.jumps);
        self.maintenance.append(&mut later.maintenance);
        // an attempt changes several times within seconds, and its output may be long
        self.recoveries.retain(|old| later.recoveries.iter().all(|new| new.id != old.id));
        self.recoveries.append(&mut later.recoveries);
        self.history.append(&mut later.history);
        self.kept.append(&mut later.kept);
        if later.until.is_some() {
            (self.until, self.steady_ms) = (later.until, later.steady_ms);
        }
        self.unread = self.unread.take().or(later.unread);
        // what belongs to no run (a copy of what another room keeps) takes nobody's place
        if later.keeper != Keeper::default() {
            self.keeper = later.keeper;
        }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self { keeper: self.keeper, ..Self::default() }
    }

    /// The latest time that it knows of.
    pub(super) fn time(&self) -> Option<Stamp> {
        self.until.or_else(|| self.tallies.iter().map(|(_, second, _)| second.plus(Level::Second.millis())).max())
    }

    /// How many rows of times there are.
    pub fn rows(&self) -> usize {
        self.tallies.len() + self.spans.len()
    }

    /// Bounds what it takes in memory while it waits for a disk: of what is old only minutes or hours are kept, the sooner the more rows there
    /// are, and each service, incident and kept value has one row.
    pub fn coarsen(&mut self) {
        if let Some(before) = &mut self.before {
            before.coarsen();
        }
        for kept in KEPT {
            self.coarsen_times(kept);
            if self.rows() <= MOST_ROWS {
                break;
            }
        }
        keep_last(&mut self.incidents, |incident| incident.id);
        keep_last(&mut self.maintenance, |maintenance| maintenance.id);
        keep_last(&mut self.kept, |(room, key, _)| (room.clone(), key.clone()));
        let surplus = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..surplus);
    }

    /// Keeps seconds and minutes for so many milliseconds, and then what is coarser.
    fn coarsen_times(&mut self, (seconds, minutes): (i64, i64)) {
        let Some(now) = self.time() else { return };
        let level = |start: Stamp| match now.since(start) {
            age if age > minutes => Level::Hour,
            age if age > seconds => Level::Minute,
            _ => Level::Second,
        };
        let seconds = self.tallies.drain(..).map(|(service, start, tally)| (service, Level::Second, start, tally));
        let spans = self.spans.drain(..).map(|span| (span.service, span.level, span.start, span.tally));
        let mut sums: BTreeMap<(Arc<str>, Level, Stamp), Tally> = BTreeMap::new();
        for (service, own, start, tally) in seconds.chain(spans) {
            let level = own.max(level(start));
            *sums.entry((service, level, level.floor(start))).or_default() += tally;
        }
        for ((service, level, start), tally) in sums {
            match level {
                Level::Second => self.tallies.push((service, start, tally)),
                _ => self.spans.push(Span { service, level, start, tally }),
            }
        }
    }
}

/// For how long seconds and minutes wait as such, in milliseconds: the first of these that leaves no more rows than [`MOST_ROWS`] is taken, or
/// the last one.
const KEPT: [(i64, i64); 4] = [
    (10 * Level::Minute.millis(), 6 * Level::Hour.millis()),
    (2 * Level::Minute.millis(), Level::Hour.millis()),
    (0, 10 * Level::Minute.millis()),
    (0, 0),
];

/// How many rows of times wait for a disk at most, unless hours alone are more. A row takes some hundred bytes.
pub(super) const MOST_ROWS: usize = 50_000;

/// How many events wait for a disk at most; older ones are dropped.
const HISTORY: usize = 10_000;

/// Keeps the last of those with the same key.
fn keep_last<T, K: Ord>(items: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let mut last: BTreeMap<K, T> = BTreeMap::new();
    for item in items.drain(..) {
        last.insert(key(&item), item);
    }
    items.extend(last.into_values());
}

impl GapReason {
    /// The name in the ledger, the API and reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Crashed => "crashed",
            Self::Suspended => "suspended",
            Self::Stalled => "stalled",
            Self::Moved => "moved",
            Self::SetAside { .. } => "set_aside",
            Self::Restored { .. } => "restored",
        }
    }

    /// The one with this name, and this file if it names one.
    pub(super) fn named(name: &str, file: Option<String>) -> Option<Self> {
        let plain = [Self::Stopped, Self::Crashed, Self::Suspended, Self::Stalled, Self::Moved];
        match file {
            Some(file) if name == "set_aside" => Some(Self::SetAside { file }),
            file if name == "restored" => Some(Self::Restored { file }),
            _ => plain.into_iter().find(|reason| reason.as_str() == name),
        }
    }

    /// The file that it names.
    pub(super) fn file(&self) -> Option<&str> {
        match self {
            Self::SetAside { file } => Some(file),
            Self::Restored { file } => file.as_deref(),
            Self::Stopped | Self::Crashed | Self::Suspended | Self::Stalled | Self::Moved => None,
        }
    }

    /// What the word in [`ENDED`](super::ENDED) says of the time after the end.
    pub fn after(word: Option<&str>) -> Self {
        match word.map(|word| word.split_once(' ').unwrap_or((word, ""))) {
            Some((STOPPED, _)) => Self::Stopped,
            Some((RESTORED, file)) => Self::Restored { file: (!file.is_empty()).then(|| file.to_owned()) },
            _ => Self::Crashed,
        }
    }
}
