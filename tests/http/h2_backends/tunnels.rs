//! WebSocket by extended CONNECT (RFC 8441).

use super::backend::Backend;
use super::{proxy_to, proxy_with};
use crate::h2_frames::connection::{Connection, Outcome};
use crate::h2_frames::frame::{
    CANCEL, DATA, ENABLE_CONNECT_PROTOCOL, END_STREAM, HEADERS, NO_ERROR, data, headers, reset, window_update,
};
use crate::support::{Client, Proxy};

/// The handshake of RFC 6455, section 1.3.
const HANDSHAKE: &str = "GET /chat?room=1 HTTP/1.1\r\nHost: site.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Protocol: chat\r\n\r\n";

/// Opens the tunnel and sends back what comes, to the end; `reset` in it resets the stream, `bye` ends the backend's side.
fn echoing() -> Backend {
    Backend::new(&[(ENABLE_CONNECT_PROTOCOL, 1)], |peer, asked| {
        let s = asked.stream;
        if asked.method() != "CONNECT" {
            return peer.answer(s, "ok");
        }
        assert_eq!((asked.all(":protocol"), asked.all(":scheme")), (vec!["websocket"], vec!["http"]));
        assert_eq!((asked.path(), asked.all(":authority")), ("/chat?room=1", vec!["site.example"]));
        assert_eq!((asked.all("sec-websocket-version"), asked.all("sec-websocket-key").len()), (vec!["13"], 0));
        assert_eq!((asked.all("connection").len(), asked.all("upgrade").len()), (0, 0));
        assert!(!asked.ended);
        peer.send(headers(s, 0, &[(":status", "200"), ("sec-websocket-protocol", "chat")]));
        loop {
            let Some(frame) = peer.next() else { return false };
            if frame.kind != DATA || frame.stream != s {
                continue;
            }
            let by = frame.payload.len() as u32;
            match &frame.payload[..] {
                b"reset" => return peer.send(reset(s, CANCEL)),
                b"bye" => _ = peer.send(data(s, END_STREAM, "goodbye")),
                _ if frame.has(END_STREAM) => return peer.send(data(s, END_STREAM, "the end")),
                payload => {
                    peer.send(data(s, 0, payload));
                    peer.send([window_update(0, by), window_update(s, by)].concat());
                }
            }
        }
    })
}

fn opened(proxy: &Proxy) -> Client {
    let mut client = proxy.client();
    client.send(HANDSHAKE);
    let told = client.response_head();
    assert_eq!((told.status, told.field("sec-websocket-accept")), (101, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
    assert_eq!((told.field("upgrade"), told.field("sec-websocket-protocol")), (Some("websocket"), Some("chat")));
    assert!(told.head.lists("connection", "upgrade"));
    client
}

#[test]
fn bytes_pass_both_ways_and_directions_end_one_by_one() {
    let backend = echoing();
    let proxy = proxy_to(&backend);
    let mut client = opened(&proxy);
    for i in 0..100 {
        let message = format!("message {i}");
        client.send(&message);
        assert_eq!(client.bytes(message.len()), message.as_bytes());
    }
    let large = vec![b'x'; 300_000];
    let mut writer = client.split();
    let sent = large.clone();
    let writing = std::thread::spawn(move || writer.send(sent));
    assert_eq!(client.bytes(large.len()), large);
    writing.join().unwrap();
    client.finish();
    assert_eq!(client.rest(), b"the end");
    // the backend's side first
    let mut client = opened(&proxy);
    client.send("bye");
    assert_eq!(client.rest(), b"goodbye");
    assert_eq!(backend.origin.connections(), 1);
}

#[test]
fn a_reset_is_a_reset_on_the_other_side() {
    let backend = echoing();
    let proxy = proxy_to(&backend);
    let mut client = opened(&proxy);
    client.send("reset");
    assert!(client.is_reset());
    let mut client = opened(&proxy);
    client.send("hello");
    assert_eq!(client.bytes(5), b"hello");
    client.reset();
    assert_eq!(backend.reset_of(0, 3), CANCEL);
    assert!(backend.seen().iter().all(|seen| seen.frame.kind != DATA || !seen.frame.has(END_STREAM)));
}

#[test]
fn an_http_2_client_s_tunnel_reaches_an_http_2_backend() {
    let backend = echoing();
    let proxy = proxy_to(&backend);
    let mut client = Connection::open(&proxy);
    let head = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/chat?room=1"),
        (":authority", "site.example"),
        ("sec-websocket-version", "13"),
    ];
    client.send(headers(1, 0, &head));
    client.until(|client| client.status(1) != 0);
    assert_eq!(client.status(1), 200);
    client.send(data(1, 0, "hello"));
    client.until(|client| client.received(1) == 5);
    client.send(data(1, END_STREAM, ""));
    assert_eq!(client.answer(1).body, b"hellothe end");
    client.send(headers(3, 0, &head));
    client.until(|client| client.status(3) != 0);
    client.send(data(3, 0, "reset"));
    let outcome = client.outcome(3);
    assert!(matches!(outcome, Outcome::Reset(code) if code != NO_ERROR), "{outcome:?}");
    client.send(headers(5, 0, &head));
    client.until(|client| client.status(5) != 0);
    client.send(reset(5, CANCEL));
    assert_eq!(backend.reset_of(0, 5), CANCEL);
}

#[test]
fn a_backend_without_extended_connect_gets_no_handshake_and_the_client_is_told() {
    for settings in [vec![], vec![(ENABLE_CONNECT_PROTOCOL, 0)]] {
        let backend = Backend::new(&settings, |peer, asked| peer.answer(asked.stream, "ok"));
        let proxy = proxy_to(&backend);
        let mut client = proxy.client();
        client.send(HANDSHAKE);
        let told = client.response();
        assert_eq!((told.status, told.field("proxy-status")), (502, Some("evenkeel; error=http_upgrade_failed")));
        assert_eq!(proxy.client().get("/x").text(), "ok");
        assert_eq!(backend.seen().iter().filter(|seen| seen.frame.kind == HEADERS).count(), 1);
    }
}

#[test]
fn a_tunnel_that_the_backend_refuses_is_its_answer() {
    let backend = Backend::new(&[(ENABLE_CONNECT_PROTOCOL, 1)], |peer, asked| {
        let head = headers(asked.stream, 0, &[(":status", "403"), ("content-length", "2")]);
        peer.send([head, data(asked.stream, END_STREAM, "no")].concat())
    });
    let proxy = proxy_with("", &[&backend]);
    let mut client = proxy.client();
    client.send(HANDSHAKE);
    let told = client.response();
    assert_eq!((told.status, told.text().as_str(), told.field("upgrade")), (403, "no", None));
}
