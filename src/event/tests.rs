use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::endpoint::state::{By, State};
use crate::metrics::{Readings, Registry};

fn panic_began(available: usize) -> Kind {
    Kind::PanicBegan { available, total: available }
}

fn tell(events: &Events, from: usize, to: usize) {
    (from..to).for_each(|at| events.tell(Subject::service(&"api".into()), panic_began(at)));
}

fn told(batch: &Batch) -> Vec<usize> {
    let available = |event: &Arc<Event>| match event.kind {
        Kind::PanicBegan { available, .. } => available,
        _ => usize::MAX,
    };
    batch.events.iter().map(available).collect()
}

#[test]
fn who_asks_for_what_came_since_gets_that_in_its_order() {
    let events = Events::beginning_with(100);
    assert_eq!(events.since(0, 10), Batch::default());
    tell(&events, 0, 5);
    assert_eq!(told(&events.since(0, 10)), [0, 1, 2, 3, 4]);
    assert_eq!(told(&events.since(101, 2)), [2, 3]);
    assert_eq!(events.since(104, 10), Batch::default());
    assert_eq!(told(&events.since(7, 10)), [0, 1, 2, 3, 4], "of another life of the process");
    for future in [105, u64::MAX - 1, u64::MAX] {
        assert_eq!(told(&events.since(future, 10)), [0, 1, 2, 3, 4], "of one whose clock was ahead");
    }
}

#[test]
fn of_many_the_newest_are_kept_and_who_was_away_is_told_how_many_were_missed() {
    let registry = Registry::new(1);
    let events = metrics::with_local_recorder(&*registry, || Events::beginning_with(1));
    tell(&events, 0, KEPT + 25);
    let batch = events.since(5, 3);
    assert_eq!((told(&batch), batch.missed), (vec![25, 26, 27], 20));
    let batch = events.since(26, 1);
    assert_eq!((told(&batch), batch.missed), (vec![26], 0));
    assert_eq!(events.since(0, usize::MAX).events.len(), KEPT);
    let mut text = String::new();
    registry.render(&Readings { backends: &[], waiting: &[], shortages: &[] }, &mut text);
    let has = |line: &str| assert!(text.lines().any(|other| other == line), "{line}");
    has("evenkeel_events_total{kind=\"panic_began\"} 10025");
    has("evenkeel_events_total{kind=\"backend_up\"} 0");
}

#[tokio::test]
async fn a_subscription_waits_for_what_comes_and_misses_nothing_between() {
    let events = Arc::new(Events::beginning_with(1));
    tell(&events, 0, 2);
    let (mut late, mut all) = (events.subscribe(None), events.subscribe(Some(0)));
    assert_eq!(told(&all.next(10).await), [0, 1]);
    let told_later = async {
        tokio::task::yield_now().await;
        tell(&events, 2, 5);
    };
    let ((), first) = tokio::join!(told_later, late.next(2));
    assert_eq!((told(&first), told(&late.next(2).await)), (vec![2, 3], vec![4]));
    assert_eq!(told(&all.next(10).await), [2, 3, 4]);
}

#[test]
fn an_event_in_json_says_what_happened_to_what_and_why() {
    let kind = Kind::Backend {
        state: State::Down,
        by: By::Checks,
        reason: "connection refused".to_owned(),
        was: Some(State::Up),
        after: Some(Duration::from_millis(1500)),
    };
    let subject = Subject::backend(&"api".into(), &"a".into());
    let event = Event { id: 7, time: SystemTime::UNIX_EPOCH, moment: Moment::NEVER, subject, kind };
    assert_eq!(
        event.to_json(),
        json!({
            "id": 7, "time": "1970-01-01T00:00:00.000Z", "kind": "backend_down", "level": "warn",
            "service": "api", "backend": "a", "text": "backend is down: connection refused",
            "cause": { "state": "down", "by": "checks", "reason": "connection refused", "was": "up", "after_s": 1.5 },
        })
    );
}

#[test]
fn each_kind_has_a_name_of_its_own_and_the_states_have_theirs() {
    assert_eq!(kind::NAMES.iter().collect::<HashSet<_>>().len(), kind::NAMES.len());
    for state in State::ALL {
        let kind = Kind::Backend { state, by: By::Checks, reason: String::new(), was: None, after: None };
        assert_eq!(kind.name(), format!("backend_{}", state.as_str()));
    }
}
