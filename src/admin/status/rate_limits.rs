//! Rate limits: what they are, how full they are, and what they have done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::clock;
use crate::metrics::rate_limited::OUTCOMES;
use crate::snapshot::{Listener, RateLimit, Snapshot};

/// Those of all listeners and routes, in the order of the configuration: a listener's before those of its routes.
pub(super) fn all(snapshot: &Snapshot) -> Vec<Value> {
    let now = clock::monotonic(Instant::now());
    let of_listener = |listener: &Arc<Listener>| {
        let own = listener.rate_limits.iter().map(|limit| (None, limit));
        let of_routes = listener.limited.iter();
        let of_routes = of_routes.flat_map(|route| route.rate_limits.iter().map(|limit| (Some(&*route.text), limit)));
        let shown = own.chain(of_routes).map(|(route, limit)| shown(&listener.name, route, limit, now));
        shown.collect::<Vec<_>>()
    };
    snapshot.listeners.iter().flat_map(of_listener).collect()
}

fn shown(listener: &str, route: Option<&str>, limit: &RateLimit, now: Duration) -> Value {
    let RateLimit { rule: settings, table, counts, .. } = limit;
    let mut shown = json!({
        "listener": listener,
        "route": route,
        "name": settings.name,
        "rate": settings.rate.to_string(),
        "burst": settings.rate.burst(),
        "by": settings.by.to_string(),
        "delay_ms": u64::try_from(settings.delay.as_millis()).unwrap_or(u64::MAX),
        "dry_run": settings.dry_run,
        "keys": settings.keys,
        "keys_ahead": table.keys_ahead(now),
        "displaced": counts.read_displaced(),
        // while the others' part is known, the store answers
        "store_reachable": table.is_united(),
    });
    let done: Map<String, Value> =
        OUTCOMES.into_iter().map(str::to_owned).zip(counts.read().map(Value::from)).collect();
    if let Value::Object(shown) = &mut shown {
        shown.extend(done);
    }
    shown
}
