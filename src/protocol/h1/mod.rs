//! HTTP/1.0 and 1.1 (RFC 9112), in both roles, by code of our own.
//!
//! A whole exchange runs in one task, that of the client's connection. There is no channel and no second task between the
//! client's bytes and the backend's. A proxy that is put together from a server library and a client library spends most of its
//! own time on that hand-over, and gets its tail latency from it. Code of our own can also refuse a head for what it really
//! contains (a library that has removed a `Content-Length` beside a `Transfer-Encoding` can't be asked about it), answer a slow
//! head with 408, and leave `Expect: 100-continue` to the backend.
//!
//! * `head`, `start_line`, `target`, `hop`, `framing`, `decode` and `extensions` parse bytes, without I/O.
//! * `encode` and `outbound` write messages, with as few system calls as possible.
//! * `server` serves a client's connection; `wire` has its two directions, and `body` the body of a request on it.

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

/// The error for a request that is malformed.
fn malformed(detail: &'static str) -> Error {
    Error::new(Kind::MalformedRequest, detail)
}
