//! The promise of a service and its arithmetic: what counts as up, how much time and how many requests that was, what is left of the error
//! budget, and how fast it burns. Pure: times come in as arguments, and nothing here reads a clock or a file.

pub mod account;
pub mod budget;
pub mod burn;
pub mod incident;
pub mod judge;
pub mod maintenance;
pub mod promise;
pub mod statistics;
pub mod summary;
pub mod tally;
pub mod window;

pub use budget::Budget;
pub use burn::{Alert, AlertChange, Burn, Lookback, Rate, Severity};
pub use incident::{Action, Cause, CauseKind, Incident};
pub use maintenance::{Calendar, Planned, Recurring, planned};
pub use promise::{LONGEST_WINDOW, Promise, SHORTEST_RPO, SHORTEST_WINDOW, Tier, Unit, Window};
pub use summary::Summary;
pub use tally::Tally;
