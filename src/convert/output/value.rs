//! Tables of a `proxy.toml`, with the places that each value comes from.

use super::Place;

/// What a key can have.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string, as it stands between the quotes: `${...}` is a variable.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A number with a fraction.
    Share(f64),
    /// `true` or `false`.
    Flag(bool),
    /// An array.
    List(Vec<Value>),
    /// A table.
    Table(Table),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Share(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Table> for Value {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

/// Text of an original that is to stay text: its `${` is no variable of ours.
pub fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// What it has.
    pub value: Value,
    /// The lines that it comes from; those of a table are said by its entries.
    pub from: Vec<Place>,
}

/// A table: keys in the order in which they were put.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// The lines that the table as a whole comes from.
    pub from: Vec<Place>,
    /// A remark that stands above the section.
    pub remarks: Vec<String>,
    /// What is in it.
    pub entries: Vec<Entry>,
}

impl Table {
    /// An empty table that comes from there.
    pub fn at(place: &Place) -> Self {
        Self { from: vec![place.clone()], ..Self::default() }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sets the key at the end of `path`; tables on the way are made when they are not there. What was there is replaced.
    pub fn put(&mut self, path: &[&str], value: impl Into<Value>, place: &Place) {
        let (Some(entry), value) = (self.reach(path), value.into()) else { return };
        entry.value = value;
        entry.from = vec![place.clone()];
    }

    /// Puts `value` at the end of the array at `path`, which is made when it is not there.
    pub fn push(&mut self, path: &[&str], value: impl Into<Value>) {
        let Some(entry) = self.reach(path) else { return };
        match &mut entry.value {
            Value::List(list) => list.push(value.into()),
            other => *other = Value::List(vec![value.into()]),
        }
    }

    /// The same as [`push`](Self::push), and says where the value comes from.
    pub fn push_from(&mut self, path: &[&str], value: impl Into<Value>, place: &Place) {
        self.push(path, value);
        self.comes_from(path, place);
    }

    /// The same, unless that text is in the array already.
    pub fn push_once(&mut self, path: &[&str], text: &str, place: &Place) {
        if !matches!(self.get(path), Some(Value::List(list)) if list.contains(&Value::from(text))) {
            self.push(path, text);
        }
        self.comes_from(path, place);
    }

    /// Says that what stands at `path` comes from there as well; nothing, where nothing stands there.
    pub fn comes_from(&mut self, path: &[&str], place: &Place) {
        if self.get(path).is_some()
            && let Some(entry) = self.reach(path)
            && !entry.from.contains(place)
        {
            entry.from.push(place.clone());
        }
    }

    /// What stands at `path`.
    pub fn get(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let value = &self.entries.iter().find(|entry| entry.key == *first)?.value;
        match value {
            _ if rest.is_empty() => Some(value),
            Value::Table(table) => table.get(rest),
            _ => None,
        }
    }

    /// The text at `path`.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        match self.get(path) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Takes the key at `path` away.
    pub fn remove(&mut self, path: &[&str]) -> Option<Value> {
        let (last, way) = path.split_last()?;
        let mut table = self;
        for key in way {
            match table.entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.value) {
                Some(Value::Table(inner)) => table = inner,
                _ => return None,
            }
        }
        let at = table.entries.iter().position(|entry| entry.key == *last)?;
        Some(table.entries.remove(at).value)
    }

    /// Whether it has the same keys with the same values, wherever they come from.
    pub fn same(&self, other: &Self) -> bool {
        self.without_places() == other.without_places()
    }

    /// A text that is the same for tables that are [the same](Self::same).
    pub fn fingerprint(&self) -> String {
        format!("{:?}", self.without_places())
    }

    fn without_places(&self) -> Self {
        fn of(value: &Value) -> Value {
            match value {
                Value::Table(table) => Value::Table(table.without_places()),
                Value::List(list) => Value::List(list.iter().map(of).collect()),
                other => other.clone(),
            }
        }
        let entry = |entry: &Entry| Entry { key: entry.key.clone(), value: of(&entry.value), from: Vec::new() };
        Self { from: Vec::new(), remarks: Vec::new(), entries: self.entries.iter().map(entry).collect() }
    }

    /// A table with this key of it only.
    pub fn only(&self, key: &str) -> Self {
        let entries = self.entries.iter().filter(|entry| entry.key == key).cloned().collect();
        Self { entries, ..Self::default() }
    }

    /// Puts a key before all others.
    pub fn put_first(&mut self, key: &str, value: impl Into<Value>, place: &Place) {
        self.remove(&[key]);
        let entry = Entry { key: key.to_owned(), value: value.into(), from: vec![place.clone()] };
        self.entries.insert(0, entry);
    }

    /// Lets nobody in by this listener or route, because what the original asks of clients could not be carried over.
    pub fn close(&mut self, place: &Place) {
        self.remove(&["allow"]);
        self.put(&["deny"], vec!["0.0.0.0/0", "::/0"], place);
        let remark = "CLOSED: the original lets in only some, and that was not carried over. See the errors above.";
        if !self.remarks.iter().any(|known| known == remark) {
            self.remarks.push(remark.to_owned());
        }
    }

    /// The entry at the end of `path`, made when it is not there.
    fn reach(&mut self, path: &[&str]) -> Option<&mut Entry> {
        let (first, rest) = path.split_first()?;
        let at = self.entries.iter().position(|entry| entry.key == *first).unwrap_or_else(|| {
            let value = Value::Table(Self::default());
            self.entries.push(Entry { key: (*first).to_owned(), value, from: Vec::new() });
            self.entries.len() - 1
        });
        let entry = &mut self.entries[at];
        if rest.is_empty() {
            return Some(entry);
        }
        if !matches!(entry.value, Value::Table(_)) {
            entry.value = Value::Table(Self::default());
        }
        match &mut entry.value {
            Value::Table(table) => table.reach(rest),
            _ => None,
        }
    }
}
