//! The JSON Schema of `proxy.toml`, generated from the raw types.

use std::collections::BTreeMap;
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

/// The schema, in which a string with one variable may stand for a number, a boolean or an array of strings.
pub(super) fn with_variables() -> Value {
    let mut schema = get().clone();
    add_variables(&mut schema);
    schema
}

/// A string that is one variable, as a regular expression (ECMA-262).
const VARIABLE: &str = r"^\$\{[^}]*\}$";

fn add_variables(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let is_array_of_texts = object.get("items").is_some_and(|items| items["type"] == "string");
            let variable = match object.get("type").and_then(Value::as_str) {
                Some("array") => is_array_of_texts,
                kind => matches!(kind, Some("integer" | "number" | "boolean")),
            };
            if variable && let Some(kind) = object.get("type").cloned() {
                object.insert("type".to_owned(), Value::Array(vec![kind, "string".into()]));
                object.insert("pattern".to_owned(), VARIABLE.into());
            }
            object.values_mut().for_each(add_variables);
        }
        Value::Array(items) => items.iter_mut().for_each(add_variables),
        _ => {}
    }
}

/// Takes null out: TOML knows none, and what is `Option` in the raw types is simply a key that may be missing.
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

/// The rules of the schema for one value. They are needed for every value of a file, so those that apply to nearly all
/// are looked up once. The words beside a `$ref` come before those of its target.
pub(super) struct Rules {
    own: &'static Value,
    target: Option<&'static Value>,
    /// The types that it may have, in the words of JSON Schema; empty = any.
    pub(super) kinds: Vec<&'static str>,
    /// The keys of a table with fixed keys.
    pub(super) properties: Option<BTreeMap<&'static str, Self>>,
    /// The values of a table whose keys are free.
    pub(super) values: Option<Box<Self>>,
    /// The elements of an array.
    pub(super) items: Option<Box<Self>>,
    /// The keys that must be there.
    pub(super) required: Vec<&'static str>,
    /// The strings that it may be; empty = any.
    pub(super) words: Vec<&'static str>,
    /// The language of a string, or of the strings in an array or a table.
    pub(super) syntax: Option<&'static str>,
    /// The language of the keys of a table.
    pub(super) key_syntax: Option<&'static str>,
    /// A duration or a size that can't be 0.
    pub(super) positive: bool,
}

/// The rules for the file as a whole.
pub(super) fn rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(|| Rules::new(get(), get()))
}

impl Rules {
    /// `root` is the whole schema.
    fn new(root: &'static Value, own: &'static Value) -> Self {
        let name = own.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
        let target = name.and_then(|name| root.get("$defs")?.get(name));
        let get = |word: &str| look_up(own, target, word);
        let text = |word: &str| get(word).and_then(Value::as_str);
        let list = |word: &str| -> Vec<&'static str> {
            get(word).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let below = |word: &str| get(word).filter(|v| v.is_object()).map(|own| Box::new(Self::new(root, own)));
        let properties = get("properties").and_then(Value::as_object);
        Self {
            own,
            target,
            kinds: text("type").map_or_else(|| list("type"), |only| vec![only]),
            properties: properties.map(|all| all.iter().map(|(k, own)| (k.as_str(), Self::new(root, own))).collect()),
            values: below("additionalProperties"),
            items: below("items"),
            required: list("required"),
            words: list("enum"),
            syntax: text("x-syntax"),
            key_syntax: text("x-key-syntax"),
            positive: get("x-positive") == Some(&Value::Bool(true)),
        }
    }

    /// A rule that has no field here.
    pub(super) fn get(&self, word: &str) -> Option<&'static Value> {
        look_up(self.own, self.target, word)
    }
}

fn look_up(own: &'static Value, target: Option<&'static Value>, word: &str) -> Option<&'static Value> {
    own.get(word).or_else(|| target?.get(word))
}
