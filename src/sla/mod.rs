//! The promise of a service and its arithmetic: what counts as up, how much time and how many requests that was, what is left of the error
//! budget, and how fast it burns. Pure: times come in as arguments, and nothing here reads a clock or a file.

pub mod incident;
pub mod promise;
pub mod tally;

pub use incident::{Action, Cause, CauseKind, Incident};
pub use promise::{Promise, Tier, Unit, Window};
pub use tally::Tally;
