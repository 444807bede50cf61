//! The kinds of mistakes, by names that stay: tools may decide by them.

use std::fmt;

use serde::Serialize;

/// What kind of mistake a diagnostic tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The configuration, or a file that it names, can't be read.
    UnreadableFile,
    /// The text is not TOML.
    Syntax,
    /// There is no such key here.
    UnknownKey,
    /// A key that is required is not there.
    MissingKey,
    /// The value is of another type than the key has.
    WrongType,
    /// The number, the duration or the size is too small or too large.
    OutOfRange,
    /// The string is not of the form, or none of the words, that the key has.
    InvalidValue,
    /// `${NAME}` can't be filled in.
    UnsetVariable,
    /// There is no service of this name.
    UnknownService,
    /// The value is good by itself, and does not go with others, with a file, or with this machine.
    Inconsistent,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::UnreadableFile,
        Self::Syntax,
        Self::UnknownKey,
        Self::MissingKey,
        Self::WrongType,
        Self::OutOfRange,
        Self::InvalidValue,
        Self::UnsetVariable,
        Self::UnknownService,
        Self::Inconsistent,
    ];

    /// Its name, which is that in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnreadableFile => "unreadable-file",
            Self::Syntax => "syntax",
            Self::UnknownKey => "unknown-key",
            Self::MissingKey => "missing-key",
            Self::WrongType => "wrong-type",
            Self::OutOfRange => "out-of-range",
            Self::InvalidValue => "invalid-value",
            Self::UnsetVariable => "unset-variable",
            Self::UnknownService => "unknown-service",
            Self::Inconsistent => "inconsistent",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn a_code_has_the_same_name_in_json() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn the_documentation_has_every_code() {
        let docs = include_str!("../../docs/tools.md");
        for code in Code::ALL {
            assert!(docs.contains(&format!("| `{code}` |")), "docs/tools.md has no row for `{code}`");
        }
    }
}
