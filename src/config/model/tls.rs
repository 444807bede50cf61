//! TLS on either side: certificates, keys and authorities, read from their files.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, NamedGroup};

use crate::certificate::Certificate;
use crate::certificate::keeper::{Material, Sources};
use crate::certificate::ticket_keys::TicketKeys;
use crate::policy::CertificateHeader;

/// Terminated TLS: `[listener.tls]`, `admin.tls`.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// At least one; each key fits its certificate.
    pub certificates: Vec<Arc<Certificate>>,
    /// The files that they, and the authorities of clients, come from.
    pub sources: Sources,
    /// Protocols offered, in order of preference. Empty on the admin address (HTTP/1.1 only).
    pub alpn: Vec<Vec<u8>>,
    /// Whether TLS 1.2 is spoken too.
    pub tls12: bool,
    /// Whether clients show a certificate.
    pub client_auth: ClientAuth,
    /// The cipher suites that are spoken, the preferred one first; empty = all that there are.
    pub ciphers: Vec<CipherSuite>,
    /// The groups of the key exchange, the preferred one first; empty = those of the library.
    pub groups: Vec<NamedGroup>,
    /// The keys of session tickets; `None` = the process makes some of its own.
    pub ticket_keys: Option<Arc<TicketKeys>>,
    /// Where the secrets of all connections are written, for debugging.
    pub key_log: Option<PathBuf>,
    /// What backends are told of it.
    pub certificate_header: CertificateHeader,
}

/// Whether clients show a certificate, and who signs it.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// They are not asked.
    Off,
    /// They are asked; a certificate that is shown must be valid.
    Optional(Arc<Vec<CertificateDer<'static>>>),
    /// Without a valid certificate there is no connection.
    Required(Arc<Vec<CertificateDer<'static>>>),
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
    pub client: Option<Arc<Certificate>>,
    /// The files that the certificate, and the authorities of `ca`, come from.
    pub sources: Sources,
}

/// Authorities that certificates are verified against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorities {
    /// The authorities in a file.
    File(Arc<Vec<CertificateDer<'static>>>),
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

impl ServerTls {
    /// What was read from the files.
    pub fn material(&self) -> Material {
        let authorities = match &self.client_auth {
            ClientAuth::Off => None,
            ClientAuth::Optional(ca) | ClientAuth::Required(ca) => Some(Arc::clone(ca)),
        };
        let (certificates, ticket_keys) = (self.certificates.clone(), self.ticket_keys.clone());
        Material { certificates, authorities, ticket_keys }
    }

    /// Takes on what the files hold now.
    pub fn renew(&mut self, material: Material) {
        self.certificates = material.certificates;
        self.ticket_keys = material.ticket_keys;
        match (&mut self.client_auth, material.authorities) {
            (ClientAuth::Optional(ca) | ClientAuth::Required(ca), Some(authorities)) => *ca = authorities,
            (ClientAuth::Off, _) | (_, None) => {}
        }
    }
}

impl ClientTls {
    /// What was read from the files.
    pub fn material(&self) -> Material {
        let authorities = match &self.ca {
            Authorities::File(ca) => Some(Arc::clone(ca)),
            Authorities::System(_) => None,
        };
        Material { certificates: self.client.iter().cloned().collect(), authorities, ticket_keys: None }
    }

    /// Takes on what the files hold now.
    pub fn renew(&mut self, material: Material) {
        self.client = material.certificates.into_iter().next();
        if let (Authorities::File(ca), Some(authorities)) = (&mut self.ca, material.authorities) {
            *ca = authorities;
        }
    }
}
