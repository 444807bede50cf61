//! A client's connection that does by hand what a client has to, and takes nothing that a server must not send.

mod outbound;
mod received;

use std::collections::{BTreeMap, VecDeque};

use outbound::Outbound;

use super::frame::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FRAME_SIZE, Frame, HEADER_TABLE_SIZE, HEADERS, INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE, MAX_WINDOW, PADDED, PREFACE, SETTINGS, data, get, ping, settings, window_update,
};
use super::hpack::Decoder;
use crate::support::{Client, Proxy};

/// Windows that no answer of these tests fills.
const WIDE: u32 = 1 << 28;
/// Every window, before anybody said otherwise.
const WINDOW: i64 = 65_535;

/// One connection.
pub struct Connection {
    client: Client,
    decoder: Decoder,
    streams: BTreeMap<u32, Stream>,
    /// What the proxy may send: on the connection, on a stream that is new, in a frame.
    room: i64,
    initial_room: i64,
    max_frame: usize,
    /// What the proxy lets us send.
    outbound: Outbound,
    window: i64,
    initial_window: i64,
    /// Settings of ours that are not acknowledged.
    pending: VecDeque<Vec<(u16, u32)>>,
    /// The proxy's settings, once they have come.
    pub settings: Option<BTreeMap<u16, u32>>,
    /// The last stream and the error of the last GOAWAY.
    pub goaway: Option<(u32, u32)>,
    /// The payloads of acknowledged PINGs.
    pub pongs: Vec<Vec<u8>>,
    /// Acknowledgements of settings.
    pub acks: usize,
}

/// What came on a stream.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    pub interim: Vec<u16>,
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    /// With END_STREAM.
    pub ended: bool,
    /// With this error.
    pub reset: Option<u32>,
    room: i64,
    window: i64,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer of this status.
    Answered(u16),
    /// By RST_STREAM.
    Reset(u32),
    /// With the connection: the error of its GOAWAY, if one was seen.
    ConnectionEnded(Option<u32>),
}

impl Stream {
    /// The values of a field of its answer.
    pub fn field(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    fn is_over(&self) -> bool {
        self.ended || self.reset.is_some()
    }
}

impl Connection {
    /// By prior knowledge, with windows that never fill.
    pub fn open(proxy: &Proxy) -> Self {
        let mut connection = Self::open_with(proxy, &[(INITIAL_WINDOW_SIZE, WIDE)]);
        connection.give(0, WIDE);
        connection
    }

    /// By prior knowledge, with these settings.
    pub fn open_with(proxy: &Proxy, values: &[(u16, u32)]) -> Self {
        Self::over(proxy.client(), values)
    }

    /// Over this connection, with these settings; the proxy's have come when it is back.
    pub fn over(client: Client, values: &[(u16, u32)]) -> Self {
        let mut connection = Self::bare(client);
        connection.send(PREFACE);
        connection.set(values);
        connection.until(|c| c.settings.is_some());
        connection
    }

    /// Over this connection, on which nothing was sent yet, nor is.
    pub fn bare(client: Client) -> Self {
        Self {
            client,
            decoder: Decoder::default(),
            streams: BTreeMap::new(),
            room: WINDOW,
            initial_room: WINDOW,
            max_frame: FRAME_SIZE,
            outbound: Outbound::default(),
            window: WINDOW,
            initial_window: WINDOW,
            pending: VecDeque::new(),
            settings: None,
            goaway: None,
            pongs: Vec::new(),
            acks: 0,
        }
    }

    /// Sends bytes to a proxy that may have had enough of them; `false` then. What is DATA in them is counted.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        for (stream, length) in self.outbound.data(bytes.as_ref()) {
            self.sent(stream, length);
        }
        self.client.try_send(bytes).is_ok()
    }

    /// The same connection once more, to write on in another thread.
    pub fn writer(&self) -> Client {
        self.client.split()
    }

    /// Ends our direction.
    pub fn finish(&mut self) {
        self.client.finish();
    }

    /// Sends settings. More room counts at once, less of it when the proxy knows.
    pub fn set(&mut self, values: &[(u16, u32)]) {
        for (id, value) in values {
            let grows = match *id {
                INITIAL_WINDOW_SIZE => i64::from(*value) > self.initial_room,
                MAX_FRAME_SIZE => *value as usize > self.max_frame,
                _ => false,
            };
            if grows {
                self.apply(*id, *value);
            }
        }
        self.pending.push_back(values.to_vec());
        self.send(settings(values));
    }

    /// Gives the proxy room on a stream, or with 0 on the connection.
    pub fn give(&mut self, stream: u32, by: u32) {
        match stream {
            0 => self.room += i64::from(by),
            _ => self.stream(stream).room += i64::from(by),
        }
        self.send(window_update(stream, by));
    }

    /// What came on a stream so far.
    pub fn stream(&mut self, stream: u32) -> &mut Stream {
        let (room, window) = (self.initial_room, self.initial_window);
        self.streams.entry(stream).or_insert_with(|| Stream { room, window, ..Stream::default() })
    }

    /// How much of a body has come.
    pub fn received(&self, stream: u32) -> usize {
        self.streams.get(&stream).map_or(0, |stream| stream.body.len())
    }

    /// The status of an answer; 0 before its head.
    pub fn status(&self, stream: u32) -> u16 {
        self.streams.get(&stream).map_or(0, |stream| stream.status)
    }

    /// The error by which a stream was reset, if it was.
    pub fn reset(&self, stream: u32) -> Option<u32> {
        self.streams.get(&stream).and_then(|stream| stream.reset)
    }

    /// Settings that the proxy has not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.pending.len()
    }

    /// The next frame, taken account of; nothing at the end of the connection.
    pub fn next(&mut self) -> Option<Frame> {
        let mut frame = self.read()?;
        while frame.kind == HEADERS && !frame.has(END_HEADERS) {
            let more = self.read()?;
            assert_eq!((more.kind, more.stream), (CONTINUATION, frame.stream), "a block is interrupted");
            frame.payload.extend(more.payload);
            frame.flags |= more.flags & END_HEADERS;
        }
        assert!(self.settings.is_some() || frame.kind == SETTINGS, "the first frame is not SETTINGS: {frame:?}");
        self.take_in(&frame);
        Some(frame)
    }

    /// Reads until this is so; fails when the connection ends before.
    pub fn until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            assert!(self.next().is_some(), "the connection ended: {:?}", self.goaway);
        }
    }

    /// Reads until a stream has ended.
    pub fn outcome(&mut self, stream: u32) -> Outcome {
        while !self.stream(stream).is_over() {
            if self.next().is_none() {
                return Outcome::ConnectionEnded(self.goaway.map(|(_, code)| code));
            }
        }
        let stream = self.stream(stream);
        stream.reset.map_or(Outcome::Answered(stream.status), Outcome::Reset)
    }

    /// Reads an answer to its end.
    pub fn answer(&mut self, stream: u32) -> Stream {
        let outcome = self.outcome(stream);
        assert!(matches!(outcome, Outcome::Answered(_)), "stream {stream}: {outcome:?}");
        self.stream(stream).clone()
    }

    /// A whole exchange.
    pub fn get(&mut self, stream: u32, path: &str) -> Stream {
        self.send(get(stream, path));
        self.answer(stream)
    }

    /// Whether the proxy gets as far as to answer a PING, so that it has seen all that was sent before.
    pub fn is_alive(&mut self) -> bool {
        let payload = (self.pongs.len() as u64).to_be_bytes();
        self.send(ping(&payload));
        while !self.pongs.iter().any(|pong| *pong == payload) {
            if self.next().is_none() {
                return false;
            }
        }
        true
    }

    /// Reads to the end of the connection; the error of its GOAWAY, if one was seen.
    pub fn end(&mut self) -> Option<u32> {
        while self.next().is_some() {}
        self.goaway.map(|(_, code)| code)
    }

    /// Sends a body as the proxy's windows allow; `false` when the proxy ended its stream before.
    pub fn upload(&mut self, stream: u32, body: &[u8]) -> bool {
        let mut rest = body;
        while !rest.is_empty() {
            let room = usize::try_from(self.room_to_send(stream)).unwrap_or(0);
            let piece = rest.len().min(FRAME_SIZE).min(room);
            if self.stream(stream).is_over() {
                return false;
            }
            if piece == 0 {
                assert!(self.next().is_some(), "the connection ended: {:?}", self.goaway);
                continue;
            }
            let end = if piece == rest.len() { END_STREAM } else { 0 };
            self.send(data(stream, end, &rest[..piece]));
            rest = &rest[piece..];
        }
        true
    }

    /// Counts DATA that [`send`](Self::send) does not see.
    pub fn sent(&mut self, stream: u32, length: usize) {
        let length = i64::try_from(length).unwrap();
        self.window -= length;
        self.stream(stream).window -= length;
    }

    /// What the proxy lets us send on a stream.
    pub fn room_to_send(&mut self, stream: u32) -> i64 {
        self.window.min(self.stream(stream).window)
    }

    /// What the proxy lets us send on the connection.
    pub fn window(&self) -> i64 {
        self.window
    }

    fn read(&mut self) -> Option<Frame> {
        let read = self.client.try_bytes(9).and_then(|head| {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            assert!(length <= self.max_frame, "a frame of {length}");
            Some((head, self.client.try_bytes(length)?))
        });
        let Some((head, mut payload)) = read else {
            assert!(self.client.is_closed(), "neither a frame nor the end came");
            return None;
        };
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        assert!(stream <= MAX_WINDOW, "the reserved bit is set");
        if matches!(head[3], DATA | HEADERS) && head[4] & PADDED != 0 {
            payload.truncate(payload.len() - usize::from(payload[0]));
            payload.remove(0);
        }
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    fn apply(&mut self, id: u16, value: u32) {
        match id {
            INITIAL_WINDOW_SIZE => {
                let by = i64::from(value) - self.initial_room;
                self.initial_room += by;
                self.streams.values_mut().for_each(|stream| stream.room += by);
            }
            MAX_FRAME_SIZE => self.max_frame = value as usize,
            HEADER_TABLE_SIZE => self.decoder.set_limit(value as usize),
            _ => {}
        }
    }
}
