//! Asks etcd, puts what is said here, and has followed what is said elsewhere.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use metrics::{counter, gauge};

use super::book::{Book, Effect, Entry};
use super::hint::{self, Instance, MOST_INSTANCES, Repair, Verdict};
use super::keys::{self, ALL, INSTANCES, Part, Read, WORDS, part};
use super::standing::Outcome;
use super::word::{Saying, Topic, Word};
use super::{Place, Sharing, file};
use crate::clock::Stamp;
use crate::etcd::{Change, Changes, Client, Failure, KeyValue, Replaced, prefix_end};
use crate::event::ShareChange;
use crate::metrics::names;
use crate::operator::Note;

/// The least time between two puts of what this instance says of itself.
const OWN_EVERY: Duration = Duration::from_millis(300);
/// How often it is looked whether there is anything to do that nobody tells of.
const LOOK: Duration = Duration::from_secs(1);
/// The first pause after a failure, and the longest: what was said meanwhile is to be followed within a second of etcd's return.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(800));
/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// The most keys that are told of because they can't be read.
const MOST_TOLD: usize = 1_000;

/// Who does what is shared.
pub trait Follow {
    /// Whether this process takes words now: during an upgrade they are left to the one that takes over.
    fn is_serving(&self) -> bool;
    /// The words that hold here.
    fn words(&self) -> Vec<(Topic, Saying, Note)>;
    /// Puts these in force, and keeps them.
    fn follow(&self, effects: Vec<Effect>) -> impl Future<Output = ()>;
    /// These backends are repaired by other instances, and no others.
    fn set_repairs(&self, repairs: &[(Repair, String)]);
    /// What the detectors have found.
    fn verdicts(&self) -> Vec<Verdict>;
}

/// See the module.
struct Driver<F> {
    sharing: Arc<Sharing>,
    follow: F,
    /// What the file has.
    saved: String,
    /// Keys that were told of because they can't be read, at their revisions.
    told: HashSet<(String, i64)>,
    /// Since when etcd does not answer, and whether that was told.
    gone: Option<(Instant, bool)>,
}

/// Shares what is to be shared, for ever.
pub async fn run(sharing: Arc<Sharing>, follow: impl Follow) {
    let mut places = sharing.place.subscribe();
    counter!(names::WORDS_FOLLOWED.name).increment(0);
    counter!(names::SHARED_WRITES_FAILED.name).increment(0);
    let mut driver = Driver { sharing, follow, saved: String::new(), told: HashSet::new(), gone: None };
    loop {
        let place = places.borrow_and_update().clone();
        let Some(place) = place else {
            driver.end();
            if places.changed().await.is_err() {
                return;
            }
            continue;
        };
        driver.begin(&place).await;
        tokio::select! {
            () = driver.share(&place) => {}
            changed = places.changed() => if changed.is_err() { return },
        }
    }
}

impl<F: Follow> Driver<F> {
    /// Takes on what was known before: what the file has, and what holds here without ever having been shared.
    async fn begin(&mut self, place: &Place) {
        let (path, identity) = (self.sharing.file.clone(), place.identity());
        let read = tokio::task::spawn_blocking(move || file::read(&path, &identity)).await.unwrap_or_default();
        let mut state = self.sharing.state();
        let said: Vec<_> = state.book.entries().map(|(topic, entry)| (topic.clone(), entry.clone())).collect();
        let mut known: std::collections::BTreeMap<_, _> = read.into_iter().collect();
        for (topic, entry) in said.into_iter().filter(|(_, entry)| entry.is_pending) {
            // it was said since the process has started
            let revision = known.get(&topic).map_or(0, |before: &Entry| before.revision);
            known.insert(topic, Entry { revision, ..entry });
        }
        for (topic, saying, note) in self.follow.words() {
            // the time is not known: whatever etcd has is newer
            let word = Word { saying, note, instance: place.name.clone(), at: 0 };
            known.entry(topic).or_insert(Entry { word, revision: 0, is_pending: true });
        }
        state.book = Book::new(known);
        (state.is_synced, state.trouble) = (false, None);
    }

    /// Nothing is shared any more.
    fn end(&mut self) {
        {
            let mut state = self.sharing.state();
            state.others.clear();
            state.waiting.clear();
            (state.is_synced, state.trouble) = (false, None);
        }
        self.gone = None;
        self.follow.set_repairs(&[]);
    }

    async fn share(&mut self, place: &Place) {
        let mut etcd = place.etcd.clone();
        etcd.timeout = etcd.timeout.min(PATIENCE);
        let mut client = Client::new(etcd, fastrand::usize(..));
        let mut pause = PAUSES.0;
        loop {
            if self.follow.is_serving() {
                match self.session(&mut client, place).await {
                    Ok(()) => pause = PAUSES.0,
                    Err(failure) => {
                        tracing::debug!(%failure, "etcd has not answered what is shared");
                        self.failed(&failure.to_string(), place);
                    }
                }
                self.save(place).await;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Shares until etcd does not answer any more, or all has to be read anew.
    async fn session(&mut self, client: &mut Client, place: &Place) -> Result<(), Failure> {
        let key = format!("{}{ALL}", place.prefix).into_bytes();
        let end = prefix_end(&key);
        let (keys, revision) = client.range(&key, &end).await?;
        self.synced(place, keys, revision).await;
        let mut watch = client.watch(&key, &end, revision + 1).await?;
        let seconds = place.ttl.as_secs();
        let mut lease = client.grant(seconds).await?.id;
        let (mut renewed, mut own, mut put_at) = (Instant::now(), Vec::new(), None::<Instant>);
        self.answers();
        loop {
            if !self.follow.is_serving() {
                return Ok(());
            }
            self.put_words(client, place).await?;
            let (next, may_put) = (self.own(), put_at.is_none_or(|at| at.elapsed() >= OWN_EVERY));
            if next != own && may_put {
                let key = format!("{}{INSTANCES}{}", place.prefix, place.name);
                client.put(key.as_bytes(), &next, lease).await?;
                (own, put_at) = (next, Some(Instant::now()));
            }
            self.show();
            self.save(place).await;
            let renew = (place.ttl / 3).saturating_sub(renewed.elapsed());
            let look = if may_put { LOOK } else { OWN_EVERY };
            tokio::select! {
                changes = watch.next() => match changes? {
                    Changes::Compacted => return Ok(()),
                    Changes::Made(changes, _) => self.changed(place, changes).await,
                },
                () = self.sharing.news.notified() => {}
                () = tokio::time::sleep(renew.min(look)) => {}
            }
            if renewed.elapsed() >= place.ttl / 3 {
                renewed = Instant::now();
                if client.keep_alive(lease).await?.ttl <= 0 {
                    (lease, own) = (client.grant(seconds).await?.id, Vec::new());
                }
            }
        }
    }

    /// What this instance says of itself now.
    fn own(&self) -> Vec<u8> {
        let verdicts = self.follow.verdicts();
        let mut state = self.sharing.state();
        state.own.set_verdicts(verdicts);
        state.own.to_json()
    }

    /// Takes on all that etcd has.
    async fn synced(&mut self, place: &Place, keys: Vec<KeyValue>, revision: i64) {
        let (mut words, mut others) = (Vec::new(), std::collections::BTreeMap::new());
        for kv in keys {
            match self.read(place, &kv) {
                Some(Read::Word(topic, word)) => words.push((topic, word, kv.mod_revision)),
                Some(Read::Instance(name, Some(instance))) if others.len() < MOST_INSTANCES => {
                    others.insert(name, instance);
                }
                _ => {}
            }
        }
        let effects = {
            let mut state = self.sharing.state();
            (state.others, state.is_synced) = (others, true);
            state.book.synced(words, revision)
        };
        self.obey(effects).await;
    }

    /// Takes on what has happened in etcd.
    async fn changed(&mut self, place: &Place, changes: Vec<Change>) {
        let mut effects = Vec::new();
        for change in changes {
            match change {
                Change::Put(kv) => match self.read(place, &kv) {
                    Some(Read::Word(topic, Some(word))) => {
                        effects.extend(self.sharing.state().book.heard(topic, word, kv.mod_revision));
                    }
                    Some(Read::Word(topic, None)) => self.sharing.state().book.unreadable(&topic, kv.mod_revision),
                    Some(Read::Instance(name, instance)) => self.hear_of(name, instance),
                    None => {}
                },
                Change::Deleted(key, revision) => match part(place, &key) {
                    Some(Part::Word(topic)) => effects.extend(self.sharing.state().book.gone(&topic, revision)),
                    Some(Part::Instance(name)) => self.hear_of(name, None),
                    None => {}
                },
            }
        }
        self.obey(effects).await;
    }

    fn hear_of(&self, name: String, instance: Option<Instance>) {
        let others = &mut self.sharing.state().others;
        match instance {
            Some(instance) if others.len() < MOST_INSTANCES || others.contains_key(&name) => {
                others.insert(name, instance);
            }
            _ => _ = others.remove(&name),
        }
    }

    /// Has followed what follows from what etcd has told, and tells those who wait that their words have come to nothing.
    async fn obey(&mut self, effects: Vec<Effect>) {
        let repairs = {
            let mut state = self.sharing.state();
            let waiting = std::mem::take(&mut state.waiting);
            for (topic, at, done) in waiting {
                match state.book.get(&topic) {
                    Some(entry) if entry.word.at == at && entry.is_pending => state.waiting.push((topic, at, done)),
                    Some(entry) if entry.word.at == at => _ = done.send(Outcome::Shared),
                    Some(Entry { word, .. }) => {
                        let _ = done.send(Outcome::Superseded(format!("{} at {}", word.note.who, word.instance)));
                    }
                    None => _ = done.send(Outcome::Superseded("somebody in etcd".to_owned())),
                }
            }
            hint::repairs(&state.others)
        };
        self.follow.set_repairs(&repairs);
        if effects.is_empty() {
            return;
        }
        let now = Stamp::now().as_millis();
        for effect in &effects {
            counter!(names::WORDS_FOLLOWED.name).increment(1);
            if let Effect::Follow(_, word) = effect {
                let lag = now.saturating_sub(i64::try_from(word.at).unwrap_or(now)).max(0);
                gauge!(names::SHARED_LAG.name).set(Duration::from_millis(lag.unsigned_abs()).as_secs_f64());
            }
        }
        self.follow.follow(effects).await;
    }

    /// Puts what was said here.
    async fn put_words(&mut self, client: &mut Client, place: &Place) -> Result<(), Failure> {
        loop {
            let pending = self.sharing.state().book.pending(SystemTime::now());
            if pending.is_empty() {
                return Ok(());
            }
            for (topic, word, revision) in pending {
                let key = format!("{}{WORDS}{}", place.prefix, topic.key());
                let lease = match word.fades_after(SystemTime::now()) {
                    Some(time) => client.grant(time.as_secs().max(1)).await?.id,
                    None => 0,
                };
                let effect = match client.replace(key.as_bytes(), &word.to_json(), lease, revision).await? {
                    Replaced::Done(revision) => {
                        self.sharing.state().book.put(&topic, &word, revision);
                        None
                    }
                    Replaced::Changed(None) => {
                        let state = &mut *self.sharing.state();
                        // it is gone since a revision that is not known, which is a later one
                        state.book.gone(&topic, i64::MAX)
                    }
                    Replaced::Changed(Some(kv)) => {
                        let read = self.read(place, &kv);
                        let book = &mut self.sharing.state().book;
                        match read {
                            Some(Read::Word(topic, Some(word))) => book.heard(topic, word, kv.mod_revision),
                            _ => {
                                book.unreadable(&topic, kv.mod_revision);
                                None
                            }
                        }
                    }
                };
                self.obey(effect.into_iter().collect()).await;
            }
        }
    }

    /// What a key has; `None` = it is none of ours. What can't be read is told once.
    fn read(&mut self, place: &Place, kv: &KeyValue) -> Option<Read> {
        let (read, why) = keys::read(place, kv);
        if let Some(reason) = why {
            let key = String::from_utf8_lossy(&kv.key);
            let key = key.chars().filter(|c| !c.is_control()).take(500).collect::<String>();
            if self.told.len() < MOST_TOLD && self.told.insert((key.clone(), kv.mod_revision)) {
                self.sharing.tell(ShareChange::Unreadable { key, reason });
            }
        }
        read
    }

    /// etcd answers.
    fn answers(&mut self) {
        let waiting = {
            let mut state = self.sharing.state();
            (state.trouble, state.is_gone) = (None, false);
            state.book.waiting()
        };
        if let Some((since, true)) = self.gone.take() {
            self.sharing.tell(ShareChange::Recovered { after: since.elapsed(), waiting });
        }
    }

    /// It does not: what waits is told, and what others have said of themselves ends as their leases do.
    fn failed(&mut self, reason: &str, place: &Place) {
        let (since, was_told) = self.gone.unwrap_or_else(|| (Instant::now(), false));
        let is_gone = since.elapsed() >= place.ttl;
        self.gone = Some((since, was_told || is_gone));
        let (waiting, has_waiting) = {
            let mut state = self.sharing.state();
            (state.trouble, state.is_synced) = (Some(reason.to_owned()), false);
            state.is_gone = since.elapsed() >= PATIENCE;
            if is_gone {
                state.others.clear();
            }
            let waiting = if state.is_gone { std::mem::take(&mut state.waiting) } else { Vec::new() };
            (waiting, state.book.waiting() > 0)
        };
        if has_waiting {
            counter!(names::SHARED_WRITES_FAILED.name).increment(1);
        }
        for (_, _, done) in waiting {
            let _ = done.send(Outcome::Local(reason.to_owned()));
        }
        if is_gone && !was_told {
            self.follow.set_repairs(&[]);
            self.sharing.tell(ShareChange::Failed { reason: reason.to_owned() });
        }
        self.show();
    }

    fn show(&self) {
        let (known, waiting) = {
            let state = self.sharing.state();
            (state.book.len(), state.book.waiting())
        };
        gauge!(names::SHARED_WORDS.name).set(known as f64);
        gauge!(names::SHARED_WAITING.name).set(waiting as f64);
    }

    /// Writes what is known to the file, where that is something else than before.
    async fn save(&mut self, place: &Place) {
        let text = file::text(&self.sharing.state().book, &place.identity());
        let Some(text) = text.ok().filter(|text| *text != self.saved) else { return };
        let (path, written) = (self.sharing.file.clone(), text.clone());
        let done = tokio::task::spawn_blocking(move || file::save(&path, &written)).await;
        match done.unwrap_or_else(|broken| Err(std::io::Error::other(broken))) {
            Ok(()) => self.saved = text,
            // the commands themselves are in their own file, whose failure is told
            Err(error) => tracing::debug!(%error, "what is shared can't be kept"),
        }
    }
}
