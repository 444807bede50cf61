//! How many streams a backend takes at a time (RFC 9113, section 5.1.2).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::backend::{Backend, Peer, answer};
use super::{CHARGING, assert_nobody_is_charged, proxy_with};
use crate::h2_frames::frame::{MAX_CONCURRENT_STREAMS, REFUSED_STREAM, reset, settings};
use crate::support::Cue;

/// A backend that takes so many streams on a connection and answers when it has seen that no more come; the rest it refuses, which
/// is counted.
fn limited(limit: u32) -> (Backend, Arc<AtomicUsize>) {
    let refusals = Arc::new(AtomicUsize::new(0));
    let refused = Arc::clone(&refusals);
    let backend = Backend::bare(move |peer: &mut Peer| {
        peer.send(settings(&[(MAX_CONCURRENT_STREAMS, limit)]));
        while let Some(first) = peer.request() {
            let mut open = vec![first.stream];
            // all that was sent before this was known
            peer.send(crate::h2_frames::frame::ping(b"and then"));
            peer.until(|frame| frame.kind == crate::h2_frames::frame::PING);
            while let Some(next) = peer.waiting() {
                open.push(next.stream);
            }
            for (i, stream) in open.into_iter().enumerate() {
                if i < limit as usize {
                    peer.answer(stream, "ok");
                } else {
                    refused.fetch_add(1, Ordering::SeqCst);
                    peer.send(reset(stream, REFUSED_STREAM));
                }
            }
        }
    });
    (backend, refusals)
}

#[test]
fn a_backend_gets_no_more_streams_at_a_time_than_it_takes() {
    for limit in [1, 2, 3] {
        let (backend, refusals) = limited(limit);
        let proxy = proxy_with(CHARGING, &[&backend]);
        std::thread::scope(|scope| {
            for _ in 0..24 {
                let mut client = proxy.client();
                scope.spawn(move || {
                    for _ in 0..10 {
                        let request = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
                        client.send(request);
                        let told = client.response();
                        assert_eq!(told.status, 200, "{told:?}");
                    }
                });
            }
        });
        assert_nobody_is_charged(&proxy);
        assert_eq!(refusals.load(Ordering::SeqCst), 0, "with {limit} at a time");
        let connections = backend.origin.connections();
        assert!(connections <= 24, "{connections} connections");
    }
}

#[test]
fn a_backend_that_takes_none_gets_none_and_no_storm_of_connections() {
    let backend =
        Backend::new(&[(MAX_CONCURRENT_STREAMS, 0)], |peer, asked| peer.send(reset(asked.stream, REFUSED_STREAM)));
    let proxy = proxy_with("[service.api.timeout]\nconnect = \"1s\"", &[&backend]);
    let mut clients: Vec<_> = (0..10).map(|_| proxy.client()).collect();
    clients.iter_mut().for_each(|client| client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n"));
    for client in &mut clients {
        let told = client.response();
        let why = "evenkeel; error=connection_timeout; details=\"it takes no more streams\"";
        assert_eq!((told.status, told.field("proxy-status")), (504, Some(why)));
    }
    assert_eq!(backend.origin.connections(), 1);
    assert_eq!(backend.requests(), 1, "that one was sent before the settings were known");
}

#[test]
fn a_backend_that_takes_none_for_a_while_gets_them_when_it_does() {
    let (arrived, cue) = (Cue::default(), Cue::default());
    let (arriving, awaited) = (arrived.clone(), cue.clone());
    let backend = Backend::new(&[], move |peer, asked| match asked.path() {
        "/none" => {
            peer.send(settings(&[(MAX_CONCURRENT_STREAMS, 0)]));
            peer.answer(asked.stream, "none");
            peer.send(crate::h2_frames::frame::ping(b"and then"));
            peer.until(|frame| frame.kind == crate::h2_frames::frame::PING);
            arriving.give();
            awaited.wait();
            peer.send(settings(&[(MAX_CONCURRENT_STREAMS, 5)]))
        }
        _ => peer.answer(asked.stream, "some"),
    });
    let proxy = proxy_with("", &[&backend]);
    assert_eq!(proxy.client().get("/none").text(), "none");
    assert!(arrived.wait());
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    cue.give();
    assert_eq!(client.response().text(), "some");
}

#[test]
fn a_lower_limit_ends_no_stream_that_is_open() {
    let (arrived, cue) = (Cue::default(), Cue::default());
    let (arriving, awaited) = (arrived.clone(), cue.clone());
    let backend = Backend::new(&[], move |peer, asked| {
        let Some(second) = peer.request() else { return false };
        peer.send(settings(&[(MAX_CONCURRENT_STREAMS, 1)]));
        arriving.give();
        awaited.wait();
        peer.send([answer(asked.stream, "one"), answer(second.stream, "two")].concat())
    });
    let proxy = proxy_with("", &[&backend]);
    let mut clients = [proxy.client(), proxy.client()];
    clients.iter_mut().for_each(|client| client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(arrived.wait());
    cue.give();
    let mut told = clients.map(|mut client| client.response().text());
    told.sort();
    assert_eq!(told, ["one", "two"]);
}
