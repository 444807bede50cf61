//! What `evenkeel detect` prints: verdicts and a summary, for people or as JSON lines.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::Format;
use crate::clock::rfc3339;
use crate::detect::fault::{Verdict, Vote};
use crate::replay::Summary;
use crate::replay::event::{Event, What, Whom};

/// An event, with the end of its line.
pub(super) fn event(event: &Event, format: Format) -> String {
    match format {
        Format::Text => text(event),
        Format::Json => format!("{}\n", json(event)),
    }
}

/// What has been seen altogether.
pub(super) fn summary(summary: &Summary, bad: u64, format: Format) -> String {
    match format {
        Format::Text => summary_text(summary, bad),
        Format::Json => format!("{}\n", summary_json(summary, bad)),
    }
}

fn text(event: &Event) -> String {
    let mut out = format!("{}  {}  ", time(event.time), whom(event));
    // writing to a String can't fail
    let _ = match &event.what {
        What::Raised(verdict) => {
            let (fault, name) = (verdict.fault, verdict.fault.as_str());
            let _ = writeln!(out, "{fault} ({name}), confidence {:.2}", verdict.confidence);
            verdict.votes.iter().try_for_each(|vote| writeln!(out, "    {}", vote_text(vote)))
        }
        What::Cleared(verdict, held) => {
            writeln!(out, "no more: {} ({}), after {}", verdict.fault, verdict.fault.as_str(), span(*held))
        }
        What::Accused(vote) => {
            writeln!(out, "would be ejected (latency_factor = \"auto\")\n    {}", vote_text(vote))
        }
        What::Unusual { value, score } => writeln!(out, "{value} is unusual (score {score:.2})"),
        What::LeftOut(detector, why) => writeln!(out, "the detector {} is left out: {why}", detector.as_str()),
    };
    out
}

fn vote_text(vote: &Vote) -> String {
    format!("{} {:.2}: {}", vote.detector.as_str(), vote.confidence, vote.reason)
}

fn whom(event: &Event) -> String {
    let service = &*event.service;
    let within = |what: String| if service.is_empty() { what } else { format!("{service}/{what}") };
    match &event.whom {
        Whom::Service if service.is_empty() => "the service".to_owned(),
        Whom::Service => service.to_owned(),
        Whom::Backend(id) => within(id.to_string()),
        Whom::Host(host) => within(format!("host {host}")),
        Whom::Zone(zone) => within(format!("zone {zone}")),
        Whom::Series(name) if name.is_empty() => within("the series".to_owned()),
        Whom::Series(name) => within(name.to_string()),
    }
}

fn json(event: &Event) -> Value {
    let mut object = Map::new();
    object.insert("time".to_owned(), time(event.time).into());
    let (word, more) = match &event.what {
        What::Raised(verdict) => ("raised", verdict_json(verdict)),
        What::Cleared(verdict, held) => {
            let mut more = verdict_json(verdict);
            more["held_s"] = held.as_secs_f64().into();
            ("cleared", more)
        }
        What::Accused(vote) => ("accused", json!({ "fault": vote.fault.as_str(), "votes": [vote_json(vote)] })),
        What::Unusual { value, score } => ("unusual", json!({ "value": value, "score": score })),
        What::LeftOut(detector, why) => ("left_out", json!({ "detector": detector.as_str(), "reason": why })),
    };
    object.insert("event".to_owned(), word.into());
    if !event.service.is_empty() {
        object.insert("service".to_owned(), (*event.service).into());
    }
    let name = match &event.whom {
        Whom::Service => None,
        Whom::Backend(id) => Some(("backend", id)),
        Whom::Host(host) => Some(("host", host)),
        Whom::Zone(zone) => Some(("zone", zone)),
        Whom::Series(name) if name.is_empty() => None,
        Whom::Series(name) => Some(("series", name)),
    };
    object.extend(name.map(|(key, name)| (key.to_owned(), (**name).into())));
    if let Value::Object(more) = more {
        object.extend(more);
    }
    Value::Object(object)
}

fn verdict_json(verdict: &Verdict) -> Value {
    json!({
        "fault": verdict.fault.as_str(),
        "confidence": verdict.confidence,
        "since": time(verdict.since),
        "votes": verdict.votes.iter().map(vote_json).collect::<Vec<_>>(),
    })
}

fn vote_json(vote: &Vote) -> Value {
    json!({ "detector": vote.detector.as_str(), "confidence": vote.confidence, "reason": vote.reason })
}

fn summary_text(summary: &Summary, bad: u64) -> String {
    let mut out = String::new();
    let (first, last) = summary.span.unwrap_or_default();
    let verdicts: u64 = summary.raised.values().sum();
    // writing to a String can't fail
    let seen = match (summary.samples, summary.values) {
        (0, values) => counted(values, "value"),
        (samples, 0) => format!("{} of {}", counted(samples, "sample"), counted(summary.backends as u64, "backend")),
        (samples, values) => format!("{}, {}", counted(samples, "sample"), counted(values, "value")),
    };
    let _ = writeln!(out, "{seen}, {} to {} ({})", time(first), time(last), span(last - first));
    if verdicts == 0 && summary.unusual == 0 {
        let _ = writeln!(out, "nothing was found");
    }
    if summary.unusual > 0 {
        let _ = writeln!(out, "{}", counted(summary.unusual, "unusual value"));
    }
    if verdicts > 0 {
        let _ = writeln!(out, "{}, {} of which still held at the end:", counted(verdicts, "verdict"), summary.holding);
        for (fault, count) in &summary.raised {
            let _ = writeln!(out, "  {count:>6}  {} ({fault})", fault.as_str());
        }
    }
    if summary.accused > 0 {
        let _ = writeln!(out, "{} by latency_factor = \"auto\"", counted(summary.accused, "ejection"));
    }
    if summary.others > 0 {
        let _ = writeln!(out, "{} of other services passed over", counted(summary.others, "row"));
    }
    if bad > 0 {
        let _ = writeln!(out, "{} passed over that could not be understood", counted(bad, "row"));
    }
    out
}

fn summary_json(summary: &Summary, bad: u64) -> Value {
    let (first, last) = summary.span.unwrap_or_default();
    let raised: Map<String, Value> =
        summary.raised.iter().map(|(fault, count)| (fault.as_str().to_owned(), (*count).into())).collect();
    json!({
        "event": "summary",
        "samples": summary.samples,
        "values": summary.values,
        "unusual": summary.unusual,
        "backends": summary.backends,
        "from": time(first),
        "to": time(last),
        "verdicts": raised,
        "holding": summary.holding,
        "ejections": summary.accused,
        "rows_of_other_services": summary.others,
        "bad_rows": bad,
    })
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn time(since_1970: Duration) -> String {
    rfc3339(SystemTime::UNIX_EPOCH + since_1970)
}

/// A time span for people: its two largest units.
fn span(time: Duration) -> String {
    let (secs, ms) = (time.as_secs(), time.subsec_millis());
    match secs {
        0..60 if ms > 0 => format!("{secs}.{} s", ms / 100),
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        3600..86_400 => format!("{} h {} min", secs / 3600, secs / 60 % 60),
        _ => format!("{} d {} h", secs / 86_400, secs / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fault::{Detector, Fault, Subject};

    fn verdict() -> Verdict {
        let vote = Vote {
            detector: Detector::Peers,
            subject: Subject::Backend(0),
            fault: Fault::HighLatency,
            confidence: 0.9,
            reason: "answers take 52 ms, those of its peers 5.1 ms".to_owned(),
        };
        Verdict {
            subject: Subject::Backend(0),
            fault: Fault::HighLatency,
            confidence: 0.95,
            votes: vec![vote],
            since: Duration::from_secs(100),
        }
    }

    fn event_of(whom: Whom, what: What) -> Event {
        Event { time: Duration::from_millis(160_500), service: "api".into(), whom, what }
    }

    #[test]
    fn a_verdict_is_told_with_its_votes_and_its_end_with_how_long_it_held() {
        let raised = event_of(Whom::Backend("a".into()), What::Raised(verdict()));
        assert_eq!(
            text(&raised),
            "1970-01-01T00:02:40.500Z  api/a  answers slowly (high_latency), confidence 0.95\n    \
             peers 0.90: answers take 52 ms, those of its peers 5.1 ms\n"
        );
        let cleared = event_of(Whom::Zone("eu".into()), What::Cleared(verdict(), Duration::from_millis(60_500)));
        assert_eq!(
            text(&cleared),
            "1970-01-01T00:02:40.500Z  api/zone eu  no more: answers slowly (high_latency), after 1 min 0 s\n"
        );
        let json = json(&cleared);
        assert_eq!((&json["event"], &json["zone"], &json["held_s"]), (&"cleared".into(), &"eu".into(), &60.5.into()));
        assert_eq!(json["votes"][0]["detector"], "peers");
    }

    #[test]
    fn a_summary_says_what_was_seen_and_that_nothing_was() {
        let span = Some((Duration::from_secs(0), Duration::from_secs(7260)));
        let nothing = Summary { samples: 1, backends: 1, span, ..Summary::default() };
        let first = "1 sample of 1 backend, 1970-01-01T00:00:00.000Z to 1970-01-01T02:01:00.000Z (2 h 1 min)\n";
        assert_eq!(summary_text(&nothing, 0), format!("{first}nothing was found\n"));
        let raised = [(Fault::HighLatency, 2), (Fault::Unresponsive, 1)].into();
        let some = Summary { raised, holding: 1, others: 5, accused: 1, ..nothing };
        assert_eq!(
            summary_text(&some, 3),
            format!(
                "{first}3 verdicts, 1 of which still held at the end:\n       1  unresponsive (does not answer)\n       \
                 2  high_latency (answers slowly)\n1 ejection by latency_factor = \"auto\"\n\
                 5 rows of other services passed over\n3 rows passed over that could not be understood\n"
            )
        );
    }
}
