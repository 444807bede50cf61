//! Certificates and what belongs to them, as files hold them: chains with their keys, authorities, OCSP responses, and the keys of
//! session tickets.
//!
//! They are read for a configuration, and again when a file has changed ([`watch`]). A file that can't be used never takes anything
//! out of force: what was read from it before stays ([`kept`]).

pub mod dates;
mod der;
pub mod files;
pub mod keeper;
pub mod kept;
pub mod read;
pub mod staple;
pub mod ticket_keys;
pub mod unusable;
pub mod watch;

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use webpki::EndEntityCert;

use files::PairFiles;
use unusable::{Part, Unusable};

/// A certificate chain with its key, which fits it.
#[derive(Debug)]
pub struct Certificate {
    /// The private key.
    pub key: PrivateKeyDer<'static>,
    /// Both, ready to sign.
    pub certified: Arc<CertifiedKey>,
    /// The DNS names (lower case, `*.` wildcards as they stand) that it is for.
    pub names: Vec<String>,
    /// The first and the last moment at which it is valid; `None` where webpki can't read them.
    pub validity: Option<(SystemTime, SystemTime)>,
    /// The files that it came from.
    pub files: PairFiles,
}

impl Certificate {
    /// Makes sure that the key fits the certificate, which is the first of the chain.
    ///
    /// # Errors
    ///
    /// What can't be used, and why.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        files: PairFiles,
    ) -> Result<Self, Unusable> {
        let unusable = |part, path: &Path, message: String| Unusable::new(part, path, message);
        let first =
            chain.first().ok_or_else(|| unusable(Part::Cert, &files.cert, "there is no certificate".to_owned()))?;
        let parsed = EndEntityCert::try_from(first).map_err(|error| {
            let message = format!("the certificate in `{}` can't be used: {error}", files.cert.display());
            unusable(Part::Cert, &files.cert, message).expected("an X.509 certificate of version 3")
        })?;
        let names = parsed.valid_dns_names().map(str::to_ascii_lowercase).collect();
        let validity = dates::validity(first);
        let certified = match CertifiedKey::from_der(chain, key.clone_key(), &provider()) {
            Ok(certified) => Arc::new(certified),
            Err(TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                let message = "this key does not fit the certificate".to_owned();
                let help = "the first certificate of the file in `cert` must be the server's own";
                return Err(unusable(Part::Key, &files.key, message).help(help));
            }
            Err(error) => {
                let message = format!("this key can't be used: {error}");
                return Err(unusable(Part::Key, &files.key, message).expected("an RSA, ECDSA or Ed25519 key"));
            }
        };
        Ok(Self { key, certified, names, validity, files })
    }

    /// The same with this OCSP response, or with none.
    #[must_use]
    pub fn stapled(&self, response: Option<Vec<u8>>) -> Self {
        let CertifiedKey { cert, key, .. } = &*self.certified;
        let certified = CertifiedKey { cert: cert.clone(), key: Arc::clone(key), ocsp: response };
        Self {
            key: self.key.clone_key(),
            certified: Arc::new(certified),
            names: self.names.clone(),
            validity: self.validity,
            files: self.files.clone(),
        }
    }

    /// The certificate itself, parsed.
    fn leaf(&self) -> Option<EndEntityCert<'_>> {
        EndEntityCert::try_from(self.chain().first()?).ok()
    }

    /// The certificate itself first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// The file with the chain.
    pub fn path(&self) -> &Path {
        &self.files.cert
    }

    /// Why it may not take the place of one that is in force, where there is a reason. Both have been read from the same files.
    ///
    /// # Errors
    ///
    /// It is not valid at `now`, while the other one is.
    pub fn may_replace(&self, other: &Self, now: SystemTime) -> Result<(), Unusable> {
        let is_valid = |one: &Self| one.validity.is_some_and(|(from, to)| from <= now && now <= to);
        match dates::not_valid(self.validity, now) {
            Some(reason) if is_valid(other) => {
                let message = format!("the certificate {reason}, and the one in force is valid");
                Err(Unusable::new(Part::Cert, self.path(), message))
            }
            _ => Ok(()),
        }
    }
}

/// Whether they are the same, whatever is stapled to them.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.chain() == other.chain() && self.key.secret_der() == other.key.secret_der()
    }
}

/// What keys are loaded with: all that rustls can sign with.
fn provider() -> CryptoProvider {
    default_provider()
}
