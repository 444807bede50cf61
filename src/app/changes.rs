//! What a reload has changed: the names of listeners, services and backends, for one line in the log.

use std::fmt;
use std::hash::Hash;

use ahash::AHashMap;
use serde_json::Value;

use crate::config::model;

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
    added: Names,
    removed: Names,
    changed: Names,
}

/// Names of one kind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    count: usize,
    /// The first of them: so many as [`Difference::between`] was told to list.
    listed: Vec<String>,
}

/// How many names a line lists. Where there are more, it has only their number.
const LISTED: usize = 5;

/// A configuration: what is in effect but the backends, and the same as the rest of the program sees it.
type Seen<'a> = (&'a Value, &'a model::Config);

impl Changes {
    /// The changes from one configuration to the next. Backends are those of the file, without those that were discovered.
    pub fn between(before: Seen<'_>, after: Seen<'_>) -> Self {
        let name = |name: &str| name.to_owned();
        let id = |(service, id): (&str, &str)| format!("{service}/{id}");
        Self {
            listeners: Difference::between(listeners(before.0), listeners(after.0), Value::eq, name, usize::MAX),
            services: Difference::between(services(before.0), services(after.0), Value::eq, name, LISTED),
            backends: Difference::between(backends(before.1), backends(after.1), model::Backend::eq, id, LISTED),
        }
    }

    /// The names of all listeners that both have, with other settings.
    pub fn changed_listeners(&self) -> &[String] {
        &self.listeners.changed.listed
    }
}

fn listeners(config: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let listeners = config.get("listener").and_then(Value::as_array).into_iter().flatten();
    listeners.filter_map(|listener| Some((listener.get("name")?.as_str()?, listener)))
}

fn services(config: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let services = config.get("service").and_then(Value::as_object).into_iter().flatten();
    services.map(|(name, service)| (name.as_str(), service))
}

fn backends(config: &model::Config) -> impl Iterator<Item = ((&str, &str), &model::Backend)> {
    config.services.iter().flat_map(|service| {
        let written = service.backends.iter().take(service.written);
        written.map(|backend| ((service.name.as_str(), backend.id.as_str()), backend))
    })
}

impl Difference {
    fn between<'a, K: Copy + Eq + Hash, V: 'a>(
        before: impl Iterator<Item = (K, &'a V)>,
        after: impl Iterator<Item = (K, &'a V)>,
        same: impl Fn(&V, &V) -> bool,
        shown: impl Fn(K) -> String,
        most: usize,
    ) -> Self {
        let mut before: AHashMap<K, &V> = before.collect();
        let mut difference = Self::default();
        for (name, value) in after {
            match before.remove(&name) {
                None => difference.added.note(most, || shown(name)),
                Some(old) if !same(old, value) => difference.changed.note(most, || shown(name)),
                Some(_) => {}
            }
        }
        before.into_keys().for_each(|name| difference.removed.note(most, || shown(name)));
        // a map has no order
        difference.removed.listed.sort_unstable();
        difference
    }

    fn parts(&self) -> [(&'static str, &Names); 3] {
        [("added", &self.added), ("removed", &self.removed), ("changed", &self.changed)]
    }
}

impl Names {
    /// Counts one more, and lists it if that does not make more than `most`.
    fn note(&mut self, most: usize, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.listed.len() < most {
            self.listed.push(name());
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [("listeners", &self.listeners), ("services", &self.services), ("backends", &self.backends)];
        let mut nothing = true;
        for (what, difference) in all {
            for (how, names) in difference.parts().into_iter().filter(|(_, names)| names.count > 0) {
                let separator = if nothing { "" } else { "; " };
                nothing = false;
                match names.count {
                    ..=LISTED => write!(f, "{separator}{what} {how}: {}", names.listed.join(", "))?,
                    many => write!(f, "{separator}{many} {what} {how}")?,
                }
            }
        }
        if nothing { f.write_str("no listener, service or backend has changed") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{self, Loaded};

    fn load(text: &str) -> Loaded {
        let text = format!("admin.bind = '127.0.0.1:0'\n{text}");
        config::parse(&text, Path::new("proxy.toml")).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    fn told(before: &str, after: &str) -> String {
        let (before, after) = (load(before), load(after));
        Changes::between((before.effective.values(), &before.config), (after.effective.values(), &after.config))
            .to_string()
    }

    #[test]
    fn each_thing_is_told_of_once_where_it_changed() {
        let before = r#"
            listener = [
                { name = "a", bind = "[::1]:1", service = "s" },
                { name = "b", bind = "[::1]:2", service = "t" },
                { name = "d", bind = "[::1]:4", service = "gone" },
            ]
            [service]
            s = { backend = [{ id = "1", address = "[::1]:81" }, { id = "2", address = "[::1]:82" }] }
            t = { backend = [{ address = "[::1]:83" }] }
            gone = { backend = [{ address = "[::1]:84" }] }
        "#;
        let after = r#"
            listener = [
                { name = "b", bind = "[::1]:3", service = "t" },
                { name = "c", bind = "[::1]:2", service = "s" },
                { name = "d", bind = "[::1]:4", service = "gone" },
            ]
            [service]
            s = { backend = [{ id = "2", address = "[::1]:82", weight = 9 }, { id = "3", address = "[::1]:85" }] }
            t = { slow_start = "1s", backend = [{ address = "[::1]:83" }] }
            gone = { backend = [{ address = "[::1]:84" }] }
        "#;
        assert_eq!(
            told(before, after),
            "listeners added: c; listeners removed: a; listeners changed: b; services changed: t; \
             backends added: s/3; backends removed: s/1; backends changed: s/2"
        );
        assert_eq!(told(after, after), "no listener, service or backend has changed");
    }

    #[test]
    fn a_service_comes_and_goes_with_its_backends() {
        let one = "listener = [{ name = 'a', bind = '[::1]:1', service = 's' }]\n\
                   service.s.backend = [{ address = '[::1]:81' }]\n";
        let other = one.replace("service = 's'", "service = 't'").replace("service.s", "service.t");
        assert_eq!(
            told(one, &other),
            "listeners changed: a; services added: t; services removed: s; \
             backends added: t/[::1]:81; backends removed: s/[::1]:81"
        );
    }

    #[test]
    fn of_many_only_the_number_is_told() {
        let many = |n: u32| {
            let backends: Vec<_> = (1..=n).map(|port| format!("{{ address = '[::1]:{port}' }}")).collect();
            format!(
                "listener = [{{ name = 'a', bind = '[::1]:1', service = 's' }}]\nservice.s.backend = [{}]\n",
                backends.join(", ")
            )
        };
        assert_eq!(told(&many(1), &many(100)), "99 backends added");
        assert_eq!(told(&many(100), &many(2)), "98 backends removed");
    }
}
