//! TLS on either side: certificates, keys and authorities, read from their files.

use std::path::PathBuf;
use std::sync::Arc;

use crate::policy::CertificateHeader;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Terminated TLS: `[listener.tls]`, `admin.tls`.
#[derive(Debug)]
pub struct ServerTls {
    /// At least one; each key fits its certificate.
    pub certificates: Vec<Certificate>,
    /// Protocols offered, in order of preference. Empty on the admin address (HTTP/1.1 only).
    pub alpn: Vec<Vec<u8>>,
    /// Whether TLS 1.2 is spoken too.
    pub tls12: bool,
    /// Whether clients show a certificate.
    pub client_auth: ClientAuth,
    /// What backends are told of it.
    pub certificate_header: CertificateHeader,
}

/// A certificate chain with its key.
#[derive(Debug)]
pub struct Certificate {
    /// End entity first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key.
    pub key: PrivateKeyDer<'static>,
    /// The DNS names (lower case, `*.` wildcards as they stand) that it is for.
    pub names: Vec<String>,
    /// The file it came from, for messages.
    pub path: PathBuf,
}

/// Whether clients show a certificate, and who signs it.
#[derive(Debug)]
pub enum ClientAuth {
    /// They are not asked.
    Off,
    /// They are asked; a certificate that is shown must be valid.
    Optional(Vec<CertificateDer<'static>>),
    /// Without a valid certificate there is no connection.
    Required(Vec<CertificateDer<'static>>),
}

/// `[service.NAME.tls]`
#[derive(Debug)]
pub struct ClientTls {
    /// The name asked for and verified; `None` = the backend's host.
    pub server_name: Option<String>,
    /// The authorities that the certificates of backends are verified against.
    pub ca: Authorities,
    /// Whether the backend's certificate is verified.
    pub verify: bool,
    /// The certificate that we show when the backend asks for one.
    pub client: Option<Certificate>,
}

/// Authorities that certificates are verified against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorities {
    /// The authorities in a file.
    File(Vec<CertificateDer<'static>>),
    /// The system's authorities as they were when the configuration was read; all services share one copy.
    System(Arc<SystemAuthorities>),
}

/// The authorities that the system trusts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SystemAuthorities {
    /// Those that could be read; empty as well where no certificate is verified against them.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The first thing that could not be read, for people.
    pub error: Option<String>,
}

impl Authorities {
    /// Their certificates.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        match self {
            Self::File(certificates) => certificates,
            Self::System(system) => &system.certificates,
        }
    }
}
