//! A server that is known by its certificate, which whoever asks can read where the server has read it: the admin address, asked
//! from the same machine by the same configuration.
//!
//! The very certificate is taken whatever it says, for it is compared byte by byte, and the handshake proves that the server has its
//! key: names and dates would add nothing. The file may have been renewed since the server has read it. So another certificate is
//! taken too, if it is good for the same name and signed by what stands in the file behind the first one.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use webpki::EndEntityCert;

use super::acceptor::roots;
use super::connector::{Identity, with_identity};

/// Verifies that a server is the one that has this certificate.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    /// A name that it is for; without one no other certificate is taken.
    name: Option<ServerName<'static>>,
    by_authority: Arc<WebPkiServerVerifier>,
}

/// Makes a configuration for connections to the server that has this chain, its own certificate first. The error is for people.
pub fn config(chain: &[CertificateDer<'static>], client: Option<Identity<'_>>) -> Result<Arc<ClientConfig>, String> {
    let certificate = chain.first().ok_or("there is no certificate")?.clone();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let by_authority = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(chain)?), Arc::clone(&provider));
    let by_authority = by_authority.build().map_err(|error| error.to_string())?;
    let known = Pinned { name: name(&certificate), certificate, by_authority };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(known));
    Ok(Arc::new(with_identity(builder, client)?))
}

fn name(certificate: &CertificateDer<'_>) -> Option<ServerName<'static>> {
    let parsed = EndEntityCert::try_from(certificate).ok()?;
    // a wildcard is none that can be asked for
    parsed.valid_dns_names().find_map(|name| ServerName::try_from(name.to_owned()).ok())
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        asked: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        let name = self.name.as_ref().unwrap_or(asked);
        self.by_authority.verify_server_cert(end_entity, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_authority.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_authority.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_authority.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    use super::*;

    struct Authority {
        issuer: Issuer<'static, KeyPair>,
        certificate: CertificateDer<'static>,
    }

    impl Authority {
        fn new() -> Self {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new([]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let certificate = params.self_signed(&key).unwrap().der().clone();
            Self { issuer: Issuer::new(params, key), certificate }
        }

        fn sign(&self, name: &str) -> CertificateDer<'static> {
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().clone()
        }
    }

    fn takes(chain: &[CertificateDer<'static>], shown: &CertificateDer<'static>) -> bool {
        let roots = roots(chain).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let by_authority = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let known = Pinned { name: name(&chain[0]), certificate: chain[0].clone(), by_authority };
        // the client asks for an address, which no certificate names
        let asked = ServerName::try_from("127.0.0.1").unwrap();
        known.verify_server_cert(shown, &[], &asked, &[], UnixTime::now()).is_ok()
    }

    #[test]
    fn a_server_is_known_by_its_certificate_or_by_a_renewed_one_of_the_same_authority_and_name() {
        let (ours, others) = (Authority::new(), Authority::new());
        let own = ours.sign("admin.example");
        let chain = [own.clone(), ours.certificate.clone()];
        assert!(takes(&chain, &own));
        assert!(takes(&chain, &ours.sign("admin.example")), "renewed");
        assert!(!takes(&chain, &ours.sign("other.example")), "another server's");
        assert!(!takes(&chain, &others.sign("admin.example")), "another authority's");
        assert!(takes(&chain[..1], &own), "whoever has signed it");
        assert!(!takes(&chain[..1], &ours.sign("admin.example")), "nothing says whose it is");
    }

    #[test]
    fn of_a_certificate_without_a_name_only_the_very_same_is_taken() {
        let ours = Authority::new();
        let own = ours.sign("*.example");
        let chain = [own.clone(), ours.certificate.clone()];
        assert!(takes(&chain, &own));
        assert!(!takes(&chain, &ours.sign("*.example")));
    }
}
