//! Open Request Cost Aggregation: a backend tells its load in the answer's field or trailer `endpoint-load-metrics`.
//!
//! ```text
//!   endpoint-load-metrics: TEXT cpu_utilization=0.3,mem_utilization=0.8,named_metrics.queue=7
//!   endpoint-load-metrics: JSON {"cpu_utilization": 0.3, "mem_utilization": 0.8}
//!   endpoint-load-metrics: BIN CTMzMzMzM9M/EZqZmZmZmek/
//!   endpoint-load-metrics-bin: CTMzMzMzM9M/EZqZmZmZmek/
//! ```
//!
//! The message is `xds.data.orca.v3.OrcaLoadReport`; JSON follows proto3's mapping, so its names may be written in camel case as
//! well. gRPC servers send the last form, as a trailer (gRFC A51). Of the message, three shares are used, and the
//! named metrics that the configuration names (`load_reports.utilization`); other ones, costs and rates are passed over. proto3 leaves out what is 0, so an idle backend's binary report may say nothing.

mod binary;
mod named;

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::{BASE64, BASE64_NOPAD};
use named::Named;
pub use named::PREFIX;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::{BadReport, once, part, share};
use crate::endpoint::load::Report;

/// The field, and trailer, of all forms but the bare binary one.
pub const FIELD: &str = "endpoint-load-metrics";
/// The field, and trailer, of the bare binary form.
pub const FIELD_BIN: &str = "endpoint-load-metrics-bin";

/// The longest value that is read. A report with some dozens of named metrics has one or two thousand bytes.
const LONGEST: usize = 4096;
/// The most pairs in a text.
const MOST_PAIRS: usize = 64;

const CPU: &str = "cpu_utilization";
const MEMORY: &str = "mem_utilization";
const APPLICATION: &str = "application_utilization";

/// Reads a value of [`FIELD`]. The highest of the named metrics in `utilization` stands for the backend's own estimate, where it gives none.
///
/// # Errors
///
/// Why it was refused.
pub fn read(value: &[u8], utilization: &[Box<str>]) -> Result<Report, BadReport> {
    if value.len() > LONGEST {
        return Err(BadReport::TooLong);
    }
    let value = value.trim_ascii();
    let space = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    let (form, rest) = value.split_at(space);
    let rest = rest.trim_ascii();
    match form {
        b"TEXT" => text(rest, utilization),
        b"JSON" => json(rest, utilization),
        b"BIN" => read_bin(rest, utilization),
        _ => Err(BadReport::Form),
    }
}

/// Reads a value of [`FIELD_BIN`]: base64, with or without padding. As [`read`].
///
/// # Errors
///
/// Why it was refused.
pub fn read_bin(value: &[u8], utilization: &[Box<str>]) -> Result<Report, BadReport> {
    if value.len() > LONGEST {
        return Err(BadReport::TooLong);
    }
    let encoding = if value.ends_with(b"=") { BASE64 } else { BASE64_NOPAD };
    let message = encoding.decode(value).map_err(|_| BadReport::Form)?;
    binary::read(&message, utilization)
}

/// Pairs of names and numbers, separated by commas.
fn text(pairs: &[u8], utilization: &[Box<str>]) -> Result<Report, BadReport> {
    let pairs = str::from_utf8(pairs).map_err(|_| BadReport::Form)?;
    let (mut report, mut named) = (Report::default(), Named::new(utilization));
    let mut others: Vec<&str> = Vec::new();
    for (count, pair) in pairs.split(',').enumerate() {
        if count == MOST_PAIRS {
            return Err(BadReport::TooLong);
        }
        let (name, value) = pair.split_once('=').ok_or(BadReport::Form)?;
        let (name, value) = (name.trim(), value.trim().parse::<f64>());
        let value = value.map_err(|_| BadReport::Form)?;
        if let Some(name) = used(name) {
            take(&mut report, name, value)?;
            continue;
        }
        // whether a metric of the backend's own is used or not, it has to make sense, as the rest of the report does
        if name.is_empty() {
            return Err(BadReport::Form);
        }
        if !value.is_finite() {
            return Err(BadReport::Number("a named metric"));
        }
        if others.contains(&name) {
            return Err(BadReport::Twice("a named metric"));
        }
        others.push(name);
        if let Some(name) = name.strip_prefix(PREFIX) {
            named.see(name, value)?;
        }
    }
    Ok(named.complete(report))
}

/// The canonical name of a number that is used, in either spelling; `None` = it is not used.
fn used(name: &str) -> Option<&'static str> {
    match name {
        CPU | "cpuUtilization" => Some(CPU),
        MEMORY | "memUtilization" => Some(MEMORY),
        APPLICATION | "applicationUtilization" => Some(APPLICATION),
        _ => None,
    }
}

/// Stores the number of one of the names that are used.
fn take(report: &mut Report, name: &'static str, value: f64) -> Result<(), BadReport> {
    match name {
        CPU => once(&mut report.cpu, share(value, name)?, name),
        MEMORY => once(&mut report.memory, part(value, name)?, name),
        _ => once(&mut report.utilization, share(value, name)?, name),
    }
}

fn json(object: &[u8], utilization: &[Box<str>]) -> Result<Report, BadReport> {
    let mut deserializer = serde_json::Deserializer::from_slice(object);
    let read = deserializer.deserialize_map(Object(utilization)).and_then(|report| deserializer.end().map(|()| report));
    read.unwrap_or_else(|error| Err(BadReport::Json(error.to_string())))
}

/// Reads an object. A refusal inside it is part of the value, so that the reason keeps its type.
struct Object<'a>(&'a [Box<str>]);

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Result<Report, BadReport>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with load metrics")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut report, mut named) = (Ok(Report::default()), Named::new(self.0));
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let is_named = !self.0.is_empty() && matches!(&*name, "named_metrics" | "namedMetrics");
            if is_named {
                let all = map.next_value::<BTreeMap<std::borrow::Cow<'de, str>, f64>>()?;
                if let Err(refused) = all.into_iter().try_for_each(|(name, value)| named.see(&name, value)) {
                    report = Err(refused);
                }
                continue;
            }
            let Some(name) = used(&name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value::<f64>()?;
            if let Ok(so_far) = &mut report
                && let Err(refused) = take(so_far, name, value)
            {
                // the rest is read all the same, because an object that breaks off is the more serious mistake
                report = Err(refused);
            }
        }
        Ok(report.map(|report| named.complete(report)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without named metrics.
    fn read(value: &[u8]) -> Result<Report, BadReport> {
        super::read(value, &[])
    }

    fn read_bin(value: &[u8]) -> Result<Report, BadReport> {
        super::read_bin(value, &[])
    }

    #[test]
    fn the_highest_of_the_named_metrics_that_are_asked_for_is_the_utilization() {
        let asked = ["kv_cache_usage_perc".into(), "num_requests_waiting".into()];
        let read = |value: &str| super::read(value.as_bytes(), &asked);
        let waiting = report(-1.0, -1.0, 3.0);
        // as vLLM writes them
        let text = "TEXT named_metrics.kv_cache_usage_perc=0.25, named_metrics.num_requests_waiting=3.0";
        let json = r#"JSON {"named_metrics": {"kv_cache_usage_perc": 0.25, "num_requests_waiting": 3.0}}"#;
        assert_eq!((read(text), read(json)), (Ok(waiting), Ok(waiting)));
        assert_eq!(read("TEXT named_metrics.kv_cache_usage_perc=0.25"), Ok(report(-1.0, -1.0, 0.25)));
        assert_eq!(read("TEXT named_metrics.other=1,kv_cache_usage_perc=1"), Ok(Report::default()));
        assert_eq!(read(&format!("{text},application_utilization=0.5")), Ok(report(-1.0, -1.0, 0.5)));
        assert_eq!(read("TEXT named_metrics.num_requests_waiting=5000"), Ok(report(-1.0, -1.0, 1000.0)));
        for bad in ["-1", "nan", "inf"] {
            let read = read(&format!("TEXT named_metrics.num_requests_waiting={bad}"));
            assert_eq!(read, Err(BadReport::Number("a named metric")), "{bad}");
        }
        let read = read(r#"JSON {"named_metrics": {"kv_cache_usage_perc": -1}}"#);
        assert_eq!(read, Err(BadReport::Number("a named metric")));
    }

    fn report(cpu: f32, memory: f32, utilization: f32) -> Report {
        let some = |value: f32| (value >= 0.0).then_some(value);
        Report { cpu: some(cpu), memory: some(memory), utilization: some(utilization) }
    }

    #[test]
    fn the_same_report_is_read_from_all_forms() {
        let want = Ok(report(0.3, 0.8, -1.0));
        for value in [
            "TEXT cpu_utilization=0.3,mem_utilization=0.8,named_metrics.queue=7",
            "TEXT cpu_utilization = 0.3 , mem_utilization= 8e-1",
            "  TEXT\tmem_utilization=0.8,cpu_utilization=0.3 ",
            r#"JSON {"cpu_utilization": 0.3, "mem_utilization": 0.8}"#,
            r#"JSON {"named_metrics": {"queue": 7, "queue": -1}, "cpuUtilization": 0.3, "memUtilization": 0.8, "eps": 1}"#,
            "BIN CTMzMzMzM9M/EZqZmZmZmek/",
        ] {
            assert_eq!(read(value.as_bytes()), want, "{value}");
        }
        assert_eq!(read_bin(b"CTMzMzMzM9M/EZqZmZmZmek/"), want);
        assert_eq!(read(b"BIN"), Ok(Report::default()), "an idle backend's message is empty");
    }

    #[test]
    fn shares_have_their_ranges() {
        let read = |text: &str| read(format!("TEXT {text}").as_bytes());
        assert_eq!(read("cpu_utilization=1.5,application_utilization=2"), Ok(report(1.5, -1.0, 2.0)));
        assert_eq!(read("mem_utilization=1"), Ok(report(-1.0, 1.0, -1.0)));
        assert_eq!(read("cpu_utilization=-0.0").unwrap().cpu.map(f32::is_sign_positive), Some(true));
        for number in ["nan", "NaN", "-nan", "inf", "-inf", "infinity", "1e999", "-0.1", "-1e-300", "1000.1"] {
            assert_eq!(read(&format!("cpu_utilization={number}")), Err(BadReport::Number(CPU)), "{number}");
            assert_eq!(read(&format!("mem_utilization={number}")), Err(BadReport::Number(MEMORY)), "{number}");
        }
        assert_eq!(read("mem_utilization=1.01"), Err(BadReport::Number(MEMORY)));
        assert_eq!(read("named_metrics.x=inf"), Err(BadReport::Number("a named metric")));
    }

    #[test]
    fn what_is_said_twice_is_refused() {
        let refused = |value: &str| read(value.as_bytes()).unwrap_err();
        assert_eq!(refused("TEXT cpu_utilization=0.1,cpu_utilization=0.1"), BadReport::Twice(CPU));
        assert_eq!(refused("TEXT a=1,a=1"), BadReport::Twice("a named metric"));
        assert_eq!(refused(r#"JSON {"cpu_utilization": 0.1, "cpuUtilization": 0.1}"#), BadReport::Twice(CPU));
        assert_eq!(refused(r#"JSON {"mem_utilization": 0.1, "mem_utilization": 0.1}"#), BadReport::Twice(MEMORY));
    }

    #[test]
    fn garbage_is_refused() {
        for value in [
            "",
            "TEXT",
            "TEXT ",
            "TEXT cpu_utilization",
            "TEXT cpu_utilization=",
            "TEXT cpu_utilization=0.1,",
            "TEXT =1",
            "TEXT cpu_utilization=0.1;mem_utilization=0.1",
            "TEXT cpu_utilization=0,1",
            "TEXT cpu_utilization=0x1",
            "text cpu_utilization=0.1",
            "XML <cpu/>",
            "cpu_utilization=0.1",
            "BIN !!!!",
            "BIN CTMzMzMz",
            "BIN CTMzMzMzM9M/EZqZmZmZmek",
        ] {
            assert_eq!(read(value.as_bytes()), Err(BadReport::Form), "{value}");
        }
        assert_eq!(read(b"TEXT cpu_utilization=0.1\xff"), Err(BadReport::Form));
        for value in [
            "JSON",
            "JSON []",
            "JSON 1",
            "JSON {",
            r#"JSON {"cpu_utilization": "0.1"}"#,
            r#"JSON {"cpu_utilization": NaN}"#,
            r#"JSON {"cpu_utilization": 1e999}"#,
            r#"JSON {"cpu_utilization": null}"#,
            r#"JSON {"cpu_utilization": 0.1} x"#,
            r#"JSON {"cpu_utilization": -1"#,
        ] {
            assert!(matches!(read(value.as_bytes()), Err(BadReport::Json(_))), "{value}");
        }
    }

    #[test]
    fn long_ones_are_refused_before_they_are_read() {
        let pairs = |count: usize| {
            let pairs: Vec<_> = (0..count).map(|at| format!("named_metrics.m{at}=1")).collect();
            read(format!("TEXT {}", pairs.join(",")).as_bytes())
        };
        assert_eq!(pairs(MOST_PAIRS), Ok(Report::default()));
        assert_eq!(pairs(MOST_PAIRS + 1), Err(BadReport::TooLong));
        let json = format!(r#"JSON {{"cpu_utilization": 0.1{}}}"#, " ".repeat(LONGEST));
        assert_eq!(read(json.as_bytes()), Err(BadReport::TooLong));
        assert_eq!(read_bin(&[b'A'; LONGEST + 1]), Err(BadReport::TooLong));
        let deep = format!("JSON {{\"x\": {}", "[".repeat(LONGEST - 20));
        assert!(matches!(read(deep.as_bytes()), Err(BadReport::Json(_))), "no stack is used up");
    }
}
