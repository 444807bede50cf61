//! A place within the adaptive limit of a service, which an exchange needs before it looks for a backend: taken at once, or after a short wait in the line
//! of its priority, or not at all.
//!
//! A place that comes free goes to whoever waits on the same worker, the most important first, and stays counted all the while: nobody who comes later
//! gets it in between. What other workers give back, or a limit that was raised, is found within a tick by asking.
//!
//! Lines are short, and waits too, because waiting helps with what comes unevenly only. Where more comes than can be done, a long line makes all of those
//! who are served wait for its whole length, and serves no more of them (the standing queue of CoDel, RFC 8289).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Worker;
use crate::error::{Error, Kind, Result};
use crate::metrics::LimitPlace;
use crate::policy::Priority;
use crate::protocol::http::Presence;
use crate::snapshot::ConcurrencyLimit;
use crate::timer::Alarm;

/// How often those who wait ask whether there is room.
const ASK: Duration = Duration::from_millis(20);
/// The wait where the latency without load is not known yet.
const UNKNOWN: Duration = Duration::from_millis(100);
/// Who matters most may wait in a line of this part of the limit: with the exchanges in flight, it takes about one and a half times as long as those
/// alone.
const LONG_LINE: u32 = 2;
/// All others may wait in a line of this part. With more, they would be served no sooner: what comes free above their part of the limit is not for them.
const SHORT_LINE: u32 = 8;

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
    place: Option<LimitPlace>,
    waker: Option<Waker>,
}

/// A place in a line. It is given up when this is dropped.
struct Ticket<'a> {
    lines: &'a Lines,
    turn: Turn,
}

/// Takes a place at once, where there is one and nobody who came before waits for it.
pub fn enter(worker: &Worker, limit: &ConcurrencyLimit, priority: Priority) -> Option<LimitPlace> {
    if worker.lines.has_before(address(limit), priority) { None } else { limit.enter(priority) }
}

/// Waits for a place, for at most `longest`. `client` is watched meanwhile, where it can be; with `abort_on_close`, one that ends its side is gone.
///
/// # Errors
///
/// [`Kind::Shed`] where there is no place in the line, or none has come free in time.
pub async fn wait(
    worker: &Worker,
    limit: &ConcurrencyLimit,
    priority: Priority,
    longest: Duration,
    (client, abort_on_close): (Option<&Presence>, bool),
) -> Result<LimitPlace> {
    let shed = |why| {
        limit.state.shed(worker.index, priority as usize);
        Error::new(Kind::Shed, why)
    };
    if worker.lines.len(address(limit), priority) >= room(limit, priority) {
        return Err(shed("above the adaptive limit of its service"));
    }
    let longest = longest.min(limit.state.unloaded().unwrap_or(UNKNOWN).max(ASK));
    let ticket = worker.lines.join(address(limit), priority, limit.rule.part(priority));
    let _watched = client.map(|client| client.watch(abort_on_close));
    let mut alarm = Alarm::new(&worker.timers, ASK);
    let place = poll_fn(|cx| {
        while alarm.poll(cx).is_ready() {
            alarm.set(ASK);
        }
        ticket.poll(limit, priority, cx)
    });
    let place = worker.timers.within(longest, place).await;
    place.ok_or_else(|| shed("above the adaptive limit of its service, and no place has come free"))
}

/// How many may wait on one worker.
fn room(limit: &ConcurrencyLimit, priority: Priority) -> usize {
    let part = if priority == Priority::High { LONG_LINE } else { SHORT_LINE };
    let in_all = limit.state.limit().unwrap_or(limit.rule.initial) / part;
    (in_all as usize / limit.state.workers().max(1)).max(1)
}

fn address(limit: &ConcurrencyLimit) -> usize {
    Arc::as_ptr(&limit.state).addr()
}

impl Lines {
    /// Gives a place back: it goes to the most important of those who wait for it here, and of these to the one that came first.
    pub fn give_back(&self, place: LimitPlace) {
        let waiting = &mut *self.waiting.borrow_mut();
        if waiting.is_empty() {
            return;
        }
        let limit = place.address();
        let mut free = Some(place);
        for (_, next) in waiting.range_mut((limit, 0, 0)..=(limit, usize::MAX, u64::MAX)) {
            if next.place.is_some() {
                continue;
            }
            let Some(place) = free.take() else { return };
            match place.pass_on(next.part) {
                Ok(place) => {
                    next.place = Some(place);
                    if let Some(waker) = next.waker.take() {
                        waker.wake();
                    }
                    return;
                }
                Err(place) => free = Some(place),
            }
        }
    }

    /// Whether somebody waits who is as important, or more so.
    fn has_before(&self, limit: usize, priority: Priority) -> bool {
        let waiting = self.waiting.borrow();
        !waiting.is_empty() && waiting.range((limit, 0, 0)..=(limit, priority as usize, u64::MAX)).next().is_some()
    }

    /// How many wait in this line.
    fn len(&self, limit: usize, priority: Priority) -> usize {
        let rank = priority as usize;
        self.waiting.borrow().range((limit, rank, 0)..=(limit, rank, u64::MAX)).count()
    }

    fn join(&self, limit: usize, priority: Priority, part: u32) -> Ticket<'_> {
        let turn = (limit, priority as usize, self.came.get());
        self.came.set(turn.2 + 1);
        self.waiting.borrow_mut().insert(turn, InLine { part, place: None, waker: None });
        Ticket { lines: self, turn }
    }
}

impl Ticket<'_> {
    /// Ready with a place, when it was given one or finds one. Only the first of a line looks.
    fn poll(&self, limit: &ConcurrencyLimit, priority: Priority, cx: &Context<'_>) -> Poll<LimitPlace> {
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
        let state = Registry::new(2).adaptive("api");
        state.publish(places, 1);
        ConcurrencyLimit { rule, state }
    }

    fn poll(ticket: &Ticket<'_>, limit: &ConcurrencyLimit, priority: Priority) -> Option<LimitPlace> {
        match ticket.poll(limit, priority, &Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_place_goes_to_the_most_important_and_of_these_to_who_came_first() {
        let (limit, lines) = (limit(10), Lines::default());
        let mut held: Vec<_> = std::iter::from_fn(|| limit.enter(Priority::High)).collect();
        let join = |priority: Priority| lines.join(address(&limit), priority, limit.rule.part(priority));
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
    fn who_comes_later_does_not_overtake() {
        let (limit, lines) = (limit(10), Lines::default());
        let _waits = lines.join(address(&limit), Priority::Normal, 800);
        let of = address(&limit);
        let before = |priority| lines.has_before(of, priority);
        assert_eq!(Priority::ALL.map(before), [false, true, true]);
        assert!(!lines.has_before(of + 1, Priority::Low), "another service");
        assert_eq!([lines.len(of, Priority::Normal), lines.len(of, Priority::Low)], [1, 0]);
    }

    #[test]
    fn lines_are_as_long_as_the_limit_allows() {
        let limit = limit(40);
        assert_eq!(Priority::ALL.map(|priority| room(&limit, priority)), [10, 2, 2]);
        limit.state.publish(3, 2);
        assert_eq!(Priority::ALL.map(|priority| room(&limit, priority)), [1, 1, 1]);
    }
}
