//! How limits are written: rates, and what is counted apart.

use std::time::Duration;

use super::{Problem, Result, service, size};
use crate::config::units::Size;
use crate::limit::By;

/// How a rate is written; completes the sentence "expected ...".
const RATE: &str = "requests in a time, such as \"100/s\", \"5/m\" or \"1000/h\"";

/// How a bandwidth is written; completes the sentence "expected ...".
const BANDWIDTH: &str = "bytes in a second: a size and \"/s\", such as \"10MiB/s\"";

/// The least bandwidth: with less, a piece of a body would take longer than most wait for one.
const LEAST: u64 = 1024;

/// The most requests in the time of a rate.
const MOST: u32 = 10_000_000;

/// So many requests, and in which time.
pub(in crate::config) fn rate(text: &str) -> Result<(u32, Duration)> {
    let bad = || Problem::new(format!("`{text}` is no rate"), RATE);
    let (number, unit) = text.split_once('/').unwrap_or((text, ""));
    let per = |unit: &str| match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        _ => None,
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let Some(seconds) = per(unit).filter(|_| is_number) else {
        let meant = meant_rate(text);
        let help = matches!(text.trim().to_ascii_lowercase().as_str(), "0" | "off" | "none" | "unlimited" | "no");
        let help = if meant.is_some() { None } else { help.then_some("without a `rate_limit` there is no limit") };
        let help = help.or_else(|| odd_rate(text).filter(|_| meant.is_none()));
        return Err(Problem { help: help.map(str::to_owned), ..bad().suggest(meant) });
    };
    match number.parse::<u32>() {
        Ok(0) => Err(Problem::new("a rate of 0 lets nothing through", RATE)),
        Ok(requests) if requests <= MOST => Ok((requests, Duration::from_secs(seconds))),
        _ => Err(Problem::new(format!("`{text}` is too large"), "at most 10000000 requests")),
    }
}

/// The rate that was probably meant: a number, and behind it what is counted, a sign or a word for "in each", and a time.
fn meant_rate(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let (number, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let (factor, rest) = match rest.strip_prefix('k') {
        Some(rest) => (1_000, rest),
        None => (1, rest),
    };
    let number = number.parse::<u32>().ok()?.checked_mul(factor).filter(|number| (1..=MOST).contains(number))?;
    let mut words = rest.split(|c: char| c.is_whitespace() || matches!(c, '/' | '-')).filter(|word| !word.is_empty());
    let is_counted = |word: &&str| matches!(*word, "r" | "req" | "reqs" | "request" | "requests" | "hits" | "times");
    let is_joined = |word: &&str| matches!(*word, "per" | "a" | "an" | "each" | "every" | "in" | "p");
    let time: Vec<&str> = words.by_ref().filter(|word| !is_counted(word) && !is_joined(word)).collect();
    let unit = match time[..] {
        [] | ["s" | "1s" | "sec" | "secs" | "second" | "seconds" | "rps" | "qps"] => "s",
        ["m" | "1m" | "60s" | "min" | "mins" | "minute" | "minutes" | "rpm" | "qpm"] => "m",
        ["h" | "1h" | "60m" | "hr" | "hour" | "hours" | "rph"] => "h",
        ["d" | "1d" | "24h" | "day" | "days" | "rpd"] => "d",
        _ => return None,
    };
    Some(format!("{number}/{unit}"))
}

/// What to say of a rate with a fraction, or in a time that is not one of the units.
fn odd_rate(text: &str) -> Option<&'static str> {
    let rest = text.trim().trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.starts_with('.') {
        return Some("the number is a whole one: of 1.5 in a second, \"90/m\"");
    }
    let is_odd = rest.len() < text.trim().len() && rest.contains(|c: char| c.is_ascii_digit());
    is_odd.then_some("the time is one second, minute, hour or day: s, m, h or d, without a number")
}

/// So many bytes in a second.
pub(in crate::config) fn bandwidth(text: &str) -> Result<u64> {
    let bad = |meant: Option<String>| Problem::new(format!("`{text}` is no bandwidth"), BANDWIDTH).suggest(meant);
    let meant = |size: String| format!("{size}/s");
    let Some(written) = text.strip_suffix("/s") else {
        return Err(bad(size(text).ok().map(|_| meant(text.to_owned()))));
    };
    match size(written) {
        Ok(Size(0)) => Err(Problem::new("a bandwidth of 0 lets nothing through", BANDWIDTH)),
        Ok(Size(bytes)) if bytes < LEAST => Err(Problem::new(format!("`{text}` is too little"), "at least \"1KiB/s\"")),
        Ok(Size(bytes)) => Ok(bytes),
        // a bit is not a byte
        Err(_) if written.to_ascii_lowercase().contains("bit") => Err(bad(None)),
        Err(problem) => Err(bad(problem.suggestion.map(meant))),
    }
}

/// What a limit counts apart.
pub(in crate::config) fn limit_key(text: &str) -> Result<By> {
    const EXPECTED: &str = "\"client\", \"network\", \"path\", \"uri\", \"header:NAME\", \"cookie:NAME\", \"query:NAME\", \"claim:NAME\" or \"all\"";
    match text {
        "all" => Ok(By::All),
        "client" => Ok(By::Client),
        "network" => Ok(By::Network),
        text if text == "client_ip" || service::CLIENT_ELSEWHERE.contains(&text.trim_start_matches('$')) => {
            let problem = Problem::new(format!("a limit does not go by `{text}`"), EXPECTED);
            Err(problem.suggest(Some("client".to_owned())))
        }
        text if text.starts_with("claim:") => match &text["claim:".len()..] {
            "" => Err(Problem::new("the name of the claim is missing", "such as \"claim:sub\"")),
            name => Ok(By::Claim(name.to_owned())),
        },
        text => service::key_among(text, EXPECTED, &["all", "client", "network", "path", "uri"]).map(By::Key),
    }
}

#[cfg(test)]
mod tests {
    use http::header::HeaderName;

    use super::*;
    use crate::policy::KeyFrom;

    #[test]
    fn rates_are_numbers_and_a_unit() {
        assert_eq!(rate("100/s").unwrap(), (100, Duration::from_secs(1)));
        assert_eq!(rate("5/m").unwrap(), (5, Duration::from_secs(60)));
        assert_eq!(rate("1000/d").unwrap(), (1_000, Duration::from_secs(86_400)));
    }

    #[test]
    fn what_was_meant_is_suggested() {
        for (written, meant) in [
            ("100", "100/s"),
            ("100/sec", "100/s"),
            ("100r/s", "100/s"),
            ("10 / minute", "10/m"),
            ("10r/m", "10/m"),
            ("50 per second", "50/s"),
            ("50rps", "50/s"),
            ("50 req/s", "50/s"),
            ("5 requests a minute", "5/m"),
            ("100/1m", "100/m"),
            ("60rpm", "60/m"),
            ("10k/s", "10000/s"),
        ] {
            let problem = rate(written).unwrap_err();
            assert_eq!(problem.suggestion.as_deref(), Some(meant), "{written}");
        }
        for bad in
            ["", "/s", "0/s", "-1/s", "1.5/s", "fast", "100/fortnight", "99999999999/s", "100/10s", "5 per 10 seconds"]
        {
            assert_eq!(rate(bad).unwrap_err().suggestion, None, "{bad}");
        }
        assert!(rate("100/10s").unwrap_err().help.is_some_and(|help| help.contains("s, m, h or d")));
    }

    #[test]
    fn bandwidths_are_sizes_in_a_second() {
        assert_eq!(bandwidth("10MiB/s").unwrap(), 10 << 20);
        assert_eq!(bandwidth("2048B/s").unwrap(), 2_048);
        for (written, meant) in
            [("10MiB", Some("10MiB/s")), ("10MB/s", Some("10MiB/s")), ("10Mbit/s", None), ("fast", None)]
        {
            assert_eq!(bandwidth(written).unwrap_err().suggestion.as_deref(), meant, "{written}");
        }
        for bad in ["", "/s", "0/s", "0B/s", "100B/s", "-1MiB/s", "1MiB/m"] {
            assert!(bandwidth(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_those_of_hashing_and_some_more() {
        assert_eq!(limit_key("all").unwrap(), By::All);
        assert_eq!(limit_key("client").unwrap(), By::Client);
        assert_eq!(limit_key("header:X-Key").unwrap(), By::Key(KeyFrom::Header(HeaderName::from_static("x-key"))));
        assert_eq!(limit_key("claim:/realm/team").unwrap(), By::Claim("/realm/team".to_owned()));
        assert!(limit_key("claim:").is_err());
        assert_eq!(limit_key("client_ip").unwrap_err().suggestion.as_deref(), Some("client"));
    }
}
