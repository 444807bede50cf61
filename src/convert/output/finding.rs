//! What a conversion could not carry over, line by line, with what to do instead.

use std::collections::HashSet;
use std::fmt;

use super::Place;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The result would be less safe than the original; it must be looked at.
    Error,
    /// The result does not do this, or does it otherwise.
    Warning,
    /// Worth knowing; nothing changes for clients.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One thing that could not be carried over as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Where it stands in the original.
    pub place: Place,
    /// The directive, as the original calls it.
    pub what: String,
    /// What is not done, or done otherwise.
    pub why: String,
    /// What to do instead; may be empty.
    pub advice: String,
}

impl Finding {
    /// The line that tells it, without the advice.
    pub fn line(&self) -> String {
        let Self { severity, place, what, why, .. } = self;
        if what.is_empty() {
            format!("{severity}: {place}: {why}")
        } else {
            format!("{severity}: {place}: `{what}`: {why}")
        }
    }
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>, HashSet<Finding>);

impl Findings {
    /// The result would be less safe than the original.
    pub fn error(&mut self, place: &Place, what: impl Into<String>, why: impl Into<String>, advice: impl Into<String>) {
        self.add(Severity::Error, place, what.into(), why.into(), advice.into());
    }

    /// The result does not do this, or does it otherwise.
    pub fn warning(
        &mut self,
        place: &Place,
        what: impl Into<String>,
        why: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(Severity::Warning, place, what.into(), why.into(), advice.into());
    }

    /// Worth knowing.
    pub fn note(&mut self, place: &Place, what: impl Into<String>, why: impl Into<String>, advice: impl Into<String>) {
        self.add(Severity::Note, place, what.into(), why.into(), advice.into());
    }

    fn add(&mut self, severity: Severity, place: &Place, what: String, why: String, advice: String) {
        let finding = Finding { severity, place: place.clone(), what, why, advice };
        if self.1.insert(finding.clone()) {
            self.0.push(finding);
        }
    }

    /// Those of a severity, in the order of the original.
    pub fn of(&self, severity: Severity) -> Vec<&Finding> {
        let mut found: Vec<_> = self.0.iter().filter(|finding| finding.severity == severity).collect();
        found.sort_by(|a, b| a.place.cmp(&b.place));
        found
    }

    /// All of them, the gravest first.
    pub fn all(&self) -> Vec<&Finding> {
        [Severity::Error, Severity::Warning, Severity::Note]
            .into_iter()
            .flat_map(|severity| self.of(severity))
            .collect()
    }

    /// Whether the result would be less safe than the original.
    pub fn any_error(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// The list for standard error: each with its advice, and how many there are.
    pub fn list(&self) -> String {
        let mut text = String::new();
        for finding in self.all() {
            text.push_str(&finding.line());
            text.push('\n');
            if !finding.advice.is_empty() {
                text.push_str(&format!("  = {}\n", finding.advice));
            }
        }
        let count = |severity, one: &str| match self.of(severity).len() {
            1 => format!("1 {one}"),
            many => format!("{many} {one}s"),
        };
        let (errors, warnings) = (count(Severity::Error, "error"), count(Severity::Warning, "warning"));
        text.push_str(&format!("{errors}, {warnings}, {}\n", count(Severity::Note, "note")));
        text
    }
}
