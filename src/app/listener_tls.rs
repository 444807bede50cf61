//! The TLS of a listener, and what it keeps from one configuration to the next.

use std::hash::{DefaultHasher, Hash, Hasher};

use rustls::pki_types::CertificateDer;

use super::parts;
use crate::config::model::{self, ClientAuth};
use crate::tls::Acceptor;

/// TLS towards clients, with a [`fingerprint`] of what it is made of. `known` is what the listener has: what is made of the same settings stays the same
/// object, and what is made of others keeps the session tickets that clients hold, where the same clients are let in.
pub(super) fn acceptor(
    settings: Option<&model::ServerTls>,
    known: Option<Option<(u64, Acceptor)>>,
) -> Result<Option<(u64, Acceptor)>, String> {
    let Some(settings) = settings else { return Ok(None) };
    let fingerprint = fingerprint(settings);
    let acceptor = match known.flatten() {
        Some((same, acceptor)) if same == fingerprint => acceptor,
        other => Acceptor::new(&parts::client_tls(settings), other.as_ref().map(|(_, acceptor)| acceptor))?,
    };
    Ok(Some((fingerprint, acceptor)))
}

/// A hash of all that TLS is made of.
pub(super) fn fingerprint(tls: &model::ServerTls) -> u64 {
    fn bytes<'a>(certificates: &'a [CertificateDer<'static>]) -> Vec<&'a [u8]> {
        certificates.iter().map(AsRef::as_ref).collect()
    }
    let mut hasher = DefaultHasher::new();
    for certificate in &tls.certificates {
        (bytes(certificate.chain()), certificate.key.secret_der(), &certificate.certified.ocsp).hash(&mut hasher);
    }
    (&tls.alpn, tls.tls12).hash(&mut hasher);
    tls.ciphers.iter().for_each(|suite| u16::from(*suite).hash(&mut hasher));
    tls.groups.iter().for_each(|group| u16::from(*group).hash(&mut hasher));
    (tls.ticket_keys.as_ref().map(|keys| keys.secrets()), &tls.key_log).hash(&mut hasher);
    match &tls.client_auth {
        ClientAuth::Off => 0.hash(&mut hasher),
        ClientAuth::Optional(ca) => (1, bytes(ca)).hash(&mut hasher),
        ClientAuth::Required(ca) => (2, bytes(ca)).hash(&mut hasher),
    }
    hasher.finish()
}
