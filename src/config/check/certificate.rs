//! Certificates, keys and authorities: they are read, and known to fit each other, before anything is served with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;

use super::{Checker, all, all_or_nothing};
use crate::certificate::files::{PairFiles, Source};
use crate::certificate::keeper::Sources;
use crate::certificate::read;
use crate::certificate::unusable::{Part, Unusable};
use crate::certificate::{Certificate, dates, staple};
use crate::config::model::{ClientAuth, ServerTls, SystemAuthorities};
use crate::config::raw;
use crate::config::tree::KeyPath;
use crate::policy::CertificateHeader;

/// A certificate that is valid for less than this gets a warning. Whatever renews it should have done so long ago.
const SOON: Duration = Duration::from_secs(7 * 86_400);

/// Certificates with where they came from.
type Found = (Source, Vec<Arc<Certificate>>);

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
            self.report(mistake.expected("at least one { cert = \"...\", key = \"...\" } or { folder = \"...\" }"));
        }
        let certificates = raw.certificates.iter().enumerate();
        let certificates = certificates.map(|(index, files)| self.certificates(&certificates_at.index(index), files));
        let certificates = all(certificates.collect());
        let client_auth = self.client_auth(at, raw);
        let certificate_header = self.certificate_header(at, raw);
        let choices = self.tls_choices(at, raw);
        let ticket_keys = raw.ticket_keys.as_ref().map(|file| self.ticket_keys(&at.key("ticket_keys"), file));
        let key_log = raw.key_log.as_ref().map(|file| self.key_log(&at.key("key_log"), file));
        let (sources, certificates): (Vec<Source>, Vec<_>) = certificates?.into_iter().unzip();
        let authorities = raw.client_ca.as_deref().filter(|_| raw.client_auth != raw::ClientAuth::Off);
        let sources = Sources {
            certificates: sources,
            authorities: authorities.map(|file| self.file(file)),
            ticket_keys: raw.ticket_keys.as_deref().map(|file| self.file(file)),
        };
        Some(ServerTls {
            certificates: certificates.concat(),
            sources,
            alpn: raw.alpn.iter().map(|protocol| protocol.as_str().as_bytes().to_vec()).collect(),
            tls12: choices.as_ref()?.tls12,
            client_auth: client_auth?,
            certificate_header,
            ciphers: choices.as_ref()?.ciphers.clone(),
            groups: choices?.groups,
            ticket_keys: all_or_nothing(ticket_keys)?,
            key_log,
        })
    }

    /// One element of `certificates`: two files, or a folder.
    fn certificates(&mut self, at: &KeyPath, raw: &raw::CertificateFiles) -> Option<Found> {
        if let Some(folder) = &raw.folder {
            for key in ["cert", "key", "ocsp"] {
                if !self.present(&at.key(key)) {
                    continue;
                }
                let mistake = self.key_mistake(&at.key(key), format!("`{key}` beside `folder`"));
                self.report(
                    mistake.help("a folder has its own certificates; write the other one as an element of its own"),
                );
            }
            return self.folder(&at.key("folder"), folder);
        }
        let of_folder = self.present(&at.key("folder"));
        for key in ["cert", "key"] {
            if of_folder || self.present(&at.key(key)) {
                continue;
            }
            let mistake = self.mistake(at, format!("`{key}` is missing"));
            self.report(
                mistake.help(
                    "a certificate is { cert = \"...\", key = \"...\" }, and a folder of them { folder = \"...\" }",
                ),
            );
        }
        let mut certificate = self.certificate(at, raw.cert.as_deref(), raw.key.as_deref())?;
        certificate.files.ocsp = raw.ocsp.as_deref().map(|file| self.file(file));
        let certificate = self.stapled(&at.key("ocsp"), certificate);
        Some((Source::Pair(certificate.files.clone()), vec![Arc::new(certificate)]))
    }

    /// All certificates in a folder. One that can't be used is a warning, because a folder is written by other programs: it may be half way through a
    /// renewal.
    fn folder(&mut self, at: &KeyPath, folder: &str) -> Option<Found> {
        let source = Source::Folder(self.file(folder));
        let pairs = match source.pairs() {
            Ok(pairs) => pairs,
            Err(unusable) => {
                self.unusable(at, unusable);
                return None;
            }
        };
        let mut certificates = Vec::new();
        for files in pairs {
            match read::pair(&files).result {
                Ok(certificate) => {
                    self.dates(at, &certificate);
                    certificates.push(Arc::new(self.stapled(at, certificate)));
                }
                Err(unusable) => {
                    let message = match unusable.part {
                        Part::Key => format!("`{}` is left out: {unusable}", files.cert.display()),
                        _ => format!("left out: {unusable}"),
                    };
                    let mistake = self.mistake(at, message).warning();
                    self.report(mistake.help(
                        "it is served as soon as it can be used, and one that is in force stays until then; nothing has to be reloaded",
                    ));
                }
            }
        }
        if certificates.is_empty() {
            let mistake = self.mistake(at, format!("`{folder}` has no certificate that can be used"));
            let pairs = "fullchain.pem with privkey.pem, NAME.crt or NAME.pem with NAME.key, or NAME.pem with both in it; here or one folder below";
            self.report(mistake.expected(pairs));
            return None;
        }
        Some((source, certificates))
    }

    /// With its OCSP response. One that can't be used is left out: it will be another one soon, and clients do without.
    fn stapled(&mut self, at: &KeyPath, certificate: Certificate) -> Certificate {
        let Some(path) = &certificate.files.ocsp else { return certificate };
        match staple::read(path, &certificate, SystemTime::now()).result {
            Ok(staple) => certificate.stapled(Some(staple.response)),
            Err(unusable) => {
                let mistake = self.mistake(at, unusable.message).warning();
                self.report(
                    mistake
                        .help("it is sent as soon as the file holds one that can be used; nothing has to be reloaded"),
                );
                certificate
            }
        }
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
        let certificate = certificate?;
        let sources = Sources {
            certificates: vec![Source::Pair(certificate.files.clone())],
            authorities: raw.client_ca.as_deref().map(|file| self.file(file)),
            ticket_keys: None,
        };
        Some(ServerTls {
            certificates: vec![Arc::new(certificate)],
            sources,
            alpn: Vec::new(),
            tls12: true,
            client_auth,
            ciphers: Vec::new(),
            groups: Vec::new(),
            ticket_keys: None,
            key_log: None,
            certificate_header: CertificateHeader::Off,
        })
    }

    /// A certificate with its key; `at` is the table with the keys `cert` and `key`.
    pub(super) fn certificate(&mut self, at: &KeyPath, cert: Option<&str>, key: Option<&str>) -> Option<Certificate> {
        let path = |file: Option<&str>| file.map_or_else(PathBuf::new, |file| self.file(file));
        let files = PairFiles { cert: path(cert), key: path(key), ocsp: None };
        if let (Some(cert), Some(key)) = (cert, key)
            && are_exchanged(&files)
        {
            self.exchanged(at, cert, key);
            return None;
        }
        // both are read, so that one mistake never hides the other
        let chain = cert.map(|_| read::chain(Part::Cert, &files.cert)).transpose();
        let private = key.map(|_| read::key(&files.key)).transpose();
        let chain = self.usable(at, chain);
        let private = self.usable(at, private);
        let certificate = match Certificate::new(chain??, private??, files.clone()) {
            Err(unusable) if unusable.part == Part::Key => {
                let near = self.fitting_key(&files);
                self.unusable(&at.key("key"), unusable);
                if let Some(mistake) = self.findings.mistakes.last_mut() {
                    mistake.suggestion = near;
                }
                return None;
            }
            certificate => self.usable(at, certificate)?,
        };
        self.dates(&at.key("cert"), &certificate);
        Some(certificate)
    }

    /// Reports a certificate in the place of its key, and the other way round.
    fn exchanged(&mut self, at: &KeyPath, cert: &str, key: &str) {
        for (name, written, held, meant) in [("cert", cert, "a private key", key), ("key", key, "a certificate", cert)]
        {
            let mistake = self.mistake(&at.key(name), format!("`{written}` holds {held}"));
            self.report(mistake.near(Some(meant)).help("`cert` and `key` are exchanged"));
        }
    }

    /// Certificates of an authority, which must be fit to verify others against.
    pub(super) fn authorities(&mut self, at: &KeyPath, file: &str) -> Option<Arc<Vec<CertificateDer<'static>>>> {
        let authorities = read::authorities(&self.file(file)).result;
        self.usable(at, authorities).map(Arc::new)
    }

    /// The authorities that the system trusts, read once for a configuration: so a reload takes on a store that was renewed.
    pub(super) fn system_authorities(&mut self) -> Arc<SystemAuthorities> {
        Arc::clone(self.system.get_or_insert_with(|| Arc::new(SystemAuthorities::read())))
    }

    /// `at` is the table with the keys `cert` and `key`, or the key of anything else.
    pub(super) fn usable<T>(&mut self, at: &KeyPath, read: Result<T, Unusable>) -> Option<T> {
        match read {
            Ok(good) => Some(good),
            Err(unusable) => {
                let at = match unusable.part {
                    Part::Cert => at.key("cert"),
                    Part::Key => at.key("key"),
                    Part::Folder | Part::Authorities | Part::Ocsp | Part::TicketKeys => at.clone(),
                };
                self.unusable(&at, unusable);
                None
            }
        }
    }

    /// A certificate is better valid, and for some days to come.
    fn dates(&mut self, at: &KeyPath, certificate: &Certificate) {
        let (now, shown) = (SystemTime::now(), certificate.path().display());
        if let Some(reason) = dates::not_valid(certificate.validity, now) {
            let mistake = self.mistake(at, format!("the certificate in `{shown}` {reason}"));
            self.report(mistake.warning().help("clients that verify it will refuse it"));
            return;
        }
        let Some((from, to)) = certificate.validity else { return };
        // one that is made for a few days only is renewed in its last third
        let soon = SOON.min(to.duration_since(from).unwrap_or_default() / 4);
        if to.duration_since(now).is_ok_and(|left| left < soon) {
            let mistake =
                self.mistake(at, format!("the certificate in `{shown}` expires on {}", httpdate::fmt_http_date(to)));
            self.report(mistake.warning().help("renew it: what renews it by itself should have done so by now"));
        }
    }
}

/// Whether each of the two files holds what the other one should.
fn are_exchanged(files: &PairFiles) -> bool {
    let has_chain = |file: &Path| read::chain(Part::Cert, file).is_ok();
    let has_key = |file: &Path| read::key(file).is_ok();
    has_chain(&files.key) && has_key(&files.cert) && !has_chain(&files.cert) && !has_key(&files.key)
}
