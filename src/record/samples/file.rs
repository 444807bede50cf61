//! A file that is appended to in whole lines, and of which two are kept.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// At this size a file is moved aside, in place of the one that was before.
const LARGEST: u64 = 64 << 20;
/// Our lines are shorter.
const LONGEST_LINE: u64 = 64 << 10;

/// The file, and the one before it, FILE.1.
pub(super) struct RotatedFile {
    path: PathBuf,
    /// The first line of each.
    header: String,
    /// The file with its size; `None` = it could not be opened.
    open: Option<(File, u64)>,
    largest: u64,
    /// The last attempt failed, and that was logged.
    is_failing: bool,
}

impl RotatedFile {
    /// Opens nothing yet.
    pub fn new(path: PathBuf, header: String) -> Self {
        Self { path, header, open: None, largest: LARGEST, is_failing: false }
    }

    /// The same, of another size.
    #[cfg(test)]
    pub fn of_size(self, largest: u64) -> Self {
        Self { largest, ..self }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file, also where it is open: it may have been moved away.
    pub fn open(&mut self) {
        self.open = None;
        let opened = open(&self.path, &self.header);
        self.open = self.noted(opened);
    }

    /// Appends whole lines. Where that fails they are lost, and it is tried again with the next.
    pub fn append(&mut self, lines: &str) {
        if self.open.as_ref().is_some_and(|(_, size)| size + lines.len() as u64 > self.largest) {
            let moved = rotate(&self.path);
            self.open = None;
            if self.noted(moved).is_none() {
                return;
            }
        }
        if self.open.is_none() {
            self.open();
        }
        let Some((mut file, size)) = self.open.take() else { return };
        let written = write(&mut file, size, &self.header, lines);
        self.open = self.noted(written).map(|size| (file, size));
    }

    /// Logs the first of several failures, because a disk that is full would be filled with that as well; and that it works again.
    fn noted<T>(&mut self, result: io::Result<T>) -> Option<T> {
        match (&result, self.is_failing) {
            (Err(error), false) => {
                tracing::error!(%error, file = %self.path.display(), "samples can't be recorded");
            }
            (Ok(_), true) => {
                tracing::warn!(file = %self.path.display(), "samples are recorded again; some are missing")
            }
            _ => {}
        }
        self.is_failing = result.is_err();
        result.ok()
    }
}

/// The file with its size. Another kind of file is left alone.
fn open(path: &Path, header: &str) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    let (size, mut first) = (file.metadata()?.len(), Vec::new());
    let read = (&file).take(header.len() as u64).read_to_end(&mut first)?;
    if first == header.as_bytes() || read == 0 {
        let whole = whole_lines(&mut file, size)?;
        return Ok((file, whole));
    }
    let ours = header.split_inclusive(',').take(3).collect::<String>();
    if !first.starts_with(ours.as_bytes()) {
        return Err(io::Error::other("there is a file that holds something else"));
    }
    // recorded by another version, which had other columns
    rotate(path)?;
    let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    Ok((file, 0))
}

/// Cuts off a line that was not written to its end; gives back the size that is left.
fn whole_lines(file: &mut File, size: u64) -> io::Result<u64> {
    let from = size.saturating_sub(LONGEST_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    (&*file).take(LONGEST_LINE).read_to_end(&mut end)?;
    let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| from + at as u64 + 1);
    if whole < size {
        file.set_len(whole)?;
    }
    Ok(whole)
}

/// Writes the lines at once, behind the header in an empty file; gives back the size then. What was written in part is taken back.
fn write(file: &mut File, size: u64, header: &str, lines: &str) -> io::Result<u64> {
    let header = if size == 0 { header } else { "" };
    let written = file.write_all(header.as_bytes()).and_then(|()| file.write_all(lines.as_bytes()));
    if let Err(error) = written {
        let _ = file.set_len(size);
        return Err(error);
    }
    Ok(size + (header.len() + lines.len()) as u64)
}

fn rotate(path: &Path) -> io::Result<()> {
    let mut before = path.as_os_str().to_owned();
    before.push(".1");
    std::fs::rename(path, before)
}
