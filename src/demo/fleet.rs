//! Backends within this process, on a thread of their own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Builder;

use super::backend;
use super::condition::Condition;
use super::member::Member;
use super::restarts::{self, Restarts};

/// The names of the backends; a fleet has the first so many of them.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Connections that wait to be accepted.
const BACKLOG: u32 = 256;

/// After a connection could not be accepted, or a port not be had again.
const PAUSE: Duration = Duration::from_millis(50);

/// The running backends; they end with the process.
#[derive(Debug)]
pub struct Fleet {
    /// Each of them.
    pub members: Vec<Member>,
}

impl Fleet {
    /// Starts the first `size` backends (at most five) on loopback ports that the kernel chooses. Each takes `latency` for an answer. With
    /// `restarts` there is an address beside them at which backends that are dead can be started again.
    ///
    /// # Errors
    ///
    /// When a socket or the thread can't be made.
    pub fn start(size: usize, latency: Duration, restarts: Option<Restarts>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut members = Vec::new();
        let mut serving: Vec<(Member, TcpSocket, TcpListener)> = Vec::new();
        for name in NAMES.into_iter().take(size) {
            let (held, socket) = runtime.block_on(async {
                let held = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
                let socket = bound(held.local_addr()?)?.listen(BACKLOG)?;
                io::Result::Ok((held, socket))
            })?;
            let condition = Arc::new(Condition::new(latency));
            let member = Member { name, address: socket.local_addr()?, condition };
            members.push(member.clone());
            serving.push((member, held, socket));
        }
        let restartable = members.clone();
        std::thread::Builder::new().name("demo-backends".to_owned()).spawn(move || {
            runtime.block_on(async {
                for (member, held, socket) in serving {
                    tokio::spawn(live(member, held, socket));
                }
                match restarts {
                    Some(restarts) => restarts::serve(restarts, restartable).await,
                    None => std::future::pending().await,
                }
            });
        })?;
        Ok(Self { members })
    }
}

/// A socket that has this address and does not listen yet.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // so two sockets may have the port, of which one listens
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// A backend's life: it serves while it is alive. `_held` has the port all the time without listening, so that the kernel gives the port to
/// nobody else while the backend is dead.
async fn live(member: Member, _held: TcpSocket, first: TcpListener) {
    let mut life = member.condition.life();
    let mut socket = Some(first);
    loop {
        if let Some(socket) = socket.take() {
            tokio::select! {
                _ = life.wait_for(|alive| !*alive) => {}
                () = accept(&member, &socket) => {}
            }
        }
        if life.wait_for(|alive| *alive).await.is_err() {
            return;
        }
        match bound(member.address).and_then(|socket| socket.listen(BACKLOG)) {
            Ok(again) => socket = Some(again),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn accept(member: &Member, socket: &TcpListener) {
    loop {
        match socket.accept().await {
            Ok((stream, _)) => _ = tokio::spawn(serve(member.clone(), stream)),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Serves a connection until it ends, or until the backend dies, which resets it.
async fn serve(member: Member, stream: TcpStream) {
    let Member { name, condition, .. } = member;
    let mut life = condition.life();
    let service = service_fn(move |request| {
        let condition = Arc::clone(&condition);
        async move { backend::answer(name, &condition, request).await }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let dies = tokio::select! {
        // a connection that breaks is the proxy's or its user's doing
        _ = &mut connection => false,
        _ = life.wait_for(|alive| !*alive) => true,
    };
    if dies {
        let stream = connection.into_parts().io.into_inner();
        // a socket that does not linger is reset when it is closed
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}
