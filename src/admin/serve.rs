//! The admin address's connections.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::answer::Answer;
use super::routes::Ask;
use super::{State, answer as form, reload, routes};
use crate::clock::{Moment, Seldom};
use crate::io::Socket;
use crate::tls::Acceptor;

/// Connections at a time: far more than operators and their tools have, few enough that they can't hurt the data plane.
const CONNECTIONS: usize = 256;

/// For the TLS handshake, and again for each request's head, and for its body.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest body of a request.
const BODY: usize = 64 * 1024;

/// A connection is closed after its next answer from then on, so that one that is forgotten gives its place back.
const LIFE: Duration = Duration::from_secs(300);

/// After a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);
/// How often that is said while it lasts.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// Accepts for ever.
pub(super) async fn serve(listener: TcpListener, tls: Option<Acceptor>, state: Rc<State>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut complaint = Seldom::new(COMPLAINTS);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, _)) => {
                let (tls, state) = (tls.clone(), Rc::clone(&state));
                tokio::task::spawn_local(async move {
                    connection(socket, tls, state).await;
                    drop(place);
                });
            }
            Err(error) => {
                if complaint.is_due(Moment::now()) {
                    tracing::warn!(%error, "admin: no connection can be accepted");
                }
                sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(socket: TcpStream, tls: Option<Acceptor>, state: Rc<State>) {
    let Some(tls) = tls else { return requests(socket, state).await };
    match timeout(PATIENCE, tls.accept(Socket::Tcp(socket))).await {
        Ok(Ok(stream)) => requests(stream, state).await,
        Ok(Err(error)) => tracing::debug!(%error, "admin: a TLS handshake failed"),
        Err(_) => tracing::debug!("admin: a TLS handshake took too long"),
    }
}

async fn answer(state: &State, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let (method, uri, headers) = (&parts.method, &parts.uri, &parts.headers);
    if uri.path() == reload::PATH {
        return reload::answer(state, method, headers).await;
    }
    match timeout(PATIENCE, Limited::new(body, BODY).collect()).await {
        Ok(Ok(body)) => routes::answer(state, &Ask { method, uri, headers, body: body.to_bytes() }),
        Err(_) => form::problem(StatusCode::REQUEST_TIMEOUT, "the body took too long", &[]),
        Ok(Err(_)) => form::problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 64 KiB, or broken", &[]),
    }
}

async fn requests(stream: impl AsyncRead + AsyncWrite + Unpin, state: Rc<State>) {
    let service = service_fn(|request: Request<Incoming>| {
        let state = Rc::clone(&state);
        async move { Ok::<_, Infallible>(answer(&state, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = sleep(LIFE) => {
            connection.as_mut().graceful_shutdown();
            timeout(PATIENCE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "admin: a connection broke");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_gives_its_place_back_in_time() {
        let (mut client, server) = duplex(64 * 1024);
        let asked = b"POST /api/v1/heartbeat HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{";
        client.write_all(asked).await.unwrap();
        let begun = Instant::now();
        requests(server, Rc::new(routes::tests::state(None))).await;
        assert!(begun.elapsed() < 2 * PATIENCE, "{:?}", begun.elapsed());
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
}
