//! Flow-control windows (RFC 9113, sections 5.2 and 6.9), for what we send and for what the peer sends.

use super::frame::MAX_WINDOW;

/// The number of bytes that we may send. It can be negative, because the peer may lower its initial window while data is in
/// flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(i64);

/// The window for what the peer sends: the bytes that it may still send, the bytes that were used up and not yet given back by
/// WINDOW_UPDATE, and the size of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inflow {
    left: u32,
    used: u32,
    size: u32,
}

impl Window {
    /// A window of `size` bytes.
    pub fn new(size: u32) -> Self {
        Self(i64::from(size))
    }

    /// The number of bytes that may be sent now.
    pub fn room(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    /// Counts bytes that are sent. They must not be more than there is [room](Self::room) for.
    pub fn take(&mut self, bytes: usize) {
        self.0 -= bytes as i64;
    }

    /// Changes the window by `by` bytes. `false` when it becomes larger than a window may be.
    #[must_use]
    pub fn shift(&mut self, by: i64) -> bool {
        self.0 += by;
        self.0 <= i64::from(MAX_WINDOW)
    }
}

impl Inflow {
    /// A window of `size` bytes.
    pub fn new(size: u32) -> Self {
        Self { left: size, used: 0, size }
    }

    /// Counts bytes that have arrived. `false` when they are more than the window allows.
    #[must_use]
    pub fn receive(&mut self, bytes: u32) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }

    /// The bytes that the peer may still send.
    pub fn left(&self) -> u32 {
        self.left
    }

    /// Counts bytes that were used up. Returns the increment for a WINDOW_UPDATE once it is worth a frame, which is half a
    /// window.
    #[must_use]
    pub fn release(&mut self, bytes: u32) -> Option<u32> {
        self.release_from(self.size / 2, bytes)
    }

    /// The same for a window that many streams share. An increment is also returned once it is as much as the peer may still
    /// send: when some streams hold most of the window for long, the others would never use up half of it.
    #[must_use]
    pub fn release_shared(&mut self, bytes: u32) -> Option<u32> {
        self.release_from((self.size / 2).min(self.left.max(1)), bytes)
    }

    fn release_from(&mut self, least: u32, bytes: u32) -> Option<u32> {
        self.used += bytes;
        if self.used < least {
            return None;
        }
        self.left += self.used;
        Some(std::mem::take(&mut self.used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_become_negative_and_may_not_become_too_large() {
        let mut window = Window::new(100);
        window.take(60);
        assert_eq!(window.room(), 40);
        assert!(window.shift(-100));
        assert_eq!(window.room(), 0);
        assert!(window.shift(61));
        assert_eq!(window.room(), 1);
        assert!(window.shift(i64::from(MAX_WINDOW) - 1));
        assert!(!window.shift(1));
    }

    #[test]
    fn what_is_left_beside_what_others_hold_goes_round() {
        let mut inflow = Inflow::new(1000);
        // others hold 900 of it
        assert!(inflow.receive(900));
        for _ in 0..100 {
            assert!(inflow.receive(100));
            assert_eq!(inflow.release_shared(0), None);
            assert_eq!(inflow.release_shared(100), Some(100));
        }
    }

    #[test]
    fn what_was_used_is_given_back_by_halves() {
        let mut inflow = Inflow::new(1000);
        assert!(inflow.receive(700));
        assert!(!inflow.receive(301));
        assert_eq!(inflow.release(499), None);
        assert_eq!(inflow.release(1), Some(500));
        assert_eq!(inflow.release(200), None);
        assert!(inflow.receive(800));
        assert!(!inflow.receive(1));
    }
}
