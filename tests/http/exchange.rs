//! Exchanges that go well, with all that belongs to a message: bodies, trailers, and who asks for a body at all.

use crate::support::{OK, Origin, Proxy};

#[test]
fn a_get_and_a_post_pass() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    assert_eq!(client.get("/a?b=c").text(), "ok");
    client.send("POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().text(), "ok");
    let requests = origin.requests();
    assert_eq!(requests[0].head.start, "GET /a?b=c HTTP/1.1");
    assert_eq!(requests[0].field("content-length"), None);
    assert_eq!(requests[1].head.start, "POST /post HTTP/1.1");
    assert_eq!((requests[1].body.as_slice(), requests[1].field("content-length")), (&b"hello"[..], Some("5")));
    assert_eq!(origin.connections(), 1, "the backend's connection was not kept");
}

#[test]
fn chunks_pass_in_both_directions_with_their_trailers() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         5;ext=1\r\nhello\r\n00000A\r\n, dear all\r\n0\r\nX-Sum: 15\r\n\r\n",
    );
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send(
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\none\r\n3;a=\"b;c\"\r\ntwo\r\n0\r\nX-Digest: abc\r\nX-Other: d\r\nContent-Length: 99\r\n\r\n",
    );
    let answer = client.response();
    assert_eq!((answer.text().as_str(), answer.chunked), ("hello, dear all", true));
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "15".to_owned())]);
    let request = origin.request();
    assert_eq!((request.body.as_slice(), request.chunked), (&b"onetwo"[..], true));
    let trailers: Vec<_> = request.trailers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(trailers, [("x-digest", "abc"), ("x-other", "d")], "Content-Length has no place in a trailer");
    assert_eq!(client.get("/next").text(), "hello, dear all");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            let target = request.target().to_owned();
            conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len()));
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    let requests: String = (0..100)
        .map(|i| match i % 3 {
            0 => format!("GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n"),
            1 => format!("POST /{i} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
            _ => format!("POST /{i} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        })
        .collect();
    client.send(requests);
    for i in 0..100 {
        assert_eq!(client.response().text(), format!("/{i}"));
    }
    let expected: Vec<String> = (0..100).map(|i| format!("/{i}")).collect();
    assert_eq!(origin.targets(), expected);
}

#[test]
fn many_clients_at_once_get_their_own_answers() {
    let origin = Origin::echoing();
    let proxy = Proxy::to(&origin);
    std::thread::scope(|scope| {
        for client_number in 0..16 {
            let mut client = proxy.client();
            scope.spawn(move || {
                for i in 0..50 {
                    let body = format!("{client_number}/{i}").repeat(1 + i * 20);
                    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
                    assert_eq!(client.response().text(), body);
                }
            });
        }
    });
}

#[test]
fn a_100_comes_when_the_backend_wants_the_body() {
    let origin = Origin::script(|conn| {
        let Ok(mut request) = conn.request_head() else { return };
        assert_eq!(request.field("expect"), Some("100-continue"));
        conn.send("HTTP/1.1 100 Continue\r\n\r\n");
        let _ = conn.finish_request(&mut request);
        conn.send(OK);
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    let answer = client.response();
    assert_eq!((answer.text().as_str(), answer.interim.as_slice()), ("ok", &[][..]));
    assert_eq!(origin.request().body, b"hello");
}

#[test]
fn a_100_comes_though_the_backend_does_not_know_of_it() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn a_body_that_the_backend_refuses_is_never_asked_for() {
    let origin = Origin::script(|conn| {
        let _ = conn.request_head();
        conn.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
        conn.is_closed();
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let answer = client.response();
    assert_eq!((answer.status, answer.interim.as_slice()), (417, &[][..]));
    assert!(!origin.tape().contains("hello"));
    assert!(client.is_closed(), "what comes next could be the body, or a request");
}

#[test]
fn te_trailers_is_passed_on_and_nothing_else_of_te() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: gzip, trailers\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let request = origin.request();
    assert_eq!(request.field("te"), Some("trailers"));
    assert!(request.head.lists("connection", "te"));
}
