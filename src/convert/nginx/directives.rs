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
    error_page proxy_intercept_errors proxy_pass_request_headers proxy_pass_request_body grpc_hide_header proxy_half_close max_headers";

/// What the directives of programs and files begin with, which are told of where a location uses them (`fastcgi_pass`).
const OF_PROGRAMS: [&str; 12] = [
    "lua_",
    "js_fetch_",
    "fastcgi_",
    "uwsgi_",
    "scgi_",
    "memcached_",
    "autoindex_",
    "mp4_",
    "dav_",
    "image_filter_",
    "xslt_",
    "ssi_",
];

/// Directives that nothing has to be done for, with the reason.
const HARMLESS: &[(&str, &str)] = &[
    (
        "user pid daemon master_process worker_priority worker_cpu_affinity worker_rlimit_nofile worker_rlimit_core working_directory lock_file \
         pcre_jit thread_pool timer_resolution env debug_points debug_connection ssl_engine google_perftools_profiles",
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
         uninitialized_variable_warn real_ip_recursive limit_req_log_level limit_conn_log_level tcp_nodelay variables_hash http2_max_field_size \
         charset_map charset_types directio_alignment create_full_put_path min_delete_depth keepalive_time keepalive_min_timeout \
         proxy_ignore_client_abort grpc_ignore_client_abort proxy_requests proxy_protocol_timeout proxy_downstream_buffer \
         proxy_upstream_buffer proxy_send_lowat referer_hash_max_size referer_hash_bucket_size subrequest_output_buffer_size \
         open_log_file_cache status_zone zone random_index disable_symlinks grpc_pass_header grpc_ignore_headers client_body_buffers",
        "nothing has to be done for it here",
    ),
    (
        "gzip_proxied gzip_vary gzip_disable gzip_buffers gzip_http_version gzip_static gunzip gunzip_buffers gzip_window gzip_hash gzip_no_buffer \
         postpone_gzipping brotli_static brotli_comp_level brotli_window brotli_buffers zstd zstd_types zstd_comp_level zstd_min_length zstd_static",
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
         ssl_early_data ssl_handshake_timeout ssl_stapling_verify ssl_stapling_responder ssl_alpn ssl_object_cache_inheritable \
         ssl_certificate_cache ssl_certificate_compression",
        "TLS is set up like this by itself, or has no such thing: docs/tls.md",
    ),
    ("ssl_reject_handshake", "a host that no certificate is for is answered with 421"),
    (
        "http2 http2_max_concurrent_streams http2_recv_timeout http2_idle_timeout http2_max_requests http2_push http2_push_preload http2_max_header_size \
         http2_body_preread_size http2_chunk_size http2_max_concurrent_pushes http2_pool_size http2_recv_buffer_size http2_streams_index_size",
        "HTTP/2 is spoken over TLS by itself; `alpn` of [listener.tls]",
    ),
    (
        "proxy_ssl_server_name proxy_ssl_session_reuse proxy_ssl_protocols proxy_ssl_ciphers proxy_ssl_verify_depth grpc_ssl_server_name \
         grpc_ssl_session_reuse grpc_ssl_protocols grpc_ssl_ciphers grpc_ssl_verify_depth",
        "backends are told the name, and TLS 1.2 and 1.3 are spoken to them",
    ),
    (
        "http3 http3_hq http3_max_concurrent_streams http3_stream_buffer_size quic_active_connection_id_limit quic_bpf quic_gso quic_host_key quic_retry",
        "HTTP/3 is not spoken to clients",
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
         proxy_ignore_headers proxy_cache_lock_timeout proxy_cache_convert_head proxy_cache_lock_age proxy_cache_max_range_offset proxy_store_access",
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
        "sub_filter sub_filter_once sub_filter_types sub_filter_last_modified slice_range addition_types add_before_body add_after_body add_trailer ssi xslt_stylesheet image_filter slice",
        "bodies go on as they came",
        "have the backend do it",
    ),
    (
        "limit_rate_after",
        "clients are slowed down from their first byte",
        "`client_limits.download_burst` of the listener",
    ),
    (
        "ssl_verify_depth ssl_conf_command proxy_ssl_conf_command grpc_ssl_conf_command",
        "chains of certificates may have any length, and OpenSSL's own commands are not known",
        "`min_version`, `ciphers` and `client_ca` of [listener.tls]: docs/tls.md",
    ),
    (
        "ssl_password_file proxy_ssl_password_file grpc_ssl_password_file",
        "keys are read without a passphrase",
        "decrypt the key (`openssl pkey`), in a file for its reader only",
    ),
    ("limit_conn_dry_run", "the limit refuses", "take `client_limits` of the listener away while you look"),
    ("grpc_intercept_errors", "calls of gRPC keep the answers of backends", ""),
    (
        "userid userid_domain userid_expires userid_flags userid_mark userid_name userid_p3p userid_path userid_service",
        "no cookie is given to clients",
        "have the backend do it",
    ),
    (
        "more_set_headers more_clear_headers",
        "fields of answers stay",
        "`response_headers = { set = {...}, remove = [...] }`: docs/headers.md",
    ),
    (
        "post_action early_hints echo ancient_browser ancient_browser_value modern_browser modern_browser_value",
        "it is not done",
        "",
    ),
    (
        "acme_issuer acme_shared_zone acme_certificate",
        "certificates are not fetched here",
        "certbot or another client, whose files are watched: docs/tls.md",
    ),
    (
        "match",
        "answers to checks are not looked at like this",
        "`expect_status` and `expect_body` of [service.NAME.health]",
    ),
    ("keyval keyval_zone keyval_zone_sync", "there are no such variables; lines that use them are told of", ""),
    ("mail", "mail is not known", "a TCP listener for each port: docs/layer4.md"),
    ("load_module", "modules are not loaded", "say what it was for; docs/migrating.md has what there is"),
    (
        "js_import js_include js_set js_var js_path js_preload_object js_shared_dict_zone lua_package_path lua_package_cpath lua_code_cache lua_shared_dict init_by_lua_block init_by_lua header_filter_by_lua_block body_filter_by_lua_block log_by_lua_block header_filter_by_lua_file body_filter_by_lua_file log_by_lua_file init_worker_by_lua_block init_by_lua_file perl_modules perl_require",
        "programs don't run here",
        "`auth.forward` asks a service about each request: docs/access.md",
    ),
    (
        "opentelemetry otel_trace otel_trace_context otel_exporter otel_service_name otel_span_name otel_span_attr otel_resource_attr opentracing",
        "traces are not set up",
        "[otlp]: docs/operations.md",
    ),
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
        "more_set_input_headers more_clear_input_headers",
        "these fields of requests go on as clients send them",
        "`request_headers = { set = {...}, remove = [...] }`: docs/headers.md",
    ),
    (
        "proxy_download_rate proxy_upload_rate",
        "sessions are not slowed down",
        "`client_limits.download` and `upload` of the listener: docs/limits.md",
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

/// Tells of every directive without a counterpart.
pub fn tell(directives: &[Directive], findings: &mut Findings) {
    for directive in directives {
        let name = directive.name.as_str();
        let known = one(directive, findings);
        match name {
            // what is in these has words of its own
            "map" | "geo" | "split_clients" | "types" | "upstream" | "mail" | "match" => {}
            // what an `if` does is told of where it stands, but for what may keep somebody out
            "if" => {
                tell(&directive.inner().iter().filter(|inner| may_guard(inner)).cloned().collect::<Vec<_>>(), findings)
            }
            _ if known => tell(directive.inner(), findings),
            _ => {}
        }
    }
}

/// Whether it keeps somebody out, or is in no list.
fn may_guard(directive: &Directive) -> bool {
    let is_in = |names: &str| names.split_whitespace().any(|known| known == directive.name);
    let is_harmless = is_in(KNOWN)
        || HARMLESS.iter().any(|(names, _)| is_in(names))
        || NOT_DONE.iter().any(|(names, ..)| is_in(names))
        || OF_PROGRAMS.iter().any(|begin| directive.name.starts_with(begin));
    !is_harmless
}

/// Tells of one directive; `false`: it is in no list.
fn one(directive: &Directive, findings: &mut Findings) -> bool {
    let (name, place, text) = (directive.name.as_str(), &directive.place, directive.text());
    let is_in = |names: &str| names.split_whitespace().any(|known| known == name);
    if is_in(KNOWN) || name == "include" {
        return true;
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
    } else if !OF_PROGRAMS.iter().any(|begin| name.starts_with(begin)) {
        not_known(directive, findings);
        return false;
    }
    true
}

/// A directive that is in no list: it may keep somebody out.
pub fn not_known(directive: &Directive, findings: &mut Findings) {
    let why = "it is not known here, and it may keep somebody out";
    let advice =
        "docs/access.md has what there is for that; if it keeps nobody out, take the line away and convert again";
    findings.error(&directive.place, directive.text(), why, advice);
}
