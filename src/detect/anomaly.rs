//! A backend that is not as it usually is.
//!
//! Algorithm: four features of a backend ([`features`]: latency, errors, processor, memory, on scales on which they are nearly normal) are
//! compared with what they usually are ([`baseline`]): the Mahalanobis distance (P. C. Mahalanobis, "On the generalised distance in
//! statistics", 1936) with a covariance that is learned robustly, shrunk so that it stays invertible, and turned into a distance of the same
//! probability in one dimension, so that a [`threshold`](Anomaly::threshold) of 2.5 means the same for one feature and for four, after 10 samples and
//! after 50. Only what is worse than usual counts.
//!
//! * A sample is [`ATTEMPTS`] attempts at least, or [`INTERVALS`] intervals: what few attempts show scatters more than the baseline knows.
//! * [`IN_A_ROW`] unusual samples are a vote: at 2.5, one of 80 healthy samples is unusual.
//! * What is unusual is learned at a tenth of the weight, and pulled in to the threshold: a fault of a minute changes the baseline little, and a new
//!   level is what is usual after some minutes. Backends that have just joined or are ejected are not learned from.
//! * When more than half of a backend's peers are unusual too, the vote is about the service.
//!
//! A single series of any values is judged with the same baseline: see [`series`].
//!

pub mod baseline;
pub mod features;
pub mod series;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::fault::{Detector, Fault, Subject, Vote};
use super::phrase;
use super::sample::Sample;
use super::settings::Anomaly;
use baseline::{Baseline, Unusual};
use features::{BACKEND, Features, Gathered, Kind};

/// How sure it is (mission, part 4).
const CONFIDENCE: f64 = 0.7;
/// How many attempts are a sample, or how many intervals if there are fewer attempts.
const ATTEMPTS: u64 = 10;
/// See [`ATTEMPTS`].
const INTERVALS: u8 = 3;
/// Unusual samples that are a vote: more than usual ones by so many.
const IN_A_ROW: u8 = 3;
/// A backend that has joined for less than this has cold caches, and is neither judged nor learned from.
const COLD: Duration = Duration::from_secs(10);

/// What is usual of the backends of a service, and what is not.
#[derive(Debug, Default)]
pub struct Monitor {
    states: Vec<State>,
}

/// What is known of one backend.
#[derive(Debug, Clone, Default)]
struct State {
    gathered: Gathered,
    baseline: Baseline,
    /// One more for each unusual sample, one less for each other one, up to twice [`IN_A_ROW`].
    unusual: u8,
    /// The latest sample was compared with the baseline.
    is_judged: bool,
    /// What was unusual last.
    last: Option<(Unusual, Features)>,
}

impl Monitor {
    /// Other backends: `places` says for each of them at which place it was before.
    pub fn update(&mut self, places: &[Option<usize>]) {
        let mut state = |place: &Option<usize>| Some(std::mem::take(self.states.get_mut((*place)?)?));
        self.states = places.iter().map(|place| state(place).unwrap_or_default()).collect();
    }

    /// What was unusual of this backend is forgiven; what is usual stays known.
    pub fn forgive(&mut self, at: usize) {
        if let Some(state) = self.states.get_mut(at) {
            (state.unusual, state.last, state.gathered) = (0, None, Gathered::default());
        }
    }

    /// Takes in what has happened during an interval, and says who is not as usual.
    pub fn observe(&mut self, settings: &Anomaly, samples: &[Sample], votes: &mut Vec<Vote>) {
        self.states.resize_with(samples.len(), State::default);
        for (state, sample) in self.states.iter_mut().zip(samples) {
            state.follow(settings, sample);
        }
        let judged = self.states.iter().filter(|state| state.is_judged).count();
        let unusual = self.states.iter().filter(|state| state.is_judged && state.unusual > 0).count();
        let mut shared = None;
        for (at, state) in self.states.iter().enumerate().filter(|(_, state)| state.unusual >= IN_A_ROW) {
            let Some((found, features)) = &state.last else { continue };
            let kind = Kind::ALL[found.feature];
            if unusual.saturating_sub(1) * 2 > judged.saturating_sub(1) {
                shared = shared.or(Some((kind, found.distance)));
                continue;
            }
            let reason = found.in_words(kind, features, settings.threshold);
            vote(Subject::Backend(at), kind.fault(), reason).cast(votes);
        }
        if let Some((kind, distance)) = shared {
            let distance = phrase::factor(distance);
            let reason = format!(
                "{unusual} of {judged} backends are not as usual, one of them by its {} (distance {distance})",
                kind.as_str()
            );
            vote(Subject::Service, kind.fault(), reason).cast(votes);
        }
    }
}

impl State {
    fn follow(&mut self, settings: &Anomaly, sample: &Sample) {
        if sample.is_ejected || sample.is_withdrawn || sample.joined < COLD {
            (self.gathered, self.is_judged) = (Gathered::default(), false);
            return;
        }
        self.gathered.add(sample);
        if self.gathered.attempts < ATTEMPTS && self.gathered.intervals < INTERVALS {
            return;
        }
        let features = std::mem::take(&mut self.gathered).features(sample);
        let found = self.baseline.compare(&features, &BACKEND, settings.window);
        self.baseline.learn(&features, found.as_ref().map(|found| found.distance), settings);
        self.is_judged = found.is_some();
        match found {
            Some(found) if found.distance > settings.threshold => {
                self.unusual = (self.unusual + 1).min(2 * IN_A_ROW);
                self.last = Some((found, features));
            }
            _ => self.unusual = self.unusual.saturating_sub(1),
        }
    }
}

impl Unusual {
    /// Such as "its latency is 52 ms, usual is 5.1 ms (distance 6.1, allowed are 2.5, learned from 50 samples)".
    fn in_words(&self, kind: Kind, features: &Features, threshold: f64) -> String {
        let (now, usual) = (features[self.feature].map_or(self.usual, |feature| feature.value), self.usual);
        format!(
            "its {} is {}, usual is {} (distance {}, allowed are {}, learned from {} samples)",
            kind.as_str(),
            kind.in_words(now),
            kind.in_words(usual),
            phrase::factor(self.distance),
            phrase::factor(threshold),
            self.samples
        )
    }
}

fn vote(subject: Subject, fault: Fault, reason: String) -> Vote {
    Vote { detector: Detector::Anomaly, subject, fault, confidence: CONFIDENCE, reason }
}
