//! Which exchanges are traced.

use std::time::Duration;

/// What `[otlp]` says about traces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tracing {
    /// The share of new traces that is recorded, 0 to 1.
    pub sample: f64,
    /// An exchange that takes longer is exported in any case.
    pub slow: Duration,
    /// An exchange that failed is exported in any case.
    pub errors: bool,
    /// What clients send as `traceparent` is believed.
    pub trust_parent: bool,
}
