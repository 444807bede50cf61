//! What a client sends on a connection of its own, and what has to come of it: the tests' tables are made of these.

use std::fmt::Write as _;

use super::connection::{Connection, Outcome};
use super::frame::{INTERNAL_ERROR, PROTOCOL_ERROR};
use crate::support::{Origin, Proxy};

/// What has to come of something that a client sends.
#[derive(Debug, Clone, Copy)]
pub enum Expect {
    /// An error of the connection, of this code.
    Connection(u32),
    /// An error of this stream, of this code.
    Stream(u32, u32),
    /// The request on this stream is not served: it is answered with 4xx, or it is an error of its stream.
    Malformed(u32),
    /// Either an error or nothing at all, but no answer on this stream.
    Unanswered(u32),
    /// The request on this stream is answered with 200.
    Served(u32),
    /// Nothing.
    Nothing,
}

/// A sentence about what is sent, the bytes of it, and what has to come of it.
pub struct Row(pub &'static str, pub Vec<u8>, pub Expect);

/// A stream that no row uses.
const OTHER: u32 = 1001;

/// Tries each row on a connection of its own. Paths that begin with `/bad` must never arrive as a whole request.
pub fn check(rows: Vec<Row>) {
    let origin = super::backend();
    let proxy = Proxy::to(&origin);
    check_with(&proxy, &origin, rows);
}

/// As [`check`], with a proxy in front of this backend.
pub fn check_with(proxy: &Proxy, origin: &Origin, rows: Vec<Row>) {
    let mut failures = String::new();
    let mut seen = 0;
    for Row(name, bytes, expect) in rows {
        let mut connection = Connection::open(proxy);
        connection.send(bytes);
        if let Err(what) = verdict(&mut connection, expect) {
            writeln!(failures, "{name}: {expect:?} was expected, but {what}").unwrap();
        }
        let bad = origin.targets().iter().filter(|target| target.starts_with("/bad")).count();
        if bad > seen {
            writeln!(failures, "{name}: it reached the backend").unwrap();
        }
        seen = bad;
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert_still_serves(proxy);
    let bad: Vec<String> = origin.targets().into_iter().filter(|target| target.starts_with("/bad")).collect();
    assert!(bad.is_empty(), "these reached the backend: {bad:?}");
}

/// Whatever was done to the proxy, the next client is served.
pub fn assert_still_serves(proxy: &Proxy) {
    assert_eq!(Connection::open(proxy).get(1, "/after").status, 200);
}

/// A generic code may stand for a specific one (section 5.4), and a close for a GOAWAY that is lost in it.
fn fits(code: Option<u32>, expected: u32) -> bool {
    code.is_none_or(|code| [expected, PROTOCOL_ERROR, INTERNAL_ERROR].contains(&code))
}

fn verdict(connection: &mut Connection, expect: Expect) -> Result<(), String> {
    match expect {
        Expect::Connection(expected) => {
            // frames are taken in their order: who answers this PING has let the error pass
            if connection.is_alive() {
                return Err("the connection lives on".to_owned());
            }
            let code = connection.goaway.map(|(_, code)| code);
            fits(code, expected).then_some(()).ok_or(format!("the code is {code:?}"))
        }
        Expect::Stream(stream, expected) => match connection.outcome(stream) {
            Outcome::ConnectionEnded(code) if fits(code, expected) => Ok(()),
            Outcome::Reset(code) if fits(Some(code), expected) => lives_on(connection),
            other => Err(format!("{other:?}")),
        },
        Expect::Malformed(stream) => match connection.outcome(stream) {
            Outcome::Answered(400..=499) => lives_on(connection),
            // an answer of 4xx before the whole request was there may end in NO_ERROR (section 8.1)
            Outcome::Reset(_) if (400..500).contains(&connection.stream(stream).status) => lives_on(connection),
            Outcome::Reset(code) if fits(Some(code), PROTOCOL_ERROR) => lives_on(connection),
            Outcome::ConnectionEnded(code) if fits(code, PROTOCOL_ERROR) => Ok(()),
            other => Err(format!("{other:?}")),
        },
        Expect::Unanswered(stream) => {
            let alive = connection.is_alive();
            match connection.stream(stream).status {
                0 if alive => lives_on(connection),
                0 => Ok(()),
                status => Err(format!("it was answered with {status}")),
            }
        }
        Expect::Served(stream) => match connection.outcome(stream) {
            Outcome::Answered(200) => lives_on(connection),
            other => Err(format!("{other:?}")),
        },
        Expect::Nothing => lives_on(connection),
    }
}

fn lives_on(connection: &mut Connection) -> Result<(), String> {
    // of no length, in case that the row has taken all room away
    connection.send(super::frame::get(OTHER, "/bytes/0"));
    match connection.outcome(OTHER) {
        Outcome::Answered(200) if connection.goaway.is_none() => Ok(()),
        other => Err(format!("the connection does not live on: {other:?} {:?}", connection.goaway)),
    }
}
