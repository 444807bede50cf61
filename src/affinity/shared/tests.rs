//! What the table and the store make of a session together, without a store: its answers are written here.

use tokio::sync::mpsc;

use super::*;
use crate::metrics::Registry;

const TTL: Duration = Duration::from_secs(3600);
const WORKER: usize = 0;

/// An instance, and what it hands over to its keeper.
struct Instance {
    shared: SharedTable,
    messages: mpsc::Receiver<Message>,
}

fn at(seconds: u64) -> Moment {
    Moment::from_millis((1 << 40) + seconds * 1000)
}

fn instance(ids: &[&str]) -> Instance {
    let (link, messages) = Link::new("redis://a".to_owned(), Duration::from_millis(5));
    link.state().set_up(true);
    let table = Arc::new(StickTable::new(100, TTL, 1));
    let view = StickTableView::new(Arc::clone(&table), ids.iter().copied(), at(0));
    let sessions = Arc::new(Sessions { table, names: Names::new("evenkeel", "api", None), ttl: TTL });
    let ids = ids.iter().map(|id| Arc::from(*id)).collect();
    let lookups = Registry::new(1).session_lookups("api");
    Instance { shared: SharedTable::new(view, sessions, link, ids, lookups), messages }
}

impl Instance {
    /// What is written of a session: its key, its backend, and whether it replaces what is there.
    fn written(&mut self) -> Option<(u64, String, bool)> {
        match self.messages.try_recv().ok()? {
            Message::Write(write) => Some((write.key, write.backend.to_string(), write.replaces)),
            Message::Ask(question) => panic!("it asks: {question:?}"),
        }
    }

    fn holds(&self, key: u64, now: Moment) -> Option<usize> {
        self.shared.view.peek(key, now).and_then(|(index, _)| index)
    }

    fn to_ask(&self, key: u64, now: Moment) -> Option<Lookup> {
        self.shared.to_ask(WORKER, key, now, |_| true)
    }

    fn settle(&self, lookup: Lookup, proposal: usize, found: Option<Found>, now: Moment) -> bool {
        self.shared.settle(lookup, Some(proposal), found, now, |index| index != 3)
    }
}

fn at_backend(id: &str) -> Option<Found> {
    Some(Found::Backend(id.into()))
}

#[test]
fn a_session_is_asked_for_once_and_then_after_its_freshness() {
    let mut here = instance(&["a", "b"]);
    let lookup = here.to_ask(7, at(0)).unwrap();
    assert_eq!(lookup, Lookup { key: 7, own: None });
    assert!(!here.settle(lookup, 1, Some(Found::Stored), at(0)));
    assert_eq!(here.to_ask(7, at(9)), None);
    assert_eq!(here.shared.decide(7, false, at(9), |_| true, || panic!("it is known")), Some(1));
    assert_eq!(here.to_ask(7, at(10)), Some(Lookup { key: 7, own: Some(1) }), "a use does not make it fresh");
    assert_eq!(here.written(), None, "the question has written it");
}

#[test]
fn who_comes_second_follows_the_first() {
    let mut here = instance(&["a", "b"]);
    let lookup = here.to_ask(7, at(0)).unwrap();
    assert!(!here.settle(lookup, 1, at_backend("a"), at(0)));
    assert_eq!(here.holds(7, at(0)), Some(0));
    assert_eq!(here.written(), None);
}

#[test]
fn a_session_that_another_instance_has_moved_is_followed_when_it_is_asked_for_again() {
    let here = instance(&["a", "b"]);
    let lookup = here.to_ask(7, at(0)).unwrap();
    here.settle(lookup, 0, Some(Found::Stored), at(0));
    let lookup = here.to_ask(7, at(20)).unwrap();
    assert!(!here.settle(lookup, 0, at_backend("b"), at(20)));
    assert_eq!(here.holds(7, at(20)), Some(1));
}

#[test]
fn a_session_whose_backend_is_no_good_here_moves_and_replaces_what_the_store_has() {
    for there in ["d", "unknown"] {
        let mut here = instance(&["a", "b", "c", "d"]);
        let lookup = here.to_ask(7, at(0)).unwrap();
        assert!(here.settle(lookup, 1, at_backend(there), at(0)));
        assert_eq!(here.holds(7, at(0)), None);
        assert_eq!(here.shared.decide(7, true, at(0), |_| true, || Some(1)), Some(1));
        assert_eq!(here.written(), Some((7, "b".to_owned(), true)), "{there}");
    }
}

#[test]
fn a_session_that_is_well_here_stays_though_the_store_still_has_its_old_backend() {
    let mut here = instance(&["a", "b", "c", "d"]);
    let lookup = here.to_ask(7, at(0)).unwrap();
    here.settle(lookup, 1, Some(Found::Stored), at(0));
    let lookup = here.to_ask(7, at(20)).unwrap();
    here.settle(lookup, 1, at_backend("d"), at(20));
    assert_eq!(here.holds(7, at(20)), Some(1));
    assert_eq!(here.written(), Some((7, "b".to_owned(), true)));
}

#[test]
fn a_session_moves_in_the_store_as_it_moves_here() {
    let mut here = instance(&["a", "b"]);
    let lookup = here.to_ask(7, at(0)).unwrap();
    here.settle(lookup, 0, Some(Found::Stored), at(0));
    assert_eq!(here.shared.decide(7, false, at(1), |index| index != 0, || Some(1)), Some(1));
    assert_eq!(here.written(), Some((7, "b".to_owned(), true)));
}

#[test]
fn without_an_answer_the_proposal_holds_and_is_written_later() {
    let mut here = instance(&["a", "b"]);
    let lookup = here.to_ask(7, at(0)).unwrap();
    assert!(!here.settle(lookup, 1, None, at(0)));
    assert_eq!(here.holds(7, at(0)), Some(1));
    assert_eq!(here.written(), Some((7, "b".to_owned(), false)), "unless another one is there");
    let lookup = here.to_ask(7, at(20)).unwrap();
    here.settle(lookup, 1, None, at(20));
    assert_eq!((here.written(), here.to_ask(7, at(21))), (None, None), "it is asked for again before long");
}

#[test]
fn two_exchanges_of_a_new_session_that_have_no_answer_stay_together() {
    for found in [None, Some(Found::Nothing)] {
        let mut here = instance(&["a", "b"]);
        let lookups = [(); 2].map(|()| here.to_ask(7, at(0)).unwrap());
        here.settle(lookups[0], 0, found.clone(), at(0));
        here.settle(lookups[1], 1, found.clone(), at(0));
        assert_eq!(here.holds(7, at(0)), Some(0), "{found:?}");
        let written = found.is_none().then(|| (7, "a".to_owned(), false));
        assert_eq!((here.written(), here.written()), (written, None), "{found:?}");
    }
}

#[test]
fn while_the_store_is_not_asked_the_table_decides_and_keeps_its_sessions() {
    let mut here = instance(&["a", "b"]);
    here.shared.link.state().set_up(false);
    assert_eq!(here.to_ask(7, at(0)), None);
    let decide = |now| here.shared.decide(7, false, now, |_| true, || Some(1));
    assert!((0..20).all(|hour| decide(at(hour * 3000)) == Some(1)), "a session in use does not expire");
    assert_eq!(here.written(), Some((7, "b".to_owned(), false)));
    assert_eq!(here.written(), None);
}

#[test]
fn what_the_store_keeps_outlives_its_last_use_by_the_whole_time() {
    for ttl in [1, 4, 60, 3600, 86_400] {
        let instance = instance(&["a"]);
        let sessions = Sessions { ttl: Duration::from_secs(ttl), ..sessions_like(&instance) };
        // a use just before it would be renewed, and the last one just before it is asked for again
        let left = sessions.renewed_below() - u64::from(freshness(sessions.ttl));
        assert!(left >= ttl && sessions.kept_for() > sessions.renewed_below(), "{ttl}");
        assert!(sessions.kept_for() <= ttl * 3 / 2 + 12, "{ttl}");
    }
}

fn sessions_like(instance: &Instance) -> Sessions {
    Sessions { table: Arc::clone(&instance.shared.sessions.table), names: Names::new("p", "s", None), ttl: TTL }
}
