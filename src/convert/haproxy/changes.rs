//! What rules have said of requests on their way to a backend.

use super::act::Part;
use super::filters::{self, Filter};
use crate::convert::networks;
use crate::convert::output::{Findings, Place, Table, Value};

/// What has been said of requests on their way so far.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Keys of routes.
    pub keys: Table,
    /// Who is let in by a password: the lines of the file of users, and `auth` of a route.
    pub auth: Option<(String, Table)>,
    /// Who is let in, by address, in the order of the lines.
    pub filters: Vec<(Filter, Place)>,
    /// Parts of requests that are no longer what the client sent, and which line has changed them.
    pub altered: Vec<(Part, Place)>,
    /// Rates of requests.
    pub limits: Vec<Table>,
    /// Nobody comes in, because of this line.
    pub closed: Option<Place>,
    /// A prefix that is replaced.
    pub prefix: Option<(String, String, Place)>,
    /// `http-request allow`: no further rule of this group is looked at.
    pub allowed: bool,
}

/// Fields of requests, as `Changes::keys` has them.
const FIELDS: &str = "request_headers";

impl Changes {
    /// The rules of the next group are looked at, whoever was let in by this one.
    pub fn next_phase(&mut self) {
        self.allowed = false;
        if let Some((filter, place)) = self.filters.last()
            && *filter != Filter::Phase
        {
            let place = place.clone();
            self.filters.push((Filter::Phase, place));
        }
    }

    /// Whether some clients were let in by address already, whom the rest of this group leaves alone.
    pub fn some_are_in(&self) -> bool {
        let group = self.filters.iter().rev().take_while(|(filter, _)| !matches!(filter, Filter::Phase));
        group.into_iter().any(|(filter, _)| matches!(filter, Filter::Allow(_)))
    }

    /// Which line has changed that part of the request.
    pub fn altered(&self, part: &Part) -> Option<&Place> {
        self.altered.iter().find(|(known, _)| known == part).map(|(_, place)| place)
    }

    /// A part of the request is no longer what the client sent.
    pub fn alter(&mut self, part: Part, place: &Place) {
        if self.altered(&part).is_none() {
            self.altered.push((part, place.clone()));
        }
    }

    /// Adds keys of a route; of a field the last word counts.
    pub fn say(&mut self, keys: &Table, place: &Place) {
        if keys.text(&["rewrite", "host"]).is_some() {
            self.alter(Part::Host, place);
        }
        for name in fields(keys, &["remove"]) {
            for key in ["set", "add"] {
                self.keys.remove(&[FIELDS, key, &name]);
                if matches!(self.keys.get(&[FIELDS, key]), Some(Value::Table(table)) if table.is_empty()) {
                    self.keys.remove(&[FIELDS, key]);
                }
            }
        }
        for name in fields(keys, &["remove", "set", "add"]) {
            self.alter(Part::Field(name), place);
        }
        merge(&mut self.keys, keys);
    }

    /// As keys of a route.
    pub fn put(&self, route: &mut Table, findings: &mut Findings) {
        let answers = route.get(&["respond"]).is_some() || route.get(&["redirect"]).is_some();
        for entry in &self.keys.entries {
            // what is said of requests to backends, and of their answers, is nothing to who is answered here
            if !answers {
                merge(route, &Table { entries: vec![entry.clone()], ..Table::default() });
            }
        }
        if let Some((from, to, place)) = self.prefix.as_ref().filter(|_| !answers) {
            let at = route.text(&["path_prefix"]).or_else(|| route.text(&["path"])).map(str::to_owned);
            match at {
                Some(path) if path.starts_with(from.as_str()) => {
                    route.put(&["rewrite", "prefix"], format!("{to}{}", &path[from.len()..]), place);
                }
                None if from == "/" && route.get(&["path_regex"]).is_none() => {
                    route.put_first("path_prefix", "/", place);
                    route.put(&["rewrite", "prefix"], to.as_str(), place);
                }
                _ => findings.warning(
                    place,
                    "",
                    "the path goes on as it came where an expression decides",
                    "`rewrite.prefix` replaces what `path` or `path_prefix` matched",
                ),
            }
        }
        self.put_networks(route);
        if let Some((_, auth)) = &self.auth {
            merge(route, auth);
        }
        for limit in &self.limits {
            route.push(&["rate_limit"], limit.clone());
        }
        if let Some(place) = &self.closed {
            route.close(place);
        }
    }

    fn put_networks(&self, route: &mut Table) {
        let rules = filters::rules(&self.filters);
        let (allow, deny) = networks::lists(&rules);
        for (key, list) in [("allow", allow), ("deny", deny)] {
            for network in list {
                route.push(&[key], network);
            }
            rules
                .iter()
                .filter(|rule| rule.allow == (key == "allow"))
                .for_each(|rule| route.comes_from(&[key], &rule.place));
        }
    }
}

/// The fields of requests that these keys say something of.
pub fn fields(keys: &Table, verbs: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for verb in verbs {
        match keys.get(&[FIELDS, verb]) {
            Some(Value::Table(table)) => all.extend(table.entries.iter().map(|entry| entry.key.clone())),
            Some(Value::List(names)) => all.extend(
                names.iter().filter_map(|name| if let Value::Text(name) = name { Some(name.clone()) } else { None }),
            ),
            _ => {}
        }
    }
    all
}

/// Puts all keys of one table into another, deep down.
pub fn merge(into: &mut Table, from: &Table) {
    for entry in &from.entries {
        match (&entry.value, into.entries.iter_mut().find(|known| known.key == entry.key)) {
            (Value::Table(inner), Some(known)) => match &mut known.value {
                Value::Table(table) => merge(table, inner),
                other => *other = entry.value.clone(),
            },
            (Value::List(list), Some(known)) if matches!(known.value, Value::List(_)) => {
                if let Value::List(all) = &mut known.value {
                    all.extend(list.iter().filter(|value| !all.contains(value)).cloned().collect::<Vec<_>>());
                }
                known.from.extend(entry.from.iter().cloned());
            }
            (_, Some(known)) => *known = entry.clone(),
            (_, None) => into.entries.push(entry.clone()),
        }
    }
}
