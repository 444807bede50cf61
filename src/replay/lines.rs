//! The lines of a file, each of a bounded length.

use std::io::{self, BufRead, Read as _};

/// A line of figures is far shorter. One that is longer is no line, and must not fill the memory.
const LONGEST: u64 = 64 * 1024;

/// Reads lines and counts them.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// The number of the line that was read last, from 1.
    pub number: u64,
}

/// A line that is longer than any.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl<R: BufRead> Lines<R> {
    pub fn new(input: R) -> Self {
        Self { input, buffer: Vec::with_capacity(1024), number: 0 }
    }

    /// The next line that is not blank, without its end; `None` = there is none.
    pub fn next(&mut self) -> io::Result<Option<Result<&[u8], TooLong>>> {
        loop {
            self.buffer.clear();
            if (&mut self.input).take(LONGEST + 1).read_until(b'\n', &mut self.buffer)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.buffer.len() as u64 > LONGEST && self.buffer.last() != Some(&b'\n') {
                self.input.skip_until(b'\n')?;
                return Ok(Some(Err(TooLong)));
            }
            if self.number == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
                // the byte order mark that some programs begin UTF-8 with
                self.buffer.drain(..3);
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        Ok(Some(Ok(self.buffer.trim_ascii_end())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_are_counted_and_passed_over_and_one_without_an_end_is_cut() {
        let long = "x".repeat(200_000);
        let text = format!("\u{feff}a\r\n\n  \nb\n{long}\nc");
        let mut lines = Lines::new(text.as_bytes());
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let line = line.map(|line| String::from_utf8(line.to_vec()).unwrap());
            all.push((lines.number, line));
        }
        let fine = |text: &str| Ok(text.to_owned());
        assert_eq!(all, [(1, fine("a")), (4, fine("b")), (5, Err(TooLong)), (6, fine("c"))]);
    }
}
