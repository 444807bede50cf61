//! Request -> route: which of a listener's routes takes a request.
//!
//! Routes are not tried one after the other. [`Table::new`] sorts them once, by what makes a route specific, into maps that
//! [`Table::find`] then walks from the most specific candidate to the least:
//!
//! 1. host: the exact name, then wildcards from the longest suffix to the shortest, then routes without a host;
//! 2. within a host, path: the exact path, then regexes, then prefixes from the longest to the shortest, then routes
//!    without a path;
//! 3. within a path, the number of the other conditions (methods, fields, query parameters), then the order of the file.
//!
//! The first candidate whose other conditions hold takes the request. The reasons, and examples, are in `docs/routing.md`.
//!
//! The cost of a look-up depends on the request (labels of its host) and on how deep prefixes nest, not on the number of
//! hosts or prefixes: one hash per label, one binary search per host. Only regexes of one host, and routes that differ in
//! nothing but their other conditions, are tried one by one.

mod predicates;
mod conditions;
mod host;
mod lookup;
pub mod meaning;
mod paths;
mod table;
#[cfg(test)]
mod tests;

pub use conditions::{Conditions, Host, Path};
pub use host::without_port;
pub use lookup::Lookup;
pub use table::Table;
