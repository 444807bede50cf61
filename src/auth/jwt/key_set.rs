//! The keys in force, and where they come from: a file, or a URL that the control plane fetches. Workers read them without a lock; one that finds a token with a
//! key that is not known asks for the URL to be fetched, not more often than every [`PAUSE`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use super::keys::{Keys, LARGEST};
use crate::auth::FileProblem;
use crate::clock::Moment;

/// Keys are not fetched more often than this because of tokens: whoever makes them up must not make us ask the issuer each time.
const PAUSE: Duration = Duration::from_secs(10);

/// Keys that may change.
#[derive(Debug)]
pub struct KeySet {
    file: Option<PathBuf>,
    current: ArcSwap<Keys>,
    fetches: Fetches,
}

/// The fetching of keys from a URL.
#[derive(Debug)]
struct Fetches {
    /// Somebody waits for one.
    wanted: Notify,
    is_wanted: AtomicBool,
    /// The moment from which one may be asked for, in milliseconds.
    from: AtomicU64,
    /// How many there were.
    done: watch::Sender<u64>,
}

impl KeySet {
    /// Keys of a file.
    ///
    /// # Errors
    ///
    /// What is wrong with the file.
    pub fn of_file(file: PathBuf) -> Result<Self, FileProblem> {
        let set = Self { file: Some(file), ..Self::of_url() };
        set.reload()?;
        Ok(set)
    }

    /// Keys that will be fetched: none yet.
    pub fn of_url() -> Self {
        let fetches = Fetches {
            wanted: Notify::new(),
            is_wanted: AtomicBool::new(false),
            from: AtomicU64::new(0),
            done: watch::Sender::new(0),
        };
        Self { file: None, current: ArcSwap::default(), fetches }
    }

    /// The file that they are read from.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads the file again, and returns how many keys it has.
    ///
    /// # Errors
    ///
    /// What is wrong with it; the keys stay as they were.
    pub fn reload(&self) -> Result<usize, FileProblem> {
        let Some(file) = &self.file else { return Ok(self.current().len()) };
        let text = crate::auth::text(file, LARGEST as u64)?;
        let problem = |reason| FileProblem { file: file.clone(), line: None, reason };
        let keys = Keys::parse(text.as_bytes()).map_err(problem)?;
        let count = keys.len();
        self.put(Arc::new(keys));
        Ok(count)
    }

    /// The keys in force.
    pub fn current(&self) -> Arc<Keys> {
        self.current.load_full()
    }

    /// Puts others in force.
    pub fn put(&self, keys: Arc<Keys>) {
        self.current.store(keys);
    }

    /// Waits until the keys have been fetched because of a token, where that may be now. Returns whether they have.
    pub async fn fetched(&self, now: Moment) -> bool {
        let fetches = &self.fetches;
        let is_over = |from: u64| now.as_millis() >= from;
        let is_pending = || fetches.is_wanted.load(Ordering::Acquire);
        if self.file.is_some() || !is_pending() && !is_over(fetches.from.load(Ordering::Relaxed)) {
            return false;
        }
        let mut done = fetches.done.subscribe();
        let next = now.plus(PAUSE).as_millis();
        let asked =
            fetches.from.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |from| is_over(from).then_some(next));
        if asked.is_ok() {
            fetches.is_wanted.store(true, Ordering::Release);
            fetches.wanted.notify_one();
        } else if !is_pending() {
            // that fetch has ended meanwhile
            return true;
        }
        done.changed().await.is_ok()
    }

    /// Waits until the keys have been fetched once, or could not be. Returns whether there was something to wait for.
    pub async fn first_fetched(&self) -> bool {
        self.file.is_none() && self.fetches.done.subscribe().wait_for(|count| *count > 0).await.is_ok()
    }

    /// Waits until somebody wants them fetched.
    pub async fn wanted(&self) {
        self.fetches.wanted.notified().await;
    }

    /// They have been fetched, or could not be: those who wait go on.
    pub fn finished(&self) {
        self.fetches.is_wanted.store(false, Ordering::Release);
        self.fetches.done.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tokens_make_the_keys_be_fetched_now_and_then_only() {
        let set = KeySet::of_url();
        let ((), is_there) = tokio::join!(async { set.finished() }, set.first_fetched());
        assert!(is_there && set.first_fetched().await);
        let at = Moment::from_millis;
        let (first, second, ()) = tokio::join!(set.fetched(at(1000)), set.fetched(at(1001)), async {
            set.wanted().await;
            set.finished();
        });
        assert!(first && second, "both have waited for one fetch");
        assert!(!set.fetched(at(1002)).await && !set.fetched(at(10_999)).await);
        let (again, ()) = tokio::join!(set.fetched(at(11_000)), async {
            set.wanted().await;
            set.finished();
        });
        assert!(again);
    }
}
