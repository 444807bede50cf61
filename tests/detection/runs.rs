//! Many traces, on all processors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use evenkeel::detect::fault::Detector;
use evenkeel::detect::service::Settings;
use fastrand::Rng;

use crate::faults::Kind;
use crate::fleet::Wish;
use crate::play::play;
use crate::score::{Score, score};

/// Plays so many traces of each kind, with one detector left out or with all.
pub fn run(kinds: &[Kind], wish: Wish, seed: u64, each: usize, off: Option<Detector>) -> Vec<Score> {
    let (next, scores) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(kind) = kinds.get(at / each) else { return };
                    let score = one(kind, wish, seed, at % each, off);
                    scores.lock().unwrap_or_else(PoisonError::into_inner).push((at, score));
                }
            });
        }
    });
    let mut scores = scores.into_inner().unwrap_or_else(PoisonError::into_inner);
    scores.sort_by_key(|(at, _)| *at);
    scores.into_iter().map(|(_, score)| score).collect()
}

fn one(kind: &Kind, wish: Wish, seed: u64, number: usize, off: Option<Detector>) -> Score {
    let of_name = kind.name.bytes().fold(seed, |hash, byte| hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
    let mut rng = Rng::with_seed(of_name.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number as u64));
    let mut trace = (kind.make)(&mut rng, wish);
    trace.name = kind.name;
    let settings = Settings { off: off.into_iter().collect(), ..Settings::default() };
    let played = play(&trace, settings);
    score(&trace, number, played)
}
