//! The faults that there are, and what was tried against each. What is watched of them while nothing is done teaches how such faults go on by
//! themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;

use super::turn::Turn;
use crate::clock::Moment;
use crate::detect::fault::Fault;
use crate::recover::brakes::Rest;
use crate::recover::learned::{Learned, Peers};
use crate::recover::scene::{Scene, Trouble};

/// How long it is remembered that a fault has passed by itself; no strategy takes longer to be judged, as a rule.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The faults of a service.
#[derive(Debug, Default)]
pub(super) struct Episodes {
    list: Vec<Episode>,
    /// The place of each in the list, by its subject and fault.
    places: AHashMap<(Option<Arc<str>>, Fault), usize>,
    /// Faults that passed with nothing done: which, since when they were known, and when they were gone.
    passed: Vec<(Fault, Moment, Moment)>,
}

/// A fault of a backend or of the service, from the moment that it is seen until its subject is in no trouble any more.
#[derive(Debug)]
pub(super) struct Episode {
    pub(super) backend: Option<Arc<str>>,
    pub(super) fault: Fault,
    /// Since when it has been known.
    pub(super) since: Moment,
    /// It is what its subject suffers from now, and not from another fault.
    pub(super) is_open: bool,
    /// Since when it is watched with nothing done against it; `None` = it is not.
    watched: Option<Moment>,
    /// Attempts of each strategy in this round, by its name.
    pub(super) tries: BTreeMap<Arc<str>, u32>,
    /// The strategies that a person has taken back meanwhile, by name.
    pub(super) taken_back: Vec<Arc<str>>,
    /// Rounds in which all strategies have failed.
    pub(super) rounds: u32,
    /// The time in which nothing is done after the last of these.
    pub(super) rest: Option<Rest>,
    /// The brakes that were told of.
    pub(super) told: Vec<&'static str>,
    /// Why nothing is done about it now.
    pub(super) braked: Option<Braked>,
    /// When it is to be looked at again, where nothing has changed before that could let go what holds it.
    pub(super) again: Moment,
    /// The largest share of the service's requests that failed meanwhile.
    pub(super) failed_share: f64,
}

/// Why nothing is done about a fault.
#[derive(Debug)]
pub(super) enum Braked {
    /// By something of its own, in words.
    Own(String),
    /// By the brake of the service with this name.
    OfService(&'static str),
}

/// The backend or service that is in trouble, and the trouble.
type Case<'a> = (Option<&'a Arc<str>>, &'a Trouble);

impl Episodes {
    /// Takes in what is wrong now.
    pub(super) fn look(&mut self, turn: &Turn<'_>, service: &str, learned: &mut Learned) {
        for episode in &mut self.list {
            let trouble = turn.scene.trouble_of(episode.backend.as_ref());
            let is_same = trouble.is_some_and(|trouble| trouble.fault == episode.fault);
            if !is_counted(turn.scene, episode.backend.as_ref()) {
                episode.watched = None;
            }
            if episode.is_open && !is_same {
                let passed = trouble.is_none();
                if passed && episode.watched.is_some() {
                    self.passed.push((episode.fault, episode.since, turn.now));
                }
                episode.report(turn.now, passed, service, learned);
                (episode.is_open, episode.braked) = (false, None);
            }
        }
        self.forget(turn.scene);
        self.passed.retain(|(_, _, at)| turn.now.since(*at) <= REMEMBERED);
        for case in troubles(turn.scene) {
            self.open(case, turn);
        }
        let share = turn.scene.measure.failed_share();
        self.list.iter_mut().for_each(|episode| episode.failed_share = episode.failed_share.max(share));
    }

    /// Forgets those whose subject is in no trouble any more.
    fn forget(&mut self, scene: &Scene) {
        let before = self.list.len();
        self.list.retain(|episode| scene.trouble_of(episode.backend.as_ref()).is_some());
        if self.list.len() < before {
            let key = |episode: &Episode| (episode.backend.clone(), episode.fault);
            self.places = self.list.iter().enumerate().map(|(place, episode)| (key(episode), place)).collect();
        }
    }

    fn open(&mut self, (backend, trouble): Case<'_>, turn: &Turn<'_>) {
        let fault = trouble.fault;
        if let Some(place) = self.position(backend, fault) {
            let episode = &mut self.list[place];
            if !episode.is_open || episode.since != trouble.since {
                // between two looks it may have passed and come back
                (episode.is_open, episode.since, episode.again) = (true, trouble.since, Moment::NEVER);
            }
            return;
        }
        self.places.insert((backend.cloned(), fault), self.list.len());
        self.list.push(Episode {
            backend: backend.cloned(),
            fault,
            since: trouble.since,
            is_open: true,
            watched: is_counted(turn.scene, backend).then_some(turn.now),
            tries: BTreeMap::new(),
            taken_back: Vec::new(),
            rounds: 0,
            rest: None,
            told: Vec::new(),
            braked: None,
            again: Moment::NEVER,
            failed_share: 0.0,
        });
    }

    /// Something is done now, for this backend, or for the service and so against all its faults.
    pub(super) fn treat(&mut self, backend: Option<&Arc<str>>, now: Moment, service: &str, learned: &mut Learned) {
        if backend.is_none() {
            self.list.iter_mut().for_each(|episode| episode.report(now, false, service, learned));
            return;
        }
        // many circuits may be open, and each backend has few faults
        for fault in Fault::ALL {
            if let Some(place) = self.position(backend, fault) {
                self.list[place].report(now, false, service, learned);
            }
        }
    }

    /// A person has taken back what this strategy has done, for this backend, or for the service and so against all its faults.
    pub(super) fn take_back(&mut self, backend: Option<&Arc<str>>, strategy: &Arc<str>) {
        let is_meant = |episode: &&mut Episode| backend.is_none() || episode.backend.as_ref() == backend;
        for episode in self.list.iter_mut().filter(is_meant) {
            episode.taken_back.push(Arc::clone(strategy));
            episode.again = Moment::NEVER;
        }
    }

    /// How it went, from the act until now, with the other backends that had the same fault and for which nothing was done.
    pub(super) fn peers(&self, fault: Fault, acted: Moment) -> Peers {
        let is_peer = |episode: &&Episode| {
            episode.is_open && episode.watched.is_some() && episode.fault == fault && episode.since <= acted
        };
        let has_healed =
            |(which, since, at): &&(Fault, Moment, Moment)| *which == fault && *since <= acted && *at >= acted;
        Peers {
            still_bad: self.list.iter().filter(is_peer).count(),
            healed: self.passed.iter().filter(has_healed).count(),
        }
    }

    /// The place of the one with this subject and fault, until the next look.
    pub(super) fn position(&self, backend: Option<&Arc<str>>, fault: Fault) -> Option<usize> {
        self.places.get(&(backend.cloned(), fault)).copied()
    }

    pub(super) fn at(&self, place: usize) -> &Episode {
        &self.list[place]
    }

    pub(super) fn at_mut(&mut self, place: usize) -> &mut Episode {
        &mut self.list[place]
    }

    /// Those that there are now.
    pub(super) fn open_ones(&self) -> impl Iterator<Item = &Episode> {
        self.list.iter().filter(|episode| episode.is_open)
    }
}

impl Episode {
    /// Tells what was seen of it with nothing done, once.
    fn report(&mut self, now: Moment, passed: bool, service: &str, learned: &mut Learned) {
        if let Some(from) = self.watched.take() {
            learned.untreated(service, self.fault, from.since(self.since), now.since(self.since), passed);
        }
    }
}

/// All that is wrong: first with the service, then with its backends.
pub(super) fn troubles(scene: &Scene) -> Vec<Case<'_>> {
    let of_service = scene.trouble.iter().map(|trouble| (None, trouble));
    let of_backends = scene.backends.iter().filter_map(|backend| Some((Some(&backend.id), backend.trouble.as_ref()?)));
    of_service.chain(of_backends).collect()
}

/// Whether what becomes of a fault shows how faults go on by themselves: not when the backend is taken out or gone, when a change of late explains
/// the fault, or when there is maintenance, for somebody is at work then.
fn is_counted(scene: &Scene, backend: Option<&Arc<str>>) -> bool {
    let subject_is_counted = match backend {
        None => scene.explained.is_none(),
        Some(id) => scene.backend(id).is_some_and(|backend| !backend.taken_out && backend.explained.is_none()),
    };
    subject_is_counted && !scene.in_maintenance
}
