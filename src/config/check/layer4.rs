//! Settings that make no sense on a listener that sees no requests: `protocol = "tcp"`, `"tls"` or `"udp"`.
//!
//! A service may serve listeners of several protocols, so a mistake in a service is reported at the listener that can't
//! use it.

use std::collections::BTreeMap;

use super::Checker;
use crate::config::mistake::Mistake;
use crate::config::raw::{self, ListenerProtocol as Protocol};
use crate::config::tree::KeyPath;

/// What a route may look at in a request.
const REQUEST: [&str; 6] = ["path", "path_prefix", "path_regex", "methods", "headers", "query"];

/// What a route may do with a request or an answer.
const CHANGES: [&str; 12] = [
    "canary",
    "redirect",
    "respond",
    "mirror",
    "rewrite",
    "request_headers",
    "response_headers",
    "compress",
    "decompress",
    "cors",
    "auth",
    "error_pages",
];

/// Limits of requests. `header_timeout` is not among them, because it also limits the bytes before a session.
const LIMITS: [&str; 7] = [
    "max_header_bytes",
    "max_headers",
    "max_body",
    "min_body_rate",
    "max_requests_per_connection",
    "max_concurrent_streams",
    "allow_encoded_controls",
];

/// Keys of a listener that mean something for requests only.
const OF_REQUESTS: [&str; 13] = [
    "request_id",
    "request_id_header",
    "paths",
    "ambiguous_paths",
    "rate_limit",
    "client_ip_header",
    "request_headers",
    "response_headers",
    "security_headers",
    "error_pages",
    "maintenance",
    "compress",
    "decompress",
];

impl Checker<'_> {
    /// Reports the settings of this listener that a protocol without requests can't have.
    pub(super) fn layer4(&mut self, at: &KeyPath, raw: &raw::Listener) {
        match raw.protocol {
            Protocol::Http => return,
            Protocol::Tcp => {}
            Protocol::Tls => self.refuse(at, "tls", "a `tls` listener passes TLS on and can't end it", TERMINATES),
            Protocol::Udp => {
                self.refuse(
                    at,
                    "tls",
                    "a `udp` listener has no TLS",
                    "QUIC is passed on as it is; take the section out",
                );
                if raw.proxy_protocol == raw::ProxyProtocol::Accept {
                    let path = at.key("proxy_protocol");
                    let mistake = self.mistake(&path, "datagrams don't begin with a PROXY header");
                    self.report(mistake.expected("\"off\" on a `udp` listener"));
                }
                if raw.bind.as_deref().is_some_and(|bind| bind.starts_with("unix:")) {
                    let mistake = self.mistake(&at.key("bind"), "a `udp` listener can't listen on a Unix socket");
                    self.report(mistake.expected("address:port"));
                }
            }
        }
        let unused = LIMITS.into_iter().filter(|key| self.root.has(&at.key("limits").key(key))).collect::<Vec<_>>();
        for key in unused {
            self.no_requests(&at.key("limits").key(key), key, raw.protocol).warn(self);
        }
        if raw.protocol == Protocol::Udp && self.root.has(&at.key("limits").key("header_timeout")) {
            self.no_requests(&at.key("limits").key("header_timeout"), "header_timeout", raw.protocol).warn(self);
        }
        for key in OF_REQUESTS.into_iter().filter(|key| self.root.has(&at.key(key))) {
            self.no_requests(&at.key(key), key, raw.protocol).warn(self);
        }
        for (index, route) in raw.route.iter().enumerate() {
            self.layer4_route(&at.key("route").index(index), route, raw.protocol);
        }
    }

    fn layer4_route(&mut self, at: &KeyPath, raw: &raw::Route, protocol: Protocol) {
        if raw.split_by.as_deref().is_some_and(|by| by != "client_ip") {
            let message = format!("a `{}` listener sees no requests", super::listener::protocol(protocol).as_str());
            let mistake = self.mistake(&at.key("split_by"), message);
            self.report(mistake.expected("\"client_ip\""));
        }
        let hosts = if protocol == Protocol::Tls { None } else { Some("host") };
        for key in REQUEST.into_iter().chain(CHANGES).chain(hosts) {
            if self.present(&at.key(key)) {
                let NoEffect(mistake) = self.no_requests(&at.key(key), key, protocol);
                let help = match protocol {
                    Protocol::Tls => {
                        "a route looks at `host`, the name that the client asks for, and leads to service or split"
                    }
                    _ => "its connections are told apart by nothing: a route can only share them out, by split",
                };
                self.report(mistake.help(help));
            }
        }
        for key in ["response", "total"] {
            let path = at.key("timeout").key(key);
            if self.root.has(&path) {
                self.no_requests(&path, key, protocol).warn(self);
            }
        }
    }

    fn no_requests(&self, path: &KeyPath, key: &str, protocol: Protocol) -> NoEffect {
        let protocol = super::listener::protocol(protocol).as_str();
        NoEffect(self.key_mistake(path, format!("`{key}` has no effect: a `{protocol}` listener sees no requests")))
    }

    fn refuse(&mut self, at: &KeyPath, key: &str, message: &str, help: &str) {
        if self.present(&at.key(key)) {
            let mistake = self.key_mistake(&at.key(key), message);
            self.report(mistake.help(help));
        }
    }

    /// Reports the settings that such a listener can't use in the services that it leads to.
    pub(super) fn layer4_services(&mut self, listeners: &[raw::Listener], services: &BTreeMap<String, raw::Service>) {
        for (index, listener) in listeners.iter().enumerate().filter(|(_, l)| l.protocol != Protocol::Http) {
            let at = KeyPath::default().key("listener").index(index);
            for (path, name) in services_of(&at, listener) {
                if let Some(service) = services.get(name) {
                    self.layer4_service(&path, listener.protocol, name, service);
                }
            }
        }
    }

    fn layer4_service(&mut self, path: &KeyPath, protocol: Protocol, name: &str, service: &raw::Service) {
        let own = super::listener::protocol(protocol).as_str();
        let mut refuse = |what: String, help: &str| {
            let mistake = self.mistake(path, format!("a `{own}` listener can't use the service `{name}`: {what}"));
            self.report(mistake.help(help));
        };
        let mut algorithms = [&service.balance].into_iter().chain(&service.shadow);
        if algorithms.any(|by| *by == raw::Balance::ConsistentHash) && service.hash.on != "client_ip" {
            refuse(format!("it hashes `{}`, and there is no request", service.hash.on), "set hash.on = \"client_ip\"");
        }
        if let Some(affinity) = service.affinity.as_ref().filter(|affinity| affinity.by != "client_ip") {
            refuse(
                format!("its affinity is by `{}`, and there is no request", affinity.by),
                "set affinity.by = \"client_ip\"",
            );
        }
        if service.tls.is_some() && protocol == Protocol::Tls {
            refuse(
                "it has a `tls` section, and what is passed on is TLS already".to_owned(),
                "take [service.*.tls] out",
            );
        }
        if service.tls.is_some() && protocol == Protocol::Udp {
            refuse("it has a `tls` section, and datagrams have no TLS".to_owned(), "take [service.*.tls] out");
        }
        if service.send_proxy_protocol != raw::SendProxyProtocol::Off && protocol == Protocol::Udp {
            refuse("datagrams don't begin with a PROXY header".to_owned(), "set send_proxy_protocol = \"off\"");
        }
        if service.concurrency.is_some() {
            let message = format!("the adaptive limit of `{name}` does not count what a `{own}` listener sends there");
            let mistake = self.mistake(path, message);
            self.report(
                mistake.warning().help("it is for requests; max_connections of backends holds for sessions too"),
            );
        }
        if service.maintenance.is_some() {
            let message = format!("maintenance of `{name}` does not end what a `{own}` listener sends there");
            let mistake = self.mistake(path, message);
            self.report(
                mistake.warning().help("it is for requests; `evenkeel disable` takes a backend out for sessions too"),
            );
        }
        if protocol == Protocol::Udp {
            self.udp_service(path, name, service);
        }
    }

    fn udp_service(&mut self, path: &KeyPath, name: &str, service: &raw::Service) {
        let unix = |backend: &raw::Backend| backend.address.as_deref().is_some_and(|at| at.starts_with("unix:"));
        if service.backend.iter().any(unix) {
            let message = format!("a `udp` listener can't use the service `{name}`: it has a backend at a Unix socket");
            let mistake = self.mistake(path, message);
            self.report(mistake.help("datagrams go to an address and a port"));
        }
        if service.health.as_ref().is_some_and(|health| health.port.is_none()) {
            let message = format!("the checks of `{name}` go by TCP to the port where its backends get datagrams");
            let mistake = self.mistake(path, message).warning();
            self.report(mistake.help("set health.port; where TCP is answered at that same port, set that one"));
        }
    }
}

const TERMINATES: &str = "protocol = \"tcp\" or \"http\" with this section ends TLS here";

/// A mistake that may be only a warning.
struct NoEffect(Mistake);

impl NoEffect {
    fn warn(self, check: &mut Checker<'_>) {
        check.report(self.0.warning().help("it is for protocol = \"http\""));
    }
}

/// The services that a listener leads to, each with the place where the file says so.
fn services_of<'a>(at: &KeyPath, listener: &'a raw::Listener) -> Vec<(KeyPath, &'a str)> {
    let own = listener.service.as_deref().map(|name| (at.key("service"), name));
    let routes = listener.route.iter().enumerate().flat_map(|(index, route)| {
        let at = at.key("route").index(index);
        let one = route.service.as_deref().map(|name| (at.key("service"), name));
        let shares = route.split.iter().flatten().enumerate().filter_map({
            let at = at.key("split");
            move |(index, share)| Some((at.index(index).key("service"), share.service.as_deref()?))
        });
        one.into_iter().chain(shares).collect::<Vec<_>>()
    });
    own.into_iter().chain(routes).collect()
}
