//! Where the frames are in what the client sends.

use crate::h2_frames::frame::{DATA, PREFACE};

/// The place between two pieces that are sent.
#[derive(Debug)]
pub struct Outbound {
    /// What there is of a frame's head.
    head: Vec<u8>,
    /// What is to come of a payload, or of the preface.
    payload: usize,
}

impl Default for Outbound {
    fn default() -> Self {
        Self { head: Vec::new(), payload: PREFACE.len() }
    }
}

impl Outbound {
    /// The streams and lengths of the DATA frames that begin in the next bytes.
    pub fn data(&mut self, mut bytes: &[u8]) -> Vec<(u32, usize)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let missing = if self.payload > 0 { self.payload } else { 9 - self.head.len() };
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            bytes = later;
            if self.payload > 0 {
                self.payload -= now.len();
                continue;
            }
            self.head.extend(now);
            if let [a, b, c, kind, _, stream @ ..] = &self.head[..]
                && let Ok(stream) = <[u8; 4]>::try_from(stream)
            {
                self.payload = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                if *kind == DATA {
                    found.push((u32::from_be_bytes(stream), self.payload));
                }
                self.head.clear();
            }
        }
        found
    }
}
