//! Routes that decide as a list does of which the first entry that fits counts.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::Entry;
use super::case;
use super::conditions::{Conditions, Meet, Path};
use super::route::Route;
use crate::convert::output::{Findings, Place, Table};

/// More routes than that for one listener are left out, with an error.
const MOST: usize = 4096;

/// What is told of entries, and which of them are closed because an earlier one protects what they would take; where that stands.
struct Told<'a> {
    findings: &'a mut Findings,
    close: BTreeMap<usize, Place>,
}

/// How the original compares paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// As they are written.
    AsWritten,
    /// Without regard to their case.
    AnyCase,
}

/// The routes of a listener, in the order of the list.
pub fn routes(entries: &[Entry], letters: Letters, findings: &mut Findings) -> Vec<Table> {
    let mut all: Vec<Entry> = entries.iter().cloned().map(with_path).collect();
    let entries = &all[..];
    let mut routes: Vec<Route> = Vec::new();
    let mut never: Vec<(&Entry, &Entry)> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let taken = entries[..index].iter().find(|earlier| earlier.when.cover(&entry.when));
        match taken {
            Some(earlier) => never.push((earlier, entry)),
            None => routes.push(Route { when: entry.when.clone(), entry: index }),
        }
    }
    for (earlier, entry) in never {
        // of what was unfolded into several entries some may be reached
        let reached = routes.iter().any(|route| entries[route.entry].place == entry.place);
        if !reached || earlier.when.networks.is_some() {
            tell_never_reached(earlier, entry, findings);
        }
    }
    let mut told = Told { findings, close: BTreeMap::new() };
    add_common(&mut routes, entries, &mut told);
    for (entry, place) in told.close {
        all[entry].treatment.closed.get_or_insert(place);
    }
    routes.sort_by_key(|route| route.entry);
    if letters == Letters::AnyCase {
        routes = case::any(routes, &mut all, findings);
    }
    routes
        .iter()
        .map(|route| {
            let Entry { treatment, place, what, .. } = &all[route.entry];
            treatment.route(&route.when, place, what, findings)
        })
        .collect()
}

/// What is rewritten needs a part of the path that it replaces, and a route with one is more specific than one without.
fn with_path(mut entry: Entry) -> Entry {
    if entry.when.path == Path::Any && entry.treatment.rewrites() {
        entry.when.path = Path::Prefix("/".to_owned());
    }
    entry
}

/// Makes a route of what an earlier entry has in common with a later one that is more specific, as long as there are any.
fn add_common(routes: &mut Vec<Route>, entries: &[Entry], told: &mut Told<'_>) {
    // of routes with the same conditions, the earliest entry's holds
    let plain = |when: &Conditions| Conditions { networks: None, ..when.clone() };
    let mut first: HashMap<Conditions, usize> =
        routes.iter().rev().map(|route| (plain(&route.when), route.entry)).collect();
    let mut looked_at = 0;
    while looked_at < routes.len() && routes.len() < MOST {
        for other in 0..looked_at {
            let Some(when) = common(&routes[other], &routes[looked_at], entries, told) else { continue };
            let entry = routes[other].entry.min(routes[looked_at].entry);
            let known = first.entry(plain(&when)).or_insert(usize::MAX);
            if *known > entry {
                *known = entry;
                routes.push(Route { when, entry });
            }
        }
        looked_at += 1;
    }
    if routes.len() >= MOST
        && let Some(last) = entries.last()
    {
        let why = format!("there are more than {MOST} routes: what is beyond is left out");
        told.findings.error(&last.place, &last.what, why, "write the routes by hand");
    }
    routes.retain(|route| first.get(&plain(&route.when)) == Some(&route.entry));
}

/// What two routes have in common that has to be a route of its own; what can't be is told.
fn common(one: &Route, other: &Route, entries: &[Entry], told: &mut Told<'_>) -> Option<Conditions> {
    let (earlier, later) = if one.entry <= other.entry { (one, other) } else { (other, one) };
    if earlier.entry == later.entry {
        return None;
    }
    let wins = earlier.when.compare(&later.when) != Ordering::Less;
    match earlier.when.meet(&later.when) {
        Meet::Never => {
            if !wins && several_values(&earlier.when, &later.when) && asks_less(entries, earlier, later) {
                tell_order(entries, earlier, later, told);
            }
            None
        }
        // the earlier one is more specific, or stands before the other one
        _ if wins => {
            tell_address(earlier, later, entries, told.findings);
            None
        }
        Meet::Unknown => {
            tell_order(entries, earlier, later, told);
            None
        }
        Meet::Both(when) => {
            tell_address(earlier, later, entries, told.findings);
            Some(when)
        }
    }
}

/// Whether only a field or a parameter keeps them apart: a request may have several, of which one is as each wants it.
fn several_values(one: &Conditions, other: &Conditions) -> bool {
    let plain =
        |when: &Conditions| Conditions { headers: Default::default(), query: Default::default(), ..when.clone() };
    plain(one).meet(&plain(other)) != Meet::Never
}

/// Whether the later one lets in somebody whom the earlier one would not.
fn asks_less(entries: &[Entry], earlier: &Route, later: &Route) -> bool {
    let (first, second) = (&entries[earlier.entry].treatment, &entries[later.entry].treatment);
    !second.asks_as_much(first)
}

/// A request from elsewhere goes on to the later entry in the original; here it is refused.
fn tell_address(earlier: &Route, later: &Route, entries: &[Entry], findings: &mut Findings) {
    let (first, second) = (&entries[earlier.entry], &entries[later.entry]);
    if first.when.networks.is_some() && !second.treatment.denies {
        let why = format!(
            "clients from other addresses are refused (403) where both it and {} would take a request; the original passes them on to that",
            second.place
        );
        findings.warning(
            &first.place,
            &first.what,
            why,
            "routes don't choose by clients' addresses; `allow` and `deny` say who may come in",
        );
    }
}

fn tell_never_reached(earlier: &Entry, entry: &Entry, findings: &mut Findings) {
    if earlier.when.networks.is_some() {
        if !entry.treatment.denies {
            let why = format!(
                "requests from other addresses than those of {} came here; they are refused (403)",
                earlier.place
            );
            let advice = "routes don't choose by clients' addresses; `allow` and `deny` say who may come in";
            findings.warning(&entry.place, &entry.what, why, advice);
        }
    } else if earlier.place != entry.place {
        let why = format!("no request comes here, because {} takes all of them", earlier.place);
        findings.note(&entry.place, &entry.what, why, "");
    }
}

/// The original would ask the earlier entry first, and here the later one is the more specific.
fn tell_order(entries: &[Entry], one: &Route, other: &Route, told: &mut Told<'_>) {
    let (earlier, later) = (&entries[one.entry], &entries[other.entry]);
    let why = format!(
        "where both it and {} would take a request, this one does here, because an exact path comes before a regular expression and that before a prefix; the original asks {} first",
        earlier.place, earlier.place
    );
    let advice = "make the regular expression narrower, so that the two have no path in common";
    if asks_less(entries, one, other) {
        let why = format!("{why}, which refuses somebody, so this one is closed");
        told.findings.error(&later.place, &later.what, why, format!("{advice}, and take the `deny` away"));
        told.close.entry(other.entry).or_insert_with(|| earlier.place.clone());
    } else {
        told.findings.warning(&later.place, &later.what, why, advice);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::super::conditions::Host;
    use super::super::treatment::Treatment;
    use super::*;
    use crate::convert::output::Place;

    fn entry(line: usize, when: Conditions) -> Entry {
        let place = Place::new(&Rc::from("a"), line);
        let mut treatment = Treatment::default();
        treatment.table.put(&["service"], format!("s{line}"), &place);
        Entry { when, treatment, place, what: "router".to_owned() }
    }

    fn told(entries: &[Entry]) -> Vec<String> {
        let mut findings = Findings::default();
        let text = |route: &Table| {
            let part = |key| route.text(&[key]).map(|text| format!("{key}={text} ")).unwrap_or_default();
            format!("{}{}{}{}", part("host"), part("path"), part("path_prefix"), part("service"))
        };
        routes(entries, Letters::AsWritten, &mut findings).iter().map(|route| text(route).trim().to_owned()).collect()
    }

    #[test]
    fn a_list_in_our_order_stays_as_it_is() {
        let entries = [entry(1, Conditions::path(Path::Prefix("/a/".into()))), entry(2, Conditions::default())];
        assert_eq!(told(&entries), ["path_prefix=/a/ service=s1", "service=s2"]);
    }

    #[test]
    fn what_an_earlier_entry_covers_is_never_reached() {
        let entries = [entry(1, Conditions::default()), entry(2, Conditions::path(Path::Prefix("/a/".into())))];
        assert_eq!(told(&entries), ["service=s1"]);
    }

    #[test]
    fn an_earlier_entry_that_is_less_specific_gets_what_both_would_take() {
        let entries = [
            entry(1, Conditions::path(Path::Prefix("/a/".into()))),
            entry(2, Conditions::host(Host::Exact("x".into()))),
        ];
        assert_eq!(
            told(&entries),
            ["path_prefix=/a/ service=s1", "host=x path_prefix=/a/ service=s1", "host=x service=s2"]
        );
    }
}
