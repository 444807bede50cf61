//! Buffers that are not in use, kept on each thread for whoever needs one next.
//!
//! A connection needs a buffer only while it writes. The next one takes the buffer that was given back last, which is
//! still in the processor's caches; a buffer for each connection would be memory that waits, and would not be in the
//! caches.

use std::cell::RefCell;

use bytes::BytesMut;

/// The room of a new buffer: enough for the head of most messages.
const ROOM: usize = 1024;
/// A buffer that has grown beyond this is not kept.
const KEEP: usize = 16 * 1024;
/// How many are kept: 512 KiB at most, and far more than are mostly given back in one turn of the event loop.
const MOST: usize = 32;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with some room.
pub fn take() -> BytesMut {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(ROOM))
}

/// Gives a buffer back; its content is dropped.
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
