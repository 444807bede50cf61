//! The rate limits of a snapshot that instances enforce together.

use std::sync::Arc;

use crate::snapshot::{RateLimit, Snapshot};
use crate::store::limits::SharedLimit;

/// Those of all listeners and routes.
pub(super) fn shared(snapshot: &Snapshot) -> Vec<SharedLimit> {
    let shared = |limit: &RateLimit| {
        let store = limit.store.as_ref()?;
        let (table, rate) = (Arc::clone(&limit.table), limit.limit.rate);
        Some(SharedLimit { by: store.by.clone(), scope: store.scope, table, rate })
    };
    snapshot.listeners.iter().flat_map(|listener| listener.all_rate_limits()).filter_map(shared).collect()
}
