//! Request -> route: which of a listener's routes takes a request.

mod conditions;

pub use conditions::{Conditions, Host, Path};
