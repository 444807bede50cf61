//! What a table of sessions keeps, forgets, and never mixes up.

use std::collections::HashMap;
use std::sync::Barrier;

use super::*;

const TTL: Duration = Duration::from_secs(3600);

fn at(seconds: u64) -> Moment {
    Moment::from_millis((1 << 40) + seconds * 1000)
}

fn sessions(max_entries: usize, ids: &[&str]) -> StickTableView {
    let table = Arc::new(StickTable::new(max_entries, TTL, 7));
    StickTableView::new(table, ids.iter().copied(), at(0))
}

impl StickTableView {
    /// The same table after a change of the backends.
    fn over(&self, ids: &[&str], now: Moment) -> Self {
        Self::new(Arc::clone(&self.table), ids.iter().copied(), now)
    }

    /// Remembers this backend for a new session.
    fn put(&self, key: u64, backend: usize, now: Moment) {
        assert_eq!(self.decide(key, now, |_| true, || Some(backend)), Some(backend), "session {key} is not new");
    }

    /// Where the session is; does not change it when it is nowhere.
    fn get(&self, key: u64, now: Moment) -> Option<usize> {
        self.decide(key, now, |_| true, || None)
    }
}

#[test]
fn a_session_stays_with_the_backend_that_it_got() {
    let sessions = sessions(10, &["a", "b", "c"]);
    sessions.put(1, 2, at(0));
    sessions.put(2, 0, at(0));
    assert_eq!([sessions.get(1, at(1)), sessions.get(2, at(1)), sessions.get(3, at(1))], [Some(2), Some(0), None]);
    assert_eq!(sessions.table().len(), 2);
}

#[test]
fn the_sessions_of_a_backend_are_counted_until_they_expire() {
    let sessions = sessions(100, &["a", "b"]);
    (0..30).for_each(|key| sessions.put(key, usize::from(key % 3 == 0), at(key)));
    let counts = |now| [0, 1, 2].map(|index| sessions.count(index, now));
    assert_eq!(counts(at(30)), [20, 10, 0]);
    assert_eq!(counts(at(TTL.as_secs() + 15)), [10, 5, 0], "half of them were not used for longer than they live");
    let after = sessions.over(&["b"], at(30));
    assert_eq!(after.count(0, at(30)), 10, "whatever its place");
}

#[test]
fn it_moves_once_and_stays_where_it_moved() {
    let sessions = sessions(10, &["a", "b", "c"]);
    sessions.put(1, 0, at(0));
    assert_eq!(sessions.decide(1, at(1), |index| index != 0, || Some(2)), Some(2));
    assert_eq!(sessions.get(1, at(2)), Some(2), "though its first backend is back");
    assert_eq!(sessions.table().len(), 1);
}

#[test]
fn it_moves_when_its_backend_leaves_the_list_and_not_when_others_do() {
    let before = sessions(10, &["a", "b", "c"]);
    before.put(1, 1, at(0));
    before.put(2, 2, at(0));
    let after = before.over(&["c", "x", "a"], at(1));
    assert_eq!(after.get(2, at(1)), Some(0), "c stands elsewhere in the list");
    assert_eq!(after.decide(1, at(1), |_| true, || Some(1)), Some(1), "b is gone, x is picked");
    let again = after.over(&["a", "b", "c", "x"], at(2));
    assert_eq!(again.get(1, at(2)), Some(3), "b is back, the session stays with x");
}

#[test]
fn a_session_that_was_not_used_for_its_time_is_forgotten_and_use_prolongs_it() {
    let sessions = sessions(10, &["a"]);
    sessions.put(1, 0, at(0));
    sessions.put(2, 0, at(0));
    assert_eq!(sessions.get(1, at(3000)), Some(0));
    assert_eq!([sessions.get(1, at(6600)), sessions.get(2, at(6600))], [Some(0), None]);
    assert_eq!([sessions.get(1, at(10_200)), sessions.get(1, at(13_801))], [Some(0), None]);
    sessions.table().set_ttl(Duration::from_secs(10_000));
    assert_eq!(sessions.get(1, at(13_801)), Some(0), "another time to live holds for those that are there");
}

#[test]
fn an_expired_session_is_written_over() {
    let sessions = sessions(10, &["a", "b"]);
    sessions.put(1, 0, at(0));
    sessions.put(1, 1, at(4000));
    assert_eq!((sessions.get(1, at(4000)), sessions.table().len()), (Some(1), 1));
}

#[test]
fn clocks_that_differ_by_a_little_lose_nothing() {
    let sessions = sessions(10, &["a"]);
    sessions.put(1, 0, at(10));
    assert_eq!(sessions.get(1, at(9)), Some(0), "a worker whose clock reading is older");
    // where stamps begin anew
    let wrap = (1 << STAMP_BITS) - 5 - (1 << 40) / 1000 % (1 << STAMP_BITS);
    sessions.put(2, 0, at(wrap));
    assert_eq!(sessions.get(2, at(wrap + 10)), Some(0));
    assert_eq!(sessions.get(2, at(wrap + 3700)), None);
}

#[test]
fn a_hundred_thousand_sessions_are_kept_when_a_backend_is_added() {
    let before = sessions(100_000, &["a", "b", "c"]);
    for key in 0..100_000 {
        before.put(key, usize::try_from(key % 3).unwrap(), at(key / 1000));
    }
    assert_eq!(before.table().len(), 100_000);
    let after = before.over(&["new", "a", "b", "c"], at(101));
    let lost = (0..100_000).filter(|key| after.get(*key, at(101)) != Some(1 + usize::try_from(key % 3).unwrap()));
    assert_eq!(lost.count(), 0);
}

#[test]
fn a_full_table_holds_every_session_that_it_was_made_for() {
    // the fullest that the words ever are: a size at which they are exactly twice the sessions
    for max in [1, 2, 3, 4, 1 << 10, 1 << 17] {
        let sessions = sessions(max, &["a"]);
        (0..max as u64).for_each(|key| sessions.put(key, 0, at(0)));
        let kept = (0..max as u64).filter(|key| sessions.get(*key, at(0)).is_some()).count();
        assert_eq!(kept, max);
    }
}

#[test]
fn it_never_holds_more_than_it_may() {
    let sessions = sessions(1000, &["a"]);
    for key in 0..100_000 {
        sessions.put(key, 0, at(key / 50));
        assert!(sessions.table().len() <= 1000);
    }
    let words = sessions.table().buckets.iter().flat_map(|bucket| &bucket.0);
    let held = words.filter(|word| word.load(Relaxed) != EMPTY).count();
    assert_eq!(held, sessions.table().len(), "the count is that of the words in use");
    assert!(held > 990);
}

#[test]
fn the_oldest_go_first() {
    let sessions = sessions(10_000, &["a"]);
    // a session a second; then the older half is used again
    (0..10_000).for_each(|key| sessions.put(key, 0, at(key / 10)));
    (0..5_000).for_each(|key| assert!(sessions.get(key, at(1_000)).is_some()));
    (10_000..11_000).for_each(|key| sessions.put(key, 0, at(1_001)));
    let lost: Vec<_> = (0..11_000).filter(|key| sessions.get(*key, at(1_001)).is_none()).collect();
    assert_eq!(lost.len(), 1000);
    assert!(lost.iter().all(|key| (5_000..8_000).contains(key)), "{lost:?}");
    let among_the_oldest = lost.iter().filter(|key| (5_000..6_250).contains(*key)).count();
    assert!(among_the_oldest > 900, "{among_the_oldest} of 1000 are among the oldest 1250");
}

#[test]
fn expired_ones_make_room_before_any_other() {
    let sessions = sessions(1000, &["a"]);
    (0..500).for_each(|key| sessions.put(key, 0, at(0)));
    (500..1000).for_each(|key| sessions.put(key, 0, at(3000)));
    (1000..1200).for_each(|key| sessions.put(key, 0, at(3700)));
    assert_eq!((500..1200).filter(|key| sessions.get(*key, at(3700)).is_none()).count(), 0);
}

#[test]
fn a_session_is_hardly_ever_taken_for_another() {
    let sessions = sessions(100_000, &["a"]);
    for key in 0..100_000 {
        sessions.decide(key, at(0), |_| true, || Some(0));
    }
    let mistaken = (100_000..300_000).filter(|key| sessions.get(*key, at(0)).is_some()).count();
    assert!(mistaken <= 2, "{mistaken} of 200,000");
}

#[test]
fn workers_that_meet_a_session_at_once_agree_on_its_backend() {
    const KEYS: u64 = 20_000;
    let sessions = sessions(100_000, &["a", "b", "c", "d"]);
    let start = Barrier::new(4);
    let first: Vec<Vec<usize>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let (sessions, start) = (&sessions, &start);
                scope.spawn(move || {
                    start.wait();
                    (0..KEYS).map(|key| sessions.decide(key, at(0), |_| true, || Some(worker)).unwrap()).collect()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let mut split = 0;
    for (key, key_at) in (0..KEYS).zip(0_usize..) {
        let now = sessions.get(key, at(0)).unwrap();
        assert!(first.iter().any(|worker| worker[key_at] == now), "session {key} is where nobody put it");
        assert_eq!(sessions.get(key, at(1)), Some(now));
        split += usize::from(first.iter().any(|worker| worker[key_at] != now));
    }
    assert!(split <= 200, "{split} of 20,000 sessions had their first exchanges on two backends");
}

#[test]
fn workers_that_fill_it_at_once_stay_within_the_bound_and_invent_nothing() {
    let sessions = sessions(1000, &["a", "b", "c", "d"]);
    std::thread::scope(|scope| {
        for worker in 0..4_u64 {
            let sessions = &sessions;
            scope.spawn(move || {
                for key in 0..50_000 {
                    let key = key * 4 + worker;
                    let backend = usize::try_from(worker).unwrap();
                    sessions.decide(key, at(key / 100), |_| true, || Some(backend));
                    assert!(sessions.table().len() <= 1000 + 4);
                }
            });
        }
    });
    let held: HashMap<u64, usize> = (0..200_000).filter_map(|key| Some((key, sessions.get(key, at(2000))?))).collect();
    let wrong = held.iter().filter(|(key, backend)| **key % 4 != **backend as u64).count();
    assert!(held.len() > 900 && wrong <= 5, "{} held, {wrong} of them with a backend that was not theirs", held.len());
}
