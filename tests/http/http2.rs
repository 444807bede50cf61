//! HTTP/2 on either side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};

use crate::support::h2::{self, Client, get};
use crate::support::{OK, Origin, Proxy, config, wait_until};

const MIB: usize = 1024 * 1024;

/// A service of HTTP/2 backends behind a listener.
fn to_h2(origin: &h2::Origin) -> Proxy {
    let backend = format!("[[service.api.backend]]\naddress = \"{}\"\n", origin.address());
    Proxy::start(&(config("", "protocol = \"h2\"", &[]) + &backend))
}

fn post(uri: &str) -> Request<()> {
    Request::post(uri).body(()).unwrap()
}

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

/// As a gRPC server does: trailers after the messages, and messages in both directions as they come.
async fn converse(request: Request<::h2::RecvStream>, mut respond: ::h2::server::SendResponse<Bytes>) {
    let response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let Ok(mut sending) = respond.send_response(response, false) else { return };
    let mut body = request.into_body();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        if h2::send(&mut sending, data, false).await.is_err() {
            return;
        }
    }
    let sent = body.trailers().await.ok().flatten();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    if let Some(checksum) = sent.and_then(|mut sent| sent.remove("x-sum")) {
        trailers.insert("x-sum", checksum);
    }
    let _ = sending.send_trailers(trailers);
}

#[test]
fn grpc_streams_in_both_directions_with_trailers() {
    let origin = h2::Origin::script(converse);
    let proxy = to_h2(&origin);
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        let mut request = post("http://site.example/pkg.Service/Method");
        request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        let (answer, mut sending) = client.open(request, false).await;
        let mut answer = answer.await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/grpc");
        for i in 0..10 {
            let message = Bytes::from(format!("message {i}"));
            h2::send(&mut sending, message.clone(), false).await.unwrap();
            let mut echoed = Vec::new();
            while echoed.len() < message.len() {
                let data = answer.body_mut().data().await.unwrap().unwrap();
                echoed.extend_from_slice(&data);
            }
            assert_eq!(echoed, message);
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("10"));
        sending.send_trailers(trailers).unwrap();
        let end = h2::whole(answer).await.unwrap();
        assert_eq!(end.body, "");
        let trailers = end.trailers.unwrap();
        assert_eq!((trailers["grpc-status"].as_bytes(), trailers["x-sum"].as_bytes()), (&b"0"[..], &b"10"[..]));
    });
    let heads = origin.heads();
    assert_eq!((heads[0].method.clone(), heads[0].uri.path()), (Method::POST, "/pkg.Service/Method"));
    assert_eq!(heads[0].uri.authority().unwrap(), "site.example");
    assert_eq!(heads[0].headers["te"], "trailers");
    assert_eq!(heads[0].headers["via"], "2 evenkeel");
}

#[test]
fn an_http_1_client_reaches_an_http_2_backend() {
    let origin = h2::Origin::script(converse);
    let proxy = to_h2(&origin);
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nConnection: X-Gone\r\nX-Gone: 1\r\nContent-Length: 5\r\n\r\nhello");
    let answer = client.response();
    assert_eq!((answer.text().as_str(), answer.chunked), ("hello", true));
    assert_eq!(answer.trailers, [("grpc-status".to_owned(), "0".to_owned())]);
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nagain\r\n0\r\nX-Sum: 5\r\n\r\n");
    let answer = client.response();
    assert_eq!((answer.text().as_str(), answer.trailers.len()), ("again", 2));
    assert_eq!(client.get("/x").text(), "");
    let heads = origin.heads();
    assert!(heads.iter().all(|head| head.headers.get("connection").is_none() && head.headers.get("x-gone").is_none()));
    assert!(heads.iter().all(|head| head.headers.get("transfer-encoding").is_none()));
}

#[test]
fn a_stream_that_a_backend_refuses_goes_to_another() {
    let refusing = h2::Origin::script(|_, mut respond| async move { respond.send_reset(::h2::Reason::REFUSED_STREAM) });
    let origin = h2::Origin::script(converse);
    let backends: String = [&refusing, &origin]
        .map(|origin| format!("[[service.api.backend]]\naddress = \"{}\"\n", origin.address()))
        .concat();
    let proxy = Proxy::start(&(config("", "protocol = \"h2\"", &[]) + &backends));
    let mut client = proxy.client();
    for _ in 0..4 {
        assert_eq!(client.get("/x").status, 200);
    }
    assert!(!refusing.heads().is_empty());
    assert_eq!(origin.heads().len(), 4);
}

#[test]
fn a_backend_that_leaves_with_goaway_costs_no_request() {
    let origin = h2::Origin::leaving(7, false, converse);
    let proxy = to_h2(&origin);
    let mut client = proxy.client();
    for i in 0..300 {
        let answer = client.get("/x");
        assert_eq!(answer.status, 200, "request {i}: {answer:?}");
    }
}

#[test]
fn goaway_while_many_streams_come_costs_no_request() {
    let origin = h2::Origin::leaving(20, false, converse);
    let proxy = to_h2(&origin);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let mut client = proxy.client();
            scope.spawn(move || {
                for i in 0..50 {
                    let answer = client.get("/x");
                    assert_eq!(answer.status, 200, "request {i}: {answer:?}");
                }
            });
        }
    });
}

#[test]
fn a_get_on_a_kept_connection_that_breaks_is_tried_again() {
    let origin = h2::Origin::leaving(2, true, converse);
    let proxy = to_h2(&origin);
    let mut client = proxy.client();
    for i in 0..20 {
        let answer = client.get("/x");
        assert_eq!(answer.status, 200, "request {i}: {answer:?}");
    }
}

#[test]
fn the_response_time_out_starts_when_the_request_has_been_sent() {
    let origin = h2::Origin::script(|request, mut respond| async move {
        let (body, _) = h2::read(&mut request.into_body()).await.unwrap();
        let mut sending = respond.send_response(Response::new(()), false).unwrap();
        let _ = h2::send(&mut sending, body, true).await;
    });
    let backend = format!("[[service.api.backend]]\naddress = \"{}\"\n", origin.address());
    let proxy =
        Proxy::start(&(config("", "protocol = \"h2\"\n[service.api.timeout]\nresponse = \"1s\"", &[]) + &backend));
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    for byte in b"slow!" {
        // all in all longer than the time-out
        std::thread::sleep(std::time::Duration::from_millis(300));
        client.send([*byte]);
    }
    assert_eq!(client.response().text(), "slow!");
}

#[test]
fn a_stream_that_the_backend_resets_is_a_502() {
    let origin = h2::Origin::script(|_, mut respond| async move { respond.send_reset(::h2::Reason::INTERNAL_ERROR) });
    let proxy = to_h2(&origin);
    assert_eq!(proxy.client().get("/x").status, 502);
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
    let proxy = Proxy::to(&origin);
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
}
