//! `[[listener]]`: names, addresses, TLS. Its routes are checked in `route`.

use std::collections::HashMap;
use std::net::SocketAddr;

use http::header::{self, HeaderName};

use super::rate_limit::Claims;
use super::{Checker, all, all_or_nothing, cors};
use crate::config::mistake::Mistake;
use crate::config::model::{Address, Listener, ServerTls};
use crate::config::raw;
use crate::config::syntax::{self, ListenAddress};
use crate::config::tree::KeyPath;
use crate::io;
use crate::policy::compression::Recoding;
use crate::policy::{HeaderChanges, ListenerProtocol, PathRules, RequestLimits};

impl Checker<'_> {
    pub(super) fn listeners(&mut self, raw: &[raw::Listener], admin: Option<SocketAddr>) -> Option<Vec<Listener>> {
        let at = KeyPath::default().key("listener");
        if raw.is_empty() && self.findings.removed(&at).is_none() {
            let mistake = Mistake::whole_file("there is no listener");
            self.report(mistake.help("add a section [[listener]] with name, bind and service"));
            return None;
        }
        self.unique_listeners(&at, raw, admin);
        all(raw.iter().enumerate().map(|(index, listener)| self.listener(&at.index(index), listener)).collect())
    }

    fn unique_listeners(&mut self, at: &KeyPath, raw: &[raw::Listener], admin: Option<SocketAddr>) {
        let (mut names, mut binds) = (HashMap::new(), HashMap::new());
        if let Some(admin) = admin.filter(|a| a.port() != 0) {
            binds.insert((ListenAddress::Tcp(admin), false), KeyPath::default().key("admin").key("bind"));
        }
        for (index, listener) in raw.iter().enumerate() {
            let at = at.index(index);
            if let Some(name) = &listener.name
                && let Some(first) = names.insert(name.clone(), at.key("name"))
            {
                let mistake = self.mistake(&at.key("name"), format!("another listener is named `{name}`"));
                self.report(mistake.help(self.first_in(&first)));
            }
            let Some(bind) = listener.bind.as_deref().and_then(|text| syntax::listen(text).ok()) else { continue };
            // Port 0 is another port each time.
            if matches!(&bind, ListenAddress::Tcp(address) if address.port() == 0) {
                continue;
            }
            // a TCP and a UDP socket may share an address and a port
            let datagrams = listener.protocol == raw::ListenerProtocol::Udp;
            if let Some(first) = binds.insert((bind, datagrams), at.key("bind")) {
                let text = listener.bind.as_deref().unwrap_or_default();
                let mistake = self.mistake(&at.key("bind"), format!("`{text}` is taken"));
                let help = match self.root.has(&first) {
                    true => self.first_in(&first),
                    false => "it is the default of admin.bind".to_owned(),
                };
                self.report(mistake.expected("an address of its own").help(help));
            }
        }
    }

    fn listener(&mut self, at: &KeyPath, raw: &raw::Listener) -> Option<Listener> {
        let bind = raw.bind.as_deref().and_then(|text| syntax::listen(text).ok()).map(|bind| match bind {
            ListenAddress::Tcp(address) => Address::Tcp(address),
            ListenAddress::Unix(path) => Address::Unix(self.folder.join(path)),
        });
        let service = raw.service.as_ref().map(|name| self.service_named(&at.key("service"), name));
        self.sends_somewhere(at);
        if let Some(Address::Tcp(address)) = &bind {
            self.address_is_here(at, raw, *address);
        }
        self.has_no_use_of_free_bind(at, raw, bind.as_ref());
        self.layer4(at, raw);
        self.trusts_a_network(at, raw);
        let access = self.access(at, (&raw.allow, &raw.deny));
        let trusted_proxies = self.trusted_proxies(at, &raw.trusted_proxies);
        self.knows_addresses(at, raw);
        let tls = raw.tls.as_ref().map(|tls| self.tls_for(raw.protocol, &at.key("tls"), tls));
        let request_id = self.request_id(at, raw);
        let client_ip_header =
            all_or_nothing(raw.client_ip_header.as_ref().map(|name| self.client_ip_header(at, name)));
        let (request_headers, response_headers) = self.listener_headers(at, raw, client_ip_header.as_ref());
        let rate_limits = self.rate_limits(&at.key("rate_limit"), &raw.rate_limit, Claims::WholeListener);
        let (options, client_limits) = (self.listener_options(at, raw), self.client_limits(at, raw));
        let routes = at.key("route");
        let recoding = self.recoding(at, Some(&raw.compress), Some(raw.decompress), &Recoding::default());
        let numbered = raw.route.iter().enumerate();
        let routes = numbered.map(|(i, route)| self.route(&routes.index(i), route, &recoding)).collect();
        let (error_pages, maintenance) =
            (self.error_pages(at, &raw.error_pages), self.maintenance_page(at, raw.maintenance.as_ref()));
        self.certificates_are_shown(at, raw);
        self.passwords_are_hidden(at, raw, bind.as_ref());
        self.prefixes_are_protected_with_their_names(at, raw);
        let (service, tls, routes) = (all_or_nothing(service), all_or_nothing(tls), all(routes));
        Some(Listener {
            name: raw.name.clone()?,
            bind: bind?,
            free_bind: raw.free_bind,
            options: options?,
            protocol: protocol(raw.protocol),
            proxy_protocol: raw.proxy_protocol == raw::ProxyProtocol::Accept,
            service: service?,
            trusted_proxies: trusted_proxies?,
            access: access?,
            paths: path_rules(raw),
            max_connections: raw.max_connections as usize,
            idle_timeout: raw.idle_timeout.0,
            limits: limits(&raw.limits),
            tls: tls?,
            rate_limits: rate_limits?,
            client_limits,
            routes: routes?,
            request_id: request_id?,
            client_ip_header: client_ip_header?,
            request_headers,
            response_headers,
            error_pages: error_pages?,
            maintenance: maintenance?,
            recoding,
        })
    }

    fn sends_somewhere(&mut self, at: &KeyPath) {
        if !self.present(&at.key("service")) && !self.present(&at.key("route")) {
            let mistake = self.mistake(at, "this listener sends nothing anywhere");
            self.report(mistake.help("set `service`, or add [[listener.route]] sections"));
        }
    }

    /// TLS for what is spoken on a listener. Without an `alpn` in the file no protocol is offered where that is not HTTP: the bytes of a session need not be.
    fn tls_for(&mut self, protocol: raw::ListenerProtocol, at: &KeyPath, raw: &raw::ListenerTls) -> Option<ServerTls> {
        let mut tls = self.listener_tls(at, raw)?;
        if protocol != raw::ListenerProtocol::Http && !self.present(&at.key("alpn")) {
            tls.alpn.clear();
        }
        Some(tls)
    }

    /// What the listener changes in the fields of requests and of answers.
    fn listener_headers(
        &mut self,
        at: &KeyPath,
        raw: &raw::Listener,
        client_ip_header: Option<&Option<HeaderName>>,
    ) -> (HeaderChanges, HeaderChanges) {
        let mut requests = self.header_changes(&at.key("request_headers"), &raw.request_headers, true);
        if let Some(Some(name)) = client_ip_header {
            requests = requests.guarding(std::slice::from_ref(name));
        }
        let answers = self.header_changes(&at.key("response_headers"), &raw.response_headers, false);
        (requests, answers.with_defaults(cors::preset(raw.security_headers, raw.tls.is_some())))
    }

    /// The header that tells backends the client's address.
    fn client_ip_header(&mut self, at: &KeyPath, name: &str) -> Option<HeaderName> {
        let name = syntax::header_name(name).ok()?;
        if is_taken(&name) {
            let path = at.key("client_ip_header");
            let mistake = self.mistake(&path, format!("`{name}` says something else"));
            self.report(mistake.expected("a header of its own, such as \"x-real-ip\""));
            return None;
        }
        Some(name)
    }

    /// The header that carries the ids of requests: `Some(None)` = they get none.
    fn request_id(&mut self, at: &KeyPath, raw: &raw::Listener) -> Option<Option<HeaderName>> {
        let path = at.key("request_id_header");
        if raw.request_id == raw::RequestId::Off {
            if self.root.has(&path) {
                let mistake =
                    self.key_mistake(&path, "`request_id_header` has no effect: requests get no ids").warning();
                self.report(mistake.help("set request_id = \"uuidv7\""));
            }
            return Some(None);
        }
        let name = syntax::header_name(&raw.request_id_header).ok()?;
        if is_taken(&name) {
            let mistake = self.mistake(&path, format!("`{name}` says something else"));
            self.report(mistake.expected("a header of its own, such as \"x-request-id\""));
            return None;
        }
        Some(Some(name))
    }

    /// An address that the machine does not have can't be bound. It is a warning only, because the file may be checked on another
    /// machine than the one that it is for, and the address may come before the proxy is started.
    fn address_is_here(&mut self, at: &KeyPath, raw: &raw::Listener, address: SocketAddr) {
        if raw.free_bind || io::can_be_bound(address.ip()) {
            return;
        }
        let path = at.key("bind");
        let mistake = self.mistake(&path, format!("this machine has no address {}", address.ip())).warning();
        self.report(mistake.help(
            "where the address comes later, as one that keepalived moves does, set free_bind = true; without it the listener can't \
             be opened while the address is not here",
        ));
    }

    /// A Unix socket and the address of all interfaces are always here.
    fn has_no_use_of_free_bind(&mut self, at: &KeyPath, raw: &raw::Listener, bind: Option<&Address>) {
        let has_use = match bind {
            Some(Address::Tcp(address)) => !address.ip().is_unspecified(),
            Some(Address::Unix(_)) => false,
            None => true,
        };
        if raw.free_bind && !has_use {
            let path = at.key("free_bind");
            let mistake = self.mistake(&path, "`free_bind` has no effect: what `bind` names is always here").warning();
            self.report(mistake.help("take it out, or bind the one address that comes and goes"));
        }
    }

    /// Warns where everybody is believed what decides who comes in.
    fn believes_everybody(&mut self, at: &KeyPath, raw: &raw::Listener) {
        let lists = |allow: &[String], deny: &[String]| !allow.is_empty() || !deny.is_empty();
        if !lists(&raw.allow, &raw.deny) && !raw.route.iter().any(|route| lists(&route.allow, &route.deny)) {
            return;
        }
        for (i, text) in raw.trusted_proxies.iter().enumerate() {
            if syntax::network(text).is_ok_and(|network| network.prefix_len() == 0) {
                let path = at.key("trusted_proxies").index(i);
                let mistake = self.mistake(
                    &path,
                    "everybody may say from which address a request comes, and `allow` and `deny` go by that",
                );
                self.report(mistake.warning().help("list the proxies in front only"));
            }
        }
    }

    /// Where a PROXY header is required and no network may send one, nobody gets in. Over a Unix socket its permissions
    /// decide who may connect.
    fn trusts_a_network(&mut self, at: &KeyPath, raw: &raw::Listener) {
        self.believes_everybody(at, raw);
        let wants_header =
            raw.proxy_protocol == raw::ProxyProtocol::Accept && raw.protocol != raw::ListenerProtocol::Udp;
        let over_tcp = raw.bind.as_deref().is_some_and(|bind| !bind.starts_with("unix:"));
        if wants_header && over_tcp && raw.trusted_proxies.is_empty() {
            let path = at.key("proxy_protocol");
            let mistake = self.mistake(&path, "nobody can connect: PROXY headers are accepted from no address");
            self.report(mistake.help("list the proxies in front in trusted_proxies, such as [\"10.0.0.0/8\"]"));
        }
    }
}

/// Whether a field has a meaning of its own for the proxy, so that an id in its place would break messages or be lost.
pub(super) fn is_taken(name: &HeaderName) -> bool {
    const TAKEN: [HeaderName; 18] = [
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::TRANSFER_ENCODING,
        header::TRAILER,
        header::TE,
        header::UPGRADE,
        header::EXPECT,
        header::DATE,
        header::VIA,
        header::FORWARDED,
        header::COOKIE,
        header::SET_COOKIE,
        header::AUTHORIZATION,
        header::LOCATION,
        header::RETRY_AFTER,
    ];
    const OTHERS: [&str; 5] = ["keep-alive", "proxy-connection", "proxy-status", "traceparent", "tracestate"];
    TAKEN.contains(name) || OTHERS.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded")
}

/// How paths are treated: where anything is protected, those that programs read in different ways are refused unless the file says otherwise.
fn path_rules(raw: &raw::Listener) -> PathRules {
    let is_protected = |route: &raw::Route| route.auth.is_some() || !route.allow.is_empty() || !route.deny.is_empty();
    let is_protected = raw.route.iter().any(is_protected);
    PathRules {
        passes_as_sent: match raw.paths {
            raw::Paths::AsSent => true,
            raw::Paths::Normalised => false,
            raw::Paths::Auto => !is_protected,
        },
        refuses_ambiguous: match raw.ambiguous_paths {
            raw::AmbiguousPaths::Refuse => true,
            raw::AmbiguousPaths::Pass => false,
            raw::AmbiguousPaths::Auto => is_protected,
        },
    }
}

pub(super) fn protocol(raw: raw::ListenerProtocol) -> ListenerProtocol {
    match raw {
        raw::ListenerProtocol::Http => ListenerProtocol::Http,
        raw::ListenerProtocol::Tcp => ListenerProtocol::Tcp,
        raw::ListenerProtocol::Tls => ListenerProtocol::Tls,
        raw::ListenerProtocol::Udp => ListenerProtocol::Udp,
    }
}

fn limits(raw: &raw::Limits) -> RequestLimits {
    RequestLimits {
        header_timeout: raw.header_timeout.0,
        // The schema keeps it below 16 MiB.
        max_header_bytes: usize::try_from(raw.max_header_bytes.0).unwrap_or(usize::MAX),
        max_headers: raw.max_headers as usize,
        max_body: raw.max_body.0,
        min_body_rate: raw.min_body_rate.0,
        max_requests_per_connection: u64::from(raw.max_requests_per_connection),
        max_concurrent_streams: raw.max_concurrent_streams,
        allow_encoded_controls: raw.allow_encoded_controls,
    }
}
