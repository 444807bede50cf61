//! A field block that comes in several frames (RFC 9113, section 4.3).

use bytes::{Bytes, BytesMut};

use super::frame::{Fault, Frame, Reason, protocol};

/// Frames of one field block, of any size: CONTINUATION without end is an attack (CVE-2024-27316).
const MAX_FRAGMENTS: usize = 64;

/// A field block that is not whole.
#[derive(Debug)]
pub struct Block {
    /// Its stream.
    pub stream: u32,
    /// The stream ends with it.
    pub end_stream: bool,
    /// It depends on itself (RFC 7540, section 5.3.1): an error of that stream, still.
    pub circular: bool,
    fields: BytesMut,
    fragments: usize,
}

/// Whether this frame may come now: SETTINGS come first (section 3.4), which `settled` then tells, and nothing comes between the frames
/// of a `block` that is not whole (section 6.10).
///
/// # Errors
///
/// Those of the connection, when it may not.
pub fn in_order(block: Option<&Block>, frame: &Frame, settled: &mut bool) -> Result<(), Fault> {
    match (block, frame) {
        (Some(block), Frame::Continuation { stream, .. }) if block.stream == *stream => {}
        (Some(_), _) => return Err(protocol("a field block that is not finished")),
        (None, Frame::Continuation { .. }) => return Err(protocol("CONTINUATION of nothing")),
        (None, Frame::Settings(_)) => *settled = true,
        (None, _) if !*settled => return Err(protocol("SETTINGS do not come first")),
        (None, _) => {}
    }
    Ok(())
}

impl Block {
    /// One that begins with these bytes.
    pub fn new(stream: u32, end_stream: bool, circular: bool, fields: Bytes) -> Self {
        Self { stream, end_stream, circular, fields: fields.into(), fragments: 1 }
    }

    /// More of it has come.
    ///
    /// # Errors
    ///
    /// When it has more frames than any block needs, or more than `most` bytes.
    pub fn add(&mut self, fields: &[u8], most: usize) -> Result<(), Fault> {
        self.fragments += 1;
        self.fields.extend_from_slice(fields);
        if self.fragments > MAX_FRAGMENTS || self.fields.len() > most {
            return Err(Fault::Connection(Reason::EnhanceYourCalm, "a field block without end"));
        }
        Ok(())
    }

    /// All of it.
    pub fn into_fields(self) -> Bytes {
        self.fields.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_first_and_nothing_comes_between_the_frames_of_a_block() {
        let mut settled = false;
        let more = |stream| Frame::Continuation { stream, block: Bytes::new(), end_headers: true };
        assert!(in_order(None, &Frame::SettingsAck, &mut settled).is_err());
        assert!(in_order(None, &Frame::Settings(Bytes::new()), &mut settled).is_ok() && settled);
        assert!(in_order(None, &Frame::SettingsAck, &mut settled).is_ok());
        assert!(in_order(None, &more(1), &mut settled).is_err(), "of nothing");
        let block = Block::new(1, false, false, Bytes::new());
        assert!(in_order(Some(&block), &more(1), &mut settled).is_ok());
        assert!(in_order(Some(&block), &more(3), &mut settled).is_err(), "of another stream");
        for frame in [Frame::SettingsAck, Frame::Settings(Bytes::new()), Frame::Unknown] {
            assert!(in_order(Some(&block), &frame, &mut settled).is_err(), "{frame:?}");
        }
    }
}
