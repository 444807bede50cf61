//! A certificate authority for the tests, and what it signs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};

use super::Scratch;

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

/// A certificate with its key, also as files.
pub struct Identity {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub chain: CertificateDer<'static>,
    private: PrivateKeyDer<'static>,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), pem, der }
    }

    /// The one that most tests share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Authority> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// Writes its certificate to `ca.pem` in a directory.
    pub fn file(&self, dir: &Scratch) -> PathBuf {
        dir.file("ca.pem", &self.pem)
    }

    /// Signs a certificate for these names, and writes it and its key to a directory.
    pub fn sign(&self, dir: &Scratch, names: &[&str]) -> Identity {
        self.sign_key(dir, names, &KeyPair::generate().unwrap(), &names[0].replace('*', "any"))
    }

    /// The same for a key of RSA, in files of other names.
    pub fn sign_rsa(&self, dir: &Scratch, names: &[&str]) -> Identity {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        self.sign_key(dir, names, &key, &(names[0].replace('*', "any") + ".rsa"))
    }

    /// The same as [`sign`](Self::sign), valid until this time only; the files are the same as those of [`sign`](Self::sign).
    pub fn sign_until(&self, dir: &Scratch, names: &[&str], not_after: SystemTime) -> Identity {
        let file = names[0].replace('*', "any");
        self.sign_params(dir, names, &KeyPair::generate().unwrap(), &file, |params| {
            (params.not_before, params.not_after) = (SystemTime::UNIX_EPOCH.into(), not_after.into());
        })
    }

    fn sign_key(&self, dir: &Scratch, names: &[&str], key: &KeyPair, file: &str) -> Identity {
        self.sign_params(dir, names, key, file, |_| {})
    }

    fn sign_params(
        &self,
        dir: &Scratch,
        names: &[&str],
        key: &KeyPair,
        file: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        Identity {
            cert: dir.file(&format!("{file}.pem"), certificate.pem()),
            key: dir.file(&format!("{file}.key"), key.serialize_pem()),
            chain: certificate.der().clone(),
            private,
        }
    }

    /// A client that trusts it, offers these protocols, and shows `identity` when it is asked.
    pub fn client(&self, alpn: &[&str], identity: Option<&Identity>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(id) => builder.with_client_auth_cert(vec![id.chain.clone()], id.private.clone_key()).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

impl Identity {
    /// A server that shows it and speaks these protocols.
    pub fn server(&self, alpn: &[&str]) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.chain.clone()], self.private.clone_key())
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// As an element of `certificates` in `[listener.tls]`.
    pub fn toml(&self) -> String {
        let quoted = |path: &Path| format!("{:?}", path.to_str().unwrap());
        format!("{{ cert = {}, key = {} }}", quoted(&self.cert), quoted(&self.key))
    }
}

/// The first bytes of a client that asks for `name`.
pub fn hello(config: &Arc<ClientConfig>, name: &str) -> Vec<u8> {
    let mut client = ClientConnection::new(Arc::clone(config), name.to_owned().try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// Takes any certificate.
#[derive(Debug)]
struct Blind(Vec<SignatureScheme>);

/// A client that takes any certificate, and says that it can verify signatures of these schemes.
pub fn blind(schemes: &[SignatureScheme], versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Blind(schemes.to_vec())))
        .with_no_client_auth();
    Arc::new(config)
}

impl ServerCertVerifier for Blind {
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_tls12_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
