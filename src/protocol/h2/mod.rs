//! HTTP/2 (RFC 9113), by our own hand, in both roles: [`server`] towards clients, whose streams become
//! [`Request`](super::http::Request)s for the same handler that serves HTTP/1, and [`client`] towards backends.
//!
//! What both share: a connection's task reads and writes, the tasks of its streams put what they say on the [`link`], and a [`stream`] has
//! its two directions ([`reading`] and [`sending`]). Bytes are made and understood without any state in [`frame`], windows are counted in [`flow`].

mod block;
pub mod client;
mod connection_fields;
mod ends;
mod flow;
mod frame;
mod guard;
pub mod hpack;
mod link;
mod outbound;
pub mod server;

pub use server::{RequestBody, serve};

/// What a client may have on its way to us: for a stream, and for the connection. The second one is given back as bodies are read, and not
/// as they arrive: it is what bounds the memory of a client's uploads (128 streams of 256 KiB would be 32 MiB for each connection).
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Windows before anybody said anything (section 6.9.2).
const DEFAULT_WINDOW: u32 = 65_535;
/// The table that a peer may use for its fields: SETTINGS_HEADER_TABLE_SIZE as it is when nothing is said.
const HPACK_TABLE: usize = 4096;
/// What a client sends first (section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
