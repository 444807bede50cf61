//! Every value in effect, for people: defaults filled in, secrets left out.

use serde_json::Value;

use super::environment::Written;
use super::model::Config;
use super::raw;
use super::schema::{self, Rules};

/// What stands in the place of a secret.
const MASK: &str = "***";

/// Words in the names of headers and parameters that carry credentials.
const SECRET_WORDS: [&str; 7] = ["auth", "cookie", "key", "pass", "secret", "session", "token"];

/// The values of a configuration that has been found good.
pub(super) fn values(raw: &raw::File, written: &Written, config: &Config) -> Value {
    // Only maps with string keys and plain numbers are in there, which JSON can always hold.
    let mut values = serde_json::to_value(raw).unwrap_or_default();
    let schema = schema::get();
    tidy(&mut values, Rules::new(schema, schema), schema);
    for (path, text) in written {
        if let Some(value) = values.pointer_mut(&path.json_pointer()) {
            *value = Value::String(text.clone());
        }
    }
    if let Some(Value::Object(environment)) = values.pointer_mut("/server/environment") {
        environment.values_mut().for_each(mask);
    }
    computed(&mut values, config);
    values
}

/// Defaults that the schema can't know: those that depend on the machine, or on another key.
fn computed(values: &mut Value, config: &Config) {
    if let Some(workers) = values.pointer_mut("/server/workers") {
        *workers = Value::from(config.server.workers);
    }
    let services = values.get_mut("service").and_then(Value::as_object_mut);
    for service in services.into_iter().flat_map(|services| services.values_mut()) {
        let backends = service.get_mut("backend").and_then(Value::as_array_mut);
        for backend in backends.into_iter().flatten().filter_map(Value::as_object_mut) {
            if let Some(address) = backend.get("address").cloned() {
                backend.entry("id").or_insert(address);
            }
        }
    }
}

/// Takes out what is not set and what this version does not do, and masks credentials.
fn tidy(value: &mut Value, rules: Rules<'_>, schema: &Value) {
    match value {
        Value::Object(object) => {
            let free_keys = rules.properties().is_none();
            object.retain(|key, value| {
                let property = match rules.properties() {
                    Some(properties) => properties.get(key),
                    None => rules.get("additionalProperties"),
                };
                let Some(property) = property.map(|own| Rules::new(schema, own)) else { return false };
                tidy(value, property, schema);
                if free_keys && value.is_string() && is_secret(key) {
                    mask(value);
                }
                !value.is_null() && property.get("x-unsupported").is_none()
            });
        }
        Value::Array(items) => {
            if let Some(own) = rules.get("items") {
                items.iter_mut().for_each(|item| tidy(item, Rules::new(schema, own), schema));
            }
        }
        _ => {}
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

fn mask(value: &mut Value) {
    *value = Value::String(MASK.to_owned());
}
