//! Datagrams through the real binary.
//!
//! Datagrams may be lost, on the loopback interface only when a buffer is full. No test sends more than a buffer holds, so each
//! waits for the one that must come, and a lost one is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say so at once")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the harness serves more than this binary")]
mod support;

mod backends;
mod changes;
mod names;
mod quic;
mod records;
mod sessions;

use std::net::SocketAddr;

use support::{Proxy, UdpClient, backend};

/// One listener and one service. `listener` and `service` are further keys of theirs.
fn config(listener: &str, service: &str, backends: &[String]) -> String {
    let backends: String = backends.iter().map(backend).collect();
    // a port that the kernel chooses: unlike one for connections, one for datagrams can't be reserved without getting them
    format!(
        "[[listener]]\nname = \"udp\"\nbind = \"127.0.0.1:0\"\nprotocol = \"udp\"\nservice = \"api\"\n{listener}\n\
         [service.api]\n{service}\n{backends}"
    )
}

/// Where a listener is.
fn address(proxy: &Proxy, name: &str) -> SocketAddr {
    let status = proxy.status();
    let listeners = status["listeners"].as_array().unwrap();
    let listener = listeners.iter().find(|listener| listener["name"] == name).unwrap();
    listener["address"].as_str().unwrap().parse().unwrap()
}

/// A client of the listener.
fn client(proxy: &Proxy) -> UdpClient {
    UdpClient::new(address(proxy, "udp"))
}

/// Sessions that there are.
fn open_sessions(proxy: &Proxy) -> u64 {
    proxy.metric("evenkeel_client_connections{listener=\"udp\"}")
}

/// Nobody listens there, nor will anybody: an address of the loopback network that no other test uses.
const NOBODY: &str = "127.77.0.1:9";
