//! The paths to a backend that has several addresses: which of them are tried first, and whether a connection that was made over one of them
//! is still good.
//!
//! What is known of a path is found out by the control plane (`health::paths`), from checks and from what dials have met, and published
//! here. A dial reads one word, the order of the paths. A kept connection remembers the generation of its path: when the path is left, the
//! generation moves on, and no connection from before carries another exchange. When it was left because it is dead, those that wait for an
//! answer on such a connection need not wait any longer.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::policy::MOST_PATHS as MOST;

const BITS: usize = 4;

/// The paths to a backend, by their place in its list of addresses.
#[derive(Debug)]
pub struct Paths {
    each: Box<[Path]>,
    /// The places in the order in which they are tried: the first in the lowest four bits.
    order: AtomicU64,
}

#[derive(Debug, Default)]
struct Path {
    /// Counts how often the path was left.
    generation: AtomicU32,
    /// Connections of a generation before this one were made over a path that is dead.
    dead_before: AtomicU32,
    /// Dials that this path lost to a later one, or in which it failed.
    lost: AtomicU32,
}

/// The path that a connection was made over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via {
    place: u8,
    generation: u32,
}

impl Paths {
    /// So many paths, [`MOST`] at most, tried as they are written.
    pub(super) fn new(count: usize) -> Self {
        Self {
            each: (0..count.min(MOST)).map(|_| Path::default()).collect(),
            order: AtomicU64::new(packed(0..count.min(MOST))),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.each.len()
    }

    /// The places of the paths in the order in which they are tried.
    pub fn in_order(&self) -> impl ExactSizeIterator<Item = usize> + use<> {
        let order = self.order.load(Ordering::Relaxed);
        (0..self.each.len()).map(move |turn| place(order, turn))
    }

    /// The place of the path that is tried first.
    pub fn first(&self) -> usize {
        place(self.order.load(Ordering::Relaxed), 0)
    }

    /// Has the paths tried in this order from now on, which names each place once.
    pub fn set_order(&self, order: impl ExactSizeIterator<Item = usize>) {
        if order.len() == self.each.len() {
            self.order.store(packed(order), Ordering::Relaxed);
        }
    }

    /// A dial has won by the path at this place. Paths that were tried before it were lost: it is tried before them until the control plane
    /// has looked at them.
    pub fn won(&self, winner: usize) {
        let order = self.order.load(Ordering::Relaxed);
        if place(order, 0) == winner {
            return;
        }
        let turns = || (0..self.each.len()).map(move |turn| place(order, turn));
        turns().take_while(|&place| place != winner).for_each(|place| self.lost(place));
        let promoted = std::iter::once(winner).chain(turns().filter(|place| *place != winner));
        // what the control plane has decided meanwhile holds
        _ = self.order.compare_exchange(order, packed(promoted), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Somebody has met trouble on the path at this place.
    pub fn lost(&self, place: usize) {
        self.each[place].lost.fetch_add(1, Ordering::Relaxed);
    }

    /// How often somebody has met trouble on the path at this place.
    pub fn losses(&self, place: usize) -> u32 {
        self.each[place].lost.load(Ordering::Relaxed)
    }

    /// The path at this place, as a connection remembers it that was just made over it.
    pub fn via(&self, place: usize) -> Via {
        #[expect(clippy::cast_possible_truncation, reason = "there are 16 at most")]
        Via { place: place as u8, generation: self.each[place].generation.load(Ordering::Relaxed) }
    }

    /// Whether a connection that was made in this way may carry another exchange.
    pub fn is_good(&self, via: Via) -> bool {
        self.each[usize::from(via.place)].generation.load(Ordering::Relaxed) == via.generation
    }

    /// Whether nothing is to be expected of a connection that was made in this way.
    pub fn is_dead(&self, via: Via) -> bool {
        via.generation < self.each[usize::from(via.place)].dead_before.load(Ordering::Relaxed)
    }

    /// Leaves a path for a better one: its connections end what they have begun.
    pub fn leave(&self, place: usize) {
        self.each[place].generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Leaves a path that is dead. Those who wait for an answer over it have to be [woken](crate::timer::wake_all).
    pub fn cut(&self, place: usize) {
        let path = &self.each[place];
        let generation = path.generation.fetch_add(1, Ordering::Relaxed) + 1;
        path.dead_before.store(generation, Ordering::Relaxed);
    }
}

fn place(order: u64, turn: usize) -> usize {
    (order >> (turn * BITS) & 0xf) as usize
}

fn packed(order: impl Iterator<Item = usize>) -> u64 {
    order.enumerate().fold(0, |word, (turn, place)| word | (place as u64) << (turn * BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(paths: &Paths) -> Vec<usize> {
        paths.in_order().collect()
    }

    #[test]
    fn all_places_fit_one_word() {
        let paths = Paths::new(MOST);
        assert_eq!(order(&paths), (0..16).collect::<Vec<_>>());
        paths.set_order((0..16).rev());
        assert_eq!((order(&paths), paths.first()), ((0..16).rev().collect(), 15));
        paths.set_order(0..3);
        assert_eq!(paths.first(), 15, "an order that does not name all changes nothing");
    }

    #[test]
    fn who_wins_a_dial_is_tried_first_and_who_was_tried_before_has_lost() {
        let paths = Paths::new(3);
        paths.won(0);
        assert_eq!((order(&paths), paths.losses(0)), (vec![0, 1, 2], 0));
        paths.won(2);
        assert_eq!(order(&paths), [2, 0, 1]);
        assert_eq!([0, 1, 2].map(|place| paths.losses(place)), [1, 1, 0]);
    }

    #[test]
    fn a_connection_is_good_until_its_path_is_left_and_hopeless_when_that_is_dead() {
        let paths = Paths::new(2);
        let before = paths.via(0);
        assert!(paths.is_good(before) && !paths.is_dead(before));
        paths.leave(0);
        let later = paths.via(0);
        assert!(!paths.is_good(before) && !paths.is_dead(before) && paths.is_good(later));
        paths.cut(0);
        let last = paths.via(0);
        assert!([before, later].iter().all(|via| paths.is_dead(*via) && !paths.is_good(*via)));
        assert!(paths.is_good(last) && !paths.is_dead(last), "it was made since");
        assert!(paths.is_good(paths.via(1)));
    }
}
