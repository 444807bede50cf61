//! How a connection starts (RFC 9113, sections 3.3 and 3.4).

use super::connection::Connection;
use super::frame::{
    DATA, END_STREAM, HEADERS, PING, PREFACE, PRIORITY, WINDOW_UPDATE, data, frame, get, ping, settings, window_update,
};
use super::rows::assert_still_serves;
use crate::support::certs::Authority;
use crate::support::{Client, Origin, Proxy, Scratch, config};

#[test]
fn a_preface_that_is_none_is_not_served_as_http_2() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let after = [settings(&[]), get(1, "/bad")].concat();
    let prefaces: [&[u8]; 7] = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n",
        b"PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"pri * http/2.0\r\n\r\nsm\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"INVALID CONNECTION PREFACE\r\n\r\n",
    ];
    for preface in prefaces {
        let mut client = proxy.client();
        let _ = client.try_send([preface, &after].concat());
        assert!(client.ends(), "{:?}", String::from_utf8_lossy(preface));
    }
    assert_still_serves(&proxy);
    assert_eq!(origin.targets(), ["/after"]);
}

#[test]
fn half_a_preface_is_ended_by_its_client_or_by_a_time_out() {
    let origin = Origin::ok();
    let listener = "idle_timeout = \"300ms\"\n[listener.limits]\nheader_timeout = \"300ms\"";
    let proxy = Proxy::start(&config(listener, "", &[&origin]));
    for length in [3, 4, 16, 18, 23, PREFACE.len()] {
        for finish in [true, false] {
            let mut client = proxy.client();
            client.send(&PREFACE[..length]);
            if finish {
                client.finish();
            }
            assert!(client.ends(), "after {length} bytes, {}", if finish { "and a FIN" } else { "and silence" });
        }
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_preface_may_come_byte_by_byte_or_with_the_first_requests() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let bytes = [PREFACE, &settings(&[]), &get(1, "/x"), &get(3, "/y")].concat();
    for pieces in [1, bytes.len()] {
        let mut connection = Connection::bare(proxy.client());
        for piece in bytes.chunks(pieces) {
            assert!(connection.send(piece));
        }
        assert_eq!(connection.answer(1).body, b"ok");
        assert_eq!(connection.answer(3).body, b"ok");
    }
}

#[test]
fn the_first_frame_of_a_client_has_to_be_settings() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let rows: [(&str, Vec<u8>); 6] = [
        ("HEADERS", get(1, "/bad")),
        ("PING", ping(b"12345678")),
        ("WINDOW_UPDATE", window_update(0, 1)),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 15])),
        ("DATA", data(1, END_STREAM, "x")),
        ("an unknown frame", frame(0x16, 0, 0, b"x")),
    ];
    let mut lived = Vec::new();
    for (name, bytes) in rows {
        let mut connection = Connection::bare(proxy.client());
        connection.send([PREFACE, &bytes, &settings(&[])].concat());
        if connection.is_alive() {
            lived.push(name);
        }
    }
    assert_still_serves(&proxy);
    assert!(lived.is_empty() && origin.targets() == ["/after"], "accepted: {lived:?}, seen: {:?}", origin.targets());
}

#[test]
fn the_proxy_s_settings_come_first_and_the_client_s_are_acknowledged() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("[listener.limits]\nmax_concurrent_streams = 7", "", &[&origin]));
    let mut connection = Connection::bare(proxy.client());
    connection.send(PREFACE);
    connection.set(&[]);
    connection.until(|c| c.settings.is_some() && c.unacknowledged() == 0);
    let settings = connection.settings.clone().unwrap();
    assert_eq!(settings[&super::frame::MAX_CONCURRENT_STREAMS], 7);
    assert_eq!(settings[&super::frame::ENABLE_CONNECT_PROTOCOL], 1);
    assert_eq!(settings.get(&super::frame::ENABLE_PUSH).copied().unwrap_or(0), 0, "not for a server to set");
    assert_eq!(connection.get(1, "/x").status, 200);
}

#[test]
fn over_tls_http_2_is_what_alpn_says() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let site = ca.sign(&dir, &["a"]);
    let origin = Origin::ok();
    let listener = format!("[listener.tls]\ncertificates = [{}]\n", site.toml());
    let proxy = Proxy::start(&config(&listener, "", &[&origin]));
    let client = Client::connect_tls(proxy.address(), &ca.client(&["h2", "http/1.1"], None), "a").unwrap();
    assert_eq!(client.alpn().as_deref(), Some(&b"h2"[..]));
    let mut connection = Connection::over(client, &[]);
    let https = [(":method", "GET"), (":scheme", "https"), (":path", "/x"), (":authority", "a")];
    connection.send(super::frame::headers(1, END_STREAM, &https));
    assert_eq!(connection.answer(1).body, b"ok");
    assert!(connection.is_alive());

    // who chose it speaks it: HTTP/1.1 is no preface
    let mut client = Client::connect_tls(proxy.address(), &ca.client(&["h2"], None), "a").unwrap();
    let _ = client.try_send("GET /bad HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.ends());
    assert_eq!(origin.targets(), ["/x"]);
}

#[test]
fn frames_may_come_byte_by_byte() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut connection = Connection::open(&proxy);
    let block = super::hpack::block(&super::frame::fields("POST", "/x"));
    let bytes = [
        frame(HEADERS, 0, 1, &block[..9]),
        frame(super::frame::CONTINUATION, super::frame::END_HEADERS, 1, &block[9..]),
        frame(DATA, 0, 1, b"in "),
        frame(PING, 0, 0, b"12345678"),
        frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
        frame(DATA, END_STREAM, 1, b"pieces"),
    ];
    for byte in bytes.concat().chunks(1) {
        assert!(connection.send(byte));
    }
    assert_eq!(connection.answer(1).body, b"ok");
    assert_eq!(origin.request().body, b"in pieces");
}
