//! The parts of a request by which its route is chosen.

use http::{HeaderMap, Method};

/// The parts of a request by which its route is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    /// The host as sent: in any case, maybe with a port, maybe with a trailing dot, IPv6 in brackets. Empty when the
    /// request names none.
    pub host: &'a str,
    /// The path in the form that is compared ([`meaning`](super::meaning)).
    pub path: &'a str,
    /// What follows the first `?`.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The fields.
    pub headers: &'a HeaderMap,
}
