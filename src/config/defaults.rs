//! `[defaults.service]` and `[defaults.listener]`: what each service and each listener has where it says nothing else.
//!
//! They are put into the tree before it is checked: tables key by key, while anything else that a service has is its own as a whole. So a mistake in them is
//! found in each service, and has to be told once, at its place.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use super::environment::{Replaced, Written};
use super::mistake::Mistake;
use super::path::{KeyPath, Step};
use super::tree::{Node, Table, Value};

/// The table of defaults.
pub(super) const KEY: &str = "defaults";

/// What is named of those that a mistake in the defaults is about.
const NAMED: usize = 3;

/// What messages say of a key that changes nothing. In the defaults that is a mistake only where it holds for all: `hash` is there for those that use it.
const NO_EFFECT: &str = "has no effect";

/// Each kind of things that have defaults, with the keys that have none.
const KINDS: [(&str, &[&str]); 2] = [("service", &["backend", "discover"]), ("listener", &["name", "bind"])];

/// What was put where.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    /// The places of all keys and values of the defaults.
    places: HashSet<Range<usize>>,
    /// How many services and listeners there are.
    counts: BTreeMap<&'static str, usize>,
}

/// Puts the defaults into each service and each listener.
pub(super) fn apply(root: &mut Node<'_>, written: &mut Written) -> Defaults {
    let mut applied = Defaults::default();
    let Some(defaults) = root.table_mut(KEY).map(|defaults| defaults.clone()) else { return applied };
    note_places(&defaults, &mut applied.places);
    for (kind, without) in KINDS {
        let Some((given, _)) = defaults.at(&KeyPath::default().key(kind)) else { continue };
        let Value::Table(mut given) = given.value.clone() else { continue };
        given.retain(|entry| !without.contains(&&*entry.name));
        let filled_in = replaced(&defaults, kind, written);
        let targets = root.table_mut(kind).map(|all| targets(all, &KeyPath::default().key(kind))).unwrap_or_default();
        applied.counts.insert(kind, targets.len());
        for (at, target) in targets {
            let Value::Table(table) = &mut target.value else { continue };
            fill_in(table, &given);
            let is_given = |(below, span, _): &&Filled| target.at(below).is_some_and(|(node, _)| node.span == *span);
            written.extend(filled_in.iter().filter(is_given).map(|(below, _, text)| (at.join(below), text.clone())));
        }
    }
    applied
}

/// A string of the defaults in which something was replaced: its path below them, its place, and what it was.
type Filled = (KeyPath, Range<usize>, Replaced);

/// The strings in the defaults of a kind in which something was replaced.
fn replaced(defaults: &Node<'_>, kind: &str, written: &Written) -> Vec<Filled> {
    let filled = |(path, text): (&KeyPath, &Replaced)| {
        let [Step::Key(first), rest @ ..] = path.steps() else { return None };
        let [Step::Key(second), below @ ..] = rest else { return None };
        let (node, _) = defaults.at(&KeyPath::of(rest)).filter(|_| first == KEY && second == kind)?;
        Some((KeyPath::of(below), node.span.clone(), text.clone()))
    };
    written.iter().filter_map(filled).collect()
}

/// The services or the listeners, with their paths.
fn targets<'a, 't>(all: &'a mut Node<'t>, at: &KeyPath) -> Vec<(KeyPath, &'a mut Node<'t>)> {
    match &mut all.value {
        Value::Table(services) => services.iter_mut().map(|entry| (at.key(&entry.name), &mut entry.node)).collect(),
        Value::Array(listeners) => listeners.iter_mut().enumerate().map(|(i, node)| (at.index(i), node)).collect(),
        _ => Vec::new(),
    }
}

/// Adds what a table has not.
fn fill_in<'t>(table: &mut Table<'t>, given: &Table<'t>) {
    for entry in given.iter() {
        match table.get_mut(&entry.name).map(|own| &mut own.node.value) {
            None => table.insert(entry.clone()),
            Some(Value::Table(own)) => {
                if let Value::Table(given) = &entry.node.value {
                    fill_in(own, given);
                }
            }
            Some(_) => {}
        }
    }
}

fn note_places(node: &Node<'_>, places: &mut HashSet<Range<usize>>) {
    places.insert(node.span.clone());
    match &node.value {
        Value::Table(table) => table.iter().for_each(|entry| {
            places.insert(entry.key.clone());
            note_places(&entry.node, places);
        }),
        Value::Array(items) => items.iter().for_each(|item| note_places(item, places)),
        _ => {}
    }
}

impl Defaults {
    /// Tells each mistake in the defaults once. Where it holds for some services only, these are named; with `is_usable`, when there is a configuration in
    /// spite of all, what has no effect in some is no mistake.
    pub(super) fn tell_once(&self, mistakes: Vec<Mistake>, is_usable: bool) -> Vec<Mistake> {
        if self.places.is_empty() {
            return mistakes;
        }
        let mut once: Vec<Mistake> = Vec::with_capacity(mistakes.len());
        // by place and path: which mistake of `once` it is, and what it is about
        let mut known: BTreeMap<(usize, KeyPath), (usize, BTreeSet<KeyPath>)> = BTreeMap::new();
        for mut mistake in mistakes {
            let place = mistake.span.clone().filter(|span| self.places.contains(span));
            let Some((place, (owner, path))) = place.and_then(|place| Some((place.start, split(&mistake.path)?)))
            else {
                once.push(mistake);
                continue;
            };
            let (_, owners) = known.entry((place, path.clone())).or_insert_with(|| {
                mistake.path = path;
                once.push(mistake);
                (once.len() - 1, BTreeSet::new())
            });
            owners.extend(owner);
        }
        let mut dropped = HashSet::new();
        for ((_, path), (index, owners)) in &known {
            let kind = path.steps().get(1).map(Step::to_string).unwrap_or_default();
            let all = self.counts.get(&*kind).copied().unwrap_or_default();
            if owners.is_empty() || owners.len() >= all {
                continue;
            }
            let mistake = &mut once[*index];
            if is_usable && mistake.message.contains(NO_EFFECT) {
                dropped.insert(*index);
            }
            let origin = format!("it is a default of {}", named(owners));
            let help = mistake.help.as_ref().map(|help| format!("{help}; {origin}"));
            mistake.help = Some(help.unwrap_or(origin));
        }
        once.into_iter().enumerate().filter(|(index, _)| !dropped.contains(index)).map(|(_, mistake)| mistake).collect()
    }
}

/// The service or the listener that a path leads into, if it leads not into the defaults themselves; and the path in the defaults.
fn split(path: &KeyPath) -> Option<(Option<KeyPath>, KeyPath)> {
    let defaults = KeyPath::default().key(KEY);
    match path.steps() {
        [Step::Key(first), Step::Key(_), ..] if first == KEY => Some((None, path.clone())),
        [kind @ Step::Key(name), owner, below @ ..] if KINDS.iter().any(|(kind, _)| kind == name) => {
            let owner = KeyPath::of(&[kind.clone(), owner.clone()]);
            Some((Some(owner), defaults.key(name).join(&KeyPath::of(below))))
        }
        _ => None,
    }
}

fn named(owners: &BTreeSet<KeyPath>) -> String {
    let mut first: Vec<String> = owners.iter().take(NAMED).map(KeyPath::to_string).collect();
    match owners.len().checked_sub(NAMED) {
        Some(more @ 1..) => format!("{} and {more} more", first.join(", ")),
        _ => match first.pop() {
            Some(last) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
            last => last.unwrap_or_default(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_filled_in_key_by_key_and_all_else_is_the_services_own() {
        let text = "[defaults.service]\nbalance = 'a'\nshadow = [1]\nbackend = [2]\ntimeout = { connect = 1, idle = 2 }\ntls = {}\n\
                    [defaults.listener]\nname = 'n'\nmax = 1\n\
                    [service.x]\nshadow = []\ntimeout.connect = 9\ntls = 5\n[[listener]]\nname = 'w'\n[[listener]]\nmax = 3\n";
        let mut root = Node::parse(text).unwrap();
        apply(&mut root, &mut Written::new());
        let json = root.to_json();
        let x = serde_json::json!({ "balance": "a", "shadow": [], "timeout": { "connect": 9, "idle": 2 }, "tls": 5 });
        assert_eq!(json["service"]["x"], x);
        assert_eq!(json["listener"], serde_json::json!([{ "name": "w", "max": 1 }, { "max": 3 }]));
    }

    #[test]
    fn a_mistake_is_told_once_with_those_that_it_is_about() {
        let text = "[defaults.service]\nbalance = 'a'\n[service]\nx = {}\ny = {}\nz = { balance = 'b' }\n";
        let mut root = Node::parse(text).unwrap();
        let defaults = apply(&mut root, &mut Written::new());
        let at = |name: &str| KeyPath::default().key("service").key(name).key("balance");
        let mistake = |name: &str, message: &str| Mistake::new(root.span_of(&at(name)), &at(name), message);
        let told = |mistakes| {
            let told = defaults.tell_once(mistakes, true).into_iter();
            told.map(|m: Mistake| format!("{}: {} ({})", m.path, m.message, m.help.unwrap_or_default()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(["x", "y", "z"].map(|name| mistake(name, "wrong")).into()),
            [
                "defaults.service.balance: wrong (it is a default of service.x and service.y)",
                "service.z.balance: wrong ()"
            ]
        );
        assert_eq!(
            told(["x", "z"].map(|name| mistake(name, "has no effect")).into()),
            ["service.z.balance: has no effect ()"]
        );
    }
}
