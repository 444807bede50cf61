use std::sync::Arc;

use super::*;
use crate::metrics::{Format, Readings, Registry};
use crate::recover::{Outcome, Phase};

fn recoveries() -> Recoveries {
    Recoveries::new(Arc::default(), Ledger::default(), Keeper(1))
}

fn command(word: Word, attempt: i64) -> Command {
    Command { word, attempt, who: "ops".to_owned(), reason: None }
}

fn attempt(id: i64) -> Attempt {
    Attempt {
        id,
        service: "api".to_owned(),
        strategy: "restart".to_owned(),
        phase: Phase::Acting,
        ..Attempt::default()
    }
}

fn told(recoveries: &Recoveries) -> Vec<&'static str> {
    recoveries.events.newest(100).events.iter().map(|event| event.kind.name()).collect()
}

#[test]
fn a_pause_is_in_force_at_once_and_who_came_first_stays_known() {
    let recoveries = recoveries();
    assert!(!recoveries.is_paused());
    let (first, second) = (Stamp::from_millis(1_000), Stamp::from_millis(2_000));
    let pause = recoveries.pause("ann", Some("a migration".to_owned()), first);
    assert!(recoveries.is_paused());
    assert_eq!(recoveries.pause("bob", None, second), pause);
    assert_eq!(recoveries.pause_of(), Some(pause.clone()));
    assert_eq!(recoveries.resume("bob"), Some(pause));
    assert!(!recoveries.is_paused());
    assert_eq!(recoveries.resume("bob"), None);
    assert_eq!(told(&recoveries), ["recovery_paused", "recovery_resumed"]);
}

#[tokio::test]
async fn a_pause_and_a_command_wake_the_driver() {
    let recoveries = recoveries();
    recoveries.pause("ann", None, Stamp::now());
    recoveries.news().await;
    let mut inbox = recoveries.take_inbox().unwrap();
    assert!(recoveries.take_inbox().is_none(), "there is one driver");
    let answer = recoveries.ask(command(Word::Approve, 7)).unwrap();
    recoveries.news().await;
    let asked = inbox.try_recv().unwrap();
    assert_eq!(asked.command, command(Word::Approve, 7));
    asked.answer.send(Ok(attempt(7))).unwrap();
    assert_eq!(answer.await.unwrap(), Ok(attempt(7)));
}

#[test]
fn a_command_that_nobody_takes_is_refused_and_does_not_wait() {
    let recoveries = recoveries();
    assert!(recoveries.ask(command(Word::Stop, 1)).unwrap_err().contains("does not run"));
    let inbox = recoveries.take_inbox().unwrap();
    for _ in 0..WAITING {
        recoveries.ask(command(Word::Stop, 1)).unwrap();
    }
    assert!(recoveries.ask(command(Word::Stop, 1)).unwrap_err().contains("too many"));
    drop(inbox);
    assert!(recoveries.ask(command(Word::Stop, 1)).unwrap_err().contains("any more"));
}

#[test]
fn a_pause_outlives_the_process_unless_somebody_has_resumed_before_it_is_recalled() {
    let folder = std::env::temp_dir().join(format!("evenkeel-recoveries-{}", std::process::id()));
    let open = || Ledger::of(&folder, Box::new(|trouble| panic!("{trouble}")));
    let before = Recoveries::new(Arc::default(), open(), Keeper(1));
    let pause = before.pause("ann", Some("a migration".to_owned()), Stamp::from_millis(1_000));
    assert!(before.keep());
    let after = Recoveries::new(Arc::default(), open(), Keeper(2));
    after.recall().unwrap();
    assert_eq!((after.is_paused(), after.pause_of()), (true, Some(pause)));
    let resumed = Recoveries::new(Arc::default(), open(), Keeper(3));
    resumed.resume("bob");
    resumed.recall().unwrap();
    assert!(!resumed.is_paused(), "what was said since is newer");
    after.resume("bob");
    assert!(after.keep());
    let last = Recoveries::new(Arc::default(), open(), Keeper(4));
    last.recall().unwrap();
    assert!(!last.is_paused());
    last.pause("ann", None, Stamp::from_millis(2_000));
    assert!(last.keep());
    let successor = Recoveries::new(Arc::default(), open(), Keeper(5));
    successor.read_pause().unwrap();
    assert!(successor.is_paused());
    last.resume("ann");
    assert!(last.keep());
    successor.recall().unwrap();
    assert!(!successor.is_paused(), "the process before has ended the pause meanwhile");
    drop((before, after, resumed, last, successor));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn of_those_that_ended_the_last_are_shown_each_as_it_is_now() {
    let recoveries = recoveries();
    (1..=LATELY as i64 + 5).for_each(|id| recoveries.note_ended(attempt(id)));
    let shown = recoveries.lately();
    assert_eq!((shown.len(), shown[0].id), (LATELY, 6));
    recoveries.note_changed(Attempt { in_force: true, ..attempt(7) });
    let shown = recoveries.lately();
    assert_eq!(shown.len(), LATELY);
    assert_eq!(
        shown.iter().filter(|attempt| attempt.id == 7).map(|attempt| attempt.in_force).collect::<Vec<_>>(),
        [true]
    );
}

#[test]
fn what_runs_what_ended_and_what_was_learned_is_in_the_metrics() {
    let registry = Registry::new(1);
    // a series of a service stays as long as the service is there
    let _services = ["api", "web"].map(|service| registry.attempts(service));
    metrics::with_local_recorder(&*registry, || {
        let recoveries = recoveries();
        recoveries.set_current(vec![attempt(1), Attempt { end: Some(1), in_force: true, ..attempt(2) }]);
        let (service, phase) = ("web".to_owned(), Phase::Proposed);
        let waiting = Attempt { service, phase, ..attempt(4) };
        recoveries.set_current(vec![Attempt { end: Some(1), in_force: true, ..attempt(2) }, waiting]);
        let healed = Attempt { outcome: Some(Outcome::Healed), recovery_ms: Some(2_500), ..attempt(1) };
        recoveries.note_ended(healed.clone());
        recoveries.note_changed(healed.clone());
        recoveries.note_ended(Attempt { id: 3, dry_run: true, recovery_ms: Some(9_000), ..healed });
        recoveries.count_braked("api", "max_unhealthy");
        recoveries.pause("ann", None, Stamp::now());
        recoveries.set_effectiveness(vec![Effectiveness {
            service: "api".into(),
            fault: "unresponsive".to_owned(),
            strategy: "restart".into(),
            effectiveness: 0.75,
            attempts: 4,
            successes: 3,
            credited: 2,
        }]);
    });
    let mut text = String::new();
    registry.render(&Readings::default(), Format::Prometheus, &mut text);
    for line in [
        "evenkeel_recoveries_total{service=\"api\",strategy=\"restart\",outcome=\"healed\"} 1",
        "evenkeel_recoveries_total{service=\"api\",strategy=\"restart\",outcome=\"dry_run\"} 1",
        "evenkeel_recovery_duration_seconds{service=\"api\",strategy=\"restart\"} 2.5",
        "evenkeel_recoveries_running{service=\"api\"} 0",
        "evenkeel_recoveries_running{service=\"web\"} 1",
        "evenkeel_recoveries_waiting{service=\"api\"} 0",
        "evenkeel_recoveries_waiting{service=\"web\"} 1",
        "evenkeel_recovery_in_force{service=\"api\",strategy=\"restart\"} 1",
        "evenkeel_recovery_effectiveness{service=\"api\",fault=\"unresponsive\",strategy=\"restart\"} 0.75",
        "evenkeel_recovery_braked_total{service=\"api\",brake=\"max_unhealthy\"} 1",
        "evenkeel_recovery_paused 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
}
