//! A service with very many backends: what a look takes grows with their number, and no faster.

use rustix::time::{ClockId, clock_gettime};

use super::super::*;
use super::bench::*;
use crate::detect::fault::Fault;

/// A service with so many further backends, all well.
fn fleet(plan: Plan, backends: usize) -> Bench {
    let mut bench = Bench::new(plan);
    (0..backends).for_each(|n| bench.joins(&format!("backend-{n}"), false));
    bench
}

/// All backends but the first three, which stay well, are in trouble from now on.
fn strike(bench: &mut Bench, fault: Fault) {
    let trouble = bench.trouble(fault);
    for backend in bench.scene.backends.iter_mut().skip(3) {
        (backend.trouble, backend.well_since) = (Some(trouble.clone()), None);
        backend.usable = fault != Fault::Unresponsive;
    }
}

#[test]
fn a_brake_of_the_service_is_told_once_however_many_backends_it_holds() {
    for (fault, brake) in [(Fault::Unresponsive, "max_unhealthy"), (Fault::ResourceExhaustion, "max_at_once")] {
        let mut bench = fleet(plan(&[restart()]), 500);
        strike(&mut bench, fault);
        let words = bench.wait(secs(5));
        let told = words.iter().filter(|word| word.starts_with("braked")).collect::<Vec<_>>();
        assert_eq!(told, [&format!("braked by {brake}")]);
        let held: Vec<_> = bench.coordinator.braked().collect();
        assert!(held.len() == 1 && held[0].starts_with("the service: restart: "), "{held:?}");
    }
}

#[test]
fn what_is_held_is_looked_at_again_at_once_when_something_changes_that_may_let_it_go_and_else_once_a_second() {
    let mut bench = fleet(plan(&[restart()]), 1);
    bench.ails("a", Fault::ResourceExhaustion);
    bench.backend("a").explained = Some("a deploy".into());
    bench.dies("b");
    bench.scene.in_maintenance = true;
    assert_eq!(bench.wait(secs(2)), ["braked by maintenance"]);
    bench.scene.in_maintenance = false;
    assert_eq!(bench.wait(Duration::from_millis(100)), ["braked by explained", "began restart"]);
    bench.look();
    bench.finishes(1, Role::Act, true);
    bench.wait(secs(1));
    bench.recovers("b");
    assert!(bench.wait(secs(3)).contains(&"healed".into()));
    bench.backend("a").explained = None;
    assert_eq!(bench.wait(secs(1))[..1], ["began restart"]);
}

/// The processor time of this thread so far: what else the machine does takes no part in it.
fn worked() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

#[test]
#[expect(clippy::print_stdout, reason = "who asks for it wants to see the times")]
#[ignore = "prints a table of times; they say something in a release build only"]
fn the_time_that_one_look_takes() {
    let cases: [(&str, Option<Fault>, f64); 4] = [
        ("well", None, 0.4),
        ("down, too many to repair", Some(Fault::Unresponsive), 0.4),
        ("down, repaired one by one", Some(Fault::Unresponsive), 1.0),
        ("slow, repaired one by one", Some(Fault::HighLatency), 0.4),
    ];
    for (name, fault, max_unhealthy) in cases {
        for backends in [1_000, 10_000] {
            let mut plan = plan(&[restart(), circuit_break(None), failover(), scale_up()]);
            plan.limits.max_unhealthy = max_unhealthy;
            let mut bench = fleet(plan, backends);
            fault.into_iter().for_each(|fault| strike(&mut bench, fault));
            let mut longest = Duration::ZERO;
            let (begun, looks) = (worked(), 30);
            for _ in 0..looks {
                let begun = worked();
                bench.wait(Duration::from_millis(100));
                longest = longest.max(worked() - begun);
            }
            let mean = (worked() - begun) / looks;
            println!("{name:28} {backends:6} backends: {mean:>12.1?} a look, {longest:>12.1?} the longest of {looks}");
        }
    }
}
