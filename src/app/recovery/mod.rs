//! Drives recovery: shows each coordinator its service ten times a second, and does what it orders.
//!
//! * `scene`: what a coordinator sees
//! * `driver`: the coordinators, in turn
//! * `obey`: how an order is carried out; `call`: what it runs or calls; `tasks`: what runs outside of this process; `done`: what comes back
//! * `show`: what operators see of it
//! * `recall`: what the ledger knows of the time before
//!
//! Coordinators decide and do nothing; this does everything and decides nothing. All of it runs on the control plane, in the same turn that brings
//! the snapshot up to date. Commands and the disk are waited for in tasks of their own, whose ends come back as [`Done`](done::Done).

mod call;
mod done;
mod driver;
mod obey;
mod recall;
mod scene;
mod show;
mod tasks;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::background;
use crate::clock::Moment;
use crate::config::model;
use crate::event::Events;
use crate::health::faults::Faults;
use crate::health::monitor::Monitor;
use crate::lead::Leadership;
use crate::ledger::Ledger;
use crate::operator::maintenance::Maintenances;
use crate::operator::recovery::Recoveries;
use crate::report::standings::Standings;
use crate::share::Sharing;
use crate::snapshot::{Snapshot, Store};
use driver::Driver;
use recall::Recalled;

/// How long the admin address waits for the word of a pause that was kept.
const RECALLED_WITHIN: Duration = Duration::from_secs(2);

/// What recovery works with.
#[derive(Clone)]
pub(super) struct Sources {
    /// The snapshot.
    pub store: Arc<Store>,
    /// Where attempts are kept, and what was learned.
    pub ledger: Ledger,
    /// What happens is told here.
    pub events: Arc<Events>,
    /// What detection has found.
    pub faults: Arc<Faults>,
    /// The checks.
    pub monitor: Monitor,
    /// Maintenance that was started by hand.
    pub maintenances: Arc<Maintenances>,
    /// What instances share: the others send nothing to a backend that is repaired here.
    pub sharing: Arc<Sharing>,
    /// What operators see and say of it.
    pub recoveries: Arc<Recoveries>,
    /// Whether this instance is the one that acts.
    pub leadership: Arc<Leadership>,
    /// Says why the ledger can't be written.
    pub standings: Arc<Standings>,
}

/// The recovery of all services. A handle: its copies are the same recovery.
#[derive(Clone)]
pub(super) struct Recovering {
    driver: Rc<RefCell<Driver>>,
    start: Rc<Cell<Start>>,
    /// A turn has begun and not ended; seen from outside of a turn, it broke off by a panic.
    is_in_turn: Rc<Cell<bool>>,
    ledger: Ledger,
    recoveries: Arc<Recoveries>,
}

/// Whether recovery may begin.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// Another process repairs, or the listeners are not bound yet.
    NotYet,
    /// It begins when a service is to be repaired.
    Allowed {
        /// A process that was replaced has repaired until now.
        takes_over: bool,
        /// This process has just begun, and does not serve without recovery.
        at_once: bool,
    },
    /// The ledger is being read.
    Beginning,
    /// It has begun.
    Begun,
    /// The process ends.
    Over,
}

impl Recovering {
    /// Waits until it is [allowed](Self::allow) to begin.
    pub fn new(sources: Sources) -> Self {
        let (ledger, recoveries) = (sources.ledger.clone(), Arc::clone(&sources.recoveries));
        let driver = Rc::new(RefCell::new(Driver::new(sources)));
        Self { driver, start: Rc::new(Cell::new(Start::NotYet)), is_in_turn: Rc::default(), ledger, recoveries }
    }

    /// What the admin address shows of it, and says to it.
    pub fn shared(&self) -> Arc<Recoveries> {
        Arc::clone(&self.recoveries)
    }

    /// Takes on which services are repaired and how: at the start, and after each reload.
    pub fn configure(&self, services: &[model::Service]) {
        self.driver.borrow_mut().configure(services);
    }

    /// Takes on the pause that was kept, so that the first who ask are told of it. Those who ask do not wait for a disk that hangs.
    pub async fn recall_pause(&self) {
        let recoveries = Arc::clone(&self.recoveries);
        // what is wrong with the ledger is told when recovery begins
        let read = background::run(move || _ = recoveries.read_pause());
        if tokio::time::timeout(RECALLED_WITHIN, read).await.is_err() {
            tracing::warn!(
                "whether recovery was paused is not read within {RECALLED_WITHIN:?}; nothing is repaired before"
            );
        }
    }

    /// From now on recovery begins as soon as a service is to be repaired. `takes_over`: a process that was replaced has done so until now.
    pub fn allow(&self, takes_over: bool) {
        self.start.set(Start::Allowed { takes_over, at_once: true });
    }

    /// Waits until operators have said something.
    pub async fn news(&self) {
        self.recoveries.news().await;
    }

    /// Looks at all services that are to be repaired. Where there are none, there is nothing to read and nothing to do.
    pub fn look(&self, snapshot: &Arc<Snapshot>, now: Moment) {
        match self.start.get() {
            Start::Allowed { takes_over, at_once } if self.driver.borrow().is_wanted() => {
                self.start.set(Start::Beginning);
                tokio::task::spawn_local(self.clone().begin(takes_over, at_once));
            }
            // what is configured later is not what the process before has repaired until then
            Start::Allowed { .. } => self.start.set(Start::Allowed { takes_over: false, at_once: false }),
            Start::Begun => {
                // a defect in one turn must not leave a backend out of use for ever
                if self.is_in_turn.replace(true) {
                    tracing::error!("recovery broke off in the middle of a turn; what was under way is stopped");
                    self.driver.borrow_mut().begin_anew();
                }
                self.driver.borrow_mut().look(snapshot, now);
                self.is_in_turn.set(false);
            }
            Start::NotYet | Start::Beginning | Start::Over => {}
        }
    }

    /// Begins with what the ledger has. It may take its time to be read, and nothing is repaired before: what was under way when the process before
    /// ended must not be done twice.
    async fn begin(self, takes_over: bool, at_once: bool) {
        let has_waited = background::begin(&self.ledger).await;
        let (ledger, recoveries) = (self.ledger.clone(), Arc::clone(&self.recoveries));
        let (takes_over, at_once) = (takes_over && !has_waited, at_once && !has_waited);
        let recalled = background::run(move || Recalled::read(&ledger, &recoveries, takes_over)).await;
        let recalled = recalled.unwrap_or_else(|_| Recalled::unknown());
        if matches!(self.start.get(), Start::Beginning) {
            self.driver.borrow_mut().begin(recalled, at_once, Moment::now());
            self.start.set(Start::Begun);
        }
    }

    /// The process stops, or was replaced: what runs is ended, and all backends are put back. A failover stays for the process that comes next.
    pub fn retire(&self) {
        if matches!(self.start.replace(Start::Over), Start::Begun) {
            self.driver.borrow_mut().retire();
        }
    }

    /// Waits until what was run has ended, and what is to be kept is on the disk, for a few seconds at most.
    pub async fn finish(&self) {
        let running = self.driver.borrow_mut().take_tasks();
        running.finish().await;
        let (ledger, batch) = (self.ledger.clone(), self.driver.borrow_mut().take_batch());
        if batch.is_empty() {
            return;
        }
        if !background::run(move || ledger.keep(batch, obey::KEPT_WITHIN)).await.unwrap_or(false) {
            tracing::error!(
                "the ledger is not written within {:?}: what recovery did last may be unknown",
                obey::KEPT_WITHIN
            );
        }
    }
}
