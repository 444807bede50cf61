//! Services that no listener leads to.

use std::collections::HashSet;

use super::output::{Output, Table, Value};

/// Takes them out, each with a note: no request came to them in the original either.
pub fn take_out(out: &mut Output) {
    let named = named(out);
    let unused: Vec<_> = out.services.iter().filter(|(name, _)| !named.contains(name)).cloned().collect();
    out.services.retain(|(name, _)| named.contains(name));
    for (name, table) in unused {
        if let Some(place) = table.from.first() {
            out.findings.note(place, "", format!("no request comes here, and its service `{name}` is left out"), "");
        }
    }
}

/// The names of services that listeners lead to.
pub fn named(out: &Output) -> HashSet<String> {
    let mut named = HashSet::new();
    out.listeners.iter().for_each(|listener| gather(listener, &mut named));
    named
}

/// The names of services that a table leads to.
fn gather(table: &Table, named: &mut HashSet<String>) {
    for entry in &table.entries {
        match &entry.value {
            Value::Text(name) if entry.key == "service" || entry.key == "stable" => drop(named.insert(name.clone())),
            Value::Table(inner) => gather(inner, named),
            Value::List(list) => list.iter().for_each(|value| {
                if let Value::Table(inner) = value {
                    gather(inner, named);
                }
            }),
            _ => {}
        }
    }
}
