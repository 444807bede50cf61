//! Middlewares that limit: rates, requests in flight, the size of bodies.

use std::time::Duration;

use super::{At, Chain, Need};
use crate::convert::decision::Treatment;
use crate::convert::document::Node;
use crate::convert::output::{Output, Table, literal};
use crate::convert::text;
use crate::convert::units;

/// What requests are counted by.
fn criterion(node: &Node) -> Result<String, &'static str> {
    let Some(criterion) = node.get("sourceCriterion") else { return Ok("client".to_owned()) };
    let strategy = criterion.get("ipStrategy");
    strategy.into_iter().for_each(Node::seen);
    if let Some(name) = criterion.text("requestHeaderName") {
        return Ok(format!("header:{}", name.to_ascii_lowercase()));
    }
    if criterion.flag("requestHost") {
        return Err("host");
    }
    Ok("client".to_owned())
}

/// `rateLimit`
pub fn rate_limit(out: &mut Output, at: &At<'_>, chain: &mut Chain) {
    let node = at.node;
    let average = node.text("average").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let period = node.text("period").and_then(|text| text::go_duration(text, Duration::from_secs(1)));
    let period = period.filter(|period| !period.is_zero()).unwrap_or(Duration::from_secs(1));
    let burst = node.text("burst").and_then(|text| text.parse::<i64>().ok()).unwrap_or(1).max(1);
    let by = criterion(node);
    if average == 0 {
        out.findings.note(&at.place, &at.what, "a rate of 0 is none", "");
        return;
    }
    let by = match by {
        Ok(by) => by,
        Err(_) => {
            // all requests of a route that has one host are of that host
            out.findings.warning(
                &at.place,
                &at.what,
                "requests are not counted by host: all of the route are counted together",
                "",
            );
            "all".to_owned()
        }
    };
    let Some(rate) = rate(average, period) else {
        out.findings.error(
            &at.place,
            &at.what,
            "this rate can't be written: the limit is left out, and the router closed",
            "`rate_limit = [{ rate = \"100/s\" }]`",
        );
        chain.close(at);
        return;
    };
    let mut limit = Table::at(&at.place);
    limit.put(&["rate"], rate, &at.place);
    limit.put(&["burst"], burst, &at.place);
    if by != "client" {
        limit.put(&["by"], by, &at.place);
    }
    limit.put(&["name"], literal(&at.name), &at.place);
    if let Some(redis) = node.get("redis") {
        store(out, redis, at, &mut limit);
    }
    let place = at.place.clone();
    chain.protect(at, move |treatment: &mut Treatment| {
        let mut limit = limit.clone();
        let taken = |treatment: &Treatment, name: &str| {
            format!("{:?}", treatment.table.get(&["rate_limit"])).contains(&format!("\"{name}\""))
        };
        // a name is unique among the limits of a route
        if let Some(name) = limit.text(&["name"]).filter(|name| taken(treatment, name)).map(|name| format!("{name}-2"))
        {
            limit.put(&["name"], name, &place);
        }
        treatment.table.push(&["rate_limit"], limit);
    });
}

/// So many in a period, as a rate with one of our units: the same rate exactly, or `None`.
fn rate(average: u64, period: Duration) -> Option<String> {
    let millis = u64::try_from(period.as_millis()).ok().filter(|millis| *millis > 0)?;
    for (unit, of) in [("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)] {
        let number = average.checked_mul(of)?;
        if number.is_multiple_of(millis) && (1..=10_000_000).contains(&(number / millis)) {
            return Some(format!("{}/{unit}", number / millis));
        }
    }
    None
}

fn store(out: &mut Output, redis: &Node, at: &At<'_>, limit: &mut Table) {
    let endpoints = redis.texts("endpoints");
    let secure = redis.get("tls").is_some();
    redis.get("tls").into_iter().for_each(Node::seen);
    let database = redis.text("db").map(|db| format!("/{db}")).unwrap_or_default();
    let user = redis.text("username").is_some() || redis.text("password").is_some();
    for key in ["poolSize", "minIdleConns", "maxActiveConns", "readTimeout", "writeTimeout", "dialTimeout"] {
        redis.get(key);
    }
    let Some(first) = endpoints.first() else { return };
    let scheme = if secure { "rediss" } else { "redis" };
    limit.put(&["store"], literal(&format!("{scheme}://{first}{database}")), &redis.place);
    let what = format!("{}.redis", at.what);
    if endpoints.len() > 1 {
        out.findings.warning(&redis.place, &what, "one Redis is asked, the first", "");
    }
    if user {
        out.findings.warning(
            &redis.place,
            &what,
            "its user and password are not taken over",
            "`store_password_file`, or a user in the URL of `store`",
        );
    }
    if secure {
        out.findings.note(
            &redis.place,
            &what,
            "its certificate is verified by the system's authorities",
            "`store_ca` names others",
        );
    }
}

/// `inFlightReq`
pub fn in_flight(out: &mut Output, at: &At<'_>, chain: &mut Chain) {
    let Some(amount) = at.node.text("amount").and_then(|text| text.parse::<i64>().ok()).filter(|amount| *amount > 0)
    else {
        return;
    };
    let own = at.node.get("sourceCriterion").is_some();
    let by = criterion(at.node);
    match by {
        Ok(by) if own && by == "client" => chain.needs.push(Need {
            key: &["client_limits", "requests"],
            value: amount.into(),
            what: at.what.clone(),
            place: at.place.clone(),
            protects: true,
        }),
        Ok(by) if own => {
            let why =
                format!("requests in flight are not counted by `{by}`: the limit is left out, and the router closed");
            out.findings.error(&at.place, &at.what, why, "`client_limits.requests` of the listener counts by client");
            chain.close(at);
        }
        // by host, which Traefik does by default: all requests of a router that has one
        _ => {
            for key in ["min", "max", "initial"] {
                chain.service.push((vec!["concurrency", key], amount.into(), at.place.clone()));
            }
            for key in ["normal", "low"] {
                chain.service.push((vec!["concurrency", key], 1.0.into(), at.place.clone()));
            }
            chain.service.push((vec!["timeout", "queue"], "1ms".into(), at.place.clone()));
            let why = "requests in flight are limited for the service, over all hosts; what is above is answered with 503 and not 429";
            out.findings.note(&at.place, &at.what, why, "");
        }
    }
}

/// `buffering`: of it, the greatest size of a body.
pub fn buffering(out: &mut Output, at: &At<'_>, chain: &mut Chain) {
    let size = |key: &str| at.node.text(key).and_then(text::size).filter(|bytes| *bytes > 0);
    for key in ["memRequestBodyBytes", "memResponseBodyBytes"] {
        at.node.get(key);
    }
    if let Some(bytes) = size("maxRequestBodyBytes") {
        chain.needs.push(Need {
            key: &["limits", "max_body"],
            value: units::size(bytes).into(),
            what: at.what.clone(),
            place: at.place.clone(),
            protects: true,
        });
    }
    if size("maxResponseBodyBytes").is_some() {
        out.findings.warning(&at.place, format!("{}.maxResponseBodyBytes", at.what), "answers may be of any size", "");
    }
    if let Some(node) = at.node.get("retryExpression") {
        let advice = "`[service.NAME.retry]`: docs/configuration.md";
        out.findings.warning(
            &node.place,
            format!("{}.retryExpression", at.what),
            "what is sent again is what can't be executed twice",
            advice,
        );
    }
    out.findings.note(&at.place, &at.what, "bodies are passed on as they come, and not gathered before", "");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_exactly_the_same_or_none() {
        assert_eq!(rate(100, Duration::from_secs(1)).as_deref(), Some("100/s"));
        assert_eq!(rate(5, Duration::from_secs(10)).as_deref(), Some("30/m"));
        assert_eq!(rate(1, Duration::from_secs(7200)).as_deref(), Some("12/d"));
        assert_eq!(rate(1, Duration::from_secs(7 * 86_400)), None);
    }
}
