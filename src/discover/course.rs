//! What follows from each answer of a source, and from each failure: pure, so that hours of it can be told in a test.

use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Backend};

/// No source is asked more often, whatever its answers say.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long a source that fails is left alone at most.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

/// What has become of a source so far.
#[derive(Debug)]
pub struct Course {
    /// How often it is asked when all is well; `None` = only when it has changed, or when its answer says until when it holds.
    refresh: Option<Duration>,
    last: Option<Arc<[Backend]>>,
    failures: u32,
    reason: Option<String>,
}

/// What follows from one answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Turn {
    /// The set of backends is another one.
    pub changed: bool,
    /// It fails from now on, or for another reason than before.
    pub failing: Option<String>,
    /// It failed before and does no more.
    pub recovered: bool,
    /// When to ask again; `None` = when it has changed.
    pub delay: Option<Duration>,
}

impl Course {
    /// For a source that is asked this often; `None` for one that tells when it has changed.
    pub fn new(refresh: Option<Duration>) -> Self {
        Self { refresh, last: None, failures: 0, reason: None }
    }

    /// The last good answer.
    pub fn last(&self) -> Option<&Arc<[Backend]>> {
        self.last.as_ref()
    }

    /// The source has answered, or failed.
    pub fn take(&mut self, result: Result<Answer, String>) -> Turn {
        match result {
            Ok(answer) => self.good(answer),
            Err(reason) => self.failed(reason),
        }
    }

    fn good(&mut self, answer: Answer) -> Turn {
        self.failures = 0;
        let recovered = self.reason.take().is_some();
        let changed = self.last.as_deref() != Some(&*answer.backends);
        if changed {
            self.last = Some(answer.backends.into());
        }
        let delay = self.refresh.into_iter().chain(answer.ttl).min().map(|delay| delay.max(SHORTEST));
        Turn { changed, failing: None, recovered, delay }
    }

    fn failed(&mut self, reason: String) -> Turn {
        // 1 s, 2 s, 4 s, ... but not more seldom than when all is well
        let longest = self.refresh.unwrap_or(LONGEST_BACK_OFF).clamp(SHORTEST, LONGEST_BACK_OFF);
        let delay = SHORTEST.saturating_mul(1 << self.failures.min(10)).min(longest);
        self.failures = self.failures.saturating_add(1);
        let is_new = self.reason.as_ref() != Some(&reason);
        self.reason = Some(reason.clone());
        Turn { changed: false, failing: is_new.then_some(reason), recovered: false, delay: Some(delay) }
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
            unknown: None,
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

    fn seconds(turn: &Turn) -> u64 {
        turn.delay.unwrap().as_secs()
    }

    #[test]
    fn only_another_set_is_a_change() {
        let mut course = Course::new(Some(Duration::from_secs(10)));
        let mut changed = |addresses: &[&str]| course.take(answer(addresses, 5)).changed;
        assert!(changed(&["10.0.0.1:80"]));
        assert!(!changed(&["10.0.0.1:80"]));
        assert!(changed(&["10.0.0.1:80", "10.0.0.2:80"]));
        assert!(changed(&[]), "a good answer may be empty: a file says so");
        assert!(!changed(&[]));
    }

    #[test]
    fn it_is_asked_again_when_the_answer_or_the_patience_is_over() {
        let mut course = Course::new(Some(Duration::from_secs(10)));
        let mut delay = |ttl| seconds(&course.take(answer(&[], ttl)));
        assert_eq!([delay(0), delay(1), delay(7), delay(3600)], [1, 1, 7, 10]);
        let mut hasty = Course::new(Some(Duration::from_millis(10)));
        assert_eq!(seconds(&hasty.take(answer(&[], 60))), 1);
        let held = |ttl| Course::new(None).take(Ok(Answer { backends: Vec::new(), ttl })).delay;
        let five = Some(Duration::from_secs(5));
        assert_eq!((held(None), held(five)), (None, five), "a file tells itself, unless something is missing in it");
    }

    #[test]
    fn failures_keep_the_last_good_answer_and_are_told_once() {
        let mut course = Course::new(Some(Duration::from_secs(10)));
        course.take(answer(&["10.0.0.1:80"], 5));
        let turns: Vec<_> = (0..6).map(|_| course.take(Err("no answer".to_owned()))).collect();
        assert_eq!(turns.iter().map(seconds).collect::<Vec<_>>(), [1, 2, 4, 8, 10, 10]);
        assert_eq!(turns.iter().filter(|turn| turn.failing.is_some()).count(), 1);
        assert!(turns.iter().all(|turn| !turn.changed));
        assert_eq!(course.last().map(|last| last.len()), Some(1));

        assert!(course.take(Err("refused".to_owned())).failing.is_some(), "another reason is news");
        let back = course.take(answer(&["10.0.0.1:80"], 5));
        assert_eq!((back.recovered, back.changed), (true, false));
        assert!(!course.take(answer(&["10.0.0.1:80"], 5)).recovered);
        assert_eq!(seconds(&course.take(Err("refused".to_owned()))), 1, "the back-off begins anew");
    }

    #[test]
    fn a_source_that_never_answered_has_said_nothing() {
        let mut course = Course::new(None);
        let delays: Vec<_> = (0..8).map(|_| seconds(&course.take(Err("missing".to_owned())))).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert!(course.last().is_none());
    }
}
