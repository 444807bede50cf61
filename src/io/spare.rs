//! Spare buffers, kept on each thread for whoever needs one next.
//!
//! A connection has something to write only for a moment. The next one takes the buffer that was returned last, which is still in
//! the processor's caches. A buffer for each connection would occupy memory while it waits, and would not be in the caches.

use std::cell::RefCell;

use bytes::BytesMut;

/// The capacity of a new buffer in bytes; it suffices for the heads of most messages.
const ROOM: usize = 1024;
/// A buffer with more capacity than this is not kept.
const KEEP: usize = 16 * 1024;
/// The most buffers that are kept: 512 KiB in all at most. A thread seldom returns as many in one turn of its event loop.
const MOST: usize = 32;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with some capacity.
pub fn take() -> BytesMut {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(ROOM))
}

/// Returns a buffer, whose content is dropped.
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
