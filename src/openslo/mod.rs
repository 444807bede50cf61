//! OpenSLO v1 (<https://github.com/OpenSLO/OpenSLO>): what is promised of the services as files that other tools read, and such files as
//! promises.
//!
//! A promise becomes a `Service` and two `SLO`s, because Evenkeel counts in two ways: by requests (`Occurrences`) and by time (`Timeslices` of a
//! minute, of which one is good when the share of the promise's `floor` ended well). What OpenSLO has no word for stands in annotations
//! ([`annotation`]), so that export, import, export gives the same text.
//!
//! The other direction takes any file of v1 and says, as a [`Remark`], what of it does not fit into a promise. Queries are never taken over:
//! Evenkeel counts the requests that pass through it.
//!
//! * [`mod@export`]: promises to YAML; [`alerts`]: the alerts that go with them
//! * [`document`]: YAML to checked objects, within bounds; [`tree`], [`node`]: values that know where they stand
//! * [`objective`], [`indicator`], [`window`], [`duration`]: an SLO and its parts
//! * [`mod@import`]: the SLOs of a service put together to one promise
//! * [`mod@sections`]: what was imported, as sections for `proxy.toml`
//! * [`bounds`]: what `proxy.toml` takes
//! * [`name`]: names of services as OpenSLO allows them

pub mod alerts;
pub mod annotation;
pub mod bounds;
pub mod document;
pub mod duration;
pub mod export;
pub mod import;
pub mod indicator;
pub mod name;
pub mod node;
pub mod objective;
pub mod sections;
pub mod tree;
pub mod window;

#[cfg(test)]
mod tests;

pub use export::export;
pub use import::import;
pub use sections::sections;

use std::fmt;

use crate::sla::Promise;

/// The version of OpenSLO that is written and read.
pub const API_VERSION: &str = "openslo/v1";

/// How many bytes the files of an import may have together. A service takes 3 KiB of our own export: this is a thousand of them.
pub const MAX_BYTES: usize = 4 << 20;

/// Reads a file to import, as far as an import takes it: a file that is too large is read no further, and refused then.
///
/// # Errors
///
/// When it can't be read, or is no UTF-8.
pub fn read(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// A service and what is promised of it, to be exported.
#[derive(Debug, Clone)]
pub struct Promised<'a> {
    /// The name of the service in `proxy.toml`.
    pub service: &'a str,
    /// What is promised.
    pub promise: &'a Promise,
    /// The maintenance windows, each as it stands in `proxy.toml`.
    pub maintenance: Vec<String>,
}

/// A file to import.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// What it is called in remarks.
    pub name: &'a str,
    /// What it holds.
    pub text: &'a str,
}

/// What an import has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The services, in the order in which the files name them.
    pub services: Vec<Service>,
    /// What was not taken over, or not exactly.
    pub remarks: Vec<Remark>,
}

/// A service and what is promised of it, as imported.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// The name of the service in `proxy.toml`.
    pub name: String,
    /// What is promised.
    pub promise: Promise,
    /// The maintenance windows, each as it stands in `proxy.toml`.
    pub maintenance: Vec<String>,
}

impl Service {
    /// The same, to be exported.
    pub fn as_promised(&self) -> Promised<'_> {
        Promised { service: &self.name, promise: &self.promise, maintenance: self.maintenance.clone() }
    }
}

/// Something that people should know of an import, and where it stands in the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What it is about.
    pub place: Place,
    /// What there is to say.
    pub text: String,
}

/// A place in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// Line and column, from 1; of what a field should be in, where it is missing.
    pub position: Option<(u64, u64)>,
    /// The number of the document in the file, from 1, empty ones not counted; 0 = the file as a whole.
    pub document: usize,
    /// Kind and name of the object, such as `SLO/api-requests`; empty = not known.
    pub object: String,
    /// The path within the object, such as `spec.objectives[1]`; empty = the object as a whole.
    pub path: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if self.document > 0 {
            write!(f, ": document {}", self.document)?;
        }
        for part in [&self.object, &self.path].into_iter().filter(|part| !part.is_empty()) {
            write!(f, ", {part}")?;
        }
        Ok(())
    }
}

/// On one line and without control characters, whatever the files hold.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("{}: {}", self.place, self.text);
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).try_for_each(|c| fmt::Write::write_char(f, c))
    }
}
