//! Promises as OpenSLO files.

use std::io;

use serde_json::{Map, Value, json};

use super::{API_VERSION, Promised, alerts, annotation, duration, name, window};
use crate::sla::Promise;

/// What stands for a floor of 0, because `timeSliceTarget` has to be above: less than one request of a million.
pub(super) const NO_FLOOR: f64 = 1e-6;

/// The promises as YAML documents, those of a service together, and the alerts that all of them name at the end.
///
/// # Errors
///
/// Only where the YAML can't be written, which no promise is known to cause.
pub fn export(promised: &[Promised<'_>]) -> io::Result<String> {
    let mut objects: Vec<Value> =
        promised.iter().flat_map(|one| [service(one), by_requests(one), by_time(one)]).collect();
    if !promised.is_empty() {
        objects.extend(alerts::objects());
    }
    let documents = objects.iter().map(|object| serde_saphyr::to_string(object).map_err(io::Error::other));
    Ok(documents.collect::<io::Result<Vec<_>>>()?.join("---\n"))
}

fn service(promised: &Promised<'_>) -> Value {
    let mut metadata = json!({ "name": name::label(promised.service), "annotations": annotations(promised) });
    if !promised.service.is_empty() {
        metadata["displayName"] = name::shortened(promised.service).into();
    }
    json!({ "apiVersion": API_VERSION, "kind": "Service", "metadata": metadata, "spec": {} })
}

fn annotations(promised: &Promised<'_>) -> Map<String, Value> {
    let promise = promised.promise;
    let mut all = Map::new();
    let mut put = |name: &str, text: String| all.insert(name.to_owned(), Value::from(text));
    if name::label(promised.service) != promised.service {
        put(annotation::SERVICE, promised.service.to_owned());
    }
    if let Some(tier) = promise.tier {
        put(annotation::TIER, tier.as_str().to_owned());
    }
    let times = [
        (annotation::RTO, Some(promise.rto)),
        (annotation::RPO, Some(promise.rpo)),
        (annotation::MTTR, Some(promise.mttr)),
        (annotation::MTBF, Some(promise.mtbf)),
        (annotation::LATENCY, promise.latency),
        (annotation::WINDOW, window::inexact(promise.window)),
    ];
    for (name, time) in times {
        time.map(|time| put(name, duration::written(time)));
    }
    if promise.floor < NO_FLOOR {
        put(annotation::FLOOR, promise.floor.to_string());
    }
    put(annotation::PROTECT, promise.protect.to_string());
    for (number, window) in (1..).zip(&promised.maintenance) {
        put(&format!("{}{number}", annotation::MAINTENANCE), window.clone());
    }
    all
}

fn by_requests(promised: &Promised<'_>) -> Value {
    let objective = json!({ "target": promised.promise.target });
    slo(promised, "requests", "Occurrences", "The share of requests that end well.", objective)
}

fn by_time(promised: &Promised<'_>) -> Value {
    let objective = json!({
        "target": promised.promise.target,
        "timeSliceTarget": promised.promise.floor.max(NO_FLOOR),
        "timeSliceWindow": "1m",
    });
    slo(promised, "time", "Timeslices", "The share of minutes in which enough requests end well.", objective)
}

fn slo(promised: &Promised<'_>, suffix: &str, method: &str, description: &str, objective: Value) -> Value {
    let service = name::label(promised.service);
    json!({
        "apiVersion": API_VERSION,
        "kind": "SLO",
        "metadata": { "name": format!("{service}-{suffix}") },
        "spec": {
            "description": description,
            "service": service,
            "indicator": indicator(promised, &format!("{service}-good")),
            "timeWindow": [window::write(promised.promise.window)],
            "budgetingMethod": method,
            "objectives": [objective],
            "alertPolicies": alerts::references(),
        },
    })
}

/// Requests that ended well among those that count. Both SLOs look at the same.
fn indicator(promised: &Promised<'_>, name: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "description": what_is_good(promised.promise),
            "ratioMetric": {
                "counter": true,
                "good": metric(promised.service, "=\"good\""),
                "total": metric(promised.service, "=~\"good|failed|slow\""),
            },
        },
    })
}

fn what_is_good(promise: &Promise) -> String {
    let within = promise.latency.map(|time| format!(" within {}", duration::written(time))).unwrap_or_default();
    format!(
        "Requests that were answered{within}, and not with an error of a backend or of ours, among all but those that the client broke off or \
             got wrong. Evenkeel's own accounts leave out maintenance as well, of which this query knows nothing."
    )
}

fn metric(service: &str, outcome: &str) -> Value {
    // as PromQL wants a label's value
    let service = service.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n");
    let query = format!("sum(evenkeel_sla_requests_total{{service=\"{service}\",outcome{outcome}}})");
    json!({ "metricSource": { "type": "Prometheus", "spec": { "query": query } } })
}
