//! HTTP/1.0 and 1.1 (RFC 9112), both roles, by our own hand.
//!
//! The whole of an exchange runs in the one task of the client's connection: no channel and no second task stands between
//! the client's bytes and the backend's, which is where a proxy that is put together from a server and a client library
//! spends the time that is its own, and where its tail latency comes from. It is also what lets a head be refused for what it
//! is (a library that has removed a `Content-Length` beside a `Transfer-Encoding` can't be asked about it), a slow one be
//! answered with 408, and `Expect: 100-continue` be the backend's decision.
//!
//! * `head`, `start_line`, `target`, `hop`, `framing`, `decode`, `extensions`: bytes -> meaning; pure
//! * `encode`, `outbound`: meaning -> bytes, in as few system calls as can be
//! * `server`: a client's connection, from its first byte to its last; `wire`: its two directions; `body`: the body of a request on it

pub mod body;
pub mod decode;
pub mod encode;
mod extensions;
pub mod framing;
pub mod head;
pub mod hop;
pub mod outbound;
mod partial;
pub mod server;
mod start_line;
pub mod target;
#[cfg(test)]
mod tests;
mod wire;
mod writing;

pub use body::RequestBody;

use crate::error::{Error, Kind};

/// A request that is refused for its form.
fn malformed(detail: &'static str) -> Error {
    Error::new(Kind::MalformedRequest, detail)
}
