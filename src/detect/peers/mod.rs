//! A backend against its peers at the same moment: hung or dead, slower than they are, or failing more often.
//!
//! What all backends of a service have in common (more load, a slow database, a shared fault) moves their median with them, so nobody stands
//! out. What is left is a backend's own, and is judged by evidence that adds up over rounds of samples (a CUSUM of log-likelihood
//! ratios): each round adds how much likelier its samples are if the backend is twice as slow, or fails by 8 % more often, than if it is
//! like its peers. Much traffic and a large fault come to a decision within a second, little traffic or a small fault within many.
//!
//! * [`evidence`]: the CUSUM
//! * [`habit`]: what a backend always shows
//! * [`robust`]: medians, and means without one of their members
//! * [`patience`]: how long an attempt may wait
//! * [`round`]: what a backend has shown
//! * [`backend`]: what is known of it, and how a round changes that
//! * [`accuse`]: what that means, in words

mod accuse;
mod backend;
pub(in crate::detect) mod evidence;
mod habit;
mod patience;
mod robust;
mod round;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::accuse::accuse;
use self::backend::Backend;
use self::evidence::Cusum;
use self::patience::Patience;
use self::robust::{Mean, Population};
use super::fault::Vote;
use super::sample::Sample;

/// A round ends when half of the backends have this many attempts,
const ROUND_ATTEMPTS: f64 = 4.0;
/// or after this time.
const ROUND_LASTS: Duration = Duration::from_secs(10);

/// Blocks of rounds from which it is known how much they differ.
const BLOCKS: f64 = 100.0;
/// How much answers are thought to differ before there are any (the variance of times of which a third are within a factor of two of the median), and of how many answers that would be.
const UNKNOWN: (f64, f64) = (1.0, 20.0);
/// The highest suspicion of a backend that is not accused. A good one loses no more than half of its work.
const UNPROVEN: f64 = 0.74;
/// Answers from which it is known how much answers differ.
const WITHIN: f64 = 1000.0;
/// Of the attempts that are not seen, so many are late, of so many: a share of few attempts proves little.
const UNSEEN: (f64, f64) = (1.0, 25.0);
/// Where this share of the failures of all would be a backend's own, it is: the others may be at fault as well.
const OF_ALL: f64 = 0.6;
/// With so few backends every share counts in full.
const FEW: usize = 4;

/// Bytes that are kept for each backend.
#[cfg(test)]
pub(super) const STATE: usize = size_of::<Backend>() + size_of::<Option<Box<Vote>>>() + 8 * size_of::<f64>();

/// What is known of the backends of one service.
#[derive(Debug)]
pub struct Peers {
    backends: Vec<Backend>,
    /// Boxed, as nearly all are `None`.
    accusations: Vec<Option<Box<Vote>>>,
    /// How long the round has lasted.
    lasted: Duration,
    /// How much a backend's answers differ among themselves: the variance of their logarithms.
    within: f64,
    /// Of how many answers that is.
    answers: f64,
    /// By how much rounds differ more than that explains, as a multiple of the variance.
    dispersion: f64,
    patience: Patience,
    latencies: Population,
    failing: Population,
    failing_now: Population,
    late: Population,
}

impl Default for Peers {
    fn default() -> Self {
        let (within, answers) = UNKNOWN;
        Self {
            backends: Vec::new(),
            accusations: Vec::new(),
            lasted: Duration::ZERO,
            within,
            answers,
            dispersion: 1.0,
            patience: Patience::default(),
            latencies: Population::default(),
            failing: Population::default(),
            failing_now: Population::default(),
            late: Population::default(),
        }
    }
}

impl Peers {
    /// Takes in samples that cover the last `lasted`, one for each backend by its place.
    pub fn observe(&mut self, samples: &[Sample], lasted: Duration) {
        if samples.len() != self.backends.len() {
            self.backends.resize_with(samples.len(), Backend::default);
            self.accusations.resize_with(samples.len(), || None);
        }
        self.patience.advance(lasted);
        self.lasted += lasted;
        for (backend, sample) in self.backends.iter_mut().zip(samples) {
            backend.add(sample, &mut self.patience, lasted);
        }
        self.choose_references();
        self.compare_now(samples, lasted);
        let ends = self.ends_round();
        if ends {
            self.compare_round();
            self.backends.iter_mut().for_each(Backend::end_round);
            self.lasted = Duration::ZERO;
        }
        for at in 0..self.backends.len() {
            let backend = &self.backends[at];
            let is_accused = backend.takes_part && (backend.suspicion() >= 1.0 || backend.after_all.is_some());
            self.accusations[at] = if is_accused { accuse(&self.backends, at).map(Box::new) } else { None };
        }
    }

    /// What speaks against the backend at this place: at 1 it is accused.
    pub fn suspicion(&self, at: usize) -> f64 {
        let share = self.backends.get(at).map_or(0.0, Backend::suspicion).clamp(0.0, 1.0);
        if self.accusation(at).is_some() { 1.0 } else { share.min(UNPROVEN) }
    }

    /// Whether the backend at this place seems to hang, so that what waits for it may try another one.
    pub fn seems_to_hang(&self, at: usize) -> bool {
        self.backends.get(at).is_some_and(Backend::seems_to_hang)
    }

    /// What the backend at this place is accused of; `None` = of nothing.
    pub fn accusation(&self, at: usize) -> Option<&Vote> {
        self.accusations.get(at)?.as_deref()
    }

    /// All accusations.
    pub fn votes(&self) -> impl Iterator<Item = &Vote> {
        self.accusations.iter().flatten().map(|vote| &**vote)
    }

    /// Forgets what speaks against a backend: it was ejected, or readmitted.
    pub fn forgive(&mut self, at: usize) {
        if let Some(backend) = self.backends.get_mut(at) {
            backend.forgive();
            self.accusations[at] = None;
        }
    }

    /// What is known goes on with the backends in their new order, in which each of them was at this place before; `None` = it is new.
    pub fn reorder(&mut self, places: &[Option<usize>]) {
        let known = |place: &Option<usize>| place.and_then(|at| self.backends.get(at).cloned()).unwrap_or_default();
        self.backends = places.iter().map(known).collect();
        self.accusations = (0..places.len()).map(|at| accuse(&self.backends, at).map(Box::new)).collect();
    }

    /// Others are compared with backends that are not ejected and have their full load, where most have.
    fn choose_references(&mut self) {
        let late = self.patience.late;
        let candidates = self.backends.iter().filter(|backend| backend.may_be_reference());
        let (all, full) =
            candidates.fold((0, 0), |(all, full), backend| (all + 1, full + usize::from(backend.has_full_load(late))));
        let only_full = full * 2 >= all;
        for backend in &mut self.backends {
            backend.is_reference = backend.may_be_reference() && (!only_full || backend.has_full_load(late));
        }
    }

    /// Compares what can be told from each sample by itself: who is silent, and who fails everything.
    fn compare_now(&mut self, samples: &[Sample], lasted: Duration) {
        let (round, recent) = self.means();
        let waiting = self.waiting();
        let company = self.company(|backend| &backend.dead);
        for (at, sample) in samples.iter().enumerate() {
            let backend = &self.backends[at];
            if !backend.takes_part {
                continue;
            }
            let is_among = backend.is_living_reference();
            let of_others = |mean: &Mean, own: Option<f64>| mean.without(own.filter(|_| is_among));
            let others_answer = backend.stuck > 0.0 && self.others_answer(at);
            let own = if is_among { backend.waiting() } else { (0.0, 0.0) };
            let late = (waiting.0 - own.0 + UNSEEN.0) / (waiting.1 - own.1 + UNSEEN.1);
            let backend = &mut self.backends[at];
            backend.hung = 0.0;
            if others_answer && sample.answers == 0 {
                backend.compare_silence(&self.patience, late);
            }
            if sample.failures.total() > 0 || backend.dead.share() > 0.0 {
                let (in_round, lately) = (backend.round.failing(), backend.recent.failing());
                let peers = of_others(&round, in_round).max(of_others(&recent, lately));
                backend.compare_deaths(sample, peers, company.of(&backend.dead), lasted);
            }
        }
    }

    /// At least as many of the others have answered since the attempts were begun that this one has not answered, as have not. Where this
    /// one has stalled, those that have answered in the same sample as this one, and let nothing wait since, are among them.
    fn others_answer(&self, at: usize) -> bool {
        let Backend { silent, has_stalled, .. } = self.backends[at];
        let others = self.backends.iter().enumerate().filter(|(place, backend)| *place != at && backend.is_reference);
        let (stuck, answer) = others.fold((0, 0), |(stuck, answer), (_, backend)| match backend.stuck > 0.0 {
            true => (stuck + 1, answer),
            false => (stuck, answer + usize::from(backend.silent < silent || has_stalled && backend.silent == silent)),
        });
        answer > 0 && answer >= stuck
    }

    /// The mean over the backends of the share of attempts that fail, in this round and of late.
    fn means(&self) -> (Mean, Mean) {
        let (mut round, mut recent) = <(Mean, Mean)>::default();
        // a dead one is a case of its own; what all have shows in those that live
        for backend in self.backends.iter().filter(|backend| backend.is_living_reference()) {
            round.add(backend.round.failing());
            recent.add(backend.recent.failing());
        }
        (round, recent)
    }

    /// The attempts at all backends that are late now, and all that wait or ended of late.
    fn waiting(&self) -> (f64, f64) {
        let living = self.backends.iter().filter(|backend| backend.is_living_reference());
        living.map(Backend::waiting).fold((0.0, 0.0), |sum, own| (sum.0 + own.0, sum.1 + own.1))
    }

    /// How many backends there is some evidence against, of one kind.
    fn company(&self, of: fn(&Backend) -> &Cusum) -> Company {
        Company(self.backends.iter().filter(|backend| backend.is_reference && of(backend).grows()).count())
    }

    /// Half of the backends have shown enough, or the round has lasted for long.
    fn ends_round(&self) -> bool {
        let references = self.backends.iter().filter(|backend| backend.is_reference);
        let (all, enough) = references.fold((0, 0), |(all, enough), backend| {
            (all + 1, enough + usize::from(backend.round.attempts() >= ROUND_ATTEMPTS))
        });
        (all > 0 && enough * 2 >= all) || self.lasted >= ROUND_LASTS
    }

    /// Adds what the round says of each backend.
    fn compare_round(&mut self) {
        let seconds = self.lasted.as_secs_f64();
        self.learn_within();
        let takes = self.patience.late;
        for backend in &mut self.backends {
            backend.recent.follow(&backend.round, seconds);
            backend.flow.follow(&backend.round, seconds, takes);
        }
        let references = || self.backends.iter().filter(|backend| backend.is_reference);
        self.latencies.set(references().filter_map(|backend| backend.round.mean()));
        self.failing.set(references().filter_map(|backend| backend.recent.failing()));
        self.failing_now.set(references().filter_map(|backend| backend.round.failing()));
        self.late.set(references().filter_map(|backend| backend.recent.late()));
        let (now, _) = self.means();
        let of_all = if self.failing.len() <= FEW { 1.0 } else { OF_ALL };
        let slow = self.company(|backend| &backend.slow);
        let fail = self.company(|backend| &backend.failing);
        let wait = self.company(|backend| &backend.late);
        for backend in self.backends.iter_mut().filter(|backend| backend.takes_part) {
            let own = |own: Option<f64>| own.filter(|_| backend.is_reference);
            if let Some(medians) = self.latencies.medians_without(own(backend.round.mean())) {
                let (deviation, within) = (self.latencies.deviation, self.within);
                let count = self.latencies.len() - usize::from(backend.is_reference);
                let dispersion = self.dispersion.max(1.0);
                let peers = backend::Peers { medians, count, deviation, within, dispersion };
                if let Some(shown) = backend.compare_latency(&peers, slow.of(&backend.slow), seconds) {
                    self.dispersion += (shown - self.dispersion) / BLOCKS;
                }
            }
            let own = |own: Option<f64>| own.filter(|_| backend.is_reference);
            let failing = self.failing.medians_without(own(backend.recent.failing()));
            // what all have begun to have shows in this round first
            let in_this = backend.round.failing().filter(|_| backend.is_living_reference());
            let among_now = self.failing_now.medians_without(own(backend.round.failing())).unwrap_or_default();
            let failing = failing.map(|(lower, _)| lower.max(among_now.0).max(of_all * now.without(in_this)));
            let late = self.late.medians_without(own(backend.recent.late())).map(|(_, upper)| upper);
            if let Some(peers) = failing {
                backend.compare_failures(peers, fail.of(&backend.failing), seconds);
            }
            if let Some(peers) = late {
                backend.compare_lateness(peers, wait.of(&backend.late), seconds);
            }
        }
    }

    /// How much answers of one backend differ: the pooled variance of those that are well, of about the last thousand answers. A single answer
    /// differs from the backend's usual one.
    fn learn_within(&mut self) {
        let well = self.backends.iter().filter(|backend| backend.is_reference && backend.is_well());
        let (squares, freedom) =
            well.filter_map(Backend::squares).fold((0.0, 0.0), |sum, own| (sum.0 + own.0, sum.1 + own.1));
        if freedom > 0.0 {
            self.answers = (self.answers + freedom).min(WITHIN);
            self.within += (freedom / self.answers).min(1.0) * (squares / freedom - self.within);
        }
    }
}

/// How many backends there is some evidence against.
#[derive(Debug, Clone, Copy)]
struct Company(usize);

impl Company {
    /// There is some against others than the one with this evidence.
    fn of(self, own: &Cusum) -> bool {
        self.0 > usize::from(own.grows())
    }
}
