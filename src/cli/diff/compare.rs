//! What differs between two configurations in effect, by dotted keys.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::app::needs_restart;

/// The keys by which the elements of a list are known, the first one that all have. A list of others is compared in its order.
const NAMES: [&str; 2] = ["name", "id"];

/// One value that differs.
#[derive(Debug, PartialEq)]
pub(in crate::cli) struct Difference {
    /// Its key, such as `listener[web].limits.max_headers` or `service.app.backend[10.0.0.1:80].weight`.
    pub key: String,
    /// What runs; `None` = there is nothing.
    pub running: Option<Value>,
    /// What the file says; `None` = nothing.
    pub file: Option<Value>,
    /// Whether it takes a restart.
    pub needs_restart: bool,
}

/// The differences in the order of their keys, but for those at `ignored` (JSON pointers).
pub(in crate::cli) fn differences(running: &Value, file: &Value, ignored: &[&str]) -> Vec<Difference> {
    let mut compare = Compare { ignored, found: Vec::new() };
    compare.values(&Place::default(), Some(running), Some(file));
    compare.found
}

/// Where a value is: for people, and as a JSON pointer.
#[derive(Debug, Clone, Default)]
struct Place {
    key: String,
    pointer: String,
}

impl Place {
    fn key(&self, key: &str) -> Self {
        let is_bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let shown = if is_bare { key.to_owned() } else { format!("{key:?}") };
        let dot = if self.key.is_empty() { "" } else { "." };
        Self { key: format!("{}{dot}{shown}", self.key), pointer: format!("{}/{key}", self.pointer) }
    }

    fn element(&self, name: &str) -> Self {
        Self { key: format!("{}[{name}]", self.key), pointer: format!("{}/{name}", self.pointer) }
    }
}

struct Compare<'a> {
    ignored: &'a [&'a str],
    found: Vec<Difference>,
}

impl Compare<'_> {
    fn values(&mut self, at: &Place, running: Option<&Value>, file: Option<&Value>) {
        if running == file || self.ignored.contains(&&*at.pointer) {
            return;
        }
        match (running, file) {
            (Some(Value::Object(running)), Some(Value::Object(file))) => self.tables(at, running, file),
            (Some(Value::Array(running)), Some(Value::Array(file))) if is_list_of_tables(running, file) => {
                match name_of_all(running).filter(|name| name_of_all(file) == Some(*name)) {
                    Some(name) => self.named(at, name, running, file),
                    None => self.in_order(at, running, file),
                }
            }
            _ => {
                let [old, new] = [running, file].map(|value| value.unwrap_or(&Value::Null));
                let needs_restart = needs_restart(&at.pointer, old, new);
                let (key, running, file) = (at.key.clone(), running.cloned(), file.cloned());
                self.found.push(Difference { key, running, file, needs_restart });
            }
        }
    }

    fn tables(&mut self, at: &Place, running: &Map<String, Value>, file: &Map<String, Value>) {
        let keys: BTreeSet<&String> = running.keys().chain(file.keys()).collect();
        for key in keys {
            self.values(&at.key(key), running.get(key), file.get(key));
        }
    }

    /// Lists whose elements have names, which say more than their places.
    fn named(&mut self, at: &Place, name: &str, running: &[Value], file: &[Value]) {
        let of = |list: &[Value], wanted: &str| list.iter().find(|element| element[name] == wanted).cloned();
        let mut names: Vec<&str> = Vec::new();
        let mut known = BTreeSet::new();
        for element in running.iter().chain(file).filter_map(|element| element[name].as_str()) {
            if known.insert(element) {
                names.push(element);
            }
        }
        for element in names {
            self.values(&at.element(element), of(running, element).as_ref(), of(file, element).as_ref());
        }
    }

    /// Lists whose elements are known by their places: where some come or go, those before and after them are the same.
    fn in_order(&mut self, at: &Place, running: &[Value], file: &[Value]) {
        let shorter = running.len().min(file.len());
        let first = running.iter().zip(file).take_while(|(old, new)| old == new).count();
        let last = match running.len() == file.len() {
            true => 0,
            false => running.iter().rev().zip(file.iter().rev()).take_while(|(old, new)| old == new).count(),
        };
        let last = last.min(shorter - first);
        let (running, file) = (&running[first..running.len() - last], &file[first..file.len() - last]);
        for index in 0..running.len().max(file.len()) {
            self.values(&at.element(&(first + index).to_string()), running.get(index), file.get(index));
        }
    }
}

/// Whether both are lists of tables, and one of them has any.
fn is_list_of_tables(running: &[Value], file: &[Value]) -> bool {
    running.iter().chain(file).all(Value::is_object)
}

/// The key by which the elements of a list are known: all have it, and none has the same as another.
fn name_of_all(list: &[Value]) -> Option<&'static str> {
    let is_unique = |name: &&str| {
        let mut known = BTreeSet::new();
        list.iter().all(|element| element[*name].as_str().is_some_and(|name| known.insert(name)))
    };
    NAMES.into_iter().find(is_unique)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(running: Value, file: Value) -> Vec<String> {
        let sign = |d: &Difference| match (&d.running, &d.file) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        };
        differences(&running, &file, &["/ignored"]).iter().map(|d| format!("{}{}", sign(d), d.key)).collect()
    }

    #[test]
    fn elements_are_told_by_their_names_wherever_they_stand() {
        let running = json!({ "listener": [{ "name": "a", "x": 1 }, { "name": "b", "x": 1 }, { "name": "c" }] });
        let file = json!({ "listener": [{ "name": "d" }, { "name": "b", "x": 2, "y": 1 }, { "name": "a", "x": 1 }] });
        assert_eq!(keys(running, file), ["~listener[b].x", "+listener[b].y", "-listener[c]", "+listener[d]"]);
        let backends =
            |weight: u32| json!({ "service": { "a.b": { "backend": [{ "id": "10.0.0.1:80", "weight": weight }] } } });
        assert_eq!(keys(backends(1), backends(2)), ["~service.\"a.b\".backend[10.0.0.1:80].weight"]);
        assert_eq!(keys(json!({ "listener": [] }), json!({ "listener": [{ "name": "a" }] })), ["+listener[a]"]);
    }

    #[test]
    fn elements_without_names_are_told_by_their_places() {
        let route =
            |paths: &[&str]| json!({ "route": paths.iter().map(|path| json!({ "path": path })).collect::<Vec<_>>() });
        assert_eq!(keys(route(&["a", "b", "c"]), route(&["a", "x", "b", "c"])), ["+route[1]"]);
        assert_eq!(keys(route(&["a", "b", "c"]), route(&["a"])), ["-route[1]", "-route[2]"]);
        assert_eq!(keys(route(&["a", "b"]), route(&["b", "b"])), ["~route[0].path"]);
        assert_eq!(keys(route(&["a", "a"]), route(&["a", "a", "a"])), ["+route[2]"]);
    }

    #[test]
    fn lists_of_values_are_one_value_and_what_is_ignored_is_left_out() {
        let running = json!({ "a": ["1", "2"], "ignored": 1, "same": { "x": [] } });
        let file = json!({ "a": ["1"], "ignored": 2, "same": { "x": [] }, "b": null });
        assert_eq!(keys(running, file), ["~a", "+b"]);
    }

    #[test]
    fn what_takes_a_restart_is_marked() {
        let found = differences(
            &json!({ "admin": { "tls": { "cert": "a" } } }),
            &json!({ "admin": { "tls": { "cert": "b" } } }),
            &[],
        );
        assert!(found[0].needs_restart);
    }
}
