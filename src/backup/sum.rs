//! Sums over what is read, and what is compared with them.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};

use super::copies::{Copy, Sum};

/// Adds up what is written to it, and passes it on; more than `most` bytes are an error.
pub(super) struct Summing<W> {
    to: W,
    most: u64,
    sum: Context,
    size: u64,
}

impl<W: Write> Summing<W> {
    pub fn new(to: W, most: u64) -> Self {
        Self { to, most, sum: Context::new(&SHA256), size: 0 }
    }

    /// The sum and the number of bytes.
    pub fn finish(self) -> (Sum, u64) {
        let mut sum = Sum::default();
        sum.copy_from_slice(self.sum.finish().as_ref());
        (sum, self.size)
    }

    /// Whether what was written is this copy.
    pub fn is(self, copy: &Copy) -> bool {
        self.finish() == (copy.sum, copy.size)
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.size + bytes.len() as u64 > self.most {
            return Err(io::Error::other(format!("it has more than the {} bytes that it should have", self.most)));
        }
        let written = self.to.write(bytes)?;
        self.sum.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The sum and the size of a file.
pub(super) fn of_file(path: &Path) -> io::Result<(Sum, u64)> {
    let mut sum = Summing::new(io::sink(), u64::MAX);
    io::copy(&mut File::open(path)?, &mut sum)?;
    Ok(sum.finish())
}
