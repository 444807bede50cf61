//! What a rule is: a condition, and what is done.

use super::condition::Term;
use super::parse::Line;
use crate::convert::output::Table;

/// Fields that belong to the connection, which are ours to write.
pub const OF_THE_CONNECTION: [&str; 5] = ["connection", "upgrade", "content-length", "transfer-encoding", "keep-alive"];

/// What a rule does.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// The request is answered by these keys of a route.
    Answer(Table),
    /// Who fits is refused, with this answer.
    Refuse(Table),
    /// Who fits is refused unless the password is right.
    Password,
    /// Who fits comes in, and no further `http-request` is looked at.
    Allow,
    /// The request goes to this backend.
    Backend(String),
    /// It is changed by these keys of a route, and the next rule is looked at.
    Change(Table),
    /// The prefix of its path is replaced.
    Prefix(String, String),
    /// These parts of it become something that is not known here.
    Alter(Vec<Part>),
    /// Here a group of rules ends: whoever was let in by it is looked at by the next one.
    Phase,
}

/// A part of a request that conditions compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Its host.
    Host,
    /// Its path.
    Path,
    /// Its query.
    Query,
    /// Its method.
    Method,
    /// A field, by its name in small letters.
    Field(String),
    /// The client's address.
    Source,
}

/// A rule, with one alternative of its condition.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What has to hold.
    pub terms: Vec<Term>,
    /// What is done.
    pub act: Act,
    /// The line.
    pub line: Line,
}

impl Rule {
    /// Whether it sends requests to a page that is always the same, as one of login is.
    pub fn sends_away(&self) -> bool {
        matches!(&self.act, Act::Answer(answer) if answer.text(&["redirect", "to"]).is_some_and(|to| !to.contains("${")))
    }
}
