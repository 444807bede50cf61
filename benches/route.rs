//! What a routing decision costs, from 1 route to 10,000: `cargo bench --bench route`.
//!
//! Routes have a host and a path prefix each, the kind of which large configurations have thousands. Requests are dealt over
//! all of them, so that a large table pays for its cache misses too.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use evenkeel::route::{Conditions, Host, Lookup, Path, Table};
use http::{HeaderMap, Method};

const SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];

/// How `n` routes are spread.
struct Shape {
    name: &'static str,
    /// The host of route `n`, as in a route and as in a request.
    host: fn(usize) -> (Host, String),
    /// The prefix of route `n`.
    prefix: fn(usize) -> String,
}

const SHAPES: [Shape; 3] = [
    // Many sites, each with a prefix.
    Shape {
        name: "hosts",
        host: |n| (Host::Exact(format!("site-{n}.example.com")), format!("site-{n}.example.com")),
        prefix: |n| format!("/v{}/", n % 10),
    },
    // Many wildcards.
    Shape {
        name: "wildcards",
        host: |n| (Host::Wildcard(format!("site-{n}.example.com")), format!("www.site-{n}.example.com")),
        prefix: |n| format!("/v{}/", n % 10),
    },
    // One site with many prefixes.
    Shape {
        name: "prefixes",
        host: |_| (Host::Exact("www.example.com".to_owned()), "www.example.com".to_owned()),
        prefix: |n| format!("/team-{}/service-{n}/", n % 100),
    },
];

fn find(criterion: &mut Criterion) {
    for shape in SHAPES {
        let mut group = criterion.benchmark_group(format!("find/{}", shape.name));
        for size in SIZES {
            let table = Table::new((0..size).map(|n| (conditions(&shape, n), n)).collect());
            let requests = requests(&shape, size);
            let mut next = 0;
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| {
                    next = if next + 1 < requests.len() { next + 1 } else { 0 };
                    let (host, path) = &requests[next];
                    black_box(look_up(&table, host, path))
                });
            });
        }
    }
}

/// What doesn't depend on the number of routes.
fn single(criterion: &mut Criterion) {
    let table = Table::new((0..100).map(|n| (conditions(&SHAPES[0], n), n)).collect());
    let empty: Table<usize> = Table::new(Vec::new());
    let mut group = criterion.benchmark_group("single");
    for (name, table, host) in [
        ("no routes", &empty, "site-7.example.com"),
        ("plain host", &table, "site-7.example.com"),
        ("host with port", &table, "site-7.example.com:8080"),
        ("host with capitals", &table, "Site-7.Example.com"),
        ("unknown host", &table, "elsewhere.example.com"),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| look_up(table, black_box(host), black_box("/v7/x"))));
    }
}

fn look_up<'a>(table: &'a Table<usize>, host: &str, path: &str) -> Option<&'a usize> {
    let headers = HeaderMap::new();
    table.find(&Lookup { host, path, query: None, method: &Method::GET, headers: &headers })
}

fn conditions(shape: &Shape, n: usize) -> Conditions {
    let (host, prefix) = ((shape.host)(n).0, (shape.prefix)(n));
    Conditions { host: Some(host), path: Some(Path::Prefix(prefix)), ..Conditions::default() }
}

/// One request for each of 10,000 places in the table, in an order that jumps about.
fn requests(shape: &Shape, size: usize) -> Vec<(String, String)> {
    (0..10_000)
        .map(|n| (n * 7_919) % size)
        .map(|n| ((shape.host)(n).1, format!("{}users/42", (shape.prefix)(n))))
        .collect()
}

criterion_group!(benches, find, single);
criterion_main!(benches);
