//! What it costs to count an exchange, and to read it all: `cargo bench --bench metrics`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use evenkeel::metrics::{Format, Readings, Registry};

/// What one exchange on kept-alive connections counts on its worker.
fn exchange(c: &mut Criterion) {
    let registry = Registry::new(64);
    let (requests, durations) = (registry.requests("web", "api", "a"), registry.durations("api"));
    let (listener, upstream) = (registry.listener("web"), registry.upstream("api", "a"));
    upstream.connected(3);
    upstream.parked(3);
    c.bench_function("metrics/count a request", |b| b.iter(|| requests.count(black_box(3), black_box(200))));
    c.bench_function("metrics/observe durations all over the buckets", |b| {
        let mut micros = 1;
        b.iter(|| {
            micros = (micros * 5) % 1_000_003;
            durations.observe(black_box(3), Duration::from_micros(micros), None);
        });
    });
    c.bench_function("metrics/all of one exchange", |b| {
        b.iter(|| {
            let worker = black_box(3);
            upstream.unparked(worker);
            upstream.parked(worker);
            requests.count(worker, black_box(200));
            durations.observe(worker, black_box(Duration::from_micros(180)), None);
            listener.transferred(worker, black_box(120), black_box(350));
        });
    });
}

/// A scrape with 1,000 backends that 64 workers have used.
fn scrape(c: &mut Criterion) {
    let registry = Registry::new(64);
    let backends: Vec<_> = (0..1_000).map(|i| registry.requests("web", "api", &i.to_string())).collect();
    backends.iter().for_each(|backend| (0..64).for_each(|worker| backend.count(worker, 200)));
    c.bench_function("metrics/scrape 1,000 backends of 64 workers", |b| {
        b.iter(|| {
            let mut out = String::new();
            registry.render(&Readings::default(), Format::Prometheus, &mut out);
            out.len()
        });
    });
}

criterion_group!(benches, exchange, scrape);
criterion_main!(benches);
