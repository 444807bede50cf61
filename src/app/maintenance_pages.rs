//! Puts in force, and tells, whose clients are shown the page of maintenance: by the configuration, or because an operator has said so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use metrics::gauge;

use crate::event::{Events, Kind, MaintenancePageChange, Subject};
use crate::metrics::names;
use crate::operator::Operators;
use crate::operator::pages::Scope;
use crate::snapshot::{Maintenance, Snapshot};

/// Who is named where the configuration says so.
const CONFIGURATION: &str = "configuration";

/// Puts in force in a snapshot what operators have said. To be called before it is published, and when they have said something.
pub(super) fn apply(operators: &Operators, snapshot: &Snapshot) {
    for (scope, maintenance) in all(snapshot) {
        let word = if operators.pages.is_empty() { None } else { operators.pages.of(&scope) };
        maintenance.set(word.map(|word| word.note.until));
    }
}

/// The maintenance of all listeners and services.
fn all(snapshot: &Snapshot) -> impl Iterator<Item = (Scope, &Maintenance)> {
    let listeners = snapshot.listeners.iter().map(|of| (Scope::Listener(Arc::clone(&of.name)), &of.maintenance));
    let services = snapshot.services.iter().map(|of| (Scope::Service(Arc::clone(&of.name)), &of.maintenance));
    listeners.chain(services)
}

/// A page that is shown, as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    who: String,
    reason: Option<String>,
    until: Option<SystemTime>,
    since: SystemTime,
}

/// Tells of pages that are shown, and that are shown no more.
#[derive(Debug, Default)]
pub(super) struct MaintenancePages {
    told: BTreeMap<Scope, Told>,
    /// How often operators had said something at the last look.
    changes: u64,
}

impl MaintenancePages {
    /// Takes in what has changed since the last look. `is_other`: the snapshot is one of another configuration.
    pub fn look(&mut self, snapshot: &Snapshot, is_other: bool, operators: &Operators, events: &Events) {
        let before = std::mem::replace(&mut self.changes, operators.pages.changes());
        if !is_other && before == self.changes {
            return;
        }
        apply(operators, snapshot);
        let now = SystemTime::now();
        let mut gone = std::mem::take(&mut self.told);
        for (scope, maintenance) in all(snapshot).filter(|(_, maintenance)| maintenance.is_on()) {
            let known = gone.remove(&scope);
            let told = shown(&scope, maintenance, operators, known.as_ref().map_or(now, |known| known.since));
            if known.as_ref() != Some(&told) {
                tell_shown(&scope, &told, events);
            }
            self.told.insert(scope, told);
        }
        for (scope, told) in gone {
            let who = operators.pages.ended_by(&scope).unwrap_or_else(|| CONFIGURATION.to_owned());
            set_gauge(&scope, 0.0);
            let after = now.duration_since(told.since).unwrap_or_default();
            let change = MaintenancePageChange::Ended { who, after };
            events.tell(subject(&scope), Kind::MaintenancePage(change));
        }
    }
}

/// Who has the page shown, why and until when. What the configuration says goes before what operators say, because only it can end it.
fn shown(scope: &Scope, maintenance: &Maintenance, operators: &Operators, since: SystemTime) -> Told {
    match operators.pages.of(scope).filter(|_| !maintenance.enabled) {
        Some(word) => {
            let (note, since) = (word.note, word.since);
            Told { who: note.who, reason: note.reason, until: note.until, since }
        }
        None => Told { who: CONFIGURATION.to_owned(), reason: None, until: None, since },
    }
}

fn tell_shown(scope: &Scope, told: &Told, events: &Events) {
    set_gauge(scope, 1.0);
    let Told { who, reason, until, .. } = told.clone();
    events.tell(subject(scope), Kind::MaintenancePage(MaintenancePageChange::Shown { who, reason, until }));
}

fn subject(scope: &Scope) -> Subject {
    match scope {
        Scope::Listener(name) => Subject::listener(name),
        Scope::Service(name) => Subject::service(name),
    }
}

fn set_gauge(scope: &Scope, to: f64) {
    let labels = [("scope", scope.kind().to_owned()), ("name", scope.name().to_string())];
    gauge!(names::MAINTENANCE_PAGE.name, &labels).set(to);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Registry;
    use crate::operator::Note;
    use crate::snapshot::testing;

    fn snapshot(of_listener: &str, of_service: &str, before: Option<&Snapshot>, registry: &Registry) -> Snapshot {
        let text = format!(
            "[[listener]]\nname = 'web'\nbind = '127.0.0.1:0'\nservice = 'api'\n{of_listener}\n\
             [service.api]\n{of_service}\n[[service.api.backend]]\naddress = '127.0.0.1:1'\n"
        );
        testing::of_toml(&text, before, registry)
    }

    fn texts(events: &Events) -> Vec<String> {
        events.newest(100).events.iter().map(|event| event.kind.text()).collect()
    }

    #[test]
    fn what_an_operator_says_is_told_once_and_again_when_it_is_another() {
        let (registry, events) = (Registry::new(1), Events::default());
        let operators = Operators::load(None, Arc::default());
        let snapshot = snapshot("", "", None, &registry);
        let (mut pages, scope) = (MaintenancePages::default(), Scope::Service("api".into()));
        let mut look = |is_other| pages.look(&snapshot, is_other, &operators, &events);
        look(true);
        let note = |reason: &str| Note { who: "ci".to_owned(), reason: Some(reason.to_owned()), until: None };
        operators.show_page(&scope, note("disks")).unwrap();
        look(false);
        look(true);
        operators.show_page(&scope, note("more disks")).unwrap();
        look(false);
        assert!(snapshot.services[0].maintenance.is_on() && !snapshot.listeners[0].maintenance.is_on());
        operators.end_page(&scope, "ops".to_owned()).unwrap();
        look(false);
        assert!(!snapshot.services[0].maintenance.is_on());
        assert_eq!(
            texts(&events),
            [
                "clients are shown the page of maintenance: disks (by ci)",
                "clients are shown the page of maintenance: more disks (by ci)",
                "clients get through again (by ops)",
            ]
        );
    }

    #[test]
    fn what_the_file_says_is_told_as_that() {
        let (registry, events) = (Registry::new(1), Events::default());
        let operators = Operators::load(None, Arc::default());
        let mut pages = MaintenancePages::default();
        let on = snapshot("maintenance.enabled = true", "", None, &registry);
        pages.look(&on, true, &operators, &events);
        assert!(on.listeners[0].maintenance.is_on());
        let off = snapshot("", "", Some(&on), &registry);
        pages.look(&off, true, &operators, &events);
        assert_eq!(
            texts(&events),
            [
                "clients are shown the page of maintenance (by configuration)",
                "clients get through again (by configuration)"
            ]
        );
    }

    #[test]
    fn a_new_snapshot_obeys_what_was_said_before() {
        let registry = Registry::new(1);
        let operators = Operators::load(None, Arc::default());
        let until = SystemTime::now() + Duration::from_secs(600);
        let note = Note { who: "ci".to_owned(), reason: None, until: Some(until) };
        operators.show_page(&Scope::Listener("web".into()), note).unwrap();
        let snapshot = snapshot("", "", None, &registry);
        apply(&operators, &snapshot);
        assert!(snapshot.listeners[0].maintenance.is_on());
        let left = snapshot.listeners[0].maintenance.retry_after(SystemTime::now());
        assert!((590..=600).contains(&left), "{left}");
    }
}
