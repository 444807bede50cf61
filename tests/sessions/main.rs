//! Sessions that several instances share: by cookies that all of them can read, and by tables that a store connects.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say so at once")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod support;

mod cookies;
mod answers;
mod outages;
mod sharing;
mod ways;

use std::time::Duration;

use support::{Origin, Proxy, Redis, backend, config};

/// Backends that say who they are: `a`, `b` and `c`.
fn fleet() -> Vec<Origin> {
    ["a", "b", "c"].map(Origin::saying).into()
}

/// A configuration with this affinity over these backends, which have the ids `a`, `b`, ...
fn with(affinity: &str, origins: &[Origin]) -> String {
    let ids = origins.iter().zip('a'..);
    let backends: String = ids.map(|(origin, id)| backend(origin.address()) + &format!("id = \"{id}\"\n")).collect();
    config("", &format!("affinity = {{ {affinity} }}"), &[]) + &backends
}

/// Affinity by the field `x-user` that this store shares. Its time-out is longer than any delay that a busy machine makes.
fn shared(redis: &Redis, more: &str) -> String {
    format!("by = \"header:x-user\", store = \"{}\", store_timeout = \"1s\" {more}", redis.url())
}

/// An instance that has reached its store.
fn instance(toml: &str) -> Proxy {
    let proxy = Proxy::start(toml);
    proxy.wait_for_metrics("\nevenkeel_session_store_up{");
    support::wait_until("the store is reached", || is_up(&proxy));
    proxy
}

/// Whether the store is asked.
fn is_up(proxy: &Proxy) -> bool {
    proxy.metric("evenkeel_session_store_up") == 1
}

/// The backend that serves this user.
fn serves(proxy: &Proxy, user: usize) -> String {
    let mut client = proxy.client();
    client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n"));
    client.response().text()
}

/// The backends that serve users 0 to `count - 1`.
fn all(proxy: &Proxy, count: usize) -> Vec<String> {
    (0..count).map(|user| serves(proxy, user)).collect()
}

/// How often sessions were looked up with this outcome.
fn lookups(proxy: &Proxy, outcome: &str) -> u64 {
    proxy.metric(&format!("evenkeel_session_lookups_total{{service=\"api\",outcome=\"{outcome}\"}}"))
}

/// Longer than a store may take.
const LATE: Duration = Duration::from_millis(200);
