//! The PROXY protocol, versions 1 and 2: a header at the beginning of a connection, which tells whose connection it is.
//!
//! A proxy that relays a connection hides its client's address behind its own. With this protocol it first sends the client's
//! address, in a line of text (version 1) or in a binary block (version 2). The block has room for more, in its TLVs: TLS
//! parameters, an id of the connection, and others. The specification is HAProxy's `doc/proxy-protocol.txt`; the section numbers
//! in this folder are those of that text.
//!
//! [`decode`] and [`encode`] do no I/O. [`read()`] reads a header from a socket, and not a byte beyond it.

mod crc32c;
pub mod decode;
pub mod encode;
mod peer;
mod read;
pub mod tlv;

use std::fmt;
use std::net::SocketAddr;

pub use encode::{Sender, Tls};
pub use peer::Peer;
pub use read::{Failure, read};
pub use tlv::Tlvs;

pub use crate::policy::ProxyHeader as Version;

/// The signature of version 2. It is chosen so that no known protocol begins with it, and most implementations fail on it at
/// once.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The size of the fixed part of version 2: signature, version and command, family and transport, length.
const FIXED: usize = 16;
/// The most bytes of a version 1 line, with its CRLF.
pub const MAX_LINE: usize = 107;
/// The most bytes that may follow the fixed part of version 2. The protocol allows 65,535, but addresses, names and an id take a
/// few hundred, and a client's certificate some more. The limit protects against a trusted peer that misbehaves.
pub const MAX_PAYLOAD: usize = 4096;

/// A PROXY header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The version of the protocol.
    pub version: Version,
    /// The two ends of the client's connection.
    pub endpoints: Endpoints,
    /// The TLVs; there are none in version 1.
    pub tlvs: Tlvs,
}

/// The two ends of the connection that is relayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoints {
    /// No connection is relayed: the sender has opened this one for itself, for example to check our health (version 2, `LOCAL`).
    Local,
    /// The addresses are not told (version 1, `UNKNOWN`; version 2, `UNSPEC`).
    Unknown,
    /// IPv4 or IPv6 addresses, both of the same family.
    Inet {
        /// The client's address.
        source: SocketAddr,
        /// The address that the client connected to.
        destination: SocketAddr,
        /// The transport of the connection.
        transport: Transport,
    },
    /// Unix sockets. The paths are kept as they were sent, padded with zeros.
    Unix {
        /// The client's path.
        source: Box<[u8; 108]>,
        /// The path that the client connected to.
        destination: Box<[u8; 108]>,
        /// The transport of the connection.
        transport: Transport,
    },
}

/// The transport of the relayed connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP, or a stream over a Unix socket.
    Stream,
    /// UDP, or datagrams over a Unix socket.
    Datagram,
}

/// Why a header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The bytes are something else; most likely the client does not send a header.
    Missing,
    /// The bytes begin like a header but are invalid; the text says why.
    Malformed(&'static str),
    /// The header announces more than [`MAX_PAYLOAD`] bytes.
    TooLarge,
    /// The checksum is wrong.
    Checksum,
    /// The connection ended within the header.
    Truncated,
}

impl Endpoints {
    /// The client's address, if the header has one.
    pub fn source(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet { source, .. } => Some(*source),
            Self::Local | Self::Unknown | Self::Unix { .. } => None,
        }
    }

    /// The address that the client connected to, if the header has one.
    pub fn destination(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet { destination, .. } => Some(*destination),
            Self::Local | Self::Unknown | Self::Unix { .. } => None,
        }
    }
}

impl Header {
    /// A header with addresses only.
    pub fn new(version: Version, endpoints: Endpoints) -> Self {
        Self { version, endpoints, tlvs: Tlvs::default() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no PROXY header"),
            Self::Malformed(why) => write!(f, "its PROXY header is malformed: {why}"),
            Self::TooLarge => write!(f, "its PROXY header announces more than {MAX_PAYLOAD} bytes"),
            Self::Checksum => f.write_str("its PROXY header has a wrong checksum"),
            Self::Truncated => f.write_str("the connection ended within its PROXY header"),
        }
    }
}

impl std::error::Error for Refused {}
