//! Encodes PROXY headers.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::tlv::{self, Builder};
use super::{Endpoints, FIXED, Header, MAX_PAYLOAD, SIGNATURE, Tlvs, Transport, Version, crc32c};

/// What a header says about a client's connection.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// The addresses of its two ends.
    pub endpoints: &'a Endpoints,
    /// The protocol that was chosen with the client by ALPN.
    pub alpn: Option<&'a [u8]>,
    /// The name that the client asked for in TLS (SNI).
    pub authority: Option<&'a str>,
    /// The TLS parameters, if TLS with the client ends here.
    pub tls: Option<&'a Tls>,
    /// The unique id of the connection, in bytes.
    pub unique_id: &'a [u8],
    /// The TLVs that the proxy before us has sent.
    pub received: &'a Tlvs,
}

/// The parameters of TLS with the client.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The version, in OpenSSL's notation.
    pub version: &'static str,
    /// The cipher suite, in OpenSSL's notation.
    pub cipher: &'static str,
    /// Whether the client has sent a certificate that was verified.
    pub verified: bool,
    /// The common name in that certificate.
    pub common_name: Option<Box<str>>,
}

impl Sender<'_> {
    /// The header in this version of the protocol.
    pub fn header(&self, version: Version) -> Vec<u8> {
        match version {
            Version::V1 => line(self.endpoints),
            Version::V2 => block(self.endpoints, &self.tlvs()),
        }
    }

    fn tlvs(&self) -> Tlvs {
        let mut list = Builder::default();
        if let Some(alpn) = self.alpn {
            list.push(tlv::ALPN, alpn);
        }
        if let Some(authority) = self.authority {
            list.push(tlv::AUTHORITY, authority.as_bytes());
        }
        if let Some(tls) = self.tls {
            let shown = if tls.verified { tlv::CLIENT_CERT_CONN | tlv::CLIENT_CERT_SESS } else { 0 };
            list.push_ssl(tlv::CLIENT_SSL | shown, u32::from(!tls.verified), &inner(tls));
        }
        list.push(tlv::UNIQUE_ID, self.unique_id);
        // leaves room for the addresses and for the checksum
        list.pass_on(self.received, MAX_PAYLOAD - 2 * 108 - tlv::HEAD - 4);
        list.push(tlv::CRC32C, &[0; 4]);
        list.finish()
    }
}

fn inner(tls: &Tls) -> Builder {
    let mut inner = Builder::default();
    inner.push(tlv::SSL_VERSION, tls.version.as_bytes());
    inner.push(tlv::SSL_CIPHER, tls.cipher.as_bytes());
    if let Some(name) = &tls.common_name {
        inner.push(tlv::SSL_CN, name.as_bytes());
    }
    inner
}

/// Encodes a header unchanged.
pub fn encode(header: &Header) -> Vec<u8> {
    match header.version {
        Version::V1 => line(&header.endpoints),
        Version::V2 => block(&header.endpoints, &header.tlvs),
    }
}

/// The line of version 1. What it can't express becomes `UNKNOWN`.
fn line(endpoints: &Endpoints) -> Vec<u8> {
    let mut text = String::from("PROXY ");
    let known = match endpoints {
        Endpoints::Inet { source, destination, transport: Transport::Stream } => {
            // on a socket for both families an IPv4 client has an IPv4-mapped IPv6 address
            let [from, to] = [source, destination].map(|address| address.ip().to_canonical());
            let word = match (from, to) {
                (IpAddr::V4(_), IpAddr::V4(_)) => Some("TCP4"),
                (IpAddr::V6(_), IpAddr::V6(_)) => Some("TCP6"),
                _ => None,
            };
            word.map(|word| write!(text, "{word} {from} {to} {} {}", source.port(), destination.port()))
        }
        _ => None,
    };
    if known.is_none() {
        text.push_str("UNKNOWN");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// The block of version 2. The checksum is filled in if the list has a place for it.
fn block(endpoints: &Endpoints, tlvs: &Tlvs) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend_from_slice(&[if *endpoints == Endpoints::Local { 0x20 } else { 0x21 }, 0, 0, 0]);
    bytes[13] = match endpoints {
        Endpoints::Local | Endpoints::Unknown => 0,
        Endpoints::Inet { source, destination, transport } => {
            inet(&mut bytes, *source, *destination) << 4 | nibble(*transport)
        }
        Endpoints::Unix { source, destination, transport } => {
            bytes.extend_from_slice(&**source);
            bytes.extend_from_slice(&**destination);
            3 << 4 | nibble(*transport)
        }
    };
    let list = bytes.len();
    bytes.extend_from_slice(tlvs.as_bytes());
    let length = u16::try_from(bytes.len() - FIXED).unwrap_or(u16::MAX);
    bytes[FIXED - 2..FIXED].copy_from_slice(&length.to_be_bytes());
    fill_checksum(&mut bytes, list, tlvs);
    bytes
}

fn nibble(transport: Transport) -> u8 {
    match transport {
        Transport::Stream => 1,
        Transport::Datagram => 2,
    }
}

/// Appends the addresses, and returns the number of their family. If they are of different families both are written as IPv6.
fn inet(bytes: &mut Vec<u8>, source: SocketAddr, destination: SocketAddr) -> u8 {
    let family = match (source.ip().to_canonical(), destination.ip().to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            bytes.extend_from_slice(&source.octets());
            bytes.extend_from_slice(&destination.octets());
            1
        }
        (source, destination) => {
            for address in [source, destination] {
                let address = match address {
                    IpAddr::V4(address) => address.to_ipv6_mapped(),
                    IpAddr::V6(address) => address,
                };
                bytes.extend_from_slice(&address.octets());
            }
            2
        }
    };
    bytes.extend_from_slice(&source.port().to_be_bytes());
    bytes.extend_from_slice(&destination.port().to_be_bytes());
    family
}

/// Writes the checksum into its place, which must have zeros while it is computed.
fn fill_checksum(bytes: &mut [u8], list: usize, tlvs: &Tlvs) {
    let mut at = list;
    for (kind, value) in tlvs.iter() {
        at += tlv::HEAD;
        if kind == tlv::CRC32C && value.len() == 4 {
            bytes[at..at + 4].fill(0);
            let checksum = crc32c::checksum(&[bytes]);
            bytes[at..at + 4].copy_from_slice(&checksum.to_be_bytes());
            return;
        }
        at += value.len();
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::decode;
    use super::*;

    fn inet(source: &str, destination: &str) -> Endpoints {
        let [source, destination] = [source, destination].map(|address| address.parse().unwrap());
        Endpoints::Inet { source, destination, transport: Transport::Stream }
    }

    fn plain(endpoints: &Endpoints, version: Version) -> Vec<u8> {
        encode(&Header::new(version, endpoints.clone()))
    }

    /// The line is the specification's own example (section 2.1).
    #[test]
    fn addresses_of_one_family_are_written_as_the_specification_shows() {
        let v4 = inet("192.168.0.1:56324", "192.168.0.11:443");
        assert_eq!(plain(&v4, Version::V1), b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
        let block = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C\xC0\xA8\0\x01\xC0\xA8\0\x0B\xDC\x04\x01\xBB";
        assert_eq!(plain(&v4, Version::V2), block);
        let v6 = inet("[2001:db8::1]:1", "[2001:db8::2]:65535");
        assert_eq!(plain(&v6, Version::V1), b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n");
        let mut block = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
        for last in [1, 2] {
            block.extend_from_slice(b"\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0");
            block.push(last);
        }
        block.extend_from_slice(b"\0\x01\xFF\xFF");
        assert_eq!(plain(&v6, Version::V2), block);
    }

    #[test]
    fn an_ipv4_client_of_a_socket_for_both_families_is_an_ipv4_client() {
        let mapped = inet("[::ffff:192.0.2.1]:5", "[::ffff:192.0.2.2]:80");
        assert_eq!(plain(&mapped, Version::V1), b"PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\n");
        let block = plain(&mapped, Version::V2);
        assert_eq!(decode(&block).unwrap().endpoints, inet("192.0.2.1:5", "192.0.2.2:80"));
    }

    #[test]
    fn what_version_1_has_no_words_for_is_unknown() {
        let mixed = inet("192.0.2.1:5", "[2001:db8::1]:80");
        let datagram = Endpoints::Inet {
            source: "192.0.2.1:5".parse().unwrap(),
            destination: "192.0.2.2:53".parse().unwrap(),
            transport: Transport::Datagram,
        };
        let path = Box::new([0; 108]);
        let unix = Endpoints::Unix { source: path.clone(), destination: path, transport: Transport::Stream };
        for endpoints in [&mixed, &datagram, &unix, &Endpoints::Local, &Endpoints::Unknown] {
            assert_eq!(plain(endpoints, Version::V1), b"PROXY UNKNOWN\r\n", "{endpoints:?}");
        }
        let mapped = inet("[::ffff:192.0.2.1]:5", "[2001:db8::1]:80");
        assert_eq!(decode(&plain(&mixed, Version::V2)).unwrap().endpoints, mapped);
    }

    #[test]
    fn the_shortest_block_is_that_of_a_check() {
        assert_eq!(plain(&Endpoints::Local, Version::V2), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    }

    #[test]
    fn a_sender_says_all_that_it_knows_and_signs_it() {
        let mut received = Builder::default();
        received.push(tlv::AUTHORITY, b"theirs.example");
        received.push(tlv::CRC32C, b"past");
        received.push(0xE1, b"kept");
        let received = received.finish();
        let endpoints = inet("192.0.2.1:5", "192.0.2.2:443");
        let tls = Tls {
            version: "TLSv1.3",
            cipher: "TLS_AES_128_GCM_SHA256",
            verified: true,
            common_name: Some("client.example".into()),
        };
        let sender = Sender {
            endpoints: &endpoints,
            alpn: Some(b"h2"),
            authority: Some("site.example"),
            tls: Some(&tls),
            unique_id: b"id",
            received: &received,
        };
        let header = decode(&sender.header(Version::V2)).unwrap();
        assert_eq!(header.endpoints, endpoints);
        let tlvs = &header.tlvs;
        assert_eq!((tlvs.alpn(), tlvs.authority()), (Some(&b"h2"[..]), Some("site.example")));
        assert_eq!((tlvs.unique_id(), tlvs.get(0xE1)), (Some(&b"id"[..]), Some(&b"kept"[..])));
        assert_eq!(tlvs.iter().filter(|(kind, _)| *kind == tlv::CRC32C).count(), 1);
        let ssl = tlvs.ssl().unwrap();
        assert_eq!((ssl.client, ssl.is_verified(), ssl.common_name()), (7, true, Some("client.example")));
        let nobody = Tls { verified: false, common_name: None, ..tls };
        let anonymous = Sender { tls: Some(&nobody), ..sender };
        let header = decode(&anonymous.header(Version::V2)).unwrap();
        let ssl = header.tlvs.ssl().unwrap();
        assert_eq!((ssl.client, ssl.verify, ssl.common_name()), (1, 1, None));
        assert_eq!(sender.header(Version::V1), b"PROXY TCP4 192.0.2.1 192.0.2.2 5 443\r\n");
    }

    #[test]
    fn a_header_is_never_larger_than_what_we_would_take_ourselves() {
        let mut received = Builder::default();
        received.push(0xE1, &[1; 3900]);
        received.push(0xE2, &[2; 3000]);
        let sender = Sender {
            endpoints: &inet("192.0.2.1:5", "192.0.2.2:443"),
            alpn: None,
            authority: None,
            tls: None,
            unique_id: &[7; 128],
            received: &received.finish(),
        };
        let header = decode(&sender.header(Version::V2)).unwrap();
        assert_eq!((header.tlvs.get(0xE1), header.tlvs.get(0xE2).map(<[u8]>::len)), (None, Some(3000)));
    }
}
