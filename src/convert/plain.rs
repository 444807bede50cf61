//! What makes a result shorter and changes nothing.

use super::output::{Findings, Table, Value};

/// A route that takes everything and does nothing else is the listener's own service.
pub fn default_service(listener: &mut Table) {
    let Some(Value::List(routes)) = listener.get(&["route"]) else { return };
    let plain = |value: &Value| match value {
        Value::Table(route) if route.entries.len() == 1 => {
            route.text(&["service"]).map(|service| (service.to_owned(), route.from.clone()))
        }
        _ => None,
    };
    let found: Vec<_> = routes.iter().enumerate().filter_map(|(at, route)| Some((at, plain(route)?))).collect();
    let [(at, (service, from))] = found.as_slice() else { return };
    let (at, service, from) = (*at, service.clone(), from.clone());
    if let Some(place) = from.first() {
        listener.put(&["service"], service, place);
    }
    if let Some(Value::List(mut routes)) = listener.remove(&["route"]) {
        routes.remove(at);
        for route in routes {
            listener.push(&["route"], route);
        }
    }
}

/// Puts a route into a listener; one that takes everything and does nothing else is the listener's own service.
pub fn put_route(listener: &mut Table, route: Table) {
    if let [entry] = &route.entries[..]
        && entry.key == "service"
        && let Some(place) = entry.from.first().or(route.from.first()).cloned()
    {
        listener.put(&["service"], entry.value.clone(), &place);
        return;
    }
    listener.push(&["route"], route);
}

/// Has the listener say once what all of its routes say.
pub fn hoist(listener: &mut Table) {
    for key in ["rate_limit", "request_headers", "response_headers", "allow", "deny", "error_pages"] {
        if listener.get(&[key]).is_some() {
            continue;
        }
        let Some(Value::List(routes)) = listener.get(&["route"]) else { return };
        let tables: Vec<&Table> = routes
            .iter()
            .filter_map(|route| if let Value::Table(table) = route { Some(table) } else { None })
            .collect();
        // what is done to requests on their way to backends says nothing about those that are answered here
        let of_services = key == "request_headers";
        let asked: Vec<&Table> =
            tables.into_iter().filter(|table| !of_services || table.get(&["service"]).is_some()).collect();
        let has_default = listener.get(&["service"]).is_some();
        let same = |table: &&Table| table.only(key).same(&asked[0].only(key)) && table.remarks.is_empty();
        if asked.len() < 2 || has_default || asked[0].get(&[key]).is_none() || !asked.iter().all(same) {
            continue;
        }
        let entry = asked[0].entries.iter().find(|entry| entry.key == key).cloned();
        for route in listener.entries.iter_mut().filter(|entry| entry.key == "route") {
            if let Value::List(routes) = &mut route.value {
                routes.iter_mut().for_each(|route| {
                    if let Value::Table(table) = route {
                        table.remove(&[key]);
                    }
                });
            }
        }
        listener.entries.extend(entry);
    }
}

/// Has a listener refuse paths that can be read in two ways (`%2F`), where the original chooses by decoded paths and refuses some: `/admin%2Fx` would get
/// by what is asked at `/admin/`. Where a route has `auth`, `allow` or `deny`, that is so by itself.
pub fn refuse_ambiguous(listener: &mut Table, findings: &mut Findings) {
    let Some(Value::List(routes)) = listener.get(&["route"]) else { return };
    let has = |keys: &[&str]| {
        routes
            .iter()
            .any(|route| matches!(route, Value::Table(route) if keys.iter().any(|key| route.get(&[key]).is_some())))
    };
    let denies = |route: &Value| {
        let Value::Table(route) = route else { return false };
        matches!(route.get(&["respond", "status"]), Some(Value::Number(status)) if *status >= 400)
    };
    // what no route takes is answered with 404
    let takes_all = listener.get(&["service"]).is_some()
        || routes.iter().any(|route| matches!(route, Value::Table(route) if is_for_all(route)));
    let refuses = !takes_all || routes.iter().any(denies) || has(&["rate_limit", "methods"]);
    let Some(place) = listener.from.first().cloned().filter(|_| refuses && !has(&["auth", "allow", "deny"])) else {
        return;
    };
    listener.put(&["ambiguous_paths"], "refuse", &place);
    let why = "paths with an encoded slash (`%2F`) and others that can be read in two ways get 400: what is refused at a path could be had by them";
    let advice = "`ambiguous_paths = \"pass\"` where backends need them, such as GitLab and npm: docs/routing.md";
    findings.note(&place, "", why, advice);
}

/// Whether a route takes all requests.
fn is_for_all(route: &Table) -> bool {
    ["host", "path", "path_prefix", "path_regex", "methods", "headers", "query"]
        .iter()
        .all(|key| route.get(&[key]).is_none())
}

/// Leaves out backends whose address another one has already, which no service may have twice.
pub fn once(service: &mut Table, findings: &mut Findings) {
    let Some(entry) = service.entries.iter_mut().find(|entry| entry.key == "backend") else { return };
    let Value::List(backends) = &mut entry.value else { return };
    let mut known = Vec::new();
    backends.retain(|backend| {
        let Value::Table(table) = backend else { return true };
        let Some(address) = table.text(&["address"]).map(str::to_owned) else { return true };
        if known.contains(&address) {
            if let Some(place) = table.from.first() {
                let why = format!("the service has `{address}` already: it is left out");
                findings.warning(place, "server", why, "`weight` says how much a backend gets");
            }
            return false;
        }
        known.push(address);
        true
    });
}
