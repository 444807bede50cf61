//! Global options.

use std::time::Duration;

use super::tree::Directive;
use super::{Conversion, left_out, matcher};
use crate::convert::networks;
use crate::convert::output::{Output, Place, Value, literal};
use crate::convert::text;
use crate::convert::units;

/// Keys of all listeners, each with its value and where it comes from.
pub type Keys = Vec<(Vec<&'static str>, Value, Place)>;

/// Options about how certificates are fetched.
const FETCHING: [&str; 20] = [
    "email",
    "acme_ca",
    "acme_ca_root",
    "acme_eab",
    "acme_dns",
    "acme_profile",
    "dns",
    "cert_issuer",
    "storage",
    "storage_clean_interval",
    "renew_interval",
    "key_type",
    "on_demand_tls",
    "ocsp_stapling",
    "ocsp_interval",
    "preferred_chains",
    "cert_lifetime",
    "skip_install_trust",
    "local_certs",
    "pki",
];

/// What they say.
#[derive(Debug)]
pub struct Options {
    /// The port of plain HTTP.
    pub http_port: String,
    /// The port of HTTPS.
    pub https_port: String,
    /// Whether sites with names have TLS by themselves.
    pub auto_https: bool,
    /// Whether plain HTTP leads to HTTPS.
    pub redirects: bool,
    /// Where listeners bind that say nothing else.
    pub bind: Vec<String>,
    /// Keys of all listeners, by the address that a `servers` block names; empty = all.
    pub servers: Vec<(String, Keys)>,
    /// Whether `log` of any site has begun the access log.
    pub logged: bool,
    /// Addresses of `servers` at which the client is told otherwise than here; empty = all.
    pub other_clients: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            http_port: "80".to_owned(),
            https_port: "443".to_owned(),
            auto_https: true,
            redirects: true,
            bind: Vec::new(),
            servers: Vec::new(),
            logged: false,
            other_clients: Vec::new(),
        }
    }
}

impl Options {
    /// Whether lists of peers (`remote_ip`), and of clients (`client_ip`), at this port are about whom lists are about here.
    pub fn lists(&self, port: &str) -> (bool, bool) {
        let here = |at: &str| at.is_empty() || text::split_port(at).1 == port;
        let has = |wanted: &str| {
            let keys = self.servers.iter().filter(|(at, _)| here(at)).flat_map(|(_, keys)| keys);
            keys.filter(|(key, ..)| key[..] == [wanted]).count()
        };
        // a PROXY header says who the peer is, and what X-Forwarded-For says is not asked then
        let (header, trusted) = (has("proxy_protocol") > 0, has("trusted_proxies"));
        let other = self.other_clients.iter().any(|at| here(at));
        (header || trusted == 0, !other && (!header || trusted < 2))
    }
}

/// Reads them.
pub fn read(options: &[Directive], conversion: &mut Conversion) {
    for directive in options {
        let place = directive.place();
        let argument = directive.arg(0).unwrap_or_default();
        match directive.word() {
            "http_port" => conversion.options.http_port = argument.to_owned(),
            "https_port" => conversion.options.https_port = argument.to_owned(),
            "auto_https" => match argument {
                "off" => (conversion.options.auto_https, conversion.options.redirects) = (false, false),
                "disable_redirects" => conversion.options.redirects = false,
                _ => {}
            },
            "default_bind" => conversion.options.bind = directive.texts().into_iter().map(str::to_owned).collect(),
            "order" => order(directive, conversion),
            "servers" => {
                let keys = servers(directive, conversion);
                let named = |inner: &Directive| match inner.word() {
                    "trusted_proxies" => inner.arg(0) != Some("static"),
                    "client_ip_headers" => {
                        inner.texts().iter().any(|name| !name.eq_ignore_ascii_case("x-forwarded-for"))
                    }
                    _ => false,
                };
                if directive.inner().iter().any(named) {
                    conversion.options.other_clients.push(argument.to_owned());
                }
                conversion.options.servers.push((argument.to_owned(), keys));
            }
            "grace_period" => {
                if let Some(time) = text::go_duration(argument, Duration::from_nanos(1)) {
                    conversion.out.server.put(&["drain_timeout"], text::duration(time), place);
                }
            }
            "debug" => conversion.out.log.put(&["level"], "debug", place),
            "log" => log(directive, conversion),
            "admin" => {
                let why = "the admin address is Evenkeel's own (127.0.0.1:9900), with other paths";
                conversion.out.findings.note(place, "admin", why, "`[admin]`");
            }
            word if FETCHING.contains(&word) => {
                let why = "certificates are not fetched by Evenkeel itself (ACME)";
                let advice = "have certbot or another client keep them, and name their folder: docs/tls.md";
                conversion.out.findings.note(place, word, why, advice);
            }
            "persist_config" | "metrics" | "default_sni" | "fallback_sni" | "shutdown_delay" | "events"
            | "filesystem" => {
                conversion.out.findings.note(place, directive.word(), "it is left out", "");
            }
            word => left_out(
                &mut conversion.out,
                place,
                word,
                "the converter does not know this option, and it is left out",
                "",
            ),
        }
    }
}

/// `order X before|after Y`, `order X first|last`
fn order(directive: &Directive, conversion: &mut Conversion) {
    let Some(name) = directive.arg(0).map(str::to_owned) else { return };
    conversion.order.retain(|known| *known != name);
    let other = directive.arg(2).and_then(|other| conversion.order.iter().position(|known| known == other));
    let at = match (directive.arg(1), other) {
        (Some("first"), _) => 0,
        (Some("before"), Some(at)) => at,
        (Some("after"), Some(at)) => at + 1,
        _ => conversion.order.len(),
    };
    conversion.order.insert(at, name);
}

/// `servers [ADDRESS] { ... }`
fn servers(directive: &Directive, conversion: &mut Conversion) -> Keys {
    let mut keys: Keys = Vec::new();
    for inner in directive.inner() {
        let place = inner.place().clone();
        let out = &mut conversion.out;
        match inner.word() {
            "trusted_proxies" => trusted(inner, &mut keys, out),
            "client_ip_headers" => {
                for name in inner.texts().into_iter().filter(|name| !name.eq_ignore_ascii_case("x-forwarded-for")) {
                    let why = format!(
                        "the client's address is taken from X-Forwarded-For or Forwarded of trusted_proxies, and not from {name}"
                    );
                    let advice = "have the proxy in front set X-Forwarded-For itself, whatever its clients say there; `client_ip_header` is believed where it sends neither of the two";
                    out.findings.error(&place, "client_ip_headers", why, advice);
                }
            }
            "max_header_size" => {
                let size = inner.arg(0).and_then(text::size).filter(|bytes| (1024..=16 << 20).contains(bytes));
                keys.extend(size.map(|bytes| (vec!["limits", "max_header_bytes"], units::size(bytes).into(), place)));
            }
            "timeouts" => inner.inner().iter().for_each(|time| timeout(time, &mut keys, out)),
            "listener_wrappers" => {
                let wrappers = inner.inner().iter().filter(|wrapper| wrapper.word() == "proxy_protocol");
                wrappers.for_each(|wrapper| proxy_protocol(wrapper, &mut keys, out));
            }
            "protocols" => {
                let why = "HTTP/1.1 and HTTP/2 are spoken, in clear by prior knowledge as well";
                out.findings.note(&place, "protocols", why, "`alpn` of `[listener.tls]`");
            }
            "strict_sni_host"
            | "name"
            | "metrics"
            | "log_credentials"
            | "keepalive_interval"
            | "keepalive_idle"
            | "keepalive_count"
            | "trusted_proxies_strict"
            | "trace"
            | "enable_full_duplex"
            | "0rtt" => {
                out.findings.note(&place, inner.word(), "it is left out", "");
            }
            word => {
                let why = "the converter does not know this option, and it is left out";
                left_out(out, &place, &format!("servers {word}"), why, "");
            }
        }
    }
    keys
}

fn written<'a>(nets: impl Iterator<Item = &'a str>) -> Vec<String> {
    nets.filter_map(networks::parse).map(|net| networks::write(&net)).collect()
}

fn trusted(directive: &Directive, keys: &mut Keys, out: &mut Output) {
    if directive.arg(0) != Some("static") {
        let why = "only networks that are written out are trusted: it is left out";
        left_out(out, directive.place(), "trusted_proxies", why, "`trusted_proxies` of the listener");
        return;
    }
    let expanded = |text| if text == "private_ranges" { matcher::PRIVATE.to_vec() } else { vec![text] };
    let nets = written(directive.texts().into_iter().skip(1).flat_map(expanded));
    keys.push((vec!["trusted_proxies"], nets.into(), directive.place().clone()));
}

fn timeout(time: &Directive, keys: &mut Keys, out: &mut Output) {
    let value = time.arg(0).and_then(|value| text::go_duration(value, Duration::from_nanos(1)));
    match (time.word(), value.filter(|value| !value.is_zero()).map(text::duration)) {
        ("read_header", Some(value)) => {
            keys.push((vec!["limits", "header_timeout"], value.into(), time.place().clone()));
        }
        ("idle", Some(value)) => keys.push((vec!["idle_timeout"], value.into(), time.place().clone())),
        (name, _) => {
            let why = "bodies are not given a time as a whole: each read and write is";
            let advice = "`limits.min_body_rate` of the listener, `timeout.total` of a service";
            left_out(out, time.place(), &format!("timeouts {name}"), why, advice);
        }
    }
}

fn proxy_protocol(wrapper: &Directive, keys: &mut Keys, out: &mut Output) {
    let from = wrapper.inner().iter().find(|inner| inner.word() == "allow");
    let nets = written(from.into_iter().flat_map(Directive::texts));
    if nets.is_empty() {
        let why = "it says not from whom a PROXY header is taken: none is";
        left_out(out, wrapper.place(), "proxy_protocol", why, "`proxy_protocol = \"accept\"` with `trusted_proxies`");
        return;
    }
    keys.push((vec!["proxy_protocol"], "accept".into(), wrapper.place().clone()));
    keys.push((vec!["trusted_proxies"], nets.into(), wrapper.place().clone()));
    let why = "every connection has to begin with a PROXY header, and come from trusted_proxies";
    out.findings.note(wrapper.place(), "proxy_protocol", why, "");
}

/// `log { ... }` of the options: the log of the process; of a site: the access log.
fn log(directive: &Directive, conversion: &mut Conversion) {
    for inner in directive.inner() {
        match (inner.word(), inner.arg(0).unwrap_or_default()) {
            ("level", level) => {
                let word = match level.to_ascii_lowercase().as_str() {
                    "debug" => "debug",
                    "warn" => "warn",
                    "error" | "panic" | "fatal" => "error",
                    _ => "info",
                };
                conversion.out.log.put(&["level"], word, inner.place());
            }
            ("format", "json") => conversion.out.log.put(&["format"], "json", inner.place()),
            ("format", _) => {}
            (word, _) => {
                conversion.out.findings.note(inner.place(), format!("log {word}"), "the log goes to standard error", "")
            }
        }
    }
}

/// `log` of a site.
pub fn access_log(directive: &Directive, conversion: &mut Conversion) {
    let mut to = ("stdout".to_owned(), directive.place().clone());
    let mut format = ("json", directive.place().clone());
    for inner in directive.inner() {
        match (inner.word(), inner.arg(0).unwrap_or_default()) {
            ("output", "file") => to = (literal(inner.arg(1).unwrap_or_default()), inner.place().clone()),
            ("output", "discard") => return,
            ("output", "stdout") => {}
            ("format", "console") => format = ("combined", inner.place().clone()),
            ("format", "json") => {}
            (word, _) => conversion.out.findings.note(
                inner.place(),
                format!("log {word}"),
                "it is left out",
                "`[log]`: access, access_format, access_fields",
            ),
        }
    }
    if std::mem::replace(&mut conversion.options.logged, true) {
        if conversion.out.log.text(&["access"]) != Some(to.0.as_str()) {
            let why = "there is one access log for all listeners and sites";
            conversion.out.findings.warning(
                directive.place(),
                "log",
                why,
                "its lines say the host, by `access_fields`",
            );
        }
        return;
    }
    conversion.out.log.put(&["access"], to.0, &to.1);
    conversion.out.log.put(&["access_format"], format.0, &format.1);
}
