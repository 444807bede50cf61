//! What the coordinator of a service sees at a moment. Whoever drives it makes one from the snapshot, the checks and the verdicts.

use std::cell::OnceCell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;

use crate::clock::Moment;
use crate::detect::fault::Fault;

/// How long after a backend has become well it may be asked what requests show of it.
pub const COUNTED: Duration = Duration::from_secs(600);

/// Pauses between attempts are divided by this while the error budget burns too fast.
const HASTE: u32 = 4;

/// A service at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scene {
    /// Its backends, in the order of the configuration.
    pub backends: Backends,
    /// What is wrong with the service as a whole; what is wrong with a host or a zone stands with each backend there.
    pub trouble: Option<Trouble>,
    /// The change of late that explains what is wrong with the service as a whole, in words.
    pub explained: Option<Arc<str>>,
    /// Whether the service is in maintenance now.
    pub in_maintenance: bool,
    /// Whether its error budget burns so fast that others give way to it: pauses between attempts are shorter then.
    pub is_protected: bool,
    /// How its requests went over the last seconds.
    pub measure: Measure,
    /// The same since the process began; the difference of two is what happened between.
    pub total: Measure,
    /// The other services that have a usable backend, by name: where a failover could send the work.
    pub usable_services: Vec<Arc<str>>,
}

/// The backends of a service. One is found by its id without a search: a look asks for each that is in trouble, several times.
#[derive(Debug, Clone, Default)]
pub struct Backends {
    list: Vec<BackendScene>,
    /// The place of each by its id, from the first question on.
    places: OnceCell<AHashMap<Arc<str>, usize>>,
}

/// A backend at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BackendScene {
    /// Its id.
    pub id: Arc<str>,
    /// Where it stands; may be empty.
    pub zone: Arc<str>,
    /// Whether it is a backup.
    pub backup: bool,
    /// Whether it may get work: it is neither down, ejected nor broken, and nobody has taken it out. What a failover or a repair does to it
    /// does not count here.
    pub usable: bool,
    /// Whether an operator, its agent or the configuration has taken it out: it is nobody's to repair.
    pub taken_out: bool,
    /// What is wrong with it.
    pub trouble: Option<Trouble>,
    /// The change of late that explains what is wrong with it, in words: a reload that brought it, a drain that ended, a deploy.
    pub explained: Option<Arc<str>>,
    /// Since when it has been at its address: with another one it is another backend, although its id is the same.
    pub known_since: Moment,
    /// Exchanges under way with it.
    pub in_flight: u32,
    /// Whether checks ask it by themselves, so that it is seen without requests whether it answers.
    pub is_checked: bool,
    /// Requests that it has ended, well or not, since the process began. They need only be counted for [`COUNTED`] after it has become well.
    pub ended: u64,
    /// Since when it has been seen well without a break: its checks are good (where there are any), it is in no trouble and usable. `None` = it
    /// is not.
    pub well_since: Option<Moment>,
}

/// What is wrong, with a backend or with a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    /// The fault.
    pub fault: Fault,
    /// Since when it has been known.
    pub since: Moment,
    /// How sure those are who say so, from 0 to 1.
    pub confidence: f64,
    /// Who says so and why, such as `("reachability", "connection refused, 5 times in a row")`.
    pub votes: Arc<[(Arc<str>, Arc<str>)]>,
}

/// How the requests of a service went, over the last seconds or since some moment: what its clients got, whoever did the work. Those that recovery
/// itself has answered, because their path was cut, are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measure {
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that failed by our or a backend's doing.
    pub failed: u64,
    /// The mean time that they took.
    pub mean: Duration,
}

impl Measure {
    /// The share that failed; 0 where there were none.
    pub fn failed_share(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.failed as f64 / self.requests as f64 }
    }

    /// What came after `earlier`, of two that count from the same moment on. The mean is left out.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            failed: self.failed.saturating_sub(earlier.failed),
            mean: Duration::ZERO,
        }
    }
}

impl Scene {
    /// How long a pause is that is configured to be this long: shorter while the error budget burns too fast, for waiting spends it.
    pub fn pause(&self, configured: Duration) -> Duration {
        if self.is_protected { configured / HASTE } else { configured }
    }

    /// The backend with this id.
    pub fn backend(&self, id: &str) -> Option<&BackendScene> {
        self.backends.get_by_id(id)
    }

    /// What is wrong with this backend; of `None`, with the service as a whole.
    pub fn trouble_of(&self, backend: Option<&Arc<str>>) -> Option<&Trouble> {
        match backend {
            Some(id) => self.backend(id).and_then(|backend| backend.trouble.as_ref()),
            None => self.trouble.as_ref(),
        }
    }
}

impl Backends {
    fn get_by_id(&self, id: &str) -> Option<&BackendScene> {
        let places = self.places.get_or_init(|| {
            self.list.iter().enumerate().map(|(place, backend)| (Arc::clone(&backend.id), place)).collect()
        });
        places.get(id).and_then(|place| self.list.get(*place))
    }
}

impl From<Vec<BackendScene>> for Backends {
    fn from(list: Vec<BackendScene>) -> Self {
        Self { list, places: OnceCell::new() }
    }
}

impl Deref for Backends {
    type Target = Vec<BackendScene>;

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}

/// Whoever changes the list may change the places.
impl DerefMut for Backends {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.places.take();
        &mut self.list
    }
}

impl PartialEq for Backends {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_found_by_its_id_whatever_was_changed_since_the_last_question() {
        let backend = |id: &str| BackendScene { id: id.into(), ..BackendScene::default() };
        let mut scene = Scene { backends: ["a", "b"].map(backend).to_vec().into(), ..Scene::default() };
        let found = |scene: &Scene, id: &str| scene.backend(id).map(|backend| backend.id.to_string());
        assert_eq!([found(&scene, "b"), found(&scene, "c")], [Some("b".into()), None]);
        scene.backends.remove(0);
        scene.backends.push(backend("c"));
        assert_eq!([found(&scene, "a"), found(&scene, "c")], [None, Some("c".into())]);
        scene.backends[0] = backend("d");
        assert_eq!([found(&scene, "b"), found(&scene, "d")], [None, Some("d".into())]);
    }
}
