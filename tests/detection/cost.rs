//! What detection costs the control plane's thread: the time of a tick, and memory.

use std::time::{Duration, Instant};

use evenkeel::detect::sample::Sample;
use evenkeel::detect::service::{Backend, Dependency, Detection, Input, Settings};
use fastrand::Rng;

use crate::print;
use crate::random::{chance, normal, poisson};

const SERVICES: usize = 100;
const BACKENDS: usize = 100;
const TICKS: usize = 600;
const TICK: Duration = Duration::from_millis(100);
/// Sets of samples that are made beforehand, so that their making is not measured.
const SETS: usize = 16;

/// One sample of each backend of a service, with traffic.
fn samples(rng: &mut Rng, rate: f64) -> Vec<Sample> {
    let one = |rng: &mut Rng| {
        let answers = poisson(rng, rate * TICK.as_secs_f64());
        let mut sample = Sample {
            takes_part: true,
            joined: Duration::from_secs(600),
            begun: answers as u64,
            answers: answers as u64,
            in_flight: 2,
            cpu: Some(0.4 + 0.02 * normal(rng)),
            memory: Some(0.5 + 0.01 * normal(rng)),
            heartbeat: Some(Duration::from_secs(1)),
            ..Sample::default()
        };
        sample.waiting.by_age[0] = 2;
        sample.failures.status = u64::from(chance(rng, 0.01));
        (0..answers).for_each(|_| sample.latencies.add(Duration::from_secs_f64(0.005 * (0.5 * normal(rng)).exp())));
        sample
    };
    (0..BACKENDS).map(|_| one(rng)).collect()
}

/// A service's backends, two on a host, in three zones.
fn backends(service: usize) -> Vec<Backend> {
    let backend = |at: usize| Backend {
        id: format!("10.{service}.0.{}:{}", at / 2, 8000 + at % 2).into(),
        host: format!("10.{service}.0.{}", at / 2).into(),
        zone: format!("zone-{}", at / 2 % 3).into(),
    };
    (0..BACKENDS).map(backend).collect()
}

/// The memory of this process that is resident, in bytes, as Linux tells it.
fn resident() -> Option<u64> {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}

#[test]
#[ignore = "a measurement: cargo test --release --test detection -- --ignored --nocapture cost"]
fn cost_of_a_tick_with_ten_thousand_backends() {
    let mut rng = Rng::with_seed(1);
    let sets: Vec<Vec<Sample>> = (0..SETS).map(|set| samples(&mut rng, 5.0 * 2_f64.powi(set as i32 % 8))).collect();
    let known = [Dependency { name: "database".into(), failed: 0, error: String::new() }];
    let before = resident();
    let new = |service| Detection::new(Settings::default(), backends(service));
    let mut services: Vec<Detection> = (0..SERVICES).map(new).collect();
    let mut times = Vec::with_capacity(TICKS);
    for tick in 1..=TICKS {
        let began = Instant::now();
        for (at, detection) in services.iter_mut().enumerate() {
            let changes = detection.observe(&Input {
                now: TICK * tick as u32,
                lasted: TICK,
                samples: &sets[(tick + at) % SETS],
                dependencies: &known,
            });
            std::hint::black_box(changes);
        }
        times.push(began.elapsed());
    }
    let memory = before.zip(resident()).map(|(before, after)| after.saturating_sub(before));
    times.sort();
    let quantile = |share: f64| times[((TICKS - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    print(&format!(
        "{} backends in {SERVICES} services, {TICKS} ticks: median {:.1} ms, p95 {:.1} ms, worst {:.1} ms; {:.2} KiB resident for a backend",
        SERVICES * BACKENDS,
        quantile(0.5),
        quantile(0.95),
        quantile(1.0),
        memory.unwrap_or(0) as f64 / 1_024.0 / (SERVICES * BACKENDS) as f64,
    ));
}
