//! Backends that are found rather than written down: from DNS, or from a file that something else keeps up to date.
//!
//! A [`Discovery`] runs on the control plane, one for each service that has a `discover` section. It tells its owner, through a
//! channel that keeps the newest only, when the set of backends has changed; what then happens (the next snapshot) is the owner's.
//! The set is sorted by id and has no id twice, so that the same answer in another order is no change.
//!
//! What it never does is take backends away because it could not ask: a look-up that fails and a file that can't be read leave the
//! last good answer in place, are logged once, and are tried again at growing intervals ([`polling`]).

pub mod dns;
pub mod file;
pub mod polling;
pub mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};
use tokio::sync::watch::{Receiver, Sender, channel};

use crate::endpoint::Target;
use crate::event::{DiscoveryChange, Events, Kind, Subject};
use crate::metrics::{age, names};
use dns::{Dns, Query};
use polling::{Outlook, Polling};
use watch::FileWatch;

/// The most backends of one service.
pub const MOST: usize = 10_000;

/// When a file is read again, though it is the same, because a name in it has no address.
const UNKNOWN_AGAIN: Duration = Duration::from_secs(5);

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
}

/// Keeps one service's backends up to date.
#[derive(Debug)]
pub struct Discovery {
    service: Arc<str>,
    source: OpenSource,
    polling: Polling,
    found: Sender<LastAnswer>,
    /// Whether the source was asked once, with whatever result.
    asked_once: Sender<bool>,
    events: Arc<Events>,
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
}

/// A source with what is needed to ask it.
#[derive(Debug)]
enum OpenSource {
    Dns { dns: Box<Dns>, query: Query },
    File { path: PathBuf, watch: FileWatch },
}

/// A good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Sorted by id, no id twice.
    pub backends: Vec<Backend>,
    /// How long it holds; `None` = the source does not say.
    pub ttl: Option<Duration>,
}

impl Discovery {
    /// A discovery for this service, and where it tells what it finds. `dns` is what DNS sources ask; `events` are told of changes.
    pub fn new(service: &str, source: Source, dns: Dns, events: Arc<Events>) -> (Self, Receiver<LastAnswer>) {
        let (source, refresh) = match source {
            Source::Dns { query, refresh } => (OpenSource::Dns { dns: Box::new(dns), query }, Some(refresh)),
            Source::File(path) => (OpenSource::File { watch: FileWatch::new(path.clone()), path }, None),
        };
        let (found, receiver) = channel(None);
        let discovery = Self {
            service: service.into(),
            source,
            polling: Polling::new(refresh),
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

    /// Asks the source again and again, until the receiver is dropped.
    pub async fn run(mut self) {
        loop {
            let outlook = self.poll().await;
            let found = self.found.clone();
            tokio::select! {
                () = found.closed() => return,
                () = self.source.wait(outlook.delay) => {}
            }
        }
    }

    /// Asks once, and tells what has changed.
    async fn poll(&mut self) -> Outlook {
        let result = self.source.ask(self.polling.last()).await;
        let is_good = result.is_ok();
        let outlook = self.polling.answered(result);
        self.counters.count(is_good, outlook.change.is_some());
        // a file is read when it changes: how long ago that was says nothing
        if is_good && matches!(self.source, OpenSource::Dns { .. }) {
            gauge!(names::DISCOVERY_AGE.name, "service" => self.service.to_string()).set(age::now());
        }
        self.tell(&outlook);
        if outlook.change.is_some() {
            self.found.send_replace(self.polling.last().cloned());
        }
        self.asked_once.send_replace(true);
        outlook
    }

    fn tell(&self, outlook: &Outlook) {
        let backends = self.polling.last().map_or(0, |backends| backends.len());
        let tell = |change| self.events.tell(Subject::service(&self.service), Kind::Discovery(change));
        if let Some(reason) = &outlook.failing {
            tell(DiscoveryChange::Failed { reason: reason.clone(), backends });
        }
        if outlook.recovered {
            tell(DiscoveryChange::Recovered { backends });
        }
        if let Some(polling::Change { added, removed }) = outlook.change {
            tell(DiscoveryChange::Changed { backends, added, removed });
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
        }
    }

    fn count(&self, is_good: bool, has_changed: bool) {
        self.up.set(if is_good { 1.0 } else { 0.0 });
        let answers = match (is_good, has_changed) {
            (true, true) => &self.changed,
            (true, false) => &self.unchanged,
            (false, _) => &self.failed,
        };
        answers.increment(1);
    }
}

impl OpenSource {
    async fn ask(&mut self, last: Option<&Arc<[Backend]>>) -> Result<Answer, String> {
        match self {
            Self::Dns { dns, query } => dns.ask(query, last.map_or(&[], |last| last)).await,
            Self::File { path, .. } => {
                let (path, last) = (path.clone(), last.cloned().unwrap_or_default());
                // names in it are looked up as well: the control plane does not wait for that
                let read = tokio::task::spawn_blocking(move || file::read(&path, &last)).await;
                let backends = read.unwrap_or_else(|_| Err("reading it panicked".to_owned()))?;
                let ttl = backends.iter().any(|backend| backend.unresolved.is_some()).then_some(UNKNOWN_AGAIN);
                Ok(Answer { backends, ttl })
            }
        }
    }

    /// Waits until the source is to be asked again: after `delay`, or, for a file, when it has changed.
    async fn wait(&mut self, delay: Option<Duration>) {
        let later = async {
            match delay {
                Some(delay) => tokio::time::sleep(delay).await,
                None => std::future::pending().await,
            }
        };
        match self {
            Self::Dns { .. } => later.await,
            Self::File { watch, .. } => tokio::select! {
                () = later => {}
                () = watch.changed() => {}
            },
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
