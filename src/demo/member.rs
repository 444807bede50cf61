//! A backend of the demo, as the rest of it knows one.

use std::net::SocketAddr;
use std::sync::Arc;

use super::condition::Condition;

/// A backend.
#[derive(Debug, Clone)]
pub struct Member {
    /// What it calls itself.
    pub name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// How it is.
    pub condition: Arc<Condition>,
}
