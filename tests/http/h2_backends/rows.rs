//! What a backend answers, and what has to come of it: the tests' tables are made of these.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use super::backend::Backend;
use super::proxy_to;
use crate::support::{Broken, Client, Cue, wait_until};

/// What the backend gets for it.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// An error of the stream, of this code.
    Stream(u32),
    /// An error of the connection, of this code.
    Connection(u32),
    /// Nothing.
    Nothing,
}

/// What the client gets.
#[derive(Debug, Clone, Copy)]
pub enum Told {
    /// This status, with this error in `Proxy-Status`.
    Error(u16, &'static str),
    /// This status and body.
    Answer(u16, &'static str),
    /// This status, and a body that is visibly broken.
    Broken(u16),
    /// This status without a body, or 502.
    Bodiless(u16),
}

/// A sentence about it, the bytes for the stream with this id, what the backend gets, and what the client.
pub struct Row(pub &'static str, pub Box<dyn Fn(u32) -> Vec<u8> + Send + Sync>, pub End, pub Told);

/// A row without ado.
pub fn row(name: &'static str, bytes: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static, end: End, told: Told) -> Row {
    Row(name, Box::new(bytes), end, told)
}

/// What a client sends for it: a POST, which is never repeated for what the backend may have executed.
pub const POST: &str = "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/// Tries each row on a connection of its own that another stream is on, for POST.
pub fn check(rows: Vec<Row>) {
    check_with(POST, rows);
}

/// Tries each row for this request; `/bad` is its path.
pub fn check_with(request: &str, rows: Vec<Row>) {
    let mut failures = String::new();
    for Row(name, bytes, end, told) in rows {
        if let Err(what) = attempt(request, bytes, end, told) {
            writeln!(failures, "{name}: {end:?} and {told:?} were expected, but {what}").unwrap();
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

fn attempt(
    request: &str,
    bytes: Box<dyn Fn(u32) -> Vec<u8> + Send + Sync>,
    end: End,
    told: Told,
) -> Result<(), String> {
    let bad: Arc<Mutex<Option<u32>>> = Arc::default();
    let (held, its) = (Cue::default(), Arc::clone(&bad));
    let given = held.clone();
    let backend = Backend::new(&[], move |peer, asked| {
        // only the first connection is a bad one
        let first = peer.conn.number == 0;
        match asked.path() {
            "/hold" if first => {
                given.give();
                true
            }
            "/bad" if first => {
                if !asked.ended {
                    peer.upload(asked);
                }
                *its.lock().unwrap() = Some(asked.stream);
                peer.send(bytes(asked.stream))
            }
            // the stream that is held is the first one
            "/release" => peer.answer(1, "held") && peer.answer(asked.stream, "here"),
            _ => peer.answer(asked.stream, "elsewhere"),
        }
    });
    let proxy = proxy_to(&backend);
    let mut neighbour = proxy.client();
    neighbour.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    if !held.wait() {
        return Err("the neighbour did not arrive".to_owned());
    }
    let mut client = proxy.client();
    client.send(request);
    let method = request.split(' ').next().unwrap_or_default();
    is_told(&mut client, method, told)?;
    let stream = (*bad.lock().unwrap()).ok_or("the request did not arrive")?;
    match end {
        End::Stream(code) => {
            let got = backend.reset_of(0, stream);
            if got != code {
                return Err(format!("the code of the stream's end is {got}"));
            }
        }
        End::Connection(code) => {
            let got = backend.goaway(0);
            if got != code {
                return Err(format!("the code of the connection's end is {got}"));
            }
            let text = neighbour.response().text();
            return if text == "elsewhere" { Ok(()) } else { Err(format!("the neighbour was told {text:?}")) };
        }
        End::Nothing => {}
    }
    let text = proxy.client().get("/release").text();
    if text != "here" {
        return Err(format!("the connection does not live on: {text:?}"));
    }
    match neighbour.response().text().as_str() {
        "held" if backend.origin.connections() == 1 => Ok(()),
        text => Err(format!("the neighbour was told {text:?}")),
    }
}

fn is_told(client: &mut Client, method: &str, told: Told) -> Result<(), String> {
    let (answer, broken) = client.broken_response_to(method);
    let said = || format!("the client was told {answer:?} {broken:?}");
    match told {
        Told::Error(status, error) => {
            let says = answer.field("proxy-status").is_some_and(|value| value.contains(&format!("error={error}")));
            (answer.status == status && says && broken.is_none()).then_some(()).ok_or_else(said)
        }
        Told::Answer(status, body) => {
            (answer.status == status && answer.text() == body && broken.is_none()).then_some(()).ok_or_else(said)
        }
        Told::Bodiless(status) => {
            let fits = answer.status == 502 || (answer.status == status && answer.body.is_empty());
            (fits && broken.is_none()).then_some(()).ok_or_else(said)
        }
        Told::Broken(status) => {
            let seen = matches!(broken, Some(Broken::Closed | Broken::Reset));
            (answer.status == status && seen).then_some(()).ok_or_else(said)
        }
    }
}

/// Waits until the backend has seen so many requests.
pub fn wait_for_requests(backend: &Backend, count: usize) {
    wait_until("the requests arrive", || backend.requests() >= count);
}
