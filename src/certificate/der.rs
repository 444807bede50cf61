//! The little of DER (X.690) that OCSP responses need.

/// A number.
pub const INTEGER: u8 = 0x02;
/// Bytes.
pub const OCTET_STRING: u8 = 0x04;
/// An object identifier.
pub const OBJECT_ID: u8 = 0x06;
/// One of several numbers.
pub const ENUMERATED: u8 = 0x0A;
/// A time.
pub const GENERALIZED_TIME: u8 = 0x18;
/// A sequence.
pub const SEQUENCE: u8 = 0x30;
/// What is tagged `[0]`, with an element in it.
pub const CONTEXT_0: u8 = 0xA0;
/// What is tagged `[1]`, with elements in it.
pub const CONTEXT_1: u8 = 0xA1;

/// Takes one element after the other.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The contents of the next element, which has to have this tag.
    pub fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, contents) = self.any()?;
        (found == tag).then_some(contents)
    }

    /// The contents of the next element if it has this tag; any other stays.
    pub fn skip_if(&mut self, tag: u8) -> Option<&'a [u8]> {
        (self.0.first() == Some(&tag)).then(|| self.take(tag))?
    }

    /// The next element, whatever it is: its tag and its contents.
    pub fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, length], rest) = self.0.split_first_chunk()?;
        // 8.1.3: short, or with so many bytes of length; nothing here is longer than a few hundred KiB
        let (length, rest) = match length {
            ..=0x7F => (usize::from(length), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x0F))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, contents))
    }

    /// Whether nothing follows.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An element with these contents, of less than 64 KiB.
pub fn wrapped(tag: u8, contents: &[u8]) -> Vec<u8> {
    let [.., high, low] = contents.len().to_be_bytes();
    let mut element = match contents.len() {
        ..=0x7F => vec![tag, low],
        0x80..=0xFF => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    element.extend_from_slice(contents);
    element
}
