//! The address at which backends of the demo are started again. In front of a real fleet this is a script, systemd or an orchestrator; here it
//! is a webhook, so that nothing has to be installed.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;
use std::{io, sync::Arc};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::member::Member;

/// The largest body that is read.
const MAX_BODY: usize = 64 << 10;

/// After a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// An address that starts backends again, before it is served.
#[derive(Debug)]
pub struct Restarts {
    socket: TcpListener,
    /// How long a backend takes to start.
    takes: Duration,
    /// Who is told the names of backends that have started.
    told: UnboundedSender<&'static str>,
}

impl Restarts {
    /// On a loopback port that the kernel chooses. A backend takes `takes` to start, and its name is sent to `told` then.
    ///
    /// # Errors
    ///
    /// When the socket can't be made.
    pub fn new(takes: Duration, told: UnboundedSender<&'static str>) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, takes, told })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the kernel does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Starts backends again, for as long as the process lives.
pub(super) async fn serve(Restarts { socket, takes, told }: Restarts, fleet: Vec<Member>) {
    // without it nobody is started again, which the demo then shows
    let Ok(socket) = tokio::net::TcpListener::from_std(socket) else { return std::future::pending().await };
    let fleet: Arc<[Member]> = fleet.into();
    loop {
        let Ok((stream, _)) = socket.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (fleet, told) = (Arc::clone(&fleet), told.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (fleet, told) = (Arc::clone(&fleet), told.clone());
                async move { Ok::<_, Infallible>(empty(restart(&fleet, takes, &told, request).await)) }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn restart(
    fleet: &[Member],
    takes: Duration,
    told: &UnboundedSender<&'static str>,
    request: Request<Incoming>,
) -> StatusCode {
    if *request.method() != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED;
    }
    let Ok(body) = Limited::new(request.into_body(), MAX_BODY).collect().await else { return StatusCode::BAD_REQUEST };
    let asked: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    let Some(member) = fleet.iter().find(|member| asked["backend"] == member.name) else {
        return StatusCode::NOT_FOUND;
    };
    member.condition.set_alive(false);
    tokio::time::sleep(takes).await;
    member.condition.set_alive(true);
    let _ = told.send(member.name);
    StatusCode::NO_CONTENT
}

fn empty(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = status;
    answer
}
