//! Every value in effect, for people: defaults filled in, secrets left out.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};

use super::diagnostics::Sources;
use super::disguise;
use super::environment::Written;
use super::model::Config;
use super::raw;
use super::schema::{self, Rules};

/// Replaces a secret.
const MASK: &str = "***";

/// Every value in effect, defaults included, by the keys of the file. Secrets are left out: strings with `${NAME}` stand as they
/// are written (numbers and booleans as what they are), `server.environment` and the environments of commands have only their names, as have headers that a collector is sent, and headers, parameters and queries of webhooks that carry
/// credentials are masked.
#[derive(Debug)]
pub struct Effective {
    /// All of them but the backends.
    values: Value,
    /// The backends, by service. There may be very many, and they are hardly ever asked for, so they become JSON only
    /// then.
    backends: BTreeMap<String, Vec<raw::Backend>>,
    /// Strings of the backends as they are written, by their places.
    written: Vec<(String, String)>,
    /// A hash of the files' texts.
    hash: String,
    /// The values that the process has found by itself, as JSON pointers.
    of_process: Vec<&'static str>,
}

impl Effective {
    /// The values of a configuration that has been found good.
    ///
    /// `names_state_dir` says whether the file has `server.state_dir`, which has been filled in.
    pub(super) fn new(
        mut raw: raw::File,
        written: Written,
        config: &Config,
        sources: &Sources,
        names_state_dir: bool,
    ) -> Self {
        let of_process = [("/server/state_dir", names_state_dir), ("/server/workers", raw.server.workers > 0)];
        let of_process = of_process.into_iter().filter(|(_, is_written)| !is_written).map(|(at, _)| at).collect();
        let backends = raw.service.iter_mut();
        let backends = backends.map(|(name, service)| (name.clone(), std::mem::take(&mut service.backend))).collect();
        // Only maps with string keys and plain numbers are in there, which JSON can always hold.
        let mut values = serde_json::to_value(&raw).unwrap_or_default();
        tidy(&mut values, schema::rules());
        let written = written.into_iter().filter(|(_, replaced)| !replaced.is_shown);
        let written = written.map(|(path, replaced)| (path.json_pointer(), replaced.written));
        let written = written.filter_map(|(at, text)| replace(&mut values, at, text)).collect();
        hide_secrets(&mut values);
        // the schema can't know it: it depends on the machine
        if let Some(workers) = values.pointer_mut("/server/workers") {
            *workers = Value::from(config.server.workers);
        }
        Self { values, backends, written, hash: hash(sources), of_process }
    }

    /// The first 12 hexadecimal digits of the SHA-256 of the file, as `sha256sum` tells them; of several files, as it tells them of all together, one
    /// behind the other in the order in which they were read.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The values that are not the file's but the process's, as JSON pointers: in another process, they may be others for the same file.
    pub fn of_process(&self) -> &[&'static str] {
        &self.of_process
    }

    /// All values but the backends, whose lists are empty.
    pub fn values(&self) -> &Value {
        &self.values
    }

    /// All values but the backends, to be changed.
    pub fn values_mut(&mut self) -> &mut Value {
        &mut self.values
    }

    /// All values.
    pub fn to_json(&self) -> Value {
        let services = self.backends.iter().map(|(name, backends)| (name.clone(), json!({ "backend": backends })));
        let mut listed = json!({ "service": services.collect::<Map<_, _>>() });
        tidy(&mut listed, schema::rules());
        let mut json = self.values.clone();
        for name in self.backends.keys() {
            json["service"][name]["backend"] = listed["service"][name]["backend"].take();
        }
        for (at, text) in &self.written {
            replace(&mut json, at.clone(), text.clone());
        }
        identify(&mut json);
        json
    }
}

fn hash(sources: &Sources) -> String {
    let mut digest = digest::Context::new(&digest::SHA256);
    sources.iter().for_each(|file| digest.update(file.text.as_bytes()));
    HEXLOWER.encode(&digest.finish().as_ref()[..6])
}

/// Puts a text where `at` points to, or returns both where there is nothing.
fn replace(values: &mut Value, at: String, text: String) -> Option<(String, String)> {
    match values.pointer_mut(&at) {
        Some(value) => {
            *value = Value::String(text);
            None
        }
        None => Some((at, text)),
    }
}

/// Masks the values of variables, the queries of webhooks, and users with their passwords in URLs: they are where people put passwords.
fn hide_secrets(values: &mut Value) {
    let hide = |holder: &mut Value| {
        if let Some(Value::Object(environment)) = holder.get_mut("environment") {
            environment.values_mut().for_each(mask);
        }
        for key in ["webhook", "down_webhook"] {
            if let Some(Value::String(url)) = holder.get_mut(key)
                && let Some(query) = url.find('?')
            {
                url.replace_range(query + 1.., MASK);
            }
        }
    };
    if let Some(Value::Object(headers)) = values.pointer_mut("/otlp/headers") {
        headers.values_mut().for_each(mask);
    }
    values.get_mut("server").into_iter().for_each(hide);
    values.get_mut("notify").and_then(Value::as_array_mut).into_iter().flatten().for_each(hide);
    let services = values.get_mut("service").and_then(Value::as_object_mut);
    for service in services.into_iter().flat_map(Map::values_mut) {
        let recover = service.get_mut("recover").and_then(Value::as_array_mut);
        recover.into_iter().flatten().for_each(hide);
    }
    hide_users(values);
}

/// Masks the user, and with it the password, in whatever is a URL.
fn hide_users(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("://") && text.contains('@') && !text.contains(char::is_whitespace) => {
            *text = disguise::user(text);
        }
        Value::Array(items) => items.iter_mut().for_each(hide_users),
        Value::Object(object) => object.values_mut().for_each(hide_users),
        _ => {}
    }
}

/// Gives a backend without an id its address as the id.
fn identify(values: &mut Value) {
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

/// Takes out keys that are not set, and masks credentials.
fn tidy(value: &mut Value, rules: &Rules) {
    match value {
        Value::Object(object) => {
            let free_keys = rules.properties.is_none();
            object.retain(|key, value| {
                let property = match &rules.properties {
                    Some(properties) => properties.get(key.as_str()),
                    None => rules.values.as_deref(),
                };
                let Some(property) = property else { return false };
                tidy(value, property);
                if free_keys && value.is_string() && disguise::is_secret(key) {
                    mask(value);
                }
                !value.is_null()
            });
        }
        Value::Array(items) => {
            if let Some(rules) = &rules.items {
                items.iter_mut().for_each(|item| tidy(item, rules));
            }
        }
        _ => {}
    }
}

fn mask(value: &mut Value) {
    *value = Value::String(MASK.to_owned());
}
