//! How a service is, in a word and in a sentence: what is wrong first.

use super::reading::{ServiceReading, Unusable};
use crate::detect::fault::{self, Subject};
use crate::endpoint::state::DecidedBy;
use crate::health::faults::Fault;
use crate::metrics::concurrency::PRIORITIES;

/// From this share of failures on a service is down: more of its requests fail than succeed.
const DOWN: f64 = 0.5;
/// The fewest requests that can show that.
const ENOUGH_FOR_DOWN: u64 = 5;
/// From this share of failures on a service is impaired, whoever is to blame. One in twenty is felt by everybody who loads a page of twenty
/// parts.
const IMPAIRED: f64 = 0.05;
/// The fewest requests that can show that.
const ENOUGH_FOR_IMPAIRED: u64 = 20;
/// So many of one kind are named; of the others it is said how many there are.
const NAMED: usize = 2;

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing is wrong.
    Ok,
    /// It serves, but something is wrong.
    Impaired,
    /// It does not serve, or hardly.
    Down,
}

impl State {
    /// The word in the document.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Impaired => "impaired",
            Self::Down => "down",
        }
    }
}

/// How a service is, with these faults of it and its backends, and what is wrong in words; empty = nothing.
pub(super) fn judge(service: &ServiceReading, faults: &[&Fault]) -> (State, String) {
    let down = [nobody(service), failing(service, DOWN, ENOUGH_FOR_DOWN)];
    if down.iter().any(Option::is_some) {
        return (State::Down, sentence(down.into_iter().chain(others(service, faults))));
    }
    let impaired =
        [few(service), failing(service, IMPAIRED, ENOUGH_FOR_IMPAIRED).or_else(|| failing(service, DOWN, 1))];
    let words = sentence(impaired.into_iter().chain(others(service, faults)));
    (if words.is_empty() { State::Ok } else { State::Impaired }, words)
}

/// What can be wrong beside backends that can't be used and requests that fail.
/// A budget that is spent is no trouble of this moment: who shows the service tells of it by itself, from what is left.
fn others(service: &ServiceReading, faults: &[&Fault]) -> [Option<String>; 6] {
    let panic = service.panic.then(|| "health is ignored, because too few backends are healthy".to_owned());
    let detour = service.detour.as_ref().map(|(to, share)| match *share < 1.0 {
        true => format!("{} of its work goes to {to}", percent(*share)),
        false => format!("all of its work goes to {to}"),
    });
    let cuts = (!service.cuts.is_empty()).then(|| {
        let paths: Vec<_> = service.cuts.iter().map(|path| path.to_string()).collect();
        format!("requests for {} are answered without a backend", named(&paths))
    });
    let back = service.sent_back.as_ref().map(|why| format!("the canary was sent back: {why}"));
    [shedding(service), panic, found(service, faults), detour, cuts, back]
}

/// Nobody can be used.
fn nobody(service: &ServiceReading) -> Option<String> {
    match (service.total, healthy(service)) {
        (0, _) => Some("it has no backend".to_owned()),
        (total, 0) => {
            let missing = missing(service).unwrap_or_else(|| format!("{} on purpose", taken_out(total)));
            Some(format!("no backend can be used: {missing}"))
        }
        _ => None,
    }
}

/// Some can't be used, and not because somebody wants it so.
fn few(service: &ServiceReading) -> Option<String> {
    let missing = missing(service)?;
    Some(format!("{} of {} backends can be used: {missing}", healthy(service), service.total))
}

/// Requests fail: at least this share of at least so many.
fn failing(service: &ServiceReading, share: f64, enough: u64) -> Option<String> {
    let counted = service.traffic.counted.let_in();
    let failed = counted.error_rate().filter(|failed| *failed >= share && counted.ended() >= enough)?;
    Some(if failed < 1.0 {
        format!("{} of its requests fail", percent(failed))
    } else {
        "all of its requests fail".to_owned()
    })
}

/// More comes than it can do in good time, and what is above its limit is refused: that is no failure of its backends.
fn shedding(service: &ServiceReading) -> Option<String> {
    let counted = &service.traffic.counted;
    let (shed, ended) = (counted.all_shed(), counted.ended());
    let share = shed as f64 / ended.max(1) as f64;
    if share < IMPAIRED || ended < ENOUGH_FOR_IMPAIRED {
        return None;
    }
    let each = PRIORITIES.iter().zip(counted.shed).map(|(priority, shed)| format!("{shed} {priority}"));
    let each = each.collect::<Vec<_>>().join(", ");
    let limit = service.limit.map(|limit| format!("; limit {limit}")).unwrap_or_default();
    Some(format!("has more to do than it can: {} are refused ({each}){limit}", percent(share.min(1.0))))
}

/// Those that can't be used, each with the reason, and how many were taken out on purpose. `None` = only those.
fn missing(service: &ServiceReading) -> Option<String> {
    let (wanted, unwanted): (Vec<_>, Vec<_>) = service.unusable.iter().partition(|backend| is_wanted(backend));
    if unwanted.is_empty() {
        return None;
    }
    let each: Vec<String> = unwanted.iter().map(|backend| shown(backend)).collect();
    let wanted = if wanted.is_empty() { String::new() } else { format!("; {}", taken_out(wanted.len())) };
    Some(named(&each) + &wanted)
}

fn taken_out(count: usize) -> String {
    if count == 1 { "1 was taken out".to_owned() } else { format!("{count} were taken out") }
}

/// Whether somebody wants that the backend gets no new work: an operator, the configuration, or whoever runs its agent. Recovery does not
/// count: it repairs something.
fn is_wanted(backend: &Unusable) -> bool {
    let by = backend.told.condition.by;
    backend.told.condition.state.is_taken_out()
        && matches!(by, DecidedBy::Operator | DecidedBy::Configuration | DecidedBy::Agent | DecidedBy::Weight)
}

/// Such as `c is down (connection refused)`.
fn shown(Unusable { id, told }: &Unusable) -> String {
    let state = told.condition.state.as_str();
    if told.reason.is_empty() { format!("{id} is {state}") } else { format!("{id} is {state} ({})", told.reason) }
}

/// What detection has found of others than those that can't be used.
fn found(service: &ServiceReading, faults: &[&Fault]) -> Option<String> {
    let is_told = |fault: &Fault| {
        let is_of = |id: &str| service.unusable.iter().any(|backend| *backend.id == *id);
        fault.backend.as_deref().is_some_and(is_of)
    };
    let each: Vec<String> = faults.iter().filter(|fault| !is_told(fault)).map(|fault| fault_words(fault)).collect();
    (!each.is_empty()).then(|| named(&each))
}

fn fault_words(Fault { backend, verdict, .. }: &Fault) -> String {
    let who = match (&verdict.subject, backend) {
        (_, Some(id)) => id.to_string(),
        (Subject::Host(name), None) => format!("host {name}"),
        (Subject::Zone(name), None) => format!("zone {name}"),
        (Subject::Service | Subject::Backend(_), None) => "the service".to_owned(),
    };
    match verdict.fault {
        // these two have a subject of their own
        fault @ (fault::Fault::HardwareFailure | fault::Fault::DependencyFailure) => format!("{who}: {fault}"),
        fault => format!("{who} {fault}"),
    }
}

/// The first of these, and how many more there are.
fn named(all: &[String]) -> String {
    let more = all.len().saturating_sub(NAMED);
    let first = all[..all.len() - more].join(", ");
    if more == 0 { first } else { format!("{first}, and {more} more") }
}

fn healthy(service: &ServiceReading) -> usize {
    service.total.saturating_sub(service.unusable.len())
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn sentence(parts: impl Iterator<Item = Option<String>>) -> String {
    parts.flatten().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use super::super::reading::Traffic;
    use super::*;
    use crate::admin::past::Sample;
    use crate::clock::Moment;
    use crate::detect::fault::Verdict;
    use crate::endpoint::state::{self, Announced, Condition};

    fn out(id: &str, state: state::State, by: DecidedBy, reason: &str) -> Unusable {
        let (condition, reason) = (Condition { state, by }, reason.to_owned());
        let told = Announced { condition, reason, since: Moment::NEVER, at: SystemTime::UNIX_EPOCH };
        Unusable { id: id.into(), told }
    }

    fn down(id: &str) -> Unusable {
        out(id, state::State::Down, DecidedBy::Checks, "connection refused")
    }

    fn drained(id: &str) -> Unusable {
        out(id, state::State::Draining, DecidedBy::Operator, "a new disk")
    }

    fn service(total: usize, unusable: Vec<Unusable>) -> ServiceReading {
        ServiceReading { name: "api".into(), total, unusable, ..ServiceReading::default() }
    }

    fn failing(failed: u64, ended: u64) -> ServiceReading {
        let counted = Sample { succeeded: ended - failed, failed, ..Sample::default() };
        ServiceReading { traffic: Traffic { counted, seconds: 5.0 }, ..service(2, Vec::new()) }
    }

    fn fault(backend: Option<&str>, subject: Subject, fault: fault::Fault) -> Fault {
        let since = Duration::ZERO;
        let verdict = Verdict { subject, fault, confidence: 0.9, votes: Vec::new(), since };
        let (service, backend, since) = (Arc::from("api"), backend.map(Arc::from), SystemTime::UNIX_EPOCH);
        Fault { service, backend, verdict, since, until: None, action: String::new() }
    }

    fn told(service: &ServiceReading) -> (&'static str, String) {
        let (state, words) = judge(service, &[]);
        (state.as_str(), words)
    }

    #[test]
    fn a_service_whose_backends_all_work_is_well_and_so_is_one_whose_others_were_taken_out() {
        assert_eq!(told(&service(3, Vec::new())), ("ok", String::new()));
        assert_eq!(told(&service(3, vec![drained("a")])), ("ok", String::new()));
    }

    #[test]
    fn what_can_not_be_used_is_said_with_the_reason() {
        let (state, words) = told(&service(3, vec![down("c")]));
        assert_eq!((state, &*words), ("impaired", "2 of 3 backends can be used: c is down (connection refused)"));
        let many = vec![
            down("a"),
            drained("b"),
            down("c"),
            down("d"),
            out("e", state::State::Ejected, DecidedBy::Outlier, ""),
        ];
        assert_eq!(
            told(&service(9, many)).1,
            "4 of 9 backends can be used: a is down (connection refused), c is down (connection refused), and 2 more; 1 was taken out"
        );
        let repaired = out("a", state::State::Draining, DecidedBy::Recovery, "it is restarted");
        assert_eq!(told(&service(2, vec![repaired])).0, "impaired", "nobody wanted that");
    }

    #[test]
    fn a_service_that_nobody_can_serve_is_down_whoever_wants_it() {
        assert_eq!(told(&service(0, Vec::new())), ("down", "it has no backend".to_owned()));
        assert_eq!(
            told(&service(1, vec![down("a")])),
            ("down", "no backend can be used: a is down (connection refused)".to_owned())
        );
        let both = vec![drained("a"), drained("b")];
        assert_eq!(told(&service(2, both)), ("down", "no backend can be used: 2 were taken out on purpose".to_owned()));
    }

    #[test]
    fn requests_that_fail_are_never_well() {
        assert_eq!(told(&failing(1, 100)), ("ok", String::new()));
        assert_eq!(told(&failing(5, 100)), ("impaired", "5 % of its requests fail".to_owned()));
        assert_eq!(told(&failing(50, 100)), ("down", "50 % of its requests fail".to_owned()));
        assert_eq!(told(&failing(5, 5)), ("down", "all of its requests fail".to_owned()));
        assert_eq!(told(&failing(1, 1)).0, "impaired", "one request is not enough to say more");
        assert_eq!(told(&failing(1, 4)).0, "ok");
    }

    #[test]
    fn what_is_refused_for_want_of_room_is_no_failure() {
        let of = |shed: [u64; 3], failed: u64| {
            let mut reading = ServiceReading { limit: Some(14), ..failing(failed + shed.iter().sum::<u64>(), 1000) };
            reading.traffic.counted.shed = shed;
            told(&reading)
        };
        let refused = "has more to do than it can: 86 % are refused (0 high, 32 normal, 826 low); limit 14";
        assert_eq!(of([0, 32, 826], 0), ("impaired", refused.to_owned()));
        assert_eq!(of([0, 32, 826], 20), ("impaired", format!("14 % of its requests fail; {refused}")));
        assert_eq!(of([0, 32, 826], 100), ("down", format!("70 % of its requests fail; {refused}")));
        assert_eq!(of([0, 0, 20], 0), ("ok", String::new()));
    }

    #[test]
    fn a_canary_that_was_sent_back_is_told() {
        let reading =
            ServiceReading { sent_back: Some("30 % of its 37 requests failed".to_owned()), ..service(2, Vec::new()) };
        assert_eq!(told(&reading), ("impaired", "the canary was sent back: 30 % of its 37 requests failed".to_owned()));
    }

    #[test]
    fn faults_are_told_unless_their_backend_can_not_be_used_anyway() {
        let slow = fault(Some("a"), Subject::Backend(0), fault::Fault::HighLatency);
        let dead = fault(Some("c"), Subject::Backend(2), fault::Fault::Unresponsive);
        let host = fault(None, Subject::Host("h1".into()), fault::Fault::HardwareFailure);
        let (state, words) = judge(&service(3, vec![down("c")]), &[&slow, &dead, &host]);
        assert_eq!(state, State::Impaired);
        assert_eq!(
            words,
            "2 of 3 backends can be used: c is down (connection refused); a answers slowly, host h1: its host is gone"
        );
    }

    #[test]
    fn a_detour_and_panic_are_told() {
        let reading = ServiceReading {
            panic: true,
            detour: Some(("service:b".to_owned(), 0.3)),
            cuts: vec!["/search".into()],
            ..service(2, Vec::new())
        };
        assert_eq!(
            told(&reading),
            (
                "impaired",
                "health is ignored, because too few backends are healthy; 30 % of its work goes to service:b; \
                 requests for /search are answered without a backend"
                    .to_owned()
            )
        );
    }

    #[test]
    fn a_service_whose_budget_is_spent_is_well_while_nothing_is_wrong() {
        let spent = ServiceReading { budget_left: Some(-26.5), ..service(2, Vec::new()) };
        assert_eq!(told(&spent), ("ok", String::new()));
    }
}
