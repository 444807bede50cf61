//! What is spoken in TLS: versions, cipher suites and groups, by a preset or one by one; and what concerns sessions, debugging and what backends are told.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::{CipherSuite, NamedGroup};

use super::Checker;
use crate::certificate::ticket_keys::{self, TicketKeys};
use crate::config::raw;
use crate::config::tree::KeyPath;
use crate::policy::CertificateHeader;

/// What is spoken.
pub(super) struct Choices {
    pub(super) tls12: bool,
    /// Empty = all.
    pub(super) ciphers: Vec<CipherSuite>,
    /// Empty = the library's.
    pub(super) groups: Vec<NamedGroup>,
}

impl Checker<'_> {
    /// What backends are told of clients' certificates, of which there are none while nobody is asked for one.
    pub(super) fn certificate_header(&mut self, at: &KeyPath, raw: &raw::ListenerTls) -> CertificateHeader {
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

    /// Mozilla's "modern" is TLS 1.3, and "intermediate" is TLS 1.2 too; all suites and groups that there are are in both, so nothing else has to be chosen (Server Side TLS,
    /// version 5.7). There is no "old": the library speaks neither TLS 1.0 nor CBC.
    pub(super) fn tls_choices(&mut self, at: &KeyPath, raw: &raw::ListenerTls) -> Option<Choices> {
        let version_at = at.key("min_version");
        let min_version = match raw.preset {
            None => raw.min_version,
            Some(preset) => {
                let of_preset = match preset {
                    raw::TlsPreset::Modern => raw::TlsVersion::V1_3,
                    raw::TlsPreset::Intermediate => raw::TlsVersion::V1_2,
                };
                if self.present(&version_at) && raw.min_version != of_preset {
                    let (preset, version) = (preset.as_str(), of_preset.as_str());
                    let message = format!("`min_version` can only be {version:?} with preset = {preset:?}");
                    let mistake = self.mistake(&version_at, message);
                    self.report(mistake.help("leave one of the two out"));
                    return None;
                }
                of_preset
            }
        };
        let ciphers: Vec<CipherSuite> = raw.ciphers.iter().map(|cipher| suite(*cipher)).collect();
        let is_13 = |cipher: &raw::Cipher| cipher.as_str().starts_with("TLS_");
        let ciphers_at = at.key("ciphers");
        let mut tls12 = min_version == raw::TlsVersion::V1_2;
        if !ciphers.is_empty() && !raw.ciphers.iter().any(is_13) {
            let mistake = self.mistake(&ciphers_at, "none of these is for TLS 1.3, which is always spoken");
            self.report(mistake.expected("one of those that begin with TLS_ as well, such as TLS_AES_128_GCM_SHA256"));
            return None;
        }
        if tls12 && !ciphers.is_empty() && raw.ciphers.iter().all(is_13) {
            let mistake = self.mistake(&ciphers_at, "none of these is for TLS 1.2, so that it is not spoken");
            self.report(mistake.warning().help("set min_version = \"1.3\", or add one that begins with ECDHE-"));
            tls12 = false;
        }
        self.twice(&ciphers_at, raw.ciphers.iter().map(|cipher| cipher.as_str()));
        self.twice(&at.key("groups"), raw.groups.iter().map(|group| group.as_str()));
        Some(Choices { tls12, ciphers, groups: raw.groups.iter().map(|group| named(*group)).collect() })
    }

    fn twice<'a>(&mut self, at: &KeyPath, words: impl Iterator<Item = &'a str>) {
        let words: Vec<&str> = words.collect();
        for (index, word) in words.iter().enumerate().filter(|(index, word)| words[..*index].contains(word)) {
            let mistake = self.mistake(&at.index(index), format!("`{word}` stands here twice"));
            self.report(mistake.warning().help("the first one counts"));
        }
    }

    pub(super) fn ticket_keys(&mut self, at: &KeyPath, file: &str) -> Option<Arc<TicketKeys>> {
        let path = self.file(file);
        let keys = self.usable(at, ticket_keys::read(&path).result)?;
        self.only_for_its_owner(at, &path, "whoever has the keys can read the sessions that were resumed with them");
        Some(Arc::new(keys))
    }

    pub(super) fn key_log(&mut self, at: &KeyPath, file: &str) -> PathBuf {
        let path = self.file(file);
        let message = format!("ALL TRAFFIC of this listener CAN BE DECRYPTED by whoever gets `{}`", path.display());
        let mistake = self.key_mistake(at, message).warning();
        self.report(
            mistake.help(
                "the secrets of all connections are written there; take `key_log` out when the debugging is over",
            ),
        );
        path
    }

    /// Warns of a file that others may read.
    fn only_for_its_owner(&mut self, at: &KeyPath, path: &std::path::Path, why: &str) {
        let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o007 != 0 {
            let mistake = self.mistake(at, format!("`{}` can be read by every user", path.display()));
            self.report(mistake.warning().help(format!("{why}: chmod o= {}", path.display())));
        }
    }
}

fn suite(cipher: raw::Cipher) -> CipherSuite {
    match cipher {
        raw::Cipher::Aes128 => CipherSuite::TLS13_AES_128_GCM_SHA256,
        raw::Cipher::Aes256 => CipherSuite::TLS13_AES_256_GCM_SHA384,
        raw::Cipher::Chacha20 => CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        raw::Cipher::EcdsaAes128 => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        raw::Cipher::RsaAes128 => CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        raw::Cipher::EcdsaAes256 => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        raw::Cipher::RsaAes256 => CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        raw::Cipher::EcdsaChacha20 => CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        raw::Cipher::RsaChacha20 => CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    }
}

fn named(group: raw::Group) -> NamedGroup {
    match group {
        raw::Group::X25519MlKem768 => NamedGroup::X25519MLKEM768,
        raw::Group::X25519 => NamedGroup::X25519,
        raw::Group::P256 => NamedGroup::secp256r1,
        raw::Group::P384 => NamedGroup::secp384r1,
    }
}
