//! What recovery shows to operators, and what they say to it: the meeting point of the admin address and whatever drives the recovery of the
//! services.
//!
//! The driver owns the coordinators. It writes here what is under way, what ended and what was learned, and takes commands from an [`Inbox`].
//! Whether recovery is paused is one atomic value: the driver looks at it before each act, so a pause is in force as soon as it is said.

mod figures;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::clock::Stamp;
use crate::event::{Events, Kind, RecoveryChange, Subject};
use crate::ledger::{Batch, Keeper, Ledger};
use crate::recover::{Attempt, Word};

/// The room in the ledger where it is kept that recovery is paused, and the key.
pub const ROOM: &str = "recovery";
const KEY: &str = "paused";
/// The room in the ledger where what was learned is kept.
pub const LEARNED: &str = "learned";
/// How many attempts that have ended are shown without the ledger.
const LATELY: usize = 200;
/// How many commands may wait for the driver.
const WAITING: usize = 32;
/// How long an answer waits for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of the recovery of all services.
#[derive(Debug)]
pub struct Recoveries {
    is_paused: AtomicBool,
    /// Wakes the driver when recovery was paused or resumed, or a command has come.
    news: Notify,
    state: Mutex<State>,
    commands: mpsc::Sender<Asked>,
    events: Arc<Events>,
    ledger: Ledger,
    keeper: Keeper,
}

#[derive(Debug, Default)]
struct State {
    pause: Option<Pause>,
    /// Somebody has paused or resumed recovery in this process: what the ledger has is older.
    was_said: bool,
    current: Vec<Arc<Attempt>>,
    /// The newest last.
    ended: VecDeque<Arc<Attempt>>,
    services: BTreeMap<Arc<str>, Mode>,
    braked: BTreeMap<Arc<str>, String>,
    effectiveness: Vec<Effectiveness>,
    /// The end of the channel that the driver takes; `None` = it has.
    inbox: Option<Inbox>,
}

/// Who paused recovery, when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who: the name of a token, a client certificate's subject, or an address.
    pub who: String,
    /// Since when, in milliseconds since 1970.
    pub since: i64,
    /// Why; `None` = nothing was said.
    pub reason: Option<String>,
}

/// How a service is repaired, as configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mode {
    /// Nothing is done; it is said what would have been.
    pub dry_run: bool,
    /// Each attempt waits for a person who approves it.
    pub asks: bool,
}

/// How well a strategy has helped against a fault of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Effectiveness {
    /// The service.
    pub service: Arc<str>,
    /// The fault, by its name in the API.
    pub fault: String,
    /// The name of the strategy.
    pub strategy: Arc<str>,
    /// From 0.1 to 1.
    pub effectiveness: f64,
    /// How often it was tried.
    pub attempts: u32,
    /// How often the service was seen well after it.
    pub successes: u32,
    /// How many of those were put to its credit.
    pub credited: u32,
}

/// What an operator said of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What.
    pub word: Word,
    /// The number of the attempt.
    pub attempt: i64,
    /// Who.
    pub who: String,
    /// Why.
    pub reason: Option<String>,
}

/// The attempt as it is after a command, or a sentence that says why the command can't be carried out.
pub type Answer = Result<Attempt, String>;

/// A command, and where the driver answers it.
#[derive(Debug)]
pub struct Asked {
    /// The command.
    pub command: Command,
    /// For the answer.
    pub answer: oneshot::Sender<Answer>,
}

/// Where the driver gets commands from.
pub type Inbox = mpsc::Receiver<Asked>;

impl Recoveries {
    /// Nothing is known yet, and recovery is not paused. A pause is written to this ledger, as by this run of the process.
    pub fn new(events: Arc<Events>, ledger: Ledger, keeper: Keeper) -> Self {
        let (commands, inbox) = mpsc::channel(WAITING);
        figures::set_paused(false);
        Self {
            is_paused: AtomicBool::new(false),
            news: Notify::new(),
            state: Mutex::new(State { inbox: Some(inbox), ..State::default() }),
            commands,
            events,
            ledger,
            keeper,
        }
    }

    /// Whether nothing may be begun, and what is under way has to end.
    pub fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Acquire)
    }

    /// Who paused recovery; `None` = it is not paused.
    pub fn pause_of(&self) -> Option<Pause> {
        self.state().pause.clone()
    }

    /// Pauses recovery, in force when this returns. A second pause changes nothing, so that it stays known who was first. [`keep`](Self::keep)
    /// then writes it to the ledger.
    pub fn pause(&self, who: &str, reason: Option<String>, now: Stamp) -> Pause {
        let mut state = self.state();
        state.was_said = true;
        if let Some(pause) = &state.pause {
            return pause.clone();
        }
        let pause = Pause { who: who.to_owned(), since: now.as_millis(), reason };
        self.set_pause(&mut state, Some(pause.clone()));
        let change = RecoveryChange::Paused { who: pause.who.clone(), reason: pause.reason.clone() };
        self.events.tell(Subject::default(), Kind::Recovery(change));
        pause
    }

    /// Resumes recovery; gives back the pause that this ends.
    pub fn resume(&self, who: &str) -> Option<Pause> {
        let mut state = self.state();
        state.was_said = true;
        let ended = state.pause.clone()?;
        self.set_pause(&mut state, None);
        let change = RecoveryChange::Resumed { who: who.to_owned() };
        self.events.tell(Subject::default(), Kind::Recovery(change));
        Some(ended)
    }

    fn set_pause(&self, state: &mut State, pause: Option<Pause>) {
        self.is_paused.store(pause.is_some(), Ordering::Release);
        figures::set_paused(pause.is_some());
        state.pause = pause;
        self.news.notify_one();
    }

    /// Takes on what the ledger says of a pause, as before a restart, unless somebody has paused or resumed recovery since. To be called before the
    /// first act. The ledger is begun if it was not. Blocks for as long as a file takes.
    ///
    /// # Errors
    ///
    /// Why the ledger can't be read; for people.
    pub fn recall(&self) -> Result<(), String> {
        self.ledger.begin();
        if self.ledger.is_kept() { self.read_pause() } else { Ok(()) }
    }

    /// Does the same with a ledger that need not have begun. To be called before anybody is told whether recovery is paused, too: a process that is
    /// replaced may change it until it ends, so its successor recalls it once more.
    ///
    /// # Errors
    ///
    /// Why the ledger can't be read, or that there is none; for people.
    pub fn read_pause(&self) -> Result<(), String> {
        let kept = self.ledger.read()?.kept(ROOM)?;
        let pause = kept.get(KEY).map(|text| serde_json::from_str(text).map_err(|error| error.to_string()));
        let pause = pause.transpose()?;
        let mut state = self.state();
        if !state.was_said && state.pause != pause {
            self.set_pause(&mut state, pause);
        }
        Ok(())
    }

    /// Writes to the ledger whether recovery is paused, and waits for the disk; `false` = it could not be written so far. Blocks.
    pub fn keep(&self) -> bool {
        let text = self.pause_of().and_then(|pause| serde_json::to_string(&pause).ok());
        let kept = vec![(ROOM.to_owned(), KEY.to_owned(), text)];
        self.ledger.begin();
        self.ledger.keep(Batch { kept, keeper: self.keeper, ..Batch::default() }, PATIENCE)
    }

    /// Waits until recovery was paused or resumed, or a command has come, since the last call. For the driver only.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// The commands, for the driver. There is one driver: `None` = they were taken before.
    pub fn take_inbox(&self) -> Option<Inbox> {
        self.state().inbox.take()
    }

    /// Hands a command to the driver. The receiver gets its answer; an error there means that the driver has ended.
    ///
    /// # Errors
    ///
    /// A sentence for people, when nobody takes commands.
    pub fn ask(&self, command: Command) -> Result<oneshot::Receiver<Answer>, String> {
        if self.state().inbox.is_some() {
            return Err("recovery does not run in this process (yet)".to_owned());
        }
        let (answer, receiver) = oneshot::channel();
        let sent = self.commands.try_send(Asked { command, answer });
        sent.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => "too many commands wait to be carried out".to_owned(),
            mpsc::error::TrySendError::Closed(_) => "recovery does not run in this process any more".to_owned(),
        })?;
        self.news.notify_one();
        Ok(receiver)
    }

    /// Sets the attempts that are under way, or whose act is in force.
    pub fn set_current(&self, attempts: Vec<Attempt>) {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.current, attempts.into_iter().map(Arc::new).collect());
        figures::set_current(&before, &state.current);
    }

    /// The attempts that are under way, or whose act is in force.
    pub fn current(&self) -> Vec<Arc<Attempt>> {
        self.state().current.clone()
    }

    /// Notes an attempt that has ended, once, and counts it.
    pub fn note_ended(&self, attempt: Attempt) {
        figures::count_ended(&attempt);
        self.note_changed(attempt);
    }

    /// Notes what has become of an attempt that ended before: what it did was taken back, or is not in force any more.
    pub fn note_changed(&self, attempt: Attempt) {
        let mut state = self.state();
        state.ended.retain(|other| other.id != attempt.id);
        if state.ended.len() == LATELY {
            state.ended.pop_front();
        }
        state.ended.push_back(Arc::new(attempt));
    }

    /// Attempts that have ended of late, the oldest first. All attempts are in the ledger.
    pub fn lately(&self) -> Vec<Arc<Attempt>> {
        self.state().ended.iter().cloned().collect()
    }

    /// The attempt with this number, if it is under way, in force, or has ended of late.
    pub fn known(&self, id: i64) -> Option<Arc<Attempt>> {
        let state = self.state();
        state.current.iter().chain(&state.ended).find(|attempt| attempt.id == id).cloned()
    }

    /// Sets which services are repaired, and how.
    pub fn set_services(&self, services: BTreeMap<Arc<str>, Mode>) {
        self.state().services = services;
    }

    /// The services that are repaired, and how.
    pub fn services(&self) -> BTreeMap<Arc<str>, Mode> {
        self.state().services.clone()
    }

    /// Sets what holds the recovery of services back now, in words; services that nothing holds back are left out.
    pub fn set_braked(&self, braked: BTreeMap<Arc<str>, String>) {
        self.state().braked = braked;
    }

    /// What holds the recovery of services back now.
    pub fn braked(&self) -> BTreeMap<Arc<str>, String> {
        self.state().braked.clone()
    }

    /// Counts a time that a brake, by its name, began to hold the recovery of a service back.
    pub fn count_braked(&self, service: &str, brake: &str) {
        figures::count_braked(service, brake);
    }

    /// Sets what was learned.
    pub fn set_effectiveness(&self, all: Vec<Effectiveness>) {
        figures::set_effectiveness(&all);
        self.state().effectiveness = all;
    }

    /// What was learned.
    pub fn effectiveness(&self) -> Vec<Effectiveness> {
        self.state().effectiveness.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // what is held is whole whatever panicked while it was held
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
