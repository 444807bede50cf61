//! HTTP/2 (RFC 9113), by our own hand, as [`server`] towards clients, whose streams become
//! [`Request`](super::Request)s for the same handler that serves HTTP/1.
//!
//! What both share: a connection's task reads and writes, the tasks of its streams put what they say on the [`link`], and a [`stream`] has
//! its two directions. Bytes are made and understood without any state in [`frame`], windows are counted in [`flow`].

mod flow;
mod frame;
mod link;
mod outbound;
pub mod server;
mod stream;

pub use server::{Interim, RequestBody, serve};

/// What a client may have on its way to us: for a stream, and for the connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Windows before anybody said anything (section 6.9.2).
const DEFAULT_WINDOW: u32 = 65_535;
