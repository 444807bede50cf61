//! Writes `docs/img/balancing.json`, from which `scripts/balancing_picture.py` draws `docs/img/balancing.svg`:
//!
//! ```text
//! cargo test --test balance -- --ignored picture
//! python3 scripts/balancing_picture.py
//! ```

use std::path::Path;

use serde_json::{Value, json};

use crate::fleet::ALL;
use crate::simulator::{Backend, Does, Scenario, simulate};

const BACKENDS: usize = 8;

/// The last backend in each situation: its weight, how much it does at a time, what it does.
const SITUATIONS: [(&str, &str, Backend); 4] = [
    ("even", "all eight alike", Backend { weight: 4, slots: 8, does: |_| Does::Answers(10.0) }),
    ("one slow", "the eighth takes ten times as long", Backend { weight: 4, slots: 8, does: |_| Does::Answers(100.0) }),
    (
        "one weak",
        "the eighth does a quarter as much; and has a quarter of the weight",
        Backend { weight: 1, slots: 2, does: |_| Does::Answers(10.0) },
    ),
    (
        "one dead",
        "the eighth fails at once,; tried again elsewhere; nobody ejects it",
        Backend { weight: 4, slots: 8, does: |_| Does::Fails },
    ),
];

#[test]
#[ignore = "no test: it makes the numbers for the picture in docs/balancing.md"]
fn picture() {
    let situations: Vec<_> = SITUATIONS.iter().map(situation).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/img/balancing.json");
    std::fs::write(path, format!("{:#}\n", json!({ "situations": situations }))).unwrap();
}

fn situation((name, what, last): &(&str, &str, Backend)) -> Value {
    let mut backends = vec![Backend { weight: 4, slots: 8, does: |_| Does::Answers(10.0) }; BACKENDS];
    backends[BACKENDS - 1] = *last;
    // about 40 % of what they can do: enough for lines to form where the work is badly spread
    let scenario = Scenario { backends, rate: 2_400.0, seconds: 30, clients: 5_000, seed: 1 };
    let rows: Vec<_> = ALL
        .iter()
        .map(|(algorithm, balance)| {
            let run = simulate(*balance, &scenario);
            let shares: Vec<_> = (0..BACKENDS).map(|backend| rounded(run.share(backend, 5..30) * 100.0)).collect();
            json!({
                "algorithm": algorithm,
                "shares": shares,
                "p50": rounded(run.percentile(0.5, 5..30)),
                "p99": rounded(run.percentile(0.99, 5..30)),
            })
        })
        .collect();
    let weights: Vec<_> = scenario.backends.iter().map(|backend| backend.weight).collect();
    json!({ "name": name, "what": what, "weights": weights, "runs": rows })
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
