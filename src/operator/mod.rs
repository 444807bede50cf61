//! What operators say of backends: drain, disable, enable, a weight.
//!
//! A word is in force when it is answered (it is put into the backend's standing, which the data plane asks at each pick) and holds until
//! it is taken back or its time is over, through reloads, restarts, crashes and upgrades: it is kept in `state_dir`, by the names of the
//! service and the backend. So it also holds for a backend that goes and comes back.

mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use ahash::RandomState;
use dashmap::DashMap;

use crate::endpoint::Endpoint;
use crate::endpoint::standing::Override;
use crate::event::{Events, Kind, Subject};

/// The largest weight, as in the configuration.
pub const HEAVIEST: u32 = 65_535;
/// The longest reason that is kept, in bytes.
pub const LONGEST_REASON: usize = 1024;

/// What may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// It keeps its sessions and gets no new ones.
    Drain,
    /// It gets nothing.
    Disable,
    /// It takes part: takes back the two above, and goes before what the configuration and the agent say.
    Enable,
    /// Its weight; `None` = as configured.
    Weight(Option<u32>),
}

/// Who said something, why, and until when it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The name of a token, a client certificate's subject, or an address.
    pub who: String,
    /// In the operator's words.
    pub reason: Option<String>,
    /// `None` = until it is taken back.
    pub until: Option<SystemTime>,
}

/// All that operators have said and not taken back.
#[derive(Debug)]
pub struct Operators {
    said: DashMap<Name, Said, RandomState>,
    /// Where it is kept; `None` = nowhere.
    file: Option<PathBuf>,
    /// Held by the one that writes it. Whether the last one has failed to, which is told once.
    writing: tokio::sync::Mutex<bool>,
    events: Arc<Events>,
    is_retired: AtomicBool,
    /// What is in the file could not be read, and is not written over.
    is_unread: AtomicBool,
}

/// A service and a backend.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Name {
    service: Arc<str>,
    backend: Arc<str>,
}

/// What was said of one backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Said {
    wanted: Option<(Command, Note)>,
    weight: Option<(u32, Note)>,
}

impl Command {
    /// By the word that the API, the command line and the file have for it; a weight has its number beside it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "drain" => Some(Self::Drain),
            "disable" => Some(Self::Disable),
            "enable" => Some(Self::Enable),
            _ => None,
        }
    }

    /// That word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Weight(_) => "weight",
        }
    }
}

impl Note {
    /// For people: why, who, and until when.
    fn text(&self) -> String {
        let until = self.until.map(|until| format!(", until {}", crate::clock::rfc3339(until))).unwrap_or_default();
        match &self.reason {
            Some(reason) => format!("{reason} (by {}{until})", self.who),
            None => format!("by {}{until}", self.who),
        }
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Operators {
    /// What is kept in `folder`, if anything; without one, nothing is kept. A file that can't be understood is set aside, and the log says so.
    pub fn load(folder: Option<&Path>, events: Arc<Events>) -> Self {
        let file = folder.map(|folder| folder.join(file::NAME));
        let operators = Self {
            said: DashMap::default(),
            file,
            writing: tokio::sync::Mutex::default(),
            events,
            is_retired: AtomicBool::new(false),
            is_unread: AtomicBool::new(false),
        };
        operators.reload();
        operators
    }

    /// Reads again what is kept: the process that was served by before may have been told more since.
    pub fn reload(&self) {
        let Some(path) = &self.file else { return };
        let read = file::read(path);
        self.is_unread.store(matches!(read, Err((_, false))), Ordering::Relaxed);
        match read {
            Ok(said) => {
                self.said.clear();
                said.into_iter().for_each(|(name, said)| _ = self.said.insert(name, said));
            }
            Err((why, _)) => {
                tracing::error!(file = %path.display(), "what operators have said before is not known: {why}")
            }
        }
    }

    /// Does what an operator says of a backend. It is in force when this returns; [`keep`](Self::keep) makes it last.
    pub fn say(&self, endpoint: &Endpoint, command: Command, note: Note) {
        let name = Name { service: Arc::clone(&endpoint.service), backend: Arc::clone(&endpoint.id) };
        {
            let mut said = self.said.entry(name.clone()).or_default();
            match command {
                // nothing is left to be said where nobody else keeps it from its work
                Command::Enable
                    if note.until.is_none()
                        && !endpoint.draining
                        && endpoint.live.standing.agent() == Override::Configured =>
                {
                    said.wanted = None;
                }
                Command::Drain | Command::Disable | Command::Enable => said.wanted = Some((command, note.clone())),
                Command::Weight(weight) => said.weight = weight.map(|weight| (weight, note.clone())),
            }
            said.apply(endpoint);
        }
        self.said.remove_if(&name, |_, said| said.is_empty());
        let weight = if let Command::Weight(weight) = command { weight } else { None };
        let Note { who, reason, until } = note;
        let subject = Subject::backend(&endpoint.service, &endpoint.id);
        self.events.tell(subject, Kind::Operator { command: command.name(), who, reason, until, weight });
    }

    /// Makes what was said true of these backends, some of which may have just come; and what was taken back elsewhere, untrue.
    pub fn apply<'a>(&self, endpoints: impl Iterator<Item = &'a Arc<Endpoint>>) {
        for endpoint in endpoints {
            let name = Name { service: Arc::clone(&endpoint.service), backend: Arc::clone(&endpoint.id) };
            match self.said.get(&name) {
                Some(said) => said.apply(endpoint),
                None if endpoint.live.standing.has_operator_override() => Said::default().apply(endpoint),
                None => {}
            }
        }
    }

    /// Another process has taken over, and with it what operators say: this one neither takes nor writes any more of it.
    pub fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
    }

    /// Whether another process has taken over.
    pub fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Relaxed)
    }

    /// Takes back what was to hold until `now`; gives back whether there was any of it.
    pub fn expire<'a>(&self, now: SystemTime, endpoints: impl Iterator<Item = &'a Arc<Endpoint>>) -> bool {
        if self.is_retired() {
            return false;
        }
        let mut over = Vec::new();
        for mut entry in self.said.iter_mut() {
            let name = entry.key().clone();
            over.extend(entry.value_mut().take_over(now).map(|(command, who)| (name.clone(), command, who)));
        }
        if over.is_empty() {
            return false;
        }
        for endpoint in endpoints {
            let is_of = |name: &Name| name.service == endpoint.service && name.backend == endpoint.id;
            if over.iter().any(|(name, ..)| is_of(name)) {
                let name = Name { service: Arc::clone(&endpoint.service), backend: Arc::clone(&endpoint.id) };
                self.said.get(&name).map(|said| said.clone()).unwrap_or_default().apply(endpoint);
            }
        }
        self.said.retain(|_, said| !said.is_empty());
        for (name, command, who) in over {
            let subject = Subject::backend(&name.service, &name.backend);
            self.events.tell(subject, Kind::OperatorExpired { command: command.name(), who });
        }
        true
    }

    /// Writes down what holds, so that it outlives the process; `false` when it can't be, which is told once until it can again.
    pub async fn keep(&self) -> bool {
        let Some(path) = self.file.clone() else { return false };
        let mut has_failed = self.writing.lock().await;
        if self.is_retired() {
            return false;
        }
        let mut all: Vec<_> = self.said.iter().map(|entry| (entry.key().clone(), entry.value().clone())).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        // a disk may take its time, and nobody else is to wait for it
        let is_unread = self.is_unread.load(Ordering::Relaxed);
        let write = move || match is_unread {
            true => Err(std::io::Error::other("what is in it could not be read, and is not written over")),
            false => file::write(&path, &all),
        };
        let written = tokio::task::spawn_blocking(write).await;
        let written =
            written.map_err(|broken| broken.to_string()).and_then(|done| done.map_err(|error| error.to_string()));
        let had_failed = std::mem::replace(&mut *has_failed, written.is_err());
        match written {
            Ok(()) => true,
            Err(_) if had_failed => false,
            Err(reason) => {
                self.events.tell(Subject::default(), Kind::OperatorNotKept { reason });
                false
            }
        }
    }
}

impl Said {
    fn is_empty(&self) -> bool {
        self.wanted.is_none() && self.weight.is_none()
    }

    /// Puts it into a backend's standing.
    fn apply(&self, endpoint: &Endpoint) {
        let standing = &endpoint.live.standing;
        let (wanted, text) = match &self.wanted {
            None => (Override::Configured, String::new()),
            Some((Command::Drain, note)) => (Override::Drained, note.text()),
            Some((Command::Disable, note)) => (Override::Disabled, note.text()),
            Some((_, note)) => (Override::Enabled, note.text()),
        };
        standing.set_operator(wanted, &text);
        standing.set_weight(self.weight.as_ref().map(|(weight, _)| *weight));
    }

    /// Takes out what is over, and gives back what it was and who had said it.
    fn take_over(&mut self, now: SystemTime) -> impl Iterator<Item = (Command, String)> + use<> {
        let wanted = self.wanted.take_if(|(_, note)| note.is_over(now)).map(|(command, note)| (command, note.who));
        let weight = self.weight.take_if(|(_, note)| note.is_over(now));
        let weight = weight.map(|(weight, note)| (Command::Weight(Some(weight)), note.who));
        wanted.into_iter().chain(weight)
    }
}

#[cfg(test)]
mod tests;
