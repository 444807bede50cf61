//! What version 2 may say beside addresses: a list of types, lengths and values (section 2.2).
//!
//! They are kept as they came. When a list is taken in, all of it is looked through once, so that whoever reads a value
//! later has nothing to refuse any more.

#[cfg(test)]
mod tests;

use std::fmt;

use super::Refused;

/// The protocol spoken above, as ALPN names it.
pub const ALPN: u8 = 0x01;
/// The host that the client asked for; under TLS the SNI.
pub const AUTHORITY: u8 = 0x02;
/// The checksum of the whole header.
pub const CRC32C: u8 = 0x03;
/// Padding.
pub const NOOP: u8 = 0x04;
/// Names the connection, the same through all proxies on its way.
pub const UNIQUE_ID: u8 = 0x05;
/// What was agreed on in TLS: a fixed part, and a list of its own.
pub const SSL: u8 = 0x20;
/// In [`SSL`]: the version of TLS.
pub const SSL_VERSION: u8 = 0x21;
/// In [`SSL`]: the common name in the client's certificate.
pub const SSL_CN: u8 = 0x22;
/// In [`SSL`]: the cipher suite.
pub const SSL_CIPHER: u8 = 0x23;
/// In [`SSL`]: what signed the certificate that the client was shown.
pub const SSL_SIG_ALG: u8 = 0x24;
/// In [`SSL`]: the key of that certificate.
pub const SSL_KEY_ALG: u8 = 0x25;
/// In [`SSL`]: how keys were exchanged.
pub const SSL_GROUP: u8 = 0x26;
/// In [`SSL`]: what signed the handshake.
pub const SSL_SIG_SCHEME: u8 = 0x27;
/// In [`SSL`]: the client's certificate, in DER.
pub const SSL_CLIENT_CERT: u8 = 0x28;
/// The network namespace.
pub const NETNS: u8 = 0x30;

/// The client spoke TLS.
pub const CLIENT_SSL: u8 = 0x01;
/// It showed a certificate on this connection.
pub const CLIENT_CERT_CONN: u8 = 0x02;
/// It showed one at least once in this TLS session.
pub const CLIENT_CERT_SESS: u8 = 0x04;

/// The longest [`UNIQUE_ID`].
pub const MAX_UNIQUE_ID: usize = 128;
/// Type and length of a TLV.
pub(super) const HEAD: usize = 3;
/// Before the list in [`SSL`]: the client's bits, and how its certificate was verified.
const SSL_HEAD: usize = 5;

/// A list that was found to be well-formed, or was built so. An empty one takes no memory but its own.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tlvs(Box<[u8]>);

/// Goes through a list.
#[derive(Debug, Clone)]
pub struct Iter<'a>(&'a [u8]);

/// What [`SSL`] says.
#[derive(Debug, Clone)]
pub struct Ssl<'a> {
    /// [`CLIENT_SSL`], [`CLIENT_CERT_CONN`], [`CLIENT_CERT_SESS`].
    pub client: u8,
    /// 0 = the client showed a certificate and it was found to be good.
    pub verify: u32,
    inner: &'a [u8],
}

/// Puts a list together.
#[derive(Debug, Default)]
pub struct Builder(Vec<u8>);

impl Tlvs {
    /// Takes in what follows the addresses of a header.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let mut rest = bytes;
        let mut checksums = 0;
        while !rest.is_empty() {
            let (kind, value, behind) = split(rest).ok_or(Refused::Malformed("a TLV ends behind the header"))?;
            match kind {
                CRC32C if value.len() != 4 => return Err(Refused::Malformed("a checksum that is not of 4 bytes")),
                CRC32C => checksums += 1,
                UNIQUE_ID if value.len() > MAX_UNIQUE_ID => {
                    return Err(Refused::Malformed("a unique id of more than 128 bytes"));
                }
                SSL => read_ssl(value)?,
                _ => {}
            }
            rest = behind;
        }
        if checksums > 1 {
            return Err(Refused::Malformed("more than one checksum"));
        }
        Ok(Self(bytes.into()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As they stand in a header.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// All of them, also of types that nobody knows, in their order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(&self.0)
    }

    /// The first of this type.
    pub fn get(&self, kind: u8) -> Option<&[u8]> {
        self.iter().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// The protocol that the client speaks.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.get(ALPN)
    }

    /// The host that the client asked for; `None` also when it is not UTF-8, as it must be.
    pub fn authority(&self) -> Option<&str> {
        text(self.get(AUTHORITY))
    }

    /// The name of the connection.
    pub fn unique_id(&self) -> Option<&[u8]> {
        self.get(UNIQUE_ID)
    }

    /// The network namespace.
    pub fn netns(&self) -> Option<&str> {
        text(self.get(NETNS))
    }

    /// All that say something, as text: what each is, and its value with `\xHH` for what is not printable.
    pub fn told(&self) -> Vec<(Box<str>, Box<str>)> {
        let named = |kind: u8| match kind {
            ALPN => "alpn".into(),
            AUTHORITY => "authority".into(),
            UNIQUE_ID => "unique_id".into(),
            NETNS => "netns".into(),
            SSL => "ssl".into(),
            kind => format!("{kind:#04x}").into(),
        };
        let said = self.iter().filter(|(kind, _)| !matches!(*kind, CRC32C | NOOP));
        said.map(|(kind, value)| (named(kind), value.escape_ascii().to_string().into())).collect()
    }

    /// What was agreed on in TLS.
    pub fn ssl(&self) -> Option<Ssl<'_>> {
        let (&[client, a, b, c, d], inner) = self.get(SSL)?.split_first_chunk::<SSL_HEAD>()?;
        Some(Ssl { client, verify: u32::from_be_bytes([a, b, c, d]), inner })
    }
}

impl<'a> Ssl<'a> {
    /// The first value of this type in it.
    pub fn get(&self, kind: u8) -> Option<&'a [u8]> {
        Iter(self.inner).find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// The version of TLS.
    pub fn version(&self) -> Option<&'a str> {
        text(self.get(SSL_VERSION))
    }

    /// The cipher suite.
    pub fn cipher(&self) -> Option<&'a str> {
        text(self.get(SSL_CIPHER))
    }

    /// The common name in the client's certificate.
    pub fn common_name(&self) -> Option<&'a str> {
        text(self.get(SSL_CN))
    }

    /// Whether the client showed a certificate that was found to be good.
    pub fn is_verified(&self) -> bool {
        self.client & (CLIENT_CERT_CONN | CLIENT_CERT_SESS) != 0 && self.verify == 0
    }
}

impl Builder {
    /// Adds one. What no length can tell is left out.
    pub fn push(&mut self, kind: u8, value: &[u8]) {
        let Ok(length) = u16::try_from(value.len()) else { return };
        self.0.push(kind);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(value);
    }

    /// Adds what was agreed on in TLS.
    pub fn push_ssl(&mut self, client: u8, verify: u32, inner: &Self) {
        let mut value = vec![client];
        value.extend_from_slice(&verify.to_be_bytes());
        value.extend_from_slice(&inner.0);
        self.push(SSL, &value);
    }

    /// Adds, of what a peer has said, all that is not said here yet, as long as there is room for it in `most` bytes. Its
    /// checksum was of another header, and its padding of no use.
    pub fn pass_on(&mut self, received: &Tlvs, most: usize) {
        let own = self.0.len();
        for (kind, value) in received.iter() {
            let said = Iter(&self.0[..own]).any(|(ours, _)| ours == kind);
            if !said && !matches!(kind, CRC32C | NOOP) && self.0.len() + HEAD + value.len() <= most {
                self.push(kind, value);
            }
        }
    }

    /// The list.
    pub fn finish(self) -> Tlvs {
        Tlvs(self.0.into())
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, value, rest) = split(self.0)?;
        self.0 = rest;
        Some((kind, value))
    }
}

impl fmt::Debug for Tlvs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(kind, value)| (Kind(kind), Value(value)))).finish()
    }
}

/// As people read it.
struct Kind(u8);

/// As people read it where it is text, and else as they can make out.
struct Value<'a>(&'a [u8]);

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.escape_ascii())
    }
}

/// The first of a list, and what follows it; `None` = there is no whole one.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, high, low], rest) = bytes.split_first_chunk::<HEAD>()?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    Some((kind, value, rest))
}

fn read_ssl(value: &[u8]) -> Result<(), Refused> {
    let mut rest = value.get(SSL_HEAD..).ok_or(Refused::Malformed("an SSL TLV that is too short"))?;
    while !rest.is_empty() {
        rest = split(rest).ok_or(Refused::Malformed("a TLV ends behind the SSL TLV that it is in"))?.2;
    }
    Ok(())
}

fn text(value: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(value?).ok()
}
