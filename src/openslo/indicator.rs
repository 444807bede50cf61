//! What an SLO looks at: a ratio of events, or a metric that has to stay below a value.

use std::collections::BTreeMap;

use super::document::Object;
use super::node::{Node, Remarks};
use super::tree::Value;

/// What an SLO looks at, as far as it matters for a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indicator {
    /// Good events among all.
    Ratio,
    /// A time, in seconds or milliseconds.
    Time(Unit),
    /// A metric that is not known to be a time.
    Other,
}

/// The unit of a metric that is a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Said somewhere in the indicator, as `seconds` or `_s`.
    Seconds,
    /// Said somewhere in the indicator, as `ms` or `milliseconds`.
    Milliseconds,
    /// Not said.
    Unsaid,
}

/// The words by which a metric is known to be a time, in its name, its description or its query.
const TIME_WORDS: [&str; 10] =
    ["latency", "duration", "response", "time", "delay", "seconds", "milliseconds", "millis", "ms", "elapsed"];

/// The indicator of an SLO's `spec`, or of one objective of a composite SLO; `None` = there is none there.
pub fn read(holder: &Node<'_>, slis: &BTreeMap<&str, Object<'_>>, remarks: &mut Remarks) -> Option<Indicator> {
    if let Some(inline) = holder.get("indicator") {
        if holder.get("indicatorRef").is_some() {
            remarks.refuse(holder, "has both an indicator and an indicatorRef");
        }
        inline.known(&["metadata", "spec", "apiVersion", "kind"], remarks);
        let spec = inline.required("spec", remarks)?;
        return Some(metric(&inline, &spec, remarks));
    }
    let name = holder.text("indicatorRef", remarks)?;
    let Some(sli) = slis.get(name) else {
        let text = format!("the SLI `{name}` is not in the files: it is taken for a ratio of requests");
        remarks.say(&holder.field("indicatorRef"), text);
        return Some(Indicator::Ratio);
    };
    Some(metric(&sli.node, &sli.spec, remarks))
}

fn metric(whole: &Node<'_>, spec: &Node<'_>, remarks: &mut Remarks) -> Indicator {
    spec.known(&["description", "ratioMetric", "thresholdMetric"], remarks);
    match (spec.get("ratioMetric"), spec.get("thresholdMetric")) {
        (Some(ratio), None) => {
            parts(&ratio, remarks);
            Indicator::Ratio
        }
        (None, Some(threshold)) => {
            threshold.known(&["metricSource"], remarks);
            source(&threshold, remarks);
            kind_of(whole.value)
        }
        _ => {
            remarks.refuse(spec, "has to have one of ratioMetric and thresholdMetric");
            Indicator::Other
        }
    }
}

/// Good or bad among all, or a ratio that somebody has calculated.
fn parts(ratio: &Node<'_>, remarks: &mut Remarks) {
    ratio.known(&["counter", "good", "bad", "total", "raw", "rawType"], remarks);
    let has = |key| ratio.get(key).is_some();
    let is_counted = has("total") && has("good") != has("bad") && !has("raw");
    let is_raw = has("raw") && !has("total") && !has("good") && !has("bad");
    if !is_counted && !is_raw {
        remarks.refuse(ratio, "has to have total and one of good and bad, or raw alone");
    }
    if is_raw && !matches!(ratio.text("rawType", remarks), Some("success" | "failure")) {
        remarks.refuse(&ratio.field("rawType"), "has to be success or failure, beside raw");
    }
    for part in ["good", "bad", "total", "raw"].into_iter().filter_map(|key| ratio.get(key)) {
        part.known(&["metricSource"], remarks);
        source(&part, remarks);
    }
}

fn source(metric: &Node<'_>, remarks: &mut Remarks) {
    if let Some(source) = metric.required("metricSource", remarks) {
        source.known(&["metricSourceRef", "type", "spec"], remarks);
    }
}

/// What a metric measures. OpenSLO has no field for it, so it is told from the words that stand about it.
fn kind_of(indicator: &Value) -> Indicator {
    let any = |names: &[&str]| {
        indicator.any_text(&|text| {
            let lower = text.to_lowercase();
            lower.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| names.contains(&word))
        })
    };
    if !any(&TIME_WORDS) {
        Indicator::Other
    } else if any(&["ms", "millis", "milliseconds", "millisecond"]) {
        Indicator::Time(Unit::Milliseconds)
    } else if any(&["s", "sec", "secs", "seconds", "second"]) {
        Indicator::Time(Unit::Seconds)
    } else {
        Indicator::Time(Unit::Unsaid)
    }
}
