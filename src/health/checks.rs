//! The state of all active checks: which backends are checked, what their checks have shown, and when the next one of
//! each is due. It does no I/O: the `monitor` makes the checks.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::probe::{CheckResult, Target};
use super::rise_fall::RiseFall;
use super::schedule::Schedule;
use crate::clock::Moment;
use crate::endpoint::standing::Health;

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
                Some((key, entry)) if entry.is_same_check(&target) => (key, entry.with(target)),
                known => {
                    let key = self.new_key();
                    fresh.push((key, target.policy.interval));
                    (key, CheckedBackend::new(target, known.map(|(_, entry)| entry)))
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
        let policy = &entry.target.policy;
        let changed = match ours {
            true => None,
            false => entry.counter.observe(result.is_ok(), policy.fall, policy.rise),
        };
        let interval = match ours || entry.counter.is_in_doubt() {
            true => policy.fast_interval.min(policy.interval),
            false => policy.interval,
        };
        self.schedule.next(key, interval, policy.jitter, began, now);
        let ok = result.is_ok();
        let before = entry.last.as_ref().map_or(0, |last| last.failed);
        let failed = if ok { 0 } else { before.saturating_add(u32::from(!ours)) };
        let reason = result.unwrap_or_else(|fault| fault.reason);
        entry.last = Some(LastCheck { at: now, ok, took: now.since(began), reason: reason.clone(), failed });
        let health = changed.filter(|_| !entry.target.advisory)?;
        entry.publish(health, &reason);
        if health == Health::Up {
            entry.rejoin(now);
        }
        Some(health)
    }

    /// The result of the last check of a backend.
    pub fn last_check(&self, service: &str, id: &str) -> Option<LastCheck> {
        let key = self.keys.get(&(Arc::from(service), id.to_owned(), false))?;
        self.entries.get(key)?.last.clone()
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

impl CheckedBackend {
    /// A backend that is checked from now on, or in another way than `before`.
    fn new(target: Target, before: Option<Self>) -> Self {
        let kept = before.filter(|entry| Arc::ptr_eq(&entry.target.live, &target.live));
        let (counter, last) = match kept {
            Some(entry) => (entry.counter, entry.last),
            None => (RiseFall::new(target.policy.initial), None),
        };
        let entry = Self { target: Arc::new(target), counter, last };
        entry.publish(entry.counter.state(), entry.last.as_ref().map_or("not checked yet", |last| &last.reason));
        entry
    }

    fn is_same_check(&self, target: &Target) -> bool {
        Arc::ptr_eq(&self.target.live, &target.live) && self.target.policy == target.policy
    }

    fn with(self, target: Target) -> Self {
        Self { target: Arc::new(target), ..self }
    }

    fn publish(&self, health: Health, reason: &str) {
        if !self.target.advisory {
            self.target.live.standing.set_health(health, reason);
        }
    }

    /// The backend is healthy again: its slow start begins, and its ejection ends.
    fn rejoin(&self, now: Moment) {
        let standing = &self.target.live.standing;
        standing.join(now);
        standing.readmit();
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe::CheckFailure;
    use super::*;
    use crate::endpoint::{Live, Target as Address};
    use crate::policy::{self, Check, Initial, UpstreamProtocol};

    const START: Moment = Moment::from_millis(1_100_000_000_000);

    fn policy() -> policy::Health {
        policy::Health {
            kind: Check::Tcp { send: Vec::new(), expect: Vec::new() },
            port: None,
            interval: Duration::from_secs(2),
            fast_interval: Duration::from_millis(500),
            timeout: Duration::from_secs(1),
            fall: 3,
            rise: 2,
            jitter: 0.0,
            initial: Initial::Up,
        }
    }

    fn target(id: &str, live: &Arc<Live>, policy: policy::Health) -> Target {
        Target {
            service: "api".into(),
            id: id.to_owned(),
            live: Arc::clone(live),
            address: Address::Tcp(([127, 0, 0, 1], 1).into()),
            addresses: Arc::default(),
            host: String::new(),
            protocol: UpstreamProtocol::Http1,
            tls: None,
            proxy_header: None,
            policy: Arc::new(policy),
            advisory: false,
            expire: Duration::from_secs(10),
        }
    }

    fn refused() -> CheckResult {
        Err(CheckFailure { reason: "connection refused".into(), is_ours: false })
    }

    /// Makes the next check, which takes no time and comes to this; gives back when that was and what changed.
    fn step(checks: &mut Checks, result: CheckResult) -> (Moment, Option<Health>) {
        let now = checks.earliest().unwrap();
        let job = checks.take(now).unwrap();
        (now, checks.finish(job.key, result, now, now))
    }

    #[test]
    fn a_backend_that_dies_and_comes_back_is_seen_by_the_fast_interval() {
        let live = Arc::<Live>::default();
        let mut checks = Checks::new(1);
        checks.update(vec![target("a", &live, policy())], START);
        assert_eq!(live.standing.health(), Health::Up);
        assert!(!checks.is_checked());
        let (first, _) = step(&mut checks, Ok("connected".into()));
        assert!(checks.is_checked());
        live.standing.eject(START.plus(Duration::from_secs(1000)), "");

        let results = [refused(), refused(), refused(), refused(), Ok("connected".into()), Ok("connected".into())];
        let seen = results.map(|result| {
            let (at, changed) = step(&mut checks, result);
            (at.since(first).as_millis(), changed)
        });
        let down_at = 3000;
        let up_at = down_at + 2000 + 2000 + 500;
        assert_eq!(
            seen,
            [
                (2000, None),
                (2500, None),
                (down_at, Some(Health::Down)),
                (down_at + 2000, None),
                (down_at + 4000, None),
                (up_at, Some(Health::Up))
            ]
        );
        let back = first.plus(Duration::from_millis(u64::try_from(up_at).unwrap()));
        assert_eq!(live.standing.health(), Health::Up);
        assert_eq!(live.standing.joined(), back);
        assert!(!live.standing.is_ejected(back), "what it was ejected for is over");
    }

    #[test]
    fn what_the_last_check_came_to_is_kept() {
        let mut checks = Checks::new(1);
        checks.update(vec![target("a", &Arc::default(), policy())], START);
        assert_eq!(checks.last_check("api", "a"), None);
        let now = checks.earliest().unwrap();
        let job = checks.take(now).unwrap();
        let took = Duration::from_millis(7);
        checks.finish(job.key, refused(), now, now.plus(took));
        let last = checks.last_check("api", "a").unwrap();
        let reason = "connection refused".into();
        assert_eq!(last, LastCheck { at: now.plus(took), ok: false, took, reason, failed: 1 });
        assert_eq!(checks.last_check("api", "b"), None);
    }

    #[test]
    fn an_update_keeps_what_stays_and_forgets_what_goes() {
        let (a, b) = (Arc::<Live>::default(), Arc::<Live>::default());
        let mut checks = Checks::new(1);
        checks.update(vec![target("a", &a, policy()), target("b", &b, policy())], START);
        for _ in 0..6 {
            step(&mut checks, refused());
        }
        assert_eq!((a.standing.health(), b.standing.health()), (Health::Down, Health::Down));
        let due = checks.earliest();
        checks.update(vec![target("a", &a, policy())], START);
        assert_eq!((a.standing.health(), b.standing.health()), (Health::Down, Health::Unknown));
        assert_eq!(checks.earliest(), due);
        assert!(checks.is_checked());
        // the one that went is skipped in the schedule
        let later = START.plus(Duration::from_secs(100));
        assert_eq!(checks.take(later).map(|job| job.target.id.clone()).as_deref(), Some("a"));
        assert!(checks.take(later).is_none());
    }

    #[test]
    fn another_way_to_check_keeps_the_state_and_another_backend_does_not() {
        let a = Arc::<Live>::default();
        let mut checks = Checks::new(1);
        checks.update(vec![target("a", &a, policy())], START);
        for _ in 0..3 {
            step(&mut checks, refused());
        }
        let under_way = checks.take(START.plus(Duration::from_secs(100))).unwrap();
        let slower = policy::Health { interval: Duration::from_secs(60), ..policy() };
        checks.update(vec![target("a", &a, slower)], START);
        assert_eq!(a.standing.health(), Health::Down);
        assert!(
            checks.finish(under_way.key, Ok("".into()), START, START).is_none(),
            "what was under way counts no more"
        );
        assert!(checks.earliest().unwrap() <= START.plus(Duration::from_millis(1)), "it is checked soon");

        let other = Arc::<Live>::default();
        checks.update(vec![target("a", &other, policy())], START);
        assert_eq!(other.standing.health(), Health::Up);
        assert!(!checks.is_checked());
    }

    #[test]
    fn a_check_that_could_not_be_made_says_nothing() {
        let live = Arc::<Live>::default();
        let mut checks = Checks::new(1);
        checks.update(vec![target("a", &live, policy())], START);
        step(&mut checks, refused());
        let mut last = checks.last_check("api", "a").unwrap().at;
        for _ in 0..10 {
            let ours = CheckFailure { reason: "too many open files".into(), is_ours: true };
            let (at, changed) = step(&mut checks, Err(ours));
            assert_eq!(changed, None);
            assert!(at.since(last) <= Duration::from_millis(500), "but it is tried again soon");
            last = at;
        }
        assert_eq!(live.standing.health(), Health::Up);
        assert_eq!(checks.last_check("api", "a").unwrap().failed, 1);
        step(&mut checks, refused());
        assert_eq!(checks.last_check("api", "a").unwrap().failed, 2);
        step(&mut checks, Ok("connected".into()));
        assert_eq!(checks.last_check("api", "a").unwrap().failed, 0);
    }

    #[test]
    fn advice_does_not_decide() {
        let live = Arc::<Live>::default();
        let mut checks = Checks::new(1);
        checks.update(vec![Target { advisory: true, ..target("a", &live, policy()) }], START);
        for _ in 0..5 {
            assert_eq!(step(&mut checks, refused()).1, None);
        }
        assert_eq!(live.standing.health(), Health::Unknown);
    }
}
