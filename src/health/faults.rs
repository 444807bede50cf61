//! The faults that detection has found: those that hold now, and those of late.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::detect::fault::{Subject, Verdict};

/// Faults that are kept after they have been cleared.
pub const KEPT: usize = 200;

/// A verdict on a service, or on a part of it, with the times of the wall's clock and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The service.
    pub service: Arc<str>,
    /// The backend, by id, where the verdict is on one.
    pub backend: Option<Arc<str>>,
    /// The verdict.
    pub verdict: Verdict,
    /// When it was raised.
    pub since: SystemTime,
    /// When it was cleared; `None` = it holds.
    pub until: Option<SystemTime>,
    /// What was done with the backend because of what was found; empty = nothing.
    pub action: String,
}

/// All faults of the process. The control plane writes them, and the admin address reads them.
#[derive(Debug, Default)]
pub struct Faults(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    current: Vec<Fault>,
    /// The latest first.
    lately: VecDeque<Fault>,
}

impl Faults {
    /// A fault was found, or the one that this backend, host, zone or service has is another one now.
    pub fn raise(&self, mut fault: Fault) {
        let mut list = self.list();
        let is_same =
            |known: &&mut Fault| known.is_of(&fault.service, fault.backend.as_deref(), &fault.verdict.subject);
        if let Some(before) = list.current.iter_mut().find(is_same) {
            (fault.since, fault.action) = (before.since, std::mem::take(&mut before.action));
            *before = fault;
        } else {
            list.current.push(fault);
        }
    }

    /// The fault of this backend, or of this other part of a service, holds no more. Returns what is known of it.
    pub fn clear(&self, service: &str, backend: Option<&str>, subject: &Subject, now: SystemTime) -> Option<Fault> {
        let mut list = self.list();
        let at = list.current.iter().position(|known| known.is_of(service, backend, subject))?;
        let mut fault = list.current.swap_remove(at);
        fault.until = Some(now);
        list.lately.push_front(fault.clone());
        list.lately.truncate(KEPT);
        Some(fault)
    }

    /// Nothing is known any more of the faults that hold.
    pub fn forget(&self) {
        self.list().current.clear();
    }

    /// Something was done with a backend that has a fault.
    pub fn acted(&self, service: &str, backend: &str, action: &str) {
        let is_of = |fault: &&mut Fault| &*fault.service == service && fault.backend.as_deref() == Some(backend);
        if let Some(fault) = self.list().current.iter_mut().find(is_of) {
            action.clone_into(&mut fault.action);
        }
    }

    /// Those that hold.
    pub fn current(&self) -> Vec<Fault> {
        self.list().current.clone()
    }

    /// Those of a service that hold.
    pub fn of(&self, service: &str) -> Vec<Fault> {
        self.list().current.iter().filter(|fault| &*fault.service == service).cloned().collect()
    }

    /// Those that hold, and then those of late, the latest first.
    pub fn all(&self) -> Vec<Fault> {
        let list = self.list();
        list.current.iter().chain(&list.lately).cloned().collect()
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    /// A backend is known by its id: its place, by which the verdict names it, changes with reloads.
    fn is_of(&self, service: &str, backend: Option<&str>, subject: &Subject) -> bool {
        let is_same = || backend.is_some() || self.verdict.subject == *subject;
        &*self.service == service && self.backend.as_deref() == backend && is_same()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::detect::fault::Fault as Kind;

    fn fault(kind: Kind, at: SystemTime) -> Fault {
        let verdict = Verdict {
            subject: Subject::Backend(1),
            fault: kind,
            confidence: 0.9,
            votes: Vec::new(),
            since: Duration::ZERO,
        };
        Fault {
            service: "api".into(),
            backend: Some("b".into()),
            verdict,
            since: at,
            until: None,
            action: String::new(),
        }
    }

    #[test]
    fn a_fault_is_kept_with_what_was_done_and_when_it_began() {
        let (faults, start) = (Faults::default(), SystemTime::UNIX_EPOCH);
        let later = start + Duration::from_secs(5);
        faults.raise(fault(Kind::HighLatency, start));
        faults.acted("api", "b", "ejected, for 10s");
        faults.raise(fault(Kind::Unresponsive, later));
        let known = faults.all();
        assert_eq!(known.len(), 1);
        assert_eq!(
            (known[0].since, known[0].verdict.fault, &*known[0].action),
            (start, Kind::Unresponsive, "ejected, for 10s")
        );
        assert!(faults.clear("api", Some("b"), &Subject::Backend(1), later).is_some());
        assert!(faults.clear("api", Some("b"), &Subject::Backend(1), later).is_none());
        assert_eq!(faults.all()[0].until, Some(later));
    }

    #[test]
    fn no_more_are_kept_than_that() {
        let faults = Faults::default();
        for _ in 0..KEPT + 5 {
            faults.raise(fault(Kind::HighLatency, SystemTime::UNIX_EPOCH));
            faults.clear("api", Some("b"), &Subject::Backend(1), SystemTime::UNIX_EPOCH);
        }
        assert_eq!(faults.all().len(), KEPT);
    }
}
