//! A TOML file as a tree in which every key and every value knows where it stands in the text.
//!
//! Mistakes are found in this tree, and values that can't be used are taken out of it, so that the rest can be
//! deserialised as a whole and the next checks see everything that is well-formed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) use super::path::KeyPath;
use super::path::Step;

/// A value and where it stands. Strings are borrowed from the file, unless they have escapes.
#[derive(Debug, Clone)]
pub(super) struct Node<'t> {
    pub(super) span: Range<usize>,
    pub(super) value: Value<'t>,
}

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Value<'t> {
    Table(Table<'t>),
    Array(Vec<Node<'t>>),
    Text(Cow<'t, str>),
    /// Wider than any integer of the configuration, so that one that is too large is out of range and not a mistake of
    /// syntax.
    Integer(i128),
    Float(f64),
    Bool(bool),
    DateTime,
}

/// The entries of a table, in the order of their names: nearly all tables have a few, for which no map is worth its memory.
#[derive(Debug, Clone)]
pub(super) struct Table<'t>(Vec<KeyValue<'t>>);

/// A key of a table with its value.
#[derive(Debug, Clone)]
pub(super) struct KeyValue<'t> {
    pub(super) name: Cow<'t, str>,
    /// Where the key stands.
    pub(super) key: Range<usize>,
    pub(super) node: Node<'t>,
}

/// The most syntax errors that are reported: a file with more is no configuration.
const MOST_ERRORS: usize = 100;

impl<'t> Node<'t> {
    /// Reads a file without syntax errors.
    ///
    /// # Errors
    ///
    /// Those that it has.
    pub(super) fn parse(text: &'t str) -> Result<Self, Vec<(Range<usize>, String)>> {
        let (root, errors) = Self::recover(text);
        if errors.is_empty() { Ok(root) } else { Err(errors) }
    }

    /// Reads what can be read of a file; returns it with the syntax errors: the parser's messages and their places.
    pub(super) fn recover(text: &'t str) -> (Self, Vec<(Range<usize>, String)>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let errors = errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message().to_owned()));
        let mut errors: Vec<_> = errors.take(MOST_ERRORS).collect();
        // further errors in the same line mostly follow from the first one
        errors.dedup_by(|one, before| {
            let between = text.get(before.0.start..one.0.start).unwrap_or_default();
            !between.is_empty() && !between.contains('\n')
        });
        (Self { span: 0..0, value: Value::Table(Table::from(table.into_inner())) }, errors)
    }

    /// Moves all places, as those of a file that does not stand at the beginning.
    pub(super) fn shift(&mut self, by: usize) {
        let moved = |span: &Range<usize>| span.start + by..span.end + by;
        self.span = moved(&self.span);
        match &mut self.value {
            Value::Table(table) => table.0.iter_mut().for_each(|entry| {
                entry.key = moved(&entry.key);
                entry.node.shift(by);
            }),
            Value::Array(items) => items.iter_mut().for_each(|item| item.shift(by)),
            _ => {}
        }
    }

    /// The value at the end of a path.
    pub(super) fn at(&self, path: &KeyPath) -> Option<(&Self, Option<&Range<usize>>)> {
        let mut node = self;
        let mut key = None;
        for step in path.steps() {
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

    /// Takes a key out, when this is a table that has it.
    pub(super) fn take(&mut self, key: &str) -> Option<KeyValue<'t>> {
        let Value::Table(table) = &mut self.value else { return None };
        table.place(key).map(|place| table.0.remove(place))
    }

    /// The strings of this table.
    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        let Value::Table(table) = &self.value else { return BTreeMap::new() };
        let text = |entry: &KeyValue| match &entry.node.value {
            Value::Text(text) => Some(text.to_string()),
            _ => None,
        };
        table.iter().filter_map(|entry| Some((entry.name.to_string(), text(entry)?))).collect()
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
            path = path.parent();
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

    /// As JSON.
    pub(super) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Table(table) => table.iter().map(|entry| (entry.name.to_string(), entry.node.to_json())).collect(),
            Value::Array(items) => items.iter().map(Self::to_json).collect(),
            Value::Text(text) => Json::String(text.to_string()),
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

impl<'t> Table<'t> {
    /// With one key.
    pub(super) fn one(entry: KeyValue<'t>) -> Self {
        Self(vec![entry])
    }

    /// In the order of their names.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, KeyValue<'t>> {
        self.0.iter()
    }

    /// In the order of their names, to be changed.
    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, KeyValue<'t>> {
        self.0.iter_mut()
    }

    /// Takes all out.
    pub(super) fn into_entries(self) -> Vec<KeyValue<'t>> {
        self.0
    }

    /// Adds a key, where the table does not have it.
    pub(super) fn insert(&mut self, entry: KeyValue<'t>) {
        if let Err(place) = self.0.binary_search_by(|known| known.name.cmp(&entry.name)) {
            self.0.insert(place, entry);
        }
    }

    /// Keeps the keys for which `keep` is true.
    pub(super) fn retain(&mut self, keep: impl FnMut(&mut KeyValue<'t>) -> bool) {
        self.0.retain_mut(keep);
    }

    pub(super) fn get(&self, name: &str) -> Option<&KeyValue<'t>> {
        self.place(name).map(|place| &self.0[place])
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut KeyValue<'t>> {
        self.place(name).map(|place| &mut self.0[place])
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|entry| (*entry.name).cmp(name)).ok()
    }
}

impl Value<'_> {
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

impl<'t> From<DeTable<'t>> for Table<'t> {
    fn from(table: DeTable<'t>) -> Self {
        let entry = |(key, value): (Spanned<Cow<'t, str>>, _)| KeyValue {
            key: key.span(),
            name: key.into_inner(),
            node: Node::from(value),
        };
        let mut entries: Vec<_> = table.into_iter().map(entry).collect();
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Self(entries)
    }
}

impl<'t> From<Spanned<DeValue<'t>>> for Node<'t> {
    fn from(value: Spanned<DeValue<'t>>) -> Self {
        let span = value.span();
        let value = match value.into_inner() {
            DeValue::Table(table) => Value::Table(Table::from(table)),
            DeValue::Array(items) => Value::Array(items.into_iter().map(Node::from).collect()),
            DeValue::String(text) => Value::Text(text),
            DeValue::Integer(number) => {
                let parsed = i128::from_str_radix(number.as_str(), number.radix());
                Value::Integer(parsed.unwrap_or(if number.as_str().starts_with('-') { i128::MIN } else { i128::MAX }))
            }
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(yes) => Value::Bool(yes),
            DeValue::Datetime(_) => Value::DateTime,
        };
        Self { span, value }
    }
}
