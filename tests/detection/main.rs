//! How well detection detects: a fleet is simulated on a virtual clock, what happens to it is known, and what detection says is compared with it.
//!
//! The everyday test plays a few traces of every kind and holds what was reached. The whole score, as tables, is printed by
//! `cargo test --release --test detection -- --ignored --nocapture score`; `EVENKEEL_DETECTION_SEED` and `EVENKEEL_DETECTION_TRACES` (of each
//! kind) choose other traces, `EVENKEEL_DETECTION_ONLY` those with this in their kind's name, and `EVENKEEL_DETECTION_DETAILS=1` tells of every
//! miss and every mistake. What a tick costs is printed by `cargo test --release --test detection -- --ignored --nocapture cost`.

// a test that fails should say so at once
#![allow(clippy::unwrap_used)]

mod balancer;
mod cost;
mod everyday;
mod faults;
mod fleet;
mod member;
mod nuisances;
mod play;
mod random;
mod report;
mod runs;
mod score;
mod simulation;
mod trace;

use std::io::Write as _;

use evenkeel::detect::fault::Detector;

use crate::fleet::Wish;

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Prints past the harness of tests, which would hold it back.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).unwrap();
}

#[test]
#[ignore = "takes minutes: cargo test --release --test detection -- --ignored --nocapture score"]
fn score_of_all_traces() {
    let seed = setting("EVENKEEL_DETECTION_SEED", 1);
    let each = setting("EVENKEEL_DETECTION_TRACES", 12) as usize;
    let only = std::env::var("EVENKEEL_DETECTION_ONLY").unwrap_or_default();
    let kinds = |all: &[faults::Kind]| -> Vec<faults::Kind> {
        let named = all.iter().filter(|kind| kind.name.contains(&only));
        named.map(|kind| faults::Kind { name: kind.name, make: kind.make }).collect()
    };
    let (faults, nuisances) = (kinds(&faults::KINDS), kinds(&nuisances::KINDS));
    let play = |kinds: &[faults::Kind], off| runs::run(kinds, Wish::default(), seed, each, off);
    let with_faults = play(&faults, None);
    let traces = each * (faults.len() + nuisances.len());
    print(&format!("{traces} traces, {each} of each kind, seed {seed}\n\n{}", report::faults(&with_faults)));
    let calm = play(&nuisances, None);
    print(&report::nuisances(&calm));
    print(&report::confusion(&with_faults));
    if setting("EVENKEEL_DETECTION_DETAILS", 0) > 0 {
        print(&report::details(&with_faults));
        print(&report::details(&calm));
    }
    if setting("EVENKEEL_DETECTION_ABLATION", 1) > 0 {
        let without = Detector::ALL.map(|off| (off.as_str(), play(&faults, Some(off))));
        print(&report::ablation(&with_faults, &without));
    }
}
