//! TLS towards clients: the handshake, and the choice of a certificate by SNI.

use std::fmt;
use std::sync::Arc;

use ahash::AHashMap;
use rustls::crypto::aws_lc_rs::{self, ALL_CIPHER_SUITES};
use rustls::pki_types::{CertificateDer, IpAddr, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, RootCertStore, ServerConfig, SignatureAlgorithm};
use tokio_rustls::server::TlsStream;
use webpki::EndEntityCert;

use super::names;
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
    /// Chain, key and names of each certificate; the first is for clients that ask for none of the names.
    pub certificates: Vec<(&'a [CertificateDer<'static>], &'a PrivateKeyDer<'static>, &'a [String])>,
    /// The protocols that are offered (ALPN), the preferred one first.
    pub alpn: &'a [Vec<u8>],
    /// Whether TLS 1.2 is spoken too.
    pub tls12: bool,
    /// The authorities that sign clients' certificates; `None` = clients are not asked for any.
    pub client_ca: Option<&'a [CertificateDer<'static>]>,
    /// Whether clients without a certificate are refused.
    pub client_required: bool,
}

/// Accepts TLS connections.
#[derive(Clone)]
pub struct Acceptor {
    inner: tokio_rustls::TlsAcceptor,
    certificates: Arc<Certificates>,
}

/// A certificate that is shown to clients.
#[derive(Debug)]
pub struct ShownCertificate<'a> {
    /// It, without the rest of its chain.
    pub certificate: Option<&'a CertificateDer<'static>>,
    /// Its names.
    pub names: &'a [String],
    /// Whether it is shown to clients that ask for none of the names.
    pub is_default: bool,
}

#[derive(Debug)]
struct Certificates {
    all: Vec<ServerCertificate>,
    /// Indices into `all` by name; those of one name are in the order of [`ServerCertificate::rank`].
    exact: AHashMap<String, Vec<usize>>,
    /// Indices by the name behind `*.` of a wildcard.
    wildcard: AHashMap<String, Vec<usize>>,
    /// For clients that ask for none of the names: the first in the file, and those of the same name with another kind of key.
    default: Vec<usize>,
}

#[derive(Debug)]
struct ServerCertificate {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
}

impl Acceptor {
    /// Builds it; the error is for people.
    pub fn new(settings: &ServerSettings<'_>) -> Result<Self, String> {
        let mut provider = aws_lc_rs::default_provider();
        // stable: the rest of rustls's order stays
        provider.cipher_suites.sort_by_key(|suite| !PREFERRED_SUITES.contains(&suite.suite()));
        let provider = Arc::new(provider);
        let certificates = Arc::new(Certificates::new(settings, &provider)?);
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
        let mut config = builder.with_cert_resolver(Arc::clone(&certificates) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = settings.alpn.to_vec();
        config.ignore_client_order = true;
        // with tickets, rustls neither accepts nor announces early data: this only limits how much of it is skipped
        config.max_early_data_size = SKIPPED_EARLY_DATA;
        // tickets instead of a session cache: nothing to share or lock between workers
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(|e| e.to_string())?;
        // each resumed connection brings the next ticket, so one is enough to go on; a second costs a key derivation, an
        // encryption and its bytes on every connection
        config.send_tls13_tickets = 1;
        Ok(Self { inner: Arc::new(config).into(), certificates })
    }

    /// The handshake on a new connection.
    pub async fn accept(&self, socket: Socket) -> std::io::Result<TlsStream<Socket>> {
        self.inner.accept(socket).await
    }

    /// The certificates, in the order of the configuration.
    pub fn shown(&self) -> impl Iterator<Item = ShownCertificate<'_>> {
        let Certificates { all, default, .. } = &*self.certificates;
        all.iter().enumerate().map(|(at, one)| ShownCertificate {
            certificate: one.key.cert.first(),
            names: &one.names,
            is_default: default.contains(&at),
        })
    }

    /// Whether the certificate that is shown to clients who ask for `sni` is for `host`; where there are several for that name, whichever of
    /// them is shown. The dot that ends a fully qualified name is in no certificate, and clients leave it out of SNI (RFC 6066, section 3).
    pub fn same_certificate(&self, sni: &str, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let Some(shown) = self.certificates.find(sni) else {
            return self.certificates.of(&self.certificates.default, host);
        };
        sni.eq_ignore_ascii_case(host) || self.certificates.of(shown, host)
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("certificates", &self.certificates.all.len()).finish()
    }
}

impl Certificates {
    fn new(settings: &ServerSettings<'_>, provider: &rustls::crypto::CryptoProvider) -> Result<Self, String> {
        let mut all = Vec::new();
        let (mut exact, mut wildcard) = (AHashMap::<_, Vec<usize>>::new(), AHashMap::<_, Vec<usize>>::new());
        for (at, (chain, key, names)) in settings.certificates.iter().enumerate() {
            let key = CertifiedKey::from_der(chain.to_vec(), key.clone_key(), provider).map_err(|e| e.to_string())?;
            for name in *names {
                let of_name = match name.strip_prefix("*.") {
                    Some(parent) => wildcard.entry(parent.to_owned()).or_default(),
                    None => exact.entry(name.clone()).or_default(),
                };
                of_name.push(at);
            }
            all.push(ServerCertificate { key: Arc::new(key), names: names.to_vec() });
        }
        // stable: of one kind, the first one in the file wins
        exact.values_mut().chain(wildcard.values_mut()).for_each(|of_name| of_name.sort_by_key(|at| all[*at].rank()));
        let first = settings.certificates.first().and_then(|(_, _, names)| names.first());
        let of_first = first.and_then(|name| match name.strip_prefix("*.") {
            Some(parent) => wildcard.get(parent),
            None => exact.get(name),
        });
        let default = of_first.cloned().unwrap_or(vec![0]);
        Ok(Self { all, exact, wildcard, default })
    }

    /// The certificates for a name that a client asks for, if there are any.
    fn find(&self, sni: &str) -> Option<&Vec<usize>> {
        let lower = sni.to_ascii_lowercase();
        self.exact.get(&lower).or_else(|| self.wildcard.get(lower.split_once('.')?.1))
    }

    /// Whether each of these is for `host`.
    fn of(&self, shown: &[usize], host: &str) -> bool {
        let covers =
            |one: &ServerCertificate| one.names.iter().any(|name| names::covers(name, host)) || one.has_address(host);
        shown.iter().filter_map(|at| self.all.get(*at)).all(covers)
    }
}

impl ServerCertificate {
    /// Which of several for one name comes first: signing with RSA takes ten times as long as with a curve.
    fn rank(&self) -> bool {
        self.key.key.algorithm() == SignatureAlgorithm::RSA
    }

    /// Whether the client can verify what this key signs. In TLS 1.2 the suites say that as well: in each of them one kind of key signs.
    fn suits(&self, hello: &ClientHello<'_>) -> bool {
        let algorithm = self.key.key.algorithm();
        let signs = |suite: &CipherSuite| {
            ALL_CIPHER_SUITES
                .iter()
                .any(|known| known.suite() == *suite && known.usable_for_signature_algorithm(algorithm))
        };
        self.key.key.choose_scheme(hello.signature_schemes()).is_some() && hello.cipher_suites().iter().any(signs)
    }

    /// Whether the certificate is for this IP address (RFC 9525, section 6.5), which is in brackets if it is one of IPv6. It is looked
    /// for in the certificate each time: clients that name a server in TLS hardly ever ask it for an address.
    fn has_address(&self, host: &str) -> bool {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let Ok(address) = IpAddr::try_from(host) else { return false };
        let certificate = self.key.cert.first().and_then(|der| EndEntityCert::try_from(der).ok());
        certificate.is_some_and(|cert| cert.verify_is_valid_for_subject_name(&ServerName::IpAddress(address)).is_ok())
    }
}

impl ResolvesServerCert for Certificates {
    /// Of the certificates for the name, the first whose key can sign what the client verifies. Where none can, rustls tells the client so.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|sni| self.find(sni)).unwrap_or(&self.default);
        let mut candidates = named.iter().filter_map(|at| self.all.get(*at));
        let fitting = candidates.clone().find(|one| one.suits(&hello));
        fitting.or(candidates.next()).map(|one| Arc::clone(&one.key))
    }
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
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::server::ServerSessionMemoryCache;
    use rustls::{ClientConfig, ClientConnection, ServerConnection};

    use super::*;

    /// A self-signed certificate for `localhost`.
    fn identity() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    fn client(certificate: &CertificateDer<'static>) -> Arc<ClientConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
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
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config =
            builder.with_no_client_auth().with_single_cert(vec![certificate.clone()], key.clone_key()).unwrap();
        config.max_early_data_size = early;
        config.session_storage = ServerSessionMemoryCache::new(4);
        Arc::new(config)
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
        let chain = [certificate.clone()];
        let names = ["localhost".to_owned()];
        let settings = ServerSettings {
            certificates: vec![(&chain[..], &key, &names[..])],
            alpn: &[],
            tls12: true,
            client_ca: None,
            client_required: false,
        };
        let ours = Acceptor::new(&settings).unwrap();
        for early in [100, 8 * 1024, 16 * 1024] {
            let config = client(&certificate);
            let connect = || ClientConnection::new(Arc::clone(&config), "localhost".try_into().unwrap()).unwrap();
            let mut server = ServerConnection::new(other_server(&certificate, &key, early)).unwrap();
            talk(&mut connect(), &mut server).unwrap();

            let mut client = connect();
            let sent = client.early_data().expect("its ticket allows it").write(&vec![b'x'; early as usize]).unwrap();
            assert_eq!(sent, early as usize);
            let mut server = ServerConnection::new(Arc::clone(ours.inner.config())).unwrap();
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
        let (chain, names) = ([certificate.clone()], ["localhost".to_owned()]);
        let settings = ServerSettings {
            certificates: vec![(&chain[..], &key, &names[..])],
            alpn: &[],
            tls12: false,
            client_ca: None,
            client_required: false,
        };
        let ours = Acceptor::new(&settings).unwrap();
        let config = client(&certificate);
        for _ in 0..2 {
            let mut client = ClientConnection::new(Arc::clone(&config), "localhost".try_into().unwrap()).unwrap();
            assert!(client.early_data().is_none());
            talk(&mut client, &mut ServerConnection::new(Arc::clone(ours.inner.config())).unwrap()).unwrap();
        }
    }
}
