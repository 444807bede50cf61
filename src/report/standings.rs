//! How the services stand with their promises now, as those who keep the accounts see it. The admin address and the metrics read it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Stamp;
use crate::sla::burn::{Alert, Lookback, Rate};
use crate::sla::{Incident, Promise, Tally};

/// How all services stand.
#[derive(Debug, Default)]
pub struct Standings {
    services: Mutex<BTreeMap<Arc<str>, Standing>>,
    /// Why the ledger can't be written; `None` = it can.
    trouble: Mutex<Option<String>>,
}

/// How one service stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What is promised of it.
    pub promise: Promise,
    /// Whether it is down.
    pub is_down: bool,
    /// Until when it is in maintenance, as far as that is known; `None` = it is not.
    pub maintenance: Option<Stamp>,
    /// The incident under way.
    pub incident: Option<Incident>,
    /// How fast it burns its error budget.
    pub rates: Vec<(Lookback, Rate)>,
    /// The alerts that are on.
    pub alerts: Vec<Alert>,
    /// Whether others give way to it.
    pub is_protected: bool,
    /// What its window holds; `None` = that was not read yet.
    pub window: Option<Tally>,
}

impl Standings {
    /// Takes on how a service stands. What its window holds stays as it was set last.
    pub fn set(&self, service: &Arc<str>, mut standing: Standing) {
        let mut services = self.services();
        standing.window = services.get(service).and_then(|before| before.window);
        services.insert(Arc::clone(service), standing);
    }

    /// What the window of a service holds; `None` = that was not read yet.
    pub fn window(&self, service: &str) -> Option<Tally> {
        self.services().get(service).and_then(|standing| standing.window)
    }

    /// Takes on what the windows of services hold.
    pub fn set_windows(&self, windows: impl IntoIterator<Item = (Arc<str>, Tally)>) {
        let mut services = self.services();
        for (service, tally) in windows {
            if let Some(standing) = services.get_mut(&service) {
                standing.window = Some(tally);
            }
        }
    }

    /// Forgets all services but these.
    pub fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.services().retain(|service, _| is_there(service));
    }

    /// All services, by name.
    pub fn all(&self) -> BTreeMap<Arc<str>, Standing> {
        self.services().clone()
    }

    /// Takes on why the ledger can't be written, or that it can.
    pub fn set_trouble(&self, why: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Why the ledger can't be written; `None` = it can.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn services(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Standing>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
