//! What a look at a rate limit costs: `cargo bench --bench limit`.
//!
//! Keys are dealt in an order that jumps about, so that a large table pays for its cache misses, which is what most of a look is then.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use evenkeel::balance::hash_key;
use evenkeel::limit::{Rate, Table};

const KEYS: [usize; 4] = [1, 1_000, 100_000, 1_000_000];

fn take(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("take");
    for keys in KEYS {
        let table = Table::new(keys);
        let rate = Rate::new(100, Duration::from_secs(1), 200);
        let began = Instant::now();
        let mut next = 0usize;
        group.bench_function(BenchmarkId::from_parameter(keys), |bencher| {
            bencher.iter(|| {
                next = (next + 7_919) % keys;
                let client = hash_key(&(next as u32).to_be_bytes());
                // a worker has the time of the request's beginning already; the clock is read here, and costs its part
                black_box(table.take(client, rate, began.elapsed(), Duration::ZERO))
            });
        });
    }
}

criterion_group!(benches, take);
criterion_main!(benches);
