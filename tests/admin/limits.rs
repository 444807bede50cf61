//! What the admin address takes, and how much of it.

use crate::support::PATIENCE;
use crate::with;

#[test]
fn a_body_of_more_than_64_kib_is_refused() {
    let proxy = with("");
    let large = "x".repeat(64 * 1024 + 1);
    assert_eq!(proxy.admin_call("POST", "/api/v1/heartbeat", &large).unwrap().status, 413);
    assert_eq!(proxy.admin_call("POST", "/api/v1/heartbeat", &large[1..]).unwrap().status, 400);
}

#[test]
fn other_methods_are_told_what_there_is() {
    let proxy = with("");
    for (method, target, allowed) in [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/api/v1/status", "GET, HEAD"),
        ("OPTIONS", "/metrics", "GET, HEAD"),
        ("GET", "/api/v1/reload", "POST"),
        ("GET", "/api/v1/services/api/backends/a/drain", "POST"),
        ("GET", "/api/v1/services/api/backends/a", "PUT"),
        ("GET", "/login", "POST"),
    ] {
        let refused = proxy.admin_call(method, target, "").unwrap();
        assert_eq!((refused.status, refused.field("allow")), (405, Some(allowed)), "{method} {target}");
        assert_eq!(refused.field("content-type"), Some("application/problem+json"));
    }
}

#[test]
fn every_answer_is_for_the_moment_and_is_what_it_says_it_is() {
    let proxy = with("");
    for target in ["/", "/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/config", "/nothing"] {
        let answer = proxy.admin(target).unwrap();
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{target}");
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{target}");
        let head = proxy.admin_call("HEAD", target, "").unwrap();
        assert_eq!((head.status, head.body.len()), (answer.status, 0), "{target}");
    }
}

#[test]
fn open_connections_do_not_hold_up_a_stop() {
    let mut proxy = with("");
    let open = std::net::TcpStream::connect(proxy.admin_address()).unwrap();
    let begun = std::time::Instant::now();
    proxy.signal("TERM");
    assert!(proxy.wait().success());
    assert!(begun.elapsed() < PATIENCE);
    drop(open);
}
