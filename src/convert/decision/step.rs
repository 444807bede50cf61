//! What happens to requests, one step after the other.

use std::fmt;
use std::rc::Rc;

use super::conditions::Conditions;
use super::treatment::{PathChange, Treatment};
use crate::convert::output::Place;

/// Requests of one kind, less others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clause {
    /// What they are like.
    pub is: Conditions,
    /// What they are not like: none of these.
    pub not: Vec<Conditions>,
}

impl From<Conditions> for Clause {
    fn from(is: Conditions) -> Self {
        Self { is, not: Vec::new() }
    }
}

/// Requests, and what is gone through with them.
pub type Branch = (Vec<Clause>, Vec<Rc<Step>>);

/// Changes what happens to a request.
pub type Change = Rc<dyn Fn(&mut Treatment)>;

/// What a step does.
#[derive(Clone)]
pub enum Does {
    /// Something changes, and the next step comes. `protects`: it asks something of clients.
    Change {
        /// The change.
        change: Change,
        /// Whether it asks something of clients.
        protects: bool,
    },
    /// The path changes.
    Path(PathChange),
    /// Something happens to the request, and nothing comes after it. Whether it is refused by that, says the treatment.
    End(Change),
    /// The first of these that fits is gone through, and then the next step comes.
    Choice(Vec<Branch>),
}

impl fmt::Debug for Does {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change { protects, .. } => write!(f, "Change {{ protects: {protects} }}"),
            Self::Path(change) => write!(f, "Path({change:?})"),
            Self::End(_) => f.write_str("End"),
            Self::Choice(branches) => f.debug_tuple("Choice").field(branches).finish(),
        }
    }
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which requests it is for: any of these kinds.
    pub when: Vec<Clause>,
    /// What it does.
    pub does: Does,
    /// Where the original says so.
    pub place: Place,
    /// What the original calls it.
    pub what: String,
}
