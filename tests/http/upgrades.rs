//! Connections that speak another protocol from some time on.

use serde_json::Value;

use crate::support::{Client, LOG, OK, Origin, Proxy, config, wait_until};

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

/// A tunnel to `target`, through which something has come already.
fn tunnel(proxy: &Proxy, target: &str) -> Client {
    let mut client = proxy.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello"));
    assert_eq!(client.response_head().status, 101);
    assert_eq!(client.bytes(5), b"hello");
    client
}

/// A backend whose tunnels send back what comes, or end as their targets say.
fn echoing() -> Origin {
    Origin::script(|conn| {
        let Ok(request) = conn.request() else { return };
        if request.field("upgrade").is_none() {
            conn.send(OK);
            return;
        }
        conn.send(SWITCHED);
        let hello = conn.bytes(5).unwrap_or_default();
        conn.send(hello);
        match request.target() {
            "/ends" => {}
            // the client has read what was sent before it says so
            "/breaks" => {
                conn.bytes(3);
                conn.reset();
            }
            _ => conn.echo(),
        }
    })
}

/// What the access log says of the last exchange, once it has so many lines.
fn logged(proxy: &Proxy, lines: usize) -> Value {
    wait_until("its line is written", || proxy.log().len() >= lines);
    serde_json::from_str(&proxy.log()[lines - 1]).unwrap()
}

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
fn the_access_log_says_who_has_ended_a_tunnel() {
    let origin = echoing();
    let proxy = Proxy::start(&(config("", "", &[&origin]) + LOG));
    let mut finished = tunnel(&proxy, "/x");
    finished.finish();
    assert_eq!(finished.rest(), b"");
    let line = logged(&proxy, 1);
    assert_eq!(
        (&line["end"], &line["status"], &line["failure"]),
        (&"closed_by_client".into(), &101.into(), &Value::Null)
    );

    let mut ended = tunnel(&proxy, "/ends");
    assert_eq!(ended.rest(), b"");
    drop(ended);
    assert_eq!(logged(&proxy, 2)["end"], "closed_by_backend");

    tunnel(&proxy, "/x").reset();
    assert_eq!(logged(&proxy, 3)["end"], "broken_by_client");

    let mut broken = tunnel(&proxy, "/breaks");
    broken.send("now");
    assert!(broken.is_reset());
    let line = logged(&proxy, 4);
    assert_eq!((&line["end"], &line["bytes"]), (&"broken_by_backend".into(), &5.into()));

    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    drop(client.response());
    assert_eq!(logged(&proxy, 5).get("end"), None, "an answer's end needs no word");
}

#[test]
fn the_access_log_says_which_tunnels_were_silent_and_which_were_cut_off() {
    let origin = echoing();
    let proxy = Proxy::start(&(config("", "[service.api.timeout]\nidle = \"300ms\"", &[&origin]) + LOG));
    assert!(tunnel(&proxy, "/x").is_closed());
    assert_eq!(logged(&proxy, 1)["end"], "idle");

    let server = "[server]\nworkers = 1\ndrain_timeout = \"100ms\"\n";
    let mut proxy = Proxy::start(&(config("", "", &[&origin]) + LOG + server));
    let mut client = tunnel(&proxy, "/x");
    proxy.signal("TERM");
    assert!(client.is_closed());
    proxy.wait();
    let line = logged(&proxy, 1);
    // what was sent before is known too
    assert_eq!((&line["end"], &line["bytes"]), (&"cut".into(), &5.into()), "{line}");
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
