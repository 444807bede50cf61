//! How the orders of a coordinator are carried out.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::call::{self, endpoint};
use super::done::DoneWhat;
use super::driver::Driver;
use super::show;
use crate::app::background;
use crate::clock::{Moment, Stamp};
use crate::config::model::StrategyMeans;
use crate::endpoint::standing::WHOLE;
use crate::hook::Call;
use crate::lead::Fence;
use crate::recover::attempt::ActReport;
use crate::recover::order::{Circuit, Run};
use crate::recover::{Attempt, Notice, Order};
use crate::snapshot::{Cut, Service, Snapshot, Way};

/// How often a backend is checked that is expected to be well soon.
const HURRY: Duration = Duration::from_millis(100);
/// How long an attempt waits for the disk that is to know of it. After that it is given up: what is not kept might be done twice.
pub(super) const KEPT_WITHIN: Duration = Duration::from_secs(5);

impl Driver {
    /// Carries these out, in their order.
    pub fn obey(&mut self, service: &Arc<str>, means: &Rc<[StrategyMeans]>, orders: Vec<Order>, snapshot: &Snapshot) {
        let here = snapshot.services.iter().find(|known| known.name == *service);
        for order in orders {
            match order {
                Order::Enter { attempt, must_be_kept } => self.enter(service, *attempt, must_be_kept),
                Order::Run(run) => self.run(service, means, run, here),
                Order::Kill { attempt } => self.tasks.kill(attempt),
                Order::HurryChecks { backend, at_most } => {
                    self.sources.monitor.hurry(service, &backend, HURRY, Moment::now().plus(at_most));
                }
                Order::Tell(notice) => self.tell(service, notice),
                lever => {
                    self.share(service, &lever);
                    if let Some(service) = here {
                        pull(service, lever, Moment::now());
                    }
                    // whoever is picked from now on depends on it
                    self.sources.store.news().notify_one();
                }
            }
        }
    }

    /// The others send nothing to a backend that is repaired here, from the moment at which it is taken out of use to its return.
    fn share(&self, service: &Arc<str>, order: &Order) {
        match order {
            Order::Drain { backend, reason, .. } => {
                let token = self.sources.leadership.standing().term.map(|term| term.token);
                self.sources.sharing.repair(service, backend, Some(reason), token);
            }
            Order::Return { backend, .. } => self.sources.sharing.repair(service, backend, None, None),
            _ => {}
        }
    }

    /// Writes the record of an attempt to the ledger.
    fn enter(&mut self, service: &Arc<str>, attempt: Attempt, must_be_kept: bool) {
        let id = attempt.id;
        if attempt.end.is_some() {
            // what its command came to can be known later than that it is over
            self.sources.recoveries.note_changed(attempt.clone());
        }
        self.await_ledger(attempt);
        if must_be_kept {
            self.unconfirmed.push((Arc::clone(service), id));
        }
    }

    /// Has this record wait for the ledger in the place of an older one of the same attempt.
    pub fn await_ledger(&mut self, attempt: Attempt) {
        self.waits.recoveries.retain(|known| known.id != attempt.id);
        self.waits.recoveries.push(attempt);
    }

    /// Tells the attempts that wait for it when what was handed to the ledger is on the disk.
    pub fn confirm(&mut self) {
        let waiting: Vec<_> =
            self.unconfirmed.drain(..).map(|(service, attempt)| (self.tasks.teller(&service), attempt)).collect();
        if waiting.is_empty() {
            return;
        }
        let ledger = self.sources.ledger.clone();
        tokio::task::spawn_local(async move {
            let written = background::run(move || ledger.is_kept() && ledger.flush(KEPT_WITHIN)).await;
            let kept = written.unwrap_or(false);
            waiting.into_iter().for_each(|(tell, attempt)| tell(DoneWhat::Entered { attempt, kept }));
        });
    }

    fn run(&mut self, service: &Arc<str>, means: &Rc<[StrategyMeans]>, run: Run, here: Option<&Arc<Service>>) {
        let Some(means) = call::means_of(&run, means).cloned() else {
            let error = format!("`{}` has nothing to run for this any more", run.strategy);
            let report = ActReport { error, ..ActReport::default() };
            return self.tasks.teller(service)(DoneWhat::Ran(run, report));
        };
        // asked here, right before the act: what was known before may be over
        let fence = match self.sources.leadership.may_act() {
            Ok(fence) => fence,
            Err(why) => {
                let report = ActReport { error: format!("nothing was done: {why}"), ..ActReport::default() };
                return self.tasks.teller(service)(DoneWhat::Ran(run, report));
            }
        };
        // the time, so that it also grows when the history is lost
        self.token = Stamp::now().as_millis().max(self.token + 1);
        let token = fence.as_ref().map_or(self.token, Fence::token);
        let call = Call { run: self.token, ..call::of(&run, service, here.map(|here| &**here), Some(token)) };
        self.tasks.run(service, means, (call, fence), run);
    }

    fn tell(&self, service: &Arc<str>, notice: Notice) {
        let recoveries = &self.sources.recoveries;
        match &notice {
            Notice::Ended(attempt) => recoveries.note_ended((**attempt).clone()),
            Notice::Undone(attempt) | Notice::Released(attempt) => recoveries.note_changed((**attempt).clone()),
            Notice::Braked { brake, .. } => recoveries.count_braked(service, brake),
            _ => {}
        }
        show::tell(&self.sources.events, service, notice);
    }
}

/// Carries out an order that is about who gets work. A backend that is gone needs nothing.
fn pull(service: &Service, order: Order, now: Moment) {
    let standing = |backend: &str| endpoint(service, backend).map(|endpoint| &endpoint.live.standing);
    match order {
        Order::Drain { backend, reason, .. } => {
            standing(&backend).into_iter().for_each(|standing| standing.set_repair(Some(&reason)));
        }
        Order::Return { backend, restarted, .. } => {
            let Some(endpoint) = endpoint(service, &backend) else { return };
            endpoint.live.standing.set_repair(None);
            if restarted {
                endpoint.live.restarted(now);
            }
        }
        Order::Break { backend, open_for, attempt } => {
            let reason = format!("recovery sends it nothing for {open_for:?}: attempt {attempt}");
            standing(&backend).into_iter().for_each(|standing| standing.break_for(now.plus(open_for), &reason));
        }
        Order::Mend { what: Circuit::Backend(backend), .. } => {
            standing(&backend).into_iter().for_each(|standing| standing.mend());
        }
        Order::Cut { path, open_for, .. } => {
            let cut = Cut { until: now.plus(open_for), path };
            let others = cuts(service, now).filter(|other| other.path != cut.path);
            service.detour.set_cuts(others.chain([cut.clone()]).collect());
        }
        Order::Mend { what: Circuit::Path(path), .. } => {
            service.detour.set_cuts(cuts(service, now).filter(|cut| cut.path != path).collect());
        }
        Order::FailOver { to, .. } => service.detour.set(Some(Way { to, share: WHOLE })),
        Order::FailBack { share_thousandths, .. } => {
            let left = WHOLE.saturating_sub(share_thousandths);
            let way = service.detour.way().filter(|_| left > 0);
            service.detour.set(way.map(|way| Way { share: left, ..way }));
        }
        Order::Enter { .. } | Order::Run(_) | Order::Kill { .. } | Order::HurryChecks { .. } | Order::Tell(_) => {}
    }
}

/// What is cut off and not over.
fn cuts(service: &Service, now: Moment) -> impl Iterator<Item = Cut> {
    let cuts = service.detour.cuts();
    let left: Vec<_> = cuts.iter().filter(|cut| cut.until > now).cloned().collect();
    left.into_iter()
}
