//! What the algorithms in the shadow of a service have picked, and what that would come to, as JSON.

use serde_json::{Map, Value, json};

use super::rounded::to_thousandths as rounded;
use crate::detect::sample::{BUCKETS, Latencies};
use crate::snapshot::{SAMPLED, Service, ShadowCounters};

/// The counts of a backend's latencies are scaled to this sum before those of several are mixed.
const WHOLE: f64 = 1e6;

/// How fast a backend has answered since the start.
#[derive(Debug, Clone)]
struct Speed {
    mean_ms: f64,
    buckets: [u32; BUCKETS],
}

/// What one algorithm has picked.
struct Picks {
    algorithm: &'static str,
    /// By the place of the backend.
    counts: Vec<u64>,
    all: u64,
}

impl Picks {
    fn of(counters: &ShadowCounters) -> Self {
        let counts: Vec<u64> = counters.picks.iter().map(|picks| picks.read()).collect();
        Self { algorithm: counters.balance.as_str(), all: counts.iter().sum(), counts }
    }

    /// The share of the backend at this place; `None` = nothing was picked so far.
    fn share(&self, at: usize) -> Option<f64> {
        share(self.counts[at], self.all)
    }
}

/// The member `shadow` of a service in the status; null where it has none.
pub(super) fn of(service: &Service) -> Value {
    let Some(shadow) = &service.shadow else { return Value::Null };
    let speeds = speeds(service);
    let real = Picks::of(&shadow.real);
    let beside: Vec<(Picks, u64)> =
        shadow.beside.iter().map(|counters| (Picks::of(counters), counters.agreed.read())).collect();
    let algorithms =
        beside.iter().map(|(picks, agreed)| (picks.algorithm.to_owned(), algorithm(picks, *agreed, &speeds)));
    let backends = service.endpoints.iter().enumerate().map(|(at, endpoint)| {
        let shares = beside.iter().map(|(picks, _)| (picks.algorithm.to_owned(), json!(picks.share(at))));
        let shares: Map<String, Value> = shares.collect();
        (endpoint.id.to_string(), json!({ "real": real.share(at), "shares": shares }))
    });
    let backends: Map<String, Value> = backends.collect();
    let mut shown = estimate(&real.counts, &speeds);
    shown["algorithm"] = json!(real.algorithm);
    json!({
        "sampled": f64::from(SAMPLED).recip(),
        "real": shown,
        "algorithms": algorithms.collect::<Map<_, _>>(),
        "backends": backends,
    })
}

/// The member `shadow` of the service that is looked at in the live view: a list of the algorithms in its shadow; null where it has none.
pub(super) fn list(service: &Service) -> Value {
    let Some(shadow) = &service.shadow else { return Value::Null };
    let speeds = speeds(service);
    let shown = shadow.beside.iter().map(|counters| {
        let picks = Picks::of(counters);
        let mut shown = algorithm(&picks, counters.agreed.read(), &speeds);
        let shares = service.endpoints.iter().enumerate().filter_map(|(at, endpoint)| {
            let share = picks.share(at).filter(|share| *share > 0.0)?;
            Some((endpoint.id.to_string(), json!(share)))
        });
        shown["algorithm"] = json!(picks.algorithm);
        shown["backends"] = Value::Object(shares.collect());
        shown
    });
    shown.collect()
}

fn algorithm(picks: &Picks, agreed: u64, speeds: &[Option<Speed>]) -> Value {
    let mut shown = estimate(&picks.counts, speeds);
    shown["agreement"] = json!(share(agreed, picks.all));
    shown
}

/// What an algorithm in the shadow has picked of one backend: "measured in shadow: 31 % of 12340 picks"; `None` = it has picked nothing so far.
pub(super) fn measured(service: &Service, place: usize, algorithm: &str) -> Option<String> {
    let shadow = service.shadow.as_ref()?;
    let mut all = shadow.beside.iter().chain([&shadow.real]);
    let picks = Picks::of(all.find(|counters| counters.balance.as_str() == algorithm)?);
    let share = picks.share(place)?;
    Some(format!("measured in shadow: {:.0} % of {} picks", share * 100.0, picks.all))
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| rounded(part as f64 / whole as f64))
}

fn speeds(service: &Service) -> Vec<Option<Speed>> {
    (0..service.endpoints.len()).map(|at| speed(service, at)).collect()
}

fn speed(service: &Service, at: usize) -> Option<Speed> {
    let attempts = service.upstream[at].attempts();
    let mean_ms = attempts.micros as f64 / 1e3 / attempts.ended as f64;
    (attempts.ended > 0).then(|| Speed { mean_ms, buckets: service.upstream[at].latencies() })
}

/// The picks, and how long an answer would take if each backend went on answering as it has and got its share of them.
fn estimate(picks: &[u64], speeds: &[Option<Speed>]) -> Value {
    let known = || picks.iter().zip(speeds).filter_map(|(count, speed)| Some((*count as f64, speed.as_ref()?)));
    let sum: f64 = known().map(|(count, _)| count).sum();
    let mean = (sum > 0.0).then(|| known().map(|(count, speed)| count * speed.mean_ms).sum::<f64>() / sum);
    let mut mixed = Latencies::default();
    for (count, speed) in known() {
        let of_it: f64 = speed.buckets.iter().map(|count| f64::from(*count)).sum();
        for (mixed, count_in) in mixed.buckets.iter_mut().zip(speed.buckets).filter(|_| of_it > 0.0 && sum > 0.0) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of WHOLE")]
            let part = (WHOLE * count / sum * f64::from(count_in) / of_it).round() as u32;
            *mixed += part;
        }
    }
    mixed.count = mixed.buckets.iter().map(|count| u64::from(*count)).sum();
    json!({
        "picks": picks.iter().sum::<u64>(),
        "mean_ms": mean.map(rounded),
        "p99_ms": mixed.quantile(0.99).map(|time| rounded(time.as_secs_f64() * 1e3)),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answering(millis: u64) -> Option<Speed> {
        let mut latencies = Latencies::default();
        (0..100).for_each(|_| latencies.add(Duration::from_millis(millis)));
        Some(Speed { mean_ms: millis as f64, buckets: latencies.buckets })
    }

    #[test]
    fn an_estimate_weighs_what_backends_take_by_the_picks() {
        let speeds = [answering(10), answering(110), None];
        let even = estimate(&[50, 50, 7], &speeds);
        assert_eq!((&even["picks"], &even["mean_ms"]), (&json!(107), &json!(60.0)));
        let fast = estimate(&[1000, 1, 0], &speeds);
        let p99 = |shown: &Value| shown["p99_ms"].as_f64().unwrap();
        assert!((80.0..160.0).contains(&p99(&even)) && p99(&fast) < 20.0, "{even} {fast}");
        let nothing = estimate(&[0, 0, 0], &speeds);
        assert!(nothing["mean_ms"].is_null() && nothing["p99_ms"].is_null(), "{nothing}");
    }
}
