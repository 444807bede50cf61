//! HTTP/2 towards clients, frame by frame: what RFC 9113 and RFC 7541 demand of a server, and what hostile clients try.
//!
//! No client library sends such things, so the frames are written by hand. A [`Connection`] reads what the proxy sends and
//! fails on whatever it must not send; a [`Row`](rows::Row) is something a client sends and what has to come of it. Where the
//! RFC leaves a choice, every choice passes: an error of a stream may be raised as one of the connection, a connection may
//! end without GOAWAY, and a generic error code may stand for a specific one.

mod attacks;
mod chaos;
pub mod connection;
mod flow_control;
pub mod frame;
mod framing;
mod header_blocks;
pub mod hpack;
mod messages;
mod ping_and_goaway;
mod requests;
mod rows;
mod settings;
mod stalls;
mod starting;
mod streams;
mod uploads;
mod windows;

use crate::support::{Conn, Origin};

/// A backend for all that a row can ask of it: `/hold` is never answered, `/bytes/N` with that many bytes, the rest with `ok`.
fn backend() -> Origin {
    Origin::script(|conn| while serve(conn) {})
}

/// One exchange; `false` when it was the last one.
fn serve(conn: &mut Conn) -> bool {
    let Ok(mut request) = conn.request_head() else { return false };
    if request.target() == "/hold" {
        while !conn.some().is_empty() {}
        return false;
    }
    if conn.finish_request(&mut request).is_err() {
        return false;
    }
    let body = match request.target().strip_prefix("/bytes/") {
        Some(n) => "b".repeat(n.parse().unwrap()),
        None => "ok".to_owned(),
    };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    conn.send(if request.method() == "HEAD" { head } else { head + &body })
}
