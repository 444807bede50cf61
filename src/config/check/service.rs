//! `[service.NAME]`: its backends, and TLS towards them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use rustls::pki_types::ServerName;

use super::network::written;
use super::{Checker, all, all_or_nothing};
use crate::certificate::files::Source;
use crate::certificate::keeper::Sources;
use crate::config::model::{Address, Authorities, Backend, ClientTls, Service};
use crate::config::raw;
use crate::config::syntax::{self, BackendAddress};
use crate::config::tree::KeyPath;
use crate::io::{self, HostPort, Resolved};
use crate::policy::{self, AnswerLimits, Health, Pool, ProxyHeader, Statuses, Timeouts, UpstreamProtocol};
use crate::spelling::nearest;

/// How long the check waits for the addresses of all backends' names together. Names without an answer by then are
/// looked up again by the running process, so that everything else can be served. It is the time that `discover` waits
/// for its first answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// The addresses of all backends that are written with a name.
pub(super) fn look_up<'a>(services: impl Iterator<Item = &'a raw::Service>) -> HashMap<HostPort, Resolved> {
    let written = services.flat_map(|service| &service.backend).filter_map(|backend| backend.address.as_deref());
    let names = written.filter_map(|written| match syntax::backend(written) {
        Ok(BackendAddress::Name { host, port }) => Some((host, port)),
        _ => None,
    });
    io::resolve_all(names, PATIENCE)
}

impl Checker<'_> {
    pub(super) fn services(&mut self, raw: &BTreeMap<String, raw::Service>) -> Option<Vec<Service>> {
        let at = KeyPath::default().key("service");
        all(raw.iter().map(|(name, service)| self.service(&at.key(name), name, service)).collect())
    }

    /// The zone that a service prefers.
    fn preferred_zone(&mut self, at: &KeyPath, raw: &raw::Service) -> Option<Arc<str>> {
        if raw.zones == raw::Zones::Ignore {
            return None;
        }
        let at = at.key("zones");
        let Some(own) = self.zone.clone() else {
            let mistake = self.mistake(&at, "this instance's zone is not known");
            self.report(
                mistake.expected("cluster.zone").help("zone = \"${ZONE}\" in [cluster] takes it from the environment"),
            );
            return None;
        };
        let known: BTreeSet<&str> =
            raw.backend.iter().map(|backend| &*backend.zone).filter(|zone| !zone.is_empty()).collect();
        if raw.discover.is_none() && !known.contains(&*own) {
            let mistake = self.mistake(
                &at,
                format!("no backend stands in this instance's zone `{own}`: all work goes to other zones"),
            );
            let help = match known.is_empty() {
                true => "none has a `zone`".to_owned(),
                false => format!("they stand in {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            self.report(mistake.warning().near(nearest(&own, known.iter().copied()).map(str::to_owned)).help(help));
        }
        Some(own)
    }

    fn service(&mut self, at: &KeyPath, name: &str, raw: &raw::Service) -> Option<Service> {
        let tls = raw.tls.as_ref().map(|tls| self.client_tls(&at.key("tls"), tls));
        let balance = self.balance(at, raw);
        let shadow = self.shadow(at, raw);
        let affinity = raw.affinity.as_ref().map(|affinity| self.affinity(&at.key("affinity"), affinity));
        let fallback = raw.fallback.as_ref().map(|fallback| self.fallback(&at.key("fallback"), fallback));
        let health = raw.health.as_ref().map(|health| self.health(&at.key("health"), health));
        let discover = raw.discover.as_ref().map(|discover| self.discover(&at.key("discover"), discover));
        self.discovered_weights(at, raw);
        let detect = raw.detect.as_ref().map(|detect| self.detect(&at.key("detect"), detect));
        let recovery = self.recovery(at, name, raw);
        let sla = raw.sla.as_ref().map(|sla| self.sla(&at.key("sla"), sla));
        let backends = self.backends(at, name, raw);
        let outbound = self.outbound(at, raw);
        let (error_pages, maintenance) =
            (self.error_pages(at, &raw.error_pages), self.maintenance_page(at, raw.maintenance.as_ref()));
        Some(Service {
            name: name.to_owned(),
            balance,
            shadow,
            hash_on: self.hash_on(&raw.hash),
            slow_start: raw.slow_start.0,
            panic_threshold: raw.panic_threshold,
            zone: self.preferred_zone(at, raw),
            abort_on_close: raw.abort_on_close,
            affinity: all_or_nothing(affinity)?,
            health: all_or_nothing(health)?.map(|health| lenient(health, raw.allow_bare_lf)),
            outlier: self.outlier(&at.key("outlier"), &raw.outlier),
            breaker: raw.circuit_breaker.as_ref().map(|breaker| self.breaker(breaker)),
            concurrency: raw.concurrency.as_ref().map(|rule| self.concurrency(&at.key("concurrency"), rule)),
            failure_status: Statuses(syntax::service::status_ranges(&raw.failure_status).ok()?),
            retry: self.retry(&at.key("retry"), &raw.retry, raw.affinity.is_some()),
            fallback: all_or_nothing(fallback)?,
            error_pages: error_pages?,
            maintenance: maintenance?,
            request_headers: self.header_changes(&at.key("request_headers"), &raw.request_headers, true),
            response_headers: self.header_changes(&at.key("response_headers"), &raw.response_headers, false),
            load_reports: self.load_reports(at, &raw.load_reports),
            discover: all_or_nothing(discover)?,
            detect: all_or_nothing(detect)?,
            recovery: recovery?,
            sla: all_or_nothing(sla)?,
            protocol: protocol(raw.protocol),
            outbound: outbound?.map(Arc::new),
            proxy_header: match raw.send_proxy_protocol {
                raw::SendProxyProtocol::Off => None,
                raw::SendProxyProtocol::V1 => Some(ProxyHeader::V1),
                raw::SendProxyProtocol::V2 => Some(ProxyHeader::V2),
            },
            allow_bare_lf: raw.allow_bare_lf,
            via: raw.via == raw::Via::On,
            limits: answer_limits(&raw.limits),
            written: raw.backend.len(),
            backends: backends?,
            tls: all_or_nothing(tls)?,
            timeout: timeouts(&raw.timeout),
            pool: pool(&raw.pool),
        })
    }

    /// The service with backends whose name is nearest to that of one without: a section may have a misspelt name.
    fn meant_service(&self, name: &str) -> Option<String> {
        let all = KeyPath::default().key("service");
        let has_backends = |other: &&String| {
            let at = all.key(other);
            **other != name && (self.present(&at.key("backend")) || self.present(&at.key("discover")))
        };
        let names = self.services.keys().filter(has_backends).map(String::as_str);
        let near = nearest(name, names.clone())?;
        // of two that are as near, neither is meant for sure
        let distance = |other: &str| strsim::osa_distance(name, other);
        let as_near = names.filter(|other| distance(other) == distance(near)).count();
        (as_near == 1).then(|| near.to_owned())
    }

    /// The backends in the file. Reports when there is none, or none that gets work.
    fn backends(&mut self, at: &KeyPath, service: &str, raw: &raw::Service) -> Option<Vec<Backend>> {
        let backends_at = at.key("backend");
        // they may be below a header that is misspelt
        let services_at = KeyPath::default().key("service");
        let may_be_elsewhere =
            self.findings.removed(&backends_at).is_some() || self.findings.removed(&services_at).is_some();
        if raw.backend.is_empty() && !may_be_elsewhere && !self.present(&at.key("discover")) {
            let mistake = self.mistake(at, format!("the service `{service}` has no backends"));
            // one that a route names is called so on purpose
            let near = if self.used.contains(service) { None } else { self.meant_service(service) };
            self.report(mistake.near(near).help(format!("add [[service.{service}.backend]] sections")));
        }
        self.unique_backends(&backends_at, &raw.backend);
        self.unchecked_paths(at, service, raw);
        let idle = |b: &raw::Backend| b.weight == 0 || b.drain;
        if !raw.backend.is_empty() && raw.backend.iter().all(idle) {
            let mistake = self.mistake(at, format!("no backend of the service `{service}` gets any work"));
            self.report(mistake.warning().help("each one has weight = 0 or drain = true"));
        }
        // with no name for the whole service, each certificate is verified against its backend's host
        let names_itself = raw.tls.as_ref().is_some_and(|tls| tls.server_name.is_empty() && tls.verify);
        let backends = raw.backend.iter().enumerate();
        all(backends.map(|(i, b)| self.backend((&backends_at, i), b, names_itself)).collect())
    }

    fn unique_backends(&mut self, at: &KeyPath, raw: &[raw::Backend]) {
        let place = |(index, key): (usize, &str)| at.index(index).key(key);
        let (mut ids, mut addresses) = (AHashMap::with_capacity(raw.len()), AHashMap::with_capacity(raw.len()));
        for (index, backend) in raw.iter().enumerate() {
            let mut is_repeated = false;
            for (key, address) in written(backend) {
                // one that has an address twice is reported with its paths
                if let Some(first) = addresses.insert(address, (index, key)).filter(|first| first.0 != index) {
                    let mistake = self.mistake(&place((index, key)), format!("the service has `{address}` twice"));
                    self.report(mistake.help(self.first_in(&place(first))));
                    is_repeated = true;
                }
            }
            let (id, key) = match (&backend.id, written(backend).next()) {
                (Some(id), _) => (id.as_str(), "id"),
                (None, Some((key, address))) if !is_repeated => (address, key),
                (None, _) => continue,
            };
            if let Some(first) = ids.insert(id, (index, key)) {
                let message = format!("another backend of the service has the id `{id}`");
                let mistake = self.mistake(&place((index, key)), message);
                self.report(mistake.help(self.first_in(&place(first))));
            }
        }
    }

    /// `at` is the list and the index in it. `names_itself`: the certificate is verified against the backend's own
    /// host.
    fn backend(&mut self, at: (&KeyPath, usize), raw: &raw::Backend, names_itself: bool) -> Option<Backend> {
        let section = || at.0.index(at.1);
        if self.present(&section().key("addresses")) {
            return self.paths(&section(), raw);
        }
        let Some(written) = &raw.address else {
            if !self.present(&section().key("address")) {
                let mistake = self.mistake(&section(), "`address` is missing");
                self.report(mistake.help("[[service.NAME.backend]] needs it, or `addresses`"));
            }
            return None;
        };
        let at = || at.0.index(at.1).key("address");
        let (mut further, mut unresolved) = (Vec::new(), None);
        let (address, host) = match syntax::backend(written).ok()? {
            BackendAddress::Tcp(address) => (Address::Tcp(address), address.ip().to_string()),
            BackendAddress::Name { host, port } => {
                match self.found(at, &host, port) {
                    Ok(found) => further = found,
                    Err(reason) => unresolved = Some(reason),
                }
                let first = further.drain(..further.len().min(1)).next();
                let first = first.unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, port).into());
                (Address::Tcp(first), host)
            }
            BackendAddress::Unix(path) => {
                if names_itself {
                    let message = "the certificate of this backend can't be verified: a Unix socket has no name";
                    let mistake = self.mistake(&at(), message);
                    self.report(mistake.help("set server_name in the service's tls section"));
                }
                (Address::Unix(self.folder.join(path)), "localhost".to_owned())
            }
        };
        Some(Backend {
            id: raw.id.clone().unwrap_or_else(|| written.clone()),
            name: written.clone(),
            address,
            further,
            are_paths: false,
            unresolved,
            host,
            weight: raw.weight,
            max_connections: raw.max_connections,
            backup: raw.backup,
            zone: raw.zone.clone(),
            drain: raw.drain,
        })
    }

    /// The addresses of a name, in the order of the system's resolver. A name that has none is no mistake: a name server that has
    /// trouble must not keep everything else from being served.
    fn found(&mut self, at: impl Fn() -> KeyPath, host: &str, port: u16) -> Resolved {
        let found = self.looked_up.get(&(host.to_owned(), port)).cloned();
        found.unwrap_or_else(|| Err("it was not looked up".to_owned())).inspect_err(|reason| {
            let mistake = self.mistake(&at(), format!("the name `{host}` can't be looked up: {reason}"));
            self.report(
                mistake.warning().help("a backend without an address is down; the name is looked up again and again"),
            );
        })
    }

    fn client_tls(&mut self, at: &KeyPath, raw: &raw::ServiceTls) -> Option<ClientTls> {
        let server_name = Some(raw.server_name.clone()).filter(|name| !name.is_empty());
        if let Some(name) = &server_name
            && ServerName::try_from(name.as_str()).is_err()
        {
            let mistake = self.mistake(&at.key("server_name"), format!("`{name}` can't be a server's name"));
            self.report(mistake.expected("a DNS name or an IP address, without a port"));
        }
        if !raw.verify && self.present(&at.key("ca")) {
            let mistake = self.mistake(&at.key("verify"), "with verify = false, `ca` has no effect");
            self.report(mistake.warning().help("whatever certificate a backend shows is taken"));
        }
        let ca = match &raw.ca {
            Some(file) => self.authorities(&at.key("ca"), file).map(Authorities::File),
            None if raw.verify => Some(Authorities::System(self.system_authorities())),
            None => Some(Authorities::System(Arc::default())),
        };
        for (one, other) in [("cert", "key"), ("key", "cert")] {
            if self.present(&at.key(one)) && !self.present(&at.key(other)) {
                let mistake = self.key_mistake(&at.key(one), format!("`{one}` without `{other}`"));
                self.report(mistake.help("a client certificate is both"));
            }
        }
        let client = (raw.cert.is_some() && raw.key.is_some())
            .then(|| self.certificate(at, raw.cert.as_deref(), raw.key.as_deref()));
        let client = all_or_nothing(client)?.map(Arc::new);
        let sources = Sources {
            certificates: client.iter().map(|own| Source::Pair(own.files.clone())).collect(),
            authorities: raw.ca.as_deref().map(|file| self.file(file)),
            ticket_keys: None,
        };
        Some(ClientTls { server_name, ca: ca?, verify: raw.verify, client, sources })
    }
}

fn protocol(raw: raw::ServiceProtocol) -> UpstreamProtocol {
    match raw {
        raw::ServiceProtocol::Http1 => UpstreamProtocol::Http1,
        raw::ServiceProtocol::H2 => UpstreamProtocol::Http2,
        raw::ServiceProtocol::Auto => UpstreamProtocol::Auto,
    }
}

fn timeouts(raw: &raw::Timeout) -> Timeouts {
    Timeouts {
        connect: raw.connect.0,
        response: raw.response.0,
        idle: raw.idle.0,
        total: (!raw.total.0.is_zero()).then_some(raw.total.0),
        queue: raw.queue.0,
        queue_length: raw.queue_length as usize,
    }
}

fn pool(raw: &raw::Pool) -> Pool {
    Pool {
        max_idle: raw.max_idle as usize,
        idle_timeout: raw.idle_timeout.0,
        max_age: (!raw.max_age.0.is_zero()).then_some(raw.max_age.0),
    }
}

fn answer_limits(raw: &raw::AnswerLimits) -> AnswerLimits {
    AnswerLimits {
        // the schema keeps it below 16 MiB
        max_header_bytes: usize::try_from(raw.max_header_bytes.0).unwrap_or(usize::MAX),
        max_headers: raw.max_headers as usize,
    }
}

/// Lets checks read answers with the same leniency as requests.
fn lenient(mut health: Health, allow_bare_lf: bool) -> Health {
    if let policy::Check::Http(check) = &mut health.kind {
        check.allow_bare_lf = allow_bare_lf;
    }
    health
}
