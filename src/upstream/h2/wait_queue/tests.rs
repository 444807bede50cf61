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

/// Waits in the queue; the waker of its task is known from then on.
fn join<T>(queue: &mut WaitQueue<T>) -> (u64, Arc<Woken>) {
    let (ticket, woken) = (queue.join(), Arc::new(Woken::default()));
    assert!(queue.poll(ticket, &Context::from_waker(&Arc::clone(&woken).into())).is_pending());
    (ticket, woken)
}

fn poll<T>(queue: &mut WaitQueue<T>, ticket: u64) -> Poll<T> {
    queue.poll(ticket, &Context::from_waker(Waker::noop()))
}

#[test]
fn as_many_are_woken_as_there_is_something_for() {
    let mut queue = WaitQueue::default();
    let all: Vec<_> = (0..100).map(|_| join(&mut queue)).collect();
    for thing in 0..30 {
        assert_eq!(queue.give(thing), None);
    }
    for (i, (ticket, woken)) in all.iter().enumerate() {
        assert_eq!(woken.times(), usize::from(i < 30));
        assert_eq!(poll(&mut queue, *ticket), if i < 30 { Poll::Ready(i) } else { Poll::Pending });
    }
    assert_eq!((queue.len(), queue.first()), (70, Some(30)));
}

#[test]
fn what_nobody_waits_for_is_given_back() {
    let mut queue = WaitQueue::default();
    assert_eq!(queue.give('a'), Some('a'));
    let (ticket, _) = join(&mut queue);
    assert_eq!((queue.give('a'), queue.give('b')), (None, Some('b')));
    assert_eq!(poll(&mut queue, ticket), Poll::Ready('a'));
    assert_eq!(queue.leave(ticket), LeftBehind::Nothing);
}

#[test]
fn one_that_leaves_hands_back_what_it_was_given_or_that_it_was_the_first() {
    let mut queue = WaitQueue::default();
    let tickets: Vec<_> = (0..4).map(|_| join(&mut queue).0).collect();
    queue.give('a');
    assert_eq!(queue.leave(tickets[0]), LeftBehind::Given('a'));
    assert_eq!(queue.leave(tickets[2]), LeftBehind::Nothing);
    assert_eq!(queue.leave(tickets[1]), LeftBehind::First);
    assert_eq!(queue.first(), Some(tickets[3]));
}

#[test]
fn the_first_alone_is_asked_to_look() {
    let mut queue = WaitQueue::<()>::default();
    let all: Vec<_> = (0..3).map(|_| join(&mut queue).1).collect();
    queue.wake_first();
    assert_eq!(all.iter().map(|woken| woken.times()).collect::<Vec<_>>(), [1, 0, 0]);
    queue.wake_all();
    assert_eq!(all.iter().map(|woken| woken.times()).collect::<Vec<_>>(), [2, 1, 1]);
}

/// What happens to a queue. Numbers choose among those who are there.
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
    /// Against the plainest queue there is: each thing goes to the one that has waited longest, is woken for it, and has it until it
    /// takes it or leaves; nothing is lost or given twice.
    #[test]
    fn nobody_is_passed_and_nothing_is_lost(events in proptest::collection::vec(event(), 0..200)) {
        let mut queue = WaitQueue::default();
        let mut present: Vec<(u64, Arc<Woken>)> = Vec::new();
        let mut waiting = VecDeque::new();
        let mut given: VecDeque<(u64, usize)> = VecDeque::new();
        let (mut made, mut ended) = (0, HashSet::new());
        for event in events {
            match event {
                Event::Join => {
                    let (ticket, woken) = join(&mut queue);
                    present.push((ticket, woken));
                    waiting.push_back(ticket);
                }
                Event::Give => {
                    let thing = made;
                    made += 1;
                    match waiting.pop_front() {
                        Some(ticket) => {
                            prop_assert_eq!(queue.give(thing), None);
                            given.push_back((ticket, thing));
                        }
                        None => {
                            prop_assert_eq!(queue.give(thing), Some(thing));
                            ended.insert(thing);
                        }
                    }
                }
                Event::Take(i) if !present.is_empty() => {
                    let (ticket, _) = present[i % present.len()];
                    let expected = given.iter().find(|(to, _)| *to == ticket).map(|(_, thing)| *thing);
                    let taken = queue.poll(ticket, &Context::from_waker(&Arc::clone(&present[i % present.len()].1).into()));
                    prop_assert_eq!(taken, expected.map_or(Poll::Pending, Poll::Ready));
                    if let Some(thing) = expected {
                        given.retain(|(to, _)| *to != ticket);
                        present.retain(|(other, _)| *other != ticket);
                        prop_assert!(ended.insert(thing));
                    }
                }
                Event::Leave(i) if !present.is_empty() => {
                    let (ticket, _) = present.remove(i % present.len());
                    let held = given.iter().find(|(to, _)| *to == ticket).map(|(_, thing)| *thing);
                    let expected = match held {
                        Some(thing) => LeftBehind::Given(thing),
                        None if waiting.front() == Some(&ticket) => LeftBehind::First,
                        None => LeftBehind::Nothing,
                    };
                    prop_assert_eq!(queue.leave(ticket), expected);
                    waiting.retain(|other| *other != ticket);
                    given.retain(|(to, _)| *to != ticket);
                    if let Some(thing) = held {
                        prop_assert!(ended.insert(thing));
                    }
                }
                Event::Take(_) | Event::Leave(_) => {}
            }
            prop_assert_eq!((queue.len(), queue.first()), (waiting.len(), waiting.front().copied()));
            for (ticket, woken) in &present {
                let has_something = given.iter().any(|(to, _)| to == ticket);
                prop_assert_eq!(woken.times(), usize::from(has_something));
            }
        }
        prop_assert_eq!(ended.len() + given.len(), made);
    }
}
