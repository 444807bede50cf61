//! Requests that are still on their way although they were answered.
//!
//! A server may tell the client by RST_STREAM that it need not send the rest (RFC 9113, section 8.1), which saves an upload that nobody reads. But what is small
//! is mostly on its way already, and some clients (curl 7.88 is one) take a reset that meets their request for a failure, and drop the answer. So the rest is let
//! in and dropped for a while, as far as the stream's window reaches, which is not enlarged any more; only then the client is told.

use std::collections::VecDeque;

use super::Shared;
use crate::protocol::h2::frame::Reason;

/// So many of them are let in at a time. One more, and the oldest is reset.
const MOST: usize = 128;

/// The streams whose requests are let in and dropped.
#[derive(Debug, Default)]
pub(in crate::protocol::h2) struct Uploads(VecDeque<Upload>);

#[derive(Debug)]
struct Upload {
    stream: u32,
    /// The bytes that its window still allows.
    left: u32,
    /// It was here when the time of the others began.
    is_old: bool,
}

/// What becomes of a stream on which something has come.
#[derive(Debug, PartialEq, Eq)]
enum Late {
    /// It is none of these.
    Unknown,
    /// It was let in.
    LetIn,
    /// The client can't send more unless it is told to stop.
    Stop,
}

impl Uploads {
    /// Lets the rest of this request in. Returns a stream that has to be reset instead.
    #[must_use]
    pub fn begin(&mut self, stream: u32, left: u32) -> Option<u32> {
        if left == 0 {
            return Some(stream);
        }
        self.0.push_back(Upload { stream, left, is_old: false });
        (self.0.len() > MOST).then(|| self.0.pop_front()).flatten().map(|oldest| oldest.stream)
    }

    /// Data of `bytes` has come, or another frame with none; `end` = it is the last one.
    fn arrived(&mut self, stream: u32, bytes: u32, end: bool) -> Late {
        let Some(at) = self.0.iter().position(|upload| upload.stream == stream) else { return Late::Unknown };
        let upload = &mut self.0[at];
        upload.left = upload.left.saturating_sub(bytes);
        let is_full = upload.left == 0;
        if end || is_full {
            self.0.remove(at);
        }
        if is_full && !end { Late::Stop } else { Late::LetIn }
    }

    /// The client has reset the stream.
    pub fn broken_off(&mut self, stream: u32) {
        self.arrived(stream, 0, true);
    }

    /// The time for those that came before the last call is over: gives the streams that have to be reset.
    fn age(&mut self) -> impl Iterator<Item = u32> {
        let old = self.0.iter().take_while(|upload| upload.is_old).count();
        self.0.iter_mut().for_each(|upload| upload.is_old = true);
        self.0.drain(..old).map(|upload| upload.stream)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Shared {
    /// Something has come on a stream that is not open; `flow` bytes of data, if any, and `end` if it is the last. Returns whether that is in order.
    pub fn arrived_late(&mut self, id: u32, flow: u32, end: bool) -> bool {
        match self.uploads.arrived(id, flow, end) {
            Late::LetIn => true,
            Late::Stop => {
                self.write_reset(id, Reason::NoError);
                true
            }
            // it was on its way when we reset the stream
            Late::Unknown => self.was_reset_by_us(id),
        }
    }

    /// Resets the answered requests that take too long to come in. Returns whether there were any.
    pub fn end_uploads(&mut self) -> bool {
        let late: Vec<u32> = self.uploads.age().collect();
        late.iter().for_each(|id| self.write_reset(*id, Reason::NoError));
        !late.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_let_in_as_far_as_its_window_reaches() {
        let mut uploads = Uploads::default();
        assert_eq!(uploads.begin(1, 0), Some(1));
        for stream in [3, 5, 7] {
            assert_eq!(uploads.begin(stream, 100), None);
        }
        assert_eq!(uploads.arrived(1, 5, false), Late::Unknown);
        assert_eq!([uploads.arrived(3, 99, false), uploads.arrived(3, 1, false)], [Late::LetIn, Late::Stop]);
        assert_eq!([uploads.arrived(5, 100, true), uploads.arrived(5, 1, true)], [Late::LetIn, Late::Unknown]);
        assert_eq!(uploads.arrived(7, 0, true), Late::LetIn);
        assert!(uploads.is_empty());
    }

    #[test]
    fn each_has_its_time_and_not_twice_of_that() {
        let mut uploads = Uploads::default();
        let mut aged = |new: u32| {
            let aged: Vec<_> = uploads.age().collect();
            assert_eq!(uploads.begin(new, 10), None);
            aged
        };
        assert_eq!([aged(1), aged(3), aged(5), aged(7)], [vec![], vec![], vec![1], vec![3]]);
    }

    #[test]
    fn there_are_no_more_than_so_many() {
        let mut uploads = Uploads::default();
        let reset: Vec<_> = (0..MOST as u32 + 3).filter_map(|stream| uploads.begin(stream, 10)).collect();
        assert_eq!(reset, [0, 1, 2]);
        assert_eq!(uploads.0.len(), MOST);
    }
}
