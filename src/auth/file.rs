//! The files that say who may come in: how they are opened, and what may be wrong with one.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; `None` = it is about the file as a whole.
    pub line: Option<usize>,
    /// What is wrong, for people.
    pub reason: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Opens a file.
///
/// # Errors
///
/// Why it can't be opened, for people.
pub(super) fn open(file: &Path) -> Result<File, String> {
    let why = |error: std::io::Error| error.to_string();
    // anything else (a pipe, a terminal) could keep us waiting for ever
    if !std::fs::metadata(file).map_err(why)?.is_file() {
        return Err("it is not a file".to_owned());
    }
    File::open(file).map_err(why)
}

/// A file's text, of at most `largest` bytes.
///
/// # Errors
///
/// Why it can't be read.
pub(super) fn text(file: &Path, largest: u64) -> Result<String, FileProblem> {
    let problem = |reason: String| FileProblem { file: file.to_owned(), line: None, reason };
    let mut text = String::new();
    let opened = open(file).map_err(problem)?;
    let read = opened.take(largest + 1).read_to_string(&mut text);
    read.map_err(|error| problem(error.to_string()))?;
    match text.len() as u64 > largest {
        true => Err(problem(format!("it is larger than {} MiB", largest >> 20))),
        false => Ok(text),
    }
}
