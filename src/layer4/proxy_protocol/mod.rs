//! The PROXY protocol, versions 1 and 2: a header in front of a connection that says whose it is.
//!
//! A proxy that relays a connection hides its client's address behind its own. With this protocol it says the address first,
//! in a line of text (version 1) or in a binary block (version 2) that has room for more: what was agreed on in TLS, an id of
//! the connection, and whatever else stands in its TLVs. The specification is HAProxy's `doc/proxy-protocol.txt`; sections
//! named here are of that text.
//!
//! The codec is pure: [`decode`] and [`encode`] know no sockets. [`read()`] takes a header off one, and nothing behind it.

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

/// What version 2 begins with: no protocol that is known begins so, and most stumble over it at once.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The fixed part of version 2: signature, version and command, family and transport, length.
const FIXED: usize = 16;
/// The longest line of version 1, with its CRLF.
pub const MAX_LINE: usize = 107;
/// The most that may follow the fixed part of version 2. The protocol allows 65,535 bytes; addresses, names and an id take a
/// few hundred, a client's certificate among the TLVs some more, and even a peer that is trusted may have gone mad.
pub const MAX_PAYLOAD: usize = 4096;

/// A header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// How it was written.
    pub version: Version,
    /// Whose connection it is.
    pub endpoints: Endpoints,
    /// What else was said; version 1 can say nothing else.
    pub tlvs: Tlvs,
}

/// The two ends of the connection that is relayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoints {
    /// None is: the sender speaks for itself (version 2, `LOCAL`), as it does to check our health.
    Local,
    /// They are not told (version 1, `UNKNOWN`; version 2, `UNSPEC`).
    Unknown,
    /// IPv4 or IPv6; both of one family.
    Inet {
        /// The client.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
        /// What carries it.
        transport: Transport,
    },
    /// A Unix socket; the paths as they were sent, padded with zeros.
    Unix {
        /// The client's.
        source: Box<[u8; 108]>,
        /// Where it connected to.
        destination: Box<[u8; 108]>,
        /// What carries it.
        transport: Transport,
    },
}

/// What carries the relayed connection.
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
    /// What came is something else; most likely the client speaks without a header.
    Missing,
    /// It begins like one and breaks the rules, in this.
    Malformed(&'static str),
    /// It announces more than [`MAX_PAYLOAD`].
    TooLarge,
    /// Its checksum is not that of its bytes.
    Checksum,
    /// The connection ended within it.
    Truncated,
}

impl Endpoints {
    /// The client's address, where the header tells one.
    pub fn source(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet { source, .. } => Some(*source),
            Self::Local | Self::Unknown | Self::Unix { .. } => None,
        }
    }

    /// Where the client connected to, where the header tells it.
    pub fn destination(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet { destination, .. } => Some(*destination),
            Self::Local | Self::Unknown | Self::Unix { .. } => None,
        }
    }
}

impl Header {
    /// A header without anything but addresses.
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
