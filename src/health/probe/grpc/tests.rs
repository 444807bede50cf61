use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use super::super::testing::{Server, http, reason, target};
use super::*;
use crate::policy::{Check, UpstreamProtocol};

/// Answers the one request of a connection: the status, what follows the head, and the trailers.
async fn serve<T>(io: T, status: u16, head: &[(&'static str, &'static str)], body: Option<&'static [u8]>)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let Ok(mut connection) = h2::server::handshake(io).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let mut response = http::Response::builder().status(status);
        let asked = format!("{} {}", request.method(), request.uri());
        response = response.header("asked", asked);
        for (name, value) in head {
            response = response.header(*name, *value);
        }
        let Ok(mut stream) = respond.send_response(response.body(()).unwrap(), body.is_none()) else { return };
        if let Some(body) = body {
            let _ = stream.send_data(Bytes::from_static(body), false);
            let _ = stream.send_trailers(HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("0"),
            )]));
        }
    }
}

async fn asked(status: u16, head: &'static [(&'static str, &'static str)], body: Option<&'static [u8]>) -> String {
    let server = Server::serve(move |stream| serve(stream, status, head, body)).await;
    reason(&target(server.address, Check::Grpc { service: String::new() })).await
}

#[tokio::test]
async fn only_serving_is_well() {
    assert_eq!(asked(200, &[], Some(b"\0\0\0\0\x02\x08\x01")).await, "good: SERVING");
    assert_eq!(asked(200, &[], Some(b"\0\0\0\0\x02\x08\x02")).await, "gRPC health is NOT_SERVING");
    assert_eq!(asked(200, &[], Some(b"\0\0\0\0\0")).await, "gRPC health is UNKNOWN");
    assert_eq!(asked(200, &[], Some(b"\0\0\0\0\x02\x08")).await, "its message can't be read");
}

#[tokio::test]
async fn a_status_in_the_head_and_none_at_all_are_failures() {
    let unimplemented = asked(200, &[("grpc-status", "12")], None).await;
    assert_eq!(unimplemented, "gRPC status 12: it has no health service");
    assert_eq!(asked(200, &[], None).await, "its answer has no grpc-status");
    assert_eq!(asked(404, &[], None).await, "status 404, expected 200");
}

#[tokio::test]
async fn a_backend_that_does_not_speak_http2_fails() {
    let server = Server::answer("", b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let reason = reason(&target(server.address, Check::Grpc { service: String::new() })).await;
    assert!(reason.starts_with("HTTP/2: "), "{reason}");
}

/// A certificate for `backend.test`, and a server that shows it and knows these protocols.
fn tls(alpn: &[&[u8]]) -> (Vec<rustls::pki_types::CertificateDer<'static>>, TlsAcceptor) {
    let key = rcgen::generate_simple_self_signed(["backend.test".to_owned()]).unwrap();
    let chain = vec![key.cert.der().clone()];
    let private = rustls::pki_types::PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.clone(), private)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    (chain, TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn over_tls_it_offers_h2_whatever_the_service_offers() {
    let (chain, acceptor) = tls(&[b"h2"]);
    let server = Server::serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            serve(stream, 200, &[], Some(b"\0\0\0\0\x02\x08\x01")).await;
        }
    })
    .await;
    let settings = crate::tls::connector::ClientSettings {
        trust: crate::tls::connector::Trust::These(&chain),
        verify: true,
        client: None,
        alpn: &[b"http/1.1"],
    };
    let client = crate::tls::connector::client_config(&settings).unwrap();
    let mut target = target(server.address, Check::Grpc { service: String::new() });
    target.tls = Some((client, "backend.test".try_into().unwrap()));
    assert_eq!(reason(&target).await, "good: SERVING");
    let (client, _) = target.tls.take().unwrap();
    target.tls = Some((client, "other.test".try_into().unwrap()));
    let wrong = reason(&target).await;
    assert!(wrong.starts_with("TLS: "), "{wrong}");
}

#[tokio::test]
async fn an_http_check_fails_where_requests_would_because_http2_is_not_chosen() {
    let (chain, acceptor) = tls(&[]);
    let server = Server::serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n").await;
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1024]).await;
        }
    })
    .await;
    let settings = crate::tls::connector::ClientSettings {
        trust: crate::tls::connector::Trust::These(&chain),
        verify: true,
        client: None,
        alpn: &[b"h2"],
    };
    let client = crate::tls::connector::client_config(&settings).unwrap();
    let mut target = target(server.address, Check::Http(http()));
    target.tls = Some((client, "backend.test".try_into().unwrap()));
    assert_eq!(reason(&target).await, "good: status 200");
    target.protocol = UpstreamProtocol::Http2;
    assert_eq!(reason(&target).await, "TLS: it does not choose HTTP/2 (ALPN)");
    // at a port of its own there is something else, which may well speak HTTP/1.1
    Arc::make_mut(&mut target.policy).port = Some(server.address.port());
    assert_eq!(reason(&target).await, "good: status 200");
}

#[tokio::test]
async fn an_http_check_speaks_http2_where_the_service_does() {
    let server = Server::serve(|stream| serve(stream, 200, &[], Some(b"all okay"))).await;
    let mut check = http();
    check.expect_body = Some("okay".to_owned());
    let mut target = target(server.address, Check::Http(check.clone()));
    target.protocol = UpstreamProtocol::Http2;
    assert_eq!(reason(&target).await, "good: status 200");
    check.expect_body = Some("fine".to_owned());
    Arc::make_mut(&mut target.policy).kind = Check::Http(check);
    assert_eq!(reason(&target).await, "the expected text is not in the body");
}

#[test]
fn messages_are_as_protobuf_has_them() {
    assert_eq!(&request("")[..], b"\0\0\0\0\0");
    assert_eq!(&request("api")[..], b"\0\0\0\0\x05\x0a\x03api");
    let long = request(&"x".repeat(200));
    assert_eq!(&long[..8], b"\0\0\0\0\xcb\x0a\xc8\x01");
    // fields 2 (varint), 3 (bytes), 4 (fixed 64), 5 (fixed 32) around the first
    let message = b"\x10\x96\x01\x1a\x02hi\x21\0\0\0\0\0\0\0\0\x08\x02\x2d\0\0\0\0";
    let framed = [&[0, 0, 0, 0, message.len() as u8][..], message].concat();
    assert_eq!(serving_status(&framed), Some(2));
    for length in 0..framed.len() {
        assert_eq!(serving_status(&framed[..length]), None, "cut at {length}");
    }
}

#[test]
fn no_message_panics() {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..100_000 {
        let message: Vec<u8> = (0..random.u8(0..16)).map(|_| random.u8(..)).collect();
        let framed = [&[0, 0, 0, 0, message.len() as u8][..], &message].concat();
        serving_status(&framed);
    }
}
