//! The keys in force, and where they come from: a file, or a URL that the control plane fetches. Workers read them without a lock; one that finds a token with a
//! key that is not known asks for the URL to be fetched, not more often than every [`PAUSE`].

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{Notify, watch};

use super::keys::{Keys, LARGEST};
use crate::auth::file::{FileProblem, text};
use crate::clock::Moment;

/// Keys are not fetched more often than this because of tokens: whoever makes them up must not make us ask the issuer each time.
const PAUSE: Duration = Duration::from_secs(10);

/// Keys that may change.
#[derive(Debug)]
pub struct KeySet {
    file: Option<PathBuf>,
    /// Made when it is needed first, or taken over from the configuration before: then those who still wait by that one wait for the same fetch.
    source: OnceLock<Arc<Source>>,
}

/// What a set and those of other configurations with the same URL have in common.
#[derive(Debug, Default)]
struct Source {
    current: ArcSwap<Keys>,
    /// Somebody waits for a fetch.
    wanted: Notify,
    /// The number of the last wish for one: the millisecond in which it came, from 1; 0 = there was none. It is the pause before the next wish as well, so nobody sees the one without the other.
    wish: AtomicU64,
    /// Up to which wish the fetches that are over were begun later; `None` = none is over yet.
    done: watch::Sender<Option<u64>>,
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
        Self { file: None, source: OnceLock::new() }
    }

    /// Takes over what is known of the same URL, before anybody has used this set.
    pub fn carry_over(&self, known: &Self) {
        // one that has keys of its own already goes on with them
        let _ = self.source.set(Arc::clone(known.source()));
    }

    /// Whether both have the same keys at all times, because one has taken over from the other.
    pub fn has_the_keys_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.source(), other.source())
    }

    fn source(&self) -> &Arc<Source> {
        self.source.get_or_init(Arc::default)
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
        let text = text(file, LARGEST as u64)?;
        let problem = |reason| FileProblem { file: file.clone(), line: None, reason };
        let keys = Keys::parse(text.as_bytes()).map_err(problem)?;
        let count = keys.len();
        self.put(Arc::new(keys));
        Ok(count)
    }

    /// The keys in force.
    pub fn current(&self) -> Arc<Keys> {
        self.source().current.load_full()
    }

    /// The same for who looks at them in passing: nothing is counted that workers share.
    pub(super) fn in_force(&self) -> Guard<Arc<Keys>> {
        self.source().current.load()
    }

    /// Puts others in force.
    pub fn put(&self, keys: Arc<Keys>) {
        self.source().current.store(keys);
    }

    /// Waits until a fetch that was begun after the last wish is over, where a token whose key is not known may make one now. Where none may be made, because there was one a short while ago,
    /// it waits for what that one has brought: it may be over, but later than the token was judged. Returns whether it is worth it to look at the keys again.
    pub async fn fetched(&self, now: Moment) -> bool {
        if self.file.is_some() {
            return false;
        }
        let source = self.source();
        let mine = now.as_millis() + 1;
        let pause = u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX);
        let may_wish = |last: u64| (last == 0 || mine >= last.saturating_add(pause)).then_some(mine);
        let wish = match source.wish.fetch_update(Ordering::AcqRel, Ordering::Acquire, may_wish) {
            Ok(_) => {
                source.wanted.notify_one();
                mine
            }
            Err(last) => last,
        };
        source.done.subscribe().wait_for(|done| *done >= Some(wish)).await.is_ok()
    }

    /// Waits until the keys have been fetched once, or could not be. Returns whether there was something to wait for.
    pub async fn first_fetched(&self) -> bool {
        self.file.is_none() && self.source().done.subscribe().wait_for(Option::is_some).await.is_ok()
    }

    /// Waits until somebody wants them fetched who no fetch has been begun for.
    pub async fn wanted(&self) {
        let source = self.source();
        // a wish that was made while the last fetch began is in what that has answered, and its word is still here
        while source.wish.load(Ordering::Acquire) <= source.done.borrow().unwrap_or(0) {
            source.wanted.notified().await;
        }
    }

    /// A fetch begins. Gives back what is to be said when it is over: whose wishes it answers.
    pub fn begin(&self) -> u64 {
        self.source().wish.load(Ordering::Acquire)
    }

    /// A fetch is over, and what it has brought is in force; or it has failed. Those whose wish came before it began go on.
    pub fn finished(&self, begun: u64) {
        self.source().done.send_modify(|done| *done = (*done).max(Some(begun)));
    }

    /// Nobody fetches them any more: whoever waits goes on, and nobody waits again.
    pub fn closed(&self) {
        self.finished(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    /// Whether somebody still waits.
    async fn waits<T>(mut one: Pin<&mut impl Future<Output = T>>) -> bool {
        tokio::select! {
            biased;
            _ = &mut one => false,
            () = tokio::task::yield_now() => true,
        }
    }

    #[tokio::test]
    async fn tokens_make_the_keys_be_fetched_now_and_then_only() {
        let set = KeySet::of_url();
        let ((), is_there) = tokio::join!(async { set.finished(set.begin()) }, set.first_fetched());
        assert!(is_there && set.first_fetched().await);
        let (first, second, ()) = tokio::join!(set.fetched(at(1000)), set.fetched(at(1001)), async {
            set.wanted().await;
            set.finished(set.begin());
        });
        assert!(first && second, "both have waited for one fetch");
        assert!(set.fetched(at(1002)).await && set.fetched(at(10_999)).await, "it is over");
        assert!(waits(pin!(set.wanted())).await, "and nobody wants another one");
        let (again, ()) = tokio::join!(set.fetched(at(11_000)), async {
            set.wanted().await;
            set.finished(set.begin());
        });
        assert!(again);
    }

    #[tokio::test]
    async fn a_fetch_that_was_begun_before_a_token_came_is_not_the_one_that_it_waits_for() {
        let set = KeySet::of_url();
        let begun = set.begin();
        let mut token = pin!(set.fetched(at(1000)));
        let mut other = pin!(set.fetched(at(1001)));
        assert!(waits(token.as_mut()).await && waits(other.as_mut()).await);
        set.finished(begun);
        assert!(waits(token.as_mut()).await && waits(other.as_mut()).await);
        set.wanted().await;
        set.finished(set.begin());
        assert!(token.await && other.await);
    }

    #[tokio::test]
    async fn who_waits_over_a_reload_gets_the_keys_that_are_fetched_after_it() {
        let (before, next, gone) = (KeySet::of_url(), KeySet::of_url(), KeySet::of_url());
        let mut token = pin!(before.fetched(at(1000)));
        assert!(waits(token.as_mut()).await);
        next.carry_over(&before);
        assert!(next.has_the_keys_of(&before) && !next.has_the_keys_of(&gone));
        assert!(!waits(pin!(next.wanted())).await, "the wish holds");
        let key = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        next.put(Arc::new(Keys::parse(key.as_bytes()).unwrap()));
        next.finished(next.begin());
        assert!(token.await);
        assert_eq!(before.current().len(), 1);
        gone.closed();
        assert!(gone.fetched(at(1000)).await && gone.first_fetched().await, "nobody waits for what nobody fetches");
    }
}
