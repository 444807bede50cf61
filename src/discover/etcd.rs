//! Backends from a watched prefix of etcd.
//!
//! ```text
//!   pages of keys, all as they were at one revision ──▶ Keys ◀── changes from the next revision on
//!        ▲                                                            │
//!        └── the watch has ended: etcd has forgotten what came next (compaction), or the connection broke, or nothing was heard
//! ```
//!
//! As the clients of etcd and the informers of Kubernetes do it: list, watch, and list again when the watch can't go on. The keys are read
//! as a whole rather than watched from where the watch ended: an etcd that was restored from a copy has other revisions.
//!
//! Whether a silent watch is still one is found out by asking how many keys there are. Only a member that most others agree with can
//! answer that. A member that does not is left for the next one, and that nobody answers is told when all were asked.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::debug;

use super::Answer;
use super::keys::{self, Keys, check_size};
use super::pace::Pace;
use crate::etcd::{Changes, Client, Failure, KeyValue, Settings, Watch, prefix_end};

/// How long a call to etcd may take.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// After so much silence etcd is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(3);
/// The longest time between two questions to an etcd that does not answer.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(5);
/// How many keys are asked for at once.
const PAGE: u64 = 1_000;
/// How long no key may change before the changes are one new set.
const QUIET: Duration = Duration::from_millis(50);
/// How many such times are waited at most: something may change all the time.
const MOST_QUIETS: u32 = 10;

/// gRPC's status OUT_OF_RANGE: the revision that is asked for is gone.
const OUT_OF_RANGE: u32 = 11;

/// A watched prefix.
#[derive(Debug)]
pub(super) struct EtcdPrefix {
    client: Client,
    prefix: Vec<u8>,
    end: Vec<u8>,
    /// How many members may be asked.
    members: usize,
    pace: Pace,
    keys: Keys,
    /// `None` = the keys have to be read as a whole.
    watch: Option<Watch>,
}

/// Why the keys could not be read.
enum Trouble {
    Failure(Failure),
    TooMuch(String),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl EtcdPrefix {
    pub(super) fn new(settings: Settings, prefix: &str) -> Self {
        let prefix = prefix.as_bytes().to_vec();
        Self {
            end: prefix_end(&prefix),
            members: settings.endpoints.len(),
            // not all ask the same member
            client: Client::new(settings, fastrand::usize(..)),
            pace: Pace::new(None).with_longest(LONGEST_BACK_OFF),
            keys: Keys::new(&prefix),
            prefix,
            watch: None,
        }
    }

    /// The next answer; `None` = etcd has nothing to add to its last one.
    pub(super) async fn next(&mut self) -> Result<Option<Answer>, String> {
        // there is something to wait for after a failure only
        if self.watch.is_none() && self.pace.delay().is_some() {
            self.pace.wait().await;
        }
        let answer = self.answer().await;
        match &answer {
            Ok(_) => self.pace.answered(None),
            Err(_) => {
                self.pace.failed();
                self.watch = None;
            }
        }
        answer
    }

    async fn answer(&mut self) -> Result<Option<Answer>, String> {
        if self.watch.is_some() && self.has_nothing_new().await? {
            return Ok(None);
        }
        if self.watch.is_none() {
            self.synchronise().await?;
        }
        let unread = self.keys.unread();
        // names in them are looked up as well: the control plane does not wait for that
        let read = tokio::task::spawn_blocking(move || keys::read(unread)).await;
        self.keys.read(read.map_err(|_| "reading the values panicked".to_owned())?);
        Ok(Some(self.keys.answer()))
    }

    /// Waits for changes, or for so long that etcd is to be asked whether it is there. Gives back whether all is as it was.
    async fn has_nothing_new(&mut self) -> Result<bool, String> {
        if let Some(changes) = self.changes_within(SILENCE).await {
            self.take(changes)?;
            self.gather().await?;
            return Ok(false);
        }
        if let Err(failure) = self.client.count(&self.prefix, &self.end).await {
            debug!(%failure, "etcd has not answered while nothing was heard of it");
            self.watch = None;
            return Ok(false);
        }
        Ok(!self.keys.forget_unresolved())
    }

    /// What changes within this time; `None` = nothing.
    async fn changes_within(&mut self, time: Duration) -> Option<Result<Changes, Failure>> {
        match &mut self.watch {
            Some(watch) => timeout(time, watch.next()).await.ok(),
            None => None,
        }
    }

    /// Takes in the changes that follow at once: many changes are one new set.
    async fn gather(&mut self) -> Result<(), String> {
        for _ in 0..MOST_QUIETS {
            let quiet = sleep(QUIET);
            tokio::pin!(quiet);
            let mut is_quiet = true;
            while let Some(watch) = &mut self.watch {
                tokio::select! {
                    changes = watch.next() => {
                        is_quiet = false;
                        self.take(changes)?;
                    }
                    () = &mut quiet => break,
                }
            }
            if is_quiet {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, changes: Result<Changes, Failure>) -> Result<(), String> {
        match changes {
            Ok(Changes::Made(changes, _)) => changes.into_iter().try_for_each(|change| self.keys.change(change)),
            Ok(Changes::Compacted) => {
                debug!("etcd has forgotten what came next: the keys are read anew");
                self.watch = None;
                Ok(())
            }
            Err(failure) => {
                debug!(%failure, "the watch of etcd has ended: the keys are read anew");
                self.watch = None;
                self.client.leave_endpoint();
                Ok(())
            }
        }
    }

    /// Reads all keys, and watches them from then on. Each member is asked once.
    async fn synchronise(&mut self) -> Result<(), String> {
        let mut last = String::new();
        // one that has compacted meanwhile is asked again
        for _ in 0..self.members.max(2) {
            let failure = match self.list().await {
                Ok(watch) => {
                    self.watch = Some(watch);
                    return Ok(());
                }
                Err(Trouble::TooMuch(reason)) => return Err(reason),
                Err(Trouble::Failure(failure)) => failure,
            };
            last = failure.to_string();
            if !failure.is_of_endpoint() && !matches!(failure, Failure::Refused(OUT_OF_RANGE, _)) {
                break;
            }
        }
        Err(last)
    }

    /// Reads all keys, page by page, as they were at the revision of the first page.
    async fn list(&mut self) -> Result<Watch, Trouble> {
        let (mut all, mut bytes, mut revision, mut from) = (Vec::new(), 0, 0, self.prefix.clone());
        loop {
            let page = self.client.page(&from, &self.end, PAGE, revision).await?;
            // the first page says how many there are
            bytes += page.keys.iter().map(|KeyValue { key, value, .. }| key.len() + value.len()).sum::<usize>();
            check_size(all.len() + page.count.max(page.keys.len()), bytes).map_err(Trouble::TooMuch)?;
            if revision == 0 {
                revision = page.revision;
            }
            let next = page.keys.last().map(|last| [&last.key[..], b"\0"].concat());
            all.extend(page.keys);
            match next {
                Some(next) if page.has_more => from = next,
                _ => break,
            }
        }
        let watch = self.client.watch(&self.prefix, &self.end, revision + 1).await?;
        self.keys.replace(all).map_err(Trouble::TooMuch)?;
        Ok(watch)
    }
}
