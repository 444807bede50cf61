//! A backend that speaks HTTP/2 by hand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::h2_frames::frame::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PADDED, PING, PREFACE, RST_STREAM,
    SETTINGS, data, frame, headers, settings, window_update,
};
use crate::h2_frames::hpack::Decoder;
use crate::support::{Conn, Origin, wait_until};

/// A backend with a script for each request.
pub struct Backend {
    pub origin: Origin,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A frame that the backend got, on which of its connections.
#[derive(Debug, Clone)]
pub struct Seen {
    pub conn: usize,
    pub frame: Frame,
}

/// The head of a request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub stream: u32,
    pub fields: Vec<(String, String)>,
    /// With END_STREAM.
    pub ended: bool,
}

impl Asked {
    /// The values of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    pub fn path(&self) -> &str {
        self.all(":path").first().copied().unwrap_or_default()
    }

    pub fn method(&self) -> &str {
        self.all(":method").first().copied().unwrap_or_default()
    }
}

/// The backend's end of a connection.
pub struct Peer<'a> {
    pub conn: &'a mut Conn,
    decoder: Decoder,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Requests that came while something else was waited for.
    early: VecDeque<Asked>,
    /// The fields of the last block that came.
    last: Vec<(String, String)>,
    /// Answers SETTINGS and PING.
    pub answers: bool,
}

impl Backend {
    /// Says these settings on each connection, and runs the script for each request on it. A script that gives back `false` ends the
    /// connection.
    pub fn new(values: &[(u16, u32)], script: impl Fn(&mut Peer, &Asked) -> bool + Send + Sync + 'static) -> Self {
        let values = values.to_vec();
        Self::bare(move |peer| {
            peer.send(settings(&values));
            while let Some(asked) = peer.request() {
                if !script(peer, &asked) {
                    return;
                }
            }
        })
    }

    /// With a script for each connection, which has said nothing yet; the preface was read.
    pub fn bare(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let origin = Origin::script(move |conn| {
            let Some(preface) = conn.bytes(PREFACE.len()) else { return };
            assert_eq!(preface, PREFACE);
            let seen = Arc::clone(&log);
            let decoder = Decoder::default();
            script(&mut Peer { conn, decoder, seen, early: VecDeque::new(), last: Vec::new(), answers: true });
        });
        Self { origin, seen }
    }

    /// What it got so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The code of the RST_STREAM for this stream, when it has come.
    pub fn reset_of(&self, conn: usize, stream: u32) -> u32 {
        self.code(|seen| (seen.conn, seen.frame.kind, seen.frame.stream) == (conn, RST_STREAM, stream), 0)
    }

    /// The code of the GOAWAY on this connection, when it has come.
    pub fn goaway(&self, conn: usize) -> u32 {
        self.code(|seen| (seen.conn, seen.frame.kind) == (conn, GOAWAY), 4)
    }

    fn code(&self, is_it: impl Fn(&Seen) -> bool, at: usize) -> u32 {
        let mut code = None;
        wait_until("the error comes to the backend", || {
            code = self.seen().iter().find(|seen| is_it(seen)).map(|seen| seen.frame.number(at));
            code.is_some()
        });
        code.unwrap()
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.seen().iter().filter(|seen| seen.frame.kind == HEADERS).count()
    }
}

impl Peer<'_> {
    /// Sends bytes as they are; `false` when the proxy does not want them any more.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.conn.send(bytes)
    }

    /// The next frame, field blocks as a whole; nothing at the end of the connection. SETTINGS and PING are answered.
    pub fn next(&mut self) -> Option<Frame> {
        let mut frame = self.read()?;
        while frame.kind == HEADERS && !frame.has(END_HEADERS) {
            let more = self.read()?;
            assert_eq!((more.kind, more.stream), (CONTINUATION, frame.stream), "a block is interrupted");
            frame.payload.extend(more.payload);
            frame.flags |= more.flags & END_HEADERS;
        }
        self.seen.lock().unwrap().push(Seen { conn: self.conn.number, frame: frame.clone() });
        match frame.kind {
            SETTINGS if !frame.has(ACK) && self.answers => _ = self.send(super::backend::frame(SETTINGS, ACK, 0, &[])),
            PING if !frame.has(ACK) && self.answers => {
                self.send(super::backend::frame(PING, ACK, 0, &frame.payload));
            }
            HEADERS => {
                let fields = self.decoder.decode(&frame.payload);
                self.last.clone_from(&fields);
                // trailers have no pseudo-fields
                if fields.first().is_some_and(|(name, _)| name.starts_with(':')) {
                    self.early.push_back(Asked { stream: frame.stream, fields, ended: frame.has(END_STREAM) });
                }
            }
            _ => {}
        }
        Some(frame)
    }

    /// The next request.
    pub fn request(&mut self) -> Option<Asked> {
        while self.early.is_empty() {
            self.next()?;
        }
        self.early.pop_front()
    }

    /// The next request that was read along with something else.
    pub fn waiting(&mut self) -> Option<Asked> {
        self.early.pop_front()
    }

    /// Reads until a frame is this; `false` when the connection ends before.
    pub fn until(&mut self, is_it: impl Fn(&Frame) -> bool) -> bool {
        while let Some(frame) = self.next() {
            if is_it(&frame) {
                return true;
            }
        }
        false
    }

    /// Reads a request's body to its end, giving back the windows; what came of it before it ended otherwise.
    pub fn upload(&mut self, asked: &Asked) -> Vec<u8> {
        let mut body = Vec::new();
        let mut ended = asked.ended;
        while !ended {
            let Some(frame) = self.next() else { break };
            if frame.stream != asked.stream {
                continue;
            }
            match frame.kind {
                DATA => {
                    body.extend(&frame.payload);
                    let by = frame.payload.len() as u32;
                    if by > 0 {
                        self.send([window_update(0, by), window_update(asked.stream, by)].concat());
                    }
                }
                RST_STREAM => break,
                _ => {}
            }
            ended = frame.has(END_STREAM) && matches!(frame.kind, DATA | HEADERS);
        }
        body
    }

    /// The fields of the last head, or of the last trailers, that came.
    pub fn last_block(&self) -> Vec<(String, String)> {
        self.last.clone()
    }

    /// Answers 200 with this body.
    pub fn answer(&mut self, stream: u32, body: &str) -> bool {
        self.send(answer(stream, body))
    }

    /// Waits for the end of the connection, whatever comes before it.
    pub fn ends(&mut self) {
        while self.next().is_some() {}
    }

    fn read(&mut self) -> Option<Frame> {
        let read = self.conn.bytes(9).and_then(|head| {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            assert!(length <= 0x10_0000, "a frame of {length}");
            Some((head, self.conn.bytes(length)?))
        });
        let Some((head, payload)) = read else {
            assert!(self.conn.is_closed(), "neither a frame nor the end came");
            return None;
        };
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        assert!(!matches!(head[3], DATA | HEADERS) || head[4] & PADDED == 0, "we pad nothing");
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }
}

/// An answer of 200 with this body.
pub fn answer(stream: u32, body: &str) -> Vec<u8> {
    [headers(stream, 0, &[(":status", "200")]), data(stream, END_STREAM, body)].concat()
}

/// GOAWAY.
pub fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}
