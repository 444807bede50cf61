//! Whether the files of an open ledger are still those that were opened, and whether somebody else has written to them.
//!
//! SQLite does not look: what is written after somebody has deleted the log is in a file that nobody finds, and a file that was overwritten shows
//! only where a page is read again.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A file, whatever its name is: device and inode.
pub type Identity = (u64, u64);

/// The files of a ledger at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The ledger itself.
    pub ledger: Identity,
    /// Its log of changes and the index of that; a file system that can't have these has neither.
    log: [Option<Identity>; 2],
    size: u64,
    /// When it was written last: seconds and nanoseconds.
    modified: (i64, i64),
}

/// What has become of the files meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// Nobody else has touched them.
    No,
    /// The path leads to another file, or to none.
    Moved,
    /// The log, or its index, was deleted or replaced.
    Log,
    /// Nothing is left in the file.
    Emptied,
    /// Somebody has written to the file. It may have been another process of ours.
    Written,
}

impl Files {
    /// Looks at those of the ledger with this path.
    pub fn look(path: &Path) -> io::Result<Self> {
        let ledger = fs::metadata(path)?;
        let identity = |end| fs::metadata(with_end(path, end)).ok().map(|file| (file.dev(), file.ino()));
        Ok(Self {
            ledger: (ledger.dev(), ledger.ino()),
            log: ["-wal", "-shm"].map(identity),
            size: ledger.len(),
            modified: (ledger.mtime(), ledger.mtime_nsec()),
        })
    }

    /// What has become of them since this was looked at.
    pub fn touched(&self, path: &Path) -> Touched {
        match Self::look(path) {
            Ok(now) if now.ledger != self.ledger => Touched::Moved,
            Ok(now) if now.size == 0 => Touched::Emptied,
            Ok(now) if now.log != self.log => Touched::Log,
            Ok(now) if now != *self => Touched::Written,
            Ok(_) => Touched::No,
            Err(_) => Touched::Moved,
        }
    }
}

/// What stands in the place of a file of a ledger and is none: to open a pipe or a device may take for ever.
pub fn no_file(path: &Path) -> Option<(PathBuf, &'static str)> {
    ["", "-wal", "-shm", "-journal"].map(|end| with_end(path, end)).into_iter().find_map(|path| {
        let kind = fs::metadata(&path).ok()?.file_type();
        let is = match () {
            () if kind.is_file() => return None,
            () if kind.is_dir() => "a folder",
            () if kind.is_fifo() => "a pipe",
            () if kind.is_socket() => "a socket",
            () => "a device",
        };
        Some((path, is))
    })
}

/// The path with this appended to its last name.
pub fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
