//! Routes that decide as a list does of which the first entry that fits counts.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::Entry;
use super::conditions::{Conditions, Meet, Path};
use crate::convert::output::{Findings, Table};

/// More routes than that for one listener are left out, with an error.
const MOST: usize = 4096;

/// A route, and the entry that it is for.
struct Route {
    when: Conditions,
    entry: usize,
}

/// The routes of a listener, in the order of the list.
pub fn routes(entries: &[Entry], findings: &mut Findings) -> Vec<Table> {
    let entries: Vec<Entry> = entries.iter().cloned().map(with_path).collect();
    let entries = &entries[..];
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
    add_common(&mut routes, entries, findings);
    routes.sort_by_key(|route| route.entry);
    routes
        .iter()
        .map(|route| {
            let Entry { treatment, place, what, .. } = &entries[route.entry];
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
fn add_common(routes: &mut Vec<Route>, entries: &[Entry], findings: &mut Findings) {
    // of routes with the same conditions, the earliest entry's holds
    let plain = |when: &Conditions| Conditions { networks: None, ..when.clone() };
    let mut first: HashMap<Conditions, usize> =
        routes.iter().rev().map(|route| (plain(&route.when), route.entry)).collect();
    let mut looked_at = 0;
    while looked_at < routes.len() && routes.len() < MOST {
        for other in 0..looked_at {
            let Some(when) = common(&routes[other], &routes[looked_at], entries, findings) else { continue };
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
        findings.error(&last.place, &last.what, why, "write the routes by hand");
    }
    routes.retain(|route| first.get(&plain(&route.when)) == Some(&route.entry));
}

/// What two routes have in common that has to be a route of its own; what can't be is told.
fn common(one: &Route, other: &Route, entries: &[Entry], findings: &mut Findings) -> Option<Conditions> {
    let (earlier, later) = if one.entry <= other.entry { (one, other) } else { (other, one) };
    if earlier.entry == later.entry {
        return None;
    }
    let wins = earlier.when.compare(&later.when) != Ordering::Less;
    match earlier.when.meet(&later.when) {
        Meet::Never => None,
        // the earlier one is more specific, or stands before the other one
        _ if wins => {
            tell_address(earlier, later, entries, findings);
            None
        }
        Meet::Unknown => {
            tell_order(&entries[earlier.entry], &entries[later.entry], findings);
            None
        }
        Meet::Both(when) => {
            tell_address(earlier, later, entries, findings);
            Some(when)
        }
    }
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
fn tell_order(earlier: &Entry, later: &Entry, findings: &mut Findings) {
    let why = format!(
        "where both it and {} would take a request, this one does here, because an exact path comes before a regular expression and that before a prefix; the original asks {} first",
        earlier.place, earlier.place
    );
    let advice = "make the regular expression narrower, so that the two have no path in common";
    if earlier.treatment.protects() && !later.treatment.protects() {
        findings.error(&later.place, &later.what, why, advice);
    } else {
        findings.warning(&later.place, &later.what, why, advice);
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
        routes(entries, &mut findings).iter().map(|route| text(route).trim().to_owned()).collect()
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
