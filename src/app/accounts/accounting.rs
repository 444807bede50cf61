//! The accounts with what they are kept with: the ledger, and what they share with the admin address.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::{Accounts, Recalled, tell_trouble};
use crate::admin;
use crate::app::accounts;
use crate::app::background;
use crate::clock::Moment;
use crate::event::Events;
use crate::health::faults::Faults;
use crate::ledger::{Keeper, Ledger};
use crate::metrics::Registry;
use crate::operator::maintenance::Maintenances;
use crate::operator::recovery::Recoveries;
use crate::report::standings::Standings;
use crate::snapshot::Snapshot;

/// How long the end of the process waits for the disk.
const AT_THE_END: Duration = Duration::from_secs(5);

/// How long it is from one look to the next whether what was kept has been read.
const A_MOMENT: Duration = Duration::from_millis(10);

/// The accounts of the process. A handle: its copies are the same accounts.
#[derive(Clone)]
pub(in crate::app) struct Accounting {
    /// The history.
    pub ledger: Ledger,
    /// Maintenance that was started by hand.
    pub maintenances: Arc<Maintenances>,
    /// How the services stand, and why the ledger can't be written.
    pub standings: Arc<Standings>,
    accounts: Rc<RefCell<Accounts>>,
    start: Rc<Cell<Start>>,
    /// This run of the process.
    pub keeper: Keeper,
}

/// Whether the accounts may begin.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// Another process keeps them, or the listeners are not bound yet.
    NotYet,
    /// They begin when something is promised.
    Allowed {
        /// A process that was replaced has kept them until now.
        takes_over: bool,
    },
    /// They have begun.
    Begun,
}

impl Accounting {
    /// Waits until it is [allowed](Self::allow) to begin. The ledger is in `folder`.
    pub fn new(folder: &Path, registry: &Arc<Registry>, events: &Arc<Events>, faults: &Arc<Faults>) -> Self {
        let standings = Arc::<Standings>::default();
        let (told, shown) = (Arc::clone(events), Arc::clone(&standings));
        let ledger = Ledger::of(folder, Box::new(move |trouble| tell_trouble(trouble, &told, &shown)));
        let keeper = Keeper(fastrand::u64(1..));
        let maintenances = Arc::new(Maintenances::new(ledger.clone(), keeper));
        let accounts = Accounts::new(accounts::Sources {
            ledger: ledger.clone(),
            keeper,
            registry: Arc::clone(registry),
            events: Arc::clone(events),
            faults: Arc::clone(faults),
            maintenances: Arc::clone(&maintenances),
            standings: Arc::clone(&standings),
        });
        Self {
            ledger,
            maintenances,
            standings,
            accounts: Rc::new(RefCell::new(accounts)),
            start: Rc::new(Cell::new(Start::NotYet)),
            keeper,
        }
    }

    /// What the admin address reads and changes of it.
    pub fn shared(&self) -> admin::Promises {
        admin::Promises {
            ledger: self.ledger.clone(),
            standings: Arc::clone(&self.standings),
            maintenances: Arc::clone(&self.maintenances),
            keeper: self.keeper,
        }
    }

    /// Where recovery and the admin address meet; what is to be kept of it is written to the same ledger.
    pub fn recoveries(&self, events: &Arc<Events>) -> Arc<Recoveries> {
        Arc::new(Recoveries::new(Arc::clone(events), self.ledger.clone(), self.keeper))
    }

    /// From now on the accounts begin as soon as something is promised. `takes_over`: a process that was replaced has kept them until now.
    pub fn allow(&self, takes_over: bool) {
        self.start.set(Start::Allowed { takes_over });
    }

    /// Looks at all services. Whoever promises nothing has no ledger.
    pub fn look(&self, snapshot: &Arc<Snapshot>, now: Moment) {
        if let Start::Allowed { takes_over } = self.start.get() {
            let is_wanted = snapshot.services.iter().any(|service| service.promised.is_some());
            // what is promised later is not what the process before has kept until then
            self.start.set(if is_wanted { Start::Begun } else { Start::Allowed { takes_over: false } });
            if is_wanted {
                tokio::task::spawn_local(self.clone().begin(Arc::clone(snapshot), takes_over));
            }
        }
        self.accounts.borrow_mut().look(snapshot, now);
    }

    /// Begins with what the ledger has. It may take its time to be read, for which nothing waits.
    async fn begin(self, snapshot: Arc<Snapshot>, takes_over: bool) {
        let has_waited = background::begin(&self.ledger).await;
        if has_waited && !matches!(self.start.get(), Start::Begun) {
            return;
        }
        let (ledger, takes_over) = (self.ledger.clone(), takes_over && !has_waited);
        let recalled = background::run(move || Recalled::read(&ledger, takes_over)).await;
        let recalled = recalled.unwrap_or_else(|_| Recalled::unknown());
        self.accounts.borrow_mut().begin(recalled, &snapshot, takes_over);
    }

    /// The process stops, or was replaced: from now on only the requests are accounted that still end.
    pub fn retire(&self, snapshot: &Snapshot, is_stopping: bool) {
        self.accounts.borrow_mut().retire(snapshot, is_stopping);
        if !self.ledger.is_begun() {
            // another process keeps it, for which nobody waits any longer
            self.start.set(Start::NotYet);
        }
        self.ledger.release();
    }

    /// Writes what the accounts have, and waits for the disk.
    pub async fn finish(&self) {
        // the process may end while what was kept is still being read
        let until = Moment::now().plus(AT_THE_END);
        while matches!(self.start.get(), Start::Begun) && !self.accounts.borrow().has_begun() && Moment::now() < until {
            tokio::time::sleep(A_MOMENT).await;
        }
        let Some(batch) = self.accounts.borrow_mut().finish() else { return };
        let ledger = self.ledger.clone();
        if !background::run(move || ledger.keep(batch, AT_THE_END)).await.unwrap_or(false) {
            self.ledger.give_up();
            tracing::error!(
                "the ledger is not written within {AT_THE_END:?}: the last seconds of the history are lost"
            );
        }
    }
}
