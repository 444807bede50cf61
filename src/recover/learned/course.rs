//! How faults go on when nothing is done about them: the share that would have passed by themselves.
//!
//! Estimator: the discrete product-limit estimator (E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations", 1958)
//! over cells of age. For each cell it is counted how many untreated faults were watched through it and how many passed in it; a fault that was
//! watched through a part of a cell counts for that part (the actuarial method: S. J. Cutler and F. Ederer, 1958). So a fault that was acted on
//! at an age of 2 s still says something about its first 2 s, and nothing about later.
//!
//! Each cell forgets by what is watched in it, not by the time: what was seen of old faults, which few are, stays until old faults show otherwise.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Cells of age. The first is below [`FIRST`], each further one is [`ratio`] times as long as all before, and the last has no end.
const CELLS: usize = 24;
/// The end of the first cell in seconds. Detectors look ten times a second, so there is little to see below.
const FIRST: f64 = 0.25;
/// The begin of the last cell in seconds.
const LAST: f64 = 3600.0;
/// What is kept of a cell when one more fault was watched through it: half after 30.
const KEPT: f64 = 0.977_159_968_434_245_9;
/// What other services have seen of a cell counts as at most so many faults.
const ELSEWHERE: f64 = 2.0;
/// The part of the time, from its begin, that has to have been watched. A watch often ends with the cool-down, shortly before the time does.
const COVERED: f64 = 0.75;
/// As soon as so few are left, nobody need have watched what comes later: it can't change that most pass.
const FEW: f64 = 0.5;
/// What is assumed before anything was seen: so many faults, of which half passed.
const ASSUMED: f64 = 1.0;

/// Faults that have to have been watched before it is said that anything is known: one, of which a part may be forgotten already.
const ENOUGH: f64 = 0.6;

/// Other backends of the service that had the same fault, untreated, from the act until the treated one was well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peers {
    /// They still have it.
    pub still_bad: usize,
    /// They became well by themselves.
    pub healed: usize,
}

/// What becomes of untreated faults of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Course {
    cells: [Cell; CELLS],
}

/// Faults of one range of age: how many were watched through it, and how many of these passed in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f64, f64)", into = "(f64, f64)")]
struct Cell {
    watched: f64,
    passed: f64,
}

/// How many of how many faults passed by themselves, within a range of age.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passing {
    /// Faults that were watched through (most of) the range; not a whole number, for what is old or from elsewhere counts for less.
    pub watched: f64,
    /// Those of them that passed.
    pub passed: f64,
}

impl Course {
    /// A fault was watched from this age to that; `passed` = it was gone at the second. `weight` = as how many faults it counts.
    pub fn watch(&mut self, from: Duration, to: Duration, passed: bool, weight: f64) {
        let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
        for (at, cell) in self.cells.iter_mut().enumerate() {
            let is_where_it_passed = passed && start(at) <= to && to < end(at);
            let watched = if is_where_it_passed { 1.0 } else { part(at, from, to) } * weight;
            cell.forget(KEPT.powf(watched));
            cell.watched += watched;
            cell.passed += if is_where_it_passed { weight } else { 0.0 };
        }
    }

    /// Adds what was seen elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (cell, other) in self.cells.iter_mut().zip(&other.cells) {
            cell.watched += other.watched;
            cell.passed += other.passed;
        }
    }

    /// How many untreated faults of the age `from` have passed at the age `to`, by what was seen here and, with limited weight, `elsewhere`.
    pub fn passing(&self, elsewhere: &Self, from: Duration, to: Duration) -> Passing {
        let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
        let needed = from + COVERED * (to - from);
        let (mut left, mut watched) = (1.0, f64::INFINITY);
        for (at, (cell, other)) in self.cells.iter().zip(&elsewhere.cells).enumerate() {
            let mut both = *other;
            both.forget((ELSEWHERE / other.watched.max(ELSEWHERE)).min(1.0));
            both.watched += cell.watched;
            both.passed += cell.passed;
            let part = part(at, from, to);
            if part > 0.0 && start(at) < needed && left > FEW {
                watched = f64::min(watched, both.watched);
            }
            left *= (1.0 - both.passed / both.watched.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0).powf(part);
        }
        let watched = if watched.is_finite() { watched } else { 0.0 };
        Passing { watched, passed: watched * (1.0 - left) }
    }

    /// Whether it can have been counted: what is read from a file may be anything.
    pub fn is_sound(&self) -> bool {
        let sound = |cell: &Cell| cell.passed >= 0.0 && cell.passed <= cell.watched + 1e-6 && cell.watched < 1e6;
        self.cells.iter().all(sound)
    }
}

impl Passing {
    /// Adds the peers of the moment. Those that are still bad count for `part` of the time, for that was all that they were watched.
    #[must_use]
    pub fn with(self, peers: Peers, part: f64) -> Self {
        let (still_bad, healed) = (peers.still_bad as f64, peers.healed as f64);
        Self { watched: self.watched + healed + still_bad * part.clamp(0.0, 1.0), passed: self.passed + healed }
    }

    /// Whether enough was seen to say anything.
    pub fn has_evidence(self) -> bool {
        self.watched >= ENOUGH
    }

    /// The probability that a fault passes by itself; 0.5 when nothing was seen.
    pub fn probability(self) -> f64 {
        (self.passed + ASSUMED / 2.0) / (self.watched + ASSUMED)
    }
}

impl Cell {
    fn forget(&mut self, kept: f64) {
        self.watched *= kept;
        self.passed *= kept;
    }
}

impl From<(f64, f64)> for Cell {
    fn from((watched, passed): (f64, f64)) -> Self {
        Self { watched, passed }
    }
}

impl From<Cell> for (f64, f64) {
    fn from(cell: Cell) -> Self {
        (cell.watched, cell.passed)
    }
}

/// How much longer a cell's end is than its begin.
fn ratio() -> f64 {
    (LAST / FIRST).powf(1.0 / (CELLS - 2) as f64)
}

/// The age at which a cell begins, in seconds.
fn start(at: usize) -> f64 {
    if at == 0 { 0.0 } else { FIRST * ratio().powf((at - 1) as f64) }
}

/// The age at which a cell ends.
fn end(at: usize) -> f64 {
    if at + 1 == CELLS { f64::INFINITY } else { start(at + 1) }
}

/// The part of a cell that lies between two ages. Of the last one, which has no end, any part is all.
fn part(at: usize, from: f64, to: f64) -> f64 {
    let (start, end) = (start(at), end(at));
    let both = to.min(end) - from.max(start);
    match (both > 0.0, end.is_finite()) {
        (false, _) => 0.0,
        (true, true) => both / (end - start),
        (true, false) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: Course = Course { cells: [Cell { watched: 0.0, passed: 0.0 }; CELLS] };

    fn secs(secs: f64) -> Duration {
        Duration::from_secs_f64(secs)
    }

    fn probability(course: &Course, from: f64, to: f64) -> f64 {
        course.passing(&NOWHERE, secs(from), secs(to)).probability()
    }

    #[test]
    fn cells_cover_all_ages_from_a_quarter_of_a_second_to_an_hour() {
        assert_eq!((start(0), end(0)), (0.0, FIRST));
        assert!((start(CELLS - 1) - LAST).abs() < 1e-6);
        let whole: f64 = (0..CELLS - 1).map(|at| part(at, 0.0, 100.0) * (end(at) - start(at))).sum();
        assert!((whole - 100.0).abs() < 1e-9);
        assert_eq!(part(CELLS - 1, 1e6, 1e6 + 1.0), 1.0);
        assert!((KEPT.powi(30) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn what_nobody_has_watched_is_as_likely_as_not() {
        assert_eq!(probability(&NOWHERE, 1.0, 30.0), 0.5);
        let mut course = NOWHERE;
        (0..50).for_each(|_| course.watch(Duration::ZERO, secs(3.0), false, 1.0));
        assert_eq!(probability(&course, 1.0, 30.0), 0.5, "faults that were watched for 3 s say nothing about 30 s");
        assert!(probability(&course, 0.5, 2.5) < 0.05, "but about 2.5 s");
    }

    #[test]
    fn one_fault_that_was_watched_for_most_of_the_time_is_evidence() {
        let mut course = NOWHERE;
        course.watch(Duration::ZERO, secs(30.0), false, 1.0);
        assert!((probability(&course, 1.0, 36.0) - 0.25).abs() < 1e-9);
        course.watch(Duration::ZERO, secs(4.0), true, 1.0);
        assert!(probability(&course, 1.0, 36.0) > 0.3);
    }

    #[test]
    fn faults_that_were_acted_on_bias_nothing() {
        // half of all pass at 10 s, the others never; of each ten, nine are acted on at 2 s
        let mut course = NOWHERE;
        for n in 0..200 {
            course.watch(Duration::ZERO, secs(2.0), false, 1.0);
            if n % 10 == 0 {
                let passed = n % 20 == 0;
                course.watch(Duration::ZERO, secs(if passed { 10.0 } else { 60.0 }), passed, 1.0);
            }
        }
        let known = probability(&course, 2.0, 37.0);
        assert!((0.4..0.6).contains(&known), "{known}");
    }

    #[test]
    fn the_course_of_a_constant_hazard_is_found() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut course = NOWHERE;
        for _ in 0..2000 {
            course.watch(Duration::ZERO, secs(-10.0 * (1.0 - random.f64()).ln()), true, 1.0);
        }
        for (from, to) in [(0.0, 1.0), (1.0, 4.0), (2.0, 12.0), (5.0, 40.0)] {
            let (known, truth) = (probability(&course, from, to), 1.0 - ((from - to) / 10.0f64).exp());
            assert!((known - truth).abs() < 0.12, "{from} to {to}: {known:.2} instead of {truth:.2}");
        }
    }

    #[test]
    fn what_has_changed_is_noticed() {
        let mut course = NOWHERE;
        (0..100).for_each(|_| course.watch(Duration::ZERO, secs(60.0), false, 1.0));
        assert!(probability(&course, 1.0, 36.0) < 0.05);
        (0..60).for_each(|_| course.watch(Duration::ZERO, secs(4.0), true, 1.0));
        assert!(probability(&course, 1.0, 36.0) > 0.6);
    }

    #[test]
    fn other_services_count_as_two_faults_at_most() {
        let mut elsewhere = NOWHERE;
        (0..40).for_each(|_| elsewhere.watch(Duration::ZERO, secs(4.0), true, 1.0));
        let known = NOWHERE.passing(&elsewhere, secs(1.0), secs(5.0));
        assert!((known.watched, known.passed) == (2.0, 2.0), "{known:?}");
        let mut here = NOWHERE;
        (0..20).for_each(|_| here.watch(Duration::ZERO, secs(60.0), false, 1.0));
        assert!(here.passing(&elsewhere, secs(1.0), secs(5.0)).probability() < 0.2);
    }

    #[test]
    fn peers_that_healed_by_themselves_speak_against_it_and_others_for_as_long_as_they_were_watched() {
        let nothing = NOWHERE.passing(&NOWHERE, secs(1.0), secs(36.0));
        assert!(nothing.with(Peers { still_bad: 0, healed: 2 }, 0.1).probability() > 0.8);
        assert!(nothing.with(Peers { still_bad: 2, healed: 0 }, 1.0).probability() < 0.2);
        assert!(nothing.with(Peers { still_bad: 2, healed: 0 }, 0.1).probability() > 0.4);
    }
}
