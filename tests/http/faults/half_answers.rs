//! Answers that begin and do not end: no client takes one for whole.

use super::{assert_own, get, get_bytes};
use crate::support::{Broken, GET, Origin, Proxy, config};

#[test]
fn a_body_that_stalls_is_cut_off() {
    let origin = Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        conn.is_closed();
    });
    let proxy = Proxy::start(&config("", "retry.hold = 0\n[service.api.timeout]\nidle = \"200ms\"", &[&origin]));
    let mut client = proxy.client();
    client.send(GET);
    let (answer, broken) = client.broken_response();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"half"[..]));
    assert!(matches!(broken, Some(Broken::Closed | Broken::Reset)), "{broken:?}");
}

#[test]
fn half_a_body_of_known_length_is_seen_to_be_broken() {
    // above `retry.hold`, so it is passed on as it comes
    let (answer, broken) = get_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf");
    assert!(matches!(answer.status, 0 | 200), "{answer:?}");
    assert!(answer.body.len() <= 4, "{answer:?}");
    assert!(matches!(broken, Some(Broken::Closed | Broken::Reset)), "{broken:?}");
}

#[test]
fn half_of_a_small_answer_is_never_seen() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    let (answer, broken) = get_bytes(half.as_bytes());
    assert_own(&answer, 502, "connection_terminated");
    assert!(broken.is_none());
    // and with another backend nobody learns of it
    let (dying, origin) = (Origin::answering_once(half), Origin::ok());
    let proxy = Proxy::start(&config("", "", &[&dying, &origin]));
    for _ in 0..4 {
        let answer = proxy.client().get("/x");
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
    assert!(dying.connections() > 0);
}

#[test]
fn half_a_chunked_body_gets_no_last_chunk() {
    let rows: &[&'static [u8]] = &[
        b"4\r\nhalf\r\n",
        b"4\r\nhalf",
        b"64\r\nhalf",
        b"4\r\nhalf\r\n0\r\n",
        b"4\r\nhalf\r\nnonsense\r\n",
        b"4\r\nhalf\r\n-1\r\n",
    ];
    for body in rows {
        let (answer, broken) = get(move |conn| {
            let _ = conn.request();
            conn.send([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *body].concat());
        });
        // what is broken from the start need not be passed on
        assert!(matches!(answer.status, 0 | 200), "{body:?}: {answer:?}");
        assert!(answer.body.is_empty() || answer.body == b"half", "{body:?}: {answer:?}");
        assert!(matches!(broken, Some(Broken::Closed | Broken::Reset)), "{body:?}: {broken:?}");
    }
}

#[test]
fn half_a_body_that_a_1_0_client_reads_to_the_close_ends_in_a_reset() {
    let origin = Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.0\r\n\r\n");
    let (_, broken) = client.broken_response();
    assert_eq!(broken, Some(Broken::Reset));
}

#[test]
fn what_came_before_the_break_is_passed_on_or_it_is_a_502() {
    // closed without a byte, a client takes its request for one that never arrived, and may well send it again
    let rows = [
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ];
    for answer in rows {
        let origin = Origin::answering_once(answer);
        let proxy = Proxy::to(&origin);
        // whether head, body and end arrive together is up to the kernel
        for _ in 0..50 {
            let mut client = proxy.client();
            client.send(GET);
            let (answer, broken) = client.broken_response();
            assert!(
                (answer.status == 200 && broken.is_some()) || (answer.status == 502 && broken.is_none()),
                "{broken:?}, {answer:?}"
            );
        }
    }
}

#[test]
fn a_broken_chunk_or_trailer_of_a_backend_never_ends_an_answer_well() {
    // what is whole before it may be on its way to the client already
    let rows: &[&'static [u8]] = &[
        b"5;\r\nhello\r\n0\r\n\r\n",
        b"5;bad[=x\r\nhello\r\n0\r\n\r\n",
        b"5;a=\"b\r\nhello\r\n0\r\n\r\n",
        b"5;a;\r\nhello\r\n0\r\n\r\n",
        b"5;a=\x80\r\nhello\r\n0\r\n\r\n",
        b"ffffffffffffffff\r\nhello",
        b"8000000000000000\r\nhello",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\n",
        b"5\r\nhello\r\n0\r\na: b\n\r\n",
        b"5\r\nhello\r\n0\r\na: b\r\n\n",
    ];
    for body in rows {
        // its side stays open: who waits for more waits longer than this reads
        let origin = Origin::answering([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *body].concat());
        let proxy = Proxy::to(&origin);
        let mut client = proxy.client();
        client.send(GET);
        let (answer, broken) = client.broken_response();
        let body = body.escape_ascii();
        let cut = answer.status == 200 && matches!(broken, Some(Broken::Closed | Broken::Reset));
        assert!(cut || (answer.status == 502 && broken.is_none()), "{body}: {broken:?}, {answer:?}");
    }
}
