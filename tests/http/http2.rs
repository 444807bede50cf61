//! HTTP/2 from clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Method, Request};

use crate::support::h2::{self, Client, get, post};
use crate::support::{LOG, OK, Origin, Proxy, config, wait_until};

const MIB: usize = 1024 * 1024;

#[test]
fn prior_knowledge_is_understood_and_becomes_http_1_for_the_backend() {
    let origin = Origin::echoing();
    let proxy = Proxy::to(&origin);
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        let answer = client.call(get("http://site.example/x?y"), "").await;
        assert_eq!(answer.status, 200);
        let answer = client.call(post("http://site.example/post"), "hello").await;
        assert_eq!(answer.body, "hello");
    });
    let requests = origin.requests();
    assert_eq!(requests[0].head.start, "GET /x?y HTTP/1.1");
    assert_eq!(requests[0].field("host"), Some("site.example"));
    assert_eq!(requests[0].field("via"), Some("2 evenkeel"));
    assert_eq!(requests[0].field("transfer-encoding"), None);
    assert_eq!(requests[1].body, b"hello");
}

#[test]
fn many_streams_at_once_get_their_own_answers() {
    let origin = Origin::echoing();
    let proxy = Proxy::to(&origin);
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        // below max_concurrent_streams, which the client may not know yet
        let streams = (0..100).map(|i| {
            let client = client.clone();
            tokio::spawn(async move {
                let body = format!("{i}").repeat(1 + i * 20);
                let answer = client.call(post("http://a/x"), body.clone()).await;
                assert_eq!(answer.body, body);
            })
        });
        for stream in streams.collect::<Vec<_>>() {
            stream.await.unwrap();
        }
    });
}

#[test]
fn large_bodies_pass_through_the_windows() {
    let origin = Origin::echoing();
    let proxy = Proxy::to(&origin);
    let sent = Bytes::from(vec![b'w'; 4 * MIB]);
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        let (answer, mut sending) = client.open(post("http://a/x"), false).await;
        let sending = h2::send(&mut sending, sent.clone(), true);
        let answer = async { h2::whole(answer.await.unwrap()).await.unwrap() };
        let (sending, answer) = tokio::join!(sending, answer);
        sending.unwrap();
        assert_eq!(answer.body.len(), sent.len());
        assert!(answer.body == sent);
    });
}

#[test]
fn crumbs_of_cookies_are_joined() {
    let origin = Origin::echoing();
    let proxy = Proxy::to(&origin);
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        let mut request = get("http://a/x");
        for crumb in ["a=1", "b=2", "c=3"] {
            request.headers_mut().append("cookie", HeaderValue::from_static(crumb));
        }
        assert_eq!(client.call(request, "").await.status, 200);
    });
    assert_eq!(origin.request().head.all("cookie"), ["a=1; b=2; c=3"]);
}

#[test]
fn trailers_of_an_http_1_backend_reach_the_client() {
    let origin =
        Origin::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n");
    let proxy = Proxy::to(&origin);
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        let answer = client.call(get("http://a/x"), "").await;
        assert_eq!(answer.body, "ok");
        assert!(answer.headers.get("transfer-encoding").is_none());
        assert_eq!(answer.trailers.unwrap()["x-sum"], "2");
    });
}

#[test]
fn half_an_answer_ends_the_stream_with_an_error_and_not_the_connection() {
    let origin = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            if request.target() == "/half" {
                conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
                return;
            }
            conn.send(OK);
        }
    });
    let proxy = Proxy::to(&origin);
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        client.try_call(get("http://a/half"), "").await.expect_err("half is not whole");
        assert_eq!(client.call(get("http://a/x"), "").await.body, "ok");
    });
}

#[test]
fn a_backend_that_is_gone_is_a_502_and_max_body_a_413() {
    let origin = Origin::script(|_| {});
    let proxy = Proxy::start(&config("[listener.limits]\nmax_body = \"1KiB\"", "", &[&origin]));
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        let answer = client.call(get("http://a/x"), "").await;
        assert_eq!(answer.status, 502);
        assert_eq!(answer.headers["proxy-status"], "evenkeel; error=connection_terminated");
        let mut request = post("http://a/x");
        request.headers_mut().insert("content-length", HeaderValue::from(2048));
        let (answer, mut sending) = client.open(request, false).await;
        assert_eq!(answer.await.unwrap().status(), 413);
        sending.send_reset(::h2::Reason::CANCEL);
    });
}

#[test]
fn a_stream_that_is_reset_ends_the_work_of_its_backend() {
    let let_go = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&let_go);
    let origin = Origin::script(move |conn| {
        if conn.request().is_ok() {
            seen.store(conn.is_closed(), Ordering::SeqCst);
        }
    });
    let proxy = Proxy::to(&origin);
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        let (answer, mut sending) = client.open(get("http://a/x"), true).await;
        h2::wait_until("the request is under way", || origin.requests().len() == 1).await;
        sending.send_reset(::h2::Reason::CANCEL);
        drop(answer);
        h2::wait_until("the backend is let go", || let_go.load(Ordering::SeqCst)).await;
    });
}

#[test]
fn sigterm_lets_open_streams_finish() {
    let (origin, cue) = Origin::answering_on_cue();
    let mut proxy = Proxy::to(&origin);
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        let (answer, _) = client.open(get("http://a/x"), true).await;
        let answer = tokio::spawn(async { h2::whole(answer.await.unwrap()).await.unwrap() });
        h2::wait_until("the request is under way", || origin.requests().len() == 1).await;
        proxy.signal("TERM");
        proxy.wait_until_it_accepts_no_more();
        cue.give();
        assert_eq!(answer.await.unwrap().body, "ok");
    });
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn a_websocket_over_http_2_reaches_an_http_1_backend() {
    let origin = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            if request.target() != "/chat" {
                conn.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                continue;
            }
            assert_eq!(request.method(), "GET");
            assert_eq!(request.field("upgrade"), Some("websocket"));
            assert_eq!(request.field("sec-websocket-key").map(str::len), Some(24));
            conn.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: x\r\n\r\nwelcome",
            );
            return conn.echo();
        }
    });
    let proxy = Proxy::start(&(config("", "", &[&origin]) + LOG));
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        assert!(client.takes_extended_connect().await);
        let mut request = Request::builder().method(Method::CONNECT).uri("http://a/chat").body(()).unwrap();
        request.extensions_mut().insert(::h2::ext::Protocol::from_static("websocket"));
        let (answer, mut sending) = client.open(request, false).await;
        let mut answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        h2::send(&mut sending, Bytes::from_static(b"hello"), false).await.unwrap();
        let mut got = Vec::new();
        while got.len() < 12 {
            got.extend_from_slice(&answer.body_mut().data().await.unwrap().unwrap());
        }
        assert_eq!(got, b"welcomehello");
        h2::send(&mut sending, Bytes::new(), true).await.unwrap();
        assert_eq!(h2::whole(answer).await.unwrap().body, "");
    });
    wait_until("the tunnel ends", || origin.open() <= 1);
    wait_until("its line is written", || proxy.log().iter().any(|line| line.contains("\"end\":\"closed_by_client\"")));
}
