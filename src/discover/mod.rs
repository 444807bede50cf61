//! Backends that are found rather than written down: from DNS, from a file that something else keeps up to date, or from keys in etcd.
//!
//! ```text
//!   Answers (dns, file, etcd) ──answers, failures──▶ Standing ──news──▶ events, metrics, Board
//!                                                        └──the set, when it has changed──▶ the owner: the next snapshot
//! ```
//!
//! A [`Discovery`] runs on the control plane, one for each service that has a `discover` section. It tells its owner, through a
//! channel that keeps the newest only, when the set of backends has changed; what then happens (the next snapshot) is the owner's.
//! The set is sorted by id and has no id twice, so that the same answer in another order is no change.
//!
//! * `source`: a source as a stream of answers, each of which is a whole set; `dns`, `file` (with `watch`) and `etcd` (with `keys`) are the kinds
//! * `entry`: one backend as it is written in a file, or in a value of etcd
//! * `pace`: when a source is asked again
//! * `standing`: what is known of a source, and what is news in an answer
//! * `board`: the same for the admin API
//!
//! What it never does is take backends away because it could not ask: a look-up that fails, a file that can't be read and an etcd that is gone
//! leave the last good answer in place, are logged once, and are tried again at growing intervals.

pub mod board;
pub mod dns;
mod entry;
mod etcd;
pub mod file;
mod keys;
pub mod pace;
mod source;
pub mod standing;
pub mod watch;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};
use tokio::sync::watch::{Receiver, Sender, channel};

use crate::endpoint::Target;
use crate::etcd as etcd_client;
use crate::event::{DiscoveryChange, Events, Kind, Subject};
use crate::metrics::{age, names};
use board::Shown;
use dns::{Dns, Query};
use source::Answers;
use standing::{Change, News, Standing};

pub use crate::event::Refused;
pub use etcd::PATIENCE as ETCD_PATIENCE;

/// The most backends of one service.
pub const MOST: usize = 10_000;

/// A backend that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Its id, unique in the service.
    pub id: String,
    /// Its address as people read it.
    pub name: String,
    /// The address to connect to.
    pub target: Target,
    /// Further addresses: of its name, in the resolver's order, or those of `addresses`.
    pub further: Vec<SocketAddr>,
    /// Whether its addresses are paths to it, each with a health of its own.
    pub are_paths: bool,
    /// Why its name can't be looked up. Of `target` only the port is true then.
    pub unresolved: Option<String>,
    /// The host that it was found by: `Host` of last resort, and the name asked for in TLS.
    pub host: String,
    /// Its weight: 1 is the default, 0 = no new work.
    pub weight: u32,
    /// Its zone; may be empty.
    pub zone: String,
    /// How many exchanges it may have at a time; 0 = no limit.
    pub max_connections: u32,
    /// Whether it is used only when no other backend is available.
    pub backup: bool,
    /// Whether it gets no new work.
    pub drain: bool,
}

/// The backends of the last good answer: sorted by id, no id twice. `None` = there was no good answer yet.
pub type LastAnswer = Option<Arc<[Backend]>>;

/// Where backends come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// DNS, asked at least every `refresh`, and sooner when the answer holds for less.
    Dns {
        /// What is asked.
        query: Query,
        /// The longest time between two look-ups.
        refresh: Duration,
    },
    /// A file, read when it changes.
    File(PathBuf),
    /// The keys below a prefix of etcd, each a backend, watched.
    Etcd {
        /// Where etcd is, and who we are to it.
        settings: etcd_client::Settings,
        /// What the keys begin with.
        prefix: String,
    },
}

/// Keeps one service's backends up to date.
#[derive(Debug)]
pub struct Discovery {
    service: Arc<str>,
    answers: Answers,
    standing: Standing,
    found: Sender<LastAnswer>,
    /// Whether the source was asked once, with whatever result.
    asked_once: Sender<bool>,
    events: Arc<Events>,
    shown: Sender<Shown>,
    counters: Counters,
}

/// The counters of one service's discovery.
#[derive(Debug)]
struct Counters {
    /// 1 when the last answer was good, else 0.
    up: Gauge,
    changed: Counter,
    unchanged: Counter,
    failed: Counter,
    /// What of the last good answer could not be used.
    refused: Gauge,
}

/// A good answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Sorted by id, no id twice.
    pub backends: Vec<Backend>,
    /// What of it can't be used.
    pub refused: Vec<Refused>,
    /// How long it holds; `None` = the source does not say.
    pub ttl: Option<Duration>,
}

impl Discovery {
    /// A discovery for this service, and where it tells what it finds. `dns` is what DNS sources ask; `events` are told of changes.
    pub fn new(service: &str, source: Source, dns: Dns, events: Arc<Events>) -> (Self, Receiver<LastAnswer>) {
        let (found, receiver) = channel(None);
        let standing = Standing::default();
        let discovery = Self {
            service: service.into(),
            shown: channel(Shown::new(source.to_string().into(), &standing)).0,
            answers: Answers::of(source, dns),
            standing,
            found,
            asked_once: channel(false).0,
            events,
            counters: Counters::new(service),
        };
        (discovery, receiver)
    }

    /// Becomes `true` when the source was asked for the first time, whether it has answered or not.
    pub fn asked_once(&self) -> Receiver<bool> {
        self.asked_once.subscribe()
    }

    /// How its source stands.
    pub fn shown(&self) -> Receiver<Shown> {
        self.shown.subscribe()
    }

    /// Takes in one answer after the other, until the receiver is dropped.
    pub async fn run(mut self) {
        let found = self.found.clone();
        loop {
            tokio::select! {
                () = found.closed() => return,
                answer = self.answers.next(self.standing.last()) => drop(self.heard(answer)),
            }
        }
    }

    /// Takes in an answer, and tells what is news in it.
    fn heard(&mut self, answer: Result<Option<Answer>, String>) -> News {
        let (is_good, is_answer) = (answer.is_ok(), !matches!(answer, Ok(None)));
        let news = self.standing.answered(answer);
        self.counters.up.set(if is_good { 1.0 } else { 0.0 });
        if is_answer {
            self.counters.count(is_good, news.change.is_some());
            self.counters.refused.set(self.standing.refused().len() as f64);
        }
        if is_good && self.answers.are_fresh() {
            gauge!(names::DISCOVERY_AGE.name, "service" => self.service.to_string()).set(age::now());
        }
        self.tell(&news);
        if is_answer || news.recovered {
            self.shown.send_modify(|shown| *shown = Shown::new(Arc::clone(&shown.source), &self.standing));
        }
        if news.change.is_some() {
            self.found.send_replace(self.standing.last().cloned());
        }
        self.asked_once.send_replace(true);
        news
    }

    fn tell(&self, news: &News) {
        let backends = self.standing.last().map_or(0, |backends| backends.len());
        let tell = |change| self.events.tell(Subject::service(&self.service), Kind::Discovery(change));
        if let Some(reason) = &news.failing {
            tell(DiscoveryChange::Failed { reason: reason.clone(), backends });
        }
        if news.recovered {
            tell(DiscoveryChange::Recovered { backends });
        }
        if let Some(Change { added, removed }) = news.change {
            tell(DiscoveryChange::Changed { backends, added, removed });
        }
        if !news.refused.is_empty() {
            tell(DiscoveryChange::Refused {
                news: news.refused.clone(),
                refused: self.standing.refused().len(),
                backends,
            });
        }
    }
}

impl Counters {
    fn new(service: &str) -> Self {
        let answers = |outcome: &'static str| counter!(names::DISCOVERY_ANSWERS.name, "service" => service.to_owned(), "outcome" => outcome);
        Self {
            up: gauge!(names::DISCOVERY_UP.name, "service" => service.to_owned()),
            changed: answers("changed"),
            unchanged: answers("unchanged"),
            failed: answers("failed"),
            refused: gauge!(names::DISCOVERY_REFUSED.name, "service" => service.to_owned()),
        }
    }

    fn count(&self, is_good: bool, has_changed: bool) {
        let answers = match (is_good, has_changed) {
            (true, true) => &self.changed,
            (true, false) => &self.unchanged,
            (false, _) => &self.failed,
        };
        answers.increment(1);
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns { query, .. } => write!(f, "DNS {query}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Etcd { settings, prefix } => {
                let members: Vec<String> = settings.endpoints.iter().map(ToString::to_string).collect();
                write!(f, "etcd {prefix} at {}", members.join(", "))
            }
        }
    }
}

/// Sorts by id; of backends with the same id the first stays.
fn sorted(mut backends: Vec<Backend>) -> Result<Vec<Backend>, String> {
    backends.sort_by(|a, b| a.id.cmp(&b.id));
    backends.dedup_by(|later, first| later.id == first.id);
    if backends.len() > MOST {
        return Err(format!("it has {} backends, more than {MOST}", backends.len()));
    }
    Ok(backends)
}

#[cfg(test)]
mod tests;
