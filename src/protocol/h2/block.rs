//! A field block that is sent in several frames (RFC 9113, section 4.3).

use bytes::{Bytes, BytesMut};

use super::frame::{Fault, Frame, Reason, protocol};

/// The most frames of one field block, whatever their size. A block of CONTINUATION frames without end is an attack
/// (CVE-2024-27316).
const MAX_FRAGMENTS: usize = 64;

/// A field block that is not complete yet.
#[derive(Debug)]
pub struct Block {
    /// The stream that it belongs to.
    pub stream: u32,
    /// Whether the stream ends with this block.
    pub end_stream: bool,
    /// Whether the stream was declared to depend on itself (RFC 7540, section 5.3.1). We still treat that as an error of the
    /// stream.
    pub circular: bool,
    fields: BytesMut,
    fragments: usize,
}

/// Whether this frame is allowed now. A connection begins with SETTINGS (section 3.4); `settled` is set when they come. No other
/// frame is allowed between the frames of a field block (section 6.10), which `block` has if it is not complete.
///
/// # Errors
///
/// An error of the connection when the frame is not allowed.
pub fn check_sequence(block: Option<&Block>, frame: &Frame, settled: &mut bool) -> Result<(), Fault> {
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
    /// A field block whose first frame has these fields.
    pub fn new(stream: u32, end_stream: bool, circular: bool, fields: Bytes) -> Self {
        Self { stream, end_stream, circular, fields: fields.into(), fragments: 1 }
    }

    /// Appends the fields of another frame.
    ///
    /// # Errors
    ///
    /// An error of the connection when the block has too many frames, or more than `most` bytes.
    pub fn add(&mut self, fields: &[u8], most: usize) -> Result<(), Fault> {
        self.fragments += 1;
        self.fields.extend_from_slice(fields);
        if self.fragments > MAX_FRAGMENTS || self.fields.len() > most {
            return Err(Fault::Connection(Reason::EnhanceYourCalm, "a field block without end"));
        }
        Ok(())
    }

    /// The fields of the complete block.
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
        assert!(check_sequence(None, &Frame::SettingsAck, &mut settled).is_err());
        assert!(check_sequence(None, &Frame::Settings(Bytes::new()), &mut settled).is_ok() && settled);
        assert!(check_sequence(None, &Frame::SettingsAck, &mut settled).is_ok());
        assert!(check_sequence(None, &more(1), &mut settled).is_err(), "of nothing");
        let block = Block::new(1, false, false, Bytes::new());
        assert!(check_sequence(Some(&block), &more(1), &mut settled).is_ok());
        assert!(check_sequence(Some(&block), &more(3), &mut settled).is_err(), "of another stream");
        for frame in [Frame::SettingsAck, Frame::Settings(Bytes::new()), Frame::Unknown] {
            assert!(check_sequence(Some(&block), &frame, &mut settled).is_err(), "{frame:?}");
        }
    }
}
