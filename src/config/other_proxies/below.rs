//! Words of other proxies for keys that are in a section below the one where they are written, or somewhere else altogether.

/// Words for the largest body of a request.
pub(super) const MAX_BODY: &[&str] = &[
    "max_body_bytes",
    "max_body_size",
    "max_body_length",
    "client_max_body_size",
    "body_limit",
    "max_request_body",
    "max_request_body_size",
    "max_request_size",
    "maxrequestbodybytes",
];

/// Words for the threads that serve.
pub(super) const WORKERS: &[&str] =
    &["threads", "worker_threads", "worker_processes", "nbthread", "nbproc", "num_workers"];

/// Words for the file of a certificate.
pub(super) const CERT: &[&str] = &[
    "certfile",
    "cert_file",
    "certificate",
    "certificate_file",
    "ssl_certificate",
    "crt",
    "fullchain",
    "chain",
    "pem",
];

/// Words for the file of a private key.
pub(super) const KEY: &[&str] = &[
    "keyfile",
    "key_file",
    "privkey",
    "private_key",
    "privatekey",
    "certificate_key",
    "ssl_certificate_key",
    "cert_key",
];

/// The section below, the key in it, and the words.
const BELOW: [(&str, &str, &[&str]); 17] = [
    ("limits", "max_body", MAX_BODY),
    ("limits", "header_timeout", &["client_header_timeout"]),
    ("server", "workers", WORKERS),
    ("log", "level", &["loglevel", "verbosity"]),
    ("log", "access", &["access_log", "accesslog"]),
    ("tls", "certificates", CERT),
    ("tls", "certificates", KEY),
    ("tls", "certificates", &["cert", "key", "certs"]),
    ("tls", "min_version", &["ssl_protocols", "min_tls_version", "tls_version", "ssl_min_ver"]),
    ("tls", "ciphers", &["ssl_ciphers", "cipher_suites"]),
    ("tls", "client_ca", &["ca", "ca_file", "ssl_client_certificate"]),
    ("timeout", "connect", &["proxy_connect_timeout", "connection_timeout", "dial_timeout"]),
    ("timeout", "total", &["request_timeout", "timeout_request"]),
    ("pool", "max_idle", &["keepalive_connections", "max_idle_connections", "max_idle_conns"]),
    ("hash", "on", &["hash_on", "hash_key", "hash_by", "hash_policy"]),
    ("outlier", "eject_for", &["ejection_time", "base_ejection_time"]),
    ("health", "path", &["health_uri", "health_url", "healthcheck_path", "check_path", "health_check_path"]),
];

/// What is said of words that are of another section, in whichever one they are written.
const ELSEWHERE: [(&[&str], &str); 8] = [
    (
        &["listen", "port", "listen_address", "listen_addr"],
        "clients are listened to at `bind` of [[listener]]: write `bind = \"0.0.0.0:8080\"` there",
    ),
    (
        &[
            "read_timeout",
            "send_timeout",
            "timeout_server",
            "proxy_read_timeout",
            "proxy_send_timeout",
            "read",
            "write",
        ],
        "in [service.NAME.timeout], `response` is the time to the head of an answer, and `idle` the time between two reads or writes",
    ),
    (&["timeout_client", "keepalive_timeout"], "it is `idle_timeout` of [[listener]]"),
    (&["log_level", "loglevel", "verbosity"], "it is `level` in [log]"),
    (&["access_log", "accesslog"], "it is `access` in [log]"),
    (WORKERS, "it is `workers` in [server]"),
    (MAX_BODY, "it is `max_body` in [listener.limits]"),
    (
        &["match", "matches", "matcher", "rule", "rules", "when", "condition"],
        "the conditions of a route are keys of [[listener.route]]: host, path, path_prefix, path_regex, methods, headers, query",
    ),
];

/// The key of a section below that was probably meant by `key`; `has` says whether there is such a section, with such a key.
pub(in crate::config) fn below(key: &str, has: impl Fn(&str, &str) -> bool) -> Option<(&'static str, &'static str)> {
    let key = folded(key);
    let found = BELOW.iter().find(|(section, below, words)| words.contains(&&*key) && has(section, below));
    found.map(|(section, below, _)| (*section, *below))
}

/// What to do about a key that is of another section.
pub(in crate::config) fn elsewhere(key: &str) -> Option<&'static str> {
    let key = folded(key);
    ELSEWHERE.iter().find(|(words, _)| words.contains(&&*key)).map(|(_, help)| *help)
}

/// A word as the lists have it.
pub(super) fn folded(word: &str) -> String {
    word.to_ascii_lowercase().replace('-', "_")
}
