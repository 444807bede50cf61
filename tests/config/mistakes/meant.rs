//! Words of other proxies: what is meant by them here, and what is not here.

use crate::support::{GOOD, SERVICE, bad};

/// The suggestion and the help of the only complaint.
fn advice(text: &str) -> (Option<String>, String) {
    let diagnostics = bad(text);
    assert_eq!(diagnostics.len(), 1, "{diagnostics}");
    let only = diagnostics.iter().next().unwrap();
    (only.suggestion.clone(), only.help.clone().unwrap_or_default())
}

fn listener(rest: &str) -> String {
    format!("[[listener]]\nname = 'web'\nbind = '127.0.0.1:8443'\n{rest}\n{SERVICE}")
}

fn service(rest: &str) -> String {
    GOOD.replace("[[service", &format!("[service.app]\n{rest}\n[[service"))
}

#[test]
fn what_other_proxies_call_otherwise_is_understood() {
    for (text, suggestion, help) in [
        (listener("service = 'app'\nprotocol = 'https'"), Some("http"), "[listener.tls]"),
        (service("protocol = 'https'"), Some("http1"), "[service.NAME.tls]"),
        (service("protocol = 'grpc'"), Some("h2"), "gRPC"),
        (listener("service = 'app'\ntls = { cert = 'a.pem' }"), Some("certificates"), "certificates = [{ cert ="),
        (listener("route = [{ prefix = '/v1', service = 'app' }]"), Some("path_prefix"), "path_prefix"),
        (service("healthcheck = '/up'"), Some("health"), "[service.NAME.health]"),
        (service("health_check = {}"), Some("health"), "[service.NAME.health]"),
        (service("balance = 'ip_hash'"), Some("consistent_hash"), "client_ip"),
        (service("balance = 'leastconn'"), Some("least_connections"), "weights"),
        (
            listener("route = [{ redirect = { to = 'https://${hostname}/' } }]"),
            Some("${host}"),
            "${host}, ${path} and ${query}",
        ),
        (listener("route = [{ redirect = { to = 'https://a${request_uri}' } }]"), Some("${path}"), "${path}"),
    ] {
        let (suggested, told) = advice(&text);
        assert_eq!(suggested.as_deref(), suggestion, "{text}");
        assert!(told.contains(help), "{told}");
    }
}

#[test]
fn what_other_proxies_have_and_this_one_does_not_is_said() {
    for (key, told) in [
        ("cache", "no cache"),
        ("gzip", "does not compress"),
        ("rate_limit", "no limits of rates"),
        ("basic_auth", "does not authenticate"),
        ("middlewares", "no plugins"),
        ("fastcgi_pass", "FastCGI"),
        ("mirror", "two services"),
    ] {
        let (suggestion, help) = advice(&service(&format!("{key} = true")));
        assert_eq!(suggestion, None, "{key}");
        assert!(help.starts_with("Evenkeel") && help.contains(told), "{help}");
    }
    let (_, help) = advice(&listener("service = 'app'\nacme = true"));
    assert!(help.contains("does not get certificates"), "{help}");
}

#[test]
fn a_word_that_is_only_misspelt_is_still_found() {
    assert_eq!(advice(&service("balance = 'round_robbin'")).0.as_deref(), Some("round_robin"));
    assert_eq!(advice(&service("slow_strat = '1s'")).0.as_deref(), Some("slow_start"));
}
