//! Traces to collectors that speak OTLP: what is told of exchanges, and what a collector that is slow, gone or unwilling costs.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say so at once")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod support;

mod collector;
mod decoded;
mod exchanges;
mod metrics;
mod parents;
mod trouble;

pub use evenkeel::protobuf;

use support::{Origin, config};

/// A service of these backends whose exchanges are told to a collector at this endpoint. `keys` are further keys of `[otlp]`.
pub fn traced(endpoint: &str, keys: &str, backends: &[&Origin]) -> String {
    config("", "", backends) + &otlp(endpoint, keys)
}

/// The section. Headers are there in any case, so that each message shows them.
pub fn otlp(endpoint: &str, keys: &str) -> String {
    format!("\n[otlp]\nendpoint = \"{endpoint}\"\nheaders = {{ authorization = \"Bearer abc\" }}\n{keys}\n")
}
