//! Whatever samples come, what is said is in range, and what is forgiven is forgotten.

use super::*;
use crate::detect::sample::{AGES, Failures, Latencies, Waiting};

/// A number of any size, with the extremes more often than chance would have them.
fn number(random: &mut fastrand::Rng) -> u64 {
    match random.u8(0..8) {
        0..4 => 0,
        4 => random.u64(0..20),
        5 => random.u64(0..100_000),
        6 => random.u64(..),
        _ => u64::MAX,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "any number will do")]
fn sample(random: &mut fastrand::Rng) -> Sample {
    let mut latencies = Latencies { count: number(random), ..Latencies::default() };
    let any = [0.0, -1.0, 12.5, 1e9, f64::MAX, f64::NAN, f64::INFINITY];
    latencies.logs = random.choice(any).unwrap();
    latencies.squares = random.choice(any).unwrap();
    latencies.buckets.iter_mut().for_each(|count| *count = number(random) as u32);
    let mut by_age = [0; AGES];
    by_age.iter_mut().for_each(|count| *count = number(random) as u32);
    let oldest = Duration::from_millis(random.u64(0..200_000));
    let mut kind = || number(random);
    let failures = Failures {
        refused: kind(),
        unreachable: kind(),
        timed_out: kind(),
        reset: kind(),
        broken: kind(),
        status: kind(),
    };
    Sample {
        takes_part: random.u8(0..8) > 0,
        is_ejected: random.u8(0..8) == 0,
        joined: Duration::from_secs(random.u64(0..100)),
        begun: number(random),
        answers: number(random),
        failures,
        latencies,
        waiting: Waiting { by_age, oldest },
        cpu: random.choice([None, Some(0.99), Some(0.1), Some(f64::NAN)]).unwrap(),
        memory: random.choice([None, Some(0.99), Some(f64::INFINITY)]).unwrap(),
        ..Sample::default()
    }
}

#[test]
fn any_samples_lead_to_opinions_in_range() {
    // the other detectors take what the driver can measure; the peers detector is the one that ejects
    let off = Detector::ALL.into_iter().filter(|detector| *detector != Detector::Peers).collect();
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let count = random.usize(0..6);
        let backends: Vec<Backend> =
            (0..count).map(|at| Backend { id: at.to_string().into(), host: "".into(), zone: "".into() }).collect();
        let settings = Settings { off: Clone::clone(&off), ..Settings::default() };
        let mut detection = Detection::new(settings, backends);
        for tick in 1..60 {
            let samples: Vec<Sample> = (0..count).map(|_| sample(&mut random)).collect();
            let lasted = Duration::from_millis(random.u64(0..3_000));
            let now = Duration::from_secs(3 * tick);
            let input = Input { now, lasted, samples: &samples, dependencies: &[] };
            let changes = detection.observe(&input);
            assert_eq!(changes.left_out, [], "seed {seed}");
            for verdict in detection.verdicts() {
                assert!((0.8..=0.95).contains(&verdict.confidence), "seed {seed}: {verdict:?}");
            }
            for at in 0..count {
                let suspicion = detection.suspicion(at);
                assert!((0.0..=1.0).contains(&suspicion), "seed {seed}: {suspicion}");
                assert_eq!(suspicion >= 1.0, detection.accusation(at).is_some(), "seed {seed}");
                if random.u8(0..10) == 0 {
                    detection.forgive(at);
                    assert!(detection.suspicion(at) == 0.0 && detection.accusation(at).is_none());
                }
            }
        }
    }
}

#[test]
fn what_is_known_is_less_than_a_kibibyte_a_backend() {
    let panel = size_of::<Sample>();
    assert!(crate::detect::peers::STATE + panel < 1200, "{} + {panel}", crate::detect::peers::STATE);
}

/// Run by hand: `cargo test --release --lib detect -- --ignored --nocapture cost`.
#[test]
#[ignore = "a measurement"]
fn cost_of_ten_thousand_backends() {
    let mut random = fastrand::Rng::with_seed(1);
    let busy = |random: &mut fastrand::Rng| {
        let mut sample = Sample { takes_part: true, joined: Duration::from_secs(600), ..Sample::default() };
        (sample.begun, sample.answers) = (10, 10);
        (0..10).for_each(|_| sample.latencies.add(Duration::from_micros(random.u64(4_000..6_000))));
        sample.waiting.by_age[0] = 1;
        sample
    };
    let idle = Sample { takes_part: true, joined: Duration::from_secs(600), ..Sample::default() };
    for is_busy in [true, false] {
        let mut services: Vec<(Detection, Vec<Sample>)> = (0..100)
            .map(|_| {
                let backends = (0..100)
                    .map(|at: u32| Backend { id: at.to_string().into(), host: "".into(), zone: "".into() })
                    .collect();
                let samples = (0..100).map(|_| if is_busy { busy(&mut random) } else { idle.clone() }).collect();
                (Detection::new(Settings::default(), backends), samples)
            })
            .collect();
        let mut took = Vec::new();
        for tick in 0..100 {
            let began = std::time::Instant::now();
            for (detection, samples) in &mut services {
                let now = Duration::from_millis(100 * tick);
                let lasted = Duration::from_millis(100);
                detection.observe(&Input { now, lasted, samples, dependencies: &[] });
            }
            took.push(began.elapsed());
        }
        took.sort();
        eprintln!("busy {is_busy}: median {:?}, longest {:?}", took[50], took[99]);
    }
}
