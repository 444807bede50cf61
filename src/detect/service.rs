//! The detection of one service: its samples go to every detector, and what they say becomes verdicts.

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::composite::{Composite, Look, Outcome, Subjects};
use super::fault::{Detector, Subject, Verdict, Vote};
pub use super::guard::Clock;
use super::guard::Guard;
use super::panel::{Panel, View};
use super::peers::Peers;
use super::sample::Sample;
pub use super::settings::{Anomaly, Backend, Dependency, Heartbeat, Performance, Settings};

/// What is known at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Now, since any fixed moment; it never goes back.
    pub now: Duration,
    /// How long ago the input before was.
    pub lasted: Duration,
    /// One for each backend, in the order of the backends.
    pub samples: &'a [Sample],
    /// What the service depends on.
    pub dependencies: &'a [Dependency],
}

/// What has come of an input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Verdicts that were raised, or whose fault is another one now.
    pub raised: Vec<Verdict>,
    /// Verdicts that hold no more.
    pub cleared: Vec<Verdict>,
    /// Detectors that panicked or took too long, and are left out from now on, with why.
    pub left_out: Vec<(Detector, String)>,
}

/// The detection of one service.
#[derive(Debug)]
pub struct Detection {
    settings: Settings,
    backends: Vec<Backend>,
    /// By place: it is ejected, so that nothing is seen of it.
    ejected: Vec<bool>,
    peers: Peers,
    panel: Panel,
    composite: Composite,
    guard: Guard,
    /// The votes that are counted, kept for their room.
    votes: Vec<Vote>,
    /// Something that the service depends on does not answer.
    lacks_dependency: bool,
}

impl Detection {
    /// Nothing is known yet.
    pub fn new(settings: Settings, backends: Vec<Backend>) -> Self {
        let ejected = vec![false; backends.len()];
        Self {
            settings,
            backends,
            ejected,
            peers: Peers::default(),
            panel: Panel::default(),
            composite: Composite::default(),
            guard: Guard::default(),
            votes: Vec::new(),
            lacks_dependency: false,
        }
    }

    /// Takes the time of each detector by this clock, so that one that takes too long can be left out.
    pub fn set_clock(&mut self, clock: Clock) {
        self.guard.set_clock(clock);
    }

    /// Other settings, or other backends: `places` says for each of the new backends at which place it was before (`None` = it is new).
    /// What is known of those that stay is kept. The verdicts on
    /// those that are gone are given back, by the places that they had.
    pub fn update(&mut self, settings: Settings, backends: Vec<Backend>, places: &[Option<usize>]) -> Vec<Verdict> {
        self.peers.reorder(places);
        self.panel.reorder(places);
        self.ejected = vec![false; backends.len()];
        (self.settings, self.backends) = (settings, backends);
        self.composite.reorder(places)
    }

    /// Takes in what is known now. To be called about every 100 ms; detectors other than `peers` look once an interval.
    pub fn observe(&mut self, input: &Input<'_>) -> Changes {
        let mut changes = Changes::default();
        self.ejected.clear();
        self.ejected.extend(input.samples.iter().map(|sample| sample.is_ejected));
        self.lacks_dependency = input.dependencies.iter().any(|dependency| dependency.failed > 0);
        if !self.is_off(Detector::Peers) {
            let compare = || self.peers.observe(input.samples, input.lasted);
            changes.left_out.extend(self.guard.call(Detector::Peers, input.samples.len(), compare));
        }
        let is_full = match self.has_panel() {
            true => self.panel.add(input.samples, input.lasted, self.settings.interval),
            false => self.panel.pass(input.lasted, self.settings.interval),
        };
        if is_full && self.has_panel() {
            let Input { now, dependencies, .. } = *input;
            let view = View { settings: &self.settings, backends: &self.backends, dependencies, now };
            changes.left_out.append(&mut self.panel.look(&mut self.guard, &view));
        }
        self.count(input.now, is_full, &mut changes);
        changes
    }

    fn count(&mut self, now: Duration, is_full: bool, changes: &mut Changes) {
        self.votes.clear();
        if self.believes_peers() {
            self.votes.extend(self.peers.votes().cloned());
        }
        self.votes.extend(self.panel.votes().iter().cloned());
        let look = Look { votes: &self.votes, threshold: self.settings.vote, now, is_full };
        let fleet = Fleet { backends: &self.backends, ejected: &self.ejected };
        let Outcome { mut raised, mut cleared } = self.composite.count(&look, &fleet);
        changes.raised.append(&mut raised);
        changes.cleared.append(&mut cleared);
    }

    /// Whether any detector but `peers` is wanted.
    fn has_panel(&self) -> bool {
        Detector::ALL.iter().any(|detector| *detector != Detector::Peers && !self.settings.off.contains(detector))
    }

    /// Whether what `peers` finds is to be believed: while something that the service depends on does not answer, backends fail and hang in turn without being
    /// at fault.
    fn believes_peers(&self) -> bool {
        !self.is_off(Detector::Peers) && !self.lacks_dependency
    }

    fn is_off(&self, detector: Detector) -> bool {
        self.settings.off.contains(&detector) || self.guard.is_out(detector)
    }

    /// What speaks against the backend at this place, as a share of what it takes to accuse it: 0 = nothing, 1 = it is
    /// [accused](Self::accusation). It gets less work the higher this is.
    pub fn suspicion(&self, at: usize) -> f64 {
        if self.believes_peers() { self.peers.suspicion(at) } else { 0.0 }
    }

    /// Whether a backend seems to hang: what waits for it may try another one, while it is still open whether that is a pause.
    pub fn seems_to_hang(&self, at: usize) -> bool {
        self.believes_peers() && self.peers.seems_to_hang(at)
    }

    /// What the `peers` detector accuses the backend of, for which it is to be ejected; `None` = nothing.
    pub fn accusation(&self, at: usize) -> Option<&Vote> {
        self.peers.accusation(at).filter(|_| self.believes_peers())
    }

    /// Forgets what speaks against a backend: it was ejected, or readmitted.
    pub fn forgive(&mut self, at: usize) {
        self.peers.forgive(at);
        // at an ejection, what other detectors have seen goes on to speak for the verdict
        if self.ejected.get(at).is_some_and(|is_ejected| *is_ejected) {
            self.panel.forgive(at);
        }
    }

    /// The verdicts that hold now.
    pub fn verdicts(&self) -> &[Verdict] {
        self.composite.verdicts()
    }

    /// The backends, as they were given.
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }
}

/// What the vote needs to know of the backends.
struct Fleet<'a> {
    backends: &'a [Backend],
    ejected: &'a [bool],
}

impl Subjects for Fleet<'_> {
    fn is_kept(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Backend(at) if self.ejected.get(*at).is_some_and(|is_ejected| *is_ejected))
    }

    fn covers(&self, whole: &Subject, part: &Subject) -> bool {
        let Subject::Backend(at) = part else { return false };
        let Some(backend) = self.backends.get(*at) else { return false };
        match whole {
            Subject::Host(host) => *host == backend.host,
            Subject::Zone(zone) => *zone == backend.zone,
            Subject::Service | Subject::Backend(_) => false,
        }
    }
}
