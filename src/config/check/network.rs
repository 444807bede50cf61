//! How sockets are made: `source`, `interface`, `mark` and `dscp`; and the paths to a backend, `addresses`.

use std::net::{IpAddr, SocketAddr};

use super::Checker;
use crate::config::model::{Address, Backend};
use crate::config::raw;
use crate::config::syntax;
use crate::config::tree::KeyPath;
use crate::io::outbound::{Outbound, SocketOptions};
use crate::policy::MOST_PATHS;

impl Checker<'_> {
    /// How connections to the backends of a service are made; `Some(None)` = as the kernel does by itself.
    pub(super) fn outbound(&mut self, at: &KeyPath, raw: &raw::Service) -> Option<Option<Outbound>> {
        let source = at.key("source");
        let mut sources: Vec<IpAddr> = Vec::new();
        for text in &raw.source {
            sources.extend(syntax::network::source(text).ok()?);
        }
        sources.sort_unstable();
        sources.dedup();
        if sources.len() as u128 > syntax::network::MOST_SOURCES {
            let mistake = self.mistake(&source, format!("these are {} addresses", sources.len()));
            self.report(mistake.expected(format!("at most {} addresses", syntax::network::MOST_SOURCES)));
            return None;
        }
        for address in sources.iter().filter(|address| !is_here(**address)) {
            let mistake = self.mistake(&source, format!("{address} is no address of this machine"));
            self.report(mistake.warning().help("connections come from the others until it is one"));
        }
        let options = self.socket_options(at, (&raw.interface, raw.mark, raw.dscp))?;
        let outbound = Outbound::new(sources.clone(), options);
        if outbound.is_default() {
            return Some(None);
        }
        let over_unix = |backend: &&raw::Backend| backend.address.as_deref().is_some_and(|at| at.starts_with("unix:"));
        if raw.backend.iter().any(|backend| over_unix(&backend)) {
            let mistake = self.mistake(at, "`source`, `interface`, `mark` and `dscp` mean nothing to a Unix socket");
            self.report(mistake.warning().help("they hold for the service's other backends"));
        }
        self.fits_families(at, &sources, &raw.backend)?;
        Some(Some(outbound))
    }

    /// Each backend that is written as an address needs a source of its family.
    fn fits_families(&mut self, at: &KeyPath, sources: &[IpAddr], backends: &[raw::Backend]) -> Option<()> {
        if sources.is_empty() {
            return Some(());
        }
        for (index, backend) in backends.iter().enumerate() {
            for (key, text) in written(backend) {
                let Ok(address) = text.parse::<SocketAddr>() else { continue };
                if !sources.iter().any(|source| source.is_ipv4() == address.is_ipv4()) {
                    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
                    let place = at.key("backend").index(index).key(key);
                    let mistake = self.mistake(&place, format!("no `source` of the service is an {family} address"));
                    self.report(mistake.help(format!("{text} can be reached from addresses of its own family only")));
                    return None;
                }
            }
        }
        Some(())
    }

    /// The options of a listener's sockets.
    pub(super) fn listener_options(&mut self, at: &KeyPath, raw: &raw::Listener) -> Option<SocketOptions> {
        let options = self.socket_options(at, (&raw.interface, raw.mark, raw.dscp))?;
        if !options.is_default() && raw.bind.as_deref().is_some_and(|bind| bind.starts_with("unix:")) {
            let mistake = self.mistake(at, "`interface`, `mark` and `dscp` mean nothing to a Unix socket");
            self.report(mistake.help("take them out"));
            return None;
        }
        Some(options)
    }

    fn socket_options(
        &mut self,
        at: &KeyPath,
        (interface, mark, dscp): (&Option<String>, Option<u32>, Option<u8>),
    ) -> Option<SocketOptions> {
        let options = SocketOptions { interface: interface.as_deref().map(Into::into), mark, dscp };
        if let Some(name) = interface
            && nix::net::if_::if_nametoindex(name.as_str()).is_err()
        {
            let mistake = self.mistake(&at.key("interface"), format!("this machine has no interface `{name}`"));
            let known = nix::net::if_::if_nameindex().map(names).unwrap_or_default();
            let near = syntax::nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
            self.report(mistake.warning().near(near).help("nothing is connected through it until it is there"));
        }
        if let Err((key, error)) = options.try_out() {
            let mistake = self.mistake(&at.key(key), format!("this process may not set `{key}`: {error}"));
            self.report(mistake.help(
                "it needs CAP_NET_ADMIN or CAP_NET_RAW (AmbientCapabilities= of the unit, `cap_add` of a container)",
            ));
            return None;
        }
        Some(options)
    }

    /// Warns of paths that nobody checks.
    pub(super) fn unchecked_paths(&mut self, at: &KeyPath, service: &str, raw: &raw::Service) {
        let Some(index) = raw.backend.iter().position(|backend| backend.addresses.len() > 1) else { return };
        if !self.present(&at.key("health")) {
            let path = at.key("backend").index(index).key("addresses");
            let mistake = self.key_mistake(&path, "nobody checks these paths");
            let help =
                format!("add [service.{service}.health]: a path that dies in silence is found out by checks only");
            self.report(mistake.warning().help(help));
        }
    }

    /// A backend that is written with several addresses. `at` is its section.
    pub(super) fn paths(&mut self, at: &KeyPath, raw: &raw::Backend) -> Option<Backend> {
        let key = at.key("addresses");
        if self.present(&at.key("address")) {
            let mistake = self.key_mistake(&key, "a backend has `address` or `addresses`, not both");
            self.report(mistake.help("put all of them into `addresses`"));
            return None;
        }
        let mut all: Vec<SocketAddr> = Vec::with_capacity(raw.addresses.len());
        for (index, text) in raw.addresses.iter().enumerate() {
            let address = syntax::network::path_address(text).ok()?;
            if all.contains(&address) {
                let mistake = self.mistake(&key.index(index), format!("the backend has `{text}` twice"));
                self.report(mistake.help("each path has an address of its own"));
                return None;
            }
            all.push(address);
        }
        if all.len() > MOST_PATHS {
            let mistake = self.mistake(&key, format!("these are {} addresses", all.len()));
            self.report(mistake.expected(format!("at most {MOST_PATHS} paths to one backend")));
            return None;
        }
        let Some((first, further)) = all.split_first() else {
            if self.findings.removed(&key).is_none() && raw.addresses.is_empty() {
                let mistake = self.mistake(&key, "a backend needs an address");
                self.report(mistake.expected("addresses with ports, such as [\"10.0.1.5:80\", \"10.9.1.5:80\"]"));
            }
            return None;
        };
        let name = raw.addresses.first()?.clone();
        Some(Backend {
            id: raw.id.clone().unwrap_or_else(|| name.clone()),
            name,
            address: Address::Tcp(*first),
            further: further.to_vec(),
            are_paths: !further.is_empty(),
            unresolved: None,
            host: first.ip().to_string(),
            weight: raw.weight,
            max_connections: raw.max_connections,
            backup: raw.backup,
            zone: raw.zone.clone(),
            drain: raw.drain,
        })
    }
}

/// The addresses of a backend as they are written, each with its key.
pub(super) fn written(backend: &raw::Backend) -> impl Iterator<Item = (&'static str, &str)> {
    let one = backend.address.iter().map(|text| ("address", text.as_str()));
    one.chain(backend.addresses.iter().map(|text| ("addresses", text.as_str())))
}

/// Whether a socket can be bound to this address now.
fn is_here(address: IpAddr) -> bool {
    std::net::UdpSocket::bind((address, 0)).is_ok()
}

fn names(interfaces: nix::net::if_::Interfaces) -> Vec<String> {
    interfaces.iter().map(|interface| interface.name().to_string_lossy().into_owned()).collect()
}
