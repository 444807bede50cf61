//! `[service.NAME]`: its backends, and TLS towards them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ahash::AHashMap;
use rustls::pki_types::ServerName;

use super::{Check, all, all_or_nothing};
use crate::config::model::{Address, Backend, ClientTls, Service};
use crate::config::raw;
use crate::config::syntax::{self, Target};
use crate::config::tree::KeyPath;
use crate::policy::{self, AnswerLimits, Health, Pool, ProxyHeader, Statuses, Timeouts, UpstreamProtocol};

impl Check<'_> {
    pub(super) fn services(&mut self, raw: &BTreeMap<String, raw::Service>) -> Option<Vec<Service>> {
        let at = KeyPath::default().key("service");
        all(raw.iter().map(|(name, service)| self.service(&at.key(name), name, service)).collect())
    }

    fn service(&mut self, at: &KeyPath, name: &str, raw: &raw::Service) -> Option<Service> {
        let backends_at = at.key("backend");
        if raw.backend.is_empty() && self.findings.removed(&backends_at).is_none() && !self.present(&at.key("discover"))
        {
            let mistake = self.mistake(at, format!("the service `{name}` has no backends"));
            self.report(mistake.help(format!("add [[service.{name}.backend]] sections")));
        }
        self.unique_backends(&backends_at, &raw.backend);
        let idle = |b: &raw::Backend| b.weight == 0 || b.drain;
        if !raw.backend.is_empty() && raw.backend.iter().all(idle) {
            let mistake = self.mistake(at, format!("no backend of the service `{name}` gets any work"));
            self.report(mistake.warning().help("each one has weight = 0 or drain = true"));
        }
        let tls = raw.tls.as_ref().map(|tls| self.client_tls(&at.key("tls"), tls));
        let names_itself = raw.tls.as_ref().is_some_and(|tls| tls.server_name.is_empty() && tls.verify);
        let balance = self.balance(at, raw);
        let affinity = raw.affinity.as_ref().map(|affinity| self.affinity(&at.key("affinity"), affinity));
        let fallback = raw.fallback.as_ref().map(|fallback| self.fallback(&at.key("fallback"), fallback));
        let health = raw.health.as_ref().map(|health| self.health(&at.key("health"), health));
        let discover = raw.discover.as_ref().map(|discover| self.discover(&at.key("discover"), discover));
        let backends = raw.backend.iter().enumerate();
        let backends = all(backends.map(|(i, b)| self.backend((&backends_at, i), b, names_itself)).collect());
        Some(Service {
            name: name.to_owned(),
            balance,
            hash_on: self.hash_on(&raw.hash),
            slow_start: raw.slow_start.0,
            panic_threshold: raw.panic_threshold,
            abort_on_close: raw.abort_on_close,
            affinity: all_or_nothing(affinity)?,
            health: all_or_nothing(health)?.map(|health| lenient(health, raw.allow_bare_lf)),
            outlier: self.outlier(&at.key("outlier"), &raw.outlier),
            breaker: raw.circuit_breaker.as_ref().map(|breaker| self.breaker(breaker)),
            failure_status: Statuses(syntax::service::status_ranges(&raw.failure_status).ok()?),
            retry: self.retry(&raw.retry),
            fallback: all_or_nothing(fallback)?,
            load_reports: self.load_reports(&raw.load_reports),
            discover: all_or_nothing(discover)?,
            protocol: match raw.protocol {
                raw::ServiceProtocol::Http1 => UpstreamProtocol::Http1,
                raw::ServiceProtocol::H2 => UpstreamProtocol::Http2,
                raw::ServiceProtocol::Auto => UpstreamProtocol::Auto,
            },
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
            timeout: Timeouts {
                connect: raw.timeout.connect.0,
                response: raw.timeout.response.0,
                idle: raw.timeout.idle.0,
                total: (!raw.timeout.total.0.is_zero()).then_some(raw.timeout.total.0),
                queue: raw.timeout.queue.0,
                queue_length: raw.timeout.queue_length as usize,
            },
            pool: Pool {
                max_idle: raw.pool.max_idle as usize,
                idle_timeout: raw.pool.idle_timeout.0,
                max_age: (!raw.pool.max_age.0.is_zero()).then_some(raw.pool.max_age.0),
            },
        })
    }

    fn unique_backends(&mut self, at: &KeyPath, raw: &[raw::Backend]) {
        let place = |(index, key): (usize, &str)| at.index(index).key(key);
        let (mut ids, mut addresses) = (AHashMap::with_capacity(raw.len()), AHashMap::with_capacity(raw.len()));
        for (index, backend) in raw.iter().enumerate() {
            let Some(address) = &backend.address else { continue };
            if let Some(first) = addresses.insert(address, (index, "address")) {
                let mistake = self.mistake(&place((index, "address")), format!("the service has `{address}` twice"));
                self.report(mistake.help(self.first_in(&place(first))));
                if backend.id.is_none() {
                    continue;
                }
            }
            let (id, key) = match &backend.id {
                Some(id) => (id, "id"),
                None => (address, "address"),
            };
            if let Some(first) = ids.insert(id, (index, key)) {
                let message = format!("another backend of the service has the id `{id}`");
                let mistake = self.mistake(&place((index, key)), message);
                self.report(mistake.help(self.first_in(&place(first))));
            }
        }
    }

    /// `at` is the list and its place there. `names_itself`: its host is the name that its certificate is verified against.
    fn backend(&mut self, at: (&KeyPath, usize), raw: &raw::Backend, names_itself: bool) -> Option<Backend> {
        let written = raw.address.as_ref()?;
        let at = || at.0.index(at.1).key("address");
        let mut further = Vec::new();
        let (address, host) = match syntax::backend(written).ok()? {
            Target::Tcp(address) => (Address::Tcp(address), address.ip().to_string()),
            Target::Name { host, port } => {
                let mut addresses = self.look_up(at, &host, port)?.into_iter();
                let first = addresses.next()?;
                further.extend(addresses);
                (Address::Tcp(first), host)
            }
            Target::Unix(path) => {
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
            host,
            weight: raw.weight,
            max_connections: raw.max_connections,
            backup: raw.backup,
            zone: raw.zone.clone(),
            drain: raw.drain,
        })
    }

    /// The addresses of a name, in the order of the system's resolver; there is at least one.
    fn look_up(&mut self, at: impl Fn() -> KeyPath, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let ask = || crate::io::resolve(host, port);
        let answer = self.looked_up.entry((host.to_owned(), port)).or_insert_with(ask).clone();
        match answer {
            Ok(addresses) => Some(addresses),
            Err(reason) => {
                let mistake = self.mistake(&at(), format!("the name `{host}` can't be looked up: {reason}"));
                self.report(mistake.expected("a name that DNS or the hosts file knows, or an IP address"));
                None
            }
        }
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
        let ca = raw.ca.as_ref().map(|file| self.authorities(&at.key("ca"), file));
        for (one, other) in [("cert", "key"), ("key", "cert")] {
            if self.present(&at.key(one)) && !self.present(&at.key(other)) {
                let mistake = self.key_mistake(&at.key(one), format!("`{one}` without `{other}`"));
                self.report(mistake.help("a client certificate is both"));
            }
        }
        let client = (raw.cert.is_some() && raw.key.is_some())
            .then(|| self.certificate(at, raw.cert.as_deref(), raw.key.as_deref()));
        Some(ClientTls { server_name, ca: all_or_nothing(ca)?, verify: raw.verify, client: all_or_nothing(client)? })
    }
}

fn answer_limits(raw: &raw::AnswerLimits) -> AnswerLimits {
    AnswerLimits {
        // the schema keeps it below 16 MiB
        max_header_bytes: usize::try_from(raw.max_header_bytes.0).unwrap_or(usize::MAX),
        max_headers: raw.max_headers as usize,
    }
}

/// Checks read answers as requests do.
fn lenient(mut health: Health, allow_bare_lf: bool) -> Health {
    if let policy::Check::Http(check) = &mut health.kind {
        check.allow_bare_lf = allow_bare_lf;
    }
    health
}
