//! A route that comes of an entry.

use super::conditions::Conditions;

/// A route, and the entry that it is for.
pub struct Route {
    /// Which requests.
    pub when: Conditions,
    /// The index of what happens to them.
    pub entry: usize,
}
