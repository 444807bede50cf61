//! Bodies of requests: when they are asked for, who gets them again, and what is told when their client leaves.

use std::time::{Duration, Instant};

use crate::h2_backends::backend::Backend;
use crate::h2_frames::connection::Connection;
use crate::h2_frames::frame::{
    CANCEL, END_STREAM, INITIAL_WINDOW_SIZE, data, fields, headers, post, reset, window_update,
};
use crate::support::{Client, Cue, LOG, OK, Origin, Proxy, config};

/// A backend of either protocol.
struct Either {
    protocol: &'static str,
    h1: Option<Origin>,
    h2: Option<Backend>,
}

impl Either {
    fn origin(&self) -> &Origin {
        self.h1.as_ref().or(self.h2.as_ref().map(|backend| &backend.origin)).unwrap()
    }

    fn proxy(&self, more: &str) -> Proxy {
        Proxy::start(&(config("", &format!("protocol = \"{}\"", self.protocol), &[self.origin()]) + more))
    }
}

/// Backends that read a whole body before they say anything; with `says_100` they ask for it.
fn reading(says_100: bool) -> [Either; 2] {
    let h1 = Origin::script(move |conn| {
        while let Ok(mut request) = conn.request_head() {
            if says_100 {
                conn.send("HTTP/1.1 100 Continue\r\n\r\n");
            }
            if conn.finish_request(&mut request).is_err() {
                return;
            }
            conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}", request.body.len()));
        }
    });
    let h2 = Backend::new(&[], move |peer, asked| {
        if says_100 {
            peer.send(headers(asked.stream, 0, &[(":status", "100")]));
        }
        let length = peer.upload(asked).len();
        length > 0 && peer.answer(asked.stream, &length.to_string())
    });
    [Either { protocol: "http1", h1: Some(h1), h2: None }, Either { protocol: "h2", h1: None, h2: Some(h2) }]
}

const WAITING: &str = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

/// A second for each is what a backend is given to ask for a body.
const MANY: usize = 10;

#[test]
fn a_body_that_its_client_sends_unasked_waits_for_no_100() {
    for backend in reading(false) {
        let proxy = backend.proxy("");
        let began = Instant::now();
        let mut client = proxy.client();
        for _ in 0..MANY {
            client.send(format!("{WAITING}hello"));
            assert_eq!(client.response().text(), "5");
        }
        let mut client = Connection::open(&proxy);
        for i in 0..MANY as u32 {
            let stream = 1 + 2 * i;
            let head = [fields("POST", "/x"), vec![("expect", "100-continue")]].concat();
            client.send([headers(stream, 0, &head), data(stream, END_STREAM, "hello")].concat());
            assert_eq!(client.answer(stream).body, b"5");
        }
        assert!(began.elapsed() < Duration::from_secs(MANY as u64), "{}: {:?}", backend.protocol, began.elapsed());
    }
}

#[test]
fn a_client_that_is_told_to_continue_may_take_its_time() {
    for backend in reading(true) {
        let proxy = backend.proxy("");
        let mut client = proxy.client();
        client.send(WAITING);
        assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
        // longer than a backend may take to ask for the body
        assert!(!client.has_news(Duration::from_millis(1500)), "{}", backend.protocol);
        client.send("hello");
        assert_eq!(client.response().text(), "5", "{}", backend.protocol);
    }
}

/// Begins an upload, and gives back what leaves within it.
type Begin = fn(&Proxy) -> Box<dyn FnOnce()>;

/// Ways of a client to leave within its upload.
fn leavings() -> Vec<(&'static str, Begin)> {
    fn begun(proxy: &Proxy) -> Client {
        let mut client = proxy.client();
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhello");
        client
    }
    fn begun_h2(proxy: &Proxy) -> Connection {
        let mut client = Connection::open(proxy);
        client.send([post(1, "/x"), data(1, 0, "hello")].concat());
        client
    }
    vec![
        ("FIN", |proxy| {
            let mut client = begun(proxy);
            Box::new(move || {
                client.finish();
                client.rest();
            })
        }),
        ("reset", |proxy| {
            let client = begun(proxy);
            Box::new(move || client.reset())
        }),
        ("RST_STREAM", |proxy| {
            let mut client = begun_h2(proxy);
            Box::new(move || {
                client.send(reset(1, CANCEL));
                assert!(client.is_alive());
            })
        }),
        ("the end of an HTTP/2 connection", |proxy| {
            let client = begun_h2(proxy);
            Box::new(move || drop(client))
        }),
    ]
}

#[test]
fn a_client_that_leaves_within_its_upload_is_logged_as_one_that_left() {
    for (way, begin) in leavings() {
        for protocol in ["http1", "h2"] {
            let arrived = Cue::default();
            let cue = arrived.clone();
            let backend = match protocol {
                "http1" => {
                    let h1 = Origin::script(move |conn| {
                        let _ = conn.request_head();
                        // with a length, or in a chunk
                        let mut body = Vec::new();
                        while !body.windows(5).any(|piece| piece == b"hello") {
                            body.extend(conn.some());
                        }
                        cue.give();
                        conn.is_closed();
                    });
                    Either { protocol, h1: Some(h1), h2: None }
                }
                _ => {
                    let h2 = Backend::new(&[], move |peer, asked| {
                        peer.until(|frame| frame.stream == asked.stream && frame.payload == b"hello");
                        cue.give();
                        true
                    });
                    Either { protocol, h1: None, h2: Some(h2) }
                }
            };
            let proxy = backend.proxy(LOG);
            let leave = begin(&proxy);
            assert!(arrived.wait());
            leave();
            let line = proxy.logged();
            assert!(line["status"].is_null(), "{way}, {protocol}: {line}");
            let failure = line["failure"].as_str().unwrap_or_default();
            assert!(failure.starts_with("the client went away"), "{way}, {protocol}: {line}");
            assert_eq!(line["aborted"], true, "{way}, {protocol}: {line}");
            proxy.wait_for_metrics("code_class=\"none\"");
        }
    }
}

#[test]
fn a_long_body_that_met_the_close_of_a_kept_connection_is_sent_again() {
    let arrived = Cue::default();
    let cue = arrived.clone();
    let origin = Origin::script(move |conn| {
        let Ok(mut first) = conn.request_head() else { return };
        cue.give();
        if conn.finish_request(&mut first).is_ok() && conn.send(OK) {
            // the second one on it is not looked at
            let _ = conn.request_head();
            conn.reset();
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    assert_eq!(client.get("/warm").status, 200);
    assert!(arrived.wait());
    const LENGTH: usize = 100 * 1024;
    client.send(format!("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n{}", "b".repeat(LENGTH / 2)));
    assert!(arrived.wait(), "it goes to a new connection");
    client.send("b".repeat(LENGTH / 2));
    assert_eq!(client.response().status, 200);
    assert_eq!(origin.requests().last().unwrap().body.len(), LENGTH);
}

#[test]
fn uploads_that_their_backend_does_not_take_leave_a_neighbour_its_share_of_the_connection() {
    let full = Cue::default();
    let cue = full.clone();
    let backend = Backend::new(&[(INITIAL_WINDOW_SIZE, 0)], move |peer, asked| {
        // what comes before its settings are known takes nothing from the others
        peer.send(window_update(0, 1 << 20));
        if asked.path() == "/stuck" {
            cue.give();
            return true;
        }
        peer.send(window_update(asked.stream, 1 << 20));
        let length = peer.upload(asked).len();
        peer.answer(asked.stream, &length.to_string())
    });
    let either = Either { protocol: "h2", h1: None, h2: Some(backend) };
    let proxy = either.proxy("\n[server]\nworkers = 1\n");
    let mut client = Connection::open(&proxy);
    assert!(client.is_alive(), "its window is known");
    // as many as leave something of the connection's window
    let mut stream = 1;
    while client.window() > 256 * 1024 {
        client.send(post(stream, "/stuck"));
        while client.room_to_send(stream) > 0 {
            let piece = client.room_to_send(stream).min(16_000) as usize;
            client.send(data(stream, 0, vec![b'u'; piece]));
        }
        assert!(full.wait());
        stream += 2;
    }
    assert!(client.window() > 0);
    client.send(post(stream, "/flows"));
    assert!(client.upload(stream, &vec![b'u'; 1 << 20]));
    assert_eq!(client.answer(stream).body, b"1048576");
}
