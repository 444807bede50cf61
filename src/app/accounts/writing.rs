//! What goes into the ledger, and when.

use std::sync::Arc;

use super::clocks::BootTime;
use super::{Accounts, BOOT_TIME, MANY, Phase, UP_AGAIN};
use crate::ledger::Batch;
use crate::report::gather::PROMISES;
use crate::sla::Promise;

impl Accounts {
    /// Hands what has come together to the ledger; what it has no room for stays for the next time.
    pub(super) fn write(&mut self) {
        self.hand_over_tallies();
        let next = Batch { keeper: self.sources.keeper, ..Batch::default() };
        let batch = std::mem::replace(&mut self.batch, next);
        if let Err(back) = self.sources.ledger.enter(batch) {
            let since = std::mem::replace(&mut self.batch, *back);
            self.batch.merge(since);
            if self.batch.tallies.len() > MANY || self.batch.history.len() > MANY {
                self.batch.coarsen();
            }
        }
    }

    /// Takes over into the batch what the services have put together by second.
    pub(super) fn hand_over_tallies(&mut self) {
        for account in self.services.values_mut() {
            self.batch.tallies.extend(account.take_tallies());
            // an incident under way goes to the disk with them: it may be all that is left of it
            self.batch.incidents.extend(account.account.incident().cloned());
            if self.phase == Phase::Keeping
                && let Some(up_again) = account.changed_up_again()
            {
                let at = up_again.map(|at| at.as_millis().to_string());
                self.batch.kept.push((UP_AGAIN.to_owned(), account.name.to_string(), at));
            }
        }
        if self.batch.until.is_some() {
            self.boot_time = self.boot_time.take().map(BootTime::brought_up_to_date);
            let now = self.boot_time.as_ref().map(ToString::to_string);
            self.batch.kept.push((BOOT_TIME.0.to_owned(), BOOT_TIME.1.to_owned(), now));
        }
    }

    /// Enters what is promised, and the maintenance under way, into a ledger that has nothing of it.
    pub(super) fn enter_anew(&mut self) {
        for account in self.services.values() {
            self.batch.kept.push(kept_promise(&account.name, account.account.promise()));
            self.batch.maintenance.extend(self.sources.maintenances.of(&account.name));
        }
    }
}

/// What is promised of a service, as it is kept for those who have only the file.
pub(super) fn kept_promise(name: &Arc<str>, promise: &Promise) -> (String, String, Option<String>) {
    (PROMISES.to_owned(), name.to_string(), serde_json::to_string(promise).ok())
}
