//! How much clients may do: `limit_req`, `limit_conn`, `limit_rate`, sizes of bodies.

use super::parse::Directive;
use super::upstream::hashed;
use super::variables;
use super::world::{Scope, World};
use crate::convert::output::Table;
use crate::convert::units;

/// `limit_req` of the blocks around, for a route or a listener.
pub fn requests(world: &mut World<'_>, scope: &Scope<'_>, table: &mut Table) {
    let directives = scope.all("limit_req");
    for directive in &directives {
        if let Some(limit) = one(world, scope, directive) {
            table.push(&["rate_limit"], limit);
        }
    }
    if let Some(directive) = directives.first() {
        if table.get(&["bind"]).is_none() && scope.here("limit_req").is_empty() {
            let why = "it is counted for each route apart, so that who uses several has more than by one zone";
            world.findings().warning(
                &directive.place,
                directive.text(),
                why,
                "`[[listener.rate_limit]]` counts over all routes",
            );
        }
        let status = scope.value("limit_req_status", "503");
        if status != "429" {
            let why = format!("who is above the limit gets 429 with Retry-After, not {status}");
            world.findings().note(&directive.place, "limit_req", why, "");
        }
    }
}

fn one(world: &mut World<'_>, scope: &Scope<'_>, directive: &Directive) -> Option<Table> {
    let option = |name: &str| directive.args.iter().find_map(|arg| arg.strip_prefix(name));
    let place = &directive.place;
    let name = option("zone=").unwrap_or_default();
    let Some((key, rate)) = world.zones.get(name).map(|zone| (zone.key, zone.rate)) else {
        world.findings().error(
            place,
            directive.text(),
            format!("no `limit_req_zone` is called `{name}`"),
            "put a `rate_limit` into the route: docs/limits.md",
        );
        return None;
    };
    let parsed =
        rate.strip_suffix("r/s").map(|n| (n, "s", 1.0)).or_else(|| rate.strip_suffix("r/m").map(|n| (n, "m", 60.0)));
    let Some((number, unit, seconds)) =
        parsed.and_then(|(n, unit, seconds)| Some((n.parse::<u32>().ok()?, unit, seconds)))
    else {
        world.findings().error(
            place,
            directive.text(),
            format!("`{rate}` is not a rate that is known"),
            "put a `rate_limit` into the route: docs/limits.md",
        );
        return None;
    };
    let by = match key {
        "$server_name" => "all".to_owned(),
        key if !variables::has_any(key) => "all".to_owned(),
        key => match hashed(key) {
            Some(by) if by == "client_ip" => "client".to_owned(),
            Some(by) => by,
            None => {
                let why = format!("`{key}` can't be counted apart, so requests are not limited by it");
                let advice = "`rate_limit.by` takes client, network, path, uri, header:NAME, cookie:NAME, query:NAME, claim:NAME or all";
                world.findings().error(place, directive.text(), why, advice);
                return None;
            }
        },
    };
    let mut limit = Table::at(place);
    limit.put(&["rate"], format!("{number}/{unit}"), place);
    let burst: u32 = option("burst=").and_then(|text| text.parse().ok()).unwrap_or(0);
    let no_delay = directive.args.iter().any(|arg| arg == "nodelay");
    let free: u32 =
        if no_delay { burst } else { option("delay=").and_then(|text| text.parse().ok()).unwrap_or(0).min(burst) };
    // nginx counts the request that begins apart
    limit.put(&["burst"], i64::from(free) + 1, place);
    let held = f64::from(burst - free) * seconds / f64::from(number.max(1));
    if held > 0.0 {
        limit.put(&["delay"], units::duration((held * 1000.0).ceil() as u64), place);
    }
    limit.put(&["by"], by, place);
    limit.put(&["name"], crate::convert::output::name(name), place);
    if scope.is_on("limit_req_dry_run") {
        limit.put(&["dry_run"], true, place);
    }
    Some(limit)
}

/// `limit_conn` and `limit_rate`, which are of a listener here. `part` says that only some of its requests have it.
pub fn at_a_time(world: &mut World<'_>, scope: &Scope<'_>, part: bool, listener: &mut Table) {
    for directive in scope.all("limit_conn") {
        let (zone, number) = (directive.arg(0), directive.arg(1).parse::<i64>().unwrap_or(0));
        let key = world.zones.get(zone).map_or("", |zone| zone.key);
        if hashed(key).as_deref() != Some("client_ip") {
            let why = format!("only clients are counted (`{key}`), so nothing limits this");
            world.findings().error(
                &directive.place,
                directive.text(),
                why,
                "`max_connections` of backends, or [service.NAME.concurrency]",
            );
            continue;
        }
        let known = listener.get(&["client_limits", "requests"]).cloned();
        let smaller =
            known.is_none_or(|known| matches!(known, crate::convert::output::Value::Number(known) if known > number));
        if smaller {
            listener.put(&["client_limits", "requests"], number, &directive.place);
        }
        let why = if part {
            "the limit holds for all requests of the listener, and answers 429, not 503"
        } else {
            "who is above the limit gets 429, not 503"
        };
        world.findings().note(&directive.place, directive.text(), why, "");
    }
    let Some(directive) = scope.one("limit_rate").filter(|directive| directive.arg(0) != "0") else { return };
    match units::bytes(directive.arg(0)).filter(|bytes| *bytes >= 1024) {
        Some(bytes) => {
            listener.put(&["client_limits", "download"], format!("{}/s", units::size(bytes)), &directive.place);
            let why = "it is of each client over all its connections and all routes of the listener, where nginx limits each answer";
            world.findings().note(&directive.place, directive.text(), why, "");
        }
        None => world.findings().error(
            &directive.place,
            directive.text(),
            "such a bandwidth can't be set",
            "`client_limits.download` of the listener: at least 1KiB/s",
        ),
    }
}

/// The largest `client_max_body_size` of all that a listener has. Smaller ones can't be carried over.
pub fn bodies(world: &mut World<'_>, scopes: &[Scope<'_>], listener: &mut Table) {
    let said: Vec<_> = scopes.iter().map(|scope| scope.one("client_max_body_size")).collect();
    let of = |directive: &Option<&Directive>| {
        directive.map_or(1 << 20, |directive| units::bytes(directive.arg(0)).unwrap_or(1 << 20))
    };
    let unlimited = said.iter().any(|directive| of(directive) == 0);
    let most = said.iter().map(of).max().unwrap_or(1 << 20);
    let largest = said.iter().find(|directive| of(directive) == if unlimited { 0 } else { most }).copied().flatten();
    if let Some(largest) = largest.filter(|_| unlimited || most > 1 << 20)
        && said.iter().any(Option::is_none)
    {
        let why = "a listener has one `max_body`, and locations or hosts that say nothing take 1 MiB in nginx";
        let advice = "give these a listener with `max_body = \"1MiB\"`, or have the backend refuse large bodies";
        world.findings().error(&largest.place, largest.text(), why, advice);
    }
    let mut told = Vec::new();
    for directive in said.iter().flatten() {
        let bytes = of(&Some(*directive));
        if bytes != 0 && (unlimited || bytes < most) && !told.contains(&&directive.place) {
            told.push(&directive.place);
            let why = "a listener has one `max_body`, and this is less than others have";
            world.findings().error(
                &directive.place,
                directive.text(),
                why,
                "give these hosts a listener with a smaller `max_body`, or have the backend refuse large bodies",
            );
        }
    }
    match largest {
        Some(_) if unlimited => {}
        Some(directive) => listener.put(&["limits", "max_body"], units::size(most), &directive.place),
        None => {
            if let Some(place) = listener.from.first().cloned() {
                listener.put(&["limits", "max_body"], units::size(1 << 20), &place);
                world.findings().note(
                    &place,
                    "client_max_body_size",
                    "nginx takes bodies of up to 1 MiB where nothing is said, and so does the result",
                    "raise `max_body`",
                );
            }
        }
    }
}
