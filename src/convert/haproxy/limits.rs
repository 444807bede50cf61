//! Counters of stick tables, as rate limits and limits of clients.

use super::parse::{Line, Section};
use crate::convert::output::{Findings, Place, Table, Value};
use crate::convert::units;

/// A counter that a condition compares with a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Counter {
    /// `http_req_rate`, `conn_rate`, `conn_cur`, ...
    pub what: String,
    /// The number of the tracking rule (`sc0`), where it says one.
    pub tracked: Option<String>,
    /// The table, where it says one.
    pub table: String,
    /// What is above it is refused.
    pub number: u64,
}

/// The counter of a fetch such as `sc_http_req_rate(0) gt 20`.
pub fn counter(fetch: &str, argument: &str, values: &[String]) -> Option<Counter> {
    let mut arguments = argument.split(',').map(str::trim);
    let (what, tracked, table) = if let Some(what) = fetch.strip_prefix("sc_") {
        (what, Some(arguments.next()?.to_owned()), arguments.next().unwrap_or_default())
    } else if let Some((number, what)) = fetch.strip_prefix("sc").and_then(|rest| rest.split_once('_')) {
        (what, Some(number.to_owned()), arguments.next().unwrap_or_default())
    } else if let Some(what) = fetch.strip_prefix("src_") {
        (what, None, arguments.next().unwrap_or_default())
    } else {
        return None;
    };
    let number = match values {
        [operator, number] if operator == "gt" => number.parse().ok()?,
        [operator, number] if operator == "ge" => number.parse::<u64>().ok()?.checked_sub(1)?,
        _ => return None,
    };
    Some(Counter { what: what.to_owned(), tracked, table: table.to_owned(), number })
}

/// What a limit becomes.
pub enum Limit {
    /// A rate of requests, and whether all requests of the frontend are counted for it.
    Rate(Table, bool),
    /// A key of the listener's `client_limits`, with its value.
    OfClients(&'static str, String),
}

/// The limit that refuses what is above a counter; the error is why there is none.
pub fn limit(sections: &[Section], section: &Section, counter: &Counter, place: &Place) -> Result<Limit, String> {
    let tracking = section.lines.iter().find(|line| {
        let number = counter.tracked.as_deref().unwrap_or_default();
        line.words.iter().any(|word| *word == format!("track-sc{number}"))
    });
    let (key, named) = match (&counter.tracked, tracking) {
        (Some(number), Some(line)) => {
            (line.after(&format!("track-sc{number}")).unwrap_or_default(), line.after("table"))
        }
        (Some(number), None) => return Err(format!("nothing is tracked as sc{number}")),
        (None, _) => ("src", None),
    };
    let by = by(key).ok_or_else(|| format!("`{key}` can't be counted apart"))?;
    let table = named.filter(|name| !name.is_empty()).unwrap_or(&counter.table);
    let line = table_line(sections, section, table).ok_or("there is no such stick table")?;
    let period = period(line, &counter.what);
    match counter.what.as_str() {
        "http_req_rate" => {
            let (rate, burst) = rate(counter.number, period.ok_or("its table does not store that")?)
                .ok_or("such a rate can't be set")?;
            let mut limit = Table::at(place);
            limit.put(&["rate"], rate, place);
            limit.put(&["burst"], burst, place);
            limit.put(&["by"], by, place);
            limit.comes_from(&["rate"], &line.place);
            let of_all = tracking.is_none_or(|line| !line.has("if") && !line.has("unless"));
            Ok(Limit::Rate(limit, of_all))
        }
        "conn_rate" if by == "client" => {
            let (rate, _) = rate(counter.number, period.ok_or("its table does not store that")?)
                .ok_or("such a rate can't be set")?;
            Ok(Limit::OfClients("new_connections", rate))
        }
        "conn_cur" if by == "client" => Ok(Limit::OfClients("connections", counter.number.to_string())),
        what => Err(format!("`{what}` is not counted here")),
    }
}

/// Tells of rates that several routes have: each counts for itself, and HAProxy's table counts for all of them.
pub fn tell_of_several(listener: &Table, findings: &mut Findings) {
    let Some(Value::List(routes)) = listener.get(&["route"]) else { return };
    let mut seen: Vec<(&Table, usize)> = Vec::new();
    for route in routes {
        let Value::Table(route) = route else { continue };
        let Some(Value::List(limits)) = route.get(&["rate_limit"]) else { continue };
        for limit in limits {
            let Value::Table(limit) = limit else { continue };
            match seen.iter_mut().find(|(known, _)| known.same(limit)) {
                Some((_, count)) => *count += 1,
                None => seen.push((limit, 1)),
            }
        }
    }
    for (limit, count) in seen.into_iter().filter(|(_, count)| *count > 1) {
        if let Some(place) = limit.from.first() {
            let why = format!(
                "each of {count} routes counts for itself, so that who uses several has more than by one table"
            );
            findings.warning(
                place,
                "http_req_rate",
                why,
                "`[[listener.rate_limit]]` counts over all routes: docs/limits.md",
            );
        }
    }
}

/// What is tracked, as `rate_limit.by` names it.
fn by(key: &str) -> Option<String> {
    let fetch = key.split(',').next().unwrap_or_default();
    let (fetch, argument) =
        fetch.split_once('(').map_or((fetch, ""), |(fetch, argument)| (fetch, argument.trim_end_matches(')')));
    Some(match fetch {
        "src" => "client".to_owned(),
        "path" => "path".to_owned(),
        "url" | "pathq" => "uri".to_owned(),
        "hdr" | "req.hdr" | "req.fhdr" if argument.eq_ignore_ascii_case("x-forwarded-for") => "client".to_owned(),
        "hdr" | "req.hdr" | "req.fhdr" => format!("header:{}", argument.to_ascii_lowercase()),
        "req.cook" | "cook" => format!("cookie:{argument}"),
        "url_param" | "urlp" => format!("query:{argument}"),
        _ => return None,
    })
}

fn table_line<'a>(sections: &'a [Section], section: &'a Section, name: &str) -> Option<&'a Line> {
    let of = |section: &'a Section| section.lines.iter().find(|line| line.word(0) == "stick-table");
    if name.is_empty() || name == section.name {
        return of(section);
    }
    sections.iter().filter(|other| other.name == name && other.kind != "userlist").find_map(of)
}

/// The time over which a table counts something.
fn period(line: &Line, what: &str) -> Option<u64> {
    let stored = line.words.iter().flat_map(|word| split_stored(word)).find(|word| word.starts_with(what))?;
    let inner = stored.split_once('(')?.1.trim_end_matches(')');
    units::milliseconds(inner, 1)
}

/// `gpc0,http_req_rate(10s)`
fn split_stored(word: &str) -> Vec<&str> {
    word.split(',').collect()
}

/// So many in a time, as a rate of ours with its burst.
fn rate(number: u64, period: u64) -> Option<(String, i64)> {
    let burst = i64::try_from(number.max(1)).ok()?;
    for (unit, length) in [("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000_u64)] {
        let product = number.checked_mul(length)?;
        if period > 0 && product % period == 0 && product / period > 0 {
            return Some((format!("{}/{unit}", product / period), burst));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_in_the_smallest_unit_that_is_whole() {
        assert_eq!(rate(20, 1_000), Some(("20/s".into(), 20)));
        assert_eq!(rate(100, 10_000), Some(("10/s".into(), 100)));
        assert_eq!(rate(5, 10_000), Some(("30/m".into(), 5)));
        assert_eq!(rate(0, 1_000), None);
    }

    #[test]
    fn counters_are_read_in_all_their_spellings() {
        let values = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(counter("sc_http_req_rate", "0", &values("gt 20")).unwrap().number, 20);
        assert_eq!(counter("sc0_http_req_rate", "", &values("ge 20")).unwrap().number, 19);
        assert_eq!(counter("src_conn_cur", "tab", &values("gt 5")).unwrap().table, "tab");
        assert_eq!(counter("path", "", &values("gt 5")), None);
    }
}
