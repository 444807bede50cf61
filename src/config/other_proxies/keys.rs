//! The keys and the sections of other proxies, and those of ours.

use super::below::{CERT, KEY, MAX_BODY, WORKERS};

/// Keys of other proxies: the words, the key of ours, and what to do. They are suggested only in tables that have our
/// key.
pub(super) const KEYS: [(&[&str], &str, &str); 52] = [
    (&["jwks", "bearer", "oauth", "oidc", "openid", "jwt_auth", "auth_jwt"], "jwt", "write `jwt = { jwks = \"...\" }`"),
    (&["auth_basic", "basic_auth", "basicauth", "htpasswd", "users"], "basic", "write `basic = { file = \"...\" }`"),
    (
        &["mtls", "client_certificate", "ssl_verify_client", "certificate"],
        "client_cert",
        "write `client_cert = { names = [\"...\"] }`",
    ),
    (
        &["auth_request", "forward_auth", "forwardauth", "ext_authz"],
        "forward",
        "write `forward = { service = \"NAME\" }`",
    ),
    (&["real_ip_header", "x_real_ip", "real_ip"], "client_ip_header", "write `client_ip_header = \"x-real-ip\"`"),
    (
        &["cors_policy", "allow_origin", "access_control_allow_origin"],
        "cors",
        "write `cors = { origins = [\"https://...\"] }`",
    ),
    (
        &["add_header", "http_response", "custom_response_headers"],
        "response_headers",
        "write `response_headers = { set = { NAME = \"...\" } }`",
    ),
    (
        &["prefix", "path_beg", "pathprefix", "location", "path_prefixes", "starts_with"],
        "path_prefix",
        "write `path_prefix = \"/...\"`; `path` is one exact path",
    ),
    (&["regex", "path_reg"], "path_regex", "write `path_regex = \"^/...\"`"),
    (
        &["healthcheck", "health_check", "health_checks", "check", "active_health_check"],
        "health",
        "active checks are the section [service.NAME.health]",
    ),
    (
        &[
            "cert",
            "certs",
            "certfile",
            "cert_file",
            "certificate",
            "ssl_certificate",
            "crt",
            "key",
            "keyfile",
            "key_file",
            "privkey",
            "private_key",
            "ssl_certificate_key",
        ],
        "certificates",
        "write `certificates = [{ cert = \"chain.pem\", key = \"key.pem\" }]`",
    ),
    (
        &["ssl", "https"],
        "tls",
        "TLS is the section `tls`: [listener.tls] towards clients, [service.NAME.tls] towards backends",
    ),
    (
        &[
            "sticky",
            "stickiness",
            "sticky_session",
            "sticky_sessions",
            "session_affinity",
            "session",
            "sessions",
            "session_persistence",
            "persistence",
        ],
        "affinity",
        "it is the section [service.NAME.affinity]",
    ),
    (
        &["server", "servers", "upstream", "endpoints", "targets", "url"],
        "backend",
        "write [[service.NAME.backend]] for each one",
    ),
    (
        &[
            "algorithm",
            "lb",
            "lb_algorithm",
            "lb_policy",
            "lb_method",
            "load_balancing",
            "load_balancer",
            "loadbalancer",
            "policy",
            "strategy",
        ],
        "balance",
        "write `balance = \"...\"`",
    ),
    (&["proxy_pass", "upstream", "backend", "use_backend", "default_backend"], "service", "write `service = \"NAME\"`"),
    (&["name"], "id", "write `id = \"...\"`"),
    (&["listen", "address", "port"], "bind", "write `bind = \"0.0.0.0:8080\"`"),
    (&["maxconn", "max_conns", "connection_limit"], "max_connections", "write `max_connections = 100`"),
    (&["return", "static_response"], "respond", "write `respond = { status = 404 }`"),
    (&["type"], "kind", "write `kind = \"http\"`"),
    (&["inter"], "interval", "write `interval = \"2s\"`"),
    (&["mode"], "protocol", "write `protocol = \"http\"`"),
    (&["default_service"], "service", "write `service = \"NAME\"`"),
    (
        &["down", "disabled", "maintenance"],
        "drain",
        "write `weight = 0` (no new work) or `drain = true` (it keeps its sessions and gets no new ones)",
    ),
    (
        &["max_fails", "fail_timeout", "outlier_detection", "passive_health_check", "observe"],
        "outlier",
        "answers count in [service.NAME.outlier] (`consecutive_failures`, `eject_for`), active checks in \
         [service.NAME.health] (`fall`)",
    ),
    (&["keepalive", "keep_alive"], "pool", "idle connections are kept by `max_idle` in [service.NAME.pool]"),
    (&["retries", "retry_policy", "num_retries"], "retry", "it is `attempts` in [service.NAME.retry]"),
    (&["url", "uri", "endpoint"], "webhook", "write `webhook = \"https://...\"`"),
    (&["url", "uri", "address", "target", "host"], "endpoint", "write `endpoint = \"tcp://HOST:PORT\"`"),
    (
        &["url", "uri", "host", "hostname", "addr", "target", "server", "ip", "endpoint", "destination", "upstream"],
        "address",
        "write `address = \"HOST:PORT\"`",
    ),
    (MAX_BODY, "max_body", "write `max_body = \"10MiB\"`"),
    (
        &["fails", "failures", "unhealthy_threshold", "failure_threshold", "fail_threshold", "max_failures"],
        "fall",
        "write `fall = 3`: so many failures in a row take a backend out",
    ),
    (
        &["successes", "healthy_threshold", "success_threshold", "passes", "min_successes"],
        "rise",
        "write `rise = 2`: so many successes in a row bring it back",
    ),
    (WORKERS, "workers", "write `workers = 4`; 0 = one per core"),
    (&["log_level", "loglevel", "verbosity"], "level", "write `level = \"info\"`"),
    (&["file", "access_log", "accesslog", "output"], "access", "write `access = \"access.log\"`"),
    (CERT, "cert", "write `cert = \"chain.pem\"`"),
    (KEY, "key", "write `key = \"key.pem\"`"),
    (
        &["ssl_protocols", "min_tls_version", "ssl_min_ver", "version", "versions", "protocols"],
        "min_version",
        "write `min_version = \"1.2\"`",
    ),
    (&["ssl_ciphers", "cipher_suites"], "ciphers", "write `ciphers = [\"...\"]`, or `preset = \"modern\"`"),
    (&["secret", "secret_key"], "secret_file", "a secret stands in a file of its own: `secret_file = \"...\"`"),
    (&["token", "password", "api_key"], "token_file", "a token stands in a file of its own: `token_file = \"...\"`"),
    (&["methods_allowed", "method"], "methods", "write `methods = [\"GET\"]`"),
    (&["ratelimit", "limit_req", "throttle", "rate"], "rate_limit", "write `rate_limit = [{ rate = \"100/s\" }]`"),
    (
        &["gzip", "compression", "brotli", "zstd", "encode", "compressor", "http_compression"],
        "compress",
        "write `compress = true`, or `compress = { algorithms = [\"gzip\"] }`",
    ),
    (&["gunzip", "decompressor", "decompression"], "decompress", "write `decompress = true`"),
    (
        &["encodings", "encoders", "algo", "algorithm", "algo_res"],
        "algorithms",
        "write `algorithms = [\"br\", \"gzip\"]`",
    ),
    (
        &["gzip_types", "mime_types", "content_type", "content_types", "type", "type_res", "includedcontenttypes"],
        "types",
        "write `types = [\"text/*\", \"+json\"]`",
    ),
    (
        &[
            "min_length",
            "gzip_min_length",
            "minimum_length",
            "minsize_res",
            "minresponsebodybytes",
            "min_content_length",
        ],
        "min_size",
        "write `min_size = \"1KiB\"`",
    ),
    (
        &["comp_level", "gzip_comp_level", "quality", "compression_level"],
        "level",
        "write `level = { gzip = 2, br = 3, zstd = 3 }`",
    ),
    (
        &["limit_conn", "connlimit", "conn_limit", "inflightreq", "max_connections_per_ip"],
        "client_limits",
        "write `client_limits = { connections = 100, requests = 50 }`",
    ),
];

/// The sections of other proxies' files, and those of ours.
pub(super) const SECTIONS: [(&[&str], &str, &str); 6] = [
    (
        &["upstream", "upstreams", "backend", "backends", "clusters", "servers", "pools"],
        "service",
        "write [service.NAME], and [[service.NAME.backend]] for each backend",
    ),
    (
        &["frontend", "frontends", "virtual_host", "entrypoint", "entrypoints"],
        "listener",
        "write [[listener]] for each one",
    ),
    (
        &["listen", "port", "bind", "entry_points", "ports", "http", "https"],
        "listener",
        "write [[listener]] with `name`, `bind` and `service`",
    ),
    (&["logging", "logger", "logs"], "log", "log and access log are [log]"),
    (&["global", "main", "process"], "server", "the process as a whole is [server]"),
    (&["stats", "status", "api", "dashboard"], "admin", "status, metrics and dashboard are at the address of [admin]"),
];
