//! The connections of the admin address. Their number and their time are limited, and each is served with the routes.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::Request;
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::caller::Peer;
use crate::clock::{Moment, Throttle};
use crate::io::Socket;
use crate::tls::{Acceptor, describe};

/// The most connections at a time: more than operators and their tools have, and so few that they can't hurt the data plane.
const CONNECTIONS: usize = 256;

/// How long the TLS handshake may take, and the head of each request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The age from which on a connection is closed after its next answer, so that a forgotten one gives its place back. What is under way goes
/// on: a handler that waits has a limit of its own, and a stream ends when its client leaves. Only a client that does not take a whole
/// answer is cut off.
const LIFE: Duration = Duration::from_secs(300);

/// The pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);
/// How often the log says so while it lasts.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// Accepts and serves connections for ever.
pub(super) async fn serve(listener: TcpListener, tls: Option<Acceptor>, routes: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut complaint = Throttle::new(COMPLAINTS);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, address)) => {
                let (tls, routes) = (tls.clone(), routes.clone());
                let peer = Peer { address, certificate: None, tls: tls.is_some() };
                tokio::task::spawn_local(async move {
                    connection(socket, tls, peer, routes).await;
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

async fn connection(socket: TcpStream, tls: Option<Acceptor>, mut peer: Peer, routes: Router) {
    let Some(tls) = tls else { return requests(socket, peer, routes).await };
    match timeout(PATIENCE, tls.accept(Socket::Tcp(socket))).await {
        Ok(Ok((stream, _))) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            peer.certificate = shown.map(|certificate| describe::subject(certificate).into());
            requests(stream, peer, routes).await
        }
        Ok(Err(error)) => tracing::debug!(%error, "admin: a TLS handshake failed"),
        Err(_) => tracing::debug!("admin: a TLS handshake took too long"),
    }
}

/// How far a connection is with its last request.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Its handler is at work.
    Handled,
    /// Since this time there is a whole answer, which the client may not have taken yet. It is so before the first request, too.
    Answered(Instant),
    /// Its answer is a stream, whose end nobody knows.
    Streamed,
}

impl Stage {
    /// The stage of a connection that has this answer to send. A body whose length is not known is a stream.
    fn with(answer: &Response) -> Self {
        match answer.body().size_hint().exact() {
            Some(_) => Self::Answered(Instant::now()),
            None => Self::Streamed,
        }
    }

    /// Whether nothing but the client keeps the connection from its end, for too long.
    fn is_overdue(self) -> bool {
        matches!(self, Self::Answered(since) if since.elapsed() >= PATIENCE)
    }
}

async fn requests(stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer, routes: Router) {
    let stage = Rc::new(Cell::new(Stage::Answered(Instant::now())));
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        stage.set(Stage::Handled);
        let (answer, stage) = (routes.call(request), Rc::clone(&stage));
        async move {
            let answer = answer.await?;
            stage.set(Stage::with(&answer));
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = sleep(LIFE) => {
            connection.as_mut().graceful_shutdown();
            loop {
                match timeout(PATIENCE, connection.as_mut()).await {
                    Ok(ended) => break ended,
                    Err(_) if stage.get().is_overdue() => break Ok(()),
                    Err(_) => {}
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "admin: a connection broke");
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use axum::body::Body;
    use axum::routing::get;
    use bytes::Bytes;
    use http_body::Frame;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::sync::mpsc;

    use super::super::routes;
    use super::*;

    fn peer() -> Peer {
        Peer { address: ([127, 0, 0, 1], 1).into(), certificate: None, tls: false }
    }

    /// Pieces of an answer as they come.
    struct Pieces(mpsc::Receiver<&'static str>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
        }
    }

    /// Reads until this has come.
    async fn read_until(client: &mut DuplexStream, piece: &str) -> String {
        let mut text = String::new();
        while !text.contains(piece) {
            let byte = client.read_u8().await.unwrap();
            text.push(char::from(byte));
        }
        text
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_gives_its_place_back_in_time() {
        let (mut client, server) = duplex(64 * 1024);
        let asked = b"POST /api/v1/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{";
        client.write_all(asked).await.unwrap();
        let begun = Instant::now();
        requests(server, peer(), routes::router(&routes::tests::shared(None))).await;
        assert!(begun.elapsed() < 2 * PATIENCE, "{:?}", begun.elapsed());
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_outlives_the_connections_time_and_one_that_is_not_taken_does_not() {
        let (pieces, come) = mpsc::channel(1);
        let come = Arc::new(std::sync::Mutex::new(Some(come)));
        let stream = move || {
            let body = come.lock().unwrap().take().map(|come| Body::new(Pieces(come)));
            async { Response::new(body.unwrap()) }
        };
        let large = || async { "x".repeat(1 << 20) };
        let routes = Router::new().route("/stream", get(stream)).route("/large", get(large));
        let (mut client, server) = duplex(1024);
        let asked = async {
            client.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            pieces.send("first").await.unwrap();
            read_until(&mut client, "first").await;
            sleep(3 * LIFE).await;
            pieces.send("second").await.unwrap();
            read_until(&mut client, "second").await;
            drop(pieces);
            read_until(&mut client, "0\r\n\r\n").await;
        };
        tokio::join!(requests(server, peer(), routes.clone()), asked);

        let (mut client, server) = duplex(1024);
        client.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let begun = Instant::now();
        requests(server, peer(), routes).await;
        assert!(begun.elapsed() <= LIFE + PATIENCE, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_may_wait_beyond_the_connections_time() {
        let waits = || async {
            sleep(2 * LIFE).await;
            "at last"
        };
        let (mut client, server) = duplex(1024);
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        requests(server, peer(), Router::new().route("/", get(waits))).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("at last"), "{answer}");
    }
}
