//! A field block that comes in several frames (RFC 9113, section 4.3).

use bytes::{Bytes, BytesMut};

use super::frame::{Fault, Reason};

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
