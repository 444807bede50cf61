//! The path from the root of the file to a value: [`Trail`] while the tree is walked, [`KeyPath`] when it is kept.
//!
//! A file may have ten thousand backends, and hardly any of its values is a mistake. So a walk builds no path: each
//! step stands on the stack and refers to the one before, and only a mistake has them copied.

use std::fmt;

/// The path from the root to a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct KeyPath(Vec<Step>);

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Step {
    /// Into a table.
    Key(String),
    /// Into an array.
    Index(usize),
}

/// The path from the root to where a walk is now.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trail<'a> {
    /// The root.
    Root,
    /// From the path before it into a table.
    Key(&'a Trail<'a>, &'a str),
    /// From the path before it into an array.
    Index(&'a Trail<'a>, usize),
}

impl<'a> Trail<'a> {
    /// One step further, into a table.
    pub(super) fn key(&'a self, key: &'a str) -> Self {
        Self::Key(self, key)
    }

    /// One step further, into an array.
    pub(super) fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }

    /// The last key on the way, whatever indices come after it.
    pub(super) fn last_key(&self) -> Option<&'a str> {
        match *self {
            Self::Root => None,
            Self::Key(_, key) => Some(key),
            Self::Index(before, _) => before.last_key(),
        }
    }

    /// The first key on the way.
    pub(super) fn first_key(&self) -> Option<&'a str> {
        match *self {
            Self::Root => None,
            Self::Key(Self::Root, key) => Some(key),
            Self::Key(before, _) | Self::Index(before, _) => before.first_key(),
        }
    }

    /// Its last three keys, the last one first, whatever indices come between and after them.
    pub(super) fn last_keys(&self) -> [Option<&'a str>; 3] {
        match *self {
            Self::Root => [None; 3],
            Self::Index(before, _) => before.last_keys(),
            Self::Key(before, last) => {
                let [second, third, _] = before.last_keys();
                [Some(last), second, third]
            }
        }
    }

    /// Whether it consists of exactly these two keys.
    pub(super) fn is(&self, table: &str, key: &str) -> bool {
        matches!(*self, Self::Key(Self::Key(Self::Root, t), k) if *t == table && k == key)
    }

    /// Copies the path, to be kept.
    pub(super) fn path(&self) -> KeyPath {
        match self {
            Self::Root => KeyPath::default(),
            Self::Key(before, key) => before.path().key(key),
            Self::Index(before, index) => before.path().index(*index),
        }
    }
}

impl KeyPath {
    pub(super) fn of(steps: &[Step]) -> Self {
        Self(steps.to_vec())
    }

    /// This path and then another one.
    pub(super) fn join(&self, further: &Self) -> Self {
        Self([&self.0[..], &further.0].concat())
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step);
        Self(steps)
    }

    /// Its steps, from the root on.
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The path to what is around the value; the root has nothing around it.
    pub(super) fn parent(&self) -> Self {
        Self(self.0.split_last().map_or_else(Vec::new, |(_, before)| before.to_vec()))
    }

    /// Whether it leads to an element of an array.
    pub(super) fn is_listed(&self) -> bool {
        matches!(self.0.last(), Some(Step::Index(_)))
    }

    /// As a JSON Pointer (RFC 6901).
    pub(super) fn json_pointer(&self) -> String {
        let step = |step: &Step| match step {
            Step::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => format!("/{index}"),
        };
        self.0.iter().map(step).collect()
    }

    /// The table a person would look for, as it is written in the file: `[[listener.route]]`, `[service.api]`.
    pub(super) fn section(&self) -> String {
        if self.0.is_empty() {
            return "the file".to_owned();
        }
        let keys: Vec<String> = self.0.iter().filter(|s| matches!(s, Step::Key(_))).map(|s| s.to_string()).collect();
        match self.0.last() {
            Some(Step::Index(_)) => format!("[[{}]]", keys.join(".")),
            _ => format!("[{}]", keys.join(".")),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) if !key.is_empty() && key.bytes().all(is_bare) => f.write_str(key),
            Self::Key(key) => write!(f, "{key:?}"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            if at > 0 && matches!(step, Step::Key(_)) {
                f.write_str(".")?;
            }
            write!(f, "{step}")?;
        }
        Ok(())
    }
}
