//! From a connection to the HTTP exchanges on it: the client's address, TLS, and the version that is spoken.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;

use super::handshake::handshake;
use super::settings::Accepted;
use super::{client_limits, peer};
use crate::forward::Connection;
use crate::io::{Socket, Stream};
use crate::layer4::proxy_protocol::Peer;
use crate::protocol::h1::server::{self, End};
use crate::protocol::h2;
use crate::protocol::http::Setup;
use crate::protocol::http::fields::Client;
use crate::tls::{ClientCertificate, Resolver, describe};

/// Serves a connection that carries HTTP.
pub(super) fn serve(
    socket: Socket,
    address: Option<SocketAddr>,
    accepted: Accepted,
    setup: Rc<Setup>,
) -> impl Future<Output = ()> {
    // boxed, as is HTTP/2 below, so that a connection that is being served has no room for these first steps
    let arriving = Box::pin(arrive(socket, address, accepted, Rc::clone(&setup)));
    async move {
        if let Some((stream, handler, is_h2)) = arriving.await {
            exchanges(stream, handler, is_h2, &setup).await;
        }
    }
}

/// Prepares a connection for HTTP: the client's address and the TLS handshake. Returns also whether ALPN chose HTTP/2.
async fn arrive(
    mut socket: Socket,
    address: Option<SocketAddr>,
    mut serving: Accepted,
    setup: Rc<Setup>,
) -> Option<(Stream, Rc<Connection>, bool)> {
    let metrics = &serving.settings.metrics;
    let mut peer = peer::identify(&mut socket, address, &serving.ingress, metrics).await?;
    client_limits::introduced(&mut serving, &socket, &peer)?;
    let tls = serving.settings.tls.as_ref();
    let is_plain_on_tls = tls.is_some() && is_plain(&mut socket, &setup).await;
    let (stream, sni, is_h2) = match tls {
        Some(tls) if !is_plain_on_tls => {
            let around = (&*setup, &*serving.ingress);
            Box::pin(handshake(socket, &mut peer, tls, around)).await?
        }
        _ => (Stream::Plain(socket), None, false),
    };
    let connection = connection(peer, &serving, sni, is_plain_on_tls)?;
    let ((tls_version, tls_cipher), certificate) = (tls_terms(&stream), certificate(&stream, &serving));
    let handler = Connection { tls_version, tls_cipher, certificate, place: serving.place, ..connection };
    Some((stream, Rc::new(handler), is_h2))
}

/// Whether the first byte on a TLS port is a capital letter, as at the start of an HTTP request, and so no TLS record:
/// such a client gets an answer that says what is wrong. The byte is looked at before anything is read, because rustls
/// would answer with an alert.
async fn is_plain(socket: &mut Socket, setup: &Setup) -> bool {
    let mut first = [0];
    let peeked = setup.timers.within(setup.limits.header_timeout, socket.peek(&mut first)).await;
    matches!(peeked, Some(Ok(1))) && first[0].is_ascii_uppercase()
}

/// Serves the exchanges: over HTTP/2 where ALPN chose it, or where the client begins with the preface of HTTP/2.
async fn exchanges(stream: Stream, handler: Rc<Connection>, is_h2: bool, setup: &Rc<Setup>) {
    if is_h2 {
        return Box::pin(h2::serve(stream, BytesMut::new(), handler, Rc::clone(setup))).await;
    }
    if let End::Http2(begun) = server::serve(stream, BytesMut::new(), &*handler, setup).await {
        let (stream, early) = *begun;
        Box::pin(h2::serve(stream, early, handler, Rc::clone(setup))).await;
    }
}

/// The version of TLS that the client speaks, and the cipher suite.
fn tls_terms(stream: &Stream) -> (Option<&'static str>, Option<&'static str>) {
    let Stream::TlsServer(stream) = stream else { return (None, None) };
    let tls = stream.get_ref().1;
    let cipher = tls.negotiated_cipher_suite().map(|suite| describe::cipher(suite.suite()));
    (tls.protocol_version().map(describe::version), cipher)
}

/// The certificate that the client has shown, in this session or in the one that it resumes.
fn certificate(stream: &Stream, serving: &Accepted) -> Option<Box<ClientCertificate>> {
    let Stream::TlsServer(stream) = stream else { return None };
    let chain = stream.get_ref().1.peer_certificates()?;
    let (snapshot, listener) = serving.ingress.current()?;
    ClientCertificate::new(chain, snapshot.listeners[listener].certificate_header).map(Box::new)
}

fn connection(
    peer: Peer,
    serving: &Accepted,
    sni: Option<(String, Arc<Resolver>)>,
    is_plain_on_tls: bool,
) -> Option<Connection> {
    let (snapshot, listener) = serving.ingress.current()?;
    let trusted = peer::is_trusted(&snapshot.listeners[listener], peer.address());
    Some(Connection {
        worker: Rc::clone(serving.ingress.worker()),
        ingress: Rc::clone(&serving.ingress),
        client: Client::new(peer.ip(), serving.settings.tls.is_some() && !is_plain_on_tls, trusted),
        peer,
        tls_version: None,
        tls_cipher: None,
        sni,
        certificate: None,
        is_plain_on_tls,
        metrics: Arc::clone(&serving.settings.metrics),
        place: None,
        own: OnceCell::new(),
    })
}
