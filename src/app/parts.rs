//! Live parts, each made from its section of the configuration.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::ClientConfig;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

use crate::admin;
use crate::config::model::{self, Address, ClientAuth};
use crate::endpoint::Target;
use crate::listener::{self, Plan};
use crate::metrics::Registry;
use crate::policy::UpstreamProtocol;
use crate::record::access::{Destination, Format, Log};
use crate::tls::connector::{ClientSettings, client_config};
use crate::tls::{Acceptor, ServerSettings};

/// TLS towards the backends of a service.
pub(super) fn backend_tls(tls: &model::ClientTls, protocol: UpstreamProtocol) -> Result<Arc<ClientConfig>, String> {
    let alpn: &[&[u8]] = match protocol {
        UpstreamProtocol::Http1 => &[b"http/1.1"],
        UpstreamProtocol::Http2 => &[b"h2"],
        UpstreamProtocol::Auto => &[b"h2", b"http/1.1"],
    };
    client_config(&ClientSettings {
        ca: tls.ca.as_deref(),
        verify: tls.verify,
        client: tls.client.as_ref().map(|own| (&own.chain[..], &own.key)),
        alpn,
    })
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
    let key = affinity_key(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    needy.into_iter().for_each(|affinity| affinity.secret = Some(key.clone()));
    Ok(())
}

fn affinity_key(file: &Path) -> io::Result<Vec<u8>> {
    match std::fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no random bytes to be had"))?;
    // whole or not at all, and readable by nobody else
    let draft = file.with_extension("new");
    let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    new.write_all(&key)?;
    new.sync_all()?;
    std::fs::rename(&draft, file)?;
    Ok(key.to_vec())
}

/// TLS towards clients.
fn client_tls(tls: &model::ServerTls) -> Result<Acceptor, String> {
    let (client_ca, client_required) = match &tls.client_auth {
        ClientAuth::Off => (None, false),
        ClientAuth::Optional(ca) => (Some(&ca[..]), false),
        ClientAuth::Required(ca) => (Some(&ca[..]), true),
    };
    Acceptor::new(&ServerSettings {
        certificates: tls.certificates.iter().map(|c| (&c.chain[..], &c.key, &c.names[..])).collect(),
        alpn: &tls.alpn,
        tls12: tls.tls12,
        client_ca,
        client_required,
    })
}

/// The admin address, bound: its socket, its TLS, and the address with the port that the kernel chose.
pub(super) fn admin(admin: &model::Admin) -> Result<(TcpListener, Option<Acceptor>, SocketAddr), String> {
    let tls = admin.tls.as_ref().map(client_tls).transpose().map_err(|error| format!("admin: TLS: {error}"))?;
    let bound = std::net::TcpListener::bind(admin.bind).and_then(|socket| {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok((TcpListener::from_std(socket)?, address))
    });
    let (socket, address) = bound.map_err(|error| format!("admin: {}: {}", admin.bind, reason(&error)))?;
    tracing::info!(%address, tls = tls.is_some(), token = admin.token.is_some(), "admin listening");
    Ok((socket, tls, address))
}

/// The listeners as the admin address shows them.
pub(super) fn shown(config: &model::Config, plans: &[Plan]) -> Vec<admin::Listener> {
    let listeners = config.listeners.iter().zip(plans).map(|(listener, plan)| admin::Listener {
        name: listener.name.clone(),
        address: plan.bound.describe(),
        tls: plan.tls.is_some(),
        metrics: Arc::clone(&plan.metrics),
    });
    listeners.collect()
}

/// Every listener, bound; in the order of the configuration.
pub(super) fn plans(config: &model::Config, registry: &Registry) -> Result<Vec<Plan>, String> {
    let mut plans = Vec::with_capacity(config.listeners.len());
    for listener in &config.listeners {
        let about = |what: &dyn std::fmt::Display| format!("listener `{}`: {what}", listener.name);
        let tls = listener.tls.as_ref().map(client_tls).transpose().map_err(|error| about(&format!("TLS: {error}")))?;
        let (target, address) = match &listener.bind {
            Address::Tcp(address) => (Target::Tcp(*address), address.to_string()),
            Address::Unix(path) => (Target::Unix(path.clone()), format!("unix:{}", path.display())),
        };
        let bound = free(&target)
            .and_then(|()| listener::bind(&target, config.server.workers))
            .map_err(|error| about(&format!("{address}: {}", reason(&error))))?;
        tracing::info!(listener = listener.name, address = bound.describe(), tls = tls.is_some(), "listening");
        plans.push(Plan {
            bound,
            tls,
            metrics: registry.listener(&listener.name),
            max_connections: listener.max_connections,
        });
    }
    Ok(plans)
}

/// Fails when somebody listens on the address. With `SO_REUSEPORT`, which the listeners have, the kernel would let a second
/// process of ours in and deal the connections out between the two.
fn free(target: &Target) -> io::Result<()> {
    let Target::Tcp(address) = target else { return Ok(()) };
    let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::into(*address))
}

/// What the kernel said, in the words of its manual and without its number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "no such address on this machine".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)".to_owned(),
        _ => error.to_string(),
    }
}

/// The access log with its writer's thread, when there is to be one.
pub(super) fn access_log(log: &model::Log) -> Result<Option<(Log, JoinHandle<()>)>, String> {
    let destination = match &log.access {
        model::AccessLog::Off => return Ok(None),
        model::AccessLog::Stdout => Destination::Stdout,
        model::AccessLog::File(path) => Destination::File(path.clone()),
    };
    let format = match log.access_format {
        model::AccessFormat::Json => Format::Json,
        model::AccessFormat::Combined => Format::Combined,
    };
    let started = Log::start(destination.clone(), format);
    started.map(Some).map_err(|error| format!("the access log ({destination:?}) can't be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_listened_on_with_reuseport_is_not_free() {
        let any = Target::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        let bound = listener::bind(&any, 1).unwrap();
        let taken = Target::Tcp(bound.describe().parse().unwrap());
        // the kernel alone would let us in
        drop(listener::bind(&taken, 1).unwrap());
        let refused = free(&taken).unwrap_err();
        assert_eq!(reason(&refused), "address already in use");
        free(&any).unwrap();
    }

    #[test]
    fn backends_are_offered_what_their_service_speaks() {
        let tls = model::ClientTls { server_name: None, ca: None, verify: false, client: None };
        let alpn = |protocol| backend_tls(&tls, protocol).unwrap().alpn_protocols.clone();
        assert_eq!(alpn(UpstreamProtocol::Http1), [b"http/1.1".to_vec()]);
        assert_eq!(alpn(UpstreamProtocol::Http2), [b"h2".to_vec()]);
        assert_eq!(alpn(UpstreamProtocol::Auto), [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }
}
