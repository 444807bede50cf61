//! The JSON Schema of `proxy.toml`, generated from the raw types.

use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::raw;

/// The schema; it is the same for the life of the process.
pub(super) fn get() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let generator = SchemaSettings::draft2020_12().into_generator();
        let mut schema = generator.into_root_schema_for::<raw::File>().to_value();
        tidy(&mut schema);
        schema
    })
}

/// TOML knows no null: what is `Option` in the raw types is simply a key that may be missing.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, v| !v.is_null());
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|t| t != "null");
                if let [only] = &types[..] {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            unwrap_optional(object);
            object.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// `anyOf: [X, null]` is X.
fn unwrap_optional(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get("anyOf") else { return };
    let is_null = |c: &Value| c.get("type").is_some_and(|t| t == "null");
    let mut others = choices.iter().filter(|c| !is_null(c));
    if let (Some(Value::Object(only)), None) = (others.next().cloned(), others.next()) {
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

/// What the schema says about one value: the words beside a `$ref` come before those of its target.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    own: &'a Value,
    target: Option<&'a Value>,
}

impl<'a> Rules<'a> {
    /// `root` is the whole schema.
    pub(super) fn new(root: &'a Value, own: &'a Value) -> Self {
        let name = own.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
        Self { own, target: name.and_then(|name| root.get("$defs")?.get(name)) }
    }

    pub(super) fn get(&self, word: &str) -> Option<&'a Value> {
        self.own.get(word).or_else(|| self.target?.get(word))
    }

    pub(super) fn text(&self, word: &str) -> Option<&'a str> {
        self.get(word)?.as_str()
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.get(word) == Some(&Value::Bool(true))
    }

    /// The properties of a table with fixed keys.
    pub(super) fn properties(&self) -> Option<&'a Map<String, Value>> {
        self.get("properties")?.as_object()
    }

    /// The strings of a list.
    pub(super) fn list(&self, word: &str) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        self.get(word).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }
}
