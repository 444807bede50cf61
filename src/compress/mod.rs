//! Content codings of answers: which one a client likes best (RFC 9110, section 12.5.3), encoders and decoders that work in pieces, and the bounds on what
//! they take of a worker.
//!
//! Nothing here waits: `forward` hands pieces in, and passes on what comes out. Who makes an encoder or a decoder asks the worker's [`Pool`] first, which
//! counts their memory.

mod decoder;
mod encoder;
mod negotiate;
mod pool;
#[cfg(test)]
mod tests;

use std::fmt;

pub use decoder::{Coding, Decoder};
pub use encoder::Encoder;
pub use negotiate::Accepted;
pub use pool::{Lease, Pool};

/// Why content could not be coded or decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It is not what its `Content-Encoding` says, or ends too early.
    Malformed,
    /// It becomes so much longer by decoding that it can only be meant to do harm.
    Bomb,
    /// The encoder has failed, which takes a lack of memory or a mistake of ours.
    Encoder,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Broken {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "its content is not what Content-Encoding says, or not whole",
            Self::Bomb => "its content becomes too much longer by decoding",
            Self::Encoder => "its content could not be compressed",
        }
    }
}
