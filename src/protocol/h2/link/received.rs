//! The part of a body that has arrived on a stream and was not read yet.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::protocol::h2::frame::COPY;

/// When more than this is unread, further data is copied together. Otherwise each piece would keep alive the buffer that it was
/// read into, which is much larger.
pub(super) const BEHIND: usize = 64 * 1024;

/// The part of a body that has arrived and was not read yet.
#[derive(Debug, Default)]
pub(super) struct Received {
    pieces: VecDeque<Bytes>,
    /// Data that came after `pieces`, copied together.
    rest: BytesMut,
    /// The number of bytes in `pieces` and `rest`.
    pub bytes: usize,
}

impl Received {
    /// Adds data that has arrived. It costs about its size in memory, however small the pieces are and whatever else was read
    /// with them.
    pub fn push(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        let apart = self.bytes == 0 || (data.len() > COPY && self.bytes <= BEHIND);
        self.bytes += data.len();
        if !apart {
            self.rest.extend_from_slice(&data);
            return;
        }
        if !self.rest.is_empty() {
            self.pieces.push_back(self.rest.split().freeze());
        }
        self.pieces.push_back(data);
    }

    /// Removes the next piece.
    pub fn pop(&mut self) -> Option<Bytes> {
        let piece = match self.pieces.pop_front() {
            Some(piece) => piece,
            None if self.rest.is_empty() => return None,
            // cut, so that the reader does not get a larger piece than one that keeps up
            None if self.rest.len() > BEHIND => self.rest.split_to(BEHIND).freeze(),
            None => std::mem::take(&mut self.rest).freeze(),
        };
        self.bytes -= piece.len();
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_tiny_pieces_is_kept_together_and_in_order() {
        let mut received = Received::default();
        let large = |byte| Bytes::from(vec![byte; 2 * COPY]);
        let sent = [Bytes::from_static(b"a"), Bytes::from_static(b"b"), Bytes::from_static(b"c"), large(b'L')];
        for _ in 0..1000 {
            sent.iter().for_each(|piece| received.push(piece.clone()));
        }
        assert!(received.pieces.len() < 80, "{}", received.pieces.len());
        let whole = sent.concat().repeat(1000);
        assert_eq!(received.bytes, whole.len());
        let got: Vec<u8> = std::iter::from_fn(|| received.pop()).flatten().collect();
        assert_eq!(got, whole);
        assert_eq!(received.bytes, 0);
    }
}
