//! Watches the orders of a coordinator, and fails when they break what has to hold. It counts by itself, from the orders and the scene alone.

use std::collections::{BTreeMap, BTreeSet};

use super::super::*;
use crate::detect::fault::Fault;
use crate::recover::attempt::Phase;
use crate::recover::history::HOUR;
use crate::recover::order::Circuit;
use crate::recover::plan::StrategyPlan;
use crate::recover::scene::BackendScene;

type Subject = (Option<Arc<str>>, Fault);

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Each attempt, as it was entered last.
    pub(super) records: BTreeMap<i64, Attempt>,
    /// Those of which the coordinator knows that they are on the disk.
    kept: BTreeSet<i64>,
    /// When each was entered first.
    first: Vec<(i64, Moment)>,
    acted: BTreeSet<i64>,
    /// Drained backends, and by which attempt.
    pub(super) drained: BTreeMap<Arc<str>, i64>,
    /// Commands that run, by attempt: the id of the run, and the backend that it repairs.
    pub(super) runs: BTreeMap<i64, (u64, Option<Arc<str>>)>,
    /// Circuits that are open, until when.
    broken: BTreeMap<Arc<str>, Moment>,
    pub(super) failed_over: BTreeSet<i64>,
    /// For each subject and fault, when the last attempt ended, and how.
    ended: BTreeMap<Subject, (Moment, Outcome, Duration)>,
    /// How often each strategy was tried since the last rest.
    tried: BTreeMap<(Subject, String), u32>,
    /// Attempts from before a crash.
    old: BTreeSet<i64>,
    pub(super) tells: usize,
}

/// What the orders are held against.
pub(super) struct Seen<'a> {
    pub(super) now: Moment,
    pub(super) scene: &'a Scene,
    pub(super) plan: &'a Plan,
    pub(super) paused: bool,
}

impl Watch {
    pub(super) fn keep(&mut self, attempt: i64) {
        self.kept.insert(attempt);
    }

    /// The process has ended: what it did itself has ended with it, and what was not kept is lost.
    pub(super) fn crash(&mut self, ledger: &BTreeMap<i64, Attempt>) {
        self.records = ledger.clone();
        self.old = self.records.keys().copied().collect();
        self.first.retain(|(id, _)| ledger.contains_key(id));
        self.drained.clear();
        self.runs.clear();
        self.broken.clear();
        self.failed_over.clear();
        self.ended.clear();
    }

    /// A command has ended.
    pub(super) fn ended(&mut self, run: &Run) {
        if self.runs.get(&run.attempt).is_some_and(|(runs, _)| *runs == run.id) {
            self.runs.remove(&run.attempt);
        }
    }

    pub(super) fn open(&self) -> Vec<i64> {
        self.records.values().filter(|record| record.phase != Phase::Ended).map(|record| record.id).collect()
    }

    pub(super) fn look(&mut self, orders: &[Order], seen: &Seen<'_>) {
        self.broken.retain(|_, until| *until > seen.now);
        for order in orders {
            match order {
                Order::Enter { attempt, must_be_kept } => self.entered(attempt, *must_be_kept, seen),
                Order::Drain { attempt, backend, .. } => {
                    self.acts(*attempt, Some(backend), seen);
                    self.leaves_one(backend, seen);
                    assert!(self.drained.insert(backend.clone(), *attempt).is_none(), "drained twice");
                    self.disrupted(seen);
                }
                Order::Return { backend, .. } => _ = self.drained.remove(backend),
                Order::Run(run) => self.run(run, seen),
                Order::Kill { attempt } => assert!(self.runs.remove(attempt).is_some(), "kills what does not run"),
                Order::FailOver { attempt, .. } => {
                    if !self.failed_over.insert(*attempt) {
                        continue;
                    }
                    self.once(*attempt, seen);
                    assert_eq!(self.failed_over.len(), 1, "two failovers");
                }
                Order::FailBack { attempt, share_thousandths } => {
                    assert!((1..=1000).contains(share_thousandths));
                    if *share_thousandths == 1000 {
                        self.failed_over.remove(attempt);
                    }
                }
                Order::Break { attempt, backend, open_for } => {
                    self.once(*attempt, seen);
                    self.healthy(seen);
                    self.leaves_one(backend, seen);
                    self.broken.insert(backend.clone(), seen.now.plus(*open_for));
                    self.disrupted(seen);
                }
                Order::Cut { attempt, .. } => {
                    self.once(*attempt, seen);
                    self.healthy(seen);
                }
                Order::Mend { what: Circuit::Backend(backend), .. } => _ = self.broken.remove(backend),
                Order::Mend { .. } | Order::HurryChecks { .. } => {}
                Order::Tell(_) => self.tells += 1,
            }
        }
    }

    fn run(&mut self, run: &Run, seen: &Seen<'_>) {
        let record = self.records[&run.attempt].clone();
        if run.role == Role::Act {
            self.once(run.attempt, seen);
            self.healthy(seen);
            let usable = run.backend.as_ref().filter(|id| seen.scene.backend(id).is_some_and(|backend| backend.usable));
            if let Some(backend) = usable.filter(|_| record.kind == "restart") {
                assert_eq!(self.drained.get(backend), Some(&run.attempt), "restarts what is in use");
            }
        }
        let repairs = record.kind != "scale_up" && run.role == Role::Act;
        let before = self.runs.insert(run.attempt, (run.id, run.backend.clone().filter(|_| repairs)));
        assert!(before.is_none(), "two commands at a time for an attempt");
        self.disrupted(seen);
    }

    /// Something is done for the first time for this attempt.
    fn once(&mut self, attempt: i64, seen: &Seen<'_>) {
        if self.old.contains(&attempt) {
            let record = &self.records[&attempt];
            assert!(record.in_force && record.kind == "failover", "{attempt} is done again after a crash");
            return;
        }
        let backend = self.records[&attempt].backend.clone().map(Arc::from);
        self.acts(attempt, backend.as_ref(), seen);
        assert!(self.acted.insert(attempt), "{attempt} is done twice");
    }

    fn acts(&self, attempt: i64, backend: Option<&Arc<str>>, seen: &Seen<'_>) {
        assert!(self.kept.contains(&attempt), "{attempt} is done before it was kept");
        assert!(!self.records[&attempt].dry_run, "done in a dry run");
        assert!(!seen.paused && !seen.scene.in_maintenance, "done in a pause or maintenance");
        let backend = backend.and_then(|id| seen.scene.backend(id));
        let may_explain = self.records[&attempt].kind != "failover";
        let is_explained = |backend: &BackendScene| may_explain && backend.explained.is_some();
        assert!(backend.is_none_or(|backend| !backend.taken_out && !is_explained(backend)), "nobody's to repair");
    }

    fn healthy(&self, seen: &Seen<'_>) {
        let (mut all, mut unwell) = (0.0, 0.0);
        for backend in seen.scene.backends.iter().filter(|backend| !backend.taken_out) {
            all += 1.0;
            let ill = backend
                .trouble
                .as_ref()
                .is_some_and(|trouble| !matches!(trouble.fault, Fault::HighLatency | Fault::ResourceExhaustion));
            unwell += f64::from(u8::from(ill || !backend.usable));
        }
        let most = seen.plan.limits.max_unhealthy;
        assert!(unwell < 2.0 || unwell / all <= most + 1e-9, "{unwell} of {all} are unhealthy, of {most}");
    }

    fn out(&self) -> BTreeSet<&Arc<str>> {
        let commanded = self.runs.values().filter_map(|(_, backend)| backend.as_ref());
        self.drained.keys().chain(self.broken.keys()).chain(commanded).collect()
    }

    fn leaves_one(&self, id: &Arc<str>, seen: &Seen<'_>) {
        let out = self.out();
        let left = seen.scene.backends.iter().any(|other| other.usable && other.id != *id && !out.contains(&other.id));
        assert!(left, "takes out {id}, the last backend that can be used");
    }

    fn disrupted(&self, seen: &Seen<'_>) {
        let there = self.out().into_iter().filter(|id| seen.scene.backend(id).is_some()).count();
        let share = there as f64 / seen.scene.backends.len() as f64;
        assert!(there < 2 || share <= seen.plan.limits.max_disrupted + 1e-9, "{there} are under repair at a time");
    }

    fn entered(&mut self, record: &Attempt, must_be_kept: bool, seen: &Seen<'_>) {
        let fault = Fault::ALL.into_iter().find(|fault| fault.as_str() == record.fault).unwrap();
        let backend: Option<Arc<str>> = record.backend.as_deref().map(Arc::from);
        let subject = (backend, fault);
        let before = self.records.insert(record.id, record.clone());
        let was_open = before.as_ref().is_none_or(|before| before.phase != Phase::Ended);
        assert!(was_open || record.phase == Phase::Ended, "{} is opened again", record.id);
        if before.is_none() {
            self.first_entered(record, &subject, seen);
        }
        let begins = before.as_ref().is_none_or(|before| before.phase == Phase::Proposed);
        if begins && !matches!(record.phase, Phase::Proposed | Phase::Ended) {
            assert!(must_be_kept || record.dry_run, "begins without being kept");
            self.begins(record, seen);
        }
        if record.phase == Phase::Ended && was_open {
            assert!(record.outcome.is_some() && record.end.is_some());
            assert!(!self.drained.values().any(|by| *by == record.id), "ended, and its backend is still drained");
            assert!(!self.runs.contains_key(&record.id), "ended, and its command still runs");
            self.ended.insert(subject, (seen.now, record.outcome.unwrap(), seen.plan.limits.cool_down));
        }
    }

    fn first_entered(&mut self, record: &Attempt, subject: &Subject, seen: &Seen<'_>) {
        assert!(self.records.keys().next_back() == Some(&record.id), "ids grow");
        let limits = &seen.plan.limits;
        let is_failover = |record: &Attempt| record.kind == "failover";
        let of_it = self.records.values().filter(|other| {
            other.backend == record.backend && other.phase != Phase::Ended && is_failover(other) == is_failover(record)
        });
        assert_eq!(of_it.count(), 1, "two attempts for one subject");
        self.first.push((record.id, seen.now));
        let was_idle = |id: &i64| {
            self.records
                .get(id)
                .is_some_and(|known| known.phase == Phase::Ended && (known.dry_run || known.acted.is_none()))
        };
        let lately = self.first.iter().filter(|(id, first)| seen.now.since(*first) < HOUR && !was_idle(id)).count();
        assert!(limits.per_hour == 0 || lately <= limits.per_hour as usize, "{lately} attempts in an hour");
        let trouble = match &subject.0 {
            Some(id) => seen.scene.backend(id).unwrap().trouble.as_ref().unwrap(),
            None => seen.scene.trouble.as_ref().unwrap(),
        };
        assert!(seen.now.since(trouble.since).as_millis() >= 200, "acts on a blip");
        // a reload may have made the pause longer since then
        let before = self.ended.get(subject).map_or(limits.cool_down, |(_, _, cool_down)| *cool_down);
        let rest = limits.cool_down.min(before).max(Duration::from_secs(1));
        let gap = self.ended.get(subject).map(|(ended, outcome, _)| (seen.now.since(*ended), *outcome));
        let failed = |outcome| matches!(outcome, Outcome::NotHealed | Outcome::Worse | Outcome::Failed);
        if let Some((gap, outcome)) = gap {
            assert!(failed(outcome) || gap >= limits.cool_down, "{gap:?} after {outcome:?}");
        }
        if gap.is_none_or(|(gap, _)| gap >= rest) {
            self.tried.retain(|(other, _), _| other != subject);
        }
        let tried = self.tried.entry((subject.clone(), record.strategy.clone())).or_default();
        *tried += 1;
        let plan: &StrategyPlan = seen.plan.strategies.iter().find(|plan| *plan.name == *record.strategy).unwrap();
        assert!(*tried <= plan.attempts, "{tried} attempts of {}", plan.name);
        assert!(plan.on.contains(&subject.1));
    }

    fn begins(&self, record: &Attempt, seen: &Seen<'_>) {
        assert!(!seen.paused && !seen.scene.in_maintenance);
        let is_under_way =
            |other: &&Attempt| !matches!(other.phase, Phase::Proposed | Phase::Ended) && other.kind != "failover";
        let there = self.records.values().filter(is_under_way).count();
        let is_failover = record.kind == "failover";
        assert!(is_failover || there <= seen.plan.limits.max_at_once, "{there} attempts at once");
    }
}
