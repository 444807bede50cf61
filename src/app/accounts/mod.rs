//! Keeps the accounts of what is promised: looks at the services of which something is promised whenever their backends have changed, and ten times
//! a second, and hands what it sees to the ledger, the events, the metrics and the admin address.
//!
//! It runs on the control plane, right after the snapshot was brought up to date: so a service is down in the accounts in the same turn as it is
//! for the workers. A worker only counts how requests end.

mod accounting;
mod cause;
mod clocks;
mod counted;
mod happened;
mod protection;
mod recall;
mod service;
mod trouble;
mod writing;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use metrics::gauge;

use super::background;
use crate::clock::{Moment, Stamp};
use crate::event::{Events, Kind, PromiseChange, Subject};
use crate::health::faults::Faults;
use crate::ledger::{Batch, ENDED, Keeper, Ledger, REPLACED, STOPPED};
use crate::metrics::{Registry, names};
use crate::operator::maintenance::Maintenances;
use crate::report::standings::Standings;
use crate::report::windows::{self, WINDOWS};
use crate::sla::Incident;
use crate::sla::account::Change;
use crate::snapshot::{Service, Snapshot};
pub(super) use accounting::Accounting;
use trouble::tell_trouble;
use writing::kept_promise;

use clocks::{BootTime, Clocks};
use counted::EndedAccount;
use protection::Protection;
use recall::Recalled;
use service::{LookSources, ServiceAccount};

/// How often alerts are looked for and what the admin address shows is brought up to date.
const SHOW: Duration = Duration::from_secs(1);
/// How often the windows are read from the ledger for the metrics.
const READ: Duration = Duration::from_secs(10);
/// How long it is from one look to the next, at the most.
const LOOK: Duration = Duration::from_millis(100);
/// So many entries that wait for the ledger are put together.
const MANY: usize = 20_000;
/// How often the ledger is written where no service says how much may be lost.
const WRITE: Duration = Duration::from_secs(1);

/// An incident that was under way so many milliseconds ago may still be.
const STILL_UNDER_WAY: i64 = 60_000;

/// The moment up to which the time is accounted, by a clock that nobody sets.
const BOOT_TIME: (&str, &str) = ("process", "boot_time");
/// The room of the words on when a service was up again, while its incident is not over yet, by service.
const UP_AGAIN: &str = "up_again";

/// What the accounts are kept with.
struct Sources {
    ledger: Ledger,
    /// This run of the process.
    keeper: Keeper,
    registry: Arc<Registry>,
    events: Arc<Events>,
    faults: Arc<Faults>,
    maintenances: Arc<Maintenances>,
    standings: Arc<Standings>,
}

/// The accounts of all services.
struct Accounts {
    sources: Sources,
    services: AHashMap<Arc<str>, ServiceAccount>,
    /// Of services of which nothing is promised any more.
    ended: AHashMap<Arc<str>, EndedAccount>,
    protection: Protection,
    clocks: Clocks,
    boot_time: Option<BootTime>,
    /// The process stops, or was replaced, and it was told so before the accounts had begun.
    is_stopping: Option<bool>,
    /// What is to be written next.
    batch: Batch,
    /// How often.
    every: Duration,
    /// The number of the next incident.
    next: i64,
    phase: Phase,
    /// The maintenance that was started by hand was read when it had this number of changes.
    maintenance_seen: u64,
    /// The id of the last event that was looked at.
    last_event: u64,
    /// When the configuration was changed last.
    reloaded: Stamp,
    generation: u64,
    wrote: Moment,
    showed: Moment,
    read: Moment,
    /// The windows are being read.
    is_reading: Rc<Cell<bool>>,
}

/// What the accounts do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// What was kept has not been read yet.
    Waiting,
    /// Time and requests are accounted.
    Keeping,
    /// Requests only: the process is stopping, or another one keeps the time.
    Counting,
}

impl Accounts {
    /// Waits for [`begin`](Self::begin).
    pub fn new(sources: Sources) -> Self {
        let batch = Batch { keeper: sources.keeper, ..Batch::default() };
        Self {
            sources,
            services: AHashMap::new(),
            ended: AHashMap::new(),
            protection: Protection::default(),
            clocks: Clocks::default(),
            boot_time: BootTime::now(),
            is_stopping: None,
            batch,
            every: WRITE,
            next: 1,
            phase: Phase::Waiting,
            maintenance_seen: 0,
            last_event: 0,
            reloaded: Stamp::default(),
            generation: 0,
            wrote: Moment::NEVER,
            showed: Moment::NEVER,
            read: Moment::NEVER,
            is_reading: Rc::default(),
        }
    }

    /// Begins to keep the accounts, with what was recalled from the ledger. `takes_over`: a process that was replaced has served until now.
    pub fn begin(&mut self, recalled: Recalled, snapshot: &Snapshot, takes_over: bool) {
        let (now, at) = (Moment::now(), Stamp::now());
        self.next = recalled.last_incident.saturating_add(1);
        self.sources.maintenances.recall(recalled.maintenance.clone(), at);
        self.update(snapshot);
        self.boot_time = self.boot_time.take().map(BootTime::brought_up_to_date);
        let now = recall::Now { moment: now, at, boot_time: self.boot_time.clone() };
        if let Some(by_ms) = recalled.set_by(&now) {
            self.enter_jump(at, by_ms);
        }
        recalled.restore(&mut self.services, &mut self.batch, now, takes_over);
        // what was recalled of maintenance that is over has served its turn
        self.update(snapshot);
        self.batch.takes_over = true;
        self.batch.kept.push((ENDED.0.to_owned(), ENDED.1.to_owned(), None));
        self.phase = Phase::Keeping;
        gauge!(names::LEDGER_OK.name).set(f64::from(u8::from(self.sources.standings.trouble().is_none())));
        if let Some(is_stopping) = self.is_stopping {
            self.retire(snapshot, is_stopping);
        }
    }

    /// Looks at all services.
    pub fn look(&mut self, snapshot: &Snapshot, now: Moment) {
        if self.phase == Phase::Waiting {
            return;
        }
        if self.generation != snapshot.generation || self.maintenance_seen != self.sources.maintenances.changes() {
            self.update(snapshot);
        }
        let at = Stamp::now();
        self.take_events();
        self.watch_clocks(now, at);
        match self.phase {
            Phase::Keeping => self.keep(snapshot, now, at),
            Phase::Counting | Phase::Waiting => self.count(now, at),
        }
        if now.since(self.showed) >= SHOW && self.phase == Phase::Keeping {
            self.showed = now;
            self.show(snapshot, at);
        }
        if now.since(self.read) >= READ && self.phase == Phase::Keeping {
            self.read = now;
            self.read_windows(at);
        }
        // the next look may come a little later than this one
        if now.since(self.wrote) + LOOK >= self.every {
            self.wrote = now;
            self.write();
        }
    }

    /// The process stops, or another one keeps the time from now on: what is left are requests that end.
    pub fn retire(&mut self, snapshot: &Snapshot, is_stopping: bool) {
        self.is_stopping = Some(is_stopping);
        self.look(snapshot, Moment::now());
        if self.phase != Phase::Keeping {
            return;
        }
        let how = if is_stopping { STOPPED } else { REPLACED };
        self.batch.kept.push((ENDED.0.to_owned(), ENDED.1.to_owned(), Some(how.to_owned())));
        self.write();
        self.phase = Phase::Counting;
        for account in self.services.values_mut() {
            account.account.retire();
        }
    }

    /// Whether what was kept has been read.
    pub fn has_begun(&self) -> bool {
        self.phase != Phase::Waiting
    }

    /// Gives back what is left to be written; `None` = nothing was ever promised.
    pub fn finish(&mut self) -> Option<Batch> {
        if self.phase == Phase::Waiting {
            return None;
        }
        self.take_events();
        self.count(Moment::now(), Stamp::now());
        self.hand_over_tallies();
        Some(std::mem::take(&mut self.batch))
    }

    /// Takes on the services that there are now, and what is promised of them.
    fn update(&mut self, snapshot: &Snapshot) {
        self.generation = snapshot.generation;
        self.maintenance_seen = self.sources.maintenances.changes();
        let promised: Vec<_> = snapshot.services.iter().filter_map(|s| Some((&s.name, s.promised.as_ref()?))).collect();
        let is_there = |name: &str| promised.iter().any(|(known, _)| ***known == *name);
        let (now, at) = (Moment::now(), Stamp::now());
        for (name, mut gone) in self.services.extract_if(|name, _| !is_there(name)) {
            gone.count_only(now, at);
            self.batch.tallies.extend(gone.take_tallies());
            let cut = gone.account.close(at);
            if let Some(incident) = cut.clone() {
                let ended = Kind::Promise(PromiseChange::IncidentEnded(incident.clone()));
                self.sources.events.tell(Subject::service(&name), ended);
                self.batch.incidents.push(incident);
            }
            self.ended.insert(name, gone.end(cut));
        }
        self.sources.standings.retain(is_there);
        self.forget_series(is_there);
        self.every = promised.iter().map(|(_, promised)| promised.promise.rpo).min().unwrap_or(WRITE).min(WRITE);
        for (name, promised) in promised {
            self.batch.kept.push(kept_promise(name, &promised.promise));
            self.batch.kept.push((WINDOWS.to_owned(), name.to_string(), windows::written(&promised.maintenance)));
            let by_hand = self.sources.maintenances.of(name);
            match self.services.get_mut(name) {
                Some(account) => account.update(promised, by_hand.as_ref()),
                None => {
                    let before = self.ended.remove(name);
                    let account = ServiceAccount::new(name, promised, by_hand.as_ref(), before.as_ref());
                    self.services.insert(Arc::clone(name), account);
                }
            }
        }
    }

    /// Removes what the metrics show of services of which nothing is promised any more: an alert on it would never end.
    fn forget_series(&self, is_there: impl Fn(&str) -> bool) {
        for metric in [
            &names::SLA_TARGET,
            &names::AVAILABILITY,
            &names::SUCCESS,
            &names::BUDGET_LEFT,
            &names::BURN_RATE,
            &names::BUDGET_ALERTS,
            &names::SERVICE_DOWN,
            &names::INCIDENTS,
        ] {
            self.sources.registry.keep(metric, |labels| labels.first().is_some_and(|service| is_there(service)));
        }
    }

    /// Accounts the time and the requests since the look before.
    fn keep(&mut self, snapshot: &Snapshot, now: Moment, at: Stamp) {
        for service in promised(snapshot) {
            let Some(account) = self.services.get_mut(&service.name) else { continue };
            let by_hand = self.sources.maintenances.of(&service.name);
            let sources = LookSources {
                events: &self.sources.events,
                faults: &self.sources.faults,
                reloaded: self.reloaded,
                by_hand: by_hand.as_ref(),
            };
            let changes = account.look(service, now, at, &mut self.next, &sources);
            self.batch.incidents.extend(changes.into_iter().filter_map(incident));
        }
        self.count_ended(at);
        (self.batch.until, self.batch.steady_ms) = (Some(at), self.clocks.steady_ms(now));
    }

    /// Accounts the requests since the look before.
    fn count(&mut self, now: Moment, at: Stamp) {
        for account in self.services.values_mut() {
            account.count_only(now, at);
        }
        self.count_ended(at);
    }

    /// Accounts the requests that end to services of which nothing is promised any more.
    fn count_ended(&mut self, at: Stamp) {
        self.ended.retain(|name, ended| {
            let (requests, may_go_on) = ended.read();
            if !requests.is_empty() {
                self.batch.tallies.push((Arc::clone(name), at.floor(1000), requests));
            }
            may_go_on || ended.under_way(at).is_some()
        });
    }

    /// Looks for alerts, has others give way where that is wanted, and shows how the services stand.
    fn show(&mut self, snapshot: &Snapshot, at: Stamp) {
        for account in self.services.values_mut() {
            account.tell_alerts(at, &self.sources.events);
        }
        self.protection.update(snapshot, &mut self.services, &self.sources.events);
        for account in self.services.values_mut() {
            let standing = account.standing(at);
            self.sources.standings.set(&account.name, standing);
            if let Some(window) = self.sources.standings.window(&account.name) {
                account.show_window(&window, at, &self.sources.events);
            }
        }
    }

    /// Has the windows of all services read from the ledger, elsewhere.
    fn read_windows(&self, at: Stamp) {
        // a disk that hangs must not have reader after reader wait for it
        if self.is_reading.replace(true) {
            return;
        }
        let is_reading = Rc::clone(&self.is_reading);
        let windows: Vec<_> = self
            .services
            .values()
            .map(|account| (Arc::clone(&account.name), account.account.promise().window))
            .collect();
        let (ledger, standings) = (self.sources.ledger.clone(), Arc::clone(&self.sources.standings));
        tokio::task::spawn_local(async move {
            let read = background::run(move || recall::windows(&ledger, &windows, at)).await.and_then(|read| read);
            is_reading.set(false);
            match read {
                Ok(windows) => standings.set_windows(windows),
                Err(why) => tracing::debug!("the windows of the promises can't be read: {why}"),
            }
        });
    }
}

/// The services of which something is promised.
fn promised(snapshot: &Snapshot) -> impl Iterator<Item = &Service> {
    snapshot.services.iter().map(|service| &**service).filter(|service| service.promised.is_some())
}

fn incident(change: Change) -> Option<Incident> {
    match change {
        Change::Began(incident) | Change::Ended(incident) => Some(incident),
        Change::MaintenanceBegan(_) | Change::MaintenanceEnded => None,
    }
}
