//! Hellos that clients sent: recorded ones in `hellos/`, those of rustls made anew in each run.

use std::sync::Arc;

use rustls::client::{EchGreaseConfig, EchMode};
use rustls::crypto::aws_lc_rs::{default_provider, hpke, kx_group};
use rustls::crypto::hpke::Hpke;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

/// A recorded hello, and what is in it.
struct Recorded {
    bytes: &'static [u8],
    name: Option<&'static str>,
    alpn: &'static [&'static str],
}

macro_rules! recorded {
    ($($file:literal: $name:expr, $alpn:expr;)*) => {
        &[$(Recorded { bytes: include_bytes!(concat!("../hellos/", $file, ".bin")), name: $name, alpn: &$alpn }),*]
    };
}

const RECORDED: &[Recorded] = recorded! {
    "openssl-tls13": Some("www.example.com"), ["h2", "http/1.1"];
    "openssl-tls12": Some("api.example.com"), [];
    "openssl-tls10-no-sni": None, [];
    "openssl-trailing-dot": Some("www.example.com"), [];
    "openssl-many-records": Some("split.example.com"), [];
    "curl": Some("shop.example.com"), ["h2", "http/1.1"];
    "curl-ip": None, ["h2", "http/1.1"];
    "python": Some("python.example.com"), ["http/1.1"];
    "node": Some("node.example.com"), ["h2"];
    "java": Some("java.example.com"), ["h2"];
};

/// All recorded ones, for other tests to change.
pub(super) fn recorded() -> Vec<&'static [u8]> {
    RECORDED.iter().map(|recorded| recorded.bytes).collect()
}

/// What rustls sends first: with X25519MLKEM768, and with a placeholder of Encrypted ClientHello if asked.
pub(super) fn rustls_hello(name: &str, alpn: &[&str], ech: bool, max_fragment_size: Option<usize>) -> Vec<u8> {
    let mut provider = default_provider();
    provider.kx_groups = vec![kx_group::X25519MLKEM768, kx_group::X25519];
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = if ech {
        let suite = hpke::DH_KEM_X25519_HKDF_SHA256_AES_128;
        let (key, _) = suite.generate_key_pair().unwrap();
        builder.with_ech(EchMode::Grease(EchGreaseConfig::new(suite, key))).unwrap()
    } else {
        builder.with_safe_default_protocol_versions().unwrap()
    };
    let mut config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.max_fragment_size = max_fragment_size;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut bytes).unwrap();
    }
    bytes
}

#[test]
fn recorded_hellos_are_understood() {
    for recorded in RECORDED {
        let hello = hello(recorded.bytes);
        assert_eq!(hello.server_name.as_deref(), recorded.name);
        assert_eq!(protocols(&hello), recorded.alpn);
        assert_eq!(hello.alpn.is_empty(), recorded.alpn.is_empty());
    }
}

#[test]
fn a_hello_with_a_post_quantum_key_share_is_understood() {
    let bytes = rustls_hello("pq.Example.com", &["h2", "http/1.1"], false, None);
    assert!(bytes.len() > 1200, "only {} bytes", bytes.len());
    let hello = hello(&bytes);
    assert_eq!(hello.server_name.as_deref(), Some("pq.example.com"));
    assert_eq!(protocols(&hello), ["h2", "http/1.1"]);
}

#[test]
fn an_encrypted_hello_shows_its_outer_name() {
    let bytes = rustls_hello("outer.example.com", &[], true, None);
    assert!(message(&bytes).windows(2).any(|two| two == [0xfe, 0x0d]), "the extension is there");
    assert_eq!(hello(&bytes).server_name.as_deref(), Some("outer.example.com"));
}

#[test]
fn a_client_that_cuts_its_hello_into_many_records_is_understood() {
    let bytes = rustls_hello("cut.example.com", &["h2"], false, Some(64));
    assert_eq!(bytes[3..5], [0, 64 - 5], "the first record is small");
    assert!(bytes.len() > 20 * 64, "and there are many");
    assert_eq!(hello(&bytes).server_name.as_deref(), Some("cut.example.com"));
    assert!(matches!(read_bytewise(&bytes), Progress::Hello(_)));
}

#[test]
fn a_connection_to_an_address_has_no_name() {
    assert_eq!(hello(&rustls_hello("192.0.2.1", &[], false, None)).server_name, None);
}

#[test]
fn every_part_of_a_hello_says_how_much_is_needed() {
    for bytes in recorded().into_iter().map(<[u8]>::to_vec).chain([rustls_hello("pq.example.com", &[], true, None)]) {
        assert_eq!(read_bytewise(&bytes), Progress::Hello(hello(&bytes)));
        assert!(matches!(read(&bytes[..bytes.len() - 1]), Progress::Need(n) if n == bytes.len()));
    }
}

#[test]
fn where_the_records_are_cut_makes_no_difference() {
    for bytes in recorded() {
        let (message, want) = (message(bytes), hello(bytes));
        for cut in 1..message.len() {
            assert_eq!(hello(&in_records(&message, [cut])), want, "cut at {cut}");
        }
        let bytewise = in_records(&message, 1..message.len());
        assert_eq!(read_bytewise(&bytewise), Progress::Hello(want));
    }
}

#[test]
fn the_minor_version_of_a_record_is_ignored() {
    let mut bytes = recorded()[0].to_vec();
    let want = hello(&bytes);
    for minor in 0..=255 {
        bytes[2] = minor;
        assert_eq!(hello(&bytes), want);
    }
}

#[test]
fn what_follows_the_hello_is_left_alone() {
    for after in [&[20, 3, 3, 0, 1, 1][..], &[23, 3, 3, 0, 1, 0], b"anything"] {
        let bytes = [recorded()[0], after].concat();
        assert_eq!(read_bytewise(&bytes), Progress::Hello(hello(recorded()[0])));
    }
}
