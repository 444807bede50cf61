//! Backends from DNS: the A and AAAA records of a name, or what SRV records point to.
//!
//! SRV (RFC 2782): targets of the lowest priority number are the backends, those of all others are backups; weight 0, which means "no
//! choice to be made here", becomes 1. A target of `.` says that the service is not available there, and counts as a failure.
//!
//! A name that certainly has no address of a kind differs from a look-up that failed: a name with A records only is whole. When
//! the look-up of one kind fails and the last answer had addresses of that kind, the whole answer fails, so that a server that
//! has trouble with AAAA does not take half of the fleet away.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Answer, Backend, sorted};
use crate::endpoint::Target;
use crate::stamp::Stamp;

/// The time that all look-ups of one answer may take together.
const PATIENCE: Duration = Duration::from_secs(15);
/// Targets that are looked up at once: two look-ups each, and the resolver takes 32 on a connection.
const AT_ONCE: usize = 16;
/// The most targets of SRV records: each costs two look-ups.
const MOST_TARGETS: usize = 1_000;

/// The files that hickory reads.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// What name servers are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// The addresses of a name; all backends are on this port.
    Host {
        /// The name.
        name: String,
        /// The port.
        port: u16,
    },
    /// SRV records of this name, such as `_http._tcp.api.example.com`.
    Srv(String),
}

/// Asks name servers.
#[derive(Clone)]
pub struct Dns {
    resolver: Result<TokioResolver, String>,
    /// The system's files as they were when the resolver was made of them; `None` = it was told whom to ask.
    files: Option<Files>,
}

/// The files that say whom to ask, and what need not be asked; `None` for one that is not there.
type Files = [Option<Stamp>; 2];

/// Which address families the last good answer had.
#[derive(Clone, Copy)]
struct LastFamilies {
    kinds: [bool; 2],
}

/// The addresses of a name.
struct Addresses {
    ips: Vec<IpAddr>,
    ttl: Option<Duration>,
}

impl Dns {
    /// As the system is configured: `/etc/resolv.conf` and `/etc/hosts`, which are read again when they have changed. When they can't be
    /// read each answer says so.
    pub fn system() -> Self {
        // the stamps are taken before the files are read: a change in between is read twice rather than not at all
        let files = files();
        let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
            // an answer that is asked for is wanted fresh; when to ask again is not the resolver's to decide
            builder.options_mut().cache_size = 0;
            builder.build()
        });
        Self { resolver: resolver.map_err(|error| format!("DNS can't be asked: {error}")), files: Some(files) }
    }

    /// Makes the resolver anew when the system's files have changed: a network that comes up, or a VPN, writes other servers into them.
    fn reread_changed_files(&mut self) {
        if self.files.as_ref().is_some_and(|seen| *seen != files()) {
            *self = Self::system();
            tracing::info!("{} or {} has changed: read again", FILES[0], FILES[1]);
        }
    }

    /// Asks these servers, over UDP, and over TCP what does not fit.
    pub fn servers(servers: &[SocketAddr], wait: Duration) -> Self {
        let servers = servers.iter().map(|server| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, connections.into())
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = wait;
        options.attempts = 1;
        let resolver = builder.build().map_err(|error| format!("DNS can't be asked: {error}"));
        Self { resolver, files: None }
    }

    /// Asks once. `last`: the last good answer.
    ///
    /// # Errors
    ///
    /// Why there is no answer, for people.
    pub async fn ask(&mut self, query: &Query, last: &[Backend]) -> Result<Answer, String> {
        self.reread_changed_files();
        let resolver = self.resolver.as_ref().map_err(Clone::clone)?;
        let is = |backend: &Backend, v6: bool| matches!(backend.target, Target::Tcp(at) if at.is_ipv6() == v6);
        let last = LastFamilies { kinds: [false, true].map(|v6| last.iter().any(|backend| is(backend, v6))) };
        let asking = async {
            match query {
                Query::Host { name, port } => hosts(resolver, name, *port, last).await,
                Query::Srv(name) => services(resolver, name, last).await,
            }
        };
        let answered = timeout(PATIENCE, asking).await;
        answered.unwrap_or_else(|_| Err("no answer in time".to_owned())).map_err(|error| format!("{query}: {error}"))
    }
}

fn files() -> Files {
    FILES.map(|file| Stamp::of(Path::new(file)))
}

async fn hosts(resolver: &TokioResolver, name: &str, port: u16, last: LastFamilies) -> Result<Answer, String> {
    let Addresses { ips, ttl } = addresses(resolver, name, last).await?;
    if ips.is_empty() {
        return Err("it has no address".to_owned());
    }
    let backends = ips.into_iter().map(|ip| backend(SocketAddr::new(ip, port), name, 1, false)).collect();
    Ok(Answer { backends: sorted(backends)?, ttl, ..Answer::default() })
}

async fn services(resolver: &TokioResolver, name: &str, last: LastFamilies) -> Result<Answer, String> {
    let lookup = resolver.lookup(name, RecordType::SRV).await.map_err(|error| error.to_string())?;
    let mut ttl = shortest(&lookup);
    let services = lookup.answers().iter().filter_map(|record| srv(&record.data));
    let services: Vec<&SRV> = services.filter(|srv| !srv.target.is_root() && srv.port != 0).collect();
    if services.len() > MOST_TARGETS {
        return Err(format!("it has {} targets, more than {MOST_TARGETS}", services.len()));
    }
    let first = services.iter().map(|srv| srv.priority).min();
    let mut backends = Vec::new();
    for some in services.chunks(AT_ONCE) {
        for (srv, Addresses { ips, ttl: its }) in targets(resolver, some, last).await? {
            ttl = ttl.into_iter().chain(its).min();
            let (host, weight) = (srv.target.to_utf8(), u32::from(srv.weight).max(1));
            let found = ips.into_iter().map(|ip| SocketAddr::new(ip, srv.port));
            backends.extend(found.map(|at| backend(at, &host, weight, Some(srv.priority) != first)));
        }
    }
    if backends.is_empty() {
        return Err("none of its targets has an address".to_owned());
    }
    // an address that is there twice is what its better record says
    backends.sort_by_key(|backend| (backend.backup, std::cmp::Reverse(backend.weight)));
    Ok(Answer { backends: sorted(backends)?, ttl, ..Answer::default() })
}

/// The addresses of these records' targets, all looked up at once.
async fn targets(
    resolver: &TokioResolver,
    services: &[&SRV],
    last: LastFamilies,
) -> Result<Vec<(SRV, Addresses)>, String> {
    let mut asked = JoinSet::new();
    for srv in services {
        let (resolver, srv) = (resolver.clone(), (*srv).clone());
        asked.spawn(async move {
            // the full stop at the target's end keeps search domains out of it
            let addresses = addresses(&resolver, &srv.target.to_utf8(), last).await;
            addresses.map(|addresses| (srv, addresses))
        });
    }
    let mut all = Vec::with_capacity(services.len());
    while let Some(answered) = asked.join_next().await {
        all.push(answered.map_err(|error| error.to_string())??);
    }
    Ok(all)
}

/// The addresses of both kinds; empty when the name has none.
async fn addresses(resolver: &TokioResolver, name: &str, last: LastFamilies) -> Result<Addresses, String> {
    let (a, aaaa) = tokio::join!(resolver.lookup(name, RecordType::A), resolver.lookup(name, RecordType::AAAA));
    let mut found = Addresses { ips: Vec::new(), ttl: None };
    let mut failed = None;
    for (lookup, is_v6) in [(a, false), (aaaa, true)] {
        match lookup {
            Ok(lookup) => {
                found.ttl = found.ttl.into_iter().chain(shortest(&lookup)).min();
                found.ips.extend(lookup.answers().iter().filter_map(|record| ip(&record.data)));
            }
            Err(error) if is_certain(&error) => {}
            Err(error) => {
                if last.kinds[usize::from(is_v6)] {
                    return Err(error.to_string());
                }
                failed = Some(error);
            }
        }
    }
    match failed {
        Some(error) if found.ips.is_empty() => Err(error.to_string()),
        _ => Ok(found),
    }
}

/// Whether the server says that there is no such record, as against that it can't tell.
fn is_certain(error: &NetError) -> bool {
    error.is_no_records_found() || error.is_nx_domain()
}

/// The shortest TTL in an answer, which may have aliases (CNAME) in it.
fn shortest(lookup: &Lookup) -> Option<Duration> {
    lookup.answers().iter().map(|record| Duration::from_secs(u64::from(record.ttl))).min()
}

fn ip(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    }
}

fn srv(data: &RData) -> Option<&SRV> {
    match data {
        RData::SRV(srv) => Some(srv),
        _ => None,
    }
}

fn backend(address: SocketAddr, host: &str, weight: u32, backup: bool) -> Backend {
    Backend {
        id: address.to_string(),
        name: address.to_string(),
        target: Target::Tcp(address),
        further: Vec::new(),
        are_paths: false,
        unresolved: None,
        host: host.trim_end_matches('.').to_ascii_lowercase(),
        weight,
        zone: String::new(),
        max_connections: 0,
        backup,
        drain: false,
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { name, port } => write!(f, "{name}:{port}"),
            Self::Srv(name) => write!(f, "SRV {name}"),
        }
    }
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dns")
    }
}

#[cfg(test)]
mod tests;
