//! What was said, compared with the truth.

use evenkeel::detect::fault::Fault;

use crate::play::{Play, Said};
use crate::trace::{Trace, Truth, Whom};

/// How long after a fault's end what is said of its backends is still about the fault, in seconds.
const AFTERMATH: f64 = 20.0;
/// What is said wrongly of the same one within this time is one mistake, in seconds.
const SAME: f64 = 10.0;

/// The score of one trace.
#[derive(Debug)]
pub struct Score {
    pub name: &'static str,
    /// Which of its kind, to play it again.
    pub number: usize,
    pub rate: f64,
    pub found: Vec<Found>,
    pub mistakes: Vec<Said>,
    pub wrong_ejections: Vec<(f64, usize)>,
    pub backend_hours: f64,
    /// The smallest share of its work that a backend was left which was never at fault.
    pub lowest: f64,
    /// Detectors that were left out.
    pub left_out: usize,
    /// The fleet and the truth in words, for whoever looks into a miss.
    pub story: String,
}

/// What became of one truth.
#[derive(Debug, Clone)]
pub struct Found {
    pub whom: Whom,
    /// Until it was accused, or in a verdict; `None` = it never was.
    pub delay: Option<f64>,
    /// The name that it had for the longest time.
    pub named: Option<Fault>,
    /// It is one of the right names, for the right one.
    pub is_right: bool,
    pub truth: Fault,
    pub said: Vec<Said>,
}

pub fn score(trace: &Trace, number: usize, play: Play) -> Score {
    let culprit = |at: usize, when: f64| {
        let is_at_fault = |truth: &&Truth| truth.whom != Whom::Service && truth.backends.contains(&at);
        trace.truth.iter().filter(is_at_fault).any(|truth| truth.from <= when && when <= truth.to + AFTERMATH)
    };
    let never_culprit = |at: usize| !trace.truth.iter().any(|t| t.whom != Whom::Service && t.backends.contains(&at));
    let lowest = play.lowest.iter().enumerate().filter(|(at, _)| never_culprit(*at)).map(|(_, low)| low.0);
    Score {
        name: trace.name,
        number,
        rate: trace.fleet.rate,
        found: trace.truth.iter().map(|truth| found(trace, truth, &play.said)).collect(),
        mistakes: mistakes(trace, &play.said, culprit),
        wrong_ejections: play.ejections.iter().filter(|(when, at)| !culprit(*at, *when)).copied().collect(),
        backend_hours: play.backend_hours,
        lowest: lowest.fold(1.0, f64::min),
        left_out: play.left_out.len(),
        story: story(trace),
    }
}

fn story(trace: &Trace) -> String {
    let fleet = &trace.fleet;
    let happens: Vec<String> = trace
        .events
        .iter()
        .take(3)
        .map(|event| format!("{:?} at {} from {:.1} to {:.1}", event.effect, event.backend, event.from, event.to))
        .collect();
    format!(
        "{} backends, {:.1}/s each, median {:.1} ms, {:?}, {:?}, time-out {} s, errors {:.2} %, paths {:.1?}, {}",
        fleet.backends.len(),
        fleet.rate,
        fleet.median * 1e3,
        fleet.shape,
        fleet.balance,
        fleet.timeout,
        fleet.errors * 100.0,
        fleet.paths,
        happens.join(", ")
    )
}

/// Whether what is said of `whom` is about this backend.
fn covers(trace: &Trace, whom: Whom, backend: usize) -> bool {
    let place = &trace.fleet.backends[backend];
    match whom {
        Whom::Backend(at) => at == backend,
        Whom::Host(host) => place.host == host,
        Whom::Zone(zone) => place.zone == Some(zone),
        Whom::Service => false,
    }
}

fn found(trace: &Trace, truth: &Truth, said: &[Said]) -> Found {
    let in_time = |said: &&Said| truth.from <= said.from && said.from <= truth.to;
    let first = |is_about: &dyn Fn(Whom) -> bool| {
        let times = said.iter().filter(in_time).filter(|said| is_about(said.whom)).map(|said| said.from - truth.from);
        times.min_by(f64::total_cmp)
    };
    let exactly = first(&|whom| whom == truth.whom);
    // a host or a zone is found as well when each of its backends was
    let each = truth.backends.iter().map(|at| first(&|whom| covers(trace, whom, *at)));
    let each = if truth.whom == Whom::Service { None } else { latest(each) };
    let delay = match (exactly, each) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let (whom, named) = longest(trace, truth, said).unzip();
    Found {
        whom: truth.whom,
        delay,
        named,
        is_right: whom == Some(truth.whom) && named.is_some_and(|fault| truth.names.contains(&fault)),
        truth: truth.names[0],
        said: said
            .iter()
            .filter(|said| truth.backends.iter().any(|at| covers(trace, said.whom, *at)))
            .cloned()
            .collect(),
    }
}

fn latest(times: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    times.collect::<Option<Vec<f64>>>()?.into_iter().max_by(f64::total_cmp)
}

/// The verdict that held for the longest time while the fault was there: on the right one if there is any, else on one of its backends.
fn longest(trace: &Trace, truth: &Truth, said: &[Said]) -> Option<(Whom, Fault)> {
    let held = |said: &Said| said.to.min(truth.to) - said.from.max(truth.from);
    let verdicts = || said.iter().filter(|said| said.is_verdict && held(said) > 0.0);
    let total = |whom: Whom, fault: Fault| {
        verdicts().filter(|said| said.whom == whom && said.fault == fault).map(held).sum::<f64>()
    };
    let of = |is_about: &dyn Fn(Whom) -> bool| {
        let candidates = verdicts().filter(|said| is_about(said.whom)).map(|said| (said.whom, said.fault));
        candidates.max_by(|one, other| total(one.0, one.1).total_cmp(&total(other.0, other.1)))
    };
    of(&|whom| whom == truth.whom).or_else(|| of(&|whom| truth.backends.iter().any(|at| covers(trace, whom, *at))))
}

/// What was said of those who are not at fault.
fn mistakes(trace: &Trace, said: &[Said], culprit: impl Fn(usize, f64) -> bool) -> Vec<Said> {
    let count = trace.fleet.backends.len();
    let is_wrong = |said: &&Said| match said.whom {
        Whom::Service => {
            let guilty = (0..count).filter(|at| culprit(*at, said.from)).count();
            !trace.is_bad_as_a_whole && guilty * 3 < count
        }
        whom => {
            let mut about = (0..count).filter(|at| covers(trace, whom, *at));
            !about.all(|at| culprit(at, said.from))
        }
    };
    let mut mistakes: Vec<Said> = Vec::new();
    for said in said.iter().filter(is_wrong) {
        match mistakes.iter_mut().rev().find(|other| other.whom == said.whom && said.from - other.to < SAME) {
            Some(other) => other.to = other.to.max(said.to),
            None => mistakes.push(said.clone()),
        }
    }
    mistakes
}
