//! Clients' connections: which of them stay, and how they end.

use crate::support::{Client, Cue, GET, Origin, Proxy, config, tcp_with_room_for, wait_until};

#[test]
fn http_1_0_clients_are_served() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.0\r\n\r\n");
    let answer = client.response();
    assert_eq!((answer.text().as_str(), answer.chunked), ("hello", false));
    assert!(client.is_closed());
    let request = origin.request();
    assert_eq!(request.head.start, "GET /x HTTP/1.1");
    assert_eq!(request.field("host"), Some(origin.address()), "the backend's own, with its port");
}

#[test]
fn an_http_1_0_client_may_keep_its_connection() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    for _ in 0..3 {
        client.send("GET /x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.response();
        assert!(answer.head.lists("connection", "keep-alive"));
        assert_eq!(answer.text(), "ok");
    }
    client.send("GET /x HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
    assert!(client.is_closed());
}

#[test]
fn trailers_are_left_out_for_an_http_1_0_client() {
    let origin =
        Origin::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n");
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
    assert!(client.is_closed());
}

#[test]
fn connection_close_is_obeyed() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.response();
    assert!(answer.head.lists("connection", "close"));
    assert!(client.is_closed());
    assert_eq!(origin.targets(), ["/x"]);
}

#[test]
fn a_client_that_ends_its_side_gets_its_answer() {
    let (origin, cue) = Origin::answering_on_cue();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send(GET);
    client.finish();
    wait_until("the backend has the request", || origin.requests().len() == 1);
    cue.give();
    assert_eq!(client.response().text(), "ok");
    assert!(client.is_closed());
}

#[test]
fn what_a_client_sends_after_its_last_request_does_not_cost_it_the_end_of_its_answer() {
    let (origin, cue) = Origin::answering_on_cue();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    wait_until("the backend has the request", || origin.requests().len() == 1);
    client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    cue.give();
    assert_eq!(client.response().text(), "ok");
    assert!(!client.is_reset());
    assert_eq!(origin.targets(), ["/x"]);
}

#[test]
fn a_client_that_goes_away_ends_the_work_of_its_backend() {
    let closed = Cue::default();
    let seen = closed.clone();
    let origin = Origin::script(move |conn| {
        if conn.request().is_ok() && conn.is_closed() {
            seen.give();
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send(GET);
    wait_until("the backend has the request", || origin.requests().len() == 1);
    client.reset();
    assert!(closed.wait(), "the backend's connection is not closed");
}

#[test]
fn a_request_that_crosses_the_last_answer_does_not_cost_the_client_that_answer() {
    const LARGE: usize = 256 << 10;
    let origin = Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n{}", "x".repeat(LARGE)));
    let proxy = Proxy::start(&config("[listener.limits]\nmax_requests_per_connection = 1", "", &[&origin]));
    // most of the answer waits on our side when it is all written
    let mut client = Client::from_tcp(tcp_with_room_for(16 * 1024, proxy.address()));
    client.send(GET);
    assert_eq!(client.response_head().status, 200);
    proxy.wait_for_metrics("evenkeel_request_duration_seconds_count{service=\"api\"} 1\n");
    client.send(GET);
    assert_eq!(client.try_bytes(LARGE).map(|piece| piece.len()), Some(LARGE));
    assert!(client.is_closed() && !client.is_reset());
    assert_eq!(origin.requests().len(), 1);
}
