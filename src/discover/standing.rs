//! What is known of one source: its last good answer, and what was wrong since. What is news follows from that. It is pure, so that a test
//! can play hours of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Answer, Backend, Refused};

/// What is known of one source.
#[derive(Debug, Default)]
pub struct Standing {
    last: Option<Arc<[Backend]>>,
    /// Why it failed the last time; `None` = its last answer was good.
    reason: Option<String>,
    /// What could not be used of the last good answer, by its key.
    refused: BTreeMap<String, Refused>,
}

/// What is news in one answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The difference to the set of backends before; `None` = it is the same set, or there was no answer.
    pub change: Option<Change>,
    /// Why the source fails, if it has begun to fail, or fails for another reason than before.
    pub failing: Option<String>,
    /// Whether it failed before, and has now answered.
    pub recovered: bool,
    /// Parts of it that can't be used and that could be used before, or were not there, or could not be used for another reason.
    pub refused: Vec<Refused>,
}

/// How two sets of backends differ, by ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// How many are new.
    pub added: usize,
    /// How many are gone.
    pub removed: usize,
}

impl Standing {
    /// The last good answer.
    pub fn last(&self) -> Option<&Arc<[Backend]>> {
        self.last.as_ref()
    }

    /// Why its last answer was not good; `None` = it was.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// What could not be used of the last good answer.
    pub fn refused(&self) -> impl ExactSizeIterator<Item = &Refused> {
        self.refused.values()
    }

    /// Takes in what the source has answered, or why it has not. `None` = it stands by its last answer.
    pub fn answered(&mut self, result: Result<Option<Answer>, String>) -> News {
        match result {
            Ok(answer) => self.good(answer),
            Err(reason) => self.failed(reason),
        }
    }

    fn good(&mut self, answer: Option<Answer>) -> News {
        let mut news = News { recovered: self.reason.take().is_some(), ..News::default() };
        let Some(answer) = answer else { return news };
        if self.last.as_deref() != Some(&*answer.backends) {
            news.change = Some(Change::between(self.last.as_deref().unwrap_or_default(), &answer.backends));
            self.last = Some(answer.backends.into());
        }
        let known = std::mem::take(&mut self.refused);
        self.refused = answer.refused.into_iter().map(|refused| (refused.key.clone(), refused)).collect();
        let is_new = |refused: &&Refused| known.get(&refused.key).is_none_or(|known| known.reason != refused.reason);
        news.refused = self.refused.values().filter(is_new).cloned().collect();
        news
    }

    fn failed(&mut self, reason: String) -> News {
        let is_new = self.reason.as_ref() != Some(&reason);
        self.reason = Some(reason.clone());
        News { failing: is_new.then_some(reason), ..News::default() }
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

    fn answer(addresses: &[&str]) -> Result<Option<Answer>, String> {
        let backends = addresses.iter().map(|address| backend(address)).collect();
        Ok(Some(Answer { backends, ..Answer::default() }))
    }

    #[test]
    fn only_another_set_is_a_change() {
        let mut standing = Standing::default();
        let mut change = |addresses: &[&str]| {
            let change = standing.answered(answer(addresses)).change;
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
    fn failures_keep_the_last_good_answer_and_are_told_once() {
        let mut standing = Standing::default();
        standing.answered(answer(&["10.0.0.1:80"]));
        let all: Vec<_> = (0..6).map(|_| standing.answered(Err("no answer".to_owned()))).collect();
        assert_eq!(all.iter().filter(|news| news.failing.is_some()).count(), 1);
        assert!(all.iter().all(|news| news.change.is_none()));
        assert_eq!(standing.last().map(|last| last.len()), Some(1));

        assert!(standing.answered(Err("refused".to_owned())).failing.is_some(), "another reason is news");
        let back = standing.answered(answer(&["10.0.0.1:80"]));
        assert_eq!((back.recovered, back.change), (true, None));
        assert!(!standing.answered(answer(&["10.0.0.1:80"])).recovered);
    }

    #[test]
    fn a_source_that_stands_by_its_answer_changes_nothing() {
        let mut standing = Standing::default();
        standing.answered(answer(&["10.0.0.1:80"]));
        assert_eq!(standing.answered(Ok(None)), News::default());
        standing.answered(Err("no answer".to_owned()));
        let back = standing.answered(Ok(None));
        assert!(back.recovered && back.change.is_none());
        assert_eq!(standing.last().map(|last| last.len()), Some(1));
    }

    #[test]
    fn what_can_not_be_used_is_told_once() {
        let refused = |key: &str, reason: &str| Refused { key: key.into(), reason: reason.into(), is_kept: false };
        let mut standing = Standing::default();
        let mut told = |parts: &[(&str, &str)]| {
            let refused = parts.iter().map(|(key, reason)| refused(key, reason)).collect();
            let news = standing.answered(Ok(Some(Answer { refused, ..Answer::default() })));
            news.refused.into_iter().map(|refused| refused.key).collect::<Vec<_>>()
        };
        assert_eq!(told(&[("b", "x"), ("a", "x")]), ["a", "b"]);
        assert_eq!(told(&[("b", "x"), ("a", "x")]), [""; 0]);
        assert_eq!(told(&[("b", "y"), ("a", "x")]), ["b"], "another reason is news");
        assert_eq!(told(&[("a", "x")]), [""; 0]);
        assert_eq!(told(&[("a", "x"), ("b", "y")]), ["b"], "it was repaired in between");
        assert_eq!(standing.refused().len(), 2);
    }

    #[test]
    fn a_source_that_never_answered_has_said_nothing() {
        let mut standing = Standing::default();
        standing.answered(Err("missing".to_owned()));
        assert!(standing.last().is_none() && standing.reason() == Some("missing"));
    }
}
