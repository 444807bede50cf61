//! Hellos made by hand, most of them wrong in one place.

use super::super::part::LENGTH_TOO_LARGE;
use super::*;

/// What a hello is made of, each field as it stands on the wire, with its length where it has one.
#[derive(Clone)]
struct Made {
    session_id: Vec<u8>,
    ciphers: Vec<u8>,
    compressions: Vec<u8>,
    /// With its length; empty = the hello ends before it.
    extensions: Vec<u8>,
}

impl Default for Made {
    fn default() -> Self {
        Self { session_id: vec![0], ciphers: vec![0, 2, 0x13, 1], compressions: vec![1, 0], extensions: Vec::new() }
    }
}

impl Made {
    fn message(&self) -> Vec<u8> {
        let body =
            [&[3, 3][..], &[7; 32], &self.session_id, &self.ciphers, &self.compressions, &self.extensions].concat();
        let mut message = (body.len() as u32).to_be_bytes().to_vec();
        message[0] = 1;
        message.extend(body);
        message
    }

    fn bytes(&self) -> Vec<u8> {
        in_records(&self.message(), [])
    }
}

/// Bytes with their length in two bytes before them.
fn vector(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(content)].concat()
}

fn with_extensions(extensions: &[Vec<u8>]) -> Vec<u8> {
    Made { extensions: vector(&extensions.concat()), ..Made::default() }.bytes()
}

/// A server_name extension with such names, each with its kind.
fn names(names: &[(u8, &str)]) -> Vec<u8> {
    let list: Vec<_> = names.iter().flat_map(|(kind, name)| [vec![*kind], vector(name.as_bytes())].concat()).collect();
    extension(0, &vector(&list))
}

/// An ALPN extension with a list as it stands on the wire.
fn alpn(list: &[u8]) -> Vec<u8> {
    extension(16, &vector(list))
}

#[test]
fn a_client_from_before_extensions_has_no_name() {
    let none = ClientHello { server_name: None, alpn: Default::default() };
    assert_eq!(hello(&Made::default().bytes()), none);
    assert_eq!(hello(&with_extensions(&[])), none);
}

#[test]
fn grease_is_passed_over() {
    // RFC 8701: values of the form 0x?a?a, wherever a list has room for unknown ones
    let mut made = Made { ciphers: vec![0, 4, 0xda, 0xda, 0x13, 1], ..Made::default() };
    let list =
        [extension(0x0a0a, &[]), names(&[(0, "a.example")]), alpn(b"\x02\xba\xba\x02h2"), extension(0xfafa, &[0])];
    made.extensions = vector(&list.concat());
    let hello = hello(&made.bytes());
    assert_eq!(hello.server_name.as_deref(), Some("a.example"));
    assert_eq!(hello.alpn.iter().collect::<Vec<_>>(), [&b"\xba\xba"[..], b"h2"]);
}

#[test]
fn names_of_other_kinds_are_passed_over() {
    let name = |list: &[(u8, &str)]| hello(&with_extensions(&[names(list)])).server_name;
    assert_eq!(name(&[(1, "\0\0"), (0, "a.example"), (255, "")]).as_deref(), Some("a.example"));
    assert_eq!(name(&[(1, "b.example")]), None);
}

#[test]
fn an_address_is_no_name_and_a_bad_name_is_refused() {
    assert_eq!(hello(&with_extensions(&[names(&[(0, "192.0.2.1")])])).server_name, None);
    for bad in ["", "a b", "*.example", "a.example:443", "bücher.example", "a\0.example"] {
        assert_eq!(refusal(&with_extensions(&[names(&[(0, bad)])])), "a server name that is not a DNS name", "{bad}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let a = || names(&[(0, "a.example")]);
    for (extensions, reason) in [
        (vec![a(), a()], "two server_name extensions"),
        (vec![a(), names(&[(1, "")])], "two server_name extensions"),
        (vec![names(&[(0, "a.example"), (0, "a.example")])], "two host names in the server_name extension"),
        (vec![alpn(b"\x02h2"), a(), alpn(b"\x02h2")], "two ALPN extensions"),
        (vec![extension(0, &[])], LENGTH_TOO_LARGE),
        (vec![names(&[])], "an empty list of server names"),
        (vec![alpn(b"")], "an empty list of ALPN protocols"),
        (vec![alpn(b"\x02h2\0")], "an empty ALPN protocol"),
        (vec![extension(16, b"\0\x03\x02h2!")], "bytes after the ALPN protocols"),
        (vec![extension(0, b"\0\x04\0\0\x01a!")], "bytes after the list of server names"),
    ] {
        assert_eq!(refusal(&with_extensions(&extensions)), reason);
    }
}

#[test]
fn odd_fields_are_refused() {
    let made = Made::default;
    let session = |length: u8| Made { session_id: [vec![length], vec![1; length.into()]].concat(), ..made() };
    assert!(matches!(read(&session(32).bytes()), Progress::Hello(_)));
    for (made, reason) in [
        (session(33), "a session id of more than 32 bytes"),
        (
            Made { ciphers: vec![0, 3, 0x13, 1, 0], ..made() },
            "a list of cipher suites that is empty or not made of pairs of bytes",
        ),
        (Made { ciphers: vec![0, 0], ..made() }, "a list of cipher suites that is empty or not made of pairs of bytes"),
        (Made { compressions: vec![0], ..made() }, "no compression method, not even \"none\""),
        (Made { extensions: vec![0, 0, 9], ..made() }, "bytes after the extensions"),
    ] {
        assert_eq!(refusal(&made.bytes()), reason);
    }
}

#[test]
fn a_length_that_lies_is_refused_before_what_it_promises_has_come() {
    const BODY: usize = 5 + 4;
    const SESSION: usize = BODY + 2 + 32;
    let extensions = vector(&[names(&[(0, "a.example")]), alpn(b"\x02h2")].concat());
    let good = Made { extensions, ..Made::default() }.bytes();
    assert!(matches!(read(&good), Progress::Hello(_)));
    // each length's last byte; its field is made to reach one byte beyond what is around it
    let (ciphers, compressions, extensions) = (SESSION + 2, SESSION + 5, SESSION + 8);
    let (name_extension, name_list, name) = (extensions + 4, extensions + 6, extensions + 9);
    let (alpn_extension, alpn_list, protocol) = (name + 9 + 4, name + 9 + 6, name + 9 + 7);
    assert_eq!((good[name], good[protocol]), (9, 2));
    for at in
        [compressions, extensions, name_extension, name_list, name, alpn_extension, alpn_list, protocol, ciphers - 1]
    {
        let mut bytes = good.clone();
        bytes[at] = if at == compressions || at == name_extension || at == ciphers - 1 { 0xff } else { bytes[at] + 1 };
        // nothing but the byte that lies is needed to see it
        let Progress::NotTls(reason) = read(&bytes[..=at + 1]) else { panic!("not refused at once: byte {at}") };
        assert_eq!(reason, LENGTH_TOO_LARGE, "byte {at}");
        assert!(matches!(read(&bytes[..at - 1]), Progress::Need(_)), "refused too early: byte {at}");
        refusal(&bytes);
    }
}

#[test]
fn records_that_can_not_be_those_of_a_hello_are_refused() {
    let message = Made::default().message();
    let good = in_records(&message, [10]);
    let second = 5 + 10;
    let change = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    for (bytes, reason) in [
        (change(1, 2), "a record of an unknown version"),
        (change(second + 1, 0), "a record of an unknown version"),
        (change(second, 23), "a record of another type inside the ClientHello"),
        (change(second, 21), "a record of another type inside the ClientHello"),
        (change(3, 0x41), "a record of more than 16 KiB"),
        (change(5, 2), "a TLS handshake that does not begin with a ClientHello"),
        (change(6, 1), "a ClientHello of more than 64 KiB"),
        (change(8, 40), "a record goes on behind the ClientHello"),
        (in_records(&[&[1, 0, 0, 34][..], &[3; 34]].concat(), []), LENGTH_TOO_LARGE),
        (in_records(&message, [10, 10]), "an empty record inside the ClientHello"),
        (in_records(&message, [0]), "an empty record inside the ClientHello"),
        (in_records(&[&message[..], &[1]].concat(), []), "a record goes on behind the ClientHello"),
        (in_records(&[&message[..], &[1]].concat(), [10]), "a record goes on behind the ClientHello"),
    ] {
        assert_eq!(refusal(&bytes), reason);
    }
}

#[test]
fn what_is_not_tls_is_called_by_its_name() {
    for (bytes, reason) in [
        (&b"GET / HTTP/1.1\r\n"[..], "plain text such as HTTP, not TLS"),
        (b"PRI * HTTP/2.0\r\n", "plain text such as HTTP, not TLS"),
        (b"PROXY TCP4 192.0.2.1", "a PROXY header, which this listener does not expect"),
        (b"\r\n\r\n\0\r\nQUIT\n", "a PROXY header, which this listener does not expect"),
        (b"SSH-2.0-OpenSSH", "SSH, not TLS"),
        (b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10", "an SSLv2 hello, which no backend should take"),
        (b"\x15\x03\x01\0\x02\x02\x28", "a TLS alert where a ClientHello was expected"),
        (b"\x17\x03\x03\0\x10", "encrypted TLS data where a ClientHello was expected"),
        (b"\x14\x03\x03\0\x01\x01", "a TLS change of cipher where a ClientHello was expected"),
        (b"\0\0\0\x08", "not TLS"),
        (b"\x16\x03\x03\0\x04\x02\0\0\0", "a TLS handshake that does not begin with a ClientHello"),
    ] {
        assert_eq!(refusal(bytes), reason);
        let before = if bytes[0] == 22 { 5 } else { 0 };
        assert!(matches!(read(&bytes[..=before]), Progress::NotTls(_)), "the first byte is enough: {reason}");
    }
}

/// A hello of nearly such a length in all, in records of such a size, padded by an extension that nobody knows.
fn padded(length: usize, fragment: usize) -> Vec<u8> {
    let make = |padding: usize| {
        let mut extensions = names(&[(0, "a.example")]);
        for part in vec![0; padding].chunks(10_000) {
            extensions.extend(extension(0xfafa, part));
        }
        let message = Made { extensions: vector(&extensions), ..Made::default() }.message();
        in_records(&message, (fragment..message.len()).step_by(fragment))
    };
    let (mut fits, mut too_much) = (0, length);
    while too_much - fits > 1 {
        let middle = fits.midpoint(too_much);
        *(if make(middle).len() <= length { &mut fits } else { &mut too_much }) = middle;
    }
    make(fits)
}

#[test]
fn a_hello_may_take_64_kib_and_no_more() {
    let good = padded(MAX_LENGTH, 1 << 14);
    assert!(good.len() > MAX_LENGTH - 8, "{}", good.len());
    assert_eq!(hello(&good).server_name.as_deref(), Some("a.example"));
    let message = message(&good);
    let more_records = in_records(&message, (8_000..message.len()).step_by(8_000));
    assert!(more_records.len() > MAX_LENGTH);
    assert_eq!(read(&more_records), Progress::NotTls("a ClientHello of more than 64 KiB"));
    assert_eq!(read(&more_records[..60_000]), Progress::NotTls("a ClientHello of more than 64 KiB"));
    // by its own length, as soon as that is there
    assert_eq!(read(&[22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xf0]), Progress::NotTls("a ClientHello of more than 64 KiB"));
}

#[test]
fn one_byte_at_a_time_in_records_of_one_byte_takes_few_calls() {
    let bytes = padded(MAX_LENGTH, 1);
    assert!(bytes.len() > MAX_LENGTH - 100);
    let (mut calls, mut have) = (1, 1);
    while let Progress::Need(need) = read(&bytes[..have]) {
        (calls, have) = (calls + 1, need);
    }
    assert_eq!(have, bytes.len());
    assert!(calls <= 65, "{calls} calls");
}
