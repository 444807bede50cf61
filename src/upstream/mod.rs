//! Connections to backends: dialling, keeping them for the next exchange, and speaking to the backend on them.
//!
//! Everything here belongs to one worker, so that taking a connection and giving it back is a push and a pop on a vector: no
//! lock, no other core's cache lines. The price, connections that another worker could have used, is bounded by
//! `pool.max_idle` for each worker and backend.

mod age;
mod context;
mod dial;
pub mod h1;
pub mod h2;
mod pool;
pub mod terms;
pub mod udp;

pub use context::OpenConnection;
pub use dial::{Tls, dial};
pub use pool::{ClientPools, Pool, Pools};

/// The head of a backend's answer, and what follows it.
#[derive(Debug)]
pub struct Answer<B> {
    /// Its status.
    pub status: http::StatusCode,
    /// Its fields, without hop-by-hop ones. `Content-Length` is there only where it does not announce a body that follows: it
    /// is in the body's size.
    pub headers: http::HeaderMap,
    /// Its body.
    pub body: B,
}

impl<B> Answer<B> {
    /// The same answer with another body.
    pub fn map<C>(self, body: impl FnOnce(B) -> C) -> Answer<C> {
        Answer { status: self.status, headers: self.headers, body: body(self.body) }
    }
}
