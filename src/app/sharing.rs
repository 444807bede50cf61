//! What other instances were told is done here as well.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::{background, maintenance_pages};
use crate::clock::{Moment, Stamp, rfc3339};
use crate::endpoint::Endpoint;
use crate::health::faults::{Fault, Faults};
use crate::ledger::Maintenance;
use crate::operator::follow::{Followed, elsewhere};
use crate::operator::maintenance::Maintenances;
use crate::operator::{Command, Note, Operators};
use crate::share::Follow;
use crate::share::book::Effect;
use crate::share::hint::{Repair, Verdict};
use crate::share::word::{Saying, Topic, Word};
use crate::snapshot::{Snapshot, Store};

/// Who is named where a key is gone.
const NOBODY: &str = "somebody";
/// Where that was done.
const IN_ETCD: &str = "etcd: the key is gone";

/// What words and hints are for.
pub(super) struct Follower {
    pub store: Arc<Store>,
    pub operators: Arc<Operators>,
    pub maintenances: Arc<Maintenances>,
    pub faults: Arc<Faults>,
    /// How many backends are repaired by others.
    pub repairs: Cell<usize>,
}

impl Follow for Follower {
    fn is_serving(&self) -> bool {
        self.operators.is_serving()
    }

    fn words(&self) -> Vec<(Topic, Saying, Note)> {
        let commands = self.operators.words().into_iter().map(|(service, backend, command, note)| match command {
            Command::Weight(_) => (Topic::Weight(service, backend), Saying::Holds(command), note),
            _ => (Topic::Backend(service, backend), Saying::Holds(command), note),
        });
        let now = Stamp::now();
        let snapshot = self.store.load();
        let running = snapshot.services.iter().filter_map(|service| self.maintenances.of(&service.name));
        let maintenances = running.filter(|running| running.to > now).map(|running| {
            let Maintenance { service, to, reason, who, .. } = running;
            (
                Topic::Maintenance(service),
                Saying::Maintenance,
                Note { who, reason: Some(reason), until: Some(to.into()) },
            )
        });
        let pages = self.operators.pages.all().into_iter();
        let pages = pages.map(|(scope, word)| (Topic::Page(scope), Saying::Maintenance, word.note));
        commands.chain(maintenances).chain(pages).collect()
    }

    async fn follow(&self, effects: Vec<Effect>) {
        let (snapshot, now) = (self.store.load(), SystemTime::now());
        let (mut commands, mut maintenances) = (false, Vec::new());
        for effect in effects {
            let (topic, word) = match effect {
                Effect::Follow(topic, word) => (topic, word),
                // it has ended here by itself
                Effect::Forget(_, word) if word.saying == Saying::Over || word.is_over(now) => continue,
                Effect::Forget(topic, word) => {
                    let note = Note { who: NOBODY.to_owned(), reason: None, until: None };
                    (topic, Word { saying: Saying::Over, note, instance: IN_ETCD.to_owned(), ..word })
                }
            };
            match &topic {
                Topic::Maintenance(service) => maintenances.extend(self.maintain(service, word)),
                Topic::Page(scope) => {
                    commands = true;
                    let Word { saying, note, instance, .. } = word;
                    self.operators.follow_page(scope, saying == Saying::Maintenance, note, &instance);
                }
                Topic::Backend(service, backend) | Topic::Weight(service, backend) => {
                    commands = true;
                    let Word { saying, note, instance, .. } = word;
                    let followed = followed(&topic, saying);
                    let endpoint = find(&snapshot, service, backend).map(|endpoint| &**endpoint);
                    self.operators.follow((service, backend), followed, (note, &instance), endpoint);
                }
            }
        }
        maintenance_pages::apply(&self.operators, &self.store.load());
        // the snapshot that workers take their next picks from
        self.store.refresh(Moment::now(), true);
        self.store.news().notify_one();
        if commands {
            self.operators.keep().await;
        }
        for maintenance in maintenances {
            let all = Arc::clone(&self.maintenances);
            // the ledger tells when it can't be written
            let _ = background::run(move || all.keep(maintenance)).await;
        }
    }

    fn set_repairs(&self, repairs: &[(Repair, String)]) {
        if self.repairs.replace(repairs.len()) == 0 && repairs.is_empty() {
            return;
        }
        let wanted: HashMap<_, _> = repairs
            .iter()
            .map(|(repair, by)| ((&*repair.service, &*repair.backend), format!("{}, by {by}", repair.reason)))
            .collect();
        for endpoint in self.store.load().endpoints() {
            let reason = wanted.get(&(&*endpoint.service, &*endpoint.id));
            endpoint.live.standing.set_repair_elsewhere(reason.map(String::as_str));
        }
        self.store.refresh(Moment::now(), true);
        self.store.news().notify_one();
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let verdict = |fault: Fault| Verdict {
            fault: fault.verdict.fault.as_str().to_owned(),
            confidence: fault.verdict.confidence.clamp(0.0, 1.0),
            since: rfc3339(fault.since),
            service: fault.service.to_string(),
            backend: fault.backend.as_deref().map(str::to_owned),
        };
        self.faults.current().into_iter().map(verdict).collect()
    }
}

impl Follower {
    /// What is to be written to the ledger then.
    fn maintain(&self, service: &Arc<str>, word: Word) -> Option<Maintenance> {
        let now = Stamp::now();
        let Word { saying, note, instance, .. } = word;
        match (saying, note.until.map(Stamp::from), note.reason) {
            (Saying::Maintenance, Some(until), Some(reason)) if until > now => {
                Some(self.maintenances.start(service, now, until, reason, elsewhere(&note.who, &instance)))
            }
            _ => self.maintenances.end(service, now),
        }
    }
}

fn followed(topic: &Topic, saying: Saying) -> Followed {
    match (topic, saying) {
        (Topic::Weight(..), Saying::Holds(Command::Weight(weight))) => Followed::Weight(weight),
        (Topic::Weight(..), _) => Followed::Weight(None),
        (_, Saying::Holds(command)) => Followed::Work(Some(command)),
        (_, _) => Followed::Work(None),
    }
}

fn find<'a>(snapshot: &'a Snapshot, service: &str, backend: &str) -> Option<&'a Arc<Endpoint>> {
    let service = snapshot.services.iter().find(|known| *known.name == *service)?;
    service.endpoints.iter().find(|endpoint| *endpoint.id == *backend)
}
