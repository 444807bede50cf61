//! The certificate that a client has shown, as far as anybody asks for it after the handshake.

use data_encoding::BASE64;
use http::HeaderValue;
use rustls::pki_types::CertificateDer;

use crate::auth::client_certificate::CertificateNames;
use crate::certificate::dates::validity;
use crate::policy::CertificateHeader;

/// A client's certificate. TLS has verified it.
#[derive(Debug)]
pub struct ClientCertificate {
    /// What it says.
    pub names: CertificateNames,
    /// The values of `Client-Cert` and `Client-Cert-Chain`, where backends are told of it.
    pub fields: [Option<HeaderValue>; 2],
}

impl ClientCertificate {
    /// Reads the chain that a client has shown, its own certificate first. `None` when it can't be read, which TLS does not let through.
    pub fn new(chain: &[CertificateDer<'_>], header: CertificateHeader) -> Option<Self> {
        let (own, others) = chain.split_first()?;
        let parsed = webpki::EndEntityCert::try_from(own).ok()?;
        let (_, not_after) = validity(own)?;
        let names = CertificateNames {
            dns: parsed.valid_dns_names().map(Into::into).collect(),
            uris: parsed.valid_uri_names().map(Into::into).collect(),
            not_after,
        };
        let fields = match header {
            CertificateHeader::Off => [None, None],
            CertificateHeader::Certificate => [list(std::slice::from_ref(own)), None],
            CertificateHeader::Chain => [list(std::slice::from_ref(own)), list(others)],
        };
        Some(Self { names, fields })
    }
}

/// A list of byte sequences (RFC 8941, section 3.3.5); `None` for an empty one, which has no field (RFC 9440, section 2.3).
fn list(certificates: &[CertificateDer<'_>]) -> Option<HeaderValue> {
    let items: Vec<String> = certificates.iter().map(|der| format!(":{}:", BASE64.encode(der))).collect();
    (!items.is_empty()).then(|| HeaderValue::from_str(&items.join(", ")).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    #[test]
    fn names_and_fields_are_those_of_the_certificate() {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://td/a".try_into().unwrap()));
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
        let chain = [der.clone(), der.clone(), der.clone()];
        let read = |header| ClientCertificate::new(&chain, header).unwrap();
        let CertificateNames { dns, uris, not_after } = read(CertificateHeader::Off).names;
        assert_eq!((&*dns[0], &*uris[0], not_after > SystemTime::UNIX_EPOCH), ("a.example", "spiffe://td/a", true));
        let one = format!(":{}:", BASE64.encode(&der));
        assert_eq!(read(CertificateHeader::Off).fields, [None, None]);
        let field = |text: &str| Some(HeaderValue::from_str(text).unwrap());
        assert_eq!(read(CertificateHeader::Certificate).fields, [field(&one), None]);
        assert_eq!(read(CertificateHeader::Chain).fields, [field(&one), field(&format!("{one}, {one}"))]);
        assert_eq!(ClientCertificate::new(&chain[..1], CertificateHeader::Chain).unwrap().fields[1], None);
        assert!(ClientCertificate::new(&[], CertificateHeader::Chain).is_none());
    }
}
