//! Live parts, each made from its section of the configuration.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ClientConfig;

use super::background;
use super::inherit::Inherited;
use crate::affinity::seal::Secret;
use crate::config::model::{self, Authorities, ClientAuth};
use crate::endpoint::Target;
use crate::etcd;
use crate::lead;
use crate::policy::UpstreamProtocol;
use crate::policy::access_log::AccessDestination;
use crate::record::access::Log;
use crate::share::Place;
use crate::tls::connector::{ClientSettings, Trust, client_config};
use crate::tls::{Acceptor, ServerSettings};
use crate::webhook::instance;

/// TLS towards the backends of a service.
pub(super) fn backend_tls(tls: &model::ClientTls, protocol: UpstreamProtocol) -> Result<Arc<ClientConfig>, String> {
    let alpn: &[&[u8]] = match protocol {
        UpstreamProtocol::Http1 => &[b"http/1.1"],
        UpstreamProtocol::Http2 => &[b"h2"],
        UpstreamProtocol::Auto => &[b"h2", b"http/1.1"],
    };
    client_config(&ClientSettings {
        trust: match &tls.ca {
            Authorities::File(ca) => Trust::These(ca),
            Authorities::System(system) => Trust::System(&system.certificates, system.error.as_deref()),
        },
        verify: tls.verify,
        client: tls.client.as_ref().map(|own| (own.chain(), &own.key)),
        alpn,
    })
}

/// A client of etcd, whose calls may take so long.
pub(super) fn etcd(etcd: &model::Etcd, timeout: Duration) -> Result<etcd::Settings, String> {
    let tls = etcd.ca.as_ref().map(|ca| {
        client_config(&ClientSettings {
            trust: match ca {
                Authorities::File(ca) => Trust::These(ca),
                Authorities::System(system) => Trust::System(&system.certificates, system.error.as_deref()),
            },
            verify: true,
            client: etcd.client.as_deref().map(|(chain, key)| (&chain[..], key)),
            alpn: &[b"h2"],
        })
    });
    let credentials = etcd.user.as_ref().map(|(user, password)| etcd::Credentials {
        user: user.clone(),
        password: String::from_utf8_lossy(password.bytes()).into_owned(),
    });
    let endpoints = etcd.endpoints.iter().map(|(host, port)| etcd::Endpoint { host: host.clone(), port: *port });
    Ok(etcd::Settings { endpoints: endpoints.collect(), tls: tls.transpose()?, credentials, timeout })
}

/// How this instance is elected.
pub(super) fn cluster(config: &model::Config) -> Result<lead::Prepared, String> {
    lead::Prepared::new(config.cluster.as_ref(), instance(), etcd)
}

/// Where what is said is shared; `None` = nowhere.
pub(super) fn share(config: &model::Config) -> Result<Option<Place>, String> {
    let Some(cluster) = config.cluster.as_ref().filter(|cluster| cluster.share) else { return Ok(None) };
    let Some(elect) = &cluster.elect else { return Ok(None) };
    Ok(Some(Place {
        etcd: etcd(&elect.etcd, elect.ttl).map_err(|error| format!("cluster.elect: {error}"))?,
        prefix: elect.prefix.clone(),
        ttl: elect.ttl,
        name: cluster.name.clone().unwrap_or_else(instance),
        zone: cluster.zone.clone(),
    }))
}

/// The file in `state_dir` that holds the key which signs cookies.
const AFFINITY_KEY: &str = "affinity.key";

/// Gives every service whose cookies are signed, and that names no key of its own, the one that is kept in `state_dir`. It is
/// made once, so that sessions outlive a restart.
pub(super) fn complete(config: &mut model::Config) -> Result<(), String> {
    let file = config.server.state_dir.join(AFFINITY_KEY);
    let needy = config.services.iter_mut().filter_map(|service| service.affinity.as_mut());
    let needy: Vec<_> = needy.filter(|affinity| affinity.policy.by.is_none() && affinity.secret.is_none()).collect();
    if needy.is_empty() {
        return Ok(());
    }
    let key = affinity_key(&file).map_err(|error| {
        let file = file.display();
        format!(
            "the key that signs affinity cookies can be neither read nor made: {file}: {error}; set server.state_dir to a folder \
             that can be written to, or secret_file in the service's affinity section"
        )
    })?;
    needy.into_iter().for_each(|affinity| affinity.secret = Some(key.clone()));
    Ok(())
}

fn affinity_key(file: &Path) -> io::Result<Vec<u8>> {
    match std::fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(key) if Secret::new(&key).is_err() => return Err(io::Error::other("it is too short to be a key")),
        read => return read,
    }
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no random bytes to be had"))?;
    // the file appears whole or not at all, and nobody else can read it
    file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    let draft = file.with_extension("new");
    let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    new.write_all(&key)?;
    new.sync_all()?;
    std::fs::rename(&draft, file)?;
    Ok(key.to_vec())
}

/// TLS towards clients.
pub(super) fn client_tls(tls: &model::ServerTls) -> ServerSettings<'_> {
    let (client_ca, client_required) = match &tls.client_auth {
        ClientAuth::Off => (None, false),
        ClientAuth::Optional(ca) => (Some(&ca[..]), false),
        ClientAuth::Required(ca) => (Some(&ca[..]), true),
    };
    ServerSettings {
        certificates: &tls.certificates,
        alpn: &tls.alpn,
        tls12: tls.tls12,
        client_ca,
        client_required,
        ciphers: &tls.ciphers,
        groups: &tls.groups,
        ticket_keys: tls.ticket_keys.as_deref(),
        key_log: tls.key_log.as_deref(),
    }
}

/// The admin address, bound.
#[derive(Debug)]
pub(super) struct AdminAddress {
    /// Its socket. The one that is served is a duplicate of this.
    pub socket: TcpListener,
    /// Its TLS.
    pub tls: Option<Acceptor>,
    /// The address, its port filled in.
    pub address: SocketAddr,
}

/// Binds the admin address, unless its socket was handed to us.
pub(super) fn admin(admin: &model::Admin, inherited: &mut Inherited) -> Result<AdminAddress, String> {
    let tls = admin
        .tls
        .as_ref()
        .map(|tls| Acceptor::new(&client_tls(tls), None))
        .transpose()
        .map_err(|error| format!("admin: TLS: {error}"))?;
    let socket = inherited.admin(&Target::Tcp(admin.bind)).map_or_else(|| TcpListener::bind(admin.bind), Ok);
    let bound = socket.and_then(|socket| {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok((socket, address))
    });
    let (socket, address) = bound.map_err(|error| format!("admin: {}: {}", admin.bind, reason(&error)))?;
    tracing::info!(%address, tls = tls.is_some(), tokens = admin.tokens.len(), "admin listening");
    Ok(AdminAddress { socket, tls, address })
}

/// An error of the kernel in the words of its manual, without its number.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "no such address on this machine".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)".to_owned(),
        _ => error.to_string(),
    }
}

/// The access log with its writer's thread, when there is to be one.
pub(super) fn access_log(log: &model::Log) -> Result<Option<(Log, JoinHandle<()>)>, String> {
    let Some(destination) = log.access.clone() else { return Ok(None) };
    let started = Log::start(destination.clone(), log.access_lines.exchange.is_json());
    started.map(Some).map_err(|error| unwritable(&destination, &error))
}

/// Where the access log goes from now on. One that stays where it is may have a destination that can't be opened any more: it is written on.
pub(super) async fn access_destination(
    now: &model::Log,
    next: &model::Log,
) -> Result<Option<AccessDestination>, String> {
    let Some(destination) = next.access.clone() else { return Ok(None) };
    if now.access.as_ref() == Some(&destination) {
        return Ok(Some(destination));
    }
    // a file on a network may take its time
    let probe = background::run(move || {
        Log::probe(&destination).map_err(|error| unwritable(&destination, &error)).map(|()| destination)
    });
    probe.await?.map(Some)
}

fn unwritable(destination: &AccessDestination, error: &io::Error) -> String {
    format!("the access log {destination} can't be written: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::keeper::Sources;

    #[test]
    fn backends_are_offered_what_their_service_speaks() {
        let tls = model::ClientTls {
            server_name: None,
            ca: Authorities::System(Arc::default()),
            verify: false,
            client: None,
            sources: Sources::default(),
        };
        let alpn = |protocol| backend_tls(&tls, protocol).unwrap().alpn_protocols.clone();
        assert_eq!(alpn(UpstreamProtocol::Http1), [b"http/1.1".to_vec()]);
        assert_eq!(alpn(UpstreamProtocol::Http2), [b"h2".to_vec()]);
        assert_eq!(alpn(UpstreamProtocol::Auto), [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }
}
