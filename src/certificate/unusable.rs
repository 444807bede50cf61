//! Why a file can't be used.

use std::fmt;
use std::path::{Path, PathBuf};

/// Which of the files is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The one with the chain.
    Cert,
    /// The one with the private key.
    Key,
    /// A folder of certificates.
    Folder,
    /// The one with authorities.
    Authorities,
    /// The one with an OCSP response.
    Ocsp,
    /// The one with the keys of session tickets.
    TicketKeys,
}

/// A file that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// What it is.
    pub part: Part,
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong, for people.
    pub message: String,
    /// Completes the sentence "expected ...".
    pub expected: Option<String>,
    /// What can be done about it.
    pub help: Option<&'static str>,
}

impl Unusable {
    /// Without more to say of it.
    pub fn new(part: Part, path: &Path, message: String) -> Self {
        Self { part, path: path.to_owned(), message, expected: None, help: None }
    }

    pub(super) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub(super) fn help(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
