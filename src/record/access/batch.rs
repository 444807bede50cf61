//! Lines that a worker has gathered for the writer.

use crate::clock::Stamp;

/// A worker hands its lines over when they are this long together, in bytes. Each line by itself would cost memory of its own, that the
/// writer's thread gives back, and a turn in the queue.
const FULL: usize = 32 * 1024;
/// The memory of a batch, in bytes: the line that makes it full goes beyond that, and seldom by more.
const MEMORY: usize = FULL + 4 * 1024;

/// Lines, one after the other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    text: Vec<u8>,
    marks: Vec<Mark>,
    /// How many of its lines have been taken.
    taken: usize,
}

/// A line in the text.
#[derive(Debug)]
struct Mark {
    /// Where it ends, and the next one begins.
    end: usize,
    /// When it was made.
    at: Stamp,
}

/// A line with its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) text: &'a [u8],
    /// When it was made.
    pub(super) at: Stamp,
}

impl Batch {
    /// Adds the line that `write` writes.
    pub(super) fn add(&mut self, at: Stamp, write: impl FnOnce(&mut Vec<u8>)) {
        // a writer that has panicked has left a piece of a line
        self.text.truncate(self.marks.last().map_or(0, |mark| mark.end));
        if self.text.capacity() == 0 {
            self.text.reserve(MEMORY);
        }
        write(&mut self.text);
        self.marks.push(Mark { end: self.text.len(), at });
    }

    /// Whether it is time to hand it over.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= FULL
    }

    /// Gives back the memory that it does not need: where lines are few, many batches may have to wait.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.marks.shrink_to_fit();
    }

    /// The first line that was not taken.
    pub(super) fn first(&self) -> Option<Line<'_>> {
        let mark = self.marks.get(self.taken)?;
        let start = self.taken.checked_sub(1).map_or(0, |before| self.marks[before].end);
        Some(Line { text: &self.text[start..mark.end], at: mark.at })
    }

    /// Takes the first line that was not taken.
    pub(super) fn advance(&mut self) {
        self.taken += 1;
    }

    /// How many lines were not taken.
    pub(super) fn len(&self) -> usize {
        self.marks.len().saturating_sub(self.taken)
    }

    /// The memory that it takes, in bytes, however many of its lines were taken.
    pub(super) fn memory(&self) -> usize {
        self.text.capacity() + self.marks.capacity() * size_of::<Mark>()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn taken(batch: &mut Batch) -> Vec<String> {
        std::iter::from_fn(|| {
            let line = batch.first().map(|line| String::from_utf8_lossy(line.text).into_owned());
            batch.advance();
            line
        })
        .collect()
    }

    #[test]
    fn lines_are_taken_one_by_one_as_they_were_added() {
        let mut batch = Batch::default();
        for text in ["a\n", "", "bc\n"] {
            batch.add(Stamp::default(), |line| line.extend_from_slice(text.as_bytes()));
        }
        assert_eq!((batch.len(), batch.is_full()), (3, false));
        assert_eq!(taken(&mut batch), ["a\n", "", "bc\n"]);
        assert_eq!(batch.len(), 0);
    }

    #[test]
    fn a_line_whose_writing_has_panicked_is_no_part_of_the_next_one() {
        let mut batch = Batch::default();
        batch.add(Stamp::default(), |line| line.extend_from_slice(b"a\n"));
        let panicking = AssertUnwindSafe(|| {
            batch.add(Stamp::default(), |line| {
                line.extend_from_slice(b"half");
                panic!("a defect");
            });
        });
        assert!(catch_unwind(panicking).is_err());
        batch.add(Stamp::default(), |line| line.extend_from_slice(b"b\n"));
        assert_eq!(taken(&mut batch), ["a\n", "b\n"]);
    }

    #[test]
    fn it_is_full_when_its_lines_are_long_enough_together() {
        let mut batch = Batch::default();
        while !batch.is_full() {
            batch.add(Stamp::default(), |line| line.resize(line.len() + 400, b'x'));
        }
        assert!((FULL..FULL + 400).contains(&(batch.len() * 400)));
        assert!(batch.memory() >= FULL);
        let mut small = Batch::default();
        small.add(Stamp::default(), |line| line.push(b'x'));
        small.shrink();
        assert!(small.memory() < 100, "{}", small.memory());
    }
}
