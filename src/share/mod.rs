//! What instances of a cluster share through etcd: operators' words, and what each says of itself (`[cluster] share`).
//!
//! ```text
//!   admin ── say ──▶ Sharing (what is known) ◀──▶ driver ◀── range, watch, put ──▶ etcd
//!   recovery, detection ── tell ──▶ │                │
//!                                   ▼                ▼
//!                        API: who said what     Follow: operators, maintenance, repairs of others
//! ```
//!
//! * [`word`]: a word and its key; [`book`]: which word holds (pure); [`hint`]: what an instance says of itself (pure)
//! * `driver`: asks etcd, and has others' words followed; `keys`: where things are there; `file`: what outlives a restart
//! * [`Sharing`]: what is known, for all who ask
//!
//! A word is in force where it was said before etcd is asked, and when etcd is gone. There is one key for each topic, and etcd puts all changes in one row
//! (its revisions), so the last word holds everywhere; a key is replaced only as it was known (compare and swap), so nobody's newer word is lost unseen. A
//! word that is followed is not put again. What instances say of themselves goes with their leases: it is a hint, and never more than that.

pub mod book;
mod driver;
mod file;
pub mod hint;
mod keys;
mod standing;
pub mod word;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, oneshot, watch};

pub use driver::{Follow, run};
pub use standing::{Outcome, Said, View};

use crate::clock::Stamp;
use crate::etcd::Settings;
use crate::event::{Events, Kind, ShareChange, Subject};
use crate::operator::Note;
use book::Book;
use hint::{Instance, Verdict};
use word::{Saying, Topic, Word};

/// How long an answer to an operator waits for etcd.
const PATIENCE: Duration = Duration::from_secs(1);

/// What an instance shares, and where.
#[derive(Debug, Clone)]
pub struct Place {
    /// How etcd is asked.
    pub etcd: Settings,
    /// What all keys begin with.
    pub prefix: String,
    /// How long what an instance says of itself outlives it.
    pub ttl: Duration,
    /// What this instance is called.
    pub name: String,
    /// Where it is.
    pub zone: Option<String>,
}

/// What is known of what is shared.
#[derive(Debug)]
pub struct Sharing {
    state: Mutex<State>,
    /// Sent when there is something to be put.
    news: Notify,
    place: watch::Sender<Option<Place>>,
    events: Arc<Events>,
    file: PathBuf,
}

#[derive(Debug, Default)]
struct State {
    book: Book,
    /// What this instance is called; `None` = nothing is shared.
    me: Option<String>,
    /// Why etcd does not answer; `None` = it does.
    trouble: Option<String>,
    /// It has not for so long that no answer waits for it.
    is_gone: bool,
    /// Whether all that etcd has is known.
    is_synced: bool,
    /// Who waits until a word is put.
    waiting: Vec<(Topic, u64, oneshot::Sender<Outcome>)>,
    /// What this instance says of itself.
    own: Instance,
    /// What the others say of themselves.
    others: BTreeMap<String, Instance>,
}

impl Sharing {
    /// Shares nothing yet. What is known is kept in this folder.
    pub fn new(folder: &Path, events: Arc<Events>) -> Self {
        let place = watch::Sender::new(None);
        Self { state: Mutex::default(), news: Notify::new(), place, events, file: folder.join(file::NAME) }
    }

    /// Shares there from now on; `None` = nowhere.
    pub fn commit(&self, place: Option<Place>) {
        {
            let mut state = self.state();
            state.me = place.as_ref().map(|place| place.name.clone());
            state.own.zone = place.as_ref().and_then(|place| place.zone.clone());
        }
        self.place.send_replace(place);
    }

    /// This instance was told something: it is put into etcd. `None` = nothing is shared.
    pub fn say(&self, topic: Topic, saying: Saying, note: Note) -> Option<Said> {
        let mut state = self.state();
        let instance = state.me.clone()?;
        let at = u64::try_from(Stamp::now().as_millis()).unwrap_or_default();
        let word = state.book.say(topic.clone(), Word { saying, note, instance, at });
        let (done, outcome) = oneshot::channel();
        match &state.trouble {
            Some(trouble) if state.is_gone => _ = done.send(Outcome::Local(trouble.clone())),
            _ => state.waiting.push((topic.clone(), word.at, done)),
        }
        drop(state);
        self.news.notify_one();
        Some(Said { topic, outcome })
    }

    /// Waits until the word is in etcd, or it is known that it is not (yet): that is told.
    pub async fn outcome(&self, said: Said) -> Outcome {
        let outcome = tokio::time::timeout(PATIENCE, said.outcome).await;
        let late = || Outcome::Local(format!("etcd has not answered within {} s", PATIENCE.as_secs()));
        let outcome = outcome.map_or_else(|_| late(), |outcome| outcome.unwrap_or_else(|_| late()));
        if let Outcome::Local(reason) = &outcome {
            self.tell_of(&said.topic, ShareChange::Local { what: said.topic.key(), reason: reason.clone() });
        }
        outcome
    }

    /// Recovery has taken a backend out of use, for this reason; `None` = it has put it back.
    pub fn repair(&self, service: &str, backend: &str, reason: Option<&str>, token: Option<i64>) {
        let mut state = self.state();
        let before = state.own.clone();
        state.own.set_repair(service, backend, reason);
        state.own.token = token.or(before.token).filter(|_| !state.own.repairs.is_empty());
        if state.me.is_some() && state.own != before {
            self.news.notify_one();
        }
    }

    /// Whether anything is shared.
    pub fn is_on(&self) -> bool {
        self.state().me.is_some()
    }

    /// What the others have found of this backend: the instance, and the verdict.
    pub fn verdicts_of(&self, service: &str, backend: &str) -> Vec<(String, Verdict)> {
        let state = self.state();
        let of = |verdict: &&Verdict| verdict.service == service && verdict.backend.as_deref() == Some(backend);
        let all = state.others.iter().flat_map(|(name, instance)| {
            instance.verdicts.iter().filter(of).map(|verdict| (name.clone(), verdict.clone()))
        });
        all.collect()
    }

    /// How things stand; `None` = nothing is shared.
    pub fn view(&self) -> Option<View> {
        let state = self.state();
        state.me.as_ref()?;
        let words = state.book.entries().filter(|(_, entry)| !entry.word.is_over(SystemTime::now()));
        Some(View {
            is_synced: state.is_synced,
            trouble: state.trouble.clone(),
            waiting: state.book.waiting(),
            words: words.map(|(topic, entry)| (topic.clone(), entry.clone())).collect(),
            others: state.others.clone(),
        })
    }

    fn tell(&self, change: ShareChange) {
        self.events.tell(Subject::default(), Kind::Share(change));
    }

    fn tell_of(&self, topic: &Topic, change: ShareChange) {
        self.events.tell(topic.subject(), Kind::Share(change));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // what is held is whole whatever panicked while it was held
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
