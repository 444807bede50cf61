//! What a pick costs, from 2 backends to 10,000, alone and with another thread that picks from the same service, and what it
//! costs to build a ring: `cargo bench --bench balance`.
//!
//! Each pick counts as an exchange until the next one, as on the data path: so the in-flight counts change under it, and
//! with two threads their cache lines go to and fro.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use evenkeel::balance::{Balancer, Candidate, Cursor, Pick, Ring, Tried, build, hash_key};
use evenkeel::clock::Moment;
use evenkeel::endpoint::Live;
use evenkeel::endpoint::load::Report;
use evenkeel::policy::{self, Balance};

const SIZES: [usize; 5] = [2, 10, 100, 1_000, 10_000];
const NOW: Moment = Moment::from_millis((1 << 40) + 60_000);

const fn hash(bounded_load: f64) -> Balance {
    Balance::ConsistentHash(policy::Ring { virtual_nodes: 150, bounded_load })
}

const ALGORITHMS: [(&str, Balance); 9] = [
    ("round_robin", Balance::RoundRobin),
    ("weighted_round_robin", Balance::WeightedRoundRobin),
    ("least_connections", Balance::LeastConnections),
    ("weighted_least_connections", Balance::WeightedLeastConnections),
    ("resource_based", Balance::ResourceBased),
    ("response_time", Balance::ResponseTime),
    ("consistent_hash", hash(0.0)),
    ("consistent_hash_bounded", hash(1.25)),
    ("power_of_two", Balance::PowerOfTwo),
];

/// Backends of four weights that have answered and reported a while ago, so that averages have to be aged.
fn candidates(count: usize) -> Vec<Candidate> {
    let candidate = |index: usize| {
        let live = Arc::new(Live::default());
        let age = |millis| Moment::from_millis(NOW.as_millis() - millis);
        live.latency.observe(Duration::from_micros(900 + index as u64 % 200), age(1 + index as u64 % 500));
        let load = Report { cpu: Some(0.4 + (index % 10) as f32 / 50.0), memory: Some(0.5), utilization: None };
        live.load.report(load, 0, age(500));
        Candidate {
            index,
            id: format!("10.0.{}.{}:80", index / 256, index % 256).into(),
            weight: 1 + index as u32 % 4,
            live,
        }
    };
    (0..count).map(candidate).collect()
}

/// A worker that picks, and holds each exchange until the next.
struct Worker {
    cursor: Cursor,
    random: fastrand::Rng,
    live: Vec<Arc<Live>>,
    key: u64,
}

impl Worker {
    fn new(number: usize, candidates: &[Candidate]) -> Self {
        let live = candidates.iter().map(|candidate| Arc::clone(&candidate.live)).collect();
        Self { cursor: Cursor::new(number), random: fastrand::Rng::with_seed(number as u64), live, key: 0 }
    }

    fn pick(&mut self, balancer: &dyn Balancer) -> usize {
        // keys all over the ring; taking them from a request is not the balancer's work
        self.key = self.key.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let pick = Pick {
            cursor: &mut self.cursor,
            tried: Tried::default(),
            random: &mut self.random,
            now: NOW,
            key: self.key,
        };
        black_box(balancer.pick(pick)).unwrap_or(0)
    }

    fn exchange(&mut self, balancer: &dyn Balancer) {
        let backend = self.pick(balancer);
        black_box(self.live[backend].enter());
    }
}

fn alone(criterion: &mut Criterion) {
    for (name, balance) in ALGORITHMS {
        let mut group = criterion.benchmark_group(format!("pick/{name}"));
        for size in SIZES {
            let candidates = candidates(size);
            let (balancer, mut worker) = (build(balance, candidates.clone()), Worker::new(0, &candidates));
            // a few in flight with each, as in a service that has work to do
            let _held: Vec<_> = candidates.iter().flat_map(|it| (0..it.weight).map(|_| it.live.enter())).collect();
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| worker.pick(&*balancer));
            });
        }
    }
}

/// Picks and counts exchanges while another thread does the same with the same backends.
fn together(criterion: &mut Criterion) {
    for (name, balance) in ALGORITHMS {
        let mut group = criterion.benchmark_group(format!("threads/{name}"));
        group.throughput(Throughput::Elements(1));
        let candidates = candidates(10);
        let balancer = build(balance, candidates.clone());
        for others in [0, 1] {
            let stop = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for other in 1..=others {
                    let (balancer, stop, mut worker) = (&balancer, &stop, Worker::new(other, &candidates));
                    scope.spawn(move || {
                        while !stop.load(Ordering::Relaxed) {
                            worker.exchange(&**balancer);
                        }
                    });
                }
                let mut worker = Worker::new(0, &candidates);
                group.bench_function(BenchmarkId::from_parameter(others + 1), |bencher| {
                    bencher.iter(|| worker.exchange(&*balancer));
                });
                stop.store(true, Ordering::Relaxed);
            });
        }
    }
}

fn rebuild(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    group.sample_size(10);
    for size in [100, 1_000] {
        let mut candidates = candidates(size);
        candidates.iter_mut().for_each(|candidate| candidate.weight = 1);
        group.bench_function(BenchmarkId::new("build", size), |bencher| {
            bencher.iter(|| Ring::new(black_box(&candidates), 150));
        });
    }
    group.bench_function("hash of a key", |bencher| bencher.iter(|| hash_key(black_box(b"203.0.113.77"))));
}

criterion_group!(benches, alone, together, rebuild);
criterion_main!(benches);
