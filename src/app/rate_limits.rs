//! The rate limits that instances enforce together: the configuration says by what, the snapshot has what was used.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::model::{Config, RateLimit};
use crate::route::Conditions;
use crate::snapshot::{Snapshot, rate_limit_scope};
use crate::store::limits::SharedRateLimit;

/// Those of all listeners and routes.
pub(super) fn shared(config: &Config, snapshot: &Snapshot) -> Vec<SharedRateLimit> {
    let mut stores = HashMap::new();
    for listener in &config.listeners {
        let mut note = |route: Option<&Conditions>, limits: &[RateLimit]| {
            let stored =
                |of: &RateLimit| Some((rate_limit_scope(&listener.name, route, &of.rule.name), of.store.clone()?));
            stores.extend(limits.iter().filter_map(stored));
        };
        note(None, &listener.rate_limits);
        listener.routes.iter().for_each(|route| note(Some(&route.when), &route.rate_limits));
    }
    let limits = snapshot.listeners.iter().flat_map(|listener| listener.all_rate_limits());
    let shared = limits.filter_map(|limit| {
        let (table, rate) = (Arc::clone(&limit.table), limit.rule.rate);
        Some(SharedRateLimit { by: stores.get(&limit.scope)?.clone(), scope: limit.scope, table, rate })
    });
    shared.collect()
}
