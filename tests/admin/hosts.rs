//! By which names it may be asked.

use crate::support::Proxy;
use crate::{configured, detail, with};

fn by(proxy: &Proxy, method: &str, target: &str, host: &str) -> u16 {
    proxy.admin_call_with(method, target, &format!("Host: {host}\r\n"), "").unwrap().status
}

#[test]
fn a_page_whose_name_was_rebound_can_neither_read_nor_change_anything() {
    let proxy = with("");
    for (method, target) in [
        ("GET", "/"),
        ("GET", "/metrics"),
        ("GET", "/api/v1/status"),
        ("GET", "/api/v1/config"),
        ("POST", "/api/v1/reload"),
        ("POST", "/api/v1/services/api/backends/a/disable"),
        ("PUT", "/api/v1/services/api/backends/a"),
        ("POST", "/api/v1/heartbeat"),
        ("POST", "/login"),
    ] {
        for fields in ["", "Sec-Fetch-Site: same-origin\r\n"] {
            let lines = format!("Host: evil.example\r\nOrigin: http://evil.example\r\n{fields}");
            let refused = proxy.admin_call_with(method, target, &lines, "").unwrap();
            assert_eq!(refused.status, 421, "{method} {target}");
            assert_eq!(refused.field("content-type"), Some("application/problem+json"));
        }
    }
    assert!(proxy.status()["services"]["api"]["backends"][0]["state"] != "down");
}

#[test]
fn addresses_and_localhost_are_always_taken() {
    let proxy = with("");
    let port = proxy.admin_address().port();
    for host in ["127.0.0.1", "10.1.2.3", "[::1]", "localhost", "LocalHost", "a.localhost", "localhost."] {
        assert_eq!(by(&proxy, "GET", "/api/v1/status", host), 200, "{host}");
        assert_eq!(by(&proxy, "GET", "/api/v1/status", &format!("{host}:{port}")), 200, "{host}");
    }
    for host in ["", "127.0.0.1.evil.example", "localhost.evil.example", "a@127.0.0.1", "[evil.example]"] {
        assert_eq!(by(&proxy, "GET", "/api/v1/status", host), 421, "{host}");
    }
}

#[test]
fn probes_answer_by_any_name_and_without_one() {
    let proxy = with("");
    for target in ["/healthz", "/readyz"] {
        assert_eq!(by(&proxy, "GET", target, "pod-7.example"), 200);
        assert_eq!(proxy.admin_call_with("GET", target, "", "").unwrap().status, 200);
    }
    let refused = proxy.admin_call_with("GET", "/api/v1/status", "", "").unwrap();
    assert_eq!(
        (refused.status, detail(&refused).as_str()),
        (400, "the request has no Host; only probes are answered without")
    );
}

#[test]
fn a_name_that_is_refused_is_told_where_to_put_it_and_a_reload_takes_it_on() {
    let proxy = with("");
    let lines = "Host: admin.example:9900\r\n";
    let refused = proxy.admin_call_with("GET", "/api/v1/status", lines, "").unwrap();
    assert_eq!(refused.status, 421);
    assert!(detail(&refused).contains("hosts = [\"admin.example\"]"), "{}", detail(&refused));
    assert!(proxy.stderr().contains("\"admin.example\" is not a name of this admin address"), "{}", proxy.stderr());
    assert_eq!(proxy.reload(&configured("hosts = [\"admin.example\", \"*.ops.example\"]")).status, 200);
    for (host, status) in [
        ("admin.example:9900", 200),
        ("Admin.Example", 200),
        ("a.ops.example", 200),
        ("ops.example", 421),
        ("b.example", 421),
    ] {
        assert_eq!(by(&proxy, "GET", "/api/v1/status", host), status, "{host}");
    }
    assert!(proxy.admin("/api/v1/config").unwrap().text().contains("\"hosts\":[\"admin.example\",\"*.ops.example\"]"));
    assert_eq!(proxy.reload(&configured("")).status, 200);
    assert_eq!(by(&proxy, "GET", "/api/v1/status", "admin.example"), 421);
}
