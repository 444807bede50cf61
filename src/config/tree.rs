//! A TOML file as a tree in which every key and every value knows where it stands in the text.
//!
//! Mistakes are found in this tree, and values that can't be used are taken out of it, so that what is left can be
//! deserialised as a whole and the next checks see everything that is well-formed.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The way from the root to a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct KeyPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Step {
    Key(String),
    Index(usize),
}

impl KeyPath {
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

    /// The last key on the way, whatever indices come after it.
    pub(super) fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    /// As a JSON Pointer (RFC 6901).
    pub(super) fn json_pointer(&self) -> String {
        let step = |step: &Step| match step {
            Step::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => format!("/{index}"),
        };
        self.0.iter().map(step).collect()
    }

    /// Whether these are its last two keys.
    pub(super) fn ends_with(&self, table: &str, key: &str) -> bool {
        matches!(&self.0[..], [.., Step::Key(t), Step::Key(k)] if t == table && k == key)
    }

    /// Whether it consists of exactly these keys.
    pub(super) fn is(&self, keys: &[&str]) -> bool {
        self.0.len() == keys.len() && self.0.iter().zip(keys).all(|(s, k)| matches!(s, Step::Key(key) if key == k))
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

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Table(BTreeMap<String, Entry>),
    Array(Vec<Node>),
    Text(String),
    /// Wider than any integer of the configuration, so that one too large is a matter of range, not of syntax.
    Integer(i128),
    Float(f64),
    Bool(bool),
    DateTime,
}

/// A key of a table with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Where the key stands.
    pub(super) key: Range<usize>,
    pub(super) node: Node,
}

impl Node {
    /// Reads a file; a syntax error is the parser's message and its place.
    pub(super) fn parse(text: &str) -> Result<Self, (Range<usize>, String)> {
        match DeTable::parse(text) {
            Ok(table) => Ok(Self { span: 0..0, value: Value::Table(entries(table.get_ref())) }),
            Err(error) => Err((error.span().unwrap_or(0..0), error.message().to_owned())),
        }
    }

    /// The value at the end of a path.
    fn at(&self, path: &KeyPath) -> Option<(&Self, Option<&Range<usize>>)> {
        let mut node = self;
        let mut key = None;
        for step in &path.0 {
            (node, key) = match (step, &node.value) {
                (Step::Key(name), Value::Table(table)) => {
                    let entry = table.get(name)?;
                    (&entry.node, Some(&entry.key))
                }
                (Step::Index(index), Value::Array(items)) => (items.get(*index)?, None),
                _ => return None,
            };
        }
        Some((node, key))
    }

    /// The value of a key, when this is a table that has it.
    pub(super) fn table_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Table(table) => table.get_mut(key).map(|entry| &mut entry.node),
            _ => None,
        }
    }

    /// The strings of this table.
    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        let Value::Table(table) = &self.value else { return BTreeMap::new() };
        let text = |entry: &Entry| match &entry.node.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        table.iter().filter_map(|(key, entry)| Some((key.clone(), text(entry)?))).collect()
    }

    /// Whether there is a value at this path.
    pub(super) fn has(&self, path: &KeyPath) -> bool {
        self.at(path).is_some()
    }

    /// Where the value at this path stands; when there is none, where the nearest table around it does.
    pub(super) fn span_of(&self, path: &KeyPath) -> Range<usize> {
        let mut path = path.clone();
        loop {
            if let Some((node, key)) = self.at(&path) {
                return node.shown_span(key);
            }
            path.0.pop();
        }
    }

    /// Where the key at the end of this path stands.
    pub(super) fn key_span_of(&self, path: &KeyPath) -> Range<usize> {
        match self.at(path) {
            Some((_, Some(key))) => key.clone(),
            _ => self.span_of(path),
        }
    }

    /// What to underline for this value: a table or an array under a header is shown by its key.
    pub(super) fn shown_span(&self, key: Option<&Range<usize>>) -> Range<usize> {
        match (&self.value, key) {
            (Value::Table(_) | Value::Array(_), Some(key)) => key.clone(),
            _ => self.span.clone(),
        }
    }

    /// As JSON, which is what the raw types are read from.
    pub(super) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Table(table) => table.iter().map(|(key, entry)| (key.clone(), entry.node.to_json())).collect(),
            Value::Array(items) => items.iter().map(Self::to_json).collect(),
            Value::Text(text) => Json::String(text.clone()),
            Value::Integer(number) => i64::try_from(*number)
                .map(Json::from)
                .or_else(|_| u64::try_from(*number).map(Json::from))
                .unwrap_or(Json::Null),
            Value::Float(number) => Json::from(*number),
            Value::Bool(yes) => Json::Bool(*yes),
            Value::DateTime => Json::Null,
        }
    }
}

impl Value {
    /// With an article, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) => "a table",
            Self::Array(_) => "an array",
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::DateTime => "a date-time",
        }
    }
}

fn entries(table: &DeTable<'_>) -> BTreeMap<String, Entry> {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), Entry { key: key.span(), node: node(value) })).collect()
}

fn node(value: &Spanned<DeValue<'_>>) -> Node {
    let converted = match value.get_ref() {
        DeValue::Table(table) => Value::Table(entries(table)),
        DeValue::Array(items) => Value::Array(items.iter().map(node).collect()),
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let parsed = i128::from_str_radix(number.as_str(), number.radix());
            Value::Integer(parsed.unwrap_or(if number.as_str().starts_with('-') { i128::MIN } else { i128::MAX }))
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(yes) => Value::Bool(*yes),
        DeValue::Datetime(_) => Value::DateTime,
    };
    Node { span: value.span(), value: converted }
}
