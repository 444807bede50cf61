//! A part of a message whose length is said before it, though it may not have come whole.

/// Said of every length that does not fit into the one around it.
pub(super) const LYING_LENGTH: &str = "a length in the ClientHello reaches beyond what it is in";

/// Why reading came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The rest has not come yet.
    Short,
    /// No rest makes it good.
    Refused(&'static str),
}

/// A part of the message: how long it is by its length field, and what has come of it.
pub(super) struct Part<'a> {
    /// Never more than `left`.
    bytes: &'a [u8],
    /// What is still to be read.
    left: usize,
}

impl<'a> Part<'a> {
    /// A part of `left` bytes, of which these have come.
    pub(super) fn new(bytes: &'a [u8], left: usize) -> Self {
        Self { bytes, left }
    }

    /// How much of it is still to be read, whether it has come or not.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// What of it has come and was not read.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether it has been read to its end.
    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The next `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        if length > self.left {
            return Err(Stop::Refused(LYING_LENGTH));
        }
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Stop::Short)?;
        (self.bytes, self.left) = (rest, self.left - length);
        Ok(taken)
    }

    /// The next byte.
    pub(super) fn u8(&mut self) -> Result<u8, Stop> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Stop> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A part with a byte before it that tells its length.
    pub(super) fn vector8(&mut self) -> Result<Self, Stop> {
        let length = self.u8()?;
        self.split(length.into())
    }

    /// A part with two bytes before it that tell its length.
    pub(super) fn vector16(&mut self) -> Result<Self, Stop> {
        let length = self.u16()?;
        self.split(length.into())
    }

    /// The same where nothing may come after it.
    pub(super) fn only_vector16(&mut self, otherwise: &'static str) -> Result<Self, Stop> {
        let vector = self.vector16()?;
        if self.is_empty() { Ok(vector) } else { Err(Stop::Refused(otherwise)) }
    }

    /// All of it, if it has come.
    pub(super) fn whole(mut self) -> Result<&'a [u8], Stop> {
        self.take(self.left)
    }

    /// Takes a part of this one, though it may not have come whole.
    fn split(&mut self, length: usize) -> Result<Self, Stop> {
        if length > self.left {
            return Err(Stop::Refused(LYING_LENGTH));
        }
        let (bytes, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        (self.bytes, self.left) = (rest, self.left - length);
        Ok(Self { bytes, left: length })
    }
}
