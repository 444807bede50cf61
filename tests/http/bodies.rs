//! Bodies in both directions: of any size, as they come, at the pace of who takes them.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Client, Cue, GET, OK, Origin, PATIENCE, Proxy, config, tcp_with_room_for};

const MIB: usize = 1024 * 1024;

#[test]
fn a_large_download_takes_little_memory() {
    let origin = Origin::script(|conn| {
        let _ = conn.request();
        conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 * MIB));
        let piece = vec![b'd'; MIB];
        for _ in 0..64 {
            conn.send(&piece);
        }
    });
    let proxy = Proxy::to(&origin);
    let before = proxy.rss();
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(client.response_head().field("content-length"), Some((64 * MIB).to_string().as_str()));
    let mut most = 0;
    for _ in 0..64 {
        assert!(client.bytes(MIB).iter().all(|b| *b == b'd'));
        most = most.max(proxy.rss());
    }
    assert!(most.saturating_sub(before) < 16 * MIB as u64, "{before} -> {most}");
}

#[test]
fn a_client_that_takes_little_at_a_time_gets_a_large_body_to_its_last_byte() {
    // more than the kernel between has room for, and no two places in it are alike
    let body: Vec<u8> = (0..16 * MIB as u32 / 4).flat_map(u32::to_be_bytes).collect();
    let sent = body.clone();
    let origin = Origin::script(move |conn| {
        while conn.request().is_ok() {
            conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", sent.len()));
            conn.send(&sent);
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::from_tcp(tcp_with_room_for(64 * 1024, proxy.address()));
    for _ in 0..2 {
        let answer = client.get("/x");
        assert!(answer.body == body, "{} bytes", answer.body.len());
    }
    assert_eq!(origin.connections(), 1, "the backend's connection is kept");
}

#[test]
fn a_large_upload_takes_little_memory() {
    let seen = Arc::new(Mutex::new((0usize, true)));
    let counted = Arc::clone(&seen);
    let origin = Origin::script(move |conn| {
        let Ok(request) = conn.request_head() else { return };
        assert_eq!(request.field("content-length"), Some((64 * MIB).to_string().as_str()));
        while counted.lock().unwrap().0 < 64 * MIB {
            let some = conn.some();
            if some.is_empty() {
                return;
            }
            let mut seen = counted.lock().unwrap();
            *seen = (seen.0 + some.len(), seen.1 && some.iter().all(|b| *b == b'u'));
        }
        conn.send(OK);
    });
    let proxy = Proxy::to(&origin);
    let before = proxy.rss();
    let mut client = proxy.client();
    client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 64 * MIB));
    let piece = vec![b'u'; MIB];
    let mut most = 0;
    for _ in 0..64 {
        client.send(&piece);
        most = most.max(proxy.rss());
    }
    assert_eq!(client.response().text(), "ok");
    assert_eq!(*seen.lock().unwrap(), (64 * MIB, true));
    assert!(most.saturating_sub(before) < 16 * MIB as u64, "{before} -> {most}");
}

#[test]
fn a_client_that_does_not_read_holds_its_backend_back() {
    let (tell, told) = mpsc::channel();
    let origin = Origin::script(move |conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        // on a slow machine this gives up early, which makes the test weaker and never wrong
        conn.set_limit(Duration::from_millis(500));
        let chunk = format!("100000\r\n{}\r\n", "x".repeat(MIB));
        let taken = (0..64).take_while(|_| conn.send(&chunk)).count();
        let _ = tell.send(taken);
    });
    let proxy = Proxy::to(&origin);
    let before = proxy.rss();
    let mut client = proxy.client();
    client.send(GET);
    client.response_head();
    let taken = told.recv_timeout(PATIENCE).unwrap();
    assert!(taken < 64, "nobody reads, and the proxy took it all");
    assert!(proxy.rss().saturating_sub(before) < 16 * MIB as u64);
}

#[test]
fn an_answer_is_passed_on_as_it_comes() {
    let cue = Cue::default();
    let awaited = cue.clone();
    let origin = Origin::script(move |conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        awaited.wait();
        conn.send("6\r\nsecond\r\n0\r\n\r\n");
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send(GET);
    client.response_head();
    assert_eq!(client.bytes(10), b"5\r\nfirst\r\n");
    cue.give();
    assert_eq!(client.bytes(16), b"6\r\nsecond\r\n0\r\n\r\n");
}

#[test]
fn a_request_is_passed_on_as_it_comes() {
    let (tell, told) = mpsc::channel();
    let origin = Origin::script(move |conn| {
        let Ok(mut request) = conn.request_head() else { return };
        let _ = tell.send(conn.some());
        let _ = conn.finish_request(&mut request);
        conn.send(OK);
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nfirst");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), b"first");
}

#[test]
fn the_response_time_out_starts_when_the_request_has_been_sent() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&config("", "[service.api.timeout]\nresponse = \"1s\"", &[&origin]));
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    // all in all longer than the time-out
    client.trickle(b"slow!", Duration::from_millis(300));
    assert_eq!(client.response().text(), "ok");
    assert_eq!(origin.request().body, b"slow!");
}

#[test]
fn an_answer_that_comes_before_the_request_has_ended_is_passed_on() {
    let origin = Origin::script(|conn| {
        let _ = conn.request_head();
        conn.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
        conn.is_closed();
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nonly this");
    let answer = client.response();
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
}
