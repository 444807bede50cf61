//! Decisions of an original, in its own order, as routes of Evenkeel.
//!
//! Other proxies ask one condition after the other: the first router that fits takes a request (Traefik, by its priority), or each directive
//! that fits does its part (Caddy). Here the most specific route wins, wherever it stands, and does everything. So:
//!
//! 1. [`steps`] unfolds what happens one after the other into a list of [`Entry`]: requests and all that happens to them, the first that
//!    fits counts.
//! 2. [`order`] makes routes of the list that decide the same by being more specific: where an earlier entry is less specific than a later
//!    one, what both would take becomes a route of its own.

mod case;
pub mod conditions;
mod order;
mod refusal;
mod route;
mod step;
mod steps;
#[cfg(test)]
mod tests;
mod treatment;

pub use conditions::{Conditions, Host, Path};
pub use order::{Letters, routes};
pub use refusal::refuses;
pub use step::{Branch, Clause, Does, Step};
pub use steps::unfold;
pub use treatment::{PathChange, Treatment};

use super::output::Place;

/// Requests, and what happens to them.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Which requests: those that no entry before has taken.
    pub when: Conditions,
    /// What happens to them.
    pub treatment: Treatment,
    /// Where the original says so.
    pub place: Place,
    /// What the original calls it.
    pub what: String,
}
