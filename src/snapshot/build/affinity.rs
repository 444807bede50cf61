//! The affinity of a service. Its table is kept from snapshot to snapshot while its size and key stay.

use std::sync::Arc;

use crate::affinity::Affinity;
use crate::affinity::cookie::Cookie;
use crate::affinity::seal::{Seal, Secret};
use crate::affinity::shared::{Names, Sessions, SharedTable};
use crate::affinity::table::{StickTable, StickTableView};
use crate::clock::Moment;
use crate::config::model;
use crate::endpoint::Endpoint;
use crate::metrics::Registry;
use crate::snapshot::Service;

/// The affinity of a service with these endpoints. The error is for people.
pub(super) fn build(
    service: &model::Service,
    before: Option<&Service>,
    endpoints: &[Arc<Endpoint>],
    registry: &Registry,
) -> Result<Option<Affinity>, String> {
    let Some(model::Affinity { policy, secret, accepted_secrets, store }) = &service.affinity else { return Ok(None) };
    let ids = endpoints.iter().map(|endpoint| &*endpoint.id);
    let derived = |secret: &[u8]| Secret::new(secret).map_err(|_| "the key of its sessions is too short".to_owned());
    if policy.by.is_none() {
        let secret = derived(secret.as_deref().ok_or("there is no key to sign its cookies with")?)?;
        let accepted = accepted_secrets.iter().map(|secret| derived(secret)).collect::<Result<Vec<_>, _>>()?;
        let seal = Seal::new(&secret, &accepted, &service.name, ids, policy.ttl);
        return Ok(Some(Affinity::Cookie(Arc::new(Cookie::new(policy.cookie.clone(), seal)))));
    }
    let table = match kept_table(service, before) {
        Some(table) => {
            table.set_ttl(policy.ttl);
            table.set_touch_after(1);
            table
        }
        None => Arc::new(StickTable::new(policy.max_entries, policy.ttl, fastrand::u64(..))),
    };
    let view = StickTableView::new(Arc::clone(&table), ids, Moment::now());
    let Some((shared, link)) = store.as_ref().and_then(|shared| Some((shared, shared.link.as_ref()?))) else {
        return Ok(Some(Affinity::Table(view)));
    };
    let secret = secret.as_deref().map(derived).transpose()?;
    let names = Names::new(&shared.prefix, &service.name, secret.as_ref());
    let sessions = Arc::new(Sessions { table, names, ttl: policy.ttl });
    let ids = endpoints.iter().map(|endpoint| Arc::clone(&endpoint.id)).collect();
    let lookups = registry.session_lookups(&service.name);
    Ok(Some(Affinity::Shared(SharedTable::new(view, sessions, Arc::clone(link), ids, lookups))))
}

/// The table of the service before, if its sessions are told apart by the same and it has the same size.
fn kept_table(service: &model::Service, before: Option<&Service>) -> Option<Arc<StickTable>> {
    let (before, policy) = (before?, &service.affinity.as_ref()?.policy);
    let table = match before.affinity.as_ref()? {
        Affinity::Cookie(_) => return None,
        Affinity::Table(sessions) => sessions.table(),
        Affinity::Shared(sessions) => sessions.view().table(),
    };
    let same = before.sticky_by == policy.by && table.max_entries() == policy.max_entries;
    same.then(|| Arc::clone(table))
}
