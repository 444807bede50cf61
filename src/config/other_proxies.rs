//! Words from the configurations of other proxies: what they are called here, and what does not exist here.
//!
//! The lists have words of nginx, HAProxy, Traefik, Caddy and Envoy that name something which has another place in our
//! configuration, or none. A word that is only misspelt is found by `syntax::nearest`.

mod below;
mod keys;
mod variables;

use below::folded;
use keys::{IN_SECTIONS, KEYS, SECTIONS};

pub(super) use below::{below, elsewhere};
pub(super) use variables::{Foreign, foreign};

/// Keys of a backend in other proxies that are keys of the service here.
const OF_THE_SERVICE: [(&[&str], &str); 2] = [
    (
        &["check", "healthcheck", "health_check", "health", "inter", "fall", "rise"],
        "all backends of a service are checked alike: [service.NAME.health]",
    ),
    (
        &["max_fails", "fail_timeout", "observe", "on_error"],
        "it belongs to the service: `consecutive_failures` and `eject_for` in [service.NAME.outlier], or `fall` in \
         [service.NAME.health]",
    ),
];

/// Features that other proxies have and this one does not.
const ABSENT: [(&[&str], &str); 11] = [
    (&["cache", "proxy_cache", "caching"], "Evenkeel has no cache"),
    (
        &["gzip", "compress", "compression", "brotli", "zstd", "encode"],
        "Evenkeel compresses where requests are routed: `compress` of [[listener]] and [[listener.route]]",
    ),
    (
        &["rate_limit", "ratelimit", "limit_req", "rate", "throttle"],
        "Evenkeel limits rates where requests come in: [[listener.rate_limit]], or [[listener.route.rate_limit]]",
    ),
    (&["root", "static", "files", "file_server", "try_files", "alias"], "Evenkeel serves no files"),
    (
        &["basic_auth", "auth", "auth_basic", "jwt", "oauth", "forward_auth", "ext_authz"],
        "Evenkeel authenticates where requests are routed: `auth` of [[listener.route]], with client_cert, basic, jwt or forward",
    ),
    (
        &["acme", "letsencrypt", "certresolver", "cert_resolver"],
        "Evenkeel does not get certificates by itself; it watches their files, and takes on what an ACME client writes there",
    ),
    (
        &["mirror", "shadow", "request_mirror"],
        "Evenkeel mirrors requests where they are routed: `mirror` of [[listener.route]]",
    ),
    (&["lua", "script", "wasm", "plugins", "middlewares", "filters"], "Evenkeel has no scripts and no plugins"),
    (
        &["fastcgi", "fastcgi_pass", "uwsgi_pass", "cgi", "ajp"],
        "Evenkeel speaks HTTP to its backends, and no FastCGI, uWSGI or AJP",
    ),
    (
        &["allow", "deny", "ip_allow", "whitelist", "blacklist", "allowlist", "denylist"],
        "Evenkeel has lists of addresses where requests come in: `allow` and `deny` of [[listener]] and [[listener.route]]",
    ),
    (&["http3", "quic", "h3"], "Evenkeel does not speak HTTP/3; a `udp` listener passes QUIC on"),
];

/// The key that was probably meant by `key` in a table with these `known` keys, and what to do; without a key where
/// there is none.
pub(super) fn key(key: &str, known: &[&str]) -> Option<(Option<&'static str>, &'static str)> {
    let key = folded(key);
    let is = |words: &[&str]| words.contains(&key.as_str());
    let in_section = IN_SECTIONS.iter().find(|(words, meant, sibling, _)| {
        is(words) && known.contains(sibling) && (meant.is_empty() || known.contains(meant))
    });
    if let Some((_, meant, _, help)) = in_section {
        return Some((Some(*meant).filter(|meant| !meant.is_empty()), *help));
    }
    // only the root has listeners, only a backend has both an address and a weight
    let sections = if known.contains(&"listener") { &SECTIONS[..] } else { &[] };
    let meant = sections.iter().chain(&KEYS).find(|(words, meant, _)| is(words) && known.contains(meant));
    if known.contains(&"address")
        && known.contains(&"weight")
        && let Some((_, help)) = OF_THE_SERVICE.iter().find(|(words, _)| is(words))
    {
        return Some((None, *help));
    }
    let absent = || ABSENT.iter().find(|(words, _)| is(words)).map(|(_, help)| (None, *help));
    meant.map(|(_, meant, help)| (Some(*meant), *help)).or_else(absent)
}

/// Words of other proxies, a word by which the list of ours is known, the one that is meant, and what to do.
const WORDS: [(&[&str], &str, Option<&str>, &str); 13] = [
    (
        &["1.0", "1.1", "tls1.0", "tls1.1", "tlsv1", "tlsv1.0", "tlsv1.1", "ssl3", "sslv3"],
        "1.2",
        None,
        "versions before TLS 1.2 are not spoken any more (RFC 8996)",
    ),
    (&["brotli"], "br", Some("br"), "algorithms are called as in `Accept-Encoding`"),
    (&["zstandard"], "br", Some("zstd"), "algorithms are called as in `Accept-Encoding`"),
    (
        &["deflate", "zlib", "raw_deflate", "x_gzip"],
        "br",
        Some("gzip"),
        "programs don't agree on what `deflate` is, and all that read it read gzip",
    ),
    // listener.protocol has "udp", service.protocol has "auto"
    (&["https", "tls", "ssl"], "udp", Some("http"), "HTTPS is protocol = \"http\" with a [listener.tls] section"),
    (
        &["http2", "h2", "h2c", "grpc", "http1", "ws", "websocket"],
        "udp",
        Some("http"),
        "protocol = \"http\" speaks HTTP/1.1 and HTTP/2, gRPC and WebSockets among them",
    ),
    (
        &["https", "tls", "ssl"],
        "auto",
        Some("http1"),
        "TLS towards backends is the section [service.NAME.tls], and `protocol` is what is spoken within",
    ),
    (&["http2", "h2c", "grpc", "grpcs"], "auto", Some("h2"), "HTTP/2, which gRPC needs, is protocol = \"h2\""),
    (&["http", "http1.1", "http/1.1"], "auto", Some("http1"), "HTTP/1.1 is protocol = \"http1\""),
    (
        &["ip_hash", "source", "source_hash", "source_ip", "sticky", "client_ip"],
        "consistent_hash",
        Some("consistent_hash"),
        "with hash = { on = \"client_ip\" }, which is the default",
    ),
    (
        &["uri", "uri_hash", "url_hash", "hash", "ring_hash", "maglev"],
        "consistent_hash",
        Some("consistent_hash"),
        "what is hashed is `on` in [service.NAME.hash], such as \"path\"",
    ),
    (
        &["least_conn", "leastconn", "least_request", "wlc"],
        "consistent_hash",
        Some("least_connections"),
        "`weighted_least_connections` heeds weights",
    ),
    (
        &["random", "p2c", "random_choose"],
        "consistent_hash",
        Some("power_of_two"),
        "it picks the less loaded of two random ones",
    ),
];

/// The word that was probably meant by `text`, of the `words` that a key can be, and what to do.
pub(super) fn word(text: &str, words: &[&str]) -> Option<(Option<&'static str>, &'static str)> {
    let text = folded(text);
    let meant = WORDS.iter().find(|(aliases, of, ..)| aliases.contains(&text.as_str()) && words.contains(of));
    meant.map(|(_, _, meant, help)| (*meant, *help))
}

/// The level of a log or of events that is called `text` elsewhere.
pub(super) fn level(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "warning" => Some("warn"),
        "err" | "crit" | "critical" | "alert" | "emerg" | "fatal" => Some("error"),
        "notice" => Some("info"),
        "verbose" => Some("debug"),
        _ => None,
    }
}

/// The variable that was probably meant by `${name}`, and what to do.
pub(super) fn placeholder(name: &str) -> Option<(&'static str, &'static str)> {
    const HELP: &str = "${host}, ${path} and ${query} are filled in, as other variables are, in header values, redirects and answers; other \
                        names are of environment variables";
    let name = name.to_ascii_lowercase();
    let meant = match name.strip_prefix("http.request.").unwrap_or(&name) {
        "hostname" | "http_host" | "server_name" | "request_host" | "domain" | "authority" => "host",
        "uri" | "request_uri" | "document_uri" | "request_path" | "url" => "path",
        "args" | "query_string" | "is_args" | "querystring" => "query",
        "remote_addr" | "realip_remote_addr" | "remote_ip" | "remote.host" | "remote_host" | "src" | "ip" => {
            "client_ip"
        }
        "remote_port" | "src_port" | "remote.port" => "client_port",
        "unique_id" | "req_id" | "uuid" | "x_request_id" => "request_id",
        "request_method" | "verb" => "method",
        "proto" | "protocol" => "scheme",
        "time_iso8601" | "time_local" | "msec" | "now" | "date" => "time",
        "ssl_protocol" | "tls_version" | "tls_protocol" => "tls.version",
        "ssl_cipher" | "tls_cipher" | "tls.cipher_suite" => "tls.cipher",
        "ssl_server_name" | "sni" | "tls.server_name" => "tls.sni",
        "upstream_addr" | "upstream" | "server" => "backend",
        _ => return None,
    };
    Some((meant, HELP))
}
