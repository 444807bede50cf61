//! A new version of a service that gets a growing share of the requests by a plan, and none any more when it stands out from the version that is in use.
//!
//! All of it is pure: what both services have shown goes in, with the time, and out comes what has happened. Whoever drives it (`app`) looks a few times a
//! second, shifts the weights, and tells of it.
//!
//! * [`plan`]: what is configured
//! * [`shift`]: where a canary is in its plan, and what takes it on, holds it or sends it back

pub mod plan;
pub mod shift;

pub use plan::{Plan, WHOLE};
pub use shift::{Change, Look, Shift, Stage, Standing, Word};
