//! Looks for some bytes in an answer that comes in pieces.

use memchr::memmem;

use super::MAX_ANSWER;

/// A search under way.
#[derive(Debug)]
pub struct Search<'a> {
    wanted: &'a [u8],
    seen: Vec<u8>,
}

impl<'a> Search<'a> {
    /// A search for `wanted`.
    pub fn new(wanted: &'a [u8]) -> Self {
        Self { wanted, seen: Vec::new() }
    }

    /// Whether it has been found, now that `piece` has come too. Each byte is looked at no more often than `wanted` is
    /// long.
    pub fn finds(&mut self, piece: &[u8]) -> bool {
        let from = self.seen.len().saturating_sub(self.wanted.len().saturating_sub(1));
        let room = MAX_ANSWER - self.seen.len();
        self.seen.extend_from_slice(&piece[..piece.len().min(room)]);
        memmem::find(&self.seen[from..], self.wanted).is_some()
    }

    /// Whether the search has ended because too much has come.
    pub fn is_full(&self) -> bool {
        self.seen.len() >= MAX_ANSWER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_across_pieces() {
        let mut search = Search::new(b"+PONG");
        assert!(!search.finds(b"-NOAUTH\r\n+P"));
        assert!(!search.finds(b"O"));
        assert!(search.finds(b"NG\r\n"));
    }

    #[test]
    fn it_gives_up_after_64_kib() {
        let mut search = Search::new(b"ok");
        assert!(!search.finds(&[b'x'; MAX_ANSWER - 1]));
        assert!(!search.is_full());
        assert!(!search.finds(b"ok"));
        assert!(search.is_full());
        assert!(!search.finds(b"ok"));
    }

    #[test]
    fn nothing_is_found_anywhere() {
        assert!(Search::new(b"").finds(b""));
        assert!(Search::new(b"").finds(b"x"));
    }
}
