//! HTTP/2 to backends.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};

use crate::support::h2::{self, Client, post};
use crate::support::{Proxy, backend, config};

/// A service of HTTP/2 backends behind a listener.
fn to_h2(origin: &h2::Origin) -> Proxy {
    Proxy::start(&(config("", "protocol = \"h2\"", &[]) + &backend(origin.address())))
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
    let backends = [&refusing, &origin].map(|origin| backend(origin.address())).concat();
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
    let service = "protocol = \"h2\"\n[service.api.timeout]\nresponse = \"1s\"";
    let proxy = Proxy::start(&(config("", service, &[]) + &backend(origin.address())));
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    // all in all longer than the time-out
    client.trickle(b"slow!", Duration::from_millis(300));
    assert_eq!(client.response().text(), "slow!");
}

#[test]
fn a_stream_that_the_backend_resets_is_a_502() {
    let origin = h2::Origin::script(|_, mut respond| async move { respond.send_reset(::h2::Reason::INTERNAL_ERROR) });
    let proxy = to_h2(&origin);
    assert_eq!(proxy.client().get("/x").status, 502);
}

#[test]
fn a_client_that_reads_only_when_it_has_sent_all_sends_all() {
    // each more than the windows and buffers on the way hold
    const SIZE: usize = 4 * 1024 * 1024;
    let origin = h2::Origin::script(|request, mut respond| async move {
        let mut sending = respond.send_response(Response::new(()), false).unwrap();
        let mut body = request.into_body();
        let answer = h2::send(&mut sending, Bytes::from(vec![b'y'; SIZE]), true);
        let (read, sent) = tokio::join!(h2::read(&mut body), answer);
        assert_eq!(read.unwrap().0.len(), SIZE);
        sent.unwrap();
    });
    let proxy = to_h2(&origin);
    h2::run(async {
        let client = Client::connect(proxy.address()).await;
        let (answer, mut sending) = client.open(post("http://a/both"), false).await;
        let answer = answer.await.unwrap();
        h2::send(&mut sending, Bytes::from(vec![b'x'; SIZE]), true).await.unwrap();
        assert_eq!(h2::whole(answer).await.unwrap().body.len(), SIZE);
    });
}

#[test]
fn a_wish_for_another_protocol_that_http_2_can_t_carry_is_left_out() {
    let origin = h2::Origin::script(converse);
    let proxy = to_h2(&origin);
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\nContent-Length: 5\r\n\r\nhello");
    let answer = client.response();
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(origin.heads()[0].method, Method::POST);
}

#[test]
fn a_websocket_whose_key_is_none_does_not_open() {
    let origin = h2::Origin::script(converse);
    let proxy = to_h2(&origin);
    for key in [
        "",
        "Sec-WebSocket-Key: abc\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ] {
        let mut client = proxy.client();
        client.send(format!("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n"));
        assert_eq!(client.response().status, 400, "{key}");
    }
    assert!(origin.heads().is_empty());
}
