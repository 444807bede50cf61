//! The lines of those on one worker who wait for a place within an adaptive limit: for each limit one of each priority, first come, first served.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::concurrency::{AdaptiveLimit, ConcurrencyPlace};
use crate::policy::Priority;
use crate::snapshot::ConcurrencyLimit;

/// Those on one worker who wait for a place within a limit.
#[derive(Debug, Default)]
pub struct Lines {
    waiting: RefCell<BTreeMap<Turn, InLine>>,
    came: Cell<u64>,
}

/// The address of a limit, the rank of a priority (0 = the most important), and the number in the order of arrival.
type Turn = (usize, usize, u64);

/// One who waits.
#[derive(Debug)]
struct InLine {
    /// The part of the limit that is open to it, in thousandths.
    part: u32,
    /// It was given this place, and does not know yet.
    place: Option<ConcurrencyPlace>,
    waker: Option<Waker>,
}

/// A place in a line. It is given up when this is dropped.
pub struct Ticket<'a> {
    lines: &'a Lines,
    turn: Turn,
}

impl Lines {
    /// Gives a place back: it goes to the most important of those who wait for it here, and of these to the one that came first.
    pub fn give_back(&self, place: ConcurrencyPlace) {
        if self.waiting.borrow().is_empty() {
            return;
        }
        let limit = Arc::clone(place.limit());
        self.hand_over(place);
        self.let_in(&limit);
    }

    fn hand_over(&self, place: ConcurrencyPlace) {
        let address = Arc::as_ptr(place.limit()).addr();
        let mut free = Some(place);
        for next in self.waiting.borrow_mut().range_mut(all_of(address)).map(|(_, next)| next) {
            if next.place.is_some() {
                continue;
            }
            let Some(place) = free.take() else { return };
            match place.pass_on(next.part) {
                Ok(place) => return next.give(place),
                Err(place) => free = Some(place),
            }
        }
    }

    /// Lets in those who wait here, as far as there is room: the limit may have been raised, and other workers give places back, too.
    pub fn let_in(&self, limit: &Arc<AdaptiveLimit>) {
        let waiting = &mut *self.waiting.borrow_mut();
        if waiting.is_empty() {
            return;
        }
        for (_, next) in waiting.range_mut(all_of(Arc::as_ptr(limit).addr())) {
            if next.place.is_some() {
                continue;
            }
            // those who follow are not more important
            let Some(place) = limit.enter(next.part) else { return };
            next.give(place);
        }
    }

    /// Whether somebody waits who is as important, or more so.
    pub fn has_before(&self, limit: usize, priority: Priority) -> bool {
        let waiting = self.waiting.borrow();
        !waiting.is_empty() && waiting.range((limit, 0, 0)..=(limit, priority as usize, u64::MAX)).next().is_some()
    }

    /// How many wait in this line.
    pub fn len(&self, limit: usize, priority: Priority) -> usize {
        let rank = priority as usize;
        self.waiting.borrow().range((limit, rank, 0)..=(limit, rank, u64::MAX)).count()
    }

    /// Puts one into the line of its priority, to whom this part of the limit is open.
    pub fn join(&self, limit: usize, priority: Priority, part: u32) -> Ticket<'_> {
        let turn = (limit, priority as usize, self.came.get());
        self.came.set(turn.2 + 1);
        self.waiting.borrow_mut().insert(turn, InLine { part, place: None, waker: None });
        Ticket { lines: self, turn }
    }
}

impl InLine {
    fn give(&mut self, place: ConcurrencyPlace) {
        self.place = Some(place);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// All who wait for a place within the limit at this address.
fn all_of(limit: usize) -> RangeInclusive<Turn> {
    (limit, 0, 0)..=(limit, usize::MAX, u64::MAX)
}

impl Ticket<'_> {
    /// Ready with a place, when it was given one or finds one. Only the first of a line looks.
    pub fn poll(&self, limit: &ConcurrencyLimit, priority: Priority, cx: &Context<'_>) -> Poll<ConcurrencyPlace> {
        let waiting = &mut *self.lines.waiting.borrow_mut();
        let (address, rank, _) = self.turn;
        let first = waiting.range((address, rank, 0)..).find(|(_, waiter)| waiter.place.is_none());
        let is_first = first.is_some_and(|(turn, _)| *turn == self.turn);
        let Some(own) = waiting.get_mut(&self.turn) else { return Poll::Pending };
        if let Some(place) = own.place.take().or_else(|| if is_first { limit.enter(priority) } else { None }) {
            return Poll::Ready(place);
        }
        match &mut own.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let left = self.lines.waiting.borrow_mut().remove(&self.turn);
        if let Some(unused) = left.and_then(|left| left.place) {
            self.lines.give_back(unused);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Registry;
    use crate::policy::Concurrency;

    fn limit(places: u32) -> ConcurrencyLimit {
        let rule = Concurrency {
            min: 1,
            max: 100,
            initial: places,
            tolerance: 1.5,
            probe: Duration::from_secs(30),
            normal: 800,
            low: 600,
        };
        let state = Arc::new(AdaptiveLimit::new(Registry::new(2).concurrency("api")));
        state.publish(places, 1);
        ConcurrencyLimit { rule, state }
    }

    fn poll(ticket: &Ticket<'_>, limit: &ConcurrencyLimit, priority: Priority) -> Option<ConcurrencyPlace> {
        match ticket.poll(limit, priority, &Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_place_goes_to_the_most_important_and_of_these_to_who_came_first() {
        let (limit, lines) = (limit(10), Lines::default());
        let mut held: Vec<_> = std::iter::from_fn(|| limit.enter(Priority::High)).collect();
        let join =
            |priority: Priority| lines.join(Arc::as_ptr(&limit.state).addr(), priority, limit.rule.part(priority));
        let (low, first, second) = (join(Priority::Low), join(Priority::High), join(Priority::High));
        assert!([&low, &first, &second].iter().all(|ticket| poll(ticket, &limit, Priority::Low).is_none()));
        lines.give_back(held.pop().unwrap());
        assert!(limit.enter(Priority::High).is_none(), "it is counted all the while");
        assert!(poll(&second, &limit, Priority::High).is_none());
        let place = poll(&first, &limit, Priority::High).unwrap();
        drop(first);
        lines.give_back(place);
        assert!(poll(&second, &limit, Priority::High).is_some(), "and is free again here");
        drop(second);
        assert_eq!(limit.state.in_flight(), 9);
        lines.give_back(held.pop().unwrap());
        assert!(poll(&low, &limit, Priority::Low).is_none(), "8 of 10 are not for it");
        held.truncate(6);
        assert!(poll(&low, &limit, Priority::Low).is_none());
        lines.give_back(held.pop().unwrap());
        assert_eq!(limit.state.in_flight(), 6, "it was passed on");
        drop(low);
        assert_eq!((limit.state.in_flight(), lines.waiting.borrow().len()), (5, 0), "who leaves gives its place back");
    }

    #[test]
    fn those_who_wait_are_let_in_as_far_as_there_is_room() {
        let (limit, lines) = (limit(10), Lines::default());
        let of = Arc::as_ptr(&limit.state).addr();
        let mut held: Vec<_> = std::iter::from_fn(|| limit.enter(Priority::Normal)).collect();
        let normal: Vec<_> = (0..4).map(|_| lines.join(of, Priority::Normal, 800)).collect();
        let low = lines.join(of, Priority::Low, 600);
        lines.let_in(&limit.state);
        assert_eq!(limit.state.in_flight(), 8, "there is none");
        limit.state.publish(13, 2);
        lines.let_in(&limit.state);
        let has = |ticket: &Ticket<'_>| lines.waiting.borrow()[&ticket.turn].place.is_some();
        assert_eq!(normal.iter().map(has).collect::<Vec<_>>(), [true, true, false, false], "8 tenths of 13 are 10");
        assert!(!has(&low));
        limit.state.publish(20, 3);
        lines.give_back(held.pop().unwrap());
        assert!(normal.iter().all(has), "one by its place, and one by the room that there is besides");
        assert!(has(&low), "12 are open to it");
        assert_eq!(limit.state.in_flight(), 12);
    }

    #[test]
    fn who_comes_later_does_not_overtake() {
        let (limit, lines) = (limit(10), Lines::default());
        let _waits = lines.join(Arc::as_ptr(&limit.state).addr(), Priority::Normal, 800);
        let of = Arc::as_ptr(&limit.state).addr();
        let before = |priority| lines.has_before(of, priority);
        assert_eq!(Priority::ALL.map(before), [false, true, true]);
        assert!(!lines.has_before(of + 1, Priority::Low), "another service");
        assert_eq!([lines.len(of, Priority::Normal), lines.len(of, Priority::Low)], [1, 0]);
    }
}
