//! The detectors that look once an interval, at what the samples of the interval come to.

use std::time::Duration;

use super::fault::{Detector, Subject, Vote};
use super::guard::Guard;
use super::sample::Sample;
use super::settings::{Backend, Dependency, Settings};
use super::{anomaly, dependency, heartbeat, performance, reachability};

/// The detectors, what they have seen of the interval, and what they said at the end of the one before.
#[derive(Debug, Default)]
pub(super) struct Panel {
    anomaly: anomaly::Monitor,
    performance: performance::Monitor,
    reachability: reachability::Monitor,
    /// What the samples of this interval come to, and how long it has lasted.
    sums: Vec<Sample>,
    lasted: Duration,
    votes: Vec<Vote>,
}

/// What there is to look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) settings: &'a Settings,
    pub(super) backends: &'a [Backend],
    pub(super) dependencies: &'a [Dependency],
    pub(super) now: Duration,
}

impl Panel {
    /// Adds samples to those of this interval. True = the interval is over.
    pub(super) fn add(&mut self, samples: &[Sample], lasted: Duration, interval: Duration) -> bool {
        match self.lasted.is_zero() || self.sums.len() != samples.len() {
            true => samples.clone_into(&mut self.sums),
            false => self.sums.iter_mut().zip(samples).for_each(|(sum, sample)| sum.follow(sample)),
        }
        self.lasted += lasted;
        self.lasted >= interval
    }

    /// Lets time pass where none of these detectors is wanted: no samples are kept. True = the interval is over.
    pub(super) fn pass(&mut self, lasted: Duration, interval: Duration) -> bool {
        self.lasted += lasted;
        let is_over = self.lasted >= interval;
        if is_over {
            self.lasted = Duration::ZERO;
        }
        is_over
    }

    /// Has each detector look at the interval that is over. Returns those that are left out from now on.
    pub(super) fn look(&mut self, guard: &mut Guard, view: &View<'_>) -> Vec<(Detector, String)> {
        let mut left_out = Vec::new();
        let (mut votes, samples) = (std::mem::take(&mut self.votes), &self.sums);
        votes.clear();
        let View { settings, backends, .. } = *view;
        for detector in Detector::ALL {
            if settings.off.contains(&detector) {
                continue;
            }
            let mut own = Vec::new();
            let told = guard.call(detector, samples.len(), || match detector {
                Detector::Heartbeat => heartbeat::observe(&settings.heartbeat, samples, &mut own),
                Detector::Performance => self.performance.observe(&settings.performance, samples, &mut own),
                Detector::Dependency => dependency::observe(view.dependencies, &mut own),
                Detector::Reachability => self.reachability.observe(view.now, backends, samples, &mut own),
                Detector::Anomaly => self.anomaly.observe(&settings.anomaly, samples, &mut own),
                Detector::Peers => {}
            });
            match told {
                Some(told) => left_out.push(told),
                None => votes.extend(own.into_iter().filter(|vote| !is_symptom(vote, view.dependencies))),
            }
        }
        self.votes = votes;
        self.lasted = Duration::ZERO;
        left_out
    }

    /// What the detectors said when they looked last.
    pub(super) fn votes(&self) -> &[Vote] {
        &self.votes
    }

    /// The backend at this place was readmitted.
    pub(super) fn forgive(&mut self, at: usize) {
        self.performance.forgive(at);
        self.anomaly.forgive(at);
    }

    /// The backends have new places, at which each of them was at this place before; `None` = it is new.
    pub(super) fn reorder(&mut self, places: &[Option<usize>]) {
        self.performance.update(places);
        self.anomaly.update(places);
        self.reachability.update(places);
        let sum = |place: &Option<usize>| place.and_then(|at| self.sums.get(at).cloned()).unwrap_or_default();
        self.sums = places.iter().map(sum).collect();
        self.votes.clear();
    }
}

/// While something that the service depends on does not answer, what all of its backends show is a consequence of that.
fn is_symptom(vote: &Vote, dependencies: &[Dependency]) -> bool {
    let is_cause = matches!(vote.detector, Detector::Dependency | Detector::Heartbeat);
    vote.subject == Subject::Service && !is_cause && dependencies.iter().any(|dependency| dependency.failed > 0)
}
