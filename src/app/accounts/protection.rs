//! While the error budget of a service burns so fast that somebody is woken, others give way, where `sla.protect` says so: services without a
//! promise send nothing again to the same backends, and splits that lead to the service go back to their largest share.

use std::collections::BTreeSet;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};

use super::service::ServiceAccount;
use crate::endpoint::Target;
use crate::event::{Events, Kind, PromiseChange, Subject};
use crate::sla::burn::Severity;
use crate::snapshot::{Service, Snapshot};

/// Who is protected now.
#[derive(Debug, Default)]
pub(super) struct Protection {
    protected: BTreeSet<Arc<str>>,
}

impl Protection {
    /// Has others give way to those whose budget burns too fast, and to nobody else.
    pub fn update(&mut self, snapshot: &Snapshot, accounts: &mut AHashMap<Arc<str>, ServiceAccount>, events: &Events) {
        let burning: BTreeSet<Arc<str>> =
            accounts.values().filter(|account| burns(account)).map(|account| Arc::clone(&account.name)).collect();
        // a reload makes services and splits anew, so this is set again and again
        let spared: AHashSet<&Target> =
            snapshot.services.iter().filter(|s| burning.contains(&s.name)).flat_map(targets).collect();
        for service in &snapshot.services {
            service.protection.set_protected(burning.contains(&service.name));
            service.protection.set_gives_way(gives_way(service, &spared));
        }
        for account in accounts.values_mut() {
            account.is_protected = burning.contains(&account.name);
        }
        let tell = |name: &Arc<str>, change| events.tell(Subject::service(name), Kind::Promise(change));
        for name in burning.difference(&self.protected) {
            tell(name, began(snapshot, name, reason(accounts.get(name))));
        }
        for name in self.protected.difference(&burning) {
            tell(name, PromiseChange::ProtectionEnded);
        }
        self.protected = burning;
    }
}

fn burns(account: &ServiceAccount) -> bool {
    account.account.promise().protect && account.burn.active().any(|alert| alert.severity == Severity::Page)
}

fn targets(service: &Arc<Service>) -> impl Iterator<Item = &Target> {
    service.endpoints.iter().map(|endpoint| &endpoint.target)
}

/// Whether a service has no promise of its own to keep, and shares a backend with one that is to be spared.
fn gives_way(service: &Arc<Service>, spared: &AHashSet<&Target>) -> bool {
    service.promised.is_none() && targets(service).any(|target| spared.contains(target))
}

fn began(snapshot: &Snapshot, name: &Arc<str>, reason: String) -> PromiseChange {
    let protected = snapshot.services.iter().filter(|service| service.name == *name);
    let spared: AHashSet<&Target> = protected.flat_map(targets).collect();
    let held_back = snapshot.services.iter().filter(|service| gives_way(service, &spared));
    PromiseChange::ProtectionBegan { held_back: held_back.map(|service| service.name.to_string()).collect(), reason }
}

/// The alert that is the reason.
fn reason(account: Option<&ServiceAccount>) -> String {
    let page = account.and_then(|account| account.burn.active().find(|alert| alert.severity == Severity::Page));
    page.map_or_else(String::new, |alert| {
        let (long, short, measure) = (alert.long.as_str(), alert.short.as_str(), alert.measure.as_str());
        format!("it burns {:.1} times too fast by {measure} over {long} and {short}", alert.long_rate)
    })
}
