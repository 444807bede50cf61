//! The state of all active checks: which backends are checked, what their checks have shown, and when the next one of
//! each is due. It does no I/O: the `monitor` makes the checks.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::paths::{PathReading, PathWatch};
use super::probe::{CheckResult, PathResult, Target};
use super::rise_fall::RiseFall;
use super::schedule::Schedule;
use crate::clock::Moment;
use crate::endpoint::standing::Health;
use crate::event::PathChange;

/// All backends that are checked.
#[derive(Debug)]
pub struct Checks {
    /// By the key under which they are scheduled.
    entries: HashMap<u64, CheckedBackend>,
    /// The keys, by service and backend, and whether the check is advisory: a backend may have one of each.
    keys: HashMap<(Arc<str>, String, bool), u64>,
    schedule: Schedule,
    next_key: u64,
}

#[derive(Debug)]
struct CheckedBackend {
    target: Arc<Target>,
    counter: RiseFall,
    last: Option<LastCheck>,
    /// Good checks in a row since one failed, until they are as many as the backend needs to be well again.
    returning: Option<u32>,
    hurry: Option<Hurry>,
    /// What is known of its paths, where it has several that are checked.
    paths: Option<PathWatch>,
}

/// A backend is checked in a hurry: until it is well, or that takes too long.
#[derive(Debug, Clone, Copy)]
struct Hurry {
    every: Duration,
    until: Moment,
    /// Good checks in a row since it began.
    good: u32,
}

/// A check to be made now.
#[derive(Debug, Clone)]
pub struct DueCheck {
    /// Identifies the check when its result is handed to [`Checks::finish`].
    pub key: u64,
    /// The backend to check.
    pub target: Arc<Target>,
}

/// The result of the last check of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCheck {
    /// When it ended.
    pub at: Moment,
    /// Whether it was good.
    pub ok: bool,
    /// How long it took.
    pub took: Duration,
    /// Why it failed, or what was good.
    pub reason: Cow<'static, str>,
    /// Checks that have failed in a row; those that could not be made are not counted.
    pub failed: u32,
    /// Checks that were good in a row.
    pub passed: u32,
}

impl Checks {
    /// Nothing is checked yet.
    pub fn new(seed: u64) -> Self {
        Self { entries: HashMap::new(), keys: HashMap::new(), schedule: Schedule::new(seed), next_key: 0 }
    }

    /// Replaces the set of backends that are checked. A backend that stays (the same service, id and `Live`) keeps its
    /// results, and its place in the schedule unless its policy has changed.
    pub fn update(&mut self, targets: Vec<Target>, now: Moment) {
        let mut before = std::mem::take(&mut self.keys);
        let mut fresh = Vec::new();
        for target in targets {
            let name = (Arc::clone(&target.service), target.id.clone(), target.advisory);
            let known = before.remove(&name).and_then(|key| Some((key, self.entries.remove(&key)?)));
            let (key, entry) = match known {
                Some((key, entry)) if entry.is_same_check(&target) => (key, entry.with(target, now)),
                known => {
                    let key = self.new_key();
                    fresh.push((key, target.policy.interval));
                    (key, CheckedBackend::new(target, known.map(|(_, entry)| entry), now))
                }
            };
            self.entries.insert(key, entry);
            self.keys.insert(name, key);
        }
        // what is left is not checked any more
        for entry in before.into_values().filter_map(|key| self.entries.remove(&key)) {
            entry.publish(Health::Unknown, "nobody checks it");
        }
        for (key, interval) in &fresh {
            self.schedule.first(*key, fresh.len(), *interval, now);
        }
    }

    /// Checks a backend at once (within this interval, where it is checked so often already), and then at this interval until that moment, or
    /// until as many checks in a row were good as `rise` says and it is up. A backend that nobody checks is left alone. Returns whether it was
    /// not in such a hurry before.
    pub fn hurry(&mut self, service: &str, id: &str, every: Duration, until: Moment, now: Moment) -> bool {
        let mut begins = false;
        for advisory in [false, true] {
            let Some(key) = self.keys.get(&(Arc::from(service), id.to_owned(), advisory)) else { continue };
            let Some(entry) = self.entries.get_mut(key) else { continue };
            let before = entry.hurry.filter(|hurry| now < hurry.until);
            let is_hurried = before.is_some_and(|hurry| hurry.every <= every);
            entry.hurry = Some(Hurry {
                every: before.map_or(every, |hurry| hurry.every.min(every)),
                until: before.map_or(until, |hurry| hurry.until.max(until)),
                good: 0,
            });
            // one that is hurried anyway is due soon enough, and to look for its place in the schedule costs a look at all checks
            if !is_hurried {
                self.schedule.hurry(*key, now);
                begins = true;
            }
        }
        begins
    }

    /// When the next check is due.
    pub fn earliest(&self) -> Option<Moment> {
        self.schedule.earliest()
    }

    /// Takes a check that is due at `now`.
    pub fn take(&mut self, now: Moment) -> Option<DueCheck> {
        loop {
            let key = self.schedule.take(now)?;
            if let Some(entry) = self.entries.get(&key) {
                return Some(DueCheck { key, target: Arc::clone(&entry.target) });
            }
        }
    }

    /// Records the result of a check that began at `began`. Returns the health of its backend when this result has
    /// changed it.
    pub fn finish(&mut self, key: u64, result: CheckResult, began: Moment, now: Moment) -> Option<Health> {
        let entry = self.entries.get_mut(&key)?;
        let ours = result.as_ref().is_err_and(|fault| fault.is_ours);
        // what a backend was taken for without a check, or in spite of one, has a good one as its reason from now on
        let is_confirmed = result.is_ok() && entry.last.as_ref().is_none_or(|last| !last.ok);
        let has_returned = !ours && entry.returns(result.is_ok());
        let policy = &entry.target.policy;
        let changed = match ours {
            true => None,
            false => entry.counter.observe(result.is_ok(), policy.fall, policy.rise),
        };
        let interval = match ours || entry.is_in_doubt(now) {
            true => policy.fast_interval.min(policy.interval),
            false => policy.interval,
        };
        let hurried = if ours { entry.hurry } else { entry.hurried(result.is_ok()) };
        entry.hurry = hurried.filter(|hurry| now < hurry.until);
        let policy = &entry.target.policy;
        let interval = entry.hurry.map_or(interval, |hurry| hurry.every.min(interval));
        self.schedule.next(key, interval, policy.jitter, began, now);
        let ok = result.is_ok();
        let (failures, passes) = entry.last.as_ref().map_or((0, 0), |last| (last.failed, last.passed));
        let failed = if ok { 0 } else { failures.saturating_add(u32::from(!ours)) };
        let passed = if ok {
            passes.saturating_add(1)
        } else if ours {
            passes
        } else {
            0
        };
        let reason = result.unwrap_or_else(|fault| fault.reason);
        entry.last = Some(LastCheck { at: now, ok, took: now.since(began), reason: reason.clone(), failed, passed });
        if entry.target.advisory {
            return None;
        }
        if !ours {
            entry.target.live.standing.note_check(ok == (entry.counter.state() == Health::Up));
        }
        let confirmed = (is_confirmed && entry.counter.state() == Health::Up).then_some(Health::Up);
        if let Some(health) = changed.or(confirmed) {
            entry.publish(health, &reason);
        }
        if changed == Some(Health::Up) || (has_returned && entry.target.live.standing.is_ejected(now)) {
            entry.rejoin(now);
        }
        changed
    }

    /// The result of the last check of a backend.
    pub fn last_check(&self, service: &str, id: &str) -> Option<LastCheck> {
        let key = self.keys.get(&(Arc::from(service), id.to_owned(), false))?;
        self.entries.get(key)?.last.clone()
    }

    /// What is known of the paths to a backend; `None` = it has one, or nobody checks it.
    pub fn paths(&self, service: &str, id: &str) -> Option<Vec<PathReading>> {
        let key = self.keys.get(&(Arc::from(service), id.to_owned(), false))?;
        self.entries.get(key)?.paths.as_ref().map(PathWatch::read)
    }

    /// Whether dials have met trouble on the paths to a backend since these were checked last.
    pub fn have_paths_lost(&self, service: &str, id: &str) -> bool {
        let key = self.keys.get(&(Arc::from(service), id.to_owned(), false));
        let entry = key.and_then(|key| self.entries.get(key));
        entry.and_then(|entry| entry.paths.as_ref()).is_some_and(PathWatch::has_losses)
    }

    /// Begins a check of each path to a backend of which none is under way; gives back their places, and how long each has to be
    /// connected to.
    pub fn begin_paths(&mut self, key: u64) -> Vec<(usize, Duration)> {
        self.watch_of(key).map(PathWatch::begin).unwrap_or_default()
    }

    /// Whether checks are under way of paths that are up.
    pub fn are_up_paths_checked(&mut self, key: u64) -> bool {
        self.watch_of(key).is_some_and(|paths| paths.are_up_probed())
    }

    /// Records what the check of a path has shown that began at `began`; `None` = it broke off. Gives back whose path it is, and what is to
    /// be told.
    pub fn finish_path(
        &mut self,
        key: u64,
        place: usize,
        shown: Option<&PathResult>,
        began: Moment,
        now: Moment,
    ) -> Option<(Arc<Target>, Vec<PathChange>)> {
        let entry = self.entries.get_mut(&key)?;
        let paths = entry.paths.as_mut()?;
        let news = match shown {
            Some(shown) => paths.observe(place, shown, &entry.target.policy, began, now),
            None => {
                paths.broke_off(place);
                Vec::new()
            }
        };
        Some((Arc::clone(&entry.target), news))
    }

    /// Says how long the last check took, where it took less time than from its begin to its end.
    pub fn set_took(&mut self, key: u64, took: Duration) {
        if let Some(last) = self.entries.get_mut(&key).and_then(|entry| entry.last.as_mut()) {
            last.took = took;
        }
    }

    fn watch_of(&mut self, key: u64) -> Option<&mut PathWatch> {
        self.entries.get_mut(&key)?.paths.as_mut()
    }

    /// Whether every backend has been checked at least once.
    pub fn is_checked(&self) -> bool {
        self.entries.values().all(|entry| entry.last.is_some())
    }

    fn new_key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }
}

/// What is known of the paths to a backend: what was known of the same paths before stays.
fn watch(before: Option<PathWatch>, target: &Target, now: Moment) -> Option<PathWatch> {
    let same = before.filter(|paths| paths.is_of(&target.addresses));
    same.or_else(|| PathWatch::new(&target.addresses, now)).filter(|_| !target.advisory)
}

impl CheckedBackend {
    /// A backend that is checked from now on, or in another way than `before`.
    fn new(target: Target, before: Option<Self>, now: Moment) -> Self {
        let kept = before.filter(|entry| Arc::ptr_eq(&entry.target.live, &target.live));
        let (counter, last, hurry, paths) = match kept {
            Some(entry) => (entry.counter, entry.last, entry.hurry, entry.paths),
            None => (RiseFall::new(target.policy.initial), None, None, None),
        };
        let paths = watch(paths, &target, now);
        let entry = Self { target: Arc::new(target), counter, last, returning: None, hurry, paths };
        entry.publish(entry.counter.state(), entry.last.as_ref().map_or("not checked yet", |last| &last.reason));
        entry
    }

    fn is_same_check(&self, target: &Target) -> bool {
        Arc::ptr_eq(&self.target.live, &target.live) && self.target.policy == target.policy
    }

    fn with(self, target: Target, now: Moment) -> Self {
        Self { paths: watch(self.paths, &target, now), target: Arc::new(target), ..self }
    }

    fn publish(&self, health: Health, reason: &str) {
        if !self.target.advisory {
            self.target.live.standing.set_health(health, reason);
        }
    }

    /// Whether the next check should come soon. That of an ejected backend should: it shows when what the backend was ejected for has become
    /// visible to checks as well, and when that is over.
    fn is_in_doubt(&self, now: Moment) -> bool {
        let may_return = self.returning.is_some() || self.target.live.standing.is_ejected(now);
        let is_path_in_doubt = self.paths.as_ref().is_some_and(PathWatch::is_in_doubt);
        self.counter.is_in_doubt() || is_path_in_doubt || (may_return && self.counter.state() == Health::Up)
    }

    /// Records a result; whether it is the one that shows that the backend has come back. A backend that is started anew within a second never
    /// counts as down, because too few checks fail meanwhile; but its checks have failed, and now they are good.
    fn returns(&mut self, good: bool) -> bool {
        let in_a_row = match (good, self.returning) {
            (false, _) => Some(0),
            (true, Some(before)) => Some(before + 1),
            (true, None) => None,
        };
        let is_enough = in_a_row.is_some_and(|count| count >= self.target.policy.rise.max(1));
        self.returning = in_a_row.filter(|_| !is_enough);
        is_enough
    }

    /// The hurry that is left after a check that was good or not.
    fn hurried(&self, good: bool) -> Option<Hurry> {
        let hurry = self.hurry?;
        let good = if good { hurry.good + 1 } else { 0 };
        let is_well = self.counter.state() == Health::Up && good >= self.target.policy.rise.max(1);
        (!is_well).then_some(Hurry { good, ..hurry })
    }

    /// The backend is healthy again: its slow start begins, its ejection ends, and failures from before count no more. (They would eject it at once
    /// where it went down as the last one that worked, which is never ejected.)
    fn rejoin(&self, now: Moment) {
        self.target.live.failure_streak.reset();
        let standing = &self.target.live.standing;
        standing.join(now);
        standing.readmit();
    }
}
