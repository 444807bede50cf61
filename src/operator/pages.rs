//! What operators have said of the pages of maintenance: whose clients are shown one. It is kept with all else that operators say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use ahash::RandomState;
use dashmap::DashMap;

use super::follow::elsewhere;
use super::{Note, Operators, Role};

/// Who has ended a page whose time is over.
const TIME: &str = "its time is over";

/// Whose clients are shown a page.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// All of a listener.
    Listener(Arc<str>),
    /// Those whose requests go to a service.
    Service(Arc<str>),
}

/// An operator has said that a page is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageWord {
    /// Since when.
    pub since: SystemTime,
    /// Who has said it, why, and until when it holds.
    pub note: Note,
}

/// All pages that operators have shown.
#[derive(Debug, Default)]
pub struct Pages {
    said: DashMap<Scope, PageWord, RandomState>,
    /// Who has ended those that were ended, for whoever tells of it.
    ended: DashMap<Scope, String, RandomState>,
    /// Grows with each change.
    changes: AtomicU64,
}

impl Scope {
    /// `listener` or `service`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Listener(_) => "listener",
            Self::Service(_) => "service",
        }
    }

    /// The name of the listener or the service.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Listener(name) | Self::Service(name) => name,
        }
    }
}

impl Pages {
    /// What holds for this listener or service.
    pub fn of(&self, scope: &Scope) -> Option<PageWord> {
        self.said.get(scope).map(|word| word.clone())
    }

    /// All that hold, in the order of their names.
    pub fn all(&self) -> Vec<(Scope, PageWord)> {
        let mut all: Vec<_> = self.said.iter().map(|entry| (entry.key().clone(), entry.value().clone())).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// Whether none holds.
    pub fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// A number that grows with each change.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Who has ended the page that was shown here; whoever asks is the only one to be told.
    pub fn ended_by(&self, scope: &Scope) -> Option<String> {
        self.ended.remove(scope).map(|(_, who)| who)
    }

    /// Takes on what is kept, in place of what is known.
    pub(super) fn recall(&self, kept: Vec<(Scope, PageWord)>) {
        self.said.clear();
        kept.into_iter().for_each(|(scope, word)| _ = self.said.insert(scope, word));
        self.has_changed();
    }

    /// Takes out those whose time is over; whether there were any.
    pub(super) fn expire(&self, now: SystemTime) -> bool {
        if self.said.is_empty() {
            return false;
        }
        let mut is_any_over = false;
        self.said.retain(|scope, word| {
            let is_over = word.note.is_over(now);
            if is_over {
                is_any_over = true;
                self.ended.insert(scope.clone(), TIME.to_owned());
            }
            !is_over
        });
        if is_any_over {
            self.has_changed();
        }
        is_any_over
    }

    /// Puts a word in force, in place of the one before; what was begun goes on.
    fn show(&self, scope: &Scope, note: Note) -> PageWord {
        let since = self.of(scope).map_or_else(SystemTime::now, |before| before.since);
        let word = PageWord { since, note };
        self.said.insert(scope.clone(), word.clone());
        self.ended.remove(scope);
        self.has_changed();
        word
    }

    /// Takes a word back.
    fn end(&self, scope: &Scope, who: String) -> Option<PageWord> {
        let (_, word) = self.said.remove(scope)?;
        self.ended.insert(scope.clone(), who);
        self.has_changed();
        Some(word)
    }

    fn has_changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

impl Operators {
    /// Has the clients of this listener or service shown a page. As with [`say`](Self::say), [`keep`](Self::keep) has to be called without a pause in
    /// between. The snapshot is the caller's to change.
    ///
    /// # Errors
    ///
    /// The role of this process, where it takes no commands in it.
    pub fn show_page(&self, scope: &Scope, note: Note) -> Result<PageWord, Role> {
        self.takes_commands()?;
        Ok(self.pages.show(scope, note))
    }

    /// Ends it; `None` = no operator has had one shown.
    ///
    /// # Errors
    ///
    /// The role of this process, where it takes no commands in it.
    pub fn end_page(&self, scope: &Scope, who: String) -> Result<Option<PageWord>, Role> {
        self.takes_commands()?;
        Ok(self.pages.end(scope, who))
    }

    /// Puts in force what another instance was told: `holds` = the page is shown. [`keep`](Self::keep) writes it to the file.
    pub fn follow_page(&self, scope: &Scope, holds: bool, note: Note, instance: &str) {
        let who = elsewhere(&note.who, instance);
        if holds && !note.is_over(SystemTime::now()) {
            self.pages.show(scope, Note { who, ..note });
        } else {
            self.pages.end(scope, who);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn note(who: &str, until: Option<SystemTime>) -> Note {
        Note { who: who.to_owned(), reason: Some("new disks".to_owned()), until }
    }

    #[test]
    fn a_page_is_shown_until_it_is_ended_or_its_time_is_over() {
        let operators = Operators::load(None, Arc::default());
        let (web, api) = (Scope::Listener("web".into()), Scope::Service("web".into()));
        let now = SystemTime::now();
        let began = operators.show_page(&web, note("a", None)).unwrap();
        operators.show_page(&api, note("b", Some(now + Duration::from_secs(60)))).unwrap();
        assert_eq!(operators.pages.all().len(), 2, "a listener and a service of one name are two");
        // what is said again has begun when it began
        let again = operators.show_page(&web, note("c", None)).unwrap();
        assert_eq!((again.since, again.note.who.as_str()), (began.since, "c"));
        let before = operators.pages.changes();
        assert!(!operators.pages.expire(now) && operators.pages.changes() == before);
        assert!(operators.pages.expire(now + Duration::from_secs(60)));
        assert_eq!(operators.pages.ended_by(&api).as_deref(), Some(TIME));
        assert_eq!(operators.pages.ended_by(&api), None);
        assert!(operators.end_page(&web, "d".to_owned()).unwrap().is_some());
        assert_eq!(operators.end_page(&web, "d".to_owned()).unwrap(), None);
        assert_eq!(operators.pages.ended_by(&web).as_deref(), Some("d"));
        assert!(operators.pages.is_empty());
    }

    #[test]
    fn a_process_that_is_replaced_takes_no_words() {
        let operators = Operators::load(None, Arc::default());
        operators.retire();
        let scope = Scope::Service("api".into());
        assert_eq!(operators.show_page(&scope, note("a", None)), Err(Role::Replaced));
        assert_eq!(operators.end_page(&scope, String::new()), Err(Role::Replaced));
    }

    #[test]
    fn what_was_said_is_kept_with_the_commands() {
        let folder = std::env::temp_dir().join(format!("evenkeel-operator-pages-{:x}", fastrand::u64(..)));
        std::fs::create_dir_all(&folder).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (web, api) = (Scope::Listener("web".into()), Scope::Service("api".into()));
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        let first = Operators::load(Some(&folder), Arc::default());
        first.show_page(&web, note("a", None)).unwrap();
        first.show_page(&api, note("b", Some(until))).unwrap();
        assert!(runtime.block_on(first.keep()));
        let second = Operators::load(Some(&folder), Arc::default());
        let kept: Vec<(Scope, Note)> = second.pages.all().into_iter().map(|(scope, word)| (scope, word.note)).collect();
        assert_eq!(kept, [(web.clone(), note("a", None)), (api, note("b", Some(until)))]);
        assert!(second.end_page(&web, String::new()).unwrap().is_some());
        assert!(runtime.block_on(second.keep()));
        assert_eq!(Operators::load(Some(&folder), Arc::default()).pages.all().len(), 1);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
