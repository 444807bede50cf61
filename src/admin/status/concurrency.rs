//! The adaptive limit of a service.

use serde_json::{Map, Value, json};

use crate::admin::rounded::to_thousandths as rounded;
use crate::metrics::concurrency::PRIORITIES;
use crate::snapshot::Service;

/// What holds now, and how many were refused; null where the service has no such limit.
pub(super) fn of(service: &Service) -> Value {
    let Some(limit) = &service.concurrency else { return Value::Null };
    let state = &limit.state;
    let shed: Map<String, Value> =
        PRIORITIES.into_iter().map(str::to_owned).zip(state.counts().read_shed().map(Value::from)).collect();
    json!({
        "limit": state.limit(),
        "in_flight": state.in_flight(),
        "unloaded_ms": state.unloaded().map(|latency| rounded(latency.as_secs_f64() * 1e3)),
        "shed": shed,
    })
}
