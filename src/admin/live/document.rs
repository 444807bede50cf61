//! The document of the live view. A member of which nothing is known is left out: a merge patch can't tell null from that (RFC 7396, section 1).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::reading::{BackendDetails, Details, ListenerReading, Reading, ServiceReading};
use super::words::judge;
use crate::admin::Phase;
use crate::admin::backend_reading::BackendReading;
use crate::admin::rounded::{of_budget, significant};
use crate::clock::{Stamp, rfc3339, since_boot};
use crate::event::kind::fault as shown;
use crate::health::faults::Fault;
use crate::lead::Standing;
use crate::recover::Attempt;
use crate::recover::attempt::Phase as AttemptPhase;

/// The document without a service that is looked at.
pub(super) fn overview(reading: &Reading) -> Value {
    let faults = by_service(reading.faults.iter().map(|fault| (&*fault.service, fault)));
    let recoveries = by_service(reading.recoveries.iter().map(|attempt| (&*attempt.service, &**attempt)));
    let of = |service: &ServiceReading| {
        let faults = faults.get(&*service.name).map_or(&[][..], Vec::as_slice);
        let recoveries = recoveries.get(&*service.name).map_or(&[][..], Vec::as_slice);
        (service.name.to_string(), self::service(service, faults, recoveries))
    };
    let pause = &reading.pause;
    known([
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("started", json!(rfc3339(reading.started))),
        ("config_generation", json!(reading.generation)),
        (
            "phase",
            json!(match reading.phase {
                Phase::Starting => "starting",
                Phase::Ready => "ready",
                // it is about to stop, unless nobody takes its work
                Phase::HandingOver | Phase::Draining => "draining",
            }),
        ),
        ("reload_refused", reading.reload_refused.clone()),
        ("certificates_refused", some(&reading.certificates_refused)),
        ("cluster", cluster(&reading.leadership)),
        (
            "recovery",
            known([
                ("paused", json!(pause.is_some())),
                ("reason", json!(pause.as_ref().map_or("", |pause| pause.reason.as_deref().unwrap_or_default()))),
                ("by", json!(pause.as_ref().map_or("", |pause| &*pause.who))),
                ("since", json!(pause.as_ref().map(|pause| Stamp::from_millis(pause.since).to_string()))),
            ]),
        ),
        ("listeners", json!(reading.listeners.iter().map(listener).collect::<Map<_, _>>())),
        ("services", json!(reading.services.iter().map(of).collect::<Map<_, _>>())),
        ("faults", json!(reading.faults.iter().map(fault).collect::<Map<_, _>>())),
        ("recoveries", json!(reading.recoveries.iter().map(|attempt| recovery(attempt)).collect::<Map<_, _>>())),
    ])
}

/// Which of several instances this is, and who leads; null where there is no section `[cluster]`. What changes from one second to the next
/// without anything having happened, such as how long the leadership lasts, is left to `GET /api/v1/cluster`.
fn cluster(leadership: &Standing) -> Value {
    let Some(member) = &leadership.member else { return Value::Null };
    let leads = leadership.leads_at(since_boot());
    known([
        ("name", json!(member.name)),
        ("zone", json!(member.zone)),
        ("elected", json!(leadership.is_elected)),
        ("leader", json!(leads)),
        ("leader_name", json!(if leads { Some(&member.name) } else { leadership.leader.as_ref() })),
        ("why_not", json!((!leads).then(|| leadership.why_not()))),
    ])
}

fn by_service<'a, T>(all: impl Iterator<Item = (&'a str, &'a T)>) -> HashMap<&'a str, Vec<&'a T>> {
    let mut by_service: HashMap<_, Vec<_>> = HashMap::new();
    all.for_each(|(service, one)| by_service.entry(service).or_default().push(one));
    by_service
}

/// A list that is left out where nothing is in it.
fn some(list: &[Value]) -> Value {
    if list.is_empty() { Value::Null } else { json!(list) }
}

/// An object of those members that are known.
fn known<const N: usize>(members: [(&str, Value); N]) -> Value {
    members.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn listener(listener: &ListenerReading) -> (String, Value) {
    let ListenerReading { name, address, protocol, tls, connections, maintenance_page } = listener;
    let shown = known([
        ("address", json!(address)),
        ("protocol", json!(protocol)),
        ("tls", json!(tls)),
        ("connections", json!(connections)),
        ("maintenance_page", json!(maintenance_page.then_some(true))),
    ]);
    (name.clone(), shown)
}

fn service(service: &ServiceReading, faults: &[&Fault], recoveries: &[&Attempt]) -> Value {
    let (state, words) = judge(service, faults);
    let (traffic, counted) = (&service.traffic, &service.traffic.counted);
    let quantile = |q: f64| json!(counted.durations.quantile_ms(q).map(significant));
    known([
        ("state", json!(state.as_str())),
        ("words", json!(words)),
        ("balance", json!(service.balance)),
        ("healthy", json!(service.total.saturating_sub(service.unusable.len()))),
        ("total", json!(service.total)),
        ("panic", json!(service.panic)),
        ("rate", json!(significant(traffic.rate(counted.ended())))),
        ("error_rate", json!(counted.error_rate().map(significant))),
        ("p50_ms", quantile(0.5)),
        ("p90_ms", quantile(0.9)),
        ("p99_ms", quantile(0.99)),
        ("in_flight", json!(service.in_flight)),
        ("waiting", json!(service.waiting)),
        ("retry_rate", json!(significant(traffic.rate(counted.retries)))),
        ("budget_left", json!(service.budget_left.map(of_budget))),
        ("maintenance", json!(service.maintenance)),
        ("maintenance_page", json!(service.maintenance_page.then_some(true))),
        ("faults", json!(faults.len())),
        ("recovering", json!(recoveries.iter().filter(|attempt| attempt.end.is_none()).count())),
    ])
}

fn fault(fault: &Fault) -> (String, Value) {
    let Fault { service, backend, verdict, since, .. } = fault;
    let (scope, name) = (shown::scope(&verdict.subject), shown::name(&verdict.subject));
    let subject = match (backend, name) {
        (Some(id), _) => format!("{service}/{id}"),
        (None, Some(name)) => format!("{service} {scope} {name}"),
        (None, None) => service.to_string(),
    };
    let reasons: Vec<&str> = verdict.votes.iter().map(|vote| vote.reason.as_str()).collect();
    let document = known([
        ("service", json!(**service)),
        ("backend", json!(backend.as_deref())),
        ("scope", json!(scope)),
        ("name", json!(name)),
        ("fault", json!(verdict.fault.as_str())),
        ("confidence", json!(shown::rounded(verdict.confidence))),
        ("since", json!(rfc3339(*since))),
        ("text", json!(format!("{}: {}", verdict.fault, reasons.join("; ")))),
    ]);
    (format!("{subject} {}", verdict.fault.as_str()), document)
}

fn recovery(attempt: &Attempt) -> (String, Value) {
    let document = known([
        ("service", json!(attempt.service)),
        ("backend", json!(attempt.backend)),
        ("fault", json!(attempt.fault)),
        ("strategy", json!(attempt.strategy)),
        ("phase", json!(attempt.phase.as_str())),
        ("text", json!(recovery_text(attempt))),
        ("waits_for_approval", json!(attempt.phase == AttemptPhase::Proposed)),
        ("dry_run", json!(attempt.dry_run)),
        ("in_force", json!(attempt.in_force)),
        ("start", json!(Stamp::from_millis(attempt.start).to_string())),
    ]);
    (attempt.id.to_string(), document)
}

/// Such as `restart of api/c against unresponsive is under way`.
fn recovery_text(attempt: &Attempt) -> String {
    let Attempt { service, backend, fault, strategy, phase, .. } = attempt;
    let subject = backend.as_ref().map_or_else(|| service.clone(), |backend| format!("{service}/{backend}"));
    let how = match phase {
        AttemptPhase::Proposed => "waits to be approved",
        AttemptPhase::Draining => "begins when the backend has finished what it has",
        AttemptPhase::Acting => "is under way",
        AttemptPhase::Verifying => "was done; whether it helps is being watched",
        AttemptPhase::Undoing => "is being taken back",
        AttemptPhase::Ended => "is in force",
    };
    format!("{strategy} of {subject} against {fault} {how}")
}

/// The member about the service that is looked at. `rate` is that of the whole service, of which each backend has a share.
pub(super) fn details(details: &Details) -> Value {
    let ended =
        details.backends.iter().filter_map(|backend| backend.traffic.as_ref()).map(|traffic| traffic.ended).sum();
    let backends = details.backends.iter();
    let backends: Map<_, _> =
        backends.map(|each| (each.reading.endpoint.id.to_string(), backend(each, ended))).collect();
    known([
        ("name", json!(&*details.name)),
        ("balance", json!(details.balance)),
        ("protocol", json!(details.protocol)),
        ("shadow", details.shadow.clone()),
        ("backends", json!(backends)),
    ])
}

fn backend(BackendDetails { reading, traffic }: &BackendDetails, all: u64) -> Value {
    let endpoint = &*reading.endpoint;
    let share = |part: u64, whole: u64| (whole > 0).then(|| significant(part as f64 / whole as f64));
    let quantile = |q: f64| {
        let time = traffic.as_ref().and_then(|traffic| traffic.latencies.quantile(q));
        json!(time.map(|time| significant(BackendReading::millis(time))))
    };
    let load = |share: Option<f32>| json!(share.map(|share| significant(f64::from(share))));
    known([
        ("address", json!(endpoint.name)),
        ("weight", json!(reading.weight)),
        ("zone", json!(endpoint.zone)),
        ("backup", json!(endpoint.backup)),
        ("state", json!(reading.told.condition.state.as_str())),
        ("reason", json!(reading.told.reason)),
        ("since", json!(rfc3339(reading.told.at))),
        ("by", json!(reading.told.condition.by.as_str())),
        ("rate", json!(traffic.as_ref().map(|traffic| significant(traffic.ended as f64 / traffic.seconds)))),
        ("share", json!(traffic.as_ref().and_then(|traffic| share(traffic.ended, all)))),
        ("error_rate", json!(traffic.as_ref().and_then(|traffic| share(traffic.failed, traffic.ended)))),
        ("latency_ms", json!(reading.latency.map(|time| significant(BackendReading::millis(time))))),
        ("p50_ms", quantile(0.5)),
        ("p99_ms", quantile(0.99)),
        ("retries", json!(reading.retries)),
        ("in_flight", json!(reading.in_flight)),
        ("max_connections", json!(endpoint.limit())),
        ("breaker", json!(reading.breaker)),
        ("work_share", json!(significant(reading.work_share))),
        ("cpu", load(reading.report.and_then(|report| report.cpu))),
        ("memory", load(reading.report.and_then(|report| report.memory))),
        (
            "last_check",
            json!(reading.last_check.as_ref().map(|check| json!({
                "ok": check.ok,
                "ms": significant(BackendReading::millis(check.took)),
                "reason": check.reason,
            }))),
        ),
    ])
}
