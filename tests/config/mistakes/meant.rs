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
fn keys_of_other_proxies_lead_to_ours() {
    let health = |rest: &str| format!("{GOOD}\n[service.app.health]\n{rest}\n");
    let backend = |rest: &str| format!("{GOOD}{rest}\n");
    let web = |rest: &str| listener(&format!("service = 'app'\n{rest}"));
    let notify = |rest: &str| format!("{GOOD}\n[[notify]]\nname = 'oncall'\n{rest}\n");
    let hook = "webhook = 'https://hooks.example/'";
    for (text, suggestion, help) in [
        (health("type = 'http'"), Some("kind"), "kind = "),
        (health("inter = '2s'"), Some("interval"), "interval = "),
        (web("mode = 'http'"), Some("protocol"), "protocol = "),
        (listener("default_service = 'app'"), Some("service"), "service = "),
        (listener("default_backend = 'app'"), Some("service"), "service = "),
        (backend("name = 'a'"), Some("id"), "id = "),
        (backend("check = true"), None, "[service.NAME.health]"),
        (backend("max_fails = 3"), None, "[service.NAME.outlier]"),
        (backend("down = true"), Some("drain"), "`weight = 0`"),
        (backend("disabled = true"), Some("drain"), "`drain = true`"),
        (service("max_fails = 3"), Some("outlier"), "`fall`"),
        (service("outlier_detection = {}"), Some("outlier"), "[service.NAME.outlier]"),
        (service("keepalive = 32"), Some("pool"), "`max_idle`"),
        (service("retries = 3"), Some("retry"), "`attempts`"),
        (notify("url = 'https://hooks.example/'"), Some("webhook"), "webhook = "),
        (notify(&format!("{hook}\nsecret = 'x'")), Some("secret_file"), "secret_file = "),
        (listener("service = 'app'\nlimit_req = {}"), Some("rate_limit"), "rate = "),
        (format!("[admin]\nbind = '0.0.0.0:9900'\ntoken = 'x'\n{GOOD}"), Some("token_file"), "token_file = "),
    ] {
        let (suggested, told) = advice(&text);
        assert_eq!(suggested.as_deref(), suggestion, "{text}");
        assert!(told.contains(help), "{told}");
    }
}

#[test]
fn sections_of_other_proxies_lead_to_ours() {
    let only_listener = listener("service = 'app'").replace(SERVICE, "");
    for section in ["[upstream.app]", "[backend.app]", "[[clusters]]"] {
        let (suggested, help) = advice(&format!("{only_listener}\n{section}\nname = 'app'"));
        assert_eq!(suggested.as_deref(), Some("service"), "{section}");
        assert!(help.contains("[service.NAME]"), "{help}");
    }
    let (suggested, help) = advice(&format!("[[frontend]]\nname = 'web'\n{SERVICE}"));
    assert!(suggested.as_deref() == Some("listener") && help.contains("[[listener]]"), "{help}");
    for (section, meant) in [("global", "server"), ("stats", "admin")] {
        let (suggested, help) = advice(&format!("{GOOD}\n[{section}]\nmaxconn = 5\n"));
        assert!(suggested.as_deref() == Some(meant) && help.contains(&format!("[{meant}]")), "{help}");
    }
}

#[test]
fn values_of_other_proxies_lead_to_ours() {
    let notify = |on: &str| format!("{GOOD}\n[[notify]]\nname = 'a'\nwebhook = 'https://a.example/'\non = [{on}]\n");
    for (text, suggestion) in [
        (format!("log.level = 'warning'\n{GOOD}"), "warn"),
        (format!("log.level = 'info,evenkeel=critical'\n{GOOD}"), "error"),
        (notify("'warning'"), "warn"),
        (service("timeout.connect = '5'"), "5s"),
        (service("timeout.connect = 5"), "\"5s\""),
        (service("slow_start = '1m30s'"), "90s"),
        (listener("service = 'app'\nidle_timeout = 75"), "\"75s\""),
        (service("panic_threshold = 50"), "0.5"),
        (service("retry.budget = 12.5"), "0.125"),
        (service("sla.target = 99.9"), "0.999"),
    ] {
        assert_eq!(advice(&text).0.as_deref(), Some(suggestion), "{text}");
    }
    assert_eq!(advice(&service("panic_threshold = 101")).0, None);
    let (_, help) = advice(&listener("route = [{ path = '/', split = { app = 95, b = 5 } }]"));
    assert_eq!(help, r#"write split = [{ service = "app", weight = 95 }, { service = "b", weight = 5 }]"#);
}

#[test]
fn words_at_the_door_are_understood() {
    let route = |keys: &str| listener(&format!("route = [{{ path = '/', service = 'app', {keys} }}]"));
    for (text, suggestion) in [
        (listener("service = 'app'\nrate_limit = [{ rate = '1/s', by = 'ip' }]"), Some("client")),
        (listener("service = 'app'\nrate_limit = [{ rate = '1/s', by = '$binary_remote_addr' }]"), Some("client")),
        (service("balance = 'consistent_hash'\nhash = { on = 'src' }"), Some("client_ip")),
        (
            listener("route = [{ path = '/', split = [{ service = 'app' }], split_by = 'cookies' }]")
                .replace("split = [{ service = 'app' }]", "canary = { service = 'b', stable = 'app' }")
                + "[[service.b.backend]]\naddress = '127.0.0.1:9002'\n",
            Some("cookie"),
        ),
        (route("auth = { jwks = { file = 'a' } }"), Some("jwt")),
        (route("auth = { htpasswd = 'a' }"), Some("basic")),
        (route("auth = { auth_request = '/a' }"), Some("forward")),
        (listener("service = 'app'\nsecurity_headers = true"), Some("\"standard\"")),
        (listener("service = 'app'\nsecurity_headers = false"), Some("\"off\"")),
    ] {
        assert_eq!(advice(&text).0.as_deref(), suggestion, "{text}");
    }
    // the brackets are right, so how to write them is no help
    let (suggestion, help) = advice(&listener("service = 'app'\n[[listener.ratelimit]]\nrate = '1/s'"));
    assert_eq!((suggestion.as_deref(), &*help), (Some("rate_limit"), ""));
    let (_, help) = advice(&listener("service = 'app'\nratelimit = '1/s'"));
    assert!(help.contains("rate_limit = [{"), "{help}");
    let (_, help) = advice(&listener("service = 'app'\nallow = ['10.0.0.0/8']\ndeny = ['all']"));
    assert!(help.starts_with("an `allow` denies all others by itself"), "{help}");
}

#[test]
fn what_other_proxies_have_and_this_one_does_not_is_said() {
    for (key, told) in [
        ("cache", "no cache"),
        ("gzip", "`compress` of [[listener]]"),
        ("rate_limit", "[[listener.rate_limit]]"),
        ("basic_auth", "authenticates where requests are routed"),
        ("middlewares", "no plugins"),
        ("fastcgi_pass", "FastCGI"),
        ("mirror", "`mirror` of [[listener.route]]"),
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
