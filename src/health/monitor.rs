//! Makes the checks when they are due, on the control plane's thread, many at a time.

mod paths;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::checks::{Checks, DueCheck, LastCheck};
use super::paths::PathReading;
use super::probe::{self, Agent, CheckFailure, CheckResult, PathResult, Target};
use crate::clock::Moment;
use crate::event::{Events, Kind, Subject};

/// All active checks. A handle: its copies are the same monitor. The checks run on the control plane's thread; the handle can be shared because
/// the admin address's handlers have to be `Send`. Nobody holds the lock across an `await`.
#[derive(Debug, Clone)]
pub struct Monitor(Arc<Inner>);

struct Inner {
    checks: Mutex<Checks>,
    /// Notified when a check may be due earlier than before.
    updated: Notify,
    /// Notified when a backend's health has changed.
    changed: Arc<Notify>,
    agent: Arc<Agent>,
    /// Told of changes of paths.
    events: Option<Arc<Events>>,
}

impl Monitor {
    /// Checks nothing yet. `changed` is notified after every change of a backend's health; `agent` is called with what
    /// agents answer.
    pub fn new(seed: u64, changed: Arc<Notify>, agent: Arc<Agent>) -> Self {
        Self::telling(seed, changed, agent, None)
    }

    /// The same; `events` are told of changes of paths.
    pub fn telling(seed: u64, changed: Arc<Notify>, agent: Arc<Agent>, events: Option<Arc<Events>>) -> Self {
        Self(Arc::new(Inner { checks: Mutex::new(Checks::new(seed)), updated: Notify::new(), changed, agent, events }))
    }

    /// Replaces the set of backends that are checked; to be called for each new snapshot. What is known of those that
    /// stay is kept.
    pub fn update(&self, targets: Vec<Target>) {
        self.checks().update(targets, Moment::now());
        self.0.updated.notify_one();
    }

    /// Checks a backend at once (within this interval, where it is checked so often already), and then at this interval until that moment, or
    /// until it is well: as many checks in a row as `rise` says were good, and it is up. A backend that nobody checks is left alone. Returns
    /// whether it was not in such a hurry before.
    pub fn hurry(&self, service: &str, id: &str, every: Duration, until: Moment) -> bool {
        let begins = self.checks().hurry(service, id, every, until, Moment::now());
        self.0.updated.notify_one();
        begins
    }

    /// The result of the last check of a backend.
    pub fn last_check(&self, service: &str, id: &str) -> Option<LastCheck> {
        self.checks().last_check(service, id)
    }

    /// What is known of the paths to a backend; `None` = it has one, or nobody checks it.
    pub fn paths(&self, service: &str, id: &str) -> Option<Vec<PathReading>> {
        self.checks().paths(service, id)
    }

    /// Whether dials have met trouble on the paths to a backend since these were checked last.
    pub fn have_paths_lost(&self, service: &str, id: &str) -> bool {
        self.checks().have_paths_lost(service, id)
    }

    /// Whether every backend has been checked at least once.
    pub fn is_checked(&self) -> bool {
        self.checks().is_checked()
    }

    /// Makes checks for ever. To be spawned once, where `spawn_local` works.
    pub async fn run(self) {
        loop {
            let now = Moment::now();
            while let Some(job) = self.take(now) {
                tokio::task::spawn_local(self.clone().check(job));
            }
            let earliest = self.checks().earliest();
            let due = async {
                match earliest {
                    Some(at) => tokio::time::sleep(at.since(now)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.0.updated.notified() => {}
            }
        }
    }

    /// The lock is not held while a check runs, so a check that panics leaves the state whole.
    fn checks(&self) -> MutexGuard<'_, Checks> {
        self.0.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, now: Moment) -> Option<DueCheck> {
        self.checks().take(now)
    }

    async fn check(self, job: DueCheck) {
        let mut under_way = UnderWay { monitor: &self, key: job.key, began: Moment::now(), result: None, took: None };
        if job.target.paths().is_none() || job.target.advisory {
            under_way.result = Some(probe::check(&job.target, &*self.0.agent).await);
            return;
        }
        let (result, took) = self.check_paths(&job, under_way.began).await;
        (under_way.result, under_way.took) = (Some(result), took);
    }

    fn path_checked(&self, key: u64, place: usize, shown: Option<&PathResult>, began: Moment, now: Moment) {
        let Some((target, news)) = self.checks().finish_path(key, place, shown, began, now) else { return };
        let Some(events) = self.0.events.as_ref().filter(|_| !news.is_empty()) else { return };
        let subject = Subject::backend(&target.service, &target.id.as_str().into());
        for change in news {
            events.tell(subject.clone(), Kind::Path(change));
        }
    }

    fn finish(&self, key: u64, result: CheckResult, took: Option<Duration>, began: Moment) {
        let mut checks = self.checks();
        let before = checks.earliest();
        if checks.finish(key, result, began, Moment::now()).is_some() {
            self.0.changed.notify_one();
        }
        if let Some(took) = took {
            checks.set_took(key, took);
        }
        // the loop of `run` sleeps until the check that was the earliest before
        if checks.earliest().is_some_and(|at| before.is_none_or(|before| at < before)) {
            self.0.updated.notify_one();
        }
    }
}

/// A check that is being made. Its result is recorded even when it panics or is dropped: otherwise its backend would
/// never be checked again.
struct UnderWay<'a> {
    monitor: &'a Monitor,
    key: u64,
    began: Moment,
    result: Option<CheckResult>,
    /// How long the part took that decided it, where that is not all of it.
    took: Option<Duration>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let broke_off = || Err(CheckFailure { reason: "the check broke off".into(), is_ours: true });
        let result = self.result.take().unwrap_or_else(broke_off);
        self.monitor.finish(self.key, result, self.took, self.began);
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("checks", &self.checks).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use tokio::task::LocalSet;

    use super::super::probe::testing::{Server, http, target};
    use super::*;
    use crate::endpoint::standing::Health;
    use crate::policy::{Check, Initial};

    fn quick(target: &mut Target) {
        let policy = Arc::make_mut(&mut target.policy);
        policy.interval = Duration::from_millis(20);
        policy.fast_interval = Duration::from_millis(10);
        policy.initial = Initial::CheckFirst;
    }

    fn monitor(changed: &Arc<Notify>) -> Monitor {
        Monitor::new(1, Arc::clone(changed), Arc::new(|_, _| Ok(())))
    }

    async fn until(live: &crate::endpoint::Live, health: Health, changed: &Notify) {
        while live.standing.health() != health {
            changed.notified().await;
        }
    }

    #[tokio::test]
    async fn each_change_is_told_to_the_owner_with_its_reason() {
        let test = async {
            let changed = Arc::new(Notify::new());
            let monitor = monitor(&changed);
            tokio::task::spawn_local(monitor.clone().run());
            assert!(monitor.is_checked(), "there is nobody to check");
            let server = Server::answer("\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n").await;
            let mut target = target(server.address, Check::Http(http()));
            quick(&mut target);
            monitor.update(vec![target.clone()]);
            assert!(!monitor.is_checked());
            until(&target.live, Health::Up, &changed).await;
            assert!(monitor.is_checked());
            assert_eq!(monitor.last_check("api", "a").unwrap().reason, "status 200");

            target.addresses = Arc::new(crate::endpoint::addresses::Addresses::new([Server::nobody().await]));
            monitor.update(vec![target.clone()]);
            until(&target.live, Health::Down, &changed).await;
            let last = monitor.last_check("api", "a").unwrap();
            assert_eq!((last.ok, &*last.reason), (false, "connection refused"));
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test]
    async fn a_backend_that_hangs_does_not_hold_up_the_others() {
        let test = async {
            let changed = Arc::new(Notify::new());
            let monitor = monitor(&changed);
            tokio::task::spawn_local(monitor.clone().run());
            let (hanging, well) = (Server::hang().await, Server::answer("", b"").await);
            let mut hanging = target(hanging.address, Check::Http(http()));
            let mut well = target(well.address, Check::Tcp { send: Vec::new(), expect: Vec::new() });
            hanging.id = "hanging".to_owned();
            quick(&mut hanging);
            quick(&mut well);
            monitor.update(vec![hanging.clone(), well.clone()]);
            until(&well.live, Health::Up, &changed).await;
            assert_eq!(hanging.live.standing.health(), Health::Unknown);
            assert!(!monitor.is_checked());
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test]
    async fn a_check_that_panics_is_made_again() {
        let test = async {
            let changed = Arc::new(Notify::new());
            let calls = Arc::new(AtomicU32::new(0));
            let counted = Arc::clone(&calls);
            let agent = move |_: &Target, _: &str| {
                assert!(counted.fetch_add(1, Ordering::Relaxed) >= 2, "a defect, on purpose");
                Ok(())
            };
            let monitor = Monitor::new(1, Arc::clone(&changed), Arc::new(agent));
            tokio::task::spawn_local(monitor.clone().run());
            let server = Server::answer("", b"up\n").await;
            let mut target = target(server.address, Check::Agent);
            quick(&mut target);
            monitor.update(vec![target.clone()]);
            until(&target.live, Health::Up, &changed).await;
            assert_eq!(calls.load(Ordering::Relaxed), 3);
        };
        LocalSet::new().run_until(test).await;
    }
}
