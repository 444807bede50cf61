//! Operators' commands for backends: drain, disable, enable, and a weight.
//!
//! A command is in force when it is answered: it is put into the backend's standing, which the data plane looks at for each pick. It holds
//! until it is taken back or its time is over, through reloads, restarts, crashes and upgrades, because it is kept in `state_dir`. It is kept
//! by the names of the service and the backend, so it also holds for a backend that goes and comes back.

pub mod canaries;
pub(crate) mod file;
pub mod follow;
pub mod maintenance;
pub mod pages;
pub mod recovery;
mod said;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use ahash::RandomState;
use dashmap::DashMap;

use canaries::Canaries;
use file::Kept;
use pages::Pages;
use said::Said;

use crate::endpoint::Endpoint;
use crate::endpoint::standing::Override;
use crate::event::{Events, Kind, Sessions, Subject};
use crate::ledger::{Batch, Ledger};

/// The largest weight, as in the configuration.
pub const HEAVIEST: u32 = 65_535;
/// How long a command waits for the copy in the ledger.
const COPY_WITHIN: Duration = Duration::from_secs(1);
/// The room and the key of the copy in the ledger.
const ROOM: &str = "operator";
const KEY: &str = "commands";
/// The longest reason that is kept, in bytes.
pub const LONGEST_REASON: usize = 1024;

/// What an operator can order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// It keeps its sessions and gets no new ones.
    Drain,
    /// It gets nothing.
    Disable,
    /// It takes part: the two above are taken back, and what the configuration or the agent says of draining does not count.
    Enable,
    /// Its weight; `None` = as configured.
    Weight(Option<u32>),
}

/// Who gave a command, why, and until when it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The name of a token, a client certificate's subject, or an address.
    pub who: String,
    /// The reason in the operator's words.
    pub reason: Option<String>,
    /// `None` = until it is taken back.
    pub until: Option<SystemTime>,
}

/// All commands that hold.
#[derive(Debug)]
pub struct Operators {
    said: DashMap<Name, Said, RandomState>,
    /// The file that they are kept in; `None` = they are not kept.
    file: Option<PathBuf>,
    /// Held while the file is written. Whether that failed the last time: an event tells of the first failure only.
    writing: tokio::sync::Mutex<bool>,
    events: Arc<Events>,
    role: AtomicU8,
    /// The file could not be read, and so is not written over.
    is_unread: AtomicBool,
    /// The file has commands that ran out while no process was there to see it.
    is_outdated: AtomicBool,
    /// The ledger, which has a copy of the file once it is begun.
    ledger: OnceLock<Ledger>,
    /// The new versions of services to which requests move by plan, and what operators have said of them.
    pub canaries: Canaries,
    /// Whose clients are shown the page of maintenance.
    pub pages: Pages,
}

/// The part that this process has in an upgrade. There is one file, so at each moment one process at most takes commands and writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It takes commands.
    Serving,
    /// It has started a process that reads the file and then takes over: what was said now would be in force here only.
    HandingOver,
    /// Another process has taken over.
    Replaced,
}

/// The names of a service and a backend.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Name {
    service: Arc<str>,
    backend: Arc<str>,
}

impl Command {
    /// The command with this name in the API, on the command line and in the file. A weight is none of them: it has a number beside it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "drain" => Some(Self::Drain),
            "disable" => Some(Self::Disable),
            "enable" => Some(Self::Enable),
            _ => None,
        }
    }

    /// Whether the backend gets no new work when this is in force.
    pub fn stops_new_work(self) -> bool {
        matches!(self, Self::Drain | Self::Disable | Self::Weight(Some(0)))
    }

    /// Its name in the API, on the command line and in the file.
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
    /// Why, who, and until when, for people.
    fn text(&self) -> String {
        let until = self.until.map(|until| format!(", until {}", crate::clock::rfc3339(until))).unwrap_or_default();
        match &self.reason {
            Some(reason) => format!("{reason} (by {}{until})", self.who),
            None => format!("by {}{until}", self.who),
        }
    }

    /// Whether it says neither why nor until when.
    fn is_bare(&self) -> bool {
        self.reason.is_none() && self.until.is_none()
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Operators {
    /// Reads what is kept in `folder`; without a folder, nothing is kept. A file that can't be understood is set aside, and the log says so.
    pub fn load(folder: Option<&Path>, events: Arc<Events>) -> Self {
        let file = folder.map(|folder| folder.join(file::NAME));
        let canaries = Canaries::load(folder, Arc::clone(&events));
        let operators = Self {
            canaries,
            pages: Pages::default(),
            said: DashMap::default(),
            file,
            writing: tokio::sync::Mutex::default(),
            events,
            role: AtomicU8::new(Role::Serving as u8),
            is_unread: AtomicBool::new(false),
            is_outdated: AtomicBool::new(false),
            ledger: OnceLock::new(),
        };
        if let Some(file) = &operators.file {
            file::restore(file);
        }
        operators.reload();
        operators
    }

    /// From now on this ledger gets a copy of what is kept, so that a backup of it has all that must not be lost.
    pub fn copy_to(&self, ledger: &Ledger) {
        let _ = self.ledger.set(ledger.clone());
    }

    /// Reads the file again. A process that takes over does so just before: an older version of Evenkeel takes commands until it is replaced.
    pub fn reload(&self) {
        let Some(path) = &self.file else { return };
        let read = file::read(path);
        self.is_unread.store(matches!(read, Err((_, false))), Ordering::Relaxed);
        match read {
            Ok(Kept { said, pages }) => {
                self.pages.recall(pages);
                self.said.clear();
                said.into_iter().for_each(|(name, said)| _ = self.said.insert(name, said));
                // what has run out while no process was there to see it must not hold for a moment again
                let over = self.take_expired(SystemTime::now());
                self.is_outdated.store(!over.is_empty(), Ordering::Relaxed);
                self.announce_expired(over);
            }
            Err((why, _)) => {
                tracing::error!(file = %path.display(), "what operators have said before is not known: {why}")
            }
        }
    }

    /// Puts a command for a backend in force. [`keep`](Self::keep) then writes it to the file; it has to be called without a pause in between,
    /// since [`hand_over`](Self::hand_over) waits for whoever has called it. The event says what `sessions` the backend has. Gives back what holds now of
    /// that which the command is about, with what was said of it; `None` = nothing.
    ///
    /// # Errors
    ///
    /// The role of this process, where it takes no commands in it.
    pub fn say(
        &self,
        endpoint: &Endpoint,
        command: Command,
        note: Note,
        sessions: Sessions,
    ) -> Result<Option<Note>, Role> {
        self.takes_commands()?;
        let name = Name { service: Arc::clone(&endpoint.service), backend: Arc::clone(&endpoint.id) };
        let holds = {
            let mut said = self.said.entry(name.clone()).or_default();
            match command {
                // it takes part without this command, unless the configuration or the agent keeps it from that
                Command::Enable
                    if note.until.is_none()
                        && !endpoint.draining
                        && endpoint.live.standing.agent() == Override::Configured =>
                {
                    said.wanted = None;
                }
                // said once more, such as to wait again, without a word of why and until when: what was said before still holds
                Command::Drain | Command::Disable | Command::Enable
                    if note.is_bare() && said.wanted.as_ref().is_some_and(|(before, _)| *before == command) => {}
                Command::Drain | Command::Disable | Command::Enable => said.wanted = Some((command, note.clone())),
                Command::Weight(weight) => said.weight = weight.map(|weight| (weight, note.clone())),
            }
            said.apply(endpoint);
            let said = &*said;
            match command {
                Command::Weight(_) => said.weight.as_ref().map(|(_, note)| note.clone()),
                _ => said.wanted.as_ref().map(|(_, note)| note.clone()),
            }
        };
        self.said.remove_if(&name, |_, said| said.is_empty());
        let weight = if let Command::Weight(weight) = command { weight } else { None };
        let Note { who, reason, until } = note;
        let subject = Subject::backend(&endpoint.service, &endpoint.id);
        let sessions = Some(sessions).filter(|_| command.stops_new_work());
        let (command, instance) = (command.name(), None);
        self.events.tell(subject, Kind::Operator { command, who, reason, until, weight, sessions, instance });
        Ok(holds)
    }

    /// Puts the commands that hold in force for these backends, some of which may have just come. A backend that has no command any more (it
    /// was taken back in another process) stands as configured again.
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

    /// Takes no more commands, and waits until those that were taken are written: the process that is started next reads them.
    pub async fn hand_over(&self) {
        self.set_role(Role::HandingOver);
        // upkeep starts a task to write the file after a command has expired: it may not have begun
        tokio::task::yield_now().await;
        // whoever has taken a command has queued for this lock at once
        drop(self.writing.lock().await);
        self.canaries.is_kept().await;
    }

    /// The process that was to take over has failed: commands are taken here again.
    pub fn take_back(&self) {
        self.set_role(Role::Serving);
    }

    /// Another process has taken over: this one neither takes commands nor writes them.
    pub fn retire(&self) {
        self.set_role(Role::Replaced);
    }

    fn takes_commands(&self) -> Result<(), Role> {
        match self.role() {
            Role::Serving => Ok(()),
            role => Err(role),
        }
    }

    fn role(&self) -> Role {
        match self.role.load(Ordering::Relaxed) {
            1 => Role::HandingOver,
            2 => Role::Replaced,
            _ => Role::Serving,
        }
    }

    fn set_role(&self, role: Role) {
        self.role.store(role as u8, Ordering::Relaxed);
    }

    /// Takes back the commands that were to hold until `now`; gives back whether the file has to be written. While an upgrade is under way that is left to
    /// the process that takes over: this one must not write the file any more.
    pub fn expire<'a>(&self, now: SystemTime, endpoints: impl Iterator<Item = &'a Arc<Endpoint>>) -> bool {
        if self.role() != Role::Serving {
            return false;
        }
        let over = self.take_expired(now);
        // what the next start would find again, and announce again, has to go from the file as well
        let is_outdated = self.is_outdated.swap(false, Ordering::Relaxed) | self.pages.expire(now);
        if over.is_empty() {
            return is_outdated;
        }
        for endpoint in endpoints {
            let is_of = |name: &Name| name.service == endpoint.service && name.backend == endpoint.id;
            if over.iter().any(|(name, ..)| is_of(name)) {
                let name = Name { service: Arc::clone(&endpoint.service), backend: Arc::clone(&endpoint.id) };
                self.said.get(&name).map(|said| said.clone()).unwrap_or_default().apply(endpoint);
            }
        }
        self.announce_expired(over);
        true
    }

    /// Takes out all commands whose time is over at `now`, and gives them back with whom they were for and who gave them.
    fn take_expired(&self, now: SystemTime) -> Vec<(Name, Command, String)> {
        let mut over = Vec::new();
        for mut entry in self.said.iter_mut() {
            let name = entry.key().clone();
            over.extend(entry.value_mut().take_over(now).map(|(command, who)| (name.clone(), command, who)));
        }
        self.said.retain(|_, said| !said.is_empty());
        over
    }

    fn announce_expired(&self, over: Vec<(Name, Command, String)>) {
        for (name, command, who) in over {
            let subject = Subject::backend(&name.service, &name.backend);
            self.events.tell(subject, Kind::OperatorExpired { command: command.name(), who });
        }
    }

    /// Writes the commands that hold to the file; `false` = that was not possible. Of several failures in a row, an event tells of the first.
    pub async fn keep(&self) -> bool {
        let Some(path) = self.file.clone() else { return false };
        let mut has_failed = self.writing.lock().await;
        if self.role() == Role::Replaced {
            return false;
        }
        let mut all: Vec<_> = self.said.iter().map(|entry| (entry.key().clone(), entry.value().clone())).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        let kept = Kept { said: all, pages: self.pages.all() };
        // a disk may take its time, and nobody else is to wait for it
        let is_unread = self.is_unread.load(Ordering::Relaxed);
        let ledger = self.ledger.get().cloned().filter(Ledger::is_kept);
        let write = move || {
            if is_unread {
                return Err(std::io::Error::other("what is in it could not be read, and is not written over"));
            }
            let text = file::text(&kept)?;
            file::write(&path, &text)?;
            if let Some(ledger) = ledger {
                let kept = vec![(ROOM.to_owned(), KEY.to_owned(), Some(text))];
                // the file is what counts: a copy that finds no place, or not in time, comes with the next command
                let _ = ledger.enter(Batch { kept, ..Batch::default() }).is_ok() && ledger.flush(COPY_WITHIN);
            }
            Ok(())
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

#[cfg(test)]
mod tests;
