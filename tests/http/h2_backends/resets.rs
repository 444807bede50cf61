//! RST_STREAM (RFC 9113, sections 6.4 and 8.7): what it means where in an exchange, and what it costs whom.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::backend::{Backend, answer};
use super::rows::{End, Told, check, check_with, row};
use super::{CHARGING, assert_nobody_is_charged, proxy_to, proxy_with};
use crate::h2_frames::connection::{Connection, Outcome};
use crate::h2_frames::frame::{
    CANCEL, DATA, END_STREAM, NO_ERROR, REFUSED_STREAM, RST_STREAM, data, get, headers, post, reset,
};
use crate::support::{Cue, wait_until};

/// Every code of section 7 and one that nobody has registered, without REFUSED_STREAM.
const CODES: [u32; 14] = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 0x1234_5678];

fn head(stream: u32) -> Vec<u8> {
    headers(stream, 0, &[(":status", "200")])
}

#[test]
fn a_stream_that_is_reset_before_its_answer_is_a_502_and_its_neighbours_go_on() {
    let told = Told::Error(502, "http_response_incomplete");
    check(CODES.map(|code| row("before the head", move |s| reset(s, code), End::Nothing, told)).into());
    let interim = move |s| [headers(s, 0, &[(":status", "103")]), reset(s, NO_ERROR)].concat();
    check(vec![row("after an interim response", interim, End::Nothing, told)]);
}

#[test]
fn a_stream_that_is_reset_within_its_answer_is_broken_whatever_the_code() {
    let bytes = |code| move |s| [head(s), data(s, 0, "part"), reset(s, code)].concat();
    check(CODES.map(|code| row("within the body", bytes(code), End::Nothing, Told::Broken(200))).into());
    check(vec![
        row("refused, too late", bytes(REFUSED_STREAM), End::Nothing, Told::Broken(200)),
        row("before any of the body", |s| [head(s), reset(s, 0)].concat(), End::Nothing, Told::Broken(200)),
    ]);
    // of a length that is known, and small enough to be held until it is whole
    let held =
        |s| [headers(s, 0, &[(":status", "200"), ("content-length", "8")]), data(s, 0, "part"), reset(s, 0)].concat();
    check(vec![row("a held answer", held, End::Nothing, Told::Error(502, "http_response_incomplete"))]);
    check_with(
        "GET /bad HTTP/1.0\r\nHost: a\r\n\r\n",
        vec![row(
            "to a client that knows the end by the close alone",
            bytes(NO_ERROR),
            End::Nothing,
            Told::Broken(200),
        )],
    );
}

#[test]
fn a_reset_after_the_whole_answer_takes_nothing_from_it() {
    for code in [NO_ERROR, CANCEL, 2, REFUSED_STREAM] {
        let bytes = move |s| [answer(s, "whole"), reset(s, code)].concat();
        check(vec![row("with the request sent", bytes, End::Nothing, Told::Answer(200, "whole"))]);
        // and with an upload under way
        let backend = Backend::new(&[], move |peer, asked| {
            if asked.path() == "/upload" {
                peer.until(|frame| frame.kind == DATA);
                return peer.send(
                    [
                        headers(asked.stream, 0, &[(":status", "413")]),
                        data(asked.stream, END_STREAM, "whole"),
                        reset(asked.stream, code),
                    ]
                    .concat(),
                );
            }
            peer.answer(asked.stream, "ok")
        });
        let proxy = proxy_to(&backend);
        let mut client = proxy.client();
        client.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegun");
        let told = client.response();
        assert_eq!((told.status, told.text().as_str()), (413, "whole"), "code {code}");
        let mut client = Connection::open(&proxy);
        client.send([post(1, "/upload"), data(1, 0, "begun")].concat());
        client.until(|client| client.status(1) == 413 && client.received(1) == 5);
        assert_eq!(client.stream(1).body, b"whole", "code {code}");
        assert_eq!(proxy.client().get("/x").text(), "ok");
        assert_eq!(backend.origin.connections(), 1);
    }
}

#[test]
fn an_upload_that_nobody_wants_any_more_is_ended_by_a_reset_and_never_as_if_it_were_whole() {
    let backend = Backend::new(&[], |peer, asked| {
        peer.until(|frame| frame.kind == DATA);
        peer.send([headers(asked.stream, 0, &[(":status", "413")]), data(asked.stream, END_STREAM, "no")].concat())
    });
    let proxy = proxy_to(&backend);
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegun");
    let told = client.response();
    assert_eq!((told.status, told.text().as_str()), (413, "no"));
    drop(client);
    let code = backend.reset_of(0, 1);
    assert!([NO_ERROR, CANCEL].contains(&code), "{code}");
    assert!(backend.seen().iter().all(|seen| seen.frame.kind != DATA || !seen.frame.has(END_STREAM)));
}

#[test]
fn a_client_that_leaves_cancels_its_stream_alone() {
    let arrived = Cue::default();
    let cue = arrived.clone();
    let backend = Backend::new(&[], move |peer, asked| match asked.path() {
        "/hold" => {
            cue.give();
            true
        }
        _ => peer.answer(asked.stream, "ok"),
    });
    let proxy = proxy_with(CHARGING, &[&backend]);
    let requests = [
        "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhal",
        "POST /hold HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhal",
    ];
    for (i, request) in requests.iter().enumerate() {
        let mut client = proxy.client();
        client.send(request);
        assert!(arrived.wait());
        client.reset();
        assert_eq!(backend.reset_of(0, 2 * i as u32 + 1), CANCEL, "{request}");
    }
    let mut client = Connection::open(&proxy);
    client.send(get(1, "/hold"));
    assert!(arrived.wait());
    client.send(reset(1, CANCEL));
    assert_eq!(backend.reset_of(0, 7), CANCEL);
    assert_eq!(client.get(3, "/x").body, b"ok");
    assert_eq!(backend.origin.connections(), 1);
    assert_nobody_is_charged(&proxy);
    assert!(backend.seen().iter().all(|seen| seen.frame.kind != DATA || !seen.frame.has(END_STREAM)));
}

const REFUSABLE: [&str; 5] = [
    "GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
    "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\nyou\r\n0\r\n\r\n",
    "PATCH /x HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n",
];

/// The requests, with bodies.
fn refusable() -> Vec<(String, usize)> {
    let lengths = [0, 0, 2, 5, 60_000];
    let with_body = |(request, length): (&str, usize)| {
        let body = if length == 60_000 { "b".repeat(length) } else { String::new() };
        (format!("{request}{body}"), length)
    };
    REFUSABLE.into_iter().zip(lengths).map(with_body).collect()
}

/// Refuses the first stream that comes on it, at its head or at its end, and serves the rest.
fn refusing_once(at_end: bool) -> Backend {
    let refused = AtomicUsize::new(0);
    Backend::new(&[], move |peer, asked| {
        if refused.fetch_add(1, Ordering::SeqCst) == 0 {
            if at_end {
                peer.upload(asked);
            }
            return peer.send(reset(asked.stream, REFUSED_STREAM));
        }
        let body = peer.upload(asked);
        peer.answer(asked.stream, &body.len().to_string())
    })
}

#[test]
fn what_a_backend_refuses_is_sent_again_whatever_it_is_and_is_nobody_s_failure() {
    for (request, length) in refusable() {
        for at_end in [false, true] {
            let backend = refusing_once(at_end);
            let proxy = proxy_with(CHARGING, &[&backend]);
            let mut client = proxy.client();
            client.send(&request);
            let told = client.response();
            let name = &request[..request.len().min(60)];
            assert_eq!((told.status, told.text()), (200, length.to_string()), "{name}");
            assert_nobody_is_charged(&proxy);
            assert_eq!(backend.requests(), 2, "{name}");
        }
    }
}

#[test]
fn what_a_backend_refuses_goes_to_another_one() {
    let refusing = || {
        Backend::new(&[], |peer, asked| {
            peer.upload(asked);
            peer.send(reset(asked.stream, REFUSED_STREAM))
        })
    };
    for (request, length) in refusable() {
        let (bad, good) = (
            refusing(),
            Backend::new(&[], |peer, asked| {
                let body = peer.upload(asked);
                peer.answer(asked.stream, &body.len().to_string())
            }),
        );
        let proxy = proxy_with(CHARGING, &[&bad, &good]);
        for _ in 0..4 {
            let mut client = proxy.client();
            client.send(&request);
            assert_eq!(client.response().text(), length.to_string());
        }
        assert_nobody_is_charged(&proxy);
        assert!(bad.requests() > 0);
    }
}

#[test]
fn without_retries_a_post_is_executed_once_and_what_was_refused_was_not() {
    let service = "[service.api.retry]\nattempts = 0";
    let backend = Backend::new(&[], |peer, asked| {
        peer.upload(asked);
        peer.send(reset(asked.stream, 2))
    });
    let proxy = proxy_with(service, &[&backend]);
    for request in [super::rows::POST, "GET /bad HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let before = backend.requests();
        let mut client = proxy.client();
        client.send(request);
        assert_eq!(client.response().status, 502);
        assert_eq!(backend.requests() - before, 1);
    }
    // no body: what was not looked at may be sent again without being a retry
    let backend = refusing_once(false);
    let proxy = proxy_with(service, &[&backend]);
    let mut client = proxy.client();
    client.send(REFUSABLE[1]);
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_backend_that_refuses_everything_is_a_503() {
    let backend = Backend::new(&[], |peer, asked| {
        peer.upload(asked);
        peer.send(reset(asked.stream, REFUSED_STREAM))
    });
    let proxy = proxy_to(&backend);
    for (request, _) in refusable() {
        let before = backend.requests();
        let mut client = proxy.client();
        client.send(&request);
        let told = client.response();
        assert_eq!((told.status, told.field("proxy-status")), (503, Some("evenkeel; error=destination_unavailable")));
        let asked = backend.requests() - before;
        assert!(asked <= 6, "asked {asked} times");
    }
}

#[test]
fn a_reset_by_the_backend_is_seen_by_an_http_2_client_as_one() {
    let backend = Backend::new(&[], |peer, asked| match asked.path() {
        "/x" => peer.answer(asked.stream, "ok"),
        _ => peer.send([head(asked.stream), data(asked.stream, 0, "part"), reset(asked.stream, NO_ERROR)].concat()),
    });
    let proxy = proxy_to(&backend);
    let mut client = Connection::open(&proxy);
    client.send(get(1, "/bad"));
    let outcome = client.outcome(1);
    assert!(matches!(outcome, Outcome::Reset(code) if code != NO_ERROR), "{outcome:?}");
    assert_eq!(client.get(3, "/x").body, b"ok");
    wait_until("it has come", || backend.requests() == 2);
    assert!(backend.seen().iter().all(|seen| seen.frame.kind != RST_STREAM));
}
