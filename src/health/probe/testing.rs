//! Backends for the tests of the probes: each serves connections of its own kind until it is dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use super::{Target, check};
use crate::endpoint;
use crate::endpoint::addresses::Addresses;
use crate::policy::{Check, Health, HttpCheck, Initial, UpstreamProtocol};

/// A backend.
pub struct Server {
    pub address: SocketAddr,
    heard: UnboundedReceiver<Vec<u8>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Reads up to `end`, answers with these bytes, and closes.
    pub async fn answer(end: &'static str, answer: &'static [u8]) -> Self {
        let (sender, heard) = unbounded_channel();
        let mut server = Self::serve(move |mut stream| {
            let sender = sender.clone();
            async move {
                let mut bytes = Vec::new();
                while !bytes.ends_with(end.as_bytes()) {
                    if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let _ = sender.send(bytes);
                let _ = stream.write_all(answer).await;
            }
        })
        .await;
        server.heard = heard;
        server
    }

    /// Begins with `start` and then says `again` for ever.
    pub async fn endless(start: &'static [u8], again: &'static [u8]) -> Self {
        Self::serve(move |mut stream| async move {
            let _ = stream.write_all(start).await;
            while stream.write_all(again).await.is_ok() {}
        })
        .await
    }

    /// Accepts and says nothing.
    pub async fn hang() -> Self {
        Self::serve(|stream| async move {
            let _open = stream;
            std::future::pending().await
        })
        .await
    }

    /// Serves every connection by `serve`.
    pub async fn serve<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        Self { address, heard: unbounded_channel().1, task }
    }

    /// An address where nobody listens.
    pub async fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    /// What a client said, up to the end that was waited for.
    pub async fn heard(&mut self) -> String {
        String::from_utf8_lossy(&self.heard.recv().await.unwrap()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A backend there, checked in this way.
pub fn target(address: SocketAddr, kind: Check) -> Target {
    Target {
        service: "api".into(),
        id: "a".to_owned(),
        live: Arc::default(),
        address: endpoint::Target::Tcp(address),
        addresses: Arc::new(Addresses::new([address])),
        outbound: None,
        host: "backend.test".to_owned(),
        protocol: UpstreamProtocol::Http1,
        tls: None,
        proxy_header: None,
        policy: Arc::new(Health {
            kind,
            port: None,
            interval: Duration::from_secs(2),
            fast_interval: Duration::from_millis(500),
            // long, for a test that is slow on a busy machine is none
            timeout: Duration::from_secs(20),
            fall: 3,
            rise: 2,
            jitter: 0.1,
            initial: Initial::Up,
        }),
        advisory: false,
        expire: Duration::from_secs(10),
    }
}

/// A check as the contract's defaults have it.
pub fn http() -> HttpCheck {
    HttpCheck {
        path: http::uri::PathAndQuery::from_static("/health?deep=1"),
        method: http::Method::GET,
        host: None,
        headers: Vec::new(),
        expect_status: vec![200..=399],
        expect_body: None,
        allow_bare_lf: false,
    }
}

/// What a check comes to. The agent's line is good unless it begins with `down`.
pub async fn reason(target: &Target) -> String {
    let agent = |_: &Target, line: &str| match line.starts_with("down") {
        true => Err("agent says down".to_owned()),
        false => Ok(()),
    };
    tokio::task::LocalSet::new()
        .run_until(async {
            match check(target, &agent).await {
                Ok(good) => format!("good: {good}"),
                Err(fault) => fault.reason.into_owned(),
            }
        })
        .await
}
