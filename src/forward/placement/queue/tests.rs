use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

/// A service on one worker of two.
struct Service {
    name: Arc<str>,
    waiting: Arc<Waiters>,
    queues: Queues,
}

/// Counts how often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Service {
    fn new() -> Self {
        Self { name: "api".into(), waiting: Arc::new(Waiters::new(2)), queues: Queues::default() }
    }

    fn join(&self, at: u64, need: Need) -> Ticket<'_> {
        self.queues.join(0, &self.name, &self.waiting, Waiter::new(need, 1, Moment::from_millis(at)))
    }

    fn any(&self, at: u64) -> Ticket<'_> {
        self.join(at, Need::AnyBut(Vec::new()))
    }

    /// An exchange with this backend ends.
    fn leave(&self, live: &Arc<Live>) {
        self.queues.give_back(0, &self.name, &self.waiting, Slot { in_flight: live.enter(), backend: 0 });
    }
}

/// What it is told now.
fn told(ticket: &Ticket<'_>) -> Option<Offer> {
    told_with(ticket, Waker::noop())
}

fn told_with(ticket: &Ticket<'_>, waker: &Waker) -> Option<Offer> {
    match ticket.queue.poll_offer(ticket.turn, &Context::from_waker(waker)) {
        Poll::Ready(turn) => Some(turn),
        Poll::Pending => None,
    }
}

fn has_slot(ticket: &Ticket<'_>) -> bool {
    matches!(told(ticket), Some(Offer::Slot(_)))
}

fn is_to_look(ticket: &Ticket<'_>) -> bool {
    matches!(told(ticket), Some(Offer::Look))
}

#[test]
fn places_go_to_those_who_wait_in_the_order_in_which_they_came() {
    let (service, live) = (Service::new(), Arc::default());
    let mut tickets: Vec<_> = (0..5).map(|number| (number, service.any(7))).collect();
    let mut served = Vec::new();
    while !tickets.is_empty() {
        service.leave(&live);
        let next = tickets.iter().position(|(_, ticket)| has_slot(ticket)).unwrap();
        served.push(tickets.remove(next).0);
    }
    assert_eq!(served, [0, 1, 2, 3, 4]);
}

#[test]
fn a_place_is_counted_while_it_goes_from_hand_to_hand() {
    let (service, live) = (Service::new(), Arc::<Live>::default());
    let (first, second) = (service.any(1), service.any(2));
    service.leave(&live);
    service.leave(&live);
    assert_eq!(live.in_flight(), 2);
    assert!(has_slot(&second), "the first has one already");
    assert_eq!(live.in_flight(), 1, "the second has let go of its own");
    drop(first);
    assert_eq!(live.in_flight(), 1, "the slot of the one that has left goes to the next");
    assert!(has_slot(&second));
    drop(second);
    assert_eq!((live.in_flight(), service.waiting.len()), (0, 0));
    assert!(service.queues.of("api").is_none(), "nothing is left of the queue");
}

#[test]
fn one_that_began_earlier_goes_first_though_it_comes_later() {
    let (service, live) = (Service::new(), Arc::default());
    let (late, early) = (service.any(20), service.any(10));
    service.leave(&live);
    assert!(!has_slot(&late));
    assert!(has_slot(&early));
}

#[test]
fn who_waits_for_another_backend_stands_in_nobodys_way() {
    let (service, live, other) = (Service::new(), Arc::default(), Arc::default());
    let session = service.join(1, Need::Only(Arc::clone(&other)));
    let burnt = service.join(2, Need::AnyBut(vec![Arc::clone(&live)]));
    assert!(!service.queues.of("api").is_some_and(|queue| queue.has_undemanding(1)));
    let any = service.any(3);
    assert!(service.queues.of("api").is_some_and(|queue| queue.has_undemanding(1)));
    service.leave(&live);
    assert!(has_slot(&any));
    service.leave(&other);
    assert!(has_slot(&session));
    drop(session);
    service.leave(&other);
    assert!(has_slot(&burnt));
}

#[test]
fn one_elsewhere_that_has_waited_longer_goes_first() {
    let (service, live) = (Service::new(), Arc::<Live>::default());
    let ticket = service.any(10);
    assert!(is_to_look(&ticket));
    service.waiting.set_first(1, Some(9 << SAME_MILLISECOND));
    service.leave(&live);
    assert!(told(&ticket).is_none());
    assert_eq!((live.in_flight(), service.waiting.count()), (0, 1), "it is free, and the other worker is told");
    service.waiting.set_first(1, Some(11 << SAME_MILLISECOND));
    service.leave(&live);
    assert!(has_slot(&ticket));
}

#[test]
fn only_the_first_looks_and_the_next_after_it_has_found_something() {
    let service = Service::new();
    let (first, second, third) = (service.any(1), service.any(2), service.any(3));
    assert!(is_to_look(&first));
    assert!(told(&first).is_none() && told(&second).is_none());
    first.found_nothing();
    assert!(told(&second).is_none(), "what did not do for the first won't do for the second");
    first.found();
    drop(first);
    assert!(is_to_look(&second));
    assert!(told(&third).is_none());
    drop(second);
    assert!(told(&third).is_none(), "it gave up and found nothing");
}

#[test]
fn those_who_can_use_a_few_backends_only_let_the_next_look() {
    let (service, own) = (Service::new(), Arc::default());
    let (session, any) = (service.join(1, Need::Only(own)), service.any(2));
    assert!(is_to_look(&session));
    session.found_nothing();
    assert!(is_to_look(&any));
}

#[test]
fn a_declined_place_goes_to_a_session_of_that_backend_and_to_nobody_else() {
    let (service, live) = (Service::new(), Arc::<Live>::default());
    let (first, session, last) = (service.any(1), service.join(2, Need::Only(Arc::clone(&live))), service.any(3));
    assert!(is_to_look(&first));
    service.leave(&live);
    let Some(Offer::Slot(slot)) = told(&first) else { panic!("it was handed a slot") };
    first.decline(slot);
    assert!(told(&first).is_none() && told(&last).is_none());
    let Some(Offer::Slot(slot)) = told(&session) else { panic!("it belongs there") };
    session.decline(slot);
    assert_eq!(live.in_flight(), 0);
}

#[test]
fn nobody_is_woken_in_vain() {
    let (service, live) = (Service::new(), Arc::default());
    let tickets: Vec<_> = (0..100).map(|at| service.any(at)).collect();
    let woken: Vec<Arc<Woken>> = tickets.iter().map(|_| Arc::default()).collect();
    let wakers: Vec<Waker> = woken.iter().map(|woken| Waker::from(Arc::clone(woken))).collect();
    assert!(is_to_look(&tickets[0]));
    tickets.iter().zip(&wakers).for_each(|(ticket, waker)| assert!(told_with(ticket, waker).is_none()));
    service.leave(&live);
    service.leave(&live);
    let counts: Vec<_> = woken.iter().map(|woken| woken.0.load(Ordering::Relaxed)).collect();
    assert_eq!((counts[0], counts[1], counts[2..].iter().sum::<usize>()), (1, 1, 0));
}

#[test]
fn those_who_came_before_a_reload_keep_nobody_from_its_backends() {
    let service = Service::new();
    let undemanding = |settings| service.queues.of("api").is_some_and(|queue| queue.has_undemanding(settings));
    let old = service.any(1);
    assert_eq!([1, 2].map(undemanding), [true, false]);
    let new = service.queues.join(
        0,
        &service.name,
        &service.waiting,
        Waiter::new(Need::AnyBut(Vec::new()), 2, Moment::from_millis(2)),
    );
    assert_eq!([1, 2].map(undemanding), [false, true]);
    drop(old);
    assert!(undemanding(2));
    let other = service.any(3);
    drop(new);
    assert_eq!([1, 2].map(undemanding), [true, false]);
    drop(other);
}

/// Exchanges come, go in the middle, and are served, at random: no slot is lost, and nobody who can use any backend is passed.
#[test]
fn whatever_happens_no_place_is_lost_and_nobody_is_passed() {
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..50 {
        let (service, backends) = (Service::new(), [Arc::<Live>::default(), Arc::default(), Arc::default()]);
        let mut held: Vec<InFlight> = backends.iter().map(Live::enter).collect();
        let mut waiting: Vec<(u64, Ticket<'_>)> = Vec::new();
        let mut served = Vec::new();
        for at in 0..200 {
            match random.u32(..4) {
                0 | 1 => waiting.push((at, service.any(at))),
                2 if !waiting.is_empty() => drop(waiting.remove(random.usize(..waiting.len()))),
                _ if !held.is_empty() => {
                    let in_flight = held.swap_remove(random.usize(..held.len()));
                    service.queues.give_back(0, &service.name, &service.waiting, Slot { in_flight, backend: 0 });
                }
                _ => {}
            }
            // whoever is woken runs
            let mut index = 0;
            while index < waiting.len() {
                match told(&waiting[index].1) {
                    Some(Offer::Slot(slot)) => {
                        served.push(waiting.remove(index).0);
                        held.push(slot.in_flight);
                    }
                    Some(Offer::Look) | None => index += 1,
                }
            }
            assert_eq!(service.waiting.len(), waiting.len());
            let in_flight: u32 = backends.iter().map(|live| live.in_flight()).sum();
            assert_eq!(in_flight as usize, held.len(), "none is lost and none is kept by those who wait");
        }
        assert!(served.is_sorted(), "{served:?}");
        drop(waiting);
        assert!(service.queues.of("api").is_none());
    }
}
