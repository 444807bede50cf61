//! Backends that leave, with GOAWAY (RFC 9113, section 6.8) and without.

use std::collections::HashMap;

use super::backend::{Backend, Peer, answer, goaway};
use super::rows::wait_for_requests;
use super::{CHARGING, assert_nobody_is_charged, proxy_to, proxy_with};
use crate::h2_frames::frame::{CANCEL, INTERNAL_ERROR, MAX_WINDOW, NO_ERROR, PING, data, headers, ping, settings};
use crate::support::{Client, Cue};

/// Requests with everything that can be sent again: their bodies are of 0, 2, 60,000 and 5 bytes.
fn requests() -> Vec<(String, usize)> {
    let long = "b".repeat(60_000);
    [
        ("GET /0 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 0),
        ("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".to_owned(), 0),
        ("POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi".to_owned(), 2),
        (format!("PUT /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n{long}"), 60_000),
        ("PATCH /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(), 5),
    ]
    .into()
}

/// Answers every request with its path and the length of its body.
fn serve(peer: &mut Peer) {
    while let Some(asked) = peer.request() {
        let body = peer.upload(&asked);
        peer.answer(asked.stream, &format!("{} {}", asked.path(), body.len()));
    }
}

#[test]
fn what_goaway_leaves_unseen_is_sent_again_whatever_it_is() {
    // of five streams, 1 to 9
    for (last, code) in
        [(0, NO_ERROR), (1, NO_ERROR), (5, INTERNAL_ERROR), (7, 11), (9, NO_ERROR), (MAX_WINDOW, NO_ERROR)]
    {
        let (arrived, given) = (Cue::default(), Cue::default());
        let cue = arrived.clone();
        let backend = Backend::bare(move |peer| {
            peer.send(settings(&[]));
            if peer.conn.number > 0 {
                return serve(peer);
            }
            let mut seen = Vec::new();
            for _ in 0..5 {
                let Some(asked) = peer.request() else { return };
                let length = peer.upload(&asked).len();
                seen.push((asked.stream, format!("{} {length}", asked.path())));
                cue.give();
            }
            peer.send(goaway(last, code));
            for (stream, told) in seen.iter().filter(|(stream, _)| *stream <= last) {
                peer.answer(*stream, told);
            }
            peer.ends();
            given.give();
        });
        let proxy = proxy_with(CHARGING, &[&backend]);
        let mut clients = Vec::new();
        for (request, length) in requests() {
            let mut client = proxy.client();
            client.send(&request);
            assert!(arrived.wait());
            clients.push((client, length));
        }
        for (i, (client, length)) in clients.iter_mut().enumerate() {
            let told = client.response();
            assert_eq!((told.status, told.text()), (200, format!("/{i} {length}")), "GOAWAY {last} {code}");
        }
        assert_nobody_is_charged(&proxy);
        // the connection is left, in order, when its last stream has ended
        assert_eq!(backend.goaway(0), NO_ERROR);
    }
}

#[test]
fn a_graceful_goaway_in_two_steps_costs_no_stream() {
    let (said, ended) = (Cue::default(), Cue::default());
    let (saying, ending) = (said.clone(), ended.clone());
    let backend = Backend::bare(move |peer| {
        peer.send(settings(&[]));
        if peer.conn.number > 0 {
            return serve(peer);
        }
        let Some(asked) = peer.request() else { return };
        peer.send([goaway(MAX_WINDOW, NO_ERROR), ping(b"is it so")].concat());
        peer.until(|frame| frame.kind == PING);
        saying.give();
        ending.wait();
        peer.send([goaway(asked.stream, NO_ERROR), answer(asked.stream, "the first")].concat());
        peer.ends();
    });
    let proxy = proxy_with(CHARGING, &[&backend]);
    let mut first = proxy.client();
    first.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert!(said.wait());
    // takes no more streams from the first word on
    assert_eq!(proxy.client().get("/y").text(), "/y 0");
    ended.give();
    assert_eq!(first.response().text(), "the first");
    assert_eq!(backend.goaway(0), NO_ERROR);
    assert_nobody_is_charged(&proxy);
}

#[test]
fn a_backend_that_leaves_after_every_third_request_loses_no_post() {
    let backend = Backend::bare(move |peer| {
        peer.send(settings(&[]));
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let Some(asked) = peer.request() else { return };
            let body = peer.upload(&asked);
            seen.push(asked.stream);
            if seen.len() == 3 {
                peer.send(goaway(asked.stream, NO_ERROR));
            }
            peer.answer(asked.stream, &String::from_utf8(body).unwrap());
        }
        // what is under way is not looked at
        peer.conn.finish();
        peer.ends();
    });
    let proxy = proxy_with(CHARGING, &[&backend]);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let mut client = proxy.client();
            scope.spawn(move || {
                for i in 0..40 {
                    let body = format!("{thread}:{i:03}");
                    client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{body}"));
                    let told = client.response();
                    assert_eq!((told.status, told.text()), (200, body));
                }
            });
        }
    });
    assert_nobody_is_charged(&proxy);
}

/// Ends each first connection like this when a request has come.
fn ending(end: impl Fn(&mut Peer, u32) + Send + Sync + 'static) -> Backend {
    Backend::bare(move |peer| {
        peer.send(settings(&[]));
        if peer.conn.number > 0 {
            return serve(peer);
        }
        if let Some(asked) = peer.request() {
            peer.upload(&asked);
            end(peer, asked.stream);
        }
    })
}

fn post(client: &mut Client) -> (u16, Option<String>) {
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    let told = client.response();
    (told.status, told.field("proxy-status").map(str::to_owned))
}

#[test]
fn a_connection_that_ends_before_an_answer_has_a_get_repeated_and_a_post_told() {
    type End = fn(&mut Peer, u32);
    let rows: [(&str, End); 5] = [
        ("closed", |_, _| {}),
        ("reset", |peer, _| peer.conn.reset()),
        ("closed after GOAWAY that takes the stream", |peer, stream| _ = peer.send(goaway(stream, NO_ERROR))),
        ("closed after GOAWAY with an error", |peer, stream| _ = peer.send(goaway(stream, INTERNAL_ERROR))),
        ("closed within the head", |peer, stream| {
            peer.send(&headers(stream, 0, &[(":status", "200")])[..12]);
        }),
    ];
    for (name, end) in rows {
        let backend = ending(end);
        let proxy = proxy_to(&backend);
        assert_eq!(proxy.client().get("/x").text(), "/x 0", "{name}");
        let backend = ending(end);
        let proxy = proxy_to(&backend);
        let (status, error) = post(&mut proxy.client());
        assert_eq!((status, error.as_deref()), (502, Some("evenkeel; error=connection_terminated")), "{name}");
        wait_for_requests(&backend, 1);
        assert_eq!(backend.requests(), 1, "{name}: it may have been executed");
    }
}

#[test]
fn a_connection_that_ends_within_an_answer_breaks_it_visibly() {
    type End = Box<dyn Fn(&mut Peer, u32) + Send + Sync>;
    let part = |peer: &mut Peer, stream| {
        peer.send([headers(stream, 0, &[(":status", "200")]), data(stream, 0, "part")].concat());
    };
    let rows: [(&str, End); 3] = [
        ("closed", Box::new(part)),
        (
            "closed after GOAWAY",
            Box::new(move |peer, stream| {
                part(peer, stream);
                peer.send(goaway(stream, NO_ERROR));
            }),
        ),
        (
            "closed within a frame",
            Box::new(move |peer, stream| {
                part(peer, stream);
                peer.send(&data(stream, 1, "the rest")[..12]);
            }),
        ),
    ];
    for (name, end) in rows {
        let backend = ending(end);
        let proxy = proxy_to(&backend);
        let mut client = proxy.client();
        client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        let (told, broken) = client.broken_response();
        assert!(told.status == 200 && broken.is_some(), "{name}: {told:?}");
        assert!("part".starts_with(&told.text()), "{name}: {told:?}");
    }
}

#[test]
fn an_answer_that_is_small_and_breaks_is_asked_for_again_unseen() {
    let backend = ending(|peer, stream| {
        peer.send(
            [headers(stream, 0, &[(":status", "200"), ("content-length", "8")]), data(stream, 0, "part")].concat(),
        );
    });
    let proxy = proxy_to(&backend);
    assert_eq!(proxy.client().get("/x").text(), "/x 0");
}

#[test]
fn every_post_is_executed_once_by_a_backend_that_comes_and_goes() {
    let executed = std::sync::Arc::new(std::sync::Mutex::new(HashMap::<String, usize>::new()));
    let log = std::sync::Arc::clone(&executed);
    let backend = Backend::bare(move |peer| {
        peer.send(settings(&[]));
        let mut count = 0;
        while let Some(asked) = peer.request() {
            count += 1;
            if count > 5 {
                // the sixth and later ones were not looked at
                peer.send(goaway(asked.stream - 2, CANCEL));
                return;
            }
            let body = peer.upload(&asked);
            *log.lock().unwrap().entry(String::from_utf8(body).unwrap()).or_default() += 1;
            peer.answer(asked.stream, "done");
        }
    });
    let proxy = proxy_with(CHARGING, &[&backend]);
    let mut client = proxy.client();
    for i in 0..60 {
        client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n{i:04}"));
        assert_eq!(client.response().status, 200, "{i}");
    }
    let executed = executed.lock().unwrap();
    assert!(executed.len() == 60 && executed.values().all(|times| *times == 1), "{executed:?}");
    assert_nobody_is_charged(&proxy);
}
