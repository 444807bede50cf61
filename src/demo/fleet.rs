//! Backends within this process, on a thread of their own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use super::backend;

/// As many as a round of round robin wants to be seen.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// After a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// The running backends; they end with the process.
#[derive(Debug)]
pub struct Fleet {
    /// Each of them.
    pub members: Vec<Member>,
}

/// A backend.
#[derive(Debug, Clone)]
pub struct Member {
    /// What it calls itself.
    pub name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Fleet {
    /// Starts it on loopback ports that the kernel chooses.
    ///
    /// # Errors
    ///
    /// When a socket or the thread can't be made.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut sockets = Vec::new();
        let mut members = Vec::new();
        for name in NAMES {
            let socket = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
            members.push(Member { name, address: socket.local_addr()? });
            sockets.push((name, socket));
        }
        std::thread::Builder::new().name("demo-backends".to_owned()).spawn(move || {
            runtime.block_on(async {
                let serving: Vec<_> =
                    sockets.into_iter().map(|(name, socket)| tokio::spawn(serve(name, socket))).collect();
                for backend in serving {
                    let _ = backend.await;
                }
            });
        })?;
        Ok(Self { members })
    }
}

async fn serve(name: &'static str, socket: TcpListener) {
    loop {
        let Ok((stream, _)) = socket.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        tokio::spawn(async move {
            let service = service_fn(move |request| backend::answer(name, request));
            // a connection that breaks is the proxy's or its user's doing
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
