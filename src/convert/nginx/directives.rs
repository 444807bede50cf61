//! What is said of each directive that has no counterpart. The others are carried over where they stand.

use super::parse::Directive;
use crate::convert::output::Findings;

/// Directives that are carried over, or whose findings are told where they are.
const KNOWN: &str = "http stream events server location upstream map geo split_clients limit_except if set return rewrite listen server_name \
    proxy_pass grpc_pass proxy_set_header grpc_set_header add_header proxy_hide_header expires allow deny auth_basic auth_basic_user_file \
    auth_request auth_request_set auth_jwt auth_jwt_key_file satisfy limit_req limit_req_zone limit_req_status limit_req_dry_run limit_conn \
    limit_conn_zone limit_conn_status limit_rate client_max_body_size client_header_timeout large_client_header_buffers keepalive_timeout \
    keepalive_requests set_real_ip_from real_ip_header proxy_connect_timeout proxy_read_timeout grpc_connect_timeout grpc_read_timeout \
    proxy_next_upstream proxy_next_upstream_tries grpc_next_upstream grpc_next_upstream_tries proxy_bind grpc_bind ssl ssl_certificate \
    ssl_certificate_key ssl_protocols ssl_ciphers ssl_client_certificate ssl_trusted_certificate ssl_verify_client ssl_crl ssl_stapling \
    ssl_stapling_file ssl_session_ticket_key proxy_ssl_name proxy_ssl_verify proxy_ssl_trusted_certificate proxy_ssl_certificate \
    proxy_ssl_certificate_key proxy_ssl_crl grpc_ssl_name grpc_ssl_verify grpc_ssl_trusted_certificate grpc_ssl_certificate \
    grpc_ssl_certificate_key grpc_ssl_crl mirror mirror_request_body internal health_check access_log error_log worker_processes \
    default_type root alias try_files index autoindex fastcgi_pass uwsgi_pass scgi_pass memcached_pass redis_pass stub_status api dav_methods \
    flv mp4 empty_gif content_by_lua_block js_content perl types ssl_preread proxy_timeout proxy_protocol proxy_ssl proxy_responses \
    worker_shutdown_timeout gzip gzip_types gzip_min_length gzip_comp_level brotli brotli_types brotli_min_length \
    error_page proxy_intercept_errors proxy_pass_request_headers proxy_pass_request_body";

/// Directives that nothing has to be done for, with the reason.
const HARMLESS: &[(&str, &str)] = &[
    (
        "user pid daemon master_process worker_priority worker_cpu_affinity worker_rlimit_nofile worker_rlimit_core working_directory lock_file \
         pcre_jit thread_pool timer_resolution env debug_points",
        "the process is set up by its service manager: docs/operations.md",
    ),
    (
        "use multi_accept accept_mutex accept_mutex_delay worker_aio_requests worker_connections",
        "there is no limit of connections but `max_connections` of a listener",
    ),
    (
        "sendfile sendfile_max_chunk tcp_nopush tcp_nodelay aio aio_write directio output_buffers postpone_output reset_timedout_connection \
         lingering_close lingering_time lingering_timeout open_file_cache open_file_cache_valid open_file_cache_min_uses open_file_cache_errors \
         send_lowat read_ahead types_hash_max_size types_hash_bucket_size server_names_hash_max_size server_names_hash_bucket_size \
         variables_hash_max_size variables_hash_bucket_size map_hash_max_size map_hash_bucket_size proxy_headers_hash_max_size \
         proxy_headers_hash_bucket_size connection_pool_size request_pool_size client_header_buffer_size client_body_buffer_size \
         client_body_temp_path client_body_in_file_only client_body_in_single_buffer chunked_transfer_encoding server_name_in_redirect \
         port_in_redirect absolute_redirect merge_slashes msie_padding msie_refresh log_not_found log_subrequest etag if_modified_since \
         charset source_charset override_charset ignore_invalid_headers underscores_in_headers keepalive_disable max_ranges recursive_error_pages \
         resolver resolver_timeout preread_buffer_size preread_timeout proxy_buffer_size proxy_buffers proxy_busy_buffers_size proxy_temp_path \
         proxy_max_temp_file_size proxy_temp_file_write_size proxy_socket_keepalive grpc_buffer_size grpc_socket_keepalive rewrite_log \
         uninitialized_variable_warn real_ip_recursive limit_req_log_level limit_conn_log_level tcp_nodelay variables_hash http2_max_field_size",
        "nothing has to be done for it here",
    ),
    (
        "gzip_proxied gzip_vary gzip_disable gzip_buffers gzip_http_version gzip_static gunzip brotli_static brotli_comp_level",
        "`compress` needs no word for it: docs/compression.md",
    ),
    ("server_tokens", "answers have no `Server` of Evenkeel's own"),
    ("proxy_buffering proxy_request_buffering", "bodies go on as they come, in both directions"),
    ("proxy_http_version", "connections to backends are HTTP/1.1 and kept; `protocol = \"h2\"` speaks HTTP/2"),
    ("proxy_send_timeout grpc_send_timeout", "`timeout.idle` is for both directions"),
    (
        "client_body_timeout send_timeout",
        "a client that takes or sends nothing is given up after `timeout.idle` and `idle_timeout`",
    ),
    (
        "ssl_prefer_server_ciphers ssl_session_cache ssl_session_timeout ssl_session_tickets ssl_dhparam ssl_ecdh_curve ssl_buffer_size \
         ssl_early_data ssl_conf_command ssl_verify_depth ssl_handshake_timeout ssl_stapling_verify ssl_stapling_responder",
        "TLS is set up like this by itself, or has no such thing: docs/tls.md",
    ),
    ("ssl_reject_handshake", "a host that no certificate is for is answered with 421"),
    (
        "http2 http2_max_concurrent_streams http2_recv_timeout http2_idle_timeout http2_max_requests http2_push http2_push_preload",
        "HTTP/2 is spoken over TLS by itself; `alpn` of [listener.tls]",
    ),
    (
        "proxy_ssl_server_name proxy_ssl_session_reuse proxy_ssl_protocols proxy_ssl_ciphers proxy_ssl_verify_depth grpc_ssl_server_name \
         grpc_ssl_session_reuse grpc_ssl_protocols grpc_ssl_ciphers grpc_ssl_verify_depth",
        "backends are told the name, and TLS 1.2 and 1.3 are spoken to them",
    ),
    ("log_format", "`[log] access_format` and `access_fields` say what lines have: docs/operations.md"),
    (
        "proxy_next_upstream_timeout grpc_next_upstream_timeout",
        "`timeout.response` bounds all attempts: docs/configuration.md",
    ),
    ("proxy_redirect", "`Location` of backends goes on as it came: have them make it of the host that they are told"),
    ("break", "nothing has to be done for it here"),
];

/// Directives whose work is not done, with what to do instead.
const NOT_DONE: &[(&str, &str, &str)] = &[
    (
        "proxy_cache proxy_cache_path proxy_cache_valid proxy_cache_key proxy_cache_bypass proxy_no_cache proxy_cache_use_stale proxy_cache_lock \
         proxy_cache_methods proxy_cache_min_uses proxy_cache_revalidate proxy_cache_background_update proxy_cache_purge proxy_store \
         proxy_ignore_headers proxy_cache_lock_timeout proxy_cache_convert_head",
        "nothing is cached",
        "put a cache (Varnish, nginx) behind or before, as a service",
    ),
    (
        "proxy_cookie_path proxy_cookie_domain",
        "cookies go on as backends set them",
        "have the backend set them for the outer host and path",
    ),
    (
        "proxy_pass_header proxy_method proxy_set_body proxy_limit_rate proxy_force_ranges",
        "requests go on as they came",
        "",
    ),
    (
        "sub_filter sub_filter_once sub_filter_types addition_types add_before_body add_after_body add_trailer ssi xslt_stylesheet image_filter slice",
        "bodies go on as they came",
        "have the backend do it",
    ),
    (
        "limit_rate_after",
        "clients are slowed down from their first byte",
        "`client_limits.download_burst` of the listener",
    ),
    ("mail", "mail is not known", "a TCP listener for each port: docs/layer4.md"),
    ("load_module", "modules are not loaded", "say what it was for; docs/migrating.md has what there is"),
    (
        "js_import js_include js_set lua_package_path lua_shared_dict init_by_lua_block init_by_lua header_filter_by_lua_block body_filter_by_lua_block log_by_lua_block header_filter_by_lua_file body_filter_by_lua_file log_by_lua_file init_worker_by_lua_block init_by_lua_file perl_modules perl_require",
        "programs don't run here",
        "`auth.forward` asks a service about each request: docs/access.md",
    ),
    ("opentelemetry otel_trace otel_exporter opentracing", "traces are not set up", "[otlp]: docs/operations.md"),
];

/// Directives that keep somebody out; without them the result would be less safe.
const GUARDS: &[(&str, &str, &str)] = &[
    (
        "access_by_lua_block access_by_lua access_by_lua_file js_access rewrite_by_lua_block rewrite_by_lua_file set_by_lua_block \
         server_rewrite_by_lua_block ssl_certificate_by_lua_block ssl_client_hello_by_lua_block preread_by_lua_block",
        "who is refused by it comes in",
        "`auth.forward` asks a service about each request: docs/access.md",
    ),
    (
        "modsecurity modsecurity_rules modsecurity_rules_file app_protect_enable app_protect_policy_file naxsi SecRulesEnabled",
        "no rules are looked at",
        "keep a web application firewall in front or behind",
    ),
    (
        "secure_link secure_link_md5 secure_link_secret",
        "links are not verified",
        "have the backend verify them, or `auth.forward`",
    ),
    (
        "geoip_country geoip2 geoip_city valid_referers",
        "it is not known where clients come from",
        "`allow` and `deny` take files of networks: docs/access.md",
    ),
    (
        "auth_jwt_claim_set auth_jwt_require auth_jwt_type auth_jwt_header_set",
        "claims are not looked at as it says",
        "`auth.jwt.require` and `claims`: docs/access.md",
    ),
    ("internal_redirect auth_oidc auth_delay", "it is not done", "`auth.forward`: docs/access.md"),
    (
        "proxy_cookie_flags",
        "cookies go on as backends set them, without `Secure`, `HttpOnly` or `SameSite`",
        "have the backend set them",
    ),
    (
        "ssl_ocsp ssl_ocsp_responder ssl_ocsp_cache",
        "clients' certificates are not asked about: those that were revoked come in",
        "have short-lived certificates, or refuse the names of those that were revoked by `auth.client_cert`",
    ),
];

/// Parts of the names of directives of other modules that most likely keep somebody out.
const GUARDING: [&str; 17] = [
    "auth",
    "allow",
    "deny",
    "access",
    "verify",
    "ocsp",
    "secure",
    "secret",
    "limit",
    "guard",
    "block",
    "reject",
    "protect",
    "waf",
    "captcha",
    "whitelist",
    "blacklist",
];

/// Whether a directive that is not known most likely keeps somebody out, by its name.
fn is_guard(name: &str) -> bool {
    let lua = name.contains("_by_lua") || name.contains("_by_js") || name.contains("_by_njs");
    // `rewrite_by_lua_block` may refuse; `block` is how its name ends
    let answers = ["log_", "header_filter", "body_filter", "init_"].iter().any(|begin| name.starts_with(begin));
    if lua { !answers } else { GUARDING.iter().any(|part| name.to_ascii_lowercase().contains(part)) }
}

/// Tells of every directive without a counterpart.
pub fn tell(directives: &[Directive], findings: &mut Findings) {
    for directive in directives {
        one(directive, findings);
        // what is in these has words of its own
        if !matches!(directive.name.as_str(), "map" | "geo" | "split_clients" | "types" | "upstream" | "mail" | "if") {
            tell(directive.inner(), findings);
        }
    }
}

fn one(directive: &Directive, findings: &mut Findings) {
    let (name, place, text) = (directive.name.as_str(), &directive.place, directive.text());
    let is_in = |names: &str| names.split_whitespace().any(|known| known == name);
    if is_in(KNOWN) || name == "include" {
        return;
    }
    let is_off = directive.arg(0) == "off" && directive.args.len() == 1;
    if let Some((_, why)) = HARMLESS.iter().find(|(names, _)| is_in(names)) {
        findings.note(place, text, *why, "");
    } else if is_off && NOT_DONE.iter().chain(GUARDS).any(|(names, ..)| is_in(names)) {
        // what is not done does not have to be turned off
    } else if let Some((_, why, advice)) = NOT_DONE.iter().find(|(names, ..)| is_in(names)) {
        findings.warning(place, text, *why, *advice);
    } else if let Some((_, why, advice)) = GUARDS.iter().find(|(names, ..)| is_in(names)) {
        findings.error(place, text, *why, *advice);
    } else if is_guard(name) && !(is_off && name.starts_with("auth")) {
        let why = "it is not known here, and by its name it may keep somebody out";
        findings.error(
            place,
            text,
            why,
            "docs/access.md has what there is; if it keeps nobody out, take the line away",
        );
    } else {
        findings.warning(place, text, "it is not known here", "docs/migrating.md has what there is");
    }
}
