//! Fields that a proxy writes, fields that it passes on, and fields that it must not pass on.

use crate::support::{Origin, Proxy, Request, config};

/// What a backend gets of these field lines, with this in the listener.
fn forwarded(listener: &str, fields: &str) -> Request {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config(listener, "", &[&origin]));
    let mut client = proxy.client();
    client.send(format!("GET /x HTTP/1.1\r\nHost: site.example:8080\r\n{fields}\r\n"));
    assert_eq!(client.response().status, 200);
    origin.request()
}

#[test]
fn what_a_stranger_says_about_who_it_is_is_replaced() {
    let request = forwarded(
        "",
        "Forwarded: for=evil\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n",
    );
    assert_eq!(request.head.all("forwarded"), ["for=127.0.0.1;host=\"site.example:8080\";proto=http"]);
    assert_eq!(request.head.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(request.head.all("x-forwarded-proto"), ["http"]);
    assert_eq!(request.head.all("x-forwarded-host"), ["site.example:8080"]);
}

#[test]
fn what_a_trusted_proxy_says_is_kept_and_added_to() {
    let request = forwarded(
        "trusted_proxies = [\"127.0.0.0/8\"]",
        "Forwarded: for=1.2.3.4\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: site\r\n",
    );
    let forwarded = request.field("forwarded").unwrap();
    assert!(forwarded.starts_with("for=1.2.3.4, for=127.0.0.1;"), "{forwarded}");
    assert_eq!(request.field("x-forwarded-for"), Some("1.2.3.4, 127.0.0.1"));
    assert_eq!(request.field("x-forwarded-proto"), Some("https"));
    assert_eq!(request.field("x-forwarded-host"), Some("site"));
}

#[test]
fn via_names_every_proxy_and_its_version() {
    assert_eq!(forwarded("", "").field("via"), Some("1.1 evenkeel"));
    assert_eq!(forwarded("", "Via: 1.0 other\r\n").field("via"), Some("1.0 other, 1.1 evenkeel"));
}

#[test]
fn fields_of_one_hop_end_here() {
    let request = forwarded(
        "",
        "Connection: keep-alive, X-Private, x-other\r\nConnection: X-Third\r\nX-Private: 1\r\nX-Other: 2\r\nX-Third: 3\r\n\
         Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nTE: gzip\r\n\
         Upgrade: unasked\r\nX-Public: 4\r\nAuthorization: Basic eDp5\r\ntraceparent: 00-1-2-01\r\n",
    );
    for gone in
        ["x-private", "x-other", "x-third", "keep-alive", "proxy-connection", "proxy-authorization", "te", "upgrade"]
    {
        assert_eq!(request.field(gone), None, "{gone}");
    }
    assert_eq!(request.field("connection"), None);
    assert_eq!(request.field("x-public"), Some("4"));
    assert_eq!(request.field("authorization"), Some("Basic eDp5"));
    assert_eq!(request.field("traceparent"), Some("00-1-2-01"));
}

#[test]
fn fields_of_one_hop_of_the_backend_end_here_too() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Authenticate: Basic\r\nX-Public: 2\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = Proxy::to(&origin);
    let answer = proxy.client().get("/x");
    for gone in ["connection", "x-private", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.field(gone), None, "{gone}");
    }
    assert_eq!(answer.field("x-public"), Some("2"));
    assert_eq!(answer.head.all("set-cookie"), ["a=b", "c=d"]);
}

#[test]
fn connection_can_not_be_used_to_remove_what_we_write() {
    let request = forwarded("", "Connection: X-Forwarded-For, Forwarded, Via, Host, Content-Length, X-Real\r\n");
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("via"), Some("1.1 evenkeel"));
    assert_eq!(request.field("host"), Some("site.example:8080"));
    assert!(request.field("forwarded").is_some());
}

#[test]
fn every_answer_has_a_date_and_a_backend_s_own_is_kept() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    assert!(proxy.client().get("/x").field("date").is_some());
    let origin =
        Origin::answering("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n");
    let proxy = Proxy::to(&origin);
    assert_eq!(proxy.client().get("/x").field("date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
}
