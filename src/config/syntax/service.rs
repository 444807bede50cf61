//! The languages of a service's sections: where keys are taken from, statuses, what is retried, names for DNS.

use std::ops::RangeInclusive;

use http::StatusCode;

use super::address::authority;
use super::host::{PORT, is_host_name, port};
use super::{Problem, Result, header_name, path};
use crate::load::orca::PREFIX;
use crate::policy::{Hedge, KeyFrom};

/// What a retry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum RetryOn {
    Connect,
    Reset,
    Status(StatusCode),
}

/// What nginx, HAProxy, Traefik and Envoy call the address of a client.
pub(super) const CLIENT_ELSEWHERE: [&str; 9] = [
    "ip",
    "src",
    "source",
    "source_ip",
    "remote_addr",
    "binary_remote_addr",
    "remote_address",
    "remote_ip",
    "clientip",
];

/// What a consistent hash is taken of.
pub(in crate::config) fn hash_key(text: &str) -> Result<KeyFrom> {
    let expected = "\"client_ip\", \"path\", \"uri\", \"header:NAME\", \"cookie:NAME\" or \"query:NAME\"";
    key_among(text, expected, &["client_ip", "path", "uri"])
}

/// A key that is one of these words, or is taken from a header, a cookie or the query; `expected` completes the sentence "expected ...".
pub(super) fn key_among(text: &str, expected: &str, words: &[&str]) -> Result<KeyFrom> {
    match text {
        "path" => Ok(KeyFrom::Path),
        "uri" => Ok(KeyFrom::Uri),
        text => key_from(text, expected, words),
    }
}

/// A metric of a backend's own in its load reports, without what such names begin with.
pub(in crate::config) fn named_metric(text: &str) -> Result<&str> {
    let expected = "\"named_metrics.\" and a name, as backends report it";
    match text.strip_prefix(PREFIX) {
        Some(name)
            if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b'=')) =>
        {
            Ok(name)
        }
        Some(_) => Err(Problem::new(format!("`{text}` has no name that a metric can have"), expected)),
        None => {
            let problem = Problem::new(format!("`{text}` is not a named metric"), expected);
            Err(Problem { suggestion: Some(format!("{PREFIX}{text}")), ..problem })
        }
    }
}

/// What sticky sessions are told apart by; `None` = the cookie that Evenkeel sets.
pub(in crate::config) fn session_key(text: &str) -> Result<Option<KeyFrom>> {
    let expected = "\"cookie\", \"client_ip\", \"header:NAME\", \"cookie:NAME\" or \"query:NAME\"";
    match text {
        "cookie" => Ok(None),
        text => key_from(text, expected, &["cookie", "client_ip"]).map(Some),
    }
}

/// Where a request has its token.
pub(in crate::config) fn token_from(text: &str) -> Result<KeyFrom> {
    let expected = "\"header:NAME\", \"cookie:NAME\" or \"query:NAME\"";
    match key_from(text, expected, &[])? {
        from @ (KeyFrom::Header(_) | KeyFrom::Cookie(_) | KeyFrom::Query(_)) => Ok(from),
        _ => Err(Problem::new(format!("`{text}` has no token"), expected)),
    }
}

fn key_from(text: &str, expected: &str, words: &[&str]) -> Result<KeyFrom> {
    let bad = || Problem::new(format!("`{text}` is nothing that a key can be taken from"), expected);
    match text.split_once(':') {
        None if text == "client_ip" => Ok(KeyFrom::ClientIp),
        Some(("header", name)) => header_name(name).map(KeyFrom::Header),
        Some(("cookie", name)) => cookie_name(name).map(|()| KeyFrom::Cookie(name.to_owned())),
        Some(("query", name)) if !name.is_empty() => Ok(KeyFrom::Query(name.to_owned())),
        _ => {
            let is_client = CLIENT_ELSEWHERE.contains(&text.trim_start_matches('$')) && words.contains(&"client_ip");
            let near = if is_client { Some("client_ip") } else { super::nearest(text, words.iter().copied()) };
            Err(bad().suggest(near.map(str::to_owned)))
        }
    }
}

/// RFC 6265, section 4.1.1: the name of a cookie is a token.
pub(in crate::config) fn cookie_name(text: &str) -> Result<()> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    match !text.is_empty() && text.bytes().all(token) {
        true => Ok(()),
        false => Err(Problem::new(format!("{text:?} can't be the name of a cookie"), "letters, digits, \"-\", \"_\"")),
    }
}

/// A path with or without a query, for checks.
pub(in crate::config) fn health_path(text: &str) -> Result<()> {
    let (bare, query) = text.split_once('?').unwrap_or((text, ""));
    path(bare)?;
    match query.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        true => Ok(()),
        false => Err(Problem::new("a query can't contain spaces or \"#\"", "a path such as \"/health?full=1\"")),
    }
}

/// A host, or nothing.
pub(in crate::config) fn authority_or_empty(text: &str) -> Result<()> {
    if text.is_empty() { Ok(()) } else { authority(text).map(drop) }
}

/// Statuses and ranges of them: "200", "200-399", "200-299,404".
pub(in crate::config) fn status_ranges(text: &str) -> Result<Vec<RangeInclusive<u16>>> {
    let bad = || {
        Problem::new(format!("`{text}` names no statuses"), "statuses such as \"200\", \"200-399\", \"200-299,404\"")
    };
    let one = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = first.trim().parse().ok()?..=last.trim().parse().ok()?;
        (*range.start() >= 100 && *range.end() <= 599 && range.start() <= range.end()).then_some(range)
    };
    text.split(',').map(|part| one(part.trim()).ok_or_else(|| bad().suggest(meant_statuses(text)))).collect()
}

/// The statuses that were probably meant, in the notations of other programs.
fn meant_statuses(text: &str) -> Option<String> {
    let one = |part: &str| {
        let class = part.strip_suffix("xx").or_else(|| part.strip_suffix("XX")).or_else(|| part.strip_suffix("**"));
        let ends = part.split_once("..").map(|(first, last)| (first, last.trim_start_matches(['.', '='])));
        match (class, ends) {
            (Some(class @ ("1" | "2" | "3" | "4" | "5")), _) => Some(format!("{class}00-{class}99")),
            (None, Some((first, last))) => Some(format!("{first}-{last}")),
            (None, None) if part.eq_ignore_ascii_case("ok") => Some("200".to_owned()),
            (None, None) => Some(part.to_owned()),
            _ => None,
        }
    };
    let parts = text.split([',', ' ', '|', ';']).filter(|part| !part.is_empty());
    let meant = parts.map(one).collect::<Option<Vec<_>>>()?.join(",");
    let is_good = meant != text && status_ranges(&meant).is_ok();
    is_good.then_some(meant)
}

/// "connect", "reset", or a status from 400 on.
pub(in crate::config) fn retry_condition(text: &str) -> Result<RetryOn> {
    match text {
        "connect" => return Ok(RetryOn::Connect),
        "reset" => return Ok(RetryOn::Reset),
        _ => {}
    }
    let status = text.parse::<u16>().ok().and_then(|code| StatusCode::from_u16(code).ok());
    match status.filter(|status| (400..=599).contains(&status.as_u16())) {
        Some(status) => Ok(RetryOn::Status(status)),
        None => {
            let expected = "\"connect\", \"reset\", or a status from \"400\" to \"599\"";
            let problem = Problem::new(format!("`{text}` is nothing that a retry can be for"), expected);
            let near = meant_condition(text).or_else(|| super::nearest(text, ["connect", "reset"]));
            let is_of_several =
                text.contains("xx") || text.split_once('-').is_some_and(|(first, _)| port(first).is_some());
            match is_of_several {
                true => Err(problem.help("each status stands by itself: \"502\", \"503\", \"504\"")),
                false if text.eq_ignore_ascii_case("error") => {
                    Err(problem.help("what nginx calls `error` is \"connect\", \"reset\" here"))
                }
                false => Err(problem.suggest(near.map(str::to_owned))),
            }
        }
    }
}

/// What nginx, HAProxy and Envoy call the conditions of a retry.
fn meant_condition(text: &str) -> Option<&str> {
    if let Some(status) = text.strip_prefix("http_") {
        return Some(status).filter(|status| retry_condition(status).is_ok());
    }
    match &*text.to_ascii_lowercase().replace(['-', ' '], "_") {
        "connect_failure" | "conn_failure" | "connection_failure" | "connect_error" | "refused" | "refused_stream"
        | "connect_timeout" => Some("connect"),
        "timeout" | "response_timeout" => Some("504"),
        "empty_response" | "connection_reset" | "reset_before_request" | "junk_response" => Some("reset"),
        _ => None,
    }
}

/// A quantile from "p50" to "p99.9", or a time above 0.
pub(in crate::config) fn hedge(text: &str) -> Result<Hedge> {
    let expected = "a quantile from \"p50\" to \"p99.9\", or a time such as \"50ms\"";
    let bad = |message: String| Problem::new(message, expected);
    if let Some(percent) = text.strip_prefix(['p', 'P']).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        let number = percent.parse::<f64>().ok().filter(|percent| (50.0..=99.9).contains(percent));
        return match number.filter(|_| text.starts_with('p')) {
            Some(percent) => Ok(Hedge::Quantile(percent / 100.0)),
            None => {
                let meant = number.map(|percent| format!("p{percent}"));
                Err(bad(format!("`{text}` is no quantile that can be hedged at")).suggest(meant))
            }
        };
    }
    match super::duration(text) {
        Ok(time) if time.0.is_zero() => {
            Err(bad(format!("`{text}`: every request would be sent twice")).help("without `hedge` nothing is hedged"))
        }
        Ok(time) => Ok(Hedge::After(time.0)),
        // "95%" and "95" are meant as a quantile
        Err(_) => {
            let percent = text.trim_end_matches('%').parse::<f64>().ok();
            let meant = percent.filter(|percent| (50.0..=99.9).contains(percent)).map(|percent| format!("p{percent}"));
            Err(bad(format!("`{text}` says nothing of when to hedge")).suggest(meant))
        }
    }
}

/// name:port, to be looked up.
pub(in crate::config) fn name_and_port(text: &str) -> Result<(String, u16)> {
    let bad =
        || Problem::new(format!("`{text}` can't be looked up"), "a name and a port, such as \"api.internal:8080\"");
    let (name, number) = text.rsplit_once(':').ok_or_else(|| bad().help("the port is missing"))?;
    let number = port(number).filter(|number| *number > 0).ok_or_else(|| bad().help(PORT))?;
    match is_host_name(name.trim_end_matches('.')) {
        true => Ok((name.to_owned(), number)),
        false => Err(bad()),
    }
}

/// The name of SRV records (RFC 2782).
pub(in crate::config) fn srv_name(text: &str) -> Result<()> {
    let labels: Vec<&str> = text.trim_end_matches('.').split('.').collect();
    match labels[..] {
        [service, protocol, _, ..]
            if service.starts_with('_') && protocol.starts_with('_') && is_host_name(text.trim_end_matches('.')) =>
        {
            Ok(())
        }
        _ => Err(Problem::new(format!("`{text}` is not the name of SRV records"), "a name such as \"_http._tcp.api\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_from_where_they_can_be() {
        assert_eq!(hash_key("client_ip").unwrap(), KeyFrom::ClientIp);
        assert_eq!(hash_key("cookie:sid").unwrap(), KeyFrom::Cookie("sid".to_owned()));
        assert_eq!(session_key("cookie").unwrap(), None);
        assert!(session_key("path").is_err());
        for bad in ["", "ip", "header:", "header:a b", "cookie:a=b", "query:", "cookie"] {
            assert!(hash_key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn requests_are_hedged_at_a_quantile_or_after_a_time() {
        use std::time::Duration;
        assert_eq!(hedge("p95").unwrap(), Hedge::Quantile(0.95));
        assert!(matches!(hedge("p99.9"), Ok(Hedge::Quantile(share)) if (share - 0.999).abs() < 1e-9));
        assert_eq!(hedge("50ms").unwrap(), Hedge::After(Duration::from_millis(50)));
        for bad in ["", "p", "p49", "p99.95", "p100", "P95", "95", "0s", "-1s", "p9 5", "pNaN", "on"] {
            assert!(hedge(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn statuses_and_ranges_of_them() {
        assert_eq!(status_ranges("200-299, 404").unwrap(), [200..=299, 404..=404]);
        for bad in ["", "ok", "200-", "399-200", "99", "600", "200,,300"] {
            assert!(status_ranges(bad).is_err(), "{bad}");
        }
        for (written, meant) in [
            ("2xx,3xx", Some("200-299,300-399")),
            ("2xx", Some("200-299")),
            ("2**", Some("200-299")),
            ("200 201", Some("200,201")),
            ("200..299", Some("200-299")),
            ("200..=299", Some("200-299")),
            ("OK", Some("200")),
            ("6xx", None),
            ("200-", None),
            ("<400", None),
        ] {
            assert_eq!(status_ranges(written).unwrap_err().suggestion.as_deref(), meant, "{written}");
        }
    }

    #[test]
    fn retries_are_for_connections_and_failures() {
        assert_eq!(retry_condition("reset").unwrap(), RetryOn::Reset);
        assert_eq!(retry_condition("503").unwrap(), RetryOn::Status(StatusCode::SERVICE_UNAVAILABLE));
        for bad in ["200", "conect", "", "600"] {
            assert!(retry_condition(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_to_look_up() {
        assert_eq!(name_and_port("api.internal:80").unwrap(), ("api.internal".to_owned(), 80));
        assert!(["api", "api:0", "1.2.3.4:80", ":80"].iter().all(|bad| name_and_port(bad).is_err()));
        assert!(srv_name("_http._tcp.api.internal").is_ok());
        assert!(["http.tcp.api", "_http.api", "_http._tcp", ""].iter().all(|bad| srv_name(bad).is_err()));
    }
}
