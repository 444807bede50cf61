//! Certificates, keys and authorities: they are read, and known to fit each other, before anything is served with them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use webpki::EndEntityCert;

use super::{Checker, all, all_or_nothing};
use crate::config::model::{Certificate, ClientAuth, ServerTls, SystemAuthorities};
use crate::config::raw;
use crate::config::tree::KeyPath;
use crate::policy::CertificateHeader;

impl SystemAuthorities {
    /// Reads them as they are now: from the system's store, or from what `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    pub fn read() -> Self {
        let found = rustls_native_certs::load_native_certs();
        let error = found.errors.first().map(ToString::to_string);
        Self { certificates: found.certs, error }
    }
}

impl Checker<'_> {
    pub(super) fn listener_tls(&mut self, at: &KeyPath, raw: &raw::ListenerTls) -> Option<ServerTls> {
        let certificates_at = at.key("certificates");
        if raw.certificates.is_empty() && self.findings.removed(&certificates_at).is_none() {
            let mistake = self.mistake(&certificates_at, "there is no certificate");
            self.report(mistake.expected("at least one { cert = \"...\", key = \"...\" }"));
        }
        let certificates = raw.certificates.iter().enumerate();
        let certificates = certificates.map(|(index, files)| {
            self.certificate(&certificates_at.index(index), files.cert.as_deref(), files.key.as_deref())
        });
        let certificates = all(certificates.collect());
        let client_auth = self.client_auth(at, raw);
        let certificate_header = self.certificate_header(at, raw);
        Some(ServerTls {
            certificates: certificates?,
            alpn: raw.alpn.iter().map(|protocol| protocol.as_str().as_bytes().to_vec()).collect(),
            tls12: raw.min_version == raw::TlsVersion::V1_2,
            client_auth: client_auth?,
            certificate_header,
        })
    }

    /// What backends are told of clients' certificates, of which there are none while nobody is asked for one.
    fn certificate_header(&mut self, at: &KeyPath, raw: &raw::ListenerTls) -> CertificateHeader {
        let header = match raw.client_cert_header {
            raw::ClientCertHeader::Off => CertificateHeader::Off,
            raw::ClientCertHeader::Certificate => CertificateHeader::Certificate,
            raw::ClientCertHeader::Chain => CertificateHeader::Chain,
        };
        let path = at.key("client_cert_header");
        let is_off = raw.client_auth == raw::ClientAuth::Off && self.findings.removed(&at.key("client_auth")).is_none();
        if header != CertificateHeader::Off && is_off {
            let mistake =
                self.key_mistake(&path, "`client_cert_header` has nothing to tell while client_auth is \"off\"");
            self.report(mistake.warning().help("set client_auth to \"optional\" or \"required\""));
        }
        header
    }

    fn client_auth(&mut self, at: &KeyPath, raw: &raw::ListenerTls) -> Option<ClientAuth> {
        let ca_at = at.key("client_ca");
        let authorities = raw.client_ca.as_ref().map(|file| self.authorities(&ca_at, file));
        let authorities = all_or_nothing(authorities)?;
        match (raw.client_auth, authorities) {
            (raw::ClientAuth::Off, authorities) => {
                // An unusable `client_auth` has been reported, and is not the same as "off".
                if authorities.is_some() && self.findings.removed(&at.key("client_auth")).is_none() {
                    let mistake = self.key_mistake(&ca_at, "`client_ca` has no effect while client_auth is \"off\"");
                    self.report(mistake.warning().help("set client_auth to \"optional\" or \"required\""));
                }
                Some(ClientAuth::Off)
            }
            (raw::ClientAuth::Optional, Some(authorities)) => Some(ClientAuth::Optional(authorities)),
            (raw::ClientAuth::Required, Some(authorities)) => Some(ClientAuth::Required(authorities)),
            (raw::ClientAuth::Optional | raw::ClientAuth::Required, None) => {
                if !self.present(&ca_at) {
                    let mistake = self.mistake(&at.key("client_auth"), "client certificates need `client_ca`");
                    self.report(mistake.help("set client_ca to a PEM file with the authorities that sign them"));
                }
                None
            }
        }
    }

    pub(super) fn admin_tls(&mut self, at: &KeyPath, raw: &raw::AdminTls) -> Option<ServerTls> {
        let certificate = self.certificate(at, raw.cert.as_deref(), raw.key.as_deref());
        let authorities = raw.client_ca.as_ref().map(|file| self.authorities(&at.key("client_ca"), file));
        let client_auth = all_or_nothing(authorities)?.map_or(ClientAuth::Off, ClientAuth::Required);
        Some(ServerTls {
            certificates: vec![certificate?],
            alpn: Vec::new(),
            tls12: true,
            client_auth,
            certificate_header: CertificateHeader::Off,
        })
    }

    /// A certificate with its key; `at` is the table with the keys `cert` and `key`.
    pub(super) fn certificate(&mut self, at: &KeyPath, cert: Option<&str>, key: Option<&str>) -> Option<Certificate> {
        let (cert_at, key_at) = (at.key("cert"), at.key("key"));
        let chain = cert.map(|file| self.chain(&cert_at, file));
        let private = key.map(|file| self.private_key(&key_at, file));
        let (path, chain, private) = (self.file(cert?), chain??, private??);
        let names = self.names(&cert_at, &path, chain.first()?)?;
        self.key_fits(at, &chain, &private)?;
        Some(Certificate { chain, key: private, names, path })
    }

    /// Certificates of an authority, which must be fit to verify others against.
    pub(super) fn authorities(&mut self, at: &KeyPath, file: &str) -> Option<Vec<CertificateDer<'static>>> {
        let certificates = self.chain(at, file)?;
        for certificate in &certificates {
            if let Err(error) = webpki::anchor_from_trusted_cert(certificate) {
                let message = format!("`{}` has a certificate that can't be used: {error}", self.file(file).display());
                let mistake = self.mistake(at, message);
                self.report(mistake.expected("certificates of authorities (X.509 version 3)"));
                return None;
            }
        }
        Some(certificates)
    }

    /// The authorities that the system trusts, read once for a configuration: so a reload takes on a store that was renewed.
    pub(super) fn system_authorities(&mut self) -> Arc<SystemAuthorities> {
        Arc::clone(self.system.get_or_insert_with(|| Arc::new(SystemAuthorities::read())))
    }

    fn chain(&mut self, at: &KeyPath, file: &str) -> Option<Vec<CertificateDer<'static>>> {
        let path = self.file(file);
        let read = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match read {
            Ok(chain) if !chain.is_empty() => Some(chain),
            Ok(_) => self.bad_pem(at, &path, &pem::Error::NoItemsFound, "CERTIFICATE"),
            Err(error) => self.bad_pem(at, &path, &error, "CERTIFICATE"),
        }
    }

    fn private_key(&mut self, at: &KeyPath, file: &str) -> Option<PrivateKeyDer<'static>> {
        let path = self.file(file);
        match PrivateKeyDer::from_pem_file(&path) {
            Ok(key) => Some(key),
            Err(error) => self.bad_pem(at, &path, &error, "PRIVATE KEY"),
        }
    }

    fn bad_pem<T>(&mut self, at: &KeyPath, path: &Path, error: &pem::Error, section: &str) -> Option<T> {
        let shown = path.display();
        let mistake = match error {
            pem::Error::Io(error) => {
                self.unreadable(at, path, &error.to_string());
                return None;
            }
            pem::Error::NoItemsFound => self.mistake(at, format!("`{shown}` has no {section}")),
            error => self.mistake(at, format!("`{shown}` can't be read: {error:?}")),
        };
        let mistake = mistake.expected(format!("a PEM file with \"-----BEGIN {section}-----\""));
        self.report(match (error, section) {
            (pem::Error::NoItemsFound, "PRIVATE KEY") => mistake.help("a key that is encrypted can't be used"),
            _ => mistake,
        });
        None
    }

    /// The names that a certificate is for; it must be readable, and is better not expired.
    fn names(&mut self, at: &KeyPath, path: &Path, certificate: &CertificateDer<'static>) -> Option<Vec<String>> {
        let parsed = match EndEntityCert::try_from(certificate) {
            Ok(parsed) => parsed,
            Err(error) => {
                let message = format!("the certificate in `{}` can't be used: {error}", path.display());
                let mistake = self.mistake(at, message);
                self.report(mistake.expected("an X.509 certificate of version 3"));
                return None;
            }
        };
        if let Some(reason) = not_valid_now(&parsed) {
            let mistake = self.mistake(at, format!("the certificate in `{}` {reason}", path.display()));
            self.report(mistake.warning().help("clients that verify it will refuse it"));
        }
        Some(parsed.valid_dns_names().map(str::to_ascii_lowercase).collect())
    }

    fn key_fits(
        &mut self,
        at: &KeyPath,
        chain: &[CertificateDer<'static>],
        key: &PrivateKeyDer<'static>,
    ) -> Option<()> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mistake = match CertifiedKey::from_der(chain.to_vec(), key.clone_key(), &provider) {
            Ok(_) => return Some(()),
            Err(TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => self
                .mistake(&at.key("key"), "this key does not fit the certificate")
                .help("the first certificate of the file in `cert` must be the server's own"),
            Err(error) => self
                .mistake(&at.key("key"), format!("this key can't be used: {error}"))
                .expected("an RSA, ECDSA or Ed25519 key"),
        };
        self.report(mistake);
        None
    }
}

/// Why a certificate is not valid at this time. webpki looks at the dates before anything else, so it does not matter
/// that no authority is given that would vouch for the certificate.
fn not_valid_now(certificate: &EndEntityCert<'_>) -> Option<String> {
    let usage = webpki::KeyUsage::server_auth();
    let verdict = certificate.verify_for_usage(&[], &[], &[], UnixTime::now(), usage, None, None);
    let date = |time: UnixTime| httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(time.as_secs()));
    match verdict {
        Err(webpki::Error::CertExpired { not_after, .. }) => Some(format!("expired on {}", date(not_after))),
        Err(webpki::Error::CertNotValidYet { not_before, .. }) => {
            Some(format!("is not valid before {}", date(not_before)))
        }
        _ => None,
    }
}
