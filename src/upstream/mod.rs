//! Connections to backends: opening them, keeping them in pools, and exchanging messages on them.
//!
//! Everything here belongs to one worker, so taking a connection from a pool and returning it is a pop from and a push to a
//! vector, without a lock or traffic between caches. The price is that a worker can't use another worker's idle connections;
//! `pool.max_idle` bounds their number for each worker and backend.

mod age;
mod context;
mod dial;
pub mod h1;
pub mod h2;
mod pool;
pub mod terms;
pub mod udp;

pub use context::OpenConnection;
pub use dial::{Connected, Tls, dial};
pub use pool::{ClientPools, Pool, Pools};

/// A backend's response: its head, and the body that follows.
#[derive(Debug)]
pub struct Answer<B> {
    /// The status.
    pub status: http::StatusCode,
    /// The fields, without the hop-by-hop ones. `Content-Length` is among them only when no body follows it (a response to HEAD,
    /// or a 304); otherwise the body's size hint has the length.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: B,
}

impl<B> Answer<B> {
    /// The same response with another body.
    pub fn map<C>(self, body: impl FnOnce(B) -> C) -> Answer<C> {
        Answer { status: self.status, headers: self.headers, body: body(self.body) }
    }
}
