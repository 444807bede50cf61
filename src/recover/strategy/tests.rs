use super::*;
use crate::recover::plan::Destination;
use crate::recover::scene::Trouble;

const ACTED: Moment = Moment::from_millis(1 << 42);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn plan(kind: StrategyKind) -> StrategyPlan {
    StrategyPlan {
        name: kind.as_str().into(),
        kind,
        on: vec![Fault::HighLatency],
        attempts: 1,
        delay: secs(5),
        within: secs(35),
        prior: 0.5,
        has_undo: false,
    }
}

/// The backends `a` and `b`, and the backup `spare` in zone `z`, all well since long before the act.
fn scene() -> Scene {
    let backend = |id: &str| BackendScene {
        id: id.into(),
        usable: true,
        well_since: Some(Moment::from_millis(1 << 41)),
        ..Default::default()
    };
    let mut backends = ["a", "b", "spare"].map(backend).to_vec();
    (backends[2].backup, backends[2].zone) = (true, "z".into());
    let measure = Measure { requests: 1000, failed: 0, mean: Duration::from_millis(5) };
    Scene { backends: backends.into(), measure, ..Default::default() }
}

fn trouble(fault: Fault) -> Option<Trouble> {
    Some(Trouble { fault, since: ACTED, confidence: 0.9, votes: Arc::new([]) })
}

/// A case of the backend `a`, or of the service, ten seconds after the act.
fn with<T>(
    plan: &StrategyPlan,
    backend: Option<&str>,
    before: &Before,
    then: impl FnOnce(&dyn Strategy, &Case<'_>) -> T,
) -> T {
    let backend = backend.map(Arc::from);
    let case = Case {
        now: ACTED.plus(secs(10)),
        attempt: 7,
        number: 1,
        backend: backend.as_ref(),
        fault: Fault::HighLatency,
        plan,
        acted: ACTED,
        before,
    };
    then(&*of(plan), &case)
}

fn refusal(kind: StrategyKind, backend: Option<&str>, scene: &Scene) -> Option<String> {
    with(&plan(kind), backend, &Before::default(), |strategy, case| strategy.precondition(case, scene).err())
}

fn is_well(kind: StrategyKind, backend: Option<&str>, before: &Before, scene: &Scene) -> bool {
    with(&plan(kind), backend, before, |strategy, case| {
        strategy.progress(case, scene, &scene.measure) != Progress::NotYet
    })
}

fn break_circuit(path: Option<&str>) -> StrategyKind {
    StrategyKind::CircuitBreak { path: path.map(Arc::from), open_for: secs(30) }
}

fn scale_up(has_down: bool) -> StrategyKind {
    StrategyKind::ScaleUp { max_instances: 4, has_down, down_after: secs(60) }
}

fn fail_over(to: Destination) -> StrategyKind {
    StrategyKind::Failover { to, back_after: secs(30) }
}

#[test]
fn a_restart_is_for_backends_and_a_success_when_the_backend_has_become_well_after_it() {
    let restart = || StrategyKind::Restart { drain: secs(10) };
    let mut scene = scene();
    let refused = refusal(restart(), None, &scene).unwrap();
    assert_eq!(refused, "the fault is the service's as a whole, and not a backend's");
    assert_eq!(refusal(restart(), Some("x"), &scene).unwrap(), "there is no backend x any more");
    assert_eq!(refusal(restart(), Some("a"), &scene), None);
    let before = Before::default();
    assert!(!is_well(restart(), Some("a"), &before, &scene), "it was well before");
    scene.backends[0].well_since = None;
    assert!(!is_well(restart(), Some("a"), &before, &scene));
    scene.backends[0].well_since = Some(ACTED.plus(secs(3)));
    assert!(is_well(restart(), Some("a"), &before, &scene));
}

#[test]
fn a_circuit_is_not_broken_for_the_last_backend_nor_for_one_that_gets_no_work() {
    let mut scene = scene();
    assert_eq!(refusal(break_circuit(None), Some("a"), &scene), None);
    scene.backends[0].usable = false;
    assert_eq!(refusal(break_circuit(None), Some("a"), &scene).unwrap(), "a gets no work anyway");
    scene.backends[2].usable = false;
    assert_eq!(refusal(break_circuit(None), Some("b"), &scene).unwrap(), "b is the last backend that can be used");
    assert_eq!(refusal(break_circuit(Some("/a")), Some("b"), &scene), None, "a path is not all that it does");
}

#[test]
fn a_circuit_has_helped_when_the_service_is_well_without_it() {
    let mut scene = scene();
    scene.backends[0].trouble = trouble(Fault::HighErrorRate);
    let before = Before { failed_share: 0.4, ..Before::default() };
    for (failed, well) in [(40, true), (60, true), (190, true), (210, false)] {
        scene.measure.failed = failed;
        assert_eq!(is_well(break_circuit(None), Some("a"), &before, &scene), well, "{failed}");
    }
    scene.measure.failed = 0;
    scene.trouble = trouble(Fault::HighErrorRate);
    assert!(!is_well(break_circuit(None), Some("a"), &before, &scene));
}

#[test]
fn scaling_up_has_helped_when_the_fault_is_gone_and_there_are_more_backends_or_the_service_is_clearly_better() {
    let slow = Measure { requests: 1000, failed: 0, mean: Duration::from_millis(50) };
    let before = |backends, measure| Before { backends, measure, ..Before::default() };
    let mut scene = scene();
    assert!(is_well(scale_up(true), None, &before(2, scene.measure), &scene), "there is one more");
    assert!(!is_well(scale_up(true), None, &before(3, scene.measure), &scene), "nothing has changed");
    assert!(is_well(scale_up(true), None, &before(3, slow), &scene));
    scene.backends[0].trouble = trouble(Fault::HighLatency);
    assert!(!is_well(scale_up(true), Some("a"), &before(2, slow), &scene), "the reason is still there");
    scene.backends.extend_from_within(..1);
    assert_eq!(refusal(scale_up(true), None, &scene).unwrap(), "there are 4 backends, and max_instances is 4");
}

#[test]
fn instances_are_taken_away_by_the_command_for_it_or_by_undo_or_not_at_all() {
    let undo = |has_down, has_undo| {
        let plan = StrategyPlan { has_undo, ..plan(scale_up(has_down)) };
        with(&plan, None, &Before::default(), |strategy, case| {
            let orders = strategy.undo(case);
            let role = |order: &Order| if let Order::Run(run) = order { Some(run.role) } else { None };
            (orders.first().and_then(role), strategy.stays_in_force())
        })
    };
    assert_eq!(undo(true, false), (Some(Role::Down), true));
    assert_eq!(undo(true, true), (Some(Role::Undo), true));
    assert_eq!(undo(false, true), (Some(Role::Undo), true));
    assert_eq!(undo(false, false), (None, false));
}

#[test]
fn a_failover_goes_to_backups_to_another_service_or_to_a_zone_that_can_be_used() {
    let mut scene = scene();
    assert_eq!(refusal(fail_over(Destination::Backups), None, &scene), None);
    assert_eq!(refusal(fail_over(Destination::Zone("z".into())), None, &scene), None);
    let other = || fail_over(Destination::Service("other".into()));
    assert_eq!(refusal(other(), None, &scene).unwrap(), "no backend of other can be used");
    scene.usable_services = vec!["other".into()];
    assert_eq!(refusal(other(), None, &scene), None);
    scene.backends[2].usable = false;
    assert_eq!(refusal(fail_over(Destination::Backups), None, &scene).unwrap(), "no backup can be used");
    let zone = refusal(fail_over(Destination::Zone("z".into())), None, &scene).unwrap();
    assert_eq!(zone, "no backend in zone z can be used");
}

#[test]
fn a_failover_has_helped_when_the_work_is_done_well_whatever_becomes_of_those_that_failed() {
    let mut scene = scene();
    for at in 0..2 {
        scene.backends[at].trouble = trouble(Fault::Unresponsive);
        scene.backends[at].usable = false;
    }
    let (to_backups, before) = (|| fail_over(Destination::Backups), Before::default());
    assert_eq!(refusal(to_backups(), Some("a"), &scene), None);
    assert!(is_well(to_backups(), Some("a"), &before, &scene));
    scene.measure.failed = 60;
    assert!(!is_well(to_backups(), Some("a"), &before, &scene), "6 % fail");
    scene.measure.failed = 0;
    scene.backends[2].usable = false;
    assert!(!is_well(to_backups(), Some("a"), &before, &scene), "nobody is there who could do it");
}

#[test]
fn it_is_worse_when_twice_as_many_requests_fail_and_they_are_many() {
    let plan = plan(StrategyKind::Custom { drain: None });
    let worse = |before: f64, requests: u64, failed: u64| {
        let before = Before::of(&scene(), before);
        let since = Measure { requests, failed, ..Measure::default() };
        with(&plan, Some("a"), &before, |_, case| case.worse(&since).is_some())
    };
    assert!(worse(0.06, 1000, 130));
    assert!(!worse(0.07, 1000, 130), "that is not twice as many");
    assert!(!worse(0.01, 1000, 90), "that is not many");
    assert!(!worse(0.0, 3, 1) && !worse(0.0, 19, 19), "so few say nothing");
    assert!(worse(0.0, 20, 3) && !worse(0.0, 20, 2));
}
