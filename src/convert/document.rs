//! A document of YAML or TOML in which each value knows its line, and whether anybody has looked at it: what nobody has looked at was not
//! carried over, and is told.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Spanned, UserMessageFormatter};
use toml::de::{DeTable, DeValue};

use super::output::Place;

/// As deep as tables and lists may lie in each other.
const DEEPEST: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// The line of its key, or else where it begins.
    pub place: Place,
}

/// What a value is.
#[derive(Debug, Clone)]
pub enum Value {
    /// None, or a key without a value.
    Null,
    /// A text, a number, or `true` and `false`, as text.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Fields, in the order of the file.
    Fields(Vec<Field>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub struct Field {
    /// The key.
    pub name: String,
    /// Its value.
    pub node: Node,
    used: Cell<bool>,
}

impl Field {
    fn new(name: String, node: Node) -> Self {
        Self { name, node, used: Cell::new(false) }
    }
}

impl Node {
    /// The field of that name, whatever the case, as Traefik reads names. It counts as looked at.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let field = self.raw_fields().iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
        field.used.set(true);
        Some(&field.node)
    }

    /// The field at the end of this way.
    pub fn at(&self, way: &[&str]) -> Option<&Self> {
        way.iter().try_fold(self, |node, name| node.get(name))
    }

    /// The text in the field of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.scalar()
    }

    /// Whether the field of that name is `true`.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// The texts in the field of that name: a list, or one text with commas.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        match self.get(name).map(|node| &node.value) {
            Some(Value::List(items)) => items.iter().filter_map(Self::scalar).collect(),
            Some(Value::Scalar(text)) => text.split(',').map(str::trim).filter(|text| !text.is_empty()).collect(),
            _ => Vec::new(),
        }
    }

    /// The items of the list in the field of that name.
    pub fn items(&self, name: &str) -> &[Self] {
        match self.get(name).map(|node| &node.value) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// All fields; they count as looked at.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.raw_fields().iter().map(|field| {
            field.used.set(true);
            (field.name.as_str(), &field.node)
        })
    }

    /// The fields of the field of that name.
    pub fn below(&self, name: &str) -> impl Iterator<Item = (&str, &Self)> {
        self.get(name).into_iter().flat_map(Self::fields)
    }

    /// The text that it is.
    pub fn scalar(&self) -> Option<&str> {
        if let Value::Scalar(text) = &self.value { Some(text) } else { None }
    }

    /// Counts as looked at, with all that is in it.
    pub fn seen(&self) {
        match &self.value {
            Value::Fields(fields) => {
                for field in fields {
                    field.used.set(true);
                    field.node.seen();
                }
            }
            Value::List(items) => items.iter().for_each(Self::seen),
            _ => {}
        }
    }

    /// What nobody has looked at: the way to it, and where it stands.
    pub fn unseen(&self) -> Vec<(String, &Self)> {
        let mut all = Vec::new();
        self.gather_unseen("", &mut all);
        all
    }

    fn gather_unseen<'a>(&'a self, way: &str, all: &mut Vec<(String, &'a Self)>) {
        match &self.value {
            Value::Fields(fields) => {
                for field in fields {
                    let dot = if way.is_empty() { "" } else { "." };
                    let way = format!("{way}{dot}{}", field.name);
                    if field.used.get() {
                        field.node.gather_unseen(&way, all);
                    } else {
                        all.push((way, &field.node));
                    }
                }
            }
            Value::List(items) => items.iter().for_each(|item| item.gather_unseen(way, all)),
            _ => {}
        }
    }

    fn raw_fields(&self) -> &[Field] {
        if let Value::Fields(fields) = &self.value { fields } else { &[] }
    }
}

/// Reads a document of YAML.
///
/// # Errors
/// The line and what is wrong there.
pub fn yaml(text: &str, file: &Rc<str>) -> Result<Node, (usize, String)> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(16 << 20),
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            max_anchors: 1_000,
            max_aliases: 10_000,
            max_merge_keys: 10_000,
        },
        with_snippet: false,
    };
    let tree = serde_saphyr::from_str_with_options::<Tree>(text, options).map_err(|error| {
        let line = error.location().map_or(1, |location| location.line() as usize);
        let reason = error.render_with_formatter(&UserMessageFormatter);
        (line, reason.split(" at line ").next().unwrap_or_default().to_owned())
    })?;
    Ok(tree.node(file, None))
}

/// Reads a document of TOML.
///
/// # Errors
/// The line and what is wrong there.
pub fn toml(text: &str, file: &Rc<str>) -> Result<Node, (usize, String)> {
    let line = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
    let table = DeTable::parse(text)
        .map_err(|error| (line(error.span().map_or(0, |span| span.start)), error.message().to_owned()))?;
    let root = Node { value: from_table(table.get_ref(), file, &line), place: Place::new(file, 1) };
    Ok(root)
}

fn from_table(table: &DeTable<'_>, file: &Rc<str>, line: &dyn Fn(usize) -> usize) -> Value {
    let mut keys: Vec<_> = table.iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start);
    let fields = keys.into_iter().map(|(key, value)| {
        let node = from_toml(value.get_ref(), Place::new(file, line(key.span().start)), file, line);
        Field::new(key.get_ref().to_string(), node)
    });
    Value::Fields(fields.collect())
}

fn from_toml(value: &DeValue<'_>, place: Place, file: &Rc<str>, line: &dyn Fn(usize) -> usize) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Scalar(text.to_string()),
        DeValue::Integer(number) => Value::Scalar(number.to_string()),
        DeValue::Float(number) => Value::Scalar(number.to_string()),
        DeValue::Boolean(flag) => Value::Scalar(flag.to_string()),
        DeValue::Datetime(time) => Value::Scalar(time.to_string()),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| from_toml(item.get_ref(), Place::new(file, line(item.span().start)), file, line))
                .collect(),
        ),
        DeValue::Table(table) => from_table(table, file, line),
    };
    Node { value, place }
}

/// A value of YAML with its line.
struct Tree {
    value: Plain,
    line: usize,
}

enum Plain {
    Null,
    Scalar(String),
    List(Vec<Tree>),
    Fields(Vec<(String, usize, Tree)>),
}

impl Tree {
    fn node(self, file: &Rc<str>, line: Option<usize>) -> Node {
        let place = Place::new(file, line.unwrap_or(self.line).max(1));
        let value = match self.value {
            Plain::Null => Value::Null,
            Plain::Scalar(text) => Value::Scalar(text),
            Plain::List(items) => Value::List(items.into_iter().map(|item| item.node(file, None)).collect()),
            Plain::Fields(fields) => Value::Fields(
                fields.into_iter().map(|(name, line, tree)| Field::new(name, tree.node(file, Some(line)))).collect(),
            ),
        };
        Node { value, place }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Plain>::deserialize(deserializer)?;
        Ok(Self { line: spanned.referenced.line() as usize, value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Plain, E> {
        Ok(Plain::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Plain, E> {
        Ok(Plain::Null)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Plain, E> {
        Ok(Plain::Scalar(flag.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Plain, E> {
        Ok(Plain::Scalar(number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Plain, E> {
        Ok(Plain::Scalar(number.to_string()))
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<Plain, E> {
        Ok(Plain::Scalar(number.to_string()))
    }

    fn visit_u128<E: de::Error>(self, number: u128) -> Result<Plain, E> {
        Ok(Plain::Scalar(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Plain, E> {
        Ok(Plain::Scalar(number.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Plain, E> {
        Ok(Plain::Scalar(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Plain, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Plain::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Plain, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, field)) = entries.next_entry::<Spanned<String>, Tree>()? {
            fields.push((name.value, name.referenced.line() as usize, field));
        }
        Ok(Plain::Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Rc<str> {
        Rc::from("a")
    }

    #[test]
    fn values_of_yaml_know_their_lines() {
        let text =
            "http:\n  routers:\n    a:\n      rule: x\n      priority: 7\n      entryPoints: [web, other]\n    b: {}\n";
        let root = yaml(text, &file()).unwrap();
        let router = root.at(&["http", "routers", "a"]).unwrap();
        assert_eq!(router.place.line, 3);
        assert_eq!(router.get("priority").unwrap().place.line, 5);
        assert_eq!(router.text("priority"), Some("7"));
        assert_eq!(router.texts("entrypoints"), ["web", "other"]);
        let unseen: Vec<_> = root.unseen().into_iter().map(|(way, node)| (way, node.place.line)).collect();
        assert_eq!(unseen, [("http.routers.a.rule".to_owned(), 4), ("http.routers.b".to_owned(), 7)]);
    }

    #[test]
    fn anchors_and_merge_keys_are_followed() {
        let root = yaml("a: &x\n  b: 1\nc:\n  <<: *x\n  d: 2\n", &file()).unwrap();
        assert_eq!(root.at(&["c", "b"]).unwrap().scalar(), Some("1"));
    }

    #[test]
    fn values_of_toml_know_their_lines() {
        let text =
            "[http.routers.a]\n  rule = \"x\"\n  middlewares = [\n    \"m\",\n  ]\n\n[[http.s.servers]]\nurl = \"u\"\n";
        let root = toml(text, &file()).unwrap();
        let router = root.at(&["http", "routers", "a"]).unwrap();
        assert_eq!((router.place.line, router.get("rule").unwrap().place.line), (1, 2));
        assert_eq!(router.texts("middlewares"), ["m"]);
        assert_eq!(root.at(&["http", "s"]).unwrap().items("servers")[0].text("url"), Some("u"));
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        assert_eq!(yaml("a: 1\nb: [\n", &file()).unwrap_err().0, 2);
        assert_eq!(toml("a = 1\nb = \n", &file()).unwrap_err().0, 2);
    }
}
