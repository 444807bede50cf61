//! How many exchanges of a service may be in flight: an adaptive limit, found from how long answers take.
//!
//! What finds the limit is pure: what was seen and the time go in, the limit comes out. `app/concurrency.rs` drives it, ten times a second, and publishes the
//! limit in [`AdaptiveLimit`], where workers read it.
//!
//! * [`AdaptiveLimit`]: the limit in force and the exchanges in flight, which workers compare
//! * [`limiter`]: the limit, and the latency without load that it is found by
//! * [`window`]: what was seen since the last decision
//! * [`waiting`]: how many may wait for a place within it, and for how long
//! * [`shedding`]: when requests begin to be refused, and when that is over

mod adaptive_limit;
pub mod limiter;
pub mod shedding;
#[cfg(test)]
mod simulation;
pub mod waiting;
pub mod window;

pub use adaptive_limit::{AdaptiveLimit, ConcurrencyPlace};
