//! The mistakes that are found while a file is read: ranges of bytes instead of lines and columns.

use std::collections::HashMap;
use std::ops::Range;

use serde::Serialize;

use super::syntax::Problem;
use super::tree::KeyPath;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration can't be used.
    Error,
    /// It can, but it is probably not what was meant.
    Warning,
}

/// A mistake in the file.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) severity: Severity,
    /// `None` = the file as a whole.
    pub(super) span: Option<Range<usize>>,
    pub(super) path: KeyPath,
    pub(super) message: String,
    pub(super) expected: Option<String>,
    pub(super) suggestion: Option<String>,
    pub(super) help: Option<String>,
}

impl Mistake {
    pub(super) fn new(span: Range<usize>, path: &KeyPath, message: impl Into<String>) -> Self {
        Self { span: Some(span), path: path.clone(), ..Self::whole_file(message) }
    }

    pub(super) fn whole_file(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            span: None,
            path: KeyPath::default(),
            message: message.into(),
            expected: None,
            suggestion: None,
            help: None,
        }
    }

    /// Makes it a warning.
    pub(super) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Completes the sentence "expected ...".
    pub(super) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Adds the nearest known name.
    pub(super) fn near(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }

    /// Adds what to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The mistake of a string that can't be read.
    pub(super) fn problem(span: Range<usize>, path: &KeyPath, problem: Problem) -> Self {
        let mistake = Self::new(span, path, problem.message).expected(problem.expected).near(problem.suggestion);
        Self { help: problem.help, ..mistake }
    }
}

/// The mistakes that were found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) mistakes: Vec<Mistake>,
    /// The values that were reported and taken out of the tree, with the place of each key. What only follows from
    /// their absence is not reported.
    removed: HashMap<KeyPath, Range<usize>>,
}

impl Findings {
    pub(super) fn add(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    /// Notes that a value was taken out of the tree; `key` is where its key stands.
    pub(super) fn remove(&mut self, path: KeyPath, key: Range<usize>) {
        self.removed.insert(path, key);
    }

    /// Where the key of a value stands that was taken out.
    pub(super) fn removed(&self, path: &KeyPath) -> Option<&Range<usize>> {
        self.removed.get(path)
    }

    pub(super) fn has_errors(&self) -> bool {
        self.mistakes.iter().any(|m| m.severity == Severity::Error)
    }
}
