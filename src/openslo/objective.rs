//! An SLO as the goal that it sets for its service.

use std::collections::BTreeMap;
use std::time::Duration;

use super::document::Object;
use super::duration::{LONGEST, Shorthand, written};
use super::indicator::{self, Indicator, Unit};
use super::node::{Node, Remarks};
use super::window;
use crate::sla::Window;

/// What an SLO wants of its service.
#[derive(Debug, Clone)]
pub struct Goal<'a> {
    /// The name of the service, as OpenSLO has it.
    pub service: &'a str,
    /// The SLO, for remarks.
    pub node: Node<'a>,
    /// The share that is to be good.
    pub target: f64,
    /// Over what time.
    pub window: Window,
    /// How long an answer may take.
    pub latency: Option<Duration>,
    /// The share of a minute's requests that is to be good.
    pub floor: Option<f64>,
}

/// How good things are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Occurrences,
    Timeslices,
    RatioTimeslices,
}

/// The goal of an SLO; `None` = it has none that a promise can hold, which the remarks say.
pub fn goal<'a>(slo: &Object<'a>, slis: &BTreeMap<&str, Object<'_>>, remarks: &mut Remarks) -> Option<Goal<'a>> {
    let spec = &slo.spec;
    let fields = [
        "description",
        "service",
        "indicator",
        "indicatorRef",
        "timeWindow",
        "budgetingMethod",
        "objectives",
        "alertPolicies",
    ];
    spec.known(&fields, remarks);
    let service = spec.required_text("service", remarks);
    let method = method(spec, remarks);
    let shared = indicator::read(spec, slis, remarks);
    let window = window::read(spec, remarks);
    let objectives = spec.required("objectives", remarks)?;
    let items = objectives.items(remarks);
    if items.is_empty() {
        remarks.refuse(&objectives, "has to have at least one objective");
    }
    let has_own = |item: &Node<'_>| item.get("indicator").is_some() || item.get("indicatorRef").is_some();
    if items.iter().any(has_own) {
        let text = "a promise can't be composed: the strictest of the objectives of this composite SLO is taken, whatever their indicators";
        remarks.say(&objectives, text);
    }
    let read = |item: &Node<'a>| {
        let own = if has_own(item) { indicator::read(item, slis, remarks) } else { shared };
        if own.is_none() {
            remarks.refuse(item, "has no indicator, neither here nor in the SLO");
        }
        objective(item, own.unwrap_or(Indicator::Other), method, remarks)
    };
    let all: Vec<_> = items.iter().filter_map(read).collect();
    let best = all.iter().max_by(|a, b| a.target.total_cmp(&b.target))?;
    for other in all.iter().filter(|other| other.node.place != best.node.place) {
        let text = format!(
            "the strictest objective of the SLO, {}, is taken instead of this one, {}",
            best.target, other.target
        );
        remarks.say(&other.node, text);
    }
    Some(Goal { service: service?, node: slo.node.clone(), window, ..best.clone() })
}

fn method(spec: &Node<'_>, remarks: &mut Remarks) -> Method {
    match spec.text("budgetingMethod", remarks) {
        Some("Occurrences") => return Method::Occurrences,
        Some("Timeslices") => return Method::Timeslices,
        Some("RatioTimeslices") => {
            let text =
                "the mean of the slices' ratios is not calculated: the target is taken for requests and for time alike";
            remarks.say(&spec.field("budgetingMethod"), text);
            return Method::RatioTimeslices;
        }
        Some(other) => {
            let text = format!("`{other}` is none of Occurrences, Timeslices and RatioTimeslices");
            remarks.refuse(&spec.field("budgetingMethod"), text);
        }
        // the specification wants it, and leaves it out in its own example
        None => remarks.say(spec, "no budgetingMethod: Occurrences is taken"),
    }
    Method::Occurrences
}

fn objective<'a>(item: &Node<'a>, indicator: Indicator, method: Method, remarks: &mut Remarks) -> Option<Goal<'a>> {
    let fields = [
        "displayName",
        "op",
        "value",
        "target",
        "targetPercent",
        "timeSliceTarget",
        "timeSliceWindow",
        "indicator",
        "indicatorRef",
        "compositeWeight",
    ];
    item.known(&fields, remarks);
    let target = target(item, remarks)?;
    let floor = if method == Method::Timeslices { floor(item, remarks) } else { None };
    slices(item, method, remarks);
    if item.get("compositeWeight").is_some() {
        remarks.say(&item.field("compositeWeight"), "weights are not used");
    }
    let latency = match indicator {
        Indicator::Ratio => None,
        Indicator::Time(unit) => Some(latency(item, unit, remarks)?),
        Indicator::Other => {
            remarks
                .say(item, "the metric is not known to be the time that an answer takes: the objective is not taken");
            return None;
        }
    };
    if target == 0.0 {
        remarks.say(item, "a target of 0 promises nothing: the objective is not taken");
        return None;
    }
    Some(Goal { service: "", node: item.clone(), target, window: window::DEFAULT, latency, floor })
}

fn target(item: &Node<'_>, remarks: &mut Remarks) -> Option<f64> {
    let (share, percent) = (item.number("target", remarks), item.number("targetPercent", remarks));
    let target = match (share, percent) {
        (Some(share), None) => share,
        // so that 99.95 becomes 0.9995, and not the number beside it that a division gives
        (None, Some(percent)) => format!("{percent}e-2").parse().unwrap_or(f64::NAN),
        _ => {
            remarks.refuse(item, "has to have one of target and targetPercent");
            return None;
        }
    };
    let is_share = (0.0..1.0).contains(&target);
    if !is_share {
        remarks.refuse(item, "the target has to be at least 0 and below 1 (targetPercent: below 100)");
    }
    is_share.then_some(target)
}

fn floor(item: &Node<'_>, remarks: &mut Remarks) -> Option<f64> {
    item.required("timeSliceTarget", remarks)?;
    let floor = item.number("timeSliceTarget", remarks)?;
    let is_share = floor > 0.0 && floor <= 1.0;
    if !is_share {
        remarks.refuse(&item.field("timeSliceTarget"), "has to be above 0 and at most 1");
    }
    is_share.then_some(floor)
}

/// A slice is a minute here, whatever the file says.
fn slices(item: &Node<'_>, method: Method, remarks: &mut Remarks) {
    let Some(window) = item.get("timeSliceWindow") else {
        if method != Method::Occurrences {
            remarks.refuse(item, "`timeSliceWindow` is missing");
        }
        return;
    };
    // a number without a unit is one of minutes
    let number = window.value.as_number().filter(|minutes| *minutes > 0.0);
    let length = window.value.as_text().and_then(Shorthand::parse).map(Shorthand::length);
    match number.map(|minutes| minutes == 1.0).or(length.map(|time| time == Duration::from_secs(60))) {
        Some(true) => {}
        Some(false) => remarks.say(
            &window,
            "time is not cut into slices of this length: what is down is down from its first to its last second",
        ),
        None => remarks.refuse(&window, "is no duration such as 1m"),
    }
}

/// What a threshold says of how long an answer may take; `None` = nothing, which the remarks say.
fn latency(item: &Node<'_>, unit: Unit, remarks: &mut Remarks) -> Option<Duration> {
    let op = item.text("op", remarks);
    let value = item.number("value", remarks);
    let (Some(op), Some(value)) = (op, value) else {
        remarks.refuse(item, "a thresholdMetric wants `op` and `value`");
        return None;
    };
    match op {
        "lt" | "lte" => {}
        "gt" | "gte" => {
            remarks.say(
                &item.field("op"),
                "a time that has to be above a value is no latency: the objective is not taken",
            );
            return None;
        }
        _ => {
            remarks.refuse(&item.field("op"), format!("`{op}` is none of lte, gte, lt, gt"));
            return None;
        }
    }
    let millis = match unit {
        Unit::Seconds => value * 1e3,
        Unit::Milliseconds | Unit::Unsaid => value,
    };
    let time = Duration::try_from_secs_f64(millis.round() / 1e3).ok();
    let Some(time) = time.filter(|time| *time <= LONGEST && !time.is_zero()) else {
        remarks.say(&item.field("value"), "is no time that an answer could take: the objective is not taken");
        return None;
    };
    let guess = if unit == Unit::Unsaid { ", because no unit is said: milliseconds are taken" } else { "" };
    remarks.say(
        item,
        format!("{value} is taken as a latency of {}{guess}; a slow answer counts as a failed one", written(time)),
    );
    Some(time)
}
