//! Redis, and what speaks as it does: what several instances share through it.
//!
//! [`sessions`] has the sessions that affinity binds to backends, [`limits`] has rate limits that are enforced together. Both have threads of their own, and nobody depends on
//! a store: without it each instance goes on with what it knows.

mod connect;
pub mod limits;
pub mod sessions;
mod outage;
mod trial;
