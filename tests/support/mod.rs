//! The harness of the black-box tests: the real binary between real sockets.
//!
//! Three actors. A [`Proxy`] is the built binary with a configuration of its own, on ports of its own, killed when it goes
//! out of scope. An [`Origin`] is a backend that does exactly what the test says, however rude, and remembers every byte it
//! was sent. A [`Client`] writes raw bytes and reads answers strictly: what is not well-formed HTTP/1.1 is a failure.
//! [`h2`] has their HTTP/2 counterparts, [`UdpOrigin`] and [`UdpClient`] those for datagrams.
//!
//! No test waits for time to pass in the hope that something has happened by then: it waits for the thing, be it a [`Cue`],
//! an answer or a condition ([`wait_until`]). Whatever is awaited has a limit, so that a hang is a failure.
//! Only where a time-out must not end something does a test let more time pass than it has.

mod admin;
pub mod certs;
mod client;
mod conn;
mod cue;
mod etcd;
pub mod h2;
pub mod kernel;
mod message;
mod name_server;
pub mod namespace;
mod origin;
mod ports;
mod proxy;
mod redis;
mod scratch;
mod successor;
mod udp;
mod wire;

use std::time::{Duration, Instant};

pub use admin::LOG;
pub use client::{Client, tcp_with_room_for};
pub use conn::Conn;
pub use cue::Cue;
pub use etcd::Etcd;
pub use message::{Broken, Request, Response};
pub use name_server::NameServer;
pub use origin::Origin;
pub use ports::Port;
pub use proxy::{Proxy, backend, config};
pub use redis::{Manner, Redis};
pub use scratch::Scratch;
pub use successor::Successor;
pub use udp::{UdpClient, UdpOrigin};

/// The request of most clients.
pub const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

/// The answer of most backends.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// How long anything may take before the test fails. Long, because nothing that works ever waits for it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `done` says so; fails with `what` when it does not. What is awaited may take many steps, of which one or two have a time-out of
/// their own, so the limit is longer here.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = 3 * PATIENCE;
    let deadline = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < deadline, "waited {limit:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
