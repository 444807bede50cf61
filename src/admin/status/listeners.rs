//! The listeners in the status.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::denied;
use crate::admin::certificates::first_to_expire;
use crate::admin::{Shared, maintenance_page};
use crate::operator::pages::Scope;
use crate::snapshot::Snapshot;

/// All listeners, in the order of the configuration.
pub(super) fn all(shared: &Shared, snapshot: &Snapshot) -> Vec<Value> {
    let now = SystemTime::now();
    let listeners = shared.listeners.load();
    let shown = listeners.iter().map(|listener| {
        json!({
            "name": listener.name,
            "address": listener.address,
            "protocol": listener.protocol,
            "tls": listener.tls,
            "certificate": first_to_expire(listener.acceptor.as_ref(), now),
            "connections": listener.metrics.connections(),
            "clients": snapshot.clients(&listener.name),
            "denied": denied::of(snapshot, &listener.name),
            "maintenance_page": maintenance_page::of(shared, snapshot, &Scope::Listener(listener.name.as_str().into())),
        })
    });
    shown.collect()
}
