//! What rules have said of requests on their way to a backend.

use ipnet::IpNet;

use crate::convert::networks::{self, Rule as NetworkRule};
use crate::convert::output::{Findings, Place, Table, Value};

/// What has been said of requests on their way so far.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Keys of routes.
    pub keys: Table,
    /// Who is let in, by address: what is denied and allowed first decides.
    pub ordered: Vec<NetworkRule>,
    /// Those outside of one of these are refused.
    pub only: Vec<(Vec<IpNet>, Place)>,
    /// Who is let in by a password: the lines of the file of users, and `auth` of a route.
    pub auth: Option<(String, Table)>,
    /// Rates of requests.
    pub limits: Vec<Table>,
    /// Nobody comes in, because of this line.
    pub closed: Option<Place>,
    /// A prefix that is replaced.
    pub prefix: Option<(String, String, Place)>,
    /// `http-request allow`: no further refusal is looked at.
    pub allowed: bool,
}

impl Changes {
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
        let mut rules = self.ordered.clone();
        if let Some((first, place)) = self.only.first() {
            let mut allowed = first.clone();
            for (other, _) in &self.only[1..] {
                let narrower = other.iter().filter(|network| allowed.iter().any(|known| known.contains(*network)));
                let kept = allowed.iter().filter(|network| other.iter().any(|known| known.contains(*network)));
                allowed = kept.chain(narrower).copied().collect();
            }
            rules.push(NetworkRule { allow: true, networks: allowed, place: place.clone() });
            rules.push(NetworkRule { allow: false, networks: networks::everybody(), place: place.clone() });
        }
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
