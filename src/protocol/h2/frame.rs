//! Frames of HTTP/2 (RFC 9113, sections 4 and 6): parsing and writing them. Whether a frame is allowed, and what it means, is
//! decided by the callers.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The size of a frame's head in bytes.
pub const HEAD: usize = 9;
/// The largest payload that we accept: the default of SETTINGS_MAX_FRAME_SIZE, which we don't change.
pub const MAX_PAYLOAD: usize = 16_384;
/// The largest flow-control window (section 6.9.1), and the largest stream id.
pub const MAX_WINDOW: u32 = 0x7fff_ffff;

/// The types of frames (section 11.2).
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub mod flag {
    pub const END_STREAM: u8 = 1;
    pub const ACK: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    pub const PRIORITY: u8 = 0x20;
}

/// The identifiers of settings (section 6.5.2; the last one from RFC 8441).
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// The error codes of RST_STREAM and GOAWAY that we send (section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No error.
    NoError = 0,
    /// The peer has violated the protocol, and no other code fits.
    Protocol = 1,
    /// We have failed.
    Internal = 2,
    /// The peer has sent more than a window allows.
    FlowControl = 3,
    /// The peer has sent a frame on a closed stream.
    StreamClosed = 5,
    /// The size of a frame is invalid.
    FrameSize = 6,
    /// The stream was not processed.
    RefusedStream = 7,
    /// The stream is not needed any more.
    Cancel = 8,
    /// A field block can't be decoded.
    Compression = 9,
    /// The connection behind a tunnel was reset.
    Connect = 10,
    /// The peer wastes our resources.
    EnhanceYourCalm = 11,
}

/// The name of an error code (section 7), for the log.
pub fn code_name(code: u32) -> &'static str {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    NAMES.get(code as usize).copied().unwrap_or("a code that is not registered")
}

/// The next frame in the bytes that were read.
#[derive(Debug)]
pub enum Next {
    /// A frame, or the error in it.
    Frame(Result<Frame, Fault>),
    /// So many more bytes are needed.
    Missing(usize),
}

/// A DATA payload larger than this is not copied. All others are, because a small slice would keep the whole read buffer alive as
/// long as somebody holds it.
pub const COPY: usize = 1024;

/// Removes the next frame from the bytes that were read.
pub fn next(buf: &mut BytesMut) -> Next {
    let Some(head) = Head::parse(buf) else { return Next::Missing(HEAD) };
    if head.length > MAX_PAYLOAD {
        return Next::Frame(Err(size("a frame larger than SETTINGS_MAX_FRAME_SIZE")));
    }
    let whole = HEAD + head.length;
    if buf.len() < whole {
        return Next::Missing(whole - buf.len());
    }
    buf.advance(HEAD);
    if head.kind == kind::DATA && head.length > COPY {
        return Next::Frame(Frame::parse(head, buf.split_to(head.length).freeze()));
    }
    let payload = Bytes::copy_from_slice(&buf[..head.length]);
    buf.advance(head.length);
    Next::Frame(Frame::parse(head, payload))
}

/// An error of the peer, by what it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The error ends the connection.
    Connection(Reason, &'static str),
    /// The error ends one stream.
    Stream(u32, Reason),
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The size of the payload in bytes.
    pub length: usize,
    /// The type: see [`kind`].
    pub kind: u8,
    /// The flags: see [`flag`].
    pub flags: u8,
    /// The stream; 0 means the connection.
    pub stream: u32,
}

/// A frame that was received.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A piece of a body. `flow` is what counts for flow control, which includes padding.
    Data { stream: u32, data: Bytes, flow: u32, end: bool },
    /// The first frame of a field block.
    Headers { stream: u32, block: Bytes, end_stream: bool, end_headers: bool, depends_on: Option<u32> },
    /// A further frame of a field block.
    Continuation { stream: u32, block: Bytes, end_headers: bool },
    /// A dependency between streams, which is obsolete.
    Priority { stream: u32, depends_on: u32 },
    /// The peer resets a stream, with one of the [codes](Reason) or another number.
    Reset { stream: u32, code: u32 },
    /// The peer's settings.
    Settings(Bytes),
    /// The peer acknowledges our settings.
    SettingsAck,
    /// The peer checks whether we are there.
    Ping([u8; 8]),
    /// The answer to a PING of ours.
    Pong([u8; 8]),
    /// The peer accepts no more streams, and has not processed those above `last`.
    GoAway { last: u32, code: u32 },
    /// The peer enlarges a window.
    WindowUpdate { stream: u32, increment: u32 },
    /// A frame of an unknown type.
    Unknown,
}

impl Head {
    /// Parses the head at the beginning of `bytes`; `None` when it is not complete.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD)?;
        Some(Self {
            length: usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]),
            kind: head[3],
            flags: head[4],
            // the reserved bit is ignored (section 4.1)
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & MAX_WINDOW,
        })
    }

    fn is(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

impl Frame {
    /// Parses a frame's payload.
    ///
    /// # Errors
    ///
    /// The size, the stream or the padding is invalid.
    pub fn parse(head: Head, mut payload: Bytes) -> Result<Self, Fault> {
        let stream = head.stream;
        match head.kind {
            kind::DATA => {
                of_stream(head)?;
                let flow = head.length as u32;
                unpad(head, &mut payload)?;
                Ok(Self::Data { stream, data: payload, flow, end: head.is(flag::END_STREAM) })
            }
            kind::HEADERS => headers(head, payload),
            kind::CONTINUATION => {
                of_stream(head)?;
                Ok(Self::Continuation { stream, block: payload, end_headers: head.is(flag::END_HEADERS) })
            }
            kind::PRIORITY => {
                of_stream(head)?;
                match payload.len() {
                    5 => Ok(Self::Priority { stream, depends_on: payload.get_u32() & MAX_WINDOW }),
                    _ => Err(Fault::Stream(stream, Reason::FrameSize)),
                }
            }
            kind::RST_STREAM => {
                of_stream(head)?;
                exactly(4, &payload, "RST_STREAM")?;
                Ok(Self::Reset { stream, code: payload.get_u32() })
            }
            kind::SETTINGS => {
                of_connection(head)?;
                match (head.is(flag::ACK), payload.len()) {
                    (true, 0) => Ok(Self::SettingsAck),
                    (false, length) if length % 6 == 0 => Ok(Self::Settings(payload)),
                    _ => Err(size("SETTINGS of a size that it can't have")),
                }
            }
            kind::PING => {
                of_connection(head)?;
                let opaque = payload[..].try_into().map_err(|_| size("PING is not of 8 bytes"))?;
                Ok(if head.is(flag::ACK) { Self::Pong(opaque) } else { Self::Ping(opaque) })
            }
            kind::GOAWAY => {
                of_connection(head)?;
                if payload.len() < 8 {
                    return Err(size("GOAWAY is too short"));
                }
                Ok(Self::GoAway { last: payload.get_u32() & MAX_WINDOW, code: payload.get_u32() })
            }
            kind::WINDOW_UPDATE => {
                exactly(4, &payload, "WINDOW_UPDATE")?;
                match payload.get_u32() & MAX_WINDOW {
                    0 if stream == 0 => Err(protocol("WINDOW_UPDATE by nothing")),
                    0 => Err(Fault::Stream(stream, Reason::Protocol)),
                    increment => Ok(Self::WindowUpdate { stream, increment }),
                }
            }
            kind::PUSH_PROMISE => {
                Err(protocol("PUSH_PROMISE, which a client never sends and we have forbidden to servers"))
            }
            _ => Ok(Self::Unknown),
        }
    }
}

fn headers(head: Head, mut payload: Bytes) -> Result<Frame, Fault> {
    of_stream(head)?;
    unpad(head, &mut payload)?;
    let depends_on = match head.is(flag::PRIORITY) {
        true if payload.len() < 5 && head.is(flag::PADDED) => {
            return Err(protocol("padding where the priority should be"));
        }
        true if payload.len() < 5 => return Err(size("HEADERS without the priority that it announces")),
        true => {
            let on = payload.get_u32() & MAX_WINDOW;
            payload.advance(1);
            Some(on)
        }
        false => None,
    };
    let (end_stream, end_headers) = (head.is(flag::END_STREAM), head.is(flag::END_HEADERS));
    Ok(Frame::Headers { stream: head.stream, block: payload, end_stream, end_headers, depends_on })
}

/// An error of the connection for which no other code fits.
pub fn protocol(detail: &'static str) -> Fault {
    Fault::Connection(Reason::Protocol, detail)
}

fn size(detail: &'static str) -> Fault {
    Fault::Connection(Reason::FrameSize, detail)
}

fn of_stream(head: Head) -> Result<(), Fault> {
    if head.stream == 0 { Err(protocol("a frame of a stream on stream 0")) } else { Ok(()) }
}

fn of_connection(head: Head) -> Result<(), Fault> {
    if head.stream != 0 { Err(protocol("a frame of the connection on a stream")) } else { Ok(()) }
}

fn exactly(length: usize, payload: &Bytes, name: &'static str) -> Result<(), Fault> {
    if payload.len() == length { Ok(()) } else { Err(Fault::Connection(Reason::FrameSize, name)) }
}

/// Removes the padding that DATA and HEADERS may have (section 6.1).
fn unpad(head: Head, payload: &mut Bytes) -> Result<(), Fault> {
    if !head.is(flag::PADDED) {
        return Ok(());
    }
    if payload.is_empty() {
        return Err(size("padded, and nothing in it"));
    }
    let padding = usize::from(payload.get_u8());
    if padding > payload.len() {
        return Err(protocol("more padding than payload"));
    }
    payload.truncate(payload.len() - padding);
    Ok(())
}

/// Writes the head of a frame.
pub fn head(out: &mut BytesMut, length: usize, kind: u8, flags: u8, stream: u32) {
    out.put_slice(&head_bytes(length, kind, flags, stream));
}

/// The head of a frame as bytes, for a frame whose length is known only after its payload was written.
pub fn head_bytes(length: usize, kind: u8, flags: u8, stream: u32) -> [u8; HEAD] {
    let ([_, a, b, c], [d, e, f, g]) = ((length as u32).to_be_bytes(), stream.to_be_bytes());
    [a, b, c, kind, flags, d, e, f, g]
}

/// Writes SETTINGS.
pub fn settings(out: &mut BytesMut, settings: &[(u16, u32)]) {
    head(out, settings.len() * 6, kind::SETTINGS, 0, 0);
    for (id, value) in settings {
        out.put_u16(*id);
        out.put_u32(*value);
    }
}

/// Writes the acknowledgement of SETTINGS.
pub fn settings_ack(out: &mut BytesMut) {
    head(out, 0, kind::SETTINGS, flag::ACK, 0);
}

/// Writes PING, or the answer to one.
pub fn ping(out: &mut BytesMut, opaque: [u8; 8], ack: bool) {
    head(out, 8, kind::PING, if ack { flag::ACK } else { 0 }, 0);
    out.put_slice(&opaque);
}

/// Writes RST_STREAM.
pub fn reset(out: &mut BytesMut, stream: u32, reason: Reason) {
    head(out, 4, kind::RST_STREAM, 0, stream);
    out.put_u32(reason as u32);
}

/// Writes GOAWAY.
pub fn go_away(out: &mut BytesMut, last: u32, reason: Reason) {
    head(out, 8, kind::GOAWAY, 0, 0);
    out.put_u32(last);
    out.put_u32(reason as u32);
}

/// Writes WINDOW_UPDATE.
pub fn window_update(out: &mut BytesMut, stream: u32, increment: u32) {
    head(out, 4, kind::WINDOW_UPDATE, 0, stream);
    out.put_u32(increment);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Frame, Fault> {
        let head = Head::parse(bytes).unwrap();
        assert_eq!(head.length, bytes.len() - HEAD);
        Frame::parse(head, Bytes::copy_from_slice(&bytes[HEAD..]))
    }

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        [&head_bytes(payload.len(), kind, flags, stream)[..], payload].concat()
    }

    #[test]
    fn a_head_is_read_as_it_was_written_and_the_reserved_bit_is_ignored() {
        let bytes = head_bytes(0x01_02_03, 9, 5, 0x8000_0007);
        let head = Head { length: 0x01_02_03, kind: 9, flags: 5, stream: 7 };
        assert_eq!(Head::parse(&bytes), Some(head));
        assert_eq!(Head::parse(&bytes[..8]), None);
    }

    #[test]
    fn padding_is_taken_off_and_counts_for_the_window() {
        let padded = frame(kind::DATA, flag::PADDED | flag::END_STREAM, 1, b"\x03dataxxx");
        let data = Bytes::from_static(b"data");
        assert_eq!(parse(&padded), Ok(Frame::Data { stream: 1, data, flow: 8, end: true }));
        let all = frame(kind::DATA, flag::PADDED, 1, b"\x02xx");
        assert_eq!(parse(&all), Ok(Frame::Data { stream: 1, data: Bytes::new(), flow: 3, end: false }));
        let more = frame(kind::DATA, flag::PADDED, 1, b"\x03xx");
        assert!(matches!(parse(&more), Err(Fault::Connection(Reason::Protocol, _))));
        let none = frame(kind::DATA, flag::PADDED, 1, b"");
        assert!(matches!(parse(&none), Err(Fault::Connection(Reason::FrameSize, _))));
    }

    #[test]
    fn headers_may_name_a_dependency_behind_their_padding() {
        let flags = flag::PADDED | flag::PRIORITY | flag::END_HEADERS;
        let bytes = frame(kind::HEADERS, flags, 3, b"\x01\x80\x00\x00\x05\x10blockp");
        let block = Bytes::from_static(b"block");
        let expected = Frame::Headers { stream: 3, block, end_stream: false, end_headers: true, depends_on: Some(5) };
        assert_eq!(parse(&bytes), Ok(expected));
        let short = frame(kind::HEADERS, flag::PRIORITY, 3, b"\x00\x00\x00\x01");
        assert!(matches!(parse(&short), Err(Fault::Connection(Reason::FrameSize, _))));
    }

    #[test]
    fn frames_stand_on_streams_or_on_the_connection_and_have_their_sizes() {
        use Reason::{FrameSize, Protocol};
        let rows: &[(u8, u8, u32, &[u8], Fault)] = &[
            (kind::DATA, 0, 0, b"x", protocol("")),
            (kind::HEADERS, 4, 0, b"x", protocol("")),
            (kind::CONTINUATION, 4, 0, b"x", protocol("")),
            (kind::PRIORITY, 0, 0, b"12345", protocol("")),
            (kind::PRIORITY, 0, 5, b"1234", Fault::Stream(5, FrameSize)),
            (kind::RST_STREAM, 0, 0, b"1234", protocol("")),
            (kind::RST_STREAM, 0, 1, b"123", size("")),
            (kind::SETTINGS, 0, 1, b"", protocol("")),
            (kind::SETTINGS, 0, 0, b"12345", size("")),
            (kind::SETTINGS, flag::ACK, 0, b"123456", size("")),
            (kind::PING, 0, 1, b"12345678", protocol("")),
            (kind::PING, 0, 0, b"1234567", size("")),
            (kind::GOAWAY, 0, 1, b"12345678", protocol("")),
            (kind::GOAWAY, 0, 0, b"1234567", size("")),
            (kind::WINDOW_UPDATE, 0, 0, b"123", size("")),
            (kind::WINDOW_UPDATE, 0, 0, b"\x80\0\0\0", protocol("")),
            (kind::WINDOW_UPDATE, 0, 3, b"\0\0\0\0", Fault::Stream(3, Protocol)),
            (kind::PUSH_PROMISE, 4, 1, b"1234", protocol("")),
        ];
        for (kind, flags, stream, payload, expected) in rows {
            let fault = parse(&frame(*kind, *flags, *stream, payload)).unwrap_err();
            let same = match (fault, *expected) {
                (Fault::Connection(a, _), Fault::Connection(b, _)) => a == b,
                (a, b) => a == b,
            };
            assert!(same, "type {kind}, stream {stream}, {payload:?}: {fault:?}");
        }
    }

    #[test]
    fn what_is_written_is_understood() {
        let mut out = BytesMut::new();
        ping(&mut out, *b"12345678", true);
        assert_eq!(parse(&out), Ok(Frame::Pong(*b"12345678")));
        out.clear();
        window_update(&mut out, 7, 1000);
        assert_eq!(parse(&out), Ok(Frame::WindowUpdate { stream: 7, increment: 1000 }));
        out.clear();
        reset(&mut out, 7, Reason::Cancel);
        assert_eq!(parse(&out), Ok(Frame::Reset { stream: 7, code: 8 }));
        out.clear();
        settings(&mut out, &[(setting::ENABLE_PUSH, 0), (setting::MAX_FRAME_SIZE, 16_384)]);
        assert_eq!(parse(&out), Ok(Frame::Settings(Bytes::from_static(b"\0\x02\0\0\0\0\0\x05\0\0\x40\0"))));
        out.clear();
        settings_ack(&mut out);
        assert_eq!(parse(&out), Ok(Frame::SettingsAck));
        out.clear();
        go_away(&mut out, 5, Reason::NoError);
        assert_eq!(parse(&out), Ok(Frame::GoAway { last: 5, code: 0 }));
        assert_eq!(parse(&frame(0xbe, 0xff, 9, b"anything")), Ok(Frame::Unknown));
    }
}
