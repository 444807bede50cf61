//! What the proxy sends, taken account of: anything that a server must not send is a failure.

use super::{Connection, WINDOW};
use crate::h2_frames::frame::{
    ACK, CONTINUATION, DATA, END_STREAM, Frame, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, MAX_WINDOW, PING, PRIORITY,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame as frame_of,
};

impl Connection {
    pub(super) fn take_in(&mut self, frame: &Frame) {
        let on_stream = match frame.kind {
            DATA | HEADERS | PRIORITY | RST_STREAM => true,
            SETTINGS | PING | GOAWAY => false,
            WINDOW_UPDATE => frame.stream != 0,
            PUSH_PROMISE | CONTINUATION => panic!("no server sends this here: {frame:?}"),
            _ => return,
        };
        assert_eq!(frame.stream % 2 == 1, on_stream, "not on this stream: {frame:?}");
        match frame.kind {
            DATA => self.take_data(frame),
            HEADERS => self.take_headers(frame),
            RST_STREAM => self.stream(frame.stream).reset = Some(frame.number(0)),
            SETTINGS => self.take_settings(frame),
            PING if frame.has(ACK) => self.pongs.push(frame.payload.clone()),
            PING => drop(self.send(frame_of(PING, ACK, 0, &frame.payload))),
            GOAWAY => self.goaway = Some((frame.number(0), frame.number(4))),
            WINDOW_UPDATE => self.take_window_update(frame),
            _ => {}
        }
    }

    fn take_data(&mut self, frame: &Frame) {
        let length = i64::try_from(frame.payload.len()).unwrap();
        self.room -= length;
        assert!(self.room >= 0, "more than the connection has room for");
        let stream = self.stream(frame.stream);
        stream.room -= length;
        assert!(length == 0 || stream.room >= 0, "more than stream {} has room for", frame.stream);
        assert!(stream.status != 0 && !stream.is_over(), "not the time for DATA on stream {}", frame.stream);
        stream.body.extend(&frame.payload);
        stream.ended = frame.has(END_STREAM);
    }

    fn take_headers(&mut self, frame: &Frame) {
        let fields = self.decoder.decode(&frame.payload);
        let lower = |name: &str| !name.is_empty() && !name.bytes().any(|b| b.is_ascii_uppercase());
        assert!(fields.iter().all(|(name, _)| lower(name)), "{fields:?}");
        let stream = self.stream(frame.stream);
        assert!(!stream.is_over(), "HEADERS after the end of stream {}", frame.stream);
        if stream.status != 0 {
            assert!(frame.has(END_STREAM), "trailers without END_STREAM: {fields:?}");
            assert!(fields.iter().all(|(name, _)| !name.starts_with(':')), "{fields:?}");
            stream.trailers = fields;
        } else {
            let status =
                fields.first().filter(|(name, _)| name == ":status").expect("an answer begins with its status");
            assert!(fields[1..].iter().all(|(name, _)| !name.starts_with(':')), "{fields:?}");
            match status.1.parse().unwrap() {
                status @ 100..=199 => stream.interim.push(status),
                status => (stream.status, stream.fields) = (status, fields),
            }
        }
        stream.ended = frame.has(END_STREAM);
    }

    fn take_settings(&mut self, frame: &Frame) {
        if frame.has(ACK) {
            self.acks += 1;
            // of settings that were sent by hand there is nothing to apply
            for (id, value) in self.pending.pop_front().unwrap_or_default() {
                self.apply(id, value);
            }
            return;
        }
        let settings = self.settings.get_or_insert_default();
        for pair in frame.payload.chunks(6) {
            let value = u32::from_be_bytes(pair[2..6].try_into().unwrap());
            settings.insert(u16::from_be_bytes([pair[0], pair[1]]), value);
        }
        let initial = settings.get(&INITIAL_WINDOW_SIZE).map_or(WINDOW, |size| i64::from(*size));
        let by = initial - self.initial_window;
        self.initial_window = initial;
        self.streams.values_mut().for_each(|stream| stream.window += by);
        self.send(frame_of(SETTINGS, ACK, 0, &[]));
    }

    fn take_window_update(&mut self, frame: &Frame) {
        let by = frame.number(0);
        assert!((1..=MAX_WINDOW).contains(&by), "a window update of {by}");
        let window = match frame.stream {
            0 => &mut self.window,
            stream => &mut self.stream(stream).window,
        };
        *window += i64::from(by);
        assert!(*window <= i64::from(MAX_WINDOW), "a window of {window}");
    }
}
