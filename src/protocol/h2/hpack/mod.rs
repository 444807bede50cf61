//! HPACK, the compression of fields in HTTP/2 (RFC 7541), for both roles: [`decode`] reads what the peer sends, [`encode`] writes
//! what we send.
//!
//! Decoded fields are not collected. Each is handed to the caller with its size as soon as it is read, so a block of a few
//! kilobytes that refers to one large field of the table again and again costs no memory here. The caller adds up the sizes, and
//! drops fields beyond its limit.
//!
//! `integer.rs` and `huffman.rs` read the primitive types (RFC 7541, section 5), `name.rs` and `table.rs` have the two tables
//! (section 2.3), and `decode.rs` and `encode.rs` the representations of fields (section 6).

pub mod decode;
pub mod encode;
mod huffman;
mod integer;
mod name;
mod table;

use http::header::{HeaderName, HeaderValue};

pub use decode::Decoder;

/// A block can't be decoded. The two sides' dynamic tables may differ from now on, so the connection has to end with
/// `COMPRESSION_ERROR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressionError;

/// A decoded field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A pseudo-header field.
    Pseudo(Pseudo, HeaderValue),
    /// A field with a valid name in lower case and a valid value (RFC 9113, section 8.2.1).
    Plain(HeaderName, HeaderValue),
    /// The field violates the rules for names or values, or is an unknown pseudo-header field. The message is malformed, but the
    /// dynamic table is intact.
    Malformed,
}

/// The pseudo-header fields (RFC 9113, sections 8.3.1 and 8.3.2; RFC 8441 for `:protocol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pseudo {
    /// `:method`
    Method,
    /// `:scheme`
    Scheme,
    /// `:authority`
    Authority,
    /// `:path`
    Path,
    /// `:protocol`
    Protocol,
    /// `:status`
    Status,
}
