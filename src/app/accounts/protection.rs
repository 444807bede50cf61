//! While the error budget of a service burns so fast that somebody is woken, others give way, where `sla.protect` says so: services without a
//! promise send nothing again to the same backends, nobody sends copies of requests there, and splits that lead to the service go back to their
//! largest share.

mod giving_way;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};

use super::service::ServiceAccount;
use crate::clock::Moment;
use crate::endpoint::Target;
use crate::event::{Events, GivingWay, Kind, PromiseChange, ProtectionEnd, Subject};
use crate::sla::burn::Severity;
use crate::snapshot::Snapshot;

/// Who is protected now.
#[derive(Debug, Default)]
pub(super) struct Protection {
    /// With the moment since which.
    protected: BTreeMap<Arc<str>, Moment>,
}

impl Protection {
    /// Has others give way to those whose budget burns too fast, and to nobody else.
    pub fn update(&mut self, snapshot: &Snapshot, accounts: &mut AHashMap<Arc<str>, ServiceAccount>, events: &Events) {
        let burning: BTreeSet<Arc<str>> =
            accounts.values().filter(|account| burns(account)).map(|account| Arc::clone(&account.name)).collect();
        // a reload makes services and splits anew, so this is set again and again
        let spared: AHashSet<&Target> =
            snapshot.services.iter().filter(|s| burning.contains(&s.name)).flat_map(giving_way::targets).collect();
        for service in &snapshot.services {
            service.protection.set_protected(burning.contains(&service.name));
            service.protection.set_gives_way(giving_way::gives_way(service, &spared));
            service.protection.set_gets_no_copies(giving_way::gets_no_copies(service, &spared));
        }
        for account in accounts.values_mut() {
            account.is_protected = burning.contains(&account.name);
        }
        let now = Moment::now();
        let tell = |name: &Arc<str>, change| events.tell(Subject::service(name), Kind::Promise(change));
        for (name, since) in self.protected.extract_if(.., |name, _| !burning.contains(name)) {
            let why = why_ended(snapshot, &name, accounts.get(&name));
            tell(&name, PromiseChange::ProtectionEnded { why, lasted: now.since(since) });
        }
        for name in burning {
            if let Entry::Vacant(new) = self.protected.entry(name) {
                tell(new.key(), began(snapshot, new.key(), reason(accounts.get(new.key()))));
                new.insert(now);
            }
        }
    }
}

fn is_wished(account: &ServiceAccount) -> bool {
    account.account.promise().protect
}

fn burns(account: &ServiceAccount) -> bool {
    is_wished(account) && account.burn.active().any(|alert| alert.severity == Severity::Page)
}

fn began(snapshot: &Snapshot, name: &Arc<str>, reason: String) -> PromiseChange {
    let protected = snapshot.services.iter().find(|service| service.name == *name);
    let gives_way = protected.map_or_else(GivingWay::default, |service| giving_way::to(snapshot, service));
    PromiseChange::ProtectionBegan { gives_way, reason }
}

/// The alert that is the reason.
fn reason(account: Option<&ServiceAccount>) -> String {
    let page = account.and_then(|account| account.burn.active().find(|alert| alert.severity == Severity::Page));
    page.map_or_else(String::new, |alert| {
        let (long, short, measure) = (alert.long.as_str(), alert.short.as_str(), alert.measure.as_str());
        format!("it burns {:.1} times too fast by {measure} over {long} and {short}", alert.long_rate)
    })
}

/// Why nobody gives way to a service any more.
fn why_ended(snapshot: &Snapshot, name: &Arc<str>, account: Option<&ServiceAccount>) -> ProtectionEnd {
    match account {
        Some(account) if is_wished(account) => ProtectionEnd::PageCleared,
        Some(_) => ProtectionEnd::NotWished,
        None if snapshot.services.iter().any(|service| service.name == *name) => ProtectionEnd::NothingPromised,
        None => ProtectionEnd::ServiceGone,
    }
}
