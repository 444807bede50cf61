//! TLS towards backends.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::acceptor::roots;

/// What is offered to, and asked of, a service's backends.
#[derive(Debug)]
pub struct ClientSettings<'a> {
    /// The authorities that sign backends' certificates.
    pub trust: Trust<'a>,
    /// Whether backends' certificates are verified; `false` = any certificate is taken.
    pub verify: bool,
    /// Our own certificate and key, for backends that ask.
    pub client: Option<Identity<'a>>,
    /// The protocols that are offered (ALPN), the preferred one first.
    pub alpn: &'a [&'a [u8]],
}

/// Trust anchors.
#[derive(Debug)]
pub enum Trust<'a> {
    /// Those of a file, each of which must be usable.
    These(&'a [CertificateDer<'static>]),
    /// The system's, of which those that can't be parsed are left out; and the error with which they were read, if there was one.
    System(&'a [CertificateDer<'static>], Option<&'a str>),
}

/// A certificate with its chain, and its key.
pub type Identity<'a> = (&'a [CertificateDer<'static>], &'a PrivateKeyDer<'static>);

/// Builds it; the error is for people.
pub fn client_config(settings: &ClientSettings<'_>) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let builder = match (settings.verify, &settings.trust) {
        (false, _) => builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider))),
        (true, Trust::These(ca)) => builder.with_root_certificates(roots(ca)?),
        (true, Trust::System(ca, error)) => builder.with_root_certificates(system_roots(ca, *error)?),
    };
    let mut config = with_identity(builder, settings.client)?;
    config.alpn_protocols = settings.alpn.iter().map(|p| p.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Adds the certificate that we show to servers that ask for one.
pub(super) fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    identity: Option<Identity<'_>>,
) -> Result<ClientConfig, String> {
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => builder.with_client_auth_cert(chain.to_vec(), key.clone_key()).map_err(|e| e.to_string()),
    }
}

fn system_roots(certificates: &[CertificateDer<'static>], error: Option<&str>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates.iter().cloned());
    match (added, error) {
        (0, Some(error)) => Err(format!("the system's trust anchors can't be read: {error}")),
        (0, None) => Err("the system has no trust anchors: install its ca-certificates, or set `ca`".to_owned()),
        _ => Ok(roots),
    }
}

/// `verify = false`: proves only that the backend holds the key of the certificate that it shows.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
