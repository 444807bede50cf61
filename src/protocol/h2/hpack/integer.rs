//! Reads the parts of a block: bytes, strings, and integers (RFC 7541, section 5.1).

use std::ops::Range;

use super::CompressionError;

/// The most bytes that may follow the first byte of an integer. They hold 28 bits, which is more than a block can be long. A
/// longer integer is an error, as section 5.1 demands when a limit of an implementation is exceeded.
const MAX_MORE: usize = 4;

/// The unread part of a block.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    block: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        Self { block, at: 0 }
    }

    /// The next byte, which is not consumed.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.block.get(self.at).copied()
    }

    /// Reads an integer. `first` is the next byte, and `mask` has the low bits of it that are part of the integer.
    #[inline]
    pub(super) fn integer(&mut self, first: u8, mask: u8) -> Result<usize, CompressionError> {
        self.at += 1;
        let value = first & mask;
        if value < mask { Ok(usize::from(value)) } else { self.long_integer(mask) }
    }

    #[cold]
    fn long_integer(&mut self, mask: u8) -> Result<usize, CompressionError> {
        let more = self.block.get(self.at..).unwrap_or_default();
        let mut value = usize::from(mask);
        for (i, byte) in more.iter().take(MAX_MORE).enumerate() {
            value += usize::from(byte & 0x7F) << (7 * i);
            if byte & 0x80 == 0 {
                self.at += i + 1;
                return Ok(value);
            }
        }
        Err(CompressionError)
    }

    /// Consumes `length` bytes, and returns them with their place in the block.
    #[inline]
    pub(super) fn take(&mut self, length: usize) -> Result<(&'a [u8], Range<usize>), CompressionError> {
        let range = self.at..self.at + length;
        let bytes = self.block.get(range.clone()).ok_or(CompressionError)?;
        self.at = range.end;
        Ok((bytes, range))
    }
}

#[cfg(test)]
mod tests {
    use super::{CompressionError, Reader};

    /// Reads all of the bytes as one integer.
    fn integer(bytes: &[u8], mask: u8) -> Result<usize, CompressionError> {
        let mut reader = Reader::new(bytes);
        let value = reader.integer(bytes[0], mask)?;
        assert_eq!(reader.at, bytes.len());
        Ok(value)
    }

    /// RFC 7541, appendix C.1.
    #[test]
    fn the_integers_of_the_specification_are_read() {
        assert_eq!(integer(&[0b1110_1010], 0x1F), Ok(10));
        assert_eq!(integer(&[0b0001_1111, 0b1001_1010, 0b0000_1010], 0x1F), Ok(1337));
        assert_eq!(integer(&[42], 0xFF), Ok(42));
    }

    #[test]
    fn the_largest_of_a_prefix_has_a_byte_more() {
        for bits in 1..=8 {
            let mask = 0xFF_u8 >> (8 - bits);
            assert_eq!(integer(&[mask, 0], mask), Ok(usize::from(mask)));
            assert_eq!(integer(&[mask, 0x80, 0], mask), Ok(usize::from(mask)), "zeros may follow");
            assert_eq!(integer(&[mask - 1], mask), Ok(usize::from(mask) - 1));
            assert_eq!(integer(&[mask], mask), Err(CompressionError), "cut");
        }
    }

    #[test]
    fn an_integer_that_never_ends_is_refused() {
        assert_eq!(integer(&[0xFF, 0xFF, 0xFF, 0xFF, 0x7F], 0xFF), Ok(255 + (1 << 28) - 1));
        assert_eq!(integer(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], 0xFF), Err(CompressionError));
        assert_eq!(integer(&[0xFF, 0x80, 0x80, 0x80, 0x80, 0x00], 0xFF), Err(CompressionError));
        assert_eq!(integer(&[0xFF; 100], 0xFF), Err(CompressionError));
    }

    #[test]
    fn no_more_is_taken_than_there_is() {
        let mut reader = Reader::new(b"abc");
        assert_eq!(reader.take(4), Err(CompressionError));
        assert_eq!(reader.take(2), Ok((&b"ab"[..], 0..2)));
        assert_eq!(reader.take(1), Ok((&b"c"[..], 2..3)));
        assert_eq!(reader.peek(), None);
        assert_eq!(reader.take(0), Ok((&b""[..], 3..3)));
    }
}
