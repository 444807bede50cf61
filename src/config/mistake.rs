//! The mistakes that are found while a file is read: ranges of bytes instead of lines and columns.

use std::collections::HashMap;
use std::ops::Range;

use serde::Serialize;

use super::code::Code;
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

impl Severity {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What a suggestion stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StandsFor {
    /// The key, or what is within the quotes of a string.
    Text,
    /// The value, with its quotes.
    Toml,
    /// This part of the string.
    Part(String),
    /// Nothing that can be replaced as it stands.
    Hint,
}

/// A mistake in the file.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) severity: Severity,
    pub(super) code: Code,
    /// `None` = the file as a whole.
    pub(super) span: Option<Range<usize>>,
    pub(super) path: KeyPath,
    pub(super) message: String,
    pub(super) expected: Option<String>,
    pub(super) suggestion: Option<String>,
    /// What the suggestion stands for.
    pub(super) stands_for: StandsFor,
    pub(super) help: Option<String>,
}

impl Mistake {
    pub(super) fn new(span: Range<usize>, path: &KeyPath, message: impl Into<String>) -> Self {
        Self { span: Some(span), path: path.clone(), ..Self::whole_file(message) }
    }

    pub(super) fn whole_file(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code: Code::Inconsistent,
            span: None,
            path: KeyPath::default(),
            message: message.into(),
            expected: None,
            suggestion: None,
            stands_for: StandsFor::Text,
            help: None,
        }
    }

    /// Says of what kind it is.
    pub(super) fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// The same mistake, of a text that so many bytes stand before.
    pub(super) fn behind(mut self, bytes: usize) -> Self {
        self.span = self.span.map(|span| span.start + bytes..span.end + bytes);
        self
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

    /// Adds what was probably meant, as TOML: with its quotes.
    pub(super) fn instead(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.stands_for = StandsFor::Toml;
        self.near(suggestion)
    }

    /// Adds what to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says that only a part of the string is meant by the suggestion.
    pub(super) fn part(mut self, part: Option<String>) -> Self {
        self.stands_for = part.map_or(self.stands_for, StandsFor::Part);
        self
    }

    /// Says that the suggestion can't simply be written in its place.
    pub(super) fn hint(mut self) -> Self {
        self.stands_for = StandsFor::Hint;
        self
    }

    /// What to write in place of the text that is meant, in quotes as they are there. There is nothing where values contradict each other, which may be mended
    /// in several places, and where the suggestion leaves out what may be secret.
    pub(super) fn replacement(&self, marked: &str) -> Option<String> {
        let has_hidden = |suggestion: &&String| suggestion.contains("***");
        let suggestion = self.suggestion.as_ref().filter(|suggestion| !has_hidden(suggestion))?;
        let is_quoted = marked.starts_with(['"', '\'']);
        match &self.stands_for {
            _ if self.code == Code::Inconsistent => None,
            StandsFor::Hint => None,
            StandsFor::Toml => Some(suggestion.clone()),
            StandsFor::Part(part) => marked.contains(part).then(|| marked.replacen(part, suggestion, 1)),
            StandsFor::Text if is_quoted => Some(toml::Value::from(suggestion.as_str()).to_string()),
            StandsFor::Text => Some(suggestion.clone()),
        }
    }

    /// The mistake of a string that can't be read.
    pub(super) fn problem(span: Range<usize>, path: &KeyPath, problem: Problem) -> Self {
        let mistake = Self::new(span, path, problem.message).expected(problem.expected).near(problem.suggestion);
        Self { help: problem.help, ..mistake.code(Code::InvalidValue).part(problem.part) }
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
