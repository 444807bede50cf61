use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::super::encode::encode;
use super::super::tlv::Builder;
use super::*;

const HELLO: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [HELLO, &[command, family], &length, payload].concat()
}

fn inet(source: &str, destination: &str, transport: Transport) -> Endpoints {
    let [source, destination] = [source, destination].map(|address| address.parse().unwrap());
    Endpoints::Inet { source, destination, transport }
}

fn why(bytes: impl AsRef<[u8]>) -> Refused {
    decode(bytes.as_ref()).unwrap_err()
}

// ---------------------------------------------------------------- version 1

/// The examples and the longest lines of section 2.1.
#[test]
fn lines_of_the_specification_are_read() {
    let stream = Transport::Stream;
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let rows = [
        (
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n".to_owned(),
            inet("192.168.0.1:56324", "192.168.0.11:443", stream),
        ),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_owned(),
            inet("255.255.255.255:65535", "255.255.255.255:65535", stream),
        ),
        (
            format!("PROXY TCP6 {longest} {longest} 65535 65535\r\n"),
            inet(&format!("[{longest}]:65535"), &format!("[{longest}]:65535"), stream),
        ),
        ("PROXY TCP6 2001:DB8::a ::1 0 1\r\n".to_owned(), inet("[2001:db8::a]:0", "[::1]:1", stream)),
        (
            "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 5 80\r\n".to_owned(),
            inet("[::ffff:192.0.2.1]:5", "[::ffff:192.0.2.2]:80", stream),
        ),
        ("PROXY UNKNOWN\r\n".to_owned(), Endpoints::Unknown),
        (format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n"), Endpoints::Unknown),
        ("PROXY UNKNOWN what\0ever \u{e4}\r\n".to_owned(), Endpoints::Unknown),
    ];
    for (line, endpoints) in rows {
        assert_eq!(decode(line.as_bytes()), Ok(Header::new(Version::V1, endpoints)), "{line:?}");
    }
}

#[test]
fn a_line_that_is_not_exactly_as_specified_is_refused() {
    let rows = [
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n",
        "PROXY TCP4 192.0.2.1\n192.0.2.2 1 2\r\n",
        "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1  2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4\t192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.513 192.0.2.2 1 2\r\n",
        "PROXY TCP4 0xC0.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 99999999999\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP6 ::1%1 ::1 1 2\r\n",
        "PROXY TCP6 [::1] ::1 1 2\r\n",
        "PROXY TCP6 12345::1 ::1 1 2\r\n",
        "PROXY TCP6 1::2::3 ::1 1 2\r\n",
        "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UNKNOWN\n",
        "PROXY UNKNOWN \rx\r\n",
        "PROXY \r\n",
    ];
    for line in rows {
        assert!(matches!(why(line), Refused::Malformed(_)), "{line:?}: {:?}", decode(line.as_bytes()));
    }
}

#[test]
fn a_line_longer_than_any_can_be_is_refused_before_it_ends() {
    let fits = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE - 16));
    assert_eq!(fits.len(), MAX_LINE);
    assert_eq!(decode(fits.as_bytes()).unwrap().endpoints, Endpoints::Unknown);
    let endless = format!("PROXY UNKNOWN {}", "x".repeat(MAX_LINE - 15));
    assert!(matches!(length(endless.as_bytes()), Err(Refused::Malformed(_))));
}

#[test]
fn what_begins_otherwise_has_no_header() {
    for bytes in
        [&b"GET / HTTP/1.1\r\n"[..], b"PROXX", b"PROXY_", b"P\0", b"\x16\x03\x01", b"\r\n\r\n\0\r\nQUIT\r", b"\r\nG"]
    {
        assert_eq!(length(bytes), Err(Refused::Missing), "{bytes:?}");
    }
}

#[test]
fn nothing_may_follow_in_what_is_decoded() {
    assert!(matches!(why("PROXY UNKNOWN\r\nG"), Refused::Malformed(_)));
    let mut block = v2(0x20, 0, b"");
    block.push(b'G');
    assert!(matches!(why(block), Refused::Malformed(_)));
}

// ---------------------------------------------------------------- version 2

#[test]
fn blocks_of_every_family_are_read() {
    let v4 = b"\xC0\x00\x02\x01\xC0\x00\x02\x02\xDC\x04\x01\xBB";
    let mut v6 = [0; 36];
    (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 5, 80);
    let (mut unix, mut from, mut to) = ([0; 216], [0; 108], [0; 108]);
    unix[..5].copy_from_slice(b"/from");
    unix[108..111].copy_from_slice(b"/to");
    from[..5].copy_from_slice(b"/from");
    to[..3].copy_from_slice(b"/to");
    let paths = |transport| Endpoints::Unix { source: from.into(), destination: to.into(), transport };
    let (stream, datagram) = (Transport::Stream, Transport::Datagram);
    let rows: [(u8, &[u8], Endpoints); 10] = [
        (0x11, v4, inet("192.0.2.1:56324", "192.0.2.2:443", stream)),
        (0x12, v4, inet("192.0.2.1:56324", "192.0.2.2:443", datagram)),
        (0x21, &v6, inet("[::1]:5", "[::2]:80", stream)),
        (0x22, &v6, inet("[::1]:5", "[::2]:80", datagram)),
        (0x31, &unix, paths(stream)),
        (0x32, &unix, paths(datagram)),
        (0x00, b"", Endpoints::Unknown),
        (0x00, b"of whatever form", Endpoints::Unknown),
        (0x10, v4, Endpoints::Unknown),
        (0x01, b"", Endpoints::Unknown),
    ];
    for (family, payload, endpoints) in rows {
        let header = decode(&v2(0x21, family, payload));
        assert_eq!(header, Ok(Header::new(Version::V2, endpoints)), "{family:#x}");
    }
}

/// As HAProxy 2.6 sent it for a client of its own over TLS (`send-proxy-v2 proxy-v2-options
/// ssl,ssl-cipher,crc32c,authority,unique-id`).
#[test]
fn a_block_of_another_implementation_is_read_and_its_checksum_verified() {
    let payload =
        b"\x7F\0\0\x01\x7F\0\0\x01\x9E|\xB6\x19\x03\0\x04W\xE2Ez\x01\0\x02h2\x02\0\x0Csite.example\x05\0\x06peer-1\
        \x20\0\x28\x01\0\0\0\0!\0\x07TLSv1.3#\0\x16TLS_AES_256_GCM_SHA384";
    let header = decode(&v2(0x21, 0x11, payload)).unwrap();
    assert_eq!(header.endpoints, inet("127.0.0.1:40572", "127.0.0.1:46617", Transport::Stream));
    let tlvs = &header.tlvs;
    assert_eq!((tlvs.alpn(), tlvs.authority()), (Some(&b"h2"[..]), Some("site.example")));
    assert_eq!(tlvs.unique_id(), Some(&b"peer-1"[..]));
    let ssl = tlvs.ssl().unwrap();
    assert_eq!((ssl.version(), ssl.cipher()), (Some("TLSv1.3"), Some("TLS_AES_256_GCM_SHA384")));
    assert!(!ssl.is_verified());
}

#[test]
fn with_local_the_block_is_discarded_whatever_it_holds() {
    for (family, payload) in [(0x00, &b""[..]), (0x11, b"short"), (0x00, b"\x01\xFF\xFFlies"), (0x31, &[7; 300])] {
        let header = decode(&v2(0x20, family, payload)).unwrap();
        assert_eq!(header.endpoints, Endpoints::Local, "{family:#x}");
    }
}

#[test]
fn a_block_that_breaks_the_rules_is_refused() {
    let v4 = [0; 12];
    let rows = [
        (v2(0x22, 0x11, &v4), "an unknown command"),
        (v2(0x11, 0x11, &v4), "version 1"),
        (v2(0x31, 0x11, &v4), "version 3"),
        (v2(0x21, 0x41, &v4), "an unknown family"),
        (v2(0x21, 0x13, &v4), "an unknown transport"),
        (v2(0x20, 0x4F, &v4), "an unknown family, though LOCAL"),
        (v2(0x21, 0x11, &v4[..11]), "short for IPv4"),
        (v2(0x21, 0x21, &[0; 35]), "short for IPv6"),
        (v2(0x21, 0x31, &[0; 215]), "short for paths"),
        (v2(0x21, 0x11, &[0; 14]), "half a TLV"),
        (v2(0x21, 0x11, &[&v4[..], b"\x04\0\x05abcd"].concat()), "a TLV that lies"),
    ];
    for (bytes, what) in rows {
        assert!(matches!(why(&bytes), Refused::Malformed(_)), "{what}: {:?}", decode(&bytes));
    }
}

#[test]
fn a_block_that_announces_too_much_is_refused_by_its_first_16_bytes() {
    let most = [HELLO, &[0x21, 0x11], &4096u16.to_be_bytes()].concat();
    assert_eq!(length(&most), Ok(Some(16 + 4096)));
    for length_told in [4097u16, u16::MAX] {
        let more = [HELLO, &[0x21, 0x11], &length_told.to_be_bytes()].concat();
        assert_eq!(length(&more), Err(Refused::TooLarge));
    }
}

/// Its value was computed with another implementation of CRC-32C.
#[test]
fn a_checksum_is_verified() {
    let mut list = Builder::default();
    list.push(tlv::AUTHORITY, b"site.example");
    list.push(tlv::CRC32C, &[0; 4]);
    list.push(tlv::NOOP, b"padding");
    let endpoints = inet("192.0.2.1:5", "192.0.2.2:443", Transport::Stream);
    let signed = encode(&Header { version: Version::V2, endpoints, tlvs: list.finish() });
    let payload =
        b"\xC0\0\x02\x01\xC0\0\x02\x02\0\x05\x01\xBB\x02\0\x0Csite.example\x03\0\x04\xEE\x8F\x47\x8A\x04\0\x07padding";
    assert_eq!(signed, v2(0x21, 0x11, payload));
    assert!(decode(&signed).is_ok());
    for at in 16..signed.len() {
        // not the framing, which would be refused for itself
        if [28, 29, 30, 43, 44, 45, 50, 51, 52].contains(&at) {
            continue;
        }
        let mut wrong = signed.clone();
        wrong[at] ^= 1;
        assert_eq!(decode(&wrong), Err(Refused::Checksum), "byte {at}");
    }
}

#[test]
fn a_wrong_checksum_is_refused_with_local_too() {
    assert_eq!(why(v2(0x20, 0, b"\x03\0\x04abcd")), Refused::Checksum);
}

// ---------------------------------------------------------------- both

/// Good headers of all kinds, with what is in them.
fn headers() -> impl Strategy<Value = Header> {
    let v4 = || any::<[u8; 4]>().prop_map(IpAddr::from);
    // those that are mapped come back as IPv4, which is another test's
    let v6 = || any::<[u8; 16]>().prop_map(IpAddr::from).prop_filter("mapped", |a| a.to_canonical() == *a);
    let addresses = prop_oneof![(v4(), v4()), (v6(), v6())];
    let transport = || prop_oneof![Just(Transport::Stream), Just(Transport::Datagram)];
    let inet = (addresses, any::<(u16, u16)>(), transport()).prop_map(|((a, b), (p, q), transport)| Endpoints::Inet {
        source: (a, p).into(),
        destination: (b, q).into(),
        transport,
    });
    let path = || proptest::collection::vec(any::<u8>(), 108).prop_map(|path| Box::new(array(&path, 0)));
    let unix = (path(), path(), transport()).prop_map(|(source, destination, transport)| Endpoints::Unix {
        source,
        destination,
        transport,
    });
    let endpoints = prop_oneof![4 => inet, 1 => unix, 1 => Just(Endpoints::Local), 1 => Just(Endpoints::Unknown)];
    let value = proptest::collection::vec(any::<u8>(), 0..60);
    // neither a checksum, which would be filled in, nor the SSL TLV, which has a form of its own
    let kind = any::<u8>().prop_filter("special", |kind| ![tlv::CRC32C, tlv::SSL].contains(kind));
    let list = proptest::collection::vec((kind, value), 0..6);
    (endpoints, list, any::<bool>()).prop_map(|(endpoints, list, signed)| {
        let mut tlvs = Builder::default();
        list.iter().for_each(|(kind, value)| tlvs.push(*kind, value));
        if signed {
            tlvs.push(tlv::CRC32C, &[0; 4]);
        }
        Header { version: Version::V2, endpoints, tlvs: tlvs.finish() }
    })
}

fn lines() -> impl Strategy<Value = Header> {
    headers().prop_map(|header| match header.endpoints {
        Endpoints::Inet { source, destination, .. } => {
            Header::new(Version::V1, Endpoints::Inet { source, destination, transport: Transport::Stream })
        }
        _ => Header::new(Version::V1, Endpoints::Unknown),
    })
}

/// All but a checksum, which is known only to who wrote it.
fn without_checksum(header: &Header) -> Vec<(u8, Vec<u8>)> {
    let kept = header.tlvs.iter().filter(|(kind, _)| *kind != tlv::CRC32C);
    kept.map(|(kind, value)| (kind, value.to_vec())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(header in prop_oneof![headers(), lines()]) {
        let read = decode(&encode(&header)).unwrap();
        prop_assert_eq!(&read.endpoints, &header.endpoints);
        prop_assert_eq!(read.version, header.version);
        prop_assert_eq!(without_checksum(&read), without_checksum(&header));
    }

    #[test]
    fn every_truncation_is_a_header_that_wants_more(header in prop_oneof![headers(), lines()]) {
        let bytes = encode(&header);
        prop_assert_eq!(length(&bytes), Ok(Some(bytes.len())));
        for cut in 0..bytes.len() {
            prop_assert_eq!(decode(&bytes[..cut]), Err(Refused::Truncated), "cut at {}", cut);
            let told = length(&bytes[..cut]).unwrap();
            prop_assert!(told.is_none_or(|told| told == bytes.len()));
        }
    }

    #[test]
    fn what_follows_a_header_does_not_change_its_length(
        header in prop_oneof![headers(), lines()],
        behind in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let bytes = encode(&header);
        prop_assert_eq!(length(&[&bytes[..], &behind].concat()), Ok(Some(bytes.len())));
    }

    #[test]
    fn no_bytes_are_too_strange(
        start in prop_oneof![Just(&b""[..]), Just(HELLO), Just(&b"PROXY TCP4 "[..]), Just(&b"PROXY TCP6 "[..])],
        rest in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [start, &rest].concat();
        if let Ok(Some(length)) = length(&bytes)
            && let Some(header) = bytes.get(..length)
            && let Ok(read) = decode(header)
        {
            // what was taken can be said again
            prop_assert!(decode(&encode(&read)).is_ok());
        }
    }
}
