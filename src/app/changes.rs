//! What a reload has changed, by the names of things, for one line in the log.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// What differs between two configurations, as they are in effect.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changes {
    listeners: Difference,
    services: Difference,
    backends: Difference,
}

/// What differs between two sets of named things.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

/// Names that are listed; of more only the number is told.
const LISTED: usize = 5;

type Named<'a> = BTreeMap<String, &'a Value>;

impl Changes {
    /// From one to the next.
    pub fn between(before: &Value, after: &Value) -> Self {
        Self {
            listeners: Difference::between(&listeners(before), &listeners(after), Value::eq),
            services: Difference::between(&services(before), &services(after), same_but_backends),
            backends: Difference::between(&backends(before), &backends(after), Value::eq),
        }
    }
}

fn listeners(config: &Value) -> Named<'_> {
    let listeners = config.get("listener").and_then(Value::as_array).into_iter().flatten();
    listeners.filter_map(|listener| Some((listener.get("name")?.as_str()?.to_owned(), listener))).collect()
}

fn services(config: &Value) -> Named<'_> {
    let services = config.get("service").and_then(Value::as_object).into_iter().flatten();
    services.map(|(name, service)| (name.clone(), service)).collect()
}

fn backends(config: &Value) -> Named<'_> {
    let services = config.get("service").and_then(Value::as_object).into_iter().flatten();
    let backends = services.flat_map(|(name, service)| {
        let backends = service.get("backend").and_then(Value::as_array).into_iter().flatten();
        backends.filter_map(move |b| Some((format!("{name}/{}", b.get("id")?.as_str()?), b)))
    });
    backends.collect()
}

/// Compares two services without their backends, which are told of one by one.
fn same_but_backends(one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return one == other };
    let rest = |service: &serde_json::Map<String, Value>| service.len() - usize::from(service.contains_key("backend"));
    rest(one) == rest(other) && one.iter().all(|(key, value)| key == "backend" || other.get(key) == Some(value))
}

impl Difference {
    fn between(before: &Named<'_>, after: &Named<'_>, same: impl Fn(&Value, &Value) -> bool) -> Self {
        let mut difference = Self::default();
        for (name, value) in after {
            match before.get(name) {
                None => difference.added.push(name.clone()),
                Some(old) if !same(old, value) => difference.changed.push(name.clone()),
                Some(_) => {}
            }
        }
        difference.removed = before.keys().filter(|name| !after.contains_key(*name)).cloned().collect();
        difference
    }

    fn parts(&self) -> [(&'static str, &[String]); 3] {
        [("added", &self.added), ("removed", &self.removed), ("changed", &self.changed)]
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [("listeners", &self.listeners), ("services", &self.services), ("backends", &self.backends)];
        let mut nothing = true;
        for (what, difference) in all {
            for (how, names) in difference.parts().into_iter().filter(|(_, names)| !names.is_empty()) {
                let separator = if nothing { "" } else { "; " };
                nothing = false;
                match names.len() {
                    ..=LISTED => write!(f, "{separator}{what} {how}: {}", names.join(", "))?,
                    many => write!(f, "{separator}{many} {what} {how}")?,
                }
            }
        }
        if nothing { f.write_str("no listener, service or backend has changed") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_thing_is_told_of_once_where_it_changed() {
        let before = json!({
            "listener": [{ "name": "a", "bind": "x" }, { "name": "b", "bind": "y" }],
            "service": {
                "s": { "balance": "round_robin", "backend": [{ "id": "1", "weight": 1 }, { "id": "2", "weight": 1 }] },
                "gone": {},
            },
        });
        let after = json!({
            "listener": [{ "name": "b", "bind": "z" }, { "name": "c", "bind": "y" }],
            "service": { "s": { "balance": "round_robin", "backend": [{ "id": "2", "weight": 9 }, { "id": "3" }] } },
        });
        assert_eq!(
            Changes::between(&before, &after).to_string(),
            "listeners added: c; listeners removed: a; listeners changed: b; services removed: gone; \
             backends added: s/3; backends removed: s/1; backends changed: s/2"
        );
        assert_eq!(Changes::between(&after, &after).to_string(), "no listener, service or backend has changed");
    }

    #[test]
    fn of_many_only_the_number_is_told() {
        let many = |n: usize| {
            let backends: Vec<_> = (0..n).map(|id| json!({ "id": id.to_string() })).collect();
            json!({ "service": { "s": { "backend": backends } } })
        };
        assert_eq!(Changes::between(&many(1), &many(100)).to_string(), "99 backends added");
    }
}
