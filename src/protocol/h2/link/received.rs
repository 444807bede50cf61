//! The body that comes on a stream, as far as it came and was not read.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::protocol::h2::frame::COPY;

/// A reader that is so far behind gets what follows copied together: each piece would keep the buffer that it was read into, which
/// is much larger.
pub(super) const BEHIND: usize = 64 * 1024;

/// A body as far as it came and was not read.
#[derive(Debug, Default)]
pub(super) struct Received {
    pieces: VecDeque<Bytes>,
    /// Small pieces behind those, copied together.
    rest: BytesMut,
    /// How much that is.
    pub bytes: usize,
}

impl Received {
    /// Takes what came. A body costs about what it weighs, however small its pieces are and however much was read with them.
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

    /// The next piece.
    pub fn pop(&mut self) -> Option<Bytes> {
        let piece = match self.pieces.pop_front() {
            Some(piece) => piece,
            None if self.rest.is_empty() => return None,
            // what its reader holds is no more than it would be of one that keeps up
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
