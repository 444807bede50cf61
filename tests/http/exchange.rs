//! Exchanges that go well: bodies in both directions, connections that stay, protocols that change.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::support::{Client, Cue, OK, Origin, PATIENCE, Proxy, config, wait_until};

const MIB: usize = 1024 * 1024;

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
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
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
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.connect(&proxy.address().into()).unwrap();
    let mut client = Client::from_tcp(socket.into());
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
        tell.send(taken).unwrap();
    });
    let proxy = Proxy::to(&origin);
    let before = proxy.rss();
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
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
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
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
        tell.send(conn.some()).unwrap();
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
    for byte in b"slow!" {
        // all in all longer than the time-out
        std::thread::sleep(Duration::from_millis(300));
        client.send([*byte]);
    }
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
    assert_eq!(request.field("host"), Some(origin.address().split(':').next().unwrap()), "the backend's own");
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
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
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
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the backend has the request", || origin.requests().len() == 1);
    client.reset();
    assert!(closed.wait(), "the backend's connection is not closed");
}

#[test]
fn an_upgraded_connection_passes_bytes_both_ways() {
    let origin = Origin::script(|conn| {
        let Ok(request) = conn.request() else { return };
        assert_eq!(request.field("upgrade"), Some("echo"));
        assert!(request.head.lists("connection", "upgrade"));
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nwelcome");
        conn.echo();
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly");
    let answer = client.response_head();
    assert_eq!((answer.status, answer.field("upgrade")), (101, Some("echo")));
    assert!(answer.head.lists("connection", "upgrade"));
    assert_eq!(client.bytes(12), b"welcomeearly");
    for i in 0..100 {
        let message = format!("message {i}");
        client.send(&message);
        assert_eq!(client.bytes(message.len()), message.as_bytes());
    }
    client.finish();
    assert_eq!(client.rest(), b"");
}

#[test]
fn an_upgrade_that_the_backend_ignores_is_an_answer_like_any_other() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
    assert_eq!(client.get("/y").text(), "ok");
}

#[test]
fn a_tunnel_s_directions_end_one_by_one() {
    let origin = Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        while !conn.some().is_empty() {}
        conn.send("goodbye");
    });
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.response_head().status, 101);
    client.send("hello");
    client.finish();
    assert_eq!(client.rest(), b"goodbye");
}

#[test]
fn a_silent_tunnel_is_closed() {
    let origin = Origin::script(|conn| {
        let _ = conn.request();
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        conn.is_closed();
    });
    let proxy = Proxy::start(&config("", "[service.api.timeout]\nidle = \"300ms\"", &[&origin]));
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.response_head().status, 101);
    assert!(client.is_closed());
    wait_until("the backend's side is closed", || origin.open() == 0);
}

#[test]
fn an_upgrade_to_http_2_is_not_passed_on() {
    // a tunnel in which requests that nobody routes or checks would reach the backend; RFC 9113, section 3.1, has dropped it
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    for upgrade in ["h2c", "H2C", "websocket, h2c"] {
        client.send(format!(
            "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\n\
             HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        ));
        assert_eq!(client.response().status, 200);
        let request = origin.requests().pop().unwrap();
        assert!(!request.head.lists("upgrade", "h2c"), "{request:?}");
        assert_eq!(request.field("http2-settings"), None);
    }
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
