//! Names of versions and cipher suites as OpenSSL has them, and what stands in a certificate.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, ProtocolVersion};

/// The name of a version of TLS.
pub fn version(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        _ => "unknown",
    }
}

/// The name of a cipher suite: all those that we speak.
pub fn cipher(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => "unknown",
    }
}

/// The common name in a certificate's subject.
pub fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    common_name_in(webpki::anchor_from_trusted_cert(certificate).ok()?.subject.as_ref())
}

/// The common name of who has signed a certificate.
pub fn issuer(certificate: &CertificateDer<'_>) -> Option<String> {
    common_name_in(webpki::EndEntityCert::try_from(certificate).ok()?.issuer())
}

/// The SHA-256 of a certificate in hexadecimal digits, by which people and tools tell certificates apart.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    HEXLOWER.encode(digest(&SHA256, certificate).as_ref())
}

/// The first common name (RFC 5280, appendix A.1: 2.5.4.3) in the contents of a name: a set for each part of it, with (mostly) one type and value
/// in it.
fn common_name_in(mut sets: &[u8]) -> Option<String> {
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    while let Some((SET, mut set, rest)) = element(sets) {
        sets = rest;
        while let Some((SEQUENCE, pair, rest)) = element(set) {
            set = rest;
            let (OBJECT_ID, kind, value) = element(pair)? else { return None };
            let (_, text, _) = element(value)?;
            if kind == COMMON_NAME {
                return String::from_utf8(text.to_vec()).ok();
            }
        }
    }
    None
}

/// The subject of a certificate for people: its common name, else its first DNS name, else "without a name".
pub fn subject(certificate: &CertificateDer<'_>) -> String {
    let parsed = || webpki::EndEntityCert::try_from(certificate).ok();
    let dns_name = || parsed()?.valid_dns_names().next().map(str::to_owned);
    common_name(certificate).or_else(dns_name).unwrap_or_else(|| "without a name".to_owned())
}

const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// The first element of some DER: its tag, its contents, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = der.split_first_chunk()?;
    // X.690, 8.1.3: short, or with one or two bytes of length; nothing in a name is longer
    let (length, rest) = match length {
        ..=0x7F => (usize::from(length), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};
    use rustls::crypto::aws_lc_rs;

    use super::*;

    fn certificate(parts: &[(DnType, &str)]) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        parts.iter().for_each(|(kind, value)| params.distinguished_name.push(kind.clone(), *value));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn the_common_name_of_a_certificate_is_found_wherever_it_stands() {
        let parts = [(DnType::OrganizationName, "Some & Sons"), (DnType::CommonName, "client.example")];
        assert_eq!(common_name(&certificate(&parts)), Some("client.example".to_owned()));
        assert_eq!(common_name(&certificate(&parts[..1])), None);
        assert_eq!(subject(&certificate(&parts)), "client.example");
        assert_eq!(subject(&certificate(&parts[..1])), "a.example");
        let long = "ä".repeat(100);
        assert_eq!(common_name(&certificate(&[(DnType::CommonName, &long)])), Some(long));
        assert_eq!(common_name(&CertificateDer::from(vec![0x30, 0x80])), None);
    }

    #[test]
    fn a_certificate_tells_who_has_signed_it_and_has_a_fingerprint() {
        let own = certificate(&[(DnType::CommonName, "Some Root")]);
        assert_eq!(issuer(&own), Some("Some Root".to_owned()), "it has signed itself");
        assert_eq!((issuer(&certificate(&[])), issuer(&CertificateDer::from(vec![0x30, 0x80]))), (None, None));
        // `printf abc | sha256sum`
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fingerprint(&CertificateDer::from(b"abc".to_vec())), abc);
    }

    #[test]
    fn every_suite_and_version_that_we_speak_has_a_name() {
        for suite in aws_lc_rs::default_provider().cipher_suites {
            assert_ne!(cipher(suite.suite()), "unknown", "{suite:?}");
            assert_ne!(version(suite.version().version), "unknown", "{suite:?}");
        }
    }
}
