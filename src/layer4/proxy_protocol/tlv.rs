//! The TLVs of version 2: a list of types, lengths and values (section 2.2) that say more than the addresses.
//!
//! The list is kept in the form in which it came. It is verified once when it is read, so that reading a value later can't fail.

#[cfg(test)]
mod tests;

use std::fmt;

use super::Refused;

/// The application protocol, by its ALPN name.
pub const ALPN: u8 = 0x01;
/// The host that the client asked for; with TLS this is the SNI.
pub const AUTHORITY: u8 = 0x02;
/// The checksum of the whole header.
pub const CRC32C: u8 = 0x03;
/// Padding.
pub const NOOP: u8 = 0x04;
/// An id of the connection, which stays the same through all proxies.
pub const UNIQUE_ID: u8 = 0x05;
/// The TLS parameters: a fixed part, and a list of TLVs.
pub const SSL: u8 = 0x20;
/// In [`SSL`]: the TLS version.
pub const SSL_VERSION: u8 = 0x21;
/// In [`SSL`]: the common name in the client's certificate.
pub const SSL_CN: u8 = 0x22;
/// In [`SSL`]: the cipher suite.
pub const SSL_CIPHER: u8 = 0x23;
/// In [`SSL`]: the signature algorithm of the certificate that the client was sent.
pub const SSL_SIG_ALG: u8 = 0x24;
/// In [`SSL`]: the key algorithm of that certificate.
pub const SSL_KEY_ALG: u8 = 0x25;
/// In [`SSL`]: the key exchange group.
pub const SSL_GROUP: u8 = 0x26;
/// In [`SSL`]: the signature scheme of the handshake.
pub const SSL_SIG_SCHEME: u8 = 0x27;
/// In [`SSL`]: the client's certificate, in DER.
pub const SSL_CLIENT_CERT: u8 = 0x28;
/// The network namespace.
pub const NETNS: u8 = 0x30;

/// A bit of [`Ssl::client`]: the client uses TLS.
pub const CLIENT_SSL: u8 = 0x01;
/// A bit of [`Ssl::client`]: the client has sent a certificate on this connection.
pub const CLIENT_CERT_CONN: u8 = 0x02;
/// A bit of [`Ssl::client`]: the client has sent a certificate at least once in this TLS session.
pub const CLIENT_CERT_SESS: u8 = 0x04;

/// The most bytes of a [`UNIQUE_ID`].
pub const MAX_UNIQUE_ID: usize = 128;
/// The size of a TLV's type and length, in bytes.
pub(super) const HEAD: usize = 3;
/// The size of the fixed part of [`SSL`]: the client's bits, and the result of verifying its certificate.
const SSL_HEAD: usize = 5;

/// A list of TLVs that is known to be well-formed. An empty list needs no allocation.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tlvs(Box<[u8]>);

/// An iterator over a list.
#[derive(Debug, Clone)]
pub struct Iter<'a>(&'a [u8]);

/// The content of [`SSL`].
#[derive(Debug, Clone)]
pub struct Ssl<'a> {
    /// A combination of [`CLIENT_SSL`], [`CLIENT_CERT_CONN`] and [`CLIENT_CERT_SESS`].
    pub client: u8,
    /// The result of verifying the client's certificate; 0 when it was sent and is good.
    pub verify: u32,
    inner: &'a [u8],
}

/// Builds a list.
#[derive(Debug, Default)]
pub struct Builder(Vec<u8>);

impl Tlvs {
    /// Reads the list that follows the addresses of a header.
    ///
    /// # Errors
    ///
    /// The list is malformed.
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

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The list as it is in a header.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// All TLVs in their order, those of unknown types included.
    pub fn iter(&self) -> Iter<'_> {
        Iter(&self.0)
    }

    /// The value of the first TLV of this type.
    pub fn get(&self, kind: u8) -> Option<&[u8]> {
        self.iter().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// The application protocol, by its ALPN name.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.get(ALPN)
    }

    /// The host that the client asked for; `None` also when it is not valid UTF-8, which it has to be.
    pub fn authority(&self) -> Option<&str> {
        text(self.get(AUTHORITY))
    }

    /// The unique id of the connection.
    pub fn unique_id(&self) -> Option<&[u8]> {
        self.get(UNIQUE_ID)
    }

    /// The network namespace.
    pub fn netns(&self) -> Option<&str> {
        text(self.get(NETNS))
    }

    /// All TLVs with a meaning as text: the name of each, and its value, in which non-printable bytes are written as `\xHH`.
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

    /// The TLS parameters.
    pub fn ssl(&self) -> Option<Ssl<'_>> {
        let (&[client, a, b, c, d], inner) = self.get(SSL)?.split_first_chunk::<SSL_HEAD>()?;
        Some(Ssl { client, verify: u32::from_be_bytes([a, b, c, d]), inner })
    }
}

impl<'a> Ssl<'a> {
    /// The first value of this type.
    pub fn get(&self, kind: u8) -> Option<&'a [u8]> {
        Iter(self.inner).find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// The TLS version.
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

    /// Whether the client has sent a certificate that was verified.
    pub fn is_verified(&self) -> bool {
        self.client & (CLIENT_CERT_CONN | CLIENT_CERT_SESS) != 0 && self.verify == 0
    }
}

impl Builder {
    /// Appends a TLV. A value that is too long for the length field is left out.
    pub fn push(&mut self, kind: u8, value: &[u8]) {
        let Ok(length) = u16::try_from(value.len()) else { return };
        self.0.push(kind);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(value);
    }

    /// Appends the TLS parameters.
    pub fn push_ssl(&mut self, client: u8, verify: u32, inner: &Self) {
        let mut value = vec![client];
        value.extend_from_slice(&verify.to_be_bytes());
        value.extend_from_slice(&inner.0);
        self.push(SSL, &value);
    }

    /// Appends the TLVs of `received` whose types are not in the list yet, as long as it has at most `most` bytes with them. The
    /// checksum and padding are left out, because they belong to the header that was received.
    pub fn pass_on(&mut self, received: &Tlvs, most: usize) {
        let own = self.0.len();
        for (kind, value) in received.iter() {
            let said = Iter(&self.0[..own]).any(|(ours, _)| ours == kind);
            if !said && !matches!(kind, CRC32C | NOOP) && self.0.len() + HEAD + value.len() <= most {
                self.push(kind, value);
            }
        }
    }

    /// The finished list.
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

/// A type, for debug output.
struct Kind(u8);

/// A value, for debug output: escaped text.
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

/// The type and value of the first TLV, and the rest of the list; `None` when there is no complete one.
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
