//! Connections that speak another protocol from some time on.

use crate::support::{Origin, Proxy, config, wait_until};

#[test]
fn an_upgraded_connection_passes_bytes_both_ways() {
    let origin = Origin::script(|conn| {
        let Ok(request) = conn.request() else { return };
        assert_eq!(request.field("upgrade"), Some("echo"));
        assert!(request.head.lists("connection", "upgrade"));
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nwelcome");
        conn.echo();
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly");
    let answer = client.response_head();
    assert_eq!((answer.status, answer.field("upgrade")), (101, Some("echo")));
    assert!(answer.head.lists("connection", "upgrade"));
    assert_eq!(client.bytes(12), b"welcomeearly");
    for i in 0..100 {
        let message = format!("message {i}");
        client.send(&message);
        assert_eq!(client.bytes(message.len()), message.as_bytes());
    }
    client.finish();
    assert_eq!(client.rest(), b"");
}

#[test]
fn an_upgrade_that_the_backend_ignores_is_an_answer_like_any_other() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
    assert_eq!(client.get("/y").text(), "ok");
}

#[test]
fn a_tunnel_s_directions_end_one_by_one() {
    let origin = Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        while !conn.some().is_empty() {}
        conn.send("goodbye");
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.response_head().status, 101);
    client.send("hello");
    client.finish();
    assert_eq!(client.rest(), b"goodbye");
}

#[test]
fn a_silent_tunnel_is_closed() {
    let origin = Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        conn.is_closed();
    });
    let proxy = Proxy::start(&config("", "[service.api.timeout]\nidle = \"300ms\"", &[&origin]));
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.response_head().status, 101);
    assert!(client.is_closed());
    wait_until("the backend's side is closed", || origin.open() == 0);
}

#[test]
fn an_upgrade_to_http_2_is_not_passed_on() {
    // a tunnel in which requests that nobody routes or checks would reach the backend; RFC 9113, section 3.1, has dropped it
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    for upgrade in ["h2c", "H2C", "websocket, h2c"] {
        client.send(format!(
            "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\n\
             HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        ));
        assert_eq!(client.response().status, 200);
        let request = origin.requests().pop().unwrap();
        assert!(!request.head.lists("upgrade", "h2c"), "{request:?}");
        assert_eq!(request.field("http2-settings"), None);
    }
}
