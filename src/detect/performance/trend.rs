//! Whether a backend degrades: its recent ten intervals with traffic against those before, relative to what its peers do.
//!
//! Latency: the recent ten are more than 1.5 times as slow as the (up to 90) before, by their medians and by their means, beyond the change that the
//! backend's peers show at the same time (the median of their changes: a load step and a shared database make all slow, and are no backend's fault),
//! and by more than [`SIGMAS`] standard errors of the difference of two means (B. L. Welch, 1938; the variance is that of the means of the
//! intervals by their numbers of attempts, so that few attempts, and latencies of two kinds, accuse nobody by chance).
//!
//! Errors: the share of the recent ten is proven to be more than twice the share of those before and more than twice that of the peers, once in
//! 100,000 times by chance.
//!
//! A backend that degrades runs out of something (mission, part 4: resource exhaustion). One that has become worse at once has not run out of
//! anything, and one that reports that it has processors and memory left has not either: they are named by what they show.

use super::super::fault::{Fault, Subject, Vote};
use super::super::phrase;
use super::super::sample::Sample;
use super::super::service::Performance;
use super::super::statistics::{evidence, median, median_of_others};
use super::history::{RECENT, Sum};
use super::{State, vote};

/// How many intervals before the recent ones are a past to compare with.
const PAST: usize = 20;
/// The logarithm (base 2) of 1.5.
const SLOWER: f64 = 0.585;
/// How many standard errors are no chance. It is asked each second of each backend: 4.5 of them happen once in 300,000 times, and the recent ten
/// are few.
const SIGMAS: f64 = 5.0;
/// At so many looks in a row a backend is slower before it degrades: a cold start and a burst are over by then.
const LOOKS: u8 = 4;
/// The least scatter of an interval's mean logarithm that is assumed, whatever its attempts: 5 %.
const SCATTER: f64 = 0.07;
/// How many recent attempts are enough for a mean.
const ATTEMPTS: f64 = 30.0;
/// Near the threshold of its processors or memory, a backend is short of them.
const SHORT: f64 = 0.8;
/// The natural logarithm of 100,000.
const ONE_IN_100_000: f64 = 11.5;
/// A trend of errors begins to matter at this share of the threshold.
const MATTERS: f64 = 0.2;

/// How the latency of a backend has changed.
#[derive(Clone, Copy)]
struct Change {
    before: f64,
    now: f64,
    /// The difference of the means, in their standard errors; known only when the medians differ much.
    sigmas: f64,
    /// It came step by step.
    is_gradual: bool,
}

/// Votes for the backends that degrade. Whoever is `accused` already is left out.
pub(super) fn find(
    states: &mut [State],
    settings: &Performance,
    samples: &[Sample],
    accused: &[bool],
    votes: &mut Vec<Vote>,
) {
    let (mut recent, mut rest, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
    let mut change = |state: &State| {
        state.history.latencies(&mut recent, &mut rest);
        state.is_busy().then(|| Change::of(&recent, &rest, &mut scratch)).flatten()
    };
    let changes: Vec<Option<Change>> = states.iter().map(&mut change).collect();
    let mut sorted: Vec<f64> = changes.iter().flatten().map(Change::by).collect();
    sorted.sort_by(f64::total_cmp);
    for (at, change) in changes.iter().enumerate().filter(|(at, _)| !accused[*at]) {
        let Some(change) = change else { continue };
        let peers = median_of_others(&sorted, change.by());
        let own = change.by() - peers.unwrap_or(0.0).max(0.0);
        // of the difference, what its peers show too proves nothing
        let is_slower = own > SLOWER && change.sigmas * own / change.by() > SIGMAS;
        let looks = &mut states[at].degrading;
        *looks = if is_slower { looks.saturating_add(1) } else { 0 };
        if *looks >= LOOKS {
            let fault = name(&samples[at], settings, change.is_gradual, Fault::HighLatency);
            vote(Subject::Backend(at), fault, change.in_words(peers)).cast(votes);
        }
    }
    errors(states, settings, samples, accused, votes);
}

/// Resource exhaustion where the backend's reports show it, or do not tell and it came step by step; otherwise what it shows.
fn name(sample: &Sample, settings: &Performance, is_gradual: bool, shows: Fault) -> Fault {
    let is_short = |share: Option<f64>, limit: f64| share.map(|share| share > SHORT * limit);
    let reports = [is_short(sample.cpu, settings.cpu), is_short(sample.memory, settings.memory)];
    let is_short = reports.into_iter().flatten().reduce(|one, other| one || other).unwrap_or(is_gradual);
    if is_short { Fault::ResourceExhaustion } else { shows }
}

fn errors(states: &[State], settings: &Performance, samples: &[Sample], accused: &[bool], votes: &mut Vec<Vote>) {
    let recent: Vec<Option<Sum>> = states.iter().map(|state| state.is_busy().then(|| state.history.recent())).collect();
    let mut sorted: Vec<f64> = recent.iter().flatten().filter_map(Sum::rate).collect();
    sorted.sort_by(f64::total_cmp);
    for (at, sum) in recent.iter().enumerate().filter(|(at, _)| !accused[*at]) {
        let Some((sum, rate)) = sum.as_ref().and_then(|sum| Some((sum, sum.rate()?))) else { continue };
        let before = states[at].history.rest();
        if usize::from(before.intervals) < PAST || rate < settings.error_rate * MATTERS {
            continue;
        }
        // one failure more than there were: no failure yet is not the proof that there never will be one
        let past = (before.failures + 1.0) / (before.attempts + 1.0);
        let peers = median_of_others(&sorted, rate);
        if evidence(sum.failures, sum.attempts, 2.0 * past.max(peers.unwrap_or(0.0))) > ONE_IN_100_000 {
            let past = phrase::share(before.rate().unwrap_or(0.0));
            let beside = peers.map(|peers| format!(", and of its peers {}", phrase::share(peers))).unwrap_or_default();
            let reason = format!("it degrades: {}, before that {past}{beside}", sum.in_words());
            // what fails often fails at once: only reports can show that it is short of something
            let fault = name(&samples[at], settings, false, Fault::HighErrorRate);
            vote(Subject::Backend(at), fault, reason).cast(votes);
        }
    }
}

impl Change {
    fn of(recent: &[(f64, f64)], rest: &[(f64, f64)], scratch: &mut Vec<f64>) -> Option<Self> {
        if recent.len() < RECENT || rest.len() < PAST {
            return None;
        }
        let mut middle = |intervals: &[(f64, f64)]| {
            scratch.clear();
            scratch.extend(intervals.iter().map(|(log, _)| *log));
            median(scratch)
        };
        let (before, now) = (middle(rest)?, middle(recent)?);
        let mut change = Self { before, now, sigmas: 0.0, is_gradual: false };
        if now - before > SLOWER {
            change.sigmas = sigmas(recent, rest);
            // what came at once is at the new level, or still at the old one, in the middle of the time just before
            let just_before = (middle(&rest[..RECENT])? - before) / (now - before);
            change.is_gradual = (0.2..0.8).contains(&just_before);
        }
        Some(change)
    }

    fn by(&self) -> f64 {
        self.now - self.before
    }

    fn in_words(&self, peers: Option<f64>) -> String {
        let (now, before) = (phrase::log_time(self.now), phrase::log_time(self.before));
        let mut reason = format!(
            "it degrades: its answers take {now}, {} x the {before} of before",
            phrase::factor(self.by().exp2())
        );
        if let Some(peers) = peers {
            reason += &format!("; those of its peers {} x", phrase::factor(peers.exp2()));
        }
        reason
    }
}

/// The difference of the means in its standard errors; 0 if it is less than the medians' has to be, or there are too few attempts.
fn sigmas(recent: &[(f64, f64)], rest: &[(f64, f64)]) -> f64 {
    let weight = |intervals: &[(f64, f64)]| intervals.iter().map(|(_, attempts)| attempts).sum::<f64>();
    let mean = |intervals: &[(f64, f64)]| intervals.iter().map(|(log, n)| log * n).sum::<f64>() / weight(intervals);
    let (now, before) = (mean(recent), mean(rest));
    if weight(recent) < ATTEMPTS || now - before < SLOWER {
        return 0.0;
    }
    // by its number of attempts, each interval's mean tells of the variance of a single one
    let squares =
        |intervals: &[(f64, f64)], mean: f64| intervals.iter().map(|(log, n)| n * (log - mean).powi(2)).sum::<f64>();
    let intervals = (recent.len() + rest.len() - 2) as f64;
    let variance = (squares(recent, now) + squares(rest, before)) / intervals;
    let least = SCATTER * SCATTER * (1.0 / recent.len() as f64 + 1.0 / rest.len() as f64);
    (now - before) / (variance * (1.0 / weight(recent) + 1.0 / weight(rest))).max(least).sqrt()
}
