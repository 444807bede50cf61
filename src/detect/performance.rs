//! Thresholds that an operator sets, and the trend of a backend.
//!
//! **Thresholds** (mission, part 4: latency 5 s, error rate 5 %, processor 80 %, memory 90 %): what exceeds them is a fault as soon as there is
//! evidence, and one sample is none.
//!
//! * Errors: over the last 1, 3, 10 or 30 intervals, failures so many that a true share at the threshold would bring them forth once in
//!   1,000 times ([`evidence`](super::statistics::evidence)), in at least [`ATTEMPTS`] attempts or [`INTERVALS`] intervals.
//! * Latency: the typical one (the mean of the logarithms) of the last ten answers or more, as a few very slow answers make an arithmetic mean, and
//!   no fault. Also when nothing is answered of ten attempts in three intervals, and what waits has waited for longer. (A backend that gets
//!   less work than it ends shows only its slowest answers: that is no evidence.)
//! * Processor and memory: the excess over the threshold adds up until it is [`EXCESS`] (a CUSUM, E. S. Page, "Continuous inspection schemes",
//!   1954): 99 % of the processors are too much after 3 s, 85 % after 10 s, and a peak never.
//!
//! What most backends of a service share is not one backend's fault: when more than half of a backend's peers exceed the threshold too, the vote is
//! about the service (for errors and latency: unless the backend's are more than twice theirs). **Trends** are relative to the peers too, see
//! `performance/trend.rs`.

mod errors;
mod history;
#[cfg(test)]
mod tests;
mod trend;

use std::time::Duration;

use super::fault::{Detector, Fault, Subject, Vote};
use super::phrase;
use super::sample::{AGE_STEP, AGES, Latencies, Sample};
use super::service::Performance;
use super::statistics::median_of_others;
use history::{History, Window};

/// How sure it is (mission, part 4).
const CONFIDENCE: f64 = 0.8;
/// Attempts that are enough to judge a single interval: below ten samples, nobody judges (mission, part 4).
const ATTEMPTS: f64 = 10.0;
/// Intervals that are enough to judge whatever the number of attempts.
const INTERVALS: u8 = 3;
/// The natural logarithm of 1,000.
const ONE_IN_1000: f64 = 6.9;
/// The sum of excesses over a threshold that is a fault, in shares times intervals.
const EXCESS: f64 = 0.5;
/// What was seen last is believed for so many intervals without traffic.
const STALE: u8 = 10;
/// How much worse than its peers a backend has to be when they are not well either.
const APART: f64 = 2.0;
/// A backend that has joined for less than this has cold caches: its latencies are no part of a trend.
const COLD: Duration = Duration::from_secs(10);

/// The performance of the backends of a service.
#[derive(Debug, Default)]
pub struct Monitor {
    states: Vec<State>,
}

/// What is known of one backend.
#[derive(Debug, Clone, Default)]
struct State {
    history: History,
    window: Window,
    /// Intervals since the last one with traffic.
    idle: u8,
    /// The logarithms of the latencies of the last ten answers or more, added up, and how many they are.
    logs: f32,
    answers: f32,
    /// Intervals in a row in which nothing was answered and what waits has waited for too long, and what was begun in them.
    silent: u8,
    unanswered: u32,
    /// Looks in a row at which it was degrading.
    degrading: u8,
    /// The excess of the processors' use, and of the memory's.
    cpu: f32,
    memory: f32,
    /// It was told of attempts that began. (Recorded samples tell of those that ended only.)
    knows_begun: bool,
}

/// What a backend shows of something that has a threshold.
struct Finding {
    /// As a share of the threshold.
    share: f64,
    /// Why it is sure that it exceeds the threshold.
    proven: Option<String>,
}

impl Monitor {
    /// Other backends: `places` says for each of them at which place it was before.
    pub fn update(&mut self, places: &[Option<usize>]) {
        let mut state = |place: &Option<usize>| Some(std::mem::take(self.states.get_mut((*place)?)?));
        self.states = places.iter().map(|place| state(place).unwrap_or_default()).collect();
    }

    /// Forgets the recent intervals of a backend, which was readmitted.
    pub fn forgive(&mut self, at: usize) {
        if let Some(state) = self.states.get_mut(at) {
            state.history.forget_recent();
            (state.window, state.answers, state.logs) = (Window::default(), 0.0, 0.0);
            (state.silent, state.degrading) = (0, 0);
        }
    }

    /// Takes in what has happened during an interval, and says what is too much.
    pub fn observe(&mut self, settings: &Performance, samples: &[Sample], votes: &mut Vec<Vote>) {
        self.states.resize_with(samples.len(), State::default);
        for (state, sample) in self.states.iter_mut().zip(samples) {
            state.follow(settings, sample);
        }
        let mut accused = vec![false; samples.len()];
        errors::find(&self.states, settings, &mut accused, votes);
        let findings = |finding: &dyn Fn(&State, &Sample) -> Option<Finding>| {
            self.states.iter().zip(samples).map(|(state, sample)| finding(state, sample)).collect::<Vec<_>>()
        };
        let slow = findings(&|state, sample| state.latency(settings, sample));
        accuse(Fault::HighLatency, APART, &slow, &mut accused, votes);
        let silent = findings(&|state, sample| state.silence(settings, sample));
        accuse(Fault::Unresponsive, 1.0, &silent, &mut accused, votes);
        // whoever is over one of these thresholds is judged by it, and not by its way there
        let judged = accused.clone();
        let cpu = findings(&|state, sample| excess("processors", sample.cpu?, settings.cpu, state.cpu));
        accuse(Fault::ResourceExhaustion, 1.0, &cpu, &mut accused, votes);
        let memory = findings(&|state, sample| excess("memory", sample.memory?, settings.memory, state.memory));
        accuse(Fault::ResourceExhaustion, 1.0, &memory, &mut accused, votes);
        trend::find(&mut self.states, settings, samples, &judged, votes);
    }
}

impl State {
    fn follow(&mut self, settings: &Performance, sample: &Sample) {
        self.knows_begun |= sample.begun > 0;
        let traffic = sample.attempts() > 0;
        self.idle = if traffic { 0 } else { self.idle.saturating_add(1) };
        if traffic {
            let tells = self.tells(sample);
            self.history.push(sample, tells && sample.joined >= COLD);
            if tells {
                self.add_latencies(&sample.latencies);
            }
        }
        self.window.push(sample);
        let silent = !traffic && waits_for_too_long(settings, sample) > 2;
        self.silent = if silent { self.silent.saturating_add(1) } else { 0 };
        let begun = u32::try_from(sample.begun).unwrap_or(u32::MAX);
        self.unanswered = if traffic { 0 } else { self.unanswered.saturating_add(begun) };
        let add = |sum: f32, share: Option<f64>, threshold: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "a share")]
            let more = share.map_or(f32::NEG_INFINITY, |share| (share - threshold) as f32);
            // twice the limit at most, so that it is soon over when it is over
            (sum + more).clamp(0.0, 2.0 * EXCESS as f32)
        };
        self.cpu = add(self.cpu, sample.cpu, settings.cpu);
        self.memory = add(self.memory, sample.memory, settings.memory);
    }

    /// Adds the latencies of an interval; those before count as ten answers at most.
    fn add_latencies(&mut self, latencies: &Latencies) {
        let keep = (ATTEMPTS as f32 / self.answers.max(1.0)).min(1.0);
        self.logs = self.logs * keep + latencies.logs as f32;
        self.answers = self.answers * keep + latencies.count as f32;
    }

    /// What was seen last is not too long ago to judge by it.
    fn is_busy(&self) -> bool {
        self.idle < STALE
    }

    /// Whether the answers that ended are those of what was begun, and not what is left of work that it gets no more of: the slowest are.
    fn tells(&self, sample: &Sample) -> bool {
        !sample.is_ejected && (!self.knows_begun || sample.attempts() <= 2 * sample.begun + 5)
    }

    fn latency(&self, settings: &Performance, sample: &Sample) -> Option<Finding> {
        if !self.tells(sample) {
            return None;
        }
        sample.latencies.mean()?;
        let typical = f64::from(self.logs / self.answers.max(1.0));
        let share = typical.exp2() / 1e6 / settings.latency.as_secs_f64().max(1e-9);
        let is_proven = share > 1.0 && f64::from(self.answers) >= ATTEMPTS;
        let (took, limit) = (phrase::log_time(typical), phrase::time(settings.latency));
        let proven =
            is_proven.then(|| format!("the last {:.0} answers took about {took}, allowed are {limit}", self.answers));
        Some(Finding { share, proven })
    }

    fn silence(&self, settings: &Performance, sample: &Sample) -> Option<Finding> {
        let (waiting, intervals) = (waits_for_too_long(settings, sample), self.silent);
        if intervals == 0 && sample.attempts() == 0 {
            return None;
        }
        let oldest = phrase::time(sample.waiting.oldest);
        let reason = || {
            format!("nothing was answered in {intervals} intervals, {waiting} requests wait, the oldest for {oldest}")
        };
        let share = if intervals > 0 { 1.5 } else { 0.0 };
        let is_proven = intervals >= INTERVALS && (!self.knows_begun || f64::from(self.unanswered) >= ATTEMPTS);
        Some(Finding { share, proven: is_proven.then(reason) })
    }
}

/// How many attempts have waited for longer than allowed (or for as long as their ages are known), if the oldest has.
fn waits_for_too_long(settings: &Performance, sample: &Sample) -> u32 {
    let known = AGE_STEP * u32::try_from(AGES - 1).unwrap_or(0);
    if sample.waiting.oldest > settings.latency { sample.waiting.at_least(settings.latency.min(known)) } else { 0 }
}

fn excess(what: &str, share: f64, limit: f64, excess: f32) -> Option<Finding> {
    let is_proven = share > limit && f64::from(excess) >= EXCESS;
    let reason = || format!("{} of its {what} are in use, allowed are {}", phrase::share(share), phrase::share(limit));
    Some(Finding { share: share / limit.max(1e-9), proven: is_proven.then(reason) })
}

/// Votes for the backends that are proven to exceed a threshold and are so many times worse than their peers, and for the service in place of those
/// whose peers exceed it too.
fn accuse(fault: Fault, apart: f64, findings: &[Option<Finding>], accused: &mut [bool], votes: &mut Vec<Vote>) {
    let mut sorted: Vec<f64> = findings.iter().flatten().map(|finding| finding.share).collect();
    sorted.sort_by(f64::total_cmp);
    let mut shared = None;
    for (at, finding) in findings.iter().enumerate() {
        let Some(Finding { share, proven: Some(reason) }) = finding else { continue };
        accused[at] = true;
        let peers = median_of_others(&sorted, *share).unwrap_or(0.0);
        if *share > peers * if peers > 1.0 { apart.max(APART) } else { apart } {
            vote(Subject::Backend(at), fault, reason.clone()).cast(votes);
        } else if peers > 1.0 {
            shared = Some(reason);
        }
    }
    if let Some(reason) = shared {
        let exceed = sorted.iter().filter(|share| **share > 1.0).count();
        let reason = format!("{exceed} of {} backends exceed the threshold, at one of them {reason}", sorted.len());
        vote(Subject::Service, fault, reason).cast(votes);
    }
}

fn vote(subject: Subject, fault: Fault, reason: String) -> Vote {
    Vote { detector: Detector::Performance, subject, fault, confidence: CONFIDENCE, reason }
}
