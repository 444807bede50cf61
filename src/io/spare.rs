//! Buffers that nobody uses now, kept on each thread for who needs one next.
//!
//! A connection has something to write for a moment only. The next one takes the buffer that was given back last, which is still in the
//! processor's caches; one for each connection would be memory that waits, and would not be.

use std::cell::RefCell;

use bytes::BytesMut;

/// What a new one has room for: the head of a message, mostly.
const ROOM: usize = 1024;
/// One that has grown beyond this is not kept.
const KEEP: usize = 16 * 1024;
/// As many are kept: 512 KiB at most, and far more than are given back in one turn of a thread mostly.
const MOST: usize = 32;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with some room.
pub fn take() -> BytesMut {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(ROOM))
}

/// Gives one back; what is in it is forgotten.
pub fn give(mut buf: BytesMut) {
    buf.clear();
    if (ROOM..=KEEP).contains(&buf.capacity()) {
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < MOST {
                spare.push(buf);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_back_last_is_taken_next_empty() {
        let mut buf = take();
        buf.extend_from_slice(&[7; 3000]);
        let room = buf.capacity();
        give(buf);
        let again = take();
        assert_eq!((again.len(), again.capacity()), (0, room));
    }

    #[test]
    fn no_more_is_kept_than_some_small_ones() {
        give(BytesMut::with_capacity(KEEP + 1));
        give(BytesMut::new());
        assert!(SPARE.with_borrow(Vec::is_empty));
        (0..2 * MOST).for_each(|_| give(BytesMut::with_capacity(ROOM)));
        assert_eq!(SPARE.with_borrow(Vec::len), MOST);
    }
}
