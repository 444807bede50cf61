//! Connections on which nothing comes any more.

use std::thread;
use std::time::Duration;

use super::backend::{Backend, Peer};
use super::proxy_with;
use crate::h2_frames::frame::{PING, settings};

/// Serves every connection but the first, which serves its first request and then reads and says nothing.
fn falling_silent() -> Backend {
    Backend::bare(|peer: &mut Peer| {
        peer.send(settings(&[]));
        while let Some(asked) = peer.request() {
            peer.upload(&asked);
            peer.answer(asked.stream, if peer.conn.number == 0 { "first" } else { "new" });
            if peer.conn.number == 0 {
                peer.answers = false;
                return peer.ends();
            }
        }
    })
}

#[test]
fn after_a_time_out_a_connection_without_sign_of_life_gets_no_more_requests() {
    let backend = falling_silent();
    let service = "[service.api.timeout]\nresponse = \"1s\"\n[service.api.retry]\nattempts = 0";
    let proxy = proxy_with(service, &[&backend]);
    let mut client = proxy.client();
    assert_eq!(client.get("/x").text(), "first");
    assert_eq!(client.get("/x").status, 504);
    for _ in 0..3 {
        assert_eq!(client.get("/x").text(), "new");
    }
    assert_eq!(backend.origin.connections(), 2);
}

#[test]
fn a_connection_that_was_unused_is_asked_and_a_get_goes_elsewhere_when_no_answer_comes() {
    let backend = falling_silent();
    let proxy = proxy_with("", &[&backend]);
    let mut client = proxy.client();
    assert_eq!(client.get("/x").text(), "first");
    // unused for so long that it may not be there any more
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(client.get("/x").text(), "new");
    assert!(backend.seen().iter().any(|seen| seen.conn == 0 && seen.frame.kind == PING));
}

#[test]
fn a_slow_backend_that_answers_pings_is_waited_for() {
    let backend = Backend::new(&[], |peer, asked| {
        if asked.path() == "/slow" {
            // it reads on, so pings are answered, and takes longer than a sign of life may
            let mut pinged = false;
            while !pinged {
                pinged = peer.next().is_some_and(|frame| frame.kind == PING);
            }
            thread::sleep(Duration::from_millis(2500));
        }
        peer.answer(asked.stream, "at last")
    });
    let proxy = proxy_with("", &[&backend]);
    let mut client = proxy.client();
    assert_eq!(client.get("/x").text(), "at last");
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(client.get("/slow").text(), "at last");
    assert_eq!(backend.origin.connections(), 1);
}

#[test]
fn a_backend_that_never_says_its_settings_is_a_504_and_the_next_request_has_another_connection() {
    let backend = Backend::bare(|peer: &mut Peer| {
        if peer.conn.number == 0 {
            peer.answers = false;
            return peer.ends();
        }
        peer.send(settings(&[]));
        while let Some(asked) = peer.request() {
            peer.answer(asked.stream, "ok");
        }
    });
    let service = "[service.api.timeout]\nresponse = \"1s\"\n[service.api.retry]\nattempts = 0";
    let proxy = proxy_with(service, &[&backend]);
    let mut client = proxy.client();
    let told = client.get("/x");
    assert_eq!(told.status, 504, "{told:?}");
    assert_eq!(client.get("/x").text(), "ok");
}

#[test]
fn the_response_time_out_begins_when_the_request_has_gone() {
    let backend = Backend::new(&[], |peer, asked| {
        let body = peer.upload(asked);
        peer.answer(asked.stream, &body.len().to_string())
    });
    let proxy = proxy_with("[service.api.timeout]\nresponse = \"1s\"", &[&backend]);
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    client.trickle(b"slow!", Duration::from_millis(300));
    assert_eq!(client.response().text(), "5");
}
