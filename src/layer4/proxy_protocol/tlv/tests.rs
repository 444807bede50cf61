use super::*;

fn list(values: &[(u8, &[u8])]) -> Tlvs {
    let mut list = Builder::default();
    values.iter().for_each(|(kind, value)| list.push(*kind, value));
    list.finish()
}

#[test]
fn every_value_can_be_read_by_its_name() {
    let mut inner = Builder::default();
    inner.push(SSL_VERSION, b"TLSv1.3");
    inner.push(SSL_CIPHER, b"TLS_AES_128_GCM_SHA256");
    inner.push(SSL_CN, b"client.example");
    let mut built = Builder::default();
    built.push(ALPN, b"h2");
    built.push(AUTHORITY, b"site.example");
    built.push(UNIQUE_ID, b"\0\x01");
    built.push(NETNS, b"blue");
    built.push_ssl(CLIENT_SSL | CLIENT_CERT_CONN, 0, &inner);
    built.push(0xE4, b"own");
    let tlvs = Tlvs::read(built.finish().as_bytes()).unwrap();
    assert_eq!((tlvs.alpn(), tlvs.authority()), (Some(&b"h2"[..]), Some("site.example")));
    assert_eq!((tlvs.unique_id(), tlvs.netns()), (Some(&b"\0\x01"[..]), Some("blue")));
    assert_eq!(tlvs.get(0xE4), Some(&b"own"[..]));
    assert_eq!(tlvs.get(0xE5), None);
    let ssl = tlvs.ssl().unwrap();
    assert_eq!((ssl.version(), ssl.cipher()), (Some("TLSv1.3"), Some("TLS_AES_128_GCM_SHA256")));
    assert_eq!((ssl.common_name(), ssl.is_verified()), (Some("client.example"), true));
}

#[test]
fn a_certificate_counts_as_verified_only_when_one_was_shown() {
    for (client, verify, verified) in [(1, 0, false), (3, 0, true), (5, 0, true), (3, 1, false)] {
        let mut built = Builder::default();
        built.push_ssl(client, verify, &Builder::default());
        assert_eq!(built.finish().ssl().unwrap().is_verified(), verified, "{client} {verify}");
    }
}

#[test]
fn what_is_not_utf_8_is_not_read_as_text() {
    let tlvs = list(&[(AUTHORITY, b"\xFF")]);
    assert_eq!((tlvs.authority(), tlvs.get(AUTHORITY)), (None, Some(&b"\xFF"[..])));
}

#[test]
fn malformed_lists_are_refused() {
    let long = list(&[(UNIQUE_ID, &[1; 129])]);
    let rows: [(&[u8], &str); 8] = [
        (b"\x01", "half a head"),
        (b"\x01\0", "half a head"),
        (b"\x01\0\x01", "no value"),
        (b"\x04\0\0\x01\xFF\xFFx", "a length that lies"),
        (long.as_bytes(), "a long id"),
        (b"\x03\0\x03abc", "a short checksum"),
        (b"\x03\0\x04abcd\x03\0\x04abcd", "two checksums"),
        (b"\x20\0\x04\x01\0\0\0", "a short SSL"),
    ];
    for (bytes, what) in rows {
        assert!(matches!(Tlvs::read(bytes), Err(Refused::Malformed(_))), "{what}");
    }
    let lying_inside = b"\x20\0\x09\x01\0\0\0\0\x21\0\x02x";
    assert!(matches!(Tlvs::read(lying_inside), Err(Refused::Malformed(_))));
    assert!(Tlvs::read(b"\x20\0\x09\x01\0\0\0\0\x21\0\x01x").is_ok());
}

#[test]
fn what_a_peer_said_is_passed_on_unless_we_say_it_ourselves() {
    let received =
        list(&[(ALPN, b"theirs"), (CRC32C, b"1234"), (NOOP, b""), (0xE0, b"a"), (0xE0, b"b"), (NETNS, b"blue")]);
    let mut built = Builder::default();
    built.push(ALPN, b"ours");
    built.pass_on(&received, 100);
    assert_eq!(built.finish(), list(&[(ALPN, b"ours"), (0xE0, b"a"), (0xE0, b"b"), (NETNS, b"blue")]));
}

#[test]
fn what_has_no_room_is_not_passed_on() {
    let received = list(&[(0xE0, &[0; 50]), (0xE1, b"small")]);
    let mut built = Builder::default();
    built.pass_on(&received, 20);
    assert_eq!(built.finish(), list(&[(0xE1, b"small")]));
}

#[test]
fn the_log_shows_types_as_numbers_and_text_as_text() {
    let tlvs = list(&[(AUTHORITY, b"a.example"), (0xE0, b"\0\xFF")]);
    assert_eq!(format!("{tlvs:?}"), r"{0x02: 'a.example', 0xe0: '\x00\xff'}");
}
