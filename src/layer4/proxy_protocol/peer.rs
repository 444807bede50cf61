//! Who a client is: the address of its socket, what a PROXY header before its data said, and what we tell backends in the headers
//! that we send.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Endpoints, Header, Sender, Tls, Tlvs, Transport, Version};

/// What is known about the client at the other end of a connection.
#[derive(Debug, Default)]
pub struct Peer {
    source: Option<SocketAddr>,
    /// What matters only with PROXY headers, which most connections don't use.
    more: OnceCell<Box<ProxyDetails>>,
}

/// What matters only with PROXY headers.
#[derive(Debug, Default)]
struct ProxyDetails {
    destination: Option<SocketAddr>,
    received: Option<Header>,
    authority: Option<Box<str>>,
    alpn: Option<Box<[u8]>>,
    tls: Option<Tls>,
    line: OnceCell<Vec<u8>>,
    block: OnceCell<Vec<u8>>,
}

impl Peer {
    /// A client without a PROXY header. `source` is `None` over a Unix socket.
    pub fn new(source: Option<SocketAddr>) -> Self {
        Self { source, more: OnceCell::new() }
    }

    /// Sets the address that the client connected to, for listeners whose backends may be told of it.
    pub fn reached(mut self, destination: Option<SocketAddr>) -> Self {
        self.keep(|more| more.destination = destination);
        self
    }

    /// Sets the PROXY header that came first. If it has no addresses, those of the connection are used.
    pub fn introduced(mut self, header: Header) -> Self {
        self.source = header.endpoints.source().or(self.source);
        self.keep(|more| more.received = Some(header));
        self
    }

    /// Sets the name that the client asked for in TLS, and the protocol that was chosen by ALPN.
    pub fn asked_for(&mut self, authority: Option<&str>, alpn: Option<&[u8]>) {
        self.keep(|more| (more.authority, more.alpn) = (authority.map(Into::into), alpn.map(Into::into)));
    }

    /// Sets the TLS parameters, if TLS with the client ends here.
    pub fn secured(&mut self, tls: Tls) {
        self.keep(|more| more.tls = Some(tls));
    }

    /// Whether anything but the address is kept. Only then [`asked_for`](Self::asked_for) and [`secured`](Self::secured) are of
    /// any use.
    pub fn keeps_more(&self) -> bool {
        self.more.get().is_some()
    }

    /// The client's address and port: those in the header if it has them, otherwise those of the connection.
    pub fn address(&self) -> Option<SocketAddr> {
        self.source
    }

    /// The address alone; an IPv4-mapped one as IPv4.
    pub fn ip(&self) -> Option<IpAddr> {
        self.source.map(|source| source.ip().to_canonical())
    }

    /// The TLVs of the header.
    pub fn tlvs(&self) -> Option<&Tlvs> {
        Some(&self.more.get()?.received.as_ref()?.tlvs)
    }

    /// The TLVs of the header as text, for the access log: the name of each, and its value, in which non-printable bytes are
    /// written as `\xHH`. Empty, without an allocation, if there was no header.
    pub fn told(&self) -> Vec<(Box<str>, Box<str>)> {
        self.tlvs().map(Tlvs::told).unwrap_or_default()
    }

    /// The header to send first on a connection to a backend that is made for this client. It is made once for each version.
    /// `listens_at` is used as the client's destination when that was not set because backends were not told of clients when this
    /// one came. `id` makes a unique id when the client's header has none.
    pub fn header(&self, version: Version, listens_at: Option<SocketAddr>, id: impl FnOnce() -> u128) -> &[u8] {
        let more = self.more.get_or_init(Box::default);
        let made = match version {
            Version::V1 => &more.line,
            Version::V2 => &more.block,
        };
        made.get_or_init(|| self.make(more, version, listens_at, id))
    }

    fn make(
        &self,
        more: &ProxyDetails,
        version: Version,
        listens_at: Option<SocketAddr>,
        id: impl FnOnce() -> u128,
    ) -> Vec<u8> {
        let nothing = Tlvs::default();
        let received = more.received.as_ref().map_or(&nothing, |header| &header.tlvs);
        let id = match (version, received.unique_id()) {
            (_, Some(id)) => id.to_vec(),
            (Version::V1, None) => Vec::new(),
            (Version::V2, None) => format!("{:032x}", id()).into_bytes(),
        };
        let sender = Sender {
            endpoints: &self.endpoints(more, listens_at),
            alpn: more.alpn.as_deref(),
            authority: more.authority.as_deref(),
            tls: more.tls.as_ref(),
            unique_id: &id,
            received,
        };
        sender.header(version)
    }

    fn endpoints(&self, more: &ProxyDetails, listens_at: Option<SocketAddr>) -> Endpoints {
        let own = || match self.source.zip(more.destination.or(listens_at)) {
            None => Endpoints::Unknown,
            Some((source, destination)) => {
                let destination = of_family(destination, source);
                Endpoints::Inet { source, destination, transport: Transport::Stream }
            }
        };
        match more.received.as_ref().map(|header| &header.endpoints) {
            None | Some(Endpoints::Local | Endpoints::Unknown) => own(),
            Some(told) => told.clone(),
        }
    }

    fn keep(&mut self, keep: impl FnOnce(&mut ProxyDetails)) {
        let mut more = self.more.take().unwrap_or_default();
        keep(&mut more);
        self.more = more.into();
    }
}

/// `address`; but an unspecified one (`::` or `0.0.0.0`) in the family of `like`.
fn of_family(address: SocketAddr, like: SocketAddr) -> SocketAddr {
    match like.ip().to_canonical() {
        _ if !address.ip().is_unspecified() => address,
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, address.port()).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, address.port()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::decode;
    use super::super::tlv;
    use super::super::tlv::Builder;
    use super::*;

    fn at(address: &str) -> Option<SocketAddr> {
        address.parse().ok()
    }

    fn received(text: &[u8], list: &[(u8, &[u8])]) -> Header {
        let mut tlvs = Builder::default();
        list.iter().for_each(|(kind, value)| tlvs.push(*kind, value));
        Header { tlvs: tlvs.finish(), ..decode(text).unwrap() }
    }

    const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\n";

    #[test]
    fn a_client_without_a_header_is_told_as_its_socket_has_it() {
        let peer = Peer::new(at("198.51.100.7:1000")).reached(at("203.0.113.1:80"));
        assert_eq!(peer.header(Version::V1, None, || 0), b"PROXY TCP4 198.51.100.7 203.0.113.1 1000 80\r\n");
        let block = decode(peer.header(Version::V2, None, || 0xAB)).unwrap();
        assert_eq!(block.tlvs.unique_id(), Some(&b"000000000000000000000000000000ab"[..]));
    }

    #[test]
    fn what_a_header_says_goes_before_what_the_socket_says_and_is_passed_on() {
        let header = received(LINE, &[(tlv::UNIQUE_ID, b"theirs"), (tlv::NETNS, b"blue")]);
        let peer = Peer::new(at("198.51.100.7:1000")).reached(at("203.0.113.1:80")).introduced(header);
        assert_eq!(peer.address(), at("192.0.2.1:5"));
        assert_eq!(peer.tlvs().unwrap().netns(), Some("blue"));
        assert_eq!(peer.header(Version::V1, None, || 0), LINE);
        let block = decode(peer.header(Version::V2, None, || panic!("it has an id"))).unwrap();
        assert_eq!((block.endpoints.source(), block.endpoints.destination()), (at("192.0.2.1:5"), at("192.0.2.2:80")));
        assert_eq!((block.tlvs.unique_id(), block.tlvs.netns()), (Some(&b"theirs"[..]), Some("blue")));
    }

    #[test]
    fn a_header_without_addresses_leaves_those_of_the_socket() {
        for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
            let own = Peer::new(at("198.51.100.7:1000")).reached(at("203.0.113.1:80"));
            let peer = own.introduced(received(header, &[]));
            assert_eq!(peer.address(), at("198.51.100.7:1000"));
            assert_eq!(peer.header(Version::V1, None, || 0), b"PROXY TCP4 198.51.100.7 203.0.113.1 1000 80\r\n");
        }
    }

    #[test]
    fn who_came_before_backends_were_told_is_told_with_the_address_of_the_listener() {
        let rows = [
            ("192.0.2.1:5", "192.0.2.9:80", "PROXY TCP4 192.0.2.1 192.0.2.9 5 80\r\n"),
            ("192.0.2.1:5", "[::]:80", "PROXY TCP4 192.0.2.1 0.0.0.0 5 80\r\n"),
            ("[::ffff:192.0.2.1]:5", "[::]:80", "PROXY TCP4 192.0.2.1 0.0.0.0 5 80\r\n"),
            ("[2001:db8::1]:5", "[::]:80", "PROXY TCP6 2001:db8::1 :: 5 80\r\n"),
        ];
        for (source, listens_at, line) in rows {
            let peer = Peer::new(at(source));
            assert!(!peer.keeps_more());
            assert_eq!(peer.header(Version::V1, at(listens_at), || 0), line.as_bytes());
        }
        assert_eq!(Peer::new(None).header(Version::V1, None, || 0), b"PROXY UNKNOWN\r\n");
    }

    #[test]
    fn all_connections_for_a_client_carry_the_same_header() {
        let peer = Peer::new(at("192.0.2.1:5")).reached(at("192.0.2.2:80"));
        let first = peer.header(Version::V2, None, || 1).to_vec();
        assert_eq!(peer.header(Version::V2, None, || 2), first);
    }

    #[test]
    fn tls_that_ended_with_us_is_told_in_place_of_what_was_told_to_us() {
        let header = received(LINE, &[(tlv::AUTHORITY, b"theirs"), (tlv::ALPN, b"theirs")]);
        let mut peer = Peer::new(None).introduced(header);
        peer.asked_for(Some("ours.example"), None);
        peer.secured(Tls { version: "TLSv1.2", cipher: "suite", verified: false, common_name: None });
        let block = decode(peer.header(Version::V2, None, || 0)).unwrap();
        assert_eq!((block.tlvs.authority(), block.tlvs.alpn()), (Some("ours.example"), Some(&b"theirs"[..])));
        assert_eq!(block.tlvs.ssl().unwrap().version(), Some("TLSv1.2"));
    }
}
