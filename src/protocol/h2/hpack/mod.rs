//! HPACK, the compression of fields in HTTP/2 (RFC 7541), as both roles need it: [`decode`] reads what the peer sends, [`encode`]
//! writes what we send.
//!
//! Nothing is collected: each field is handed over as it is read, with the size that it counts for, so that a block of a
//! few kilobytes that names one large field of the table over and over costs no memory here. The caller adds the sizes up and
//! drops fields once they are too many.
//!
//! The files: `integer.rs` and `huffman.rs` read what a block is made of (RFC 7541, section 5), `name.rs` and `table.rs` hold
//! the two tables (section 2.3), `decode.rs` and `encode.rs` are the representations of fields (section 6).

pub mod decode;
pub mod encode;
mod huffman;
mod integer;
mod name;
mod table;

use http::header::{HeaderName, HeaderValue};

pub use decode::Decoder;

/// A block that can't be read. What both sides remember has come apart: the connection must end, with `COMPRESSION_ERROR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressionError;

/// A field, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A pseudo-header field.
    Pseudo(Pseudo, HeaderValue),
    /// A field with a valid name in lower case and a valid value (RFC 9113, section 8.2.1).
    Plain(HeaderName, HeaderValue),
    /// It breaks the rules for names or values, or is a pseudo-header field that nobody knows: the message is malformed, what
    /// both sides remember is not.
    Malformed,
}

/// What a pseudo-header field is (RFC 9113, sections 8.3.1 and 8.3.2; RFC 8441 for `:protocol`).
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
