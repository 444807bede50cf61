use std::time::Duration;

use super::*;
use crate::recover::history::{History, Past};
use crate::recover::plan::Destination;
use crate::recover::scene::Trouble;

const NOW: Moment = Moment::from_millis(1 << 42);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn ago(secs: u64) -> Moment {
    Moment::from_millis((1 << 42) - 1000 * secs)
}

/// A proposal to restart the first of five backends, which has failed a minute ago.
struct Table {
    limits: Limits,
    scene: Scene,
    plan: StrategyPlan,
    history: History,
    paused: bool,
    unkept: Option<&'static str>,
    not_leader: Option<&'static str>,
    of_strategy: u32,
    of_all: u32,
}

impl Table {
    fn new() -> Self {
        let backend = |id: &str| BackendScene { id: id.into(), usable: true, ..Default::default() };
        let mut scene =
            Scene { backends: ["a", "b", "c", "d", "e"].map(backend).to_vec().into(), ..Default::default() };
        fail(&mut scene, 0);
        let limits =
            Limits { cool_down: secs(60), max_at_once: 1, max_disrupted: 0.34, max_unhealthy: 0.4, per_hour: 3 };
        let plan = StrategyPlan {
            name: "restart".into(),
            kind: StrategyKind::Restart { drain: secs(10) },
            on: vec![Fault::Unresponsive],
            attempts: 3,
            delay: secs(5),
            within: secs(35),
            prior: 0.5,
            has_undo: false,
        };
        let history = History::default();
        Self { limits, scene, plan, history, paused: false, unkept: None, not_leader: None, of_strategy: 0, of_all: 0 }
    }

    fn held_besides(&self, engaged: &[Engaged<'_>]) -> Vec<&'static str> {
        let id = self.scene.backends[0].id.clone();
        let proposal = Proposal {
            now: NOW,
            limits: &self.limits,
            scene: &self.scene,
            paused: self.paused,
            unkept: self.unkept,
            not_leader: self.not_leader,
            plan: &self.plan,
            backend: Some(&id),
            fault: Fault::Unresponsive,
            engaged,
            counts: &Counts::of(&self.scene),
            in_words: true,
        };
        let (of_strategy, of_all) = (self.of_strategy, self.of_all);
        let within_hour = self.history.within_hour(NOW);
        let (history, since) = (&self.history, ago(60));
        let earlier = Earlier { history, since, of_strategy, of_all, within_hour, rest: None, taken_back: false };
        let all = all(&proposal, &earlier);
        assert!(all.iter().all(|brake| !brake.text.is_empty()));
        let held: Vec<_> = all.into_iter().filter(|brake| brake.holds).map(|brake| brake.name).collect();
        let first = first(&Proposal { in_words: false, ..proposal }, &earlier);
        assert!(first.as_ref().is_none_or(|brake| brake.text.is_empty()), "nobody has asked for words");
        assert_eq!(first.map(|brake| brake.name), held.first().copied());
        held
    }

    fn held(&self) -> Vec<&'static str> {
        self.held_besides(&[])
    }

    /// An attempt against the same fault that began and ended so long ago.
    fn tried(&mut self, began: u64, ended: u64, failed: bool) {
        let (backend, fault) = (Some("a".into()), Fault::Unresponsive);
        let strategy = "restart".into();
        let past = Past {
            attempt: 1,
            backend,
            fault,
            strategy,
            began: ago(began),
            ended: Some(ago(ended)),
            failed,
            was_idle: false,
        };
        self.history.begin(past, secs(60));
    }
}

fn fail(scene: &mut Scene, at: usize) {
    let trouble = Trouble { fault: Fault::Unresponsive, since: ago(60), confidence: 0.9, votes: Arc::new([]) };
    scene.backends[at].trouble = Some(trouble);
    scene.backends[at].usable = false;
}

fn failover() -> StrategyKind {
    StrategyKind::Failover { to: Destination::Backups, back_after: secs(30) }
}

fn break_circuit() -> StrategyKind {
    StrategyKind::CircuitBreak { path: None, open_for: secs(30) }
}

const FREE: [&str; 0] = [];

#[test]
fn nothing_holds_the_first_attempt_for_one_backend_that_has_failed() {
    assert_eq!(Table::new().held(), FREE);
}

#[test]
fn what_somebody_does_holds_it() {
    let change = |change: fn(&mut Table)| {
        let mut table = Table::new();
        change(&mut table);
        table.held()
    };
    assert_eq!(change(|table| table.paused = true), ["paused"]);
    assert_eq!(change(|table| table.unkept = Some("the disk is full")), ["ledger"]);
    assert_eq!(change(|table| table.not_leader = Some("b is the leader")), ["not_leader"]);
    assert_eq!(change(|table| (table.not_leader, table.plan.kind) = (Some("b is the leader"), failover())), FREE);
    assert_eq!(change(|table| table.scene.in_maintenance = true), ["maintenance"]);
    assert_eq!(change(|table| table.scene.backends[0].taken_out = true), ["taken_out"]);
    assert_eq!(change(|table| table.scene.backends[0].explained = Some("a deploy".into())), ["explained"]);
    assert_eq!(change(|table| table.scene.explained = Some("a reload".into())), FREE, "that is of the service");
}

#[test]
fn more_than_the_share_of_unhealthy_backends_leaves_nothing_but_a_failover() {
    let mut table = Table::new();
    fail(&mut table.scene, 1);
    assert_eq!(table.held(), FREE, "two of five are 40 %");
    fail(&mut table.scene, 2);
    assert_eq!(table.held(), ["max_unhealthy"]);
    table.plan.kind = failover();
    assert_eq!(table.held(), FREE);
    table.plan.kind = StrategyKind::ScaleUp { max_instances: 9, has_down: false, down_after: secs(60) };
    assert_eq!(table.held(), ["max_unhealthy"]);
    for at in 0..3 {
        let backend = &mut table.scene.backends[at];
        backend.usable = true;
        backend.trouble.as_mut().unwrap().fault = Fault::HighLatency;
    }
    assert_eq!(table.held(), FREE, "what is slow still works");
}

#[test]
fn the_only_backend_of_a_service_is_restarted_when_it_is_down_and_not_while_it_works() {
    let mut table = Table::new();
    table.scene.backends.truncate(1);
    assert_eq!(table.held(), FREE);
    table.scene.backends[0].usable = true;
    assert_eq!(table.held(), ["last_usable"]);
    table.plan.kind = StrategyKind::Custom { drain: None };
    assert_eq!(table.held(), FREE, "it stays in use");
}

#[test]
fn a_backend_that_another_attempt_takes_out_is_not_one_that_is_left() {
    let mut table = Table::new();
    (table.limits.max_disrupted, table.limits.max_at_once) = (1.0, 9);
    table.scene.backends.truncate(2);
    table.scene.backends[0].usable = true;
    let (b, restart, circuit) = (Arc::from("b"), table.plan.kind.clone(), break_circuit());
    let by = |kind, state| Engaged { backend: Some(&b), kind, state };
    assert_eq!(table.held(), FREE);
    assert_eq!(table.held_besides(&[by(&restart, State::UnderWay)]), ["last_usable"]);
    assert_eq!(table.held_besides(&[by(&restart, State::Waits)]), FREE);
    assert_eq!(table.held_besides(&[by(&restart, State::InForce)]), FREE);
    assert_eq!(table.held_besides(&[by(&circuit, State::InForce)]), ["last_usable"]);
}

#[test]
fn attempts_under_way_count_by_number_by_share_and_by_kind() {
    let mut table = Table::new();
    let (a, b, restart, away) = (Arc::from("a"), Arc::from("b"), table.plan.kind.clone(), failover());
    let restarts_b = Engaged { backend: Some(&b), kind: &restart, state: State::UnderWay };
    assert_eq!(table.held_besides(&[restarts_b]), ["max_at_once", "max_disrupted"]);
    table.limits.max_at_once = 2;
    table.limits.max_disrupted = 0.4;
    assert_eq!(table.held_besides(&[restarts_b]), FREE);
    let fails_over = Engaged { backend: None, kind: &away, state: State::UnderWay };
    assert_eq!(table.held_besides(&[restarts_b, fails_over]), FREE, "a failover does not count");
    let restarts_a = Engaged { backend: Some(&a), kind: &restart, state: State::Waits };
    assert_eq!(table.held_besides(&[restarts_a]), ["same_subject"]);
    table.plan.kind = failover();
    assert_eq!(table.held_besides(&[restarts_b, restarts_b]), FREE, "and does not wait");
    assert_eq!(table.held_besides(&[Engaged { state: State::InForce, ..fails_over }]), ["same_kind"]);
}

#[test]
fn the_budget_of_an_hour_counts_what_has_begun_within_it() {
    let mut table = Table::new();
    for began in [3601, 3599, 3000, 2000] {
        table.tried(began, began - 1, false);
    }
    assert_eq!(table.held(), ["per_hour"]);
    table.limits.per_hour = 4;
    assert_eq!(table.held(), FREE);
    table.limits.per_hour = 0;
    assert_eq!(table.held(), FREE, "there is no limit");
}

#[test]
fn a_failure_is_followed_by_a_pause_that_doubles_up_to_ten_times() {
    for (tries, pause) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 50), (90, 50)] {
        for (ended, held) in [(pause - 1, true), (pause, false)] {
            let mut table = Table::new();
            table.of_all = tries;
            table.tried(60, ended, true);
            assert_eq!(table.held().contains(&"delay"), held, "{tries} tries, {ended} s ago");
            assert!(!table.held().contains(&"cool_down"));
        }
    }
    let mut table = Table::new();
    table.of_strategy = 3;
    assert_eq!(table.held(), ["attempts"]);
}

#[test]
fn after_a_success_and_when_the_fault_has_come_back_it_cools_down() {
    let held = |began, ended, failed| {
        let mut table = Table::new();
        table.tried(began, ended, failed);
        table.held()
    };
    assert_eq!(held(60, 59, false), ["cool_down"], "that was no failure");
    assert_eq!(held(62, 59, true), ["cool_down"], "the fault has come back");
    assert_eq!(held(60, 59, true), FREE);
    assert_eq!(held(62, 60, false), FREE);
}

#[test]
fn pauses_are_a_quarter_of_their_length_while_the_error_budget_burns_too_fast() {
    // a delay of 20 s after the third failure, and a cool-down of 60 s
    for (failed, full) in [(true, 20), (false, 60)] {
        for (ended, is_protected, held) in
            [(full - 1, false, true), (full / 4 - 1, true, true), (full / 4, true, false)]
        {
            let mut table = Table::new();
            (table.of_all, table.scene.is_protected) = (3, is_protected);
            table.plan.delay = if failed { secs(5) } else { secs(0) };
            table.tried(60, ended, failed);
            assert_eq!(!table.held().is_empty(), held, "{full} s, {ended} s ago, {is_protected}");
        }
    }
}

#[test]
fn scaling_up_cools_down_whatever_fault_it_was_done_for() {
    let mut table = Table::new();
    let past = Past {
        attempt: 1,
        backend: Some("b".into()),
        fault: Fault::HighLatency,
        strategy: "scale_up".into(),
        began: ago(50),
        ended: Some(ago(40)),
        failed: false,
        was_idle: false,
    };
    table.history.begin(past, secs(60));
    assert_eq!(table.held(), FREE, "that is of another backend");
    table.plan.name = "scale_up".into();
    table.plan.kind = StrategyKind::ScaleUp { max_instances: 9, has_down: false, down_after: secs(60) };
    assert_eq!(table.held(), ["cool_down"]);
}
