//! A part of a message with a known length, of which not all bytes may have arrived.

/// The error for a length that exceeds the part which contains it.
pub(super) const LENGTH_TOO_LARGE: &str = "a length in the ClientHello reaches beyond what it is in";

/// Why parsing has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The next bytes have not arrived yet.
    Short,
    /// The message is invalid, whatever follows.
    Refused(&'static str),
}

/// A part of the message: the bytes of it that have arrived, and its length by the length field.
pub(super) struct Part<'a> {
    /// The bytes that have arrived and were not read; never more than `left`.
    bytes: &'a [u8],
    /// The number of bytes that are still to be read.
    left: usize,
}

impl<'a> Part<'a> {
    /// A part of `left` bytes, of which `bytes` have arrived.
    pub(super) fn new(bytes: &'a [u8], left: usize) -> Self {
        Self { bytes, left }
    }

    /// The number of bytes that are still to be read, whether they have arrived or not.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// The bytes that have arrived and were not read.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether everything was read.
    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Reads the next `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        if length > self.left {
            return Err(Stop::Refused(LENGTH_TOO_LARGE));
        }
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Stop::Short)?;
        (self.bytes, self.left) = (rest, self.left - length);
        Ok(taken)
    }

    /// Reads the next byte.
    pub(super) fn u8(&mut self) -> Result<u8, Stop> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Stop> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Reads a part after a length of one byte.
    pub(super) fn vector8(&mut self) -> Result<Self, Stop> {
        let length = self.u8()?;
        self.split(length.into())
    }

    /// Reads a part after a length of two bytes.
    pub(super) fn vector16(&mut self) -> Result<Self, Stop> {
        let length = self.u16()?;
        self.split(length.into())
    }

    /// Reads a part after a length of two bytes, after which nothing may follow; the error for that is `otherwise`.
    pub(super) fn only_vector16(&mut self, otherwise: &'static str) -> Result<Self, Stop> {
        let vector = self.vector16()?;
        if self.is_empty() { Ok(vector) } else { Err(Stop::Refused(otherwise)) }
    }

    /// All bytes of the part, if they have arrived.
    pub(super) fn whole(mut self) -> Result<&'a [u8], Stop> {
        self.take(self.left)
    }

    /// Splits off a part of `length` bytes, of which not all may have arrived.
    fn split(&mut self, length: usize) -> Result<Self, Stop> {
        if length > self.left {
            return Err(Stop::Refused(LENGTH_TOO_LARGE));
        }
        let (bytes, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        (self.bytes, self.left) = (rest, self.left - length);
        Ok(Self { bytes, left: length })
    }
}
