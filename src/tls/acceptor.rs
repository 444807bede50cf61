//! TLS towards clients: the handshake, with what is in force when it begins.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{Context, SHA256};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs as provided};
use rustls::pki_types::CertificateDer;
use rustls::server::{ProducesTickets, ResolvesServerCert, WebPkiClientVerifier};
use rustls::{CipherSuite, KeyLog, NamedGroup, RootCertStore, ServerConfig, SupportedCipherSuite};
use tokio_rustls::server::TlsStream;

use super::key_log::KeyLogFile;
use super::resolver::Resolver;
use super::tickets::SharedTickets;
use crate::certificate::Certificate;
use crate::certificate::ticket_keys::TicketKeys;
use crate::io::Socket;

/// The suites that we choose wherever a client offers them: AES-128 with SHA-256 has the strength of the certificates' curve,
/// and the hash is in hardware where SHA-384 is not. Clients mostly put AES-256 first, which costs a handshake a fifth of its
/// time.
const PREFERRED_SUITES: [CipherSuite; 3] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
];

/// How much of rejected early data rustls may try to decrypt, in bytes of records. We accept none (RFC 8446, section 8: anybody can
/// send it again), but a client may bring a ticket of another server of the same name, and what it sends with it has to be skipped
/// (section 4.2.10). It is mostly 16 KiB at most, OpenSSL's default and so nginx's, and rustls 0.23 has no room for more before the
/// client's Finished. But it tries again all that it has with each read, and counts it again: so this is 16 KiB in reads of 256 bytes.
const SKIPPED_EARLY_DATA: u32 = 16 * 1024 * 64 / 2;

/// What the TLS of a listener is made from.
#[derive(Debug)]
pub struct ServerSettings<'a> {
    /// The first is for clients that ask for none of the names.
    pub certificates: &'a [Arc<Certificate>],
    /// The protocols that are offered (ALPN), the preferred one first.
    pub alpn: &'a [Vec<u8>],
    /// Whether TLS 1.2 is spoken too.
    pub tls12: bool,
    /// The authorities that sign clients' certificates; `None` = clients are not asked for any.
    pub client_ca: Option<&'a [CertificateDer<'static>]>,
    /// Whether clients without a certificate are refused.
    pub client_required: bool,
    /// The cipher suites that are spoken, the preferred one first; empty = all that there are.
    pub ciphers: &'a [CipherSuite],
    /// The groups of the key exchange, the preferred one first; empty = those of rustls.
    pub groups: &'a [NamedGroup],
    /// The keys of session tickets; `None` = there are some for this process alone.
    pub ticket_keys: Option<&'a TicketKeys>,
    /// Where the secrets of all connections are written.
    pub key_log: Option<&'a Path>,
}

/// Accepts TLS connections. This is a handle: what is in force can be [replaced](Self::replace) for all copies at once, and a handshake goes on with
/// what was in force when it began.
#[derive(Clone)]
pub struct Acceptor(Arc<ArcSwap<InForce>>);

/// What handshakes are made with.
struct InForce {
    tls: tokio_rustls::TlsAcceptor,
    resolver: Arc<Resolver>,
    /// A hash of which clients are let in.
    clients: [u8; 32],
    /// Whether the keys of tickets are those of a file.
    shares_tickets: bool,
    key_log: Option<Arc<KeyLogFile>>,
}

impl Acceptor {
    /// Builds it; the error is for people. What it has in common with `before` is taken from there: clients that have a session ticket go on with it, unless
    /// it is others now that are let in.
    pub fn new(settings: &ServerSettings<'_>, before: Option<&Self>) -> Result<Self, String> {
        let before = before.map(|before| before.0.load_full());
        let in_force = InForce::new(settings, before.as_deref())?;
        Ok(Self(Arc::new(ArcSwap::from_pointee(in_force))))
    }

    /// Takes on other settings, from the next handshake on.
    ///
    /// # Errors
    ///
    /// They can't be used, and nothing has changed; for people.
    pub fn replace(&self, settings: &ServerSettings<'_>) -> Result<(), String> {
        let next = InForce::new(settings, Some(&self.0.load_full()))?;
        self.0.store(Arc::new(next));
        Ok(())
    }

    /// The handshake on a new connection, and the certificates that it was made with.
    pub async fn accept(&self, socket: Socket) -> std::io::Result<(TlsStream<Socket>, Arc<Resolver>)> {
        let (handshake, resolver) = {
            let in_force = self.0.load();
            (in_force.tls.accept(socket), Arc::clone(&in_force.resolver))
        };
        Ok((handshake.await?, resolver))
    }

    /// The certificates in force.
    pub fn certificates(&self) -> Arc<Resolver> {
        Arc::clone(&self.0.load().resolver)
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("certificates", &self.certificates().shown().count()).finish()
    }
}

impl InForce {
    fn new(settings: &ServerSettings<'_>, before: Option<&Self>) -> Result<Self, String> {
        let provider = Arc::new(provider(settings));
        let resolver = Arc::new(Resolver::new(settings.certificates));
        let versions: &[_] = match settings.tls12 {
            true => &[&rustls::version::TLS13, &rustls::version::TLS12],
            false => &[&rustls::version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|e| e.to_string())?;
        let builder = match settings.client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider);
                let verifier = if settings.client_required { verifier } else { verifier.allow_unauthenticated() };
                builder.with_client_cert_verifier(verifier.build().map_err(|e| e.to_string())?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&resolver) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = settings.alpn.to_vec();
        config.ignore_client_order = true;
        // with tickets, rustls neither accepts nor announces early data: this only limits how much of it is skipped
        config.max_early_data_size = SKIPPED_EARLY_DATA;
        let clients = clients(settings);
        // tickets instead of a session cache: nothing to share or lock between workers
        config.ticketer = ticketer(settings, &clients, before)?;
        // each resumed connection brings the next ticket, so one is enough to go on; a second costs a key derivation, an
        // encryption and its bytes on every connection
        config.send_tls13_tickets = 1;
        let key_log = key_log(settings, before)?;
        if let Some(log) = &key_log {
            config.key_log = Arc::clone(log) as Arc<dyn KeyLog>;
        }
        let shares_tickets = settings.ticket_keys.is_some();
        Ok(Self { tls: Arc::new(config).into(), resolver, clients, shares_tickets, key_log })
    }
}

/// What makes session tickets. Who resumes a session is not verified again, so tickets are good only while the same clients are let in.
fn ticketer(
    settings: &ServerSettings<'_>,
    clients: &[u8; 32],
    before: Option<&InForce>,
) -> Result<Arc<dyn ProducesTickets>, String> {
    if let Some(keys) = settings.ticket_keys {
        return Ok(Arc::new(SharedTickets::new(keys, clients)?));
    }
    match before {
        Some(before) if before.clients == *clients && !before.shares_tickets => {
            Ok(Arc::clone(&before.tls.config().ticketer))
        }
        _ => provided::Ticketer::new().map_err(|e| e.to_string()),
    }
}

/// A hash of which clients are let in, the same at every instance.
fn clients(settings: &ServerSettings<'_>) -> [u8; 32] {
    let mut digest = Context::new(&SHA256);
    digest.update(&[u8::from(settings.client_ca.is_some()), u8::from(settings.client_required)]);
    for authority in settings.client_ca.unwrap_or_default() {
        digest.update(&authority.len().to_be_bytes());
        digest.update(authority);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.finish().as_ref());
    hash
}

/// The suites and groups that are spoken, in the order of our preference.
fn provider(settings: &ServerSettings<'_>) -> CryptoProvider {
    let mut provider = provided::default_provider();
    // stable: the rest of rustls's order stays
    provider.cipher_suites.sort_by_key(|suite| !PREFERRED_SUITES.contains(&suite.suite()));
    if !settings.ciphers.is_empty() {
        let place = |suite: &SupportedCipherSuite| settings.ciphers.iter().position(|one| *one == suite.suite());
        provider.cipher_suites.retain(|suite| place(suite).is_some());
        provider.cipher_suites.sort_by_key(place);
    }
    if !settings.groups.is_empty() {
        let place = |group: &&dyn SupportedKxGroup| settings.groups.iter().position(|one| *one == group.name());
        provider.kx_groups.retain(|group| place(group).is_some());
        provider.kx_groups.sort_by_key(place);
    }
    provider
}

/// Where secrets are written, where they are.
fn key_log(settings: &ServerSettings<'_>, before: Option<&InForce>) -> Result<Option<Arc<KeyLogFile>>, String> {
    let Some(path) = settings.key_log else { return Ok(None) };
    let known = before.and_then(|before| before.key_log.as_ref()).filter(|known| known.path == path);
    let opened = || KeyLogFile::open(path).map_err(|error| format!("key_log `{}`: {error}", path.display()));
    known.map_or_else(|| opened().map(Arc::new), |known| Ok(Arc::clone(known))).map(Some)
}

/// A store of trust anchors.
pub(super) fn roots(ca: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in ca {
        roots.add(certificate.clone()).map_err(|e| e.to_string())?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use rcgen::{CertificateParams, KeyPair};
    use rustls::client::Resumption;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::server::ServerSessionMemoryCache;
    use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConnection};

    use super::*;
    use crate::certificate::files::PairFiles;

    /// A self-signed certificate for `localhost`.
    fn identity() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    fn client(certificate: &CertificateDer<'static>) -> Arc<ClientConfig> {
        let provider = Arc::new(provided::default_provider());
        let roots = roots(std::slice::from_ref(certificate)).unwrap();
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(4);
        config.enable_early_data = true;
        Arc::new(config)
    }

    /// A server of the same name that takes this much early data.
    fn other_server(
        certificate: &CertificateDer<'static>,
        key: &PrivateKeyDer<'static>,
        early: u32,
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(provided::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config =
            builder.with_no_client_auth().with_single_cert(vec![certificate.clone()], key.clone_key()).unwrap();
        config.max_early_data_size = early;
        config.session_storage = ServerSessionMemoryCache::new(4);
        Arc::new(config)
    }

    fn acceptor(certificate: &CertificateDer<'static>, key: &PrivateKeyDer<'static>, tls12: bool) -> Acceptor {
        let certificates = [parsed(certificate, key)];
        Acceptor::new(&settings(&certificates, tls12), None).unwrap()
    }

    fn parsed(certificate: &CertificateDer<'static>, key: &PrivateKeyDer<'static>) -> Arc<Certificate> {
        let files = PairFiles { cert: "a.pem".into(), key: "a.key".into(), ocsp: None };
        Arc::new(Certificate::new(vec![certificate.clone()], key.clone_key(), files).unwrap())
    }

    fn settings(certificates: &[Arc<Certificate>], tls12: bool) -> ServerSettings<'_> {
        ServerSettings {
            certificates,
            alpn: &[],
            tls12,
            client_ca: None,
            client_required: false,
            ciphers: &[],
            groups: &[],
            ticket_keys: None,
            key_log: None,
        }
    }

    fn server_config(acceptor: &Acceptor) -> Arc<ServerConfig> {
        Arc::clone(acceptor.0.load().tls.config())
    }

    /// Passes what one side has written to the other, until neither has anything left to say; `None` = one has refused it.
    fn talk(client: &mut ClientConnection, server: &mut ServerConnection) -> Option<()> {
        while client.wants_write() || server.wants_write() {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).unwrap();
            }
            let mut bytes = &bytes[..];
            while !bytes.is_empty() {
                server.read_tls(&mut (&mut bytes).take(256)).unwrap();
                server.process_new_packets().ok()?;
            }
            let mut bytes = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            let mut bytes = &bytes[..];
            while !bytes.is_empty() {
                client.read_tls(&mut bytes).unwrap();
                client.process_new_packets().ok()?;
            }
        }
        Some(())
    }

    #[test]
    fn early_data_with_a_ticket_of_another_server_is_skipped() {
        let (certificate, key) = identity();
        let ours = acceptor(&certificate, &key, true);
        for early in [100, 8 * 1024, 16 * 1024] {
            let config = client(&certificate);
            let connect = || ClientConnection::new(Arc::clone(&config), "localhost".try_into().unwrap()).unwrap();
            let mut server = ServerConnection::new(other_server(&certificate, &key, early)).unwrap();
            talk(&mut connect(), &mut server).unwrap();

            let mut client = connect();
            let sent = client.early_data().expect("its ticket allows it").write(&vec![b'x'; early as usize]).unwrap();
            assert_eq!(sent, early as usize);
            let mut server = ServerConnection::new(server_config(&ours)).unwrap();
            talk(&mut client, &mut server).unwrap_or_else(|| panic!("{early} bytes are too many"));
            assert!(!client.is_early_data_accepted());
            client.writer().write_all(b"said again").unwrap();
            talk(&mut client, &mut server).unwrap();
            let mut said = [0; 100];
            let length = server.reader().read(&mut said).unwrap();
            assert_eq!(&said[..length], b"said again", "nothing of the early data is taken");
        }
    }

    #[test]
    fn no_ticket_of_ours_allows_early_data() {
        let (certificate, key) = identity();
        let ours = acceptor(&certificate, &key, false);
        let config = client(&certificate);
        for _ in 0..2 {
            let mut client = ClientConnection::new(Arc::clone(&config), "localhost".try_into().unwrap()).unwrap();
            assert!(client.early_data().is_none());
            talk(&mut client, &mut ServerConnection::new(server_config(&ours)).unwrap()).unwrap();
        }
    }

    #[test]
    fn a_session_outlives_the_certificate_but_not_a_change_of_who_is_let_in() {
        let ((first, first_key), (second, second_key)) = (identity(), identity());
        let ours = acceptor(&first, &first_key, false);
        let config = client(&first);
        let resumes = || {
            let mut client = ClientConnection::new(Arc::clone(&config), "localhost".try_into().unwrap()).unwrap();
            talk(&mut client, &mut ServerConnection::new(server_config(&ours)).unwrap())?;
            Some(client.handshake_kind() == Some(HandshakeKind::Resumed))
        };
        assert_eq!([resumes(), resumes()], [Some(false), Some(true)]);
        let certificates = [parsed(&second, &second_key)];
        ours.replace(&settings(&certificates, false)).unwrap();
        assert_eq!(ours.certificates().shown().next().unwrap().certificate, Some(&second));
        assert_eq!(resumes(), Some(true));
        // the client would not trust the second one: that it is refused says that nothing was resumed
        let authorities = [first.clone()];
        let asking = ServerSettings { client_ca: Some(&authorities), ..settings(&certificates, false) };
        ours.replace(&asking).unwrap();
        assert_eq!(resumes(), None);
    }
}
