//! HTTP/2 towards backends, frame by frame: what RFC 9113 demands of a client, and what backends do that break down, leave, or
//! break the rules.
//!
//! A [`Backend`] speaks frames that are written by hand, as its script says, and remembers the frames that it got. The clients speak
//! HTTP/1.1 where nothing else is said: what a client is told must not depend on how it asked.

pub mod backend;
mod errors;
mod fuzzed;
mod goaway;
mod heads;
mod lengths;
mod requests;
mod resets;
mod rows;
mod settings;
mod silence;
mod tunnels;
mod uploads;
mod waiting;
mod windows;

use crate::support::{Proxy, config};
use backend::Backend;

/// One worker in front of these backends, so that all streams to one of them meet on one connection. `service` is as for [`config`].
fn proxy_with(service: &str, backends: &[&Backend]) -> Proxy {
    let origins: Vec<_> = backends.iter().map(|backend| &backend.origin).collect();
    Proxy::start(&(config("", &format!("protocol = \"h2\"\n{service}"), &origins) + "\n[server]\nworkers = 1\n"))
}

/// One failure is enough to be taken out.
const CHARGING: &str = "[service.api.outlier]\nconsecutive_failures = 1\n[service.api.circuit_breaker]\nfailures = 1";

/// The same with nothing else.
fn proxy_to(backend: &Backend) -> Proxy {
    proxy_with("", &[backend])
}

/// What nobody may be charged for was charged to nobody.
fn assert_nobody_is_charged(proxy: &Proxy) {
    let metrics = proxy.metrics();
    let charged: Vec<_> = metrics
        .lines()
        .filter(|line| {
            ["evenkeel_ejections_total", "evenkeel_breaker_state", "evenkeel_retries_total"]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .filter(|line| !line.ends_with(" 0"))
        .collect();
    assert!(charged.is_empty(), "{charged:?}");
}
