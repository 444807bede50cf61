//! The choice of a certificate by the name that a client asks for (SNI), and by what it can verify.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ahash::AHashMap;
use rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES;
use rustls::pki_types::{CertificateDer, IpAddr, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, SignatureAlgorithm};
use webpki::EndEntityCert;

use super::names;
use crate::certificate::Certificate;

/// The certificates of a listener, by name.
#[derive(Debug)]
pub struct Resolver {
    all: Vec<Arc<Certificate>>,
    /// Indices into `all` by name; those of one name are in the order of [`rank`].
    exact: AHashMap<String, Vec<usize>>,
    /// Indices by the name behind `*.` of a wildcard.
    wildcard: AHashMap<String, Vec<usize>>,
    /// For clients that ask for none of the names: the first in the file, and those of the same name with another kind of key.
    default: Vec<usize>,
}

/// A certificate that is shown to clients.
#[derive(Debug)]
pub struct ShownCertificate<'a> {
    /// It, without the rest of its chain.
    pub certificate: Option<&'a CertificateDer<'static>>,
    /// Its names.
    pub names: &'a [String],
    /// The file that it came from.
    pub path: &'a Path,
    /// The first and the last moment at which it is valid; `None` where that can't be read.
    pub validity: Option<(SystemTime, SystemTime)>,
    /// Whether an OCSP response is stapled to it.
    pub is_stapled: bool,
    /// Whether it is shown to clients that ask for none of the names.
    pub is_default: bool,
}

impl Resolver {
    /// The first of these is for clients that ask for none of the names.
    pub(super) fn new(all: &[Arc<Certificate>]) -> Self {
        let (mut exact, mut wildcard) = (AHashMap::<_, Vec<usize>>::new(), AHashMap::<_, Vec<usize>>::new());
        for (at, certificate) in all.iter().enumerate() {
            for name in &certificate.names {
                let of_name = match name.strip_prefix("*.") {
                    Some(parent) => wildcard.entry(parent.to_owned()).or_default(),
                    None => exact.entry(name.clone()).or_default(),
                };
                of_name.push(at);
            }
        }
        // stable: of one kind, the first one in the file wins
        exact.values_mut().chain(wildcard.values_mut()).for_each(|of_name| of_name.sort_by_key(|at| rank(&all[*at])));
        let first = all.first().and_then(|certificate| certificate.names.first());
        let of_first = first.and_then(|name| match name.strip_prefix("*.") {
            Some(parent) => wildcard.get(parent),
            None => exact.get(name),
        });
        let default = of_first.cloned().unwrap_or(vec![0]);
        Self { all: all.to_vec(), exact, wildcard, default }
    }

    /// The certificates, in the order of the configuration.
    pub fn shown(&self) -> impl Iterator<Item = ShownCertificate<'_>> {
        self.all.iter().enumerate().map(|(at, one)| ShownCertificate {
            certificate: one.chain().first(),
            names: &one.names,
            path: one.path(),
            validity: one.validity,
            is_stapled: one.certified.ocsp.is_some(),
            is_default: self.default.contains(&at),
        })
    }

    /// Whether the certificate that is shown to clients who ask for `sni` is for `host`; where there are several for that name, whichever of
    /// them is shown. The dot that ends a fully qualified name is in no certificate, and clients leave it out of SNI (RFC 6066, section 3).
    pub fn same_certificate(&self, sni: &str, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let Some(shown) = self.find(sni) else {
            return self.of(&self.default, host);
        };
        sni.eq_ignore_ascii_case(host) || self.of(shown, host)
    }

    /// The certificates for a name that a client asks for, if there are any.
    fn find(&self, sni: &str) -> Option<&Vec<usize>> {
        let lower = sni.to_ascii_lowercase();
        self.exact.get(&lower).or_else(|| self.wildcard.get(lower.split_once('.')?.1))
    }

    /// Whether each of these is for `host`.
    fn of(&self, shown: &[usize], host: &str) -> bool {
        let covers =
            |one: &Arc<Certificate>| one.names.iter().any(|name| names::covers(name, host)) || has_address(one, host);
        shown.iter().filter_map(|at| self.all.get(*at)).all(covers)
    }
}

/// Which of several for one name comes first: signing with RSA takes ten times as long as with a curve.
fn rank(certificate: &Certificate) -> bool {
    certificate.certified.key.algorithm() == SignatureAlgorithm::RSA
}

/// Whether the client can verify what this key signs. In TLS 1.2 the suites say that as well: in each of them one kind of key signs.
fn suits(certificate: &Certificate, hello: &ClientHello<'_>) -> bool {
    let key = &certificate.certified.key;
    let algorithm = key.algorithm();
    let signs = |suite: &CipherSuite| {
        ALL_CIPHER_SUITES.iter().any(|known| known.suite() == *suite && known.usable_for_signature_algorithm(algorithm))
    };
    key.choose_scheme(hello.signature_schemes()).is_some() && hello.cipher_suites().iter().any(signs)
}

/// Whether the certificate is for this IP address (RFC 9525, section 6.5), which is in brackets if it is one of IPv6. It is looked
/// for in the certificate each time: clients that name a server in TLS hardly ever ask it for an address.
fn has_address(certificate: &Certificate, host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let Ok(address) = IpAddr::try_from(host) else { return false };
    let parsed = certificate.chain().first().and_then(|der| EndEntityCert::try_from(der).ok());
    parsed.is_some_and(|cert| cert.verify_is_valid_for_subject_name(&ServerName::IpAddress(address)).is_ok())
}

impl ResolvesServerCert for Resolver {
    /// Of the certificates for the name, the first whose key can sign what the client verifies. Where none can, rustls tells the client so.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|sni| self.find(sni)).unwrap_or(&self.default);
        let mut candidates = named.iter().filter_map(|at| self.all.get(*at));
        let fitting = candidates.clone().find(|one| suits(one, &hello));
        fitting.or(candidates.next()).map(|one| Arc::clone(&one.certified))
    }
}
