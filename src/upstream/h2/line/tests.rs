use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use proptest::prelude::*;

use super::*;

/// Counts how often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Waits in the line; the waker of its task is known from then on.
fn join<T>(line: &mut Line<T>) -> (u64, Arc<Woken>) {
    let (turn, woken) = (line.join(), Arc::new(Woken::default()));
    assert!(line.poll(turn, &Context::from_waker(&Arc::clone(&woken).into())).is_pending());
    (turn, woken)
}

fn poll<T>(line: &mut Line<T>, turn: u64) -> Poll<T> {
    line.poll(turn, &Context::from_waker(Waker::noop()))
}

#[test]
fn as_many_are_woken_as_there_is_something_for() {
    let mut line = Line::default();
    let all: Vec<_> = (0..100).map(|_| join(&mut line)).collect();
    for thing in 0..30 {
        assert_eq!(line.give(thing), None);
    }
    for (i, (turn, woken)) in all.iter().enumerate() {
        assert_eq!(woken.times(), usize::from(i < 30));
        assert_eq!(poll(&mut line, *turn), if i < 30 { Poll::Ready(i) } else { Poll::Pending });
    }
    assert_eq!((line.len(), line.first()), (70, Some(30)));
}

#[test]
fn what_nobody_waits_for_is_given_back() {
    let mut line = Line::default();
    assert_eq!(line.give('a'), Some('a'));
    let (turn, _) = join(&mut line);
    assert_eq!((line.give('a'), line.give('b')), (None, Some('b')));
    assert_eq!(poll(&mut line, turn), Poll::Ready('a'));
    assert_eq!(line.leave(turn), Left::Nothing);
}

#[test]
fn one_that_leaves_hands_back_what_it_was_given_or_that_it_was_the_first() {
    let mut line = Line::default();
    let turns: Vec<_> = (0..4).map(|_| join(&mut line).0).collect();
    line.give('a');
    assert_eq!(line.leave(turns[0]), Left::Given('a'));
    assert_eq!(line.leave(turns[2]), Left::Nothing);
    assert_eq!(line.leave(turns[1]), Left::First);
    assert_eq!(line.first(), Some(turns[3]));
}

#[test]
fn the_first_alone_is_asked_to_look() {
    let mut line = Line::<()>::default();
    let all: Vec<_> = (0..3).map(|_| join(&mut line).1).collect();
    line.wake_first();
    assert_eq!(all.iter().map(|woken| woken.times()).collect::<Vec<_>>(), [1, 0, 0]);
    line.wake_all();
    assert_eq!(all.iter().map(|woken| woken.times()).collect::<Vec<_>>(), [2, 1, 1]);
}

/// What happens to a line. Numbers choose among those who are there.
#[derive(Debug, Clone)]
enum Event {
    Join,
    Give,
    Take(usize),
    Leave(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Join),
        2 => Just(Event::Give),
        2 => any::<usize>().prop_map(Event::Take),
        1 => any::<usize>().prop_map(Event::Leave),
    ]
}

proptest! {
    /// Against the plainest line there is: each thing goes to the one that has waited longest, is woken for it, and has it until it
    /// takes it or leaves; nothing is lost or given twice.
    #[test]
    fn nobody_is_passed_and_nothing_is_lost(events in proptest::collection::vec(event(), 0..200)) {
        let mut line = Line::default();
        let mut present: Vec<(u64, Arc<Woken>)> = Vec::new();
        let mut waiting = VecDeque::new();
        let mut given: VecDeque<(u64, usize)> = VecDeque::new();
        let (mut made, mut ended) = (0, HashSet::new());
        for event in events {
            match event {
                Event::Join => {
                    let (turn, woken) = join(&mut line);
                    present.push((turn, woken));
                    waiting.push_back(turn);
                }
                Event::Give => {
                    let thing = made;
                    made += 1;
                    match waiting.pop_front() {
                        Some(turn) => {
                            prop_assert_eq!(line.give(thing), None);
                            given.push_back((turn, thing));
                        }
                        None => {
                            prop_assert_eq!(line.give(thing), Some(thing));
                            ended.insert(thing);
                        }
                    }
                }
                Event::Take(i) if !present.is_empty() => {
                    let (turn, _) = present[i % present.len()];
                    let expected = given.iter().find(|(to, _)| *to == turn).map(|(_, thing)| *thing);
                    let taken = line.poll(turn, &Context::from_waker(&Arc::clone(&present[i % present.len()].1).into()));
                    prop_assert_eq!(taken, expected.map_or(Poll::Pending, Poll::Ready));
                    if let Some(thing) = expected {
                        given.retain(|(to, _)| *to != turn);
                        present.retain(|(other, _)| *other != turn);
                        prop_assert!(ended.insert(thing));
                    }
                }
                Event::Leave(i) if !present.is_empty() => {
                    let (turn, _) = present.remove(i % present.len());
                    let held = given.iter().find(|(to, _)| *to == turn).map(|(_, thing)| *thing);
                    let expected = match held {
                        Some(thing) => Left::Given(thing),
                        None if waiting.front() == Some(&turn) => Left::First,
                        None => Left::Nothing,
                    };
                    prop_assert_eq!(line.leave(turn), expected);
                    waiting.retain(|other| *other != turn);
                    given.retain(|(to, _)| *to != turn);
                    if let Some(thing) = held {
                        prop_assert!(ended.insert(thing));
                    }
                }
                Event::Take(_) | Event::Leave(_) => {}
            }
            prop_assert_eq!((line.len(), line.first()), (waiting.len(), waiting.front().copied()));
            for (turn, woken) in &present {
                let has_something = given.iter().any(|(to, _)| to == turn);
                prop_assert_eq!(woken.times(), usize::from(has_something));
            }
        }
        prop_assert_eq!(ended.len() + given.len(), made);
    }
}
