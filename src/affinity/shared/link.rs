//! The link between workers and the keeper of a store: what is asked and written goes through a bounded channel, and whether the store answers
//! in time is in an atomic that workers read. The first one that has waited in vain takes it down for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, mpsc, oneshot};

use super::Sessions;

/// Questions and writes that may wait for the keeper. It takes them as they come, so this is for moments in which it has no processor.
const WAITING: usize = 8_192;
/// What a worker asks of the keeper.
#[derive(Debug)]
pub enum Message {
    /// To ask for a session.
    Ask(Question),
    /// To write one.
    Write(Write),
}

/// A question for a session.
#[derive(Debug)]
pub struct Question {
    /// The sessions of its service.
    pub sessions: Arc<Sessions>,
    /// Its key in the table.
    pub key: u64,
    /// The backend that it is to have if the store has none.
    pub proposal: Option<Arc<str>>,
    /// When it was asked.
    pub asked: Instant,
    /// Who asks. It is dropped where the store can't say.
    pub answer: oneshot::Sender<Found>,
}

/// What the store has said of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is at the backend with this id.
    Backend(Box<str>),
    /// It was not there, and is at the proposed backend now, unless the store takes nothing in.
    Stored,
    /// It is not there.
    Nothing,
}

/// What is to be written of a session.
#[derive(Debug, Clone)]
pub struct Write {
    /// The sessions of its service.
    pub sessions: Arc<Sessions>,
    /// Its key in the table.
    pub key: u64,
    /// The id of its backend.
    pub backend: Arc<str>,
    /// It has moved here, and replaces what the store has; otherwise what the store has holds.
    pub replaces: bool,
}

/// The link to one store, as long as somebody uses that.
#[derive(Debug)]
pub struct Link {
    messages: mpsc::Sender<Message>,
    state: Arc<LinkState>,
}

/// How a link stands.
#[derive(Debug)]
pub struct LinkState {
    /// The store, for people: without user and password.
    name: Box<str>,
    time_limit: Duration,
    is_up: AtomicBool,
    /// Woken when an answer was late.
    doubted: Notify,
    /// Writes that found no room on their way to the keeper.
    lost: AtomicU64,
    /// Bytes of writes that wait for the store.
    backlog: AtomicUsize,
    /// Why the store is not asked, or does not do all that it is asked.
    trouble: ArcSwapOption<String>,
    /// A configuration that names the store came into force since the keeper last looked.
    named_anew: AtomicBool,
}

impl Link {
    /// A link that is down, and what its keeper receives until nobody holds the link any more.
    pub fn new(name: String, time_limit: Duration) -> (Arc<Self>, mpsc::Receiver<Message>) {
        let (messages, received) = mpsc::channel(WAITING);
        let state = LinkState {
            name: name.into(),
            time_limit,
            is_up: AtomicBool::new(false),
            doubted: Notify::new(),
            lost: AtomicU64::new(0),
            backlog: AtomicUsize::new(0),
            trouble: ArcSwapOption::empty(),
            named_anew: AtomicBool::new(false),
        };
        (Arc::new(Self { messages, state: Arc::new(state) }), received)
    }

    /// How it stands.
    pub fn state(&self) -> &Arc<LinkState> {
        &self.state
    }

    /// Hands a question over; `false` = there is no room for it, or nobody to take it.
    pub(super) fn ask(&self, question: Question) -> bool {
        self.messages.try_send(Message::Ask(question)).is_ok()
    }

    /// Hands over what is to be written. Where there is no room it is lost, and counted.
    pub(super) fn write(&self, write: Write) {
        if self.messages.try_send(Message::Write(write)).is_err() {
            self.state.lost.fetch_add(1, Relaxed);
        }
    }
}

impl LinkState {
    /// The store, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long an exchange waits for an answer at most.
    pub fn time_limit(&self) -> Duration {
        self.time_limit
    }

    /// Whether the store is asked.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Relaxed)
    }

    /// The keeper has found out whether the store can be asked.
    pub fn set_up(&self, is_up: bool) {
        self.is_up.store(is_up, Relaxed);
    }

    /// An answer was not there in time. Nobody else waits for one until the keeper has found out how the store is.
    pub fn was_late(&self) {
        if self.is_up.swap(false, Relaxed) {
            self.doubted.notify_one();
        }
    }

    /// Waits until an answer was late.
    pub async fn doubted(&self) {
        self.doubted.notified().await;
    }

    /// How many writes were lost on their way since this was last asked.
    pub fn take_lost(&self) -> u64 {
        if self.lost.load(Relaxed) == 0 { 0 } else { self.lost.swap(0, Relaxed) }
    }

    /// Bytes of writes that wait for the store.
    pub fn backlog(&self) -> usize {
        self.backlog.load(Relaxed)
    }

    /// The keeper tells how many bytes wait.
    pub fn set_backlog(&self, bytes: usize) {
        self.backlog.store(bytes, Relaxed);
    }

    /// A configuration that names the store came into force.
    pub fn is_named_anew(&self) {
        self.named_anew.store(true, Relaxed);
    }

    /// Whether a configuration that names the store came into force since this was last asked.
    pub fn take_named_anew(&self) -> bool {
        self.named_anew.swap(false, Relaxed)
    }

    /// Why the store is not asked, or does not do all that it is asked; `None` = all is well.
    pub fn trouble(&self) -> Option<Arc<String>> {
        self.trouble.load_full()
    }

    /// The keeper tells what is wrong.
    pub fn set_trouble(&self, trouble: Option<String>) {
        self.trouble.store(trouble.map(Arc::new));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn after_the_first_answer_that_is_late_nobody_asks_until_the_keeper_says_so() {
        let (link, _received) = Link::new("redis://a".to_owned(), Duration::from_millis(5));
        let state = link.state();
        state.set_up(true);
        (0..10).for_each(|_| state.was_late());
        assert!(!state.is_up());
        state.doubted().await;
        state.set_up(true);
        assert!(state.is_up());
    }
}
