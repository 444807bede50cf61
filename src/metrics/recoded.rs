//! Answers whose content was compressed or decompressed, and those that could have been.

use super::slots::{Count, PerWorker};

/// `algorithm`, in the order in which `compress` has the codings.
pub const CODINGS: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

/// `reason` of answers that were not compressed, in the order of [`Skip`].
pub const SKIPPED: [&str; 5] = ["type", "encoded", "small", "not_accepted", "busy"];

/// `reason` of answers that could not be decompressed, in the order of [`Undecoded`].
pub const UNDECODED: [&str; 3] = ["malformed", "bomb", "busy"];

/// Why an answer was not compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// Its media type is none of those that are.
    Type,
    /// It has a coding already, or says that it must not be transformed.
    Encoded,
    /// It is too short.
    Small,
    /// The client accepts no algorithm that may be used.
    NotAccepted,
    /// Others take all the memory that there is for it.
    Busy,
}

/// Why an answer was not decompressed, or not to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undecoded {
    /// Its content is not what it says.
    Malformed,
    /// Its content becomes too much longer.
    Bomb,
    /// Others take all the memory that there is for it.
    Busy,
}

/// What is done with content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is compressed.
    Compress,
    /// It is decompressed.
    Decompress,
}

/// What was counted of one way, for one coding.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Answers.
    pub answers: u64,
    /// Bytes of content that went in.
    pub taken: u64,
    /// Bytes of content that came out.
    pub given: u64,
}

/// The answers of one listener. A coding is told by its place in [`CODINGS`].
#[derive(Debug)]
pub struct Recoded(PerWorker<Slot>);

#[derive(Debug, Default)]
struct Slot {
    ways: [[Series; CODINGS.len()]; 2],
    skipped: [Count; SKIPPED.len()],
    undecoded: [Count; UNDECODED.len()],
}

#[derive(Debug, Default)]
struct Series {
    answers: Count,
    taken: Count,
    given: Count,
}

impl Recoded {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// An answer is recoded, on the thread of `worker`.
    pub fn begun(&self, worker: usize, way: Way, coding: usize) {
        self.0.of(worker).ways[way as usize][coding].answers.add(1);
    }

    /// So many bytes went in, and so many came out.
    pub fn moved(&self, worker: usize, (way, coding): (Way, usize), taken: usize, given: usize) {
        let series = &self.0.of(worker).ways[way as usize][coding];
        series.taken.add(taken as u64);
        series.given.add(given as u64);
    }

    /// An answer was not compressed.
    pub fn skipped(&self, worker: usize, why: Skip) {
        self.0.of(worker).skipped[why as usize].add(1);
    }

    /// An answer was not decompressed, or not to the end.
    pub fn undecoded(&self, worker: usize, why: Undecoded) {
        self.0.of(worker).undecoded[why as usize].add(1);
    }

    /// What was counted, in the order of [`CODINGS`].
    pub fn read(&self, way: Way) -> [Moved; CODINGS.len()] {
        std::array::from_fn(|coding| {
            let sum = |of: fn(&Series) -> &Count| self.0.sum(|slot| of(&slot.ways[way as usize][coding]));
            Moved {
                answers: sum(|series| &series.answers),
                taken: sum(|series| &series.taken),
                given: sum(|series| &series.given),
            }
        })
    }

    /// What was not compressed, in the order of [`SKIPPED`].
    pub fn read_skipped(&self) -> [u64; SKIPPED.len()] {
        std::array::from_fn(|why| self.0.sum(|slot| &slot.skipped[why]))
    }

    /// What was not decompressed, in the order of [`UNDECODED`].
    pub fn read_undecoded(&self) -> [u64; UNDECODED.len()] {
        std::array::from_fn(|why| self.0.sum(|slot| &slot.undecoded[why]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_added_up_by_way_and_coding() {
        let counts = Recoded::new(2);
        for worker in 0..2 {
            counts.begun(worker, Way::Compress, 3);
            counts.moved(worker, (Way::Compress, 3), 100, 10);
            counts.skipped(worker, Skip::Small);
        }
        counts.begun(1, Way::Decompress, 0);
        counts.undecoded(1, Undecoded::Bomb);
        assert_eq!(counts.read(Way::Compress)[3], Moved { answers: 2, taken: 200, given: 20 });
        assert_eq!(counts.read(Way::Decompress)[0], Moved { answers: 1, taken: 0, given: 0 });
        assert_eq!((counts.read_skipped(), counts.read_undecoded()), ([0, 0, 2, 0, 0], [0, 1, 0]));
    }
}
