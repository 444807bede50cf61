//! What a reload costs the control plane, by its steps, with 10,000 backends: `cargo bench --bench reload`.
//!
//! `read` is parsing and checking the file, which happens on a thread of its own; `build` makes the next snapshot of it from the one
//! before, `let go` frees one. Ten backends in a hundred change from one file to the next.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use evenkeel::config::{self, Loaded};
use evenkeel::metrics::Registry;
use evenkeel::snapshot::{self, Snapshot};

/// The backends of all services together.
const BACKENDS: usize = 10_000;

/// A file with this many services.
fn file(services: usize, round: usize) -> String {
    let mut text = "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\n".to_owned();
    // writing to a String can't fail
    for service in 0..services {
        let _ = writeln!(text, "[[listener.route]]\npath_prefix = \"/{service}/\"\nservice = \"s{service}\"");
    }
    for service in 0..services {
        let _ = writeln!(text, "[service.s{service}]");
        for backend in 0..BACKENDS / services {
            let port = if backend % 10 == 0 { 2000 + round } else { 1000 };
            let (high, low) = (backend / 250, backend % 250);
            let _ = writeln!(
                text,
                "[[service.s{service}.backend]]\naddress = \"10.{}.{high}.{low}:{port}\"",
                service % 250
            );
        }
    }
    text
}

fn load(text: &str) -> Loaded {
    config::parse(text, Path::new("proxy.toml")).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn build(loaded: &Loaded, before: Option<&Snapshot>, registry: &Registry) -> Snapshot {
    let built = snapshot::build(&loaded.config, before, &mut |_, _| Err("no TLS here".to_owned()), registry);
    built.unwrap_or_else(|error| panic!("{error}"))
}

fn reload(c: &mut Criterion) {
    let mut group = c.benchmark_group("reload");
    group.sample_size(20);
    for services in [1, 100] {
        let texts = [file(services, 0), file(services, 1)];
        group.bench_function(format!("read/{services}"), |b| b.iter(|| black_box(load(black_box(&texts[1])))));
        let [first, second] = texts.map(|text| load(&text));
        let registry = Registry::new(2);
        let before = build(&first, None, &registry);
        group.bench_function(format!("build/{services}"), |b| {
            b.iter_with_large_drop(|| build(&second, Some(&before), &registry));
        });
        group.bench_function(format!("let go/{services}"), |b| {
            b.iter_batched(|| build(&second, Some(&before), &registry), drop, BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, reload);
criterion_main!(benches);
