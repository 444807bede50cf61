//! What is used again, and what is not: connections to backends, and the requests that break with them.

use super::assert_own;
use crate::support::{OK, Origin, Proxy};

#[test]
fn bytes_behind_an_answer_are_never_taken_for_the_next() {
    let origin = Origin::script(|conn| {
        while conn.request().is_ok() {
            conn.send(format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"));
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    for _ in 0..20 {
        assert_eq!(client.get("/x").text(), "ok");
    }
    assert_eq!(origin.connections(), 20);
}

#[test]
fn bodies_where_none_may_be_are_never_taken_for_the_next_answer() {
    let origin = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
            conn.send(match request.target() {
                "/head" => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{poison}", poison.len()),
                "/204" => format!("HTTP/1.1 204 No Content\r\nContent-Length: {}\r\n\r\n{poison}", poison.len()),
                "/304" => format!("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n{poison}"),
                _ => OK.to_owned(),
            });
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    for _ in 0..20 {
        client.send("HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response_to("HEAD").status, 200);
        assert_eq!(client.get("/x").text(), "ok");
        assert_eq!(client.get("/204").status, 204);
        assert_eq!(client.get("/x").text(), "ok");
        assert_eq!(client.get("/304").status, 304);
        assert_eq!(client.get("/x").text(), "ok");
    }
}

#[test]
fn a_backend_that_says_close_is_not_used_again() {
    let origin = Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        // it closes when it sees fit
        conn.is_closed();
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    for _ in 0..5 {
        let answer = client.get("/x");
        assert_eq!((answer.text().as_str(), answer.head.lists("connection", "close")), ("ok", false));
    }
    assert_eq!(origin.connections(), 5);
}

/// Many GETs, one after the other, to a backend that closes each connection after so many answers without announcing it.
fn backend_that_closes_after(answers: usize) {
    let origin = Origin::script(move |conn| {
        for _ in 0..answers {
            if conn.request().is_err() {
                return;
            }
            conn.send(OK);
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    for i in 0..300 {
        let answer = client.get("/x");
        assert_eq!(answer.status, 200, "request {i}: {answer:?}");
    }
    assert_eq!(origin.requests().len(), 300, "each was executed once");
}

#[test]
fn a_backend_that_closes_after_each_answer_costs_no_request() {
    backend_that_closes_after(1);
}

#[test]
fn a_backend_that_closes_after_a_few_answers_costs_no_request() {
    backend_that_closes_after(7);
}

#[test]
fn a_post_is_never_sent_twice_once_a_backend_may_have_seen_it() {
    let origin = Origin::script(|conn| {
        // the second request on a connection is read, and not answered
        if conn.request().is_ok() {
            conn.send(OK);
            let _ = conn.request();
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    assert_eq!(client.get("/warm").status, 200);
    client.send("POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_own(&client.response(), 502, "connection_terminated");
    assert_eq!(origin.targets(), ["/warm", "/pay"]);
}
