//! What follows from each answer of a source, and from each failure: what to tell, and when to ask again. It is pure, so that a test can
//! play hours of it.

use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Backend};

/// The shortest time between two questions to a source, whatever its answers say.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest time between two questions to a source that fails.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

/// The polling of one source: its last good answer, and the failures since.
#[derive(Debug)]
pub struct Polling {
    /// How often it is asked when all is well; `None` = only when it has changed, or when its answer says until when it holds.
    refresh: Option<Duration>,
    last: Option<Arc<[Backend]>>,
    /// Failures in a row, up to now.
    failures: u32,
    /// Why it failed the last time; `None` = its last answer was good.
    reason: Option<String>,
}

/// What follows from one answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The difference to the set of backends before; `None` = it is the same set, or there was no answer.
    pub change: Option<Change>,
    /// Why the source fails, if it has begun to fail, or fails for another reason than before.
    pub failing: Option<String>,
    /// Whether it failed before, and has now answered.
    pub recovered: bool,
    /// How long to wait before it is asked again; `None` = until it has changed.
    pub delay: Option<Duration>,
}

/// How two sets of backends differ, by ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// How many are new.
    pub added: usize,
    /// How many are gone.
    pub removed: usize,
}

impl Polling {
    /// For a source that is asked every `refresh`; `None` for one that tells when it has changed.
    pub fn new(refresh: Option<Duration>) -> Self {
        Self { refresh, last: None, failures: 0, reason: None }
    }

    /// The last good answer.
    pub fn last(&self) -> Option<&Arc<[Backend]>> {
        self.last.as_ref()
    }

    /// Takes in what the source has answered, or why it has not.
    pub fn answered(&mut self, result: Result<Answer, String>) -> Outlook {
        match result {
            Ok(answer) => self.good(answer),
            Err(reason) => self.failed(reason),
        }
    }

    fn good(&mut self, answer: Answer) -> Outlook {
        self.failures = 0;
        let recovered = self.reason.take().is_some();
        let is_same = self.last.as_deref() == Some(&*answer.backends);
        let change = (!is_same).then(|| Change::between(self.last.as_deref().unwrap_or_default(), &answer.backends));
        if change.is_some() {
            self.last = Some(answer.backends.into());
        }
        let delay = self.refresh.into_iter().chain(answer.ttl).min().map(|delay| delay.max(SHORTEST));
        Outlook { change, failing: None, recovered, delay }
    }

    fn failed(&mut self, reason: String) -> Outlook {
        // 1 s, 2 s, 4 s, ... but not more seldom than when all is well
        let longest = self.refresh.unwrap_or(LONGEST_BACK_OFF).clamp(SHORTEST, LONGEST_BACK_OFF);
        let delay = SHORTEST.saturating_mul(1 << self.failures.min(10)).min(longest);
        self.failures = self.failures.saturating_add(1);
        let is_new = self.reason.as_ref() != Some(&reason);
        self.reason = Some(reason.clone());
        Outlook { change: None, failing: is_new.then_some(reason), recovered: false, delay: Some(delay) }
    }
}

impl Change {
    /// Both are sorted by id.
    fn between(before: &[Backend], after: &[Backend]) -> Self {
        let missing = |from: &[Backend], of: &[Backend]| {
            let is_missing = |one: &&Backend| from.binary_search_by(|other| other.id.cmp(&one.id)).is_err();
            of.iter().filter(is_missing).count()
        };
        Self { added: missing(before, after), removed: missing(after, before) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::endpoint::Target;

    fn backend(address: &str) -> Backend {
        Backend {
            id: address.to_owned(),
            name: address.to_owned(),
            target: Target::Tcp(address.parse::<SocketAddr>().unwrap()),
            further: Vec::new(),
            are_paths: false,
            unresolved: None,
            host: "api".to_owned(),
            weight: 1,
            zone: String::new(),
            max_connections: 0,
            backup: false,
            drain: false,
        }
    }

    fn answer(addresses: &[&str], ttl: u64) -> Result<Answer, String> {
        let backends = addresses.iter().map(|address| backend(address)).collect();
        Ok(Answer { backends, ttl: Some(Duration::from_secs(ttl)) })
    }

    fn seconds(outlook: &Outlook) -> u64 {
        outlook.delay.unwrap().as_secs()
    }

    #[test]
    fn only_another_set_is_a_change() {
        let mut polling = Polling::new(Some(Duration::from_secs(10)));
        let mut change = |addresses: &[&str]| {
            let change = polling.answered(answer(addresses, 5)).change;
            change.map(|Change { added, removed }| (added, removed))
        };
        assert_eq!(change(&["10.0.0.1:80"]), Some((1, 0)));
        assert_eq!(change(&["10.0.0.1:80"]), None);
        assert_eq!(change(&["10.0.0.1:80", "10.0.0.2:80"]), Some((1, 0)));
        assert_eq!(change(&["10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"]), Some((2, 1)));
        assert_eq!(change(&[]), Some((0, 3)), "a good answer may be empty: a file says so");
        assert_eq!(change(&[]), None);
    }

    #[test]
    fn it_is_asked_again_when_the_answer_or_the_patience_is_over() {
        let mut polling = Polling::new(Some(Duration::from_secs(10)));
        let mut delay = |ttl| seconds(&polling.answered(answer(&[], ttl)));
        assert_eq!([delay(0), delay(1), delay(7), delay(3600)], [1, 1, 7, 10]);
        let mut hasty = Polling::new(Some(Duration::from_millis(10)));
        assert_eq!(seconds(&hasty.answered(answer(&[], 60))), 1);
        let held = |ttl| Polling::new(None).answered(Ok(Answer { backends: Vec::new(), ttl })).delay;
        let five = Some(Duration::from_secs(5));
        assert_eq!((held(None), held(five)), (None, five), "a file tells itself, unless something is missing in it");
    }

    #[test]
    fn failures_keep_the_last_good_answer_and_are_told_once() {
        let mut polling = Polling::new(Some(Duration::from_secs(10)));
        polling.answered(answer(&["10.0.0.1:80"], 5));
        let outlooks: Vec<_> = (0..6).map(|_| polling.answered(Err("no answer".to_owned()))).collect();
        assert_eq!(outlooks.iter().map(seconds).collect::<Vec<_>>(), [1, 2, 4, 8, 10, 10]);
        assert_eq!(outlooks.iter().filter(|outlook| outlook.failing.is_some()).count(), 1);
        assert!(outlooks.iter().all(|outlook| outlook.change.is_none()));
        assert_eq!(polling.last().map(|last| last.len()), Some(1));

        assert!(polling.answered(Err("refused".to_owned())).failing.is_some(), "another reason is news");
        let back = polling.answered(answer(&["10.0.0.1:80"], 5));
        assert_eq!((back.recovered, back.change), (true, None));
        assert!(!polling.answered(answer(&["10.0.0.1:80"], 5)).recovered);
        assert_eq!(seconds(&polling.answered(Err("refused".to_owned()))), 1, "the back-off begins anew");
    }

    #[test]
    fn a_source_that_never_answered_has_said_nothing() {
        let mut polling = Polling::new(None);
        let delays: Vec<_> = (0..8).map(|_| seconds(&polling.answered(Err("missing".to_owned())))).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert!(polling.last().is_none());
    }
}
