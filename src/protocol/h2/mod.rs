//! HTTP/2 (RFC 9113) by code of our own, in both roles: [`server`] towards clients, whose streams become
//! [`Request`](super::http::Request)s for the same handler that serves HTTP/1, and [`client`] towards backends.
//!
//! Both roles share the following. A connection's task reads and writes the socket. The tasks of its streams queue what they send
//! on the [`link`]. A [`stream`] has two directions ([`reading`] and [`sending`]). [`frame`] parses and writes frames without any
//! state, and [`flow`] counts flow-control windows.

mod block;
pub mod client;
mod connection_fields;
mod tunnel_io;
mod flow;
mod frame;
mod guard;
pub mod hpack;
mod link;
mod outbound;
pub mod server;

pub use server::{RequestBody, serve};

/// How many bytes a client may have in flight to us: on one stream, and on the whole connection. The connection's window is
/// enlarged when bodies are read and not when they arrive. It thereby bounds the memory for a client's uploads (128 streams of
/// 256 KiB would take 32 MiB for each connection).
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// The initial windows of streams and connections (section 6.9.2).
const DEFAULT_WINDOW: u32 = 65_535;
/// The size of the dynamic table that a peer may use for its fields, in bytes: the default of SETTINGS_HEADER_TABLE_SIZE.
const HPACK_TABLE: usize = 4096;
/// The preface with which a client begins (section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
