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

/// The member `shadow` of a service; null where it has none.
pub(super) fn of(service: &Service) -> Value {
    let Some(shadow) = &service.shadow else { return Value::Null };
    let speeds: Vec<Option<Speed>> = (0..service.endpoints.len()).map(|at| speed(service, at)).collect();
    let real = counts(&shadow.real);
    let algorithms: Map<String, Value> = shadow
        .beside
        .iter()
        .map(|counters| {
            let (name, picks) = (counters.balance.as_str().to_owned(), counts(counters));
            let all: u64 = picks.iter().sum();
            let mut shown = estimate(&picks, &speeds);
            shown["agreement"] = json!(share(counters.agreed.read(), all));
            (name, shown)
        })
        .collect();
    let all: u64 = real.iter().sum();
    let backends: Map<String, Value> = service
        .endpoints
        .iter()
        .enumerate()
        .map(|(at, endpoint)| {
            let of = |counters: &ShadowCounters| {
                let picks = counts(counters);
                (counters.balance.as_str().to_owned(), json!(share(picks[at], picks.iter().sum())))
            };
            let shares: Map<String, Value> = shadow.beside.iter().map(of).collect();
            (endpoint.id.to_string(), json!({ "real": share(real[at], all), "shares": shares }))
        })
        .collect();
    let mut real = estimate(&real, &speeds);
    real["algorithm"] = json!(shadow.real.balance.as_str());
    json!({ "sampled": f64::from(SAMPLED).recip(), "real": real, "algorithms": algorithms, "backends": backends })
}

/// What an algorithm in the shadow has picked of one backend: "measured in shadow: 31 % of 12340 picks"; `None` = it has picked nothing so far.
pub(super) fn measured(service: &Service, place: usize, algorithm: &str) -> Option<String> {
    let shadow = service.shadow.as_ref()?;
    let mut all = shadow.beside.iter().chain([&shadow.real]);
    let picks = counts(all.find(|counters| counters.balance.as_str() == algorithm)?);
    let sum: u64 = picks.iter().sum();
    let share = share(picks[place], sum)?;
    Some(format!("measured in shadow: {:.0} % of {sum} picks", share * 100.0))
}

fn counts(counters: &ShadowCounters) -> Vec<u64> {
    counters.picks.iter().map(|picks| picks.read()).collect()
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| rounded(part as f64 / whole as f64))
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
