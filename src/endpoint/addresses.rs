//! The addresses of a backend: of its name, with the one that works, or those that are paths to it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::paths::{Paths, Via};

/// A backend's addresses in the order in which they are tried; none for a Unix socket.
#[derive(Debug, Default)]
pub struct Addresses {
    all: Box<[SocketAddr]>,
    /// The index of the address that worked last: it is tried first.
    best: AtomicUsize,
    /// Present where they are paths to it: it is by these that they are tried.
    paths: Option<Arc<Paths>>,
}

impl Addresses {
    /// Puts the addresses into the order of RFC 8305, section 4: as the resolver sorted them, but IPv6 and IPv4 take
    /// turns, beginning with the family of the first.
    pub fn new(sorted: impl IntoIterator<Item = SocketAddr>) -> Self {
        let mut sorted: VecDeque<SocketAddr> = sorted.into_iter().collect();
        let mut all: Vec<SocketAddr> = Vec::with_capacity(sorted.len());
        while let Some(first) = sorted.pop_front() {
            if all.contains(&first) {
                continue;
            }
            all.push(first);
            // the next address of the other family moves to the front
            if let Some(at) = sorted.iter().position(|next| next.is_ipv4() != first.is_ipv4())
                && let Some(other) = sorted.remove(at)
            {
                sorted.push_front(other);
            }
        }
        Self { all: all.into(), ..Self::default() }
    }

    /// Addresses that are paths to one machine, in the order in which they are written; [`MOST_PATHS`](crate::policy::MOST_PATHS) at most.
    pub fn of_paths(written: impl IntoIterator<Item = SocketAddr>) -> Self {
        let all: Box<[SocketAddr]> = written.into_iter().take(crate::policy::MOST_PATHS).collect();
        let paths = Some(Arc::new(Paths::new(all.len())));
        Self { all, paths, ..Self::default() }
    }

    /// What is known of them as paths; `None` = they are those of a name, or there is one.
    pub fn paths(&self) -> Option<&Arc<Paths>> {
        self.paths.as_ref()
    }

    /// The address at this place, as they were given.
    pub fn at(&self, place: usize) -> Option<SocketAddr> {
        self.all.get(place).copied()
    }

    /// The path that leads to this address, as a connection remembers it.
    pub fn via(&self, address: SocketAddr) -> Option<Via> {
        let paths = self.paths.as_ref()?;
        self.place(address).map(|place| paths.via(place))
    }

    fn place(&self, address: SocketAddr) -> Option<usize> {
        self.all.iter().position(|known| *known == address)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All of them, in the order of the paths, or the one that worked last first.
    pub fn in_order(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        let best = self.best.load(Ordering::Relaxed);
        let mut paths = self.paths.as_ref().map(|paths| paths.in_order());
        (0..self.all.len()).map(move |turn| match (&mut paths, turn) {
            (Some(paths), turn) => self.all[paths.next().unwrap_or(turn)],
            (None, 0) => self.all[best],
            // those before the best one have moved back by one
            (None, turn) if turn <= best => self.all[turn - 1],
            (None, turn) => self.all[turn],
        })
    }

    /// Records that this address works.
    pub fn works(&self, address: SocketAddr) {
        if let Some(paths) = &self.paths {
            return self.place(address).into_iter().for_each(|place| paths.won(place));
        }
        if let Some(at) = self.all.iter().position(|known| *known == address)
            && at != self.best.load(Ordering::Relaxed)
        {
            self.best.store(at, Ordering::Relaxed);
        }
    }

    /// Records that this address does not work: the next one is tried first from now on.
    pub fn fails(&self, address: SocketAddr) {
        if let Some(paths) = &self.paths {
            let Some(place) = self.place(address) else { return };
            paths.lost(place);
            if paths.first() == place {
                // the others move up
                let others = paths.in_order().filter(|other| *other != place);
                let order: Vec<usize> = others.chain([place]).collect();
                paths.set_order(order.into_iter());
            }
            return;
        }
        if self.all.get(self.best.load(Ordering::Relaxed)) == Some(&address) {
            let next = self.best.load(Ordering::Relaxed) + 1;
            self.best.store(next % self.all.len(), Ordering::Relaxed);
        }
    }

    /// Whether both have the same addresses, in any order: a name server changes the order from answer to answer.
    pub fn same_as(&self, other: &Self) -> bool {
        self.paths.is_some() == other.paths.is_some()
            && self.all.len() == other.all.len()
            && self.all.iter().all(|address| other.all.contains(address))
    }

    /// Whether both have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.all.iter().any(|address| other.all.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(all: &[&str]) -> Addresses {
        Addresses::new(all.iter().map(|address| address.parse().unwrap()))
    }

    fn order(addresses: &Addresses) -> Vec<String> {
        addresses.in_order().map(|address| address.ip().to_string()).collect()
    }

    #[test]
    fn families_take_turns_as_long_as_there_are_two() {
        let six_first = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "1.0.0.2:1"]);
        assert_eq!(order(&six_first), ["::1", "1.0.0.1", "::2", "1.0.0.2", "::3"]);
        let four_first = addresses(&["1.0.0.1:1", "1.0.0.2:1", "[::1]:1"]);
        assert_eq!(order(&four_first), ["1.0.0.1", "::1", "1.0.0.2"]);
        assert_eq!(order(&addresses(&["1.0.0.1:1", "1.0.0.1:1"])), ["1.0.0.1"], "told twice");
        assert!(order(&addresses(&[])).is_empty());
    }

    #[test]
    fn the_one_that_worked_is_tried_first_until_it_fails() {
        let all = addresses(&["[::1]:1", "1.0.0.1:1", "[::2]:1"]);
        all.works("1.0.0.1:1".parse().unwrap());
        assert_eq!(order(&all), ["1.0.0.1", "::1", "::2"]);
        all.works("9.9.9.9:1".parse().unwrap());
        all.fails("[::1]:1".parse().unwrap());
        assert_eq!(order(&all), ["1.0.0.1", "::1", "::2"], "it is not the first one that failed");
        all.fails("1.0.0.1:1".parse().unwrap());
        assert_eq!(order(&all), ["::2", "::1", "1.0.0.1"]);
        all.fails("[::2]:1".parse().unwrap());
        assert_eq!(order(&all), ["::1", "1.0.0.1", "::2"]);
    }

    #[test]
    fn the_order_of_an_answer_is_no_difference() {
        let one = addresses(&["1.0.0.1:1", "1.0.0.2:1"]);
        assert!(one.same_as(&addresses(&["1.0.0.2:1", "1.0.0.1:1"])));
        assert!(!one.same_as(&addresses(&["1.0.0.2:1"])) && one.overlaps(&addresses(&["1.0.0.2:1"])));
        assert!(!one.overlaps(&addresses(&["1.0.0.2:2"])), "another port is another place");
    }

    #[test]
    fn paths_are_tried_as_they_are_written_until_one_fails() {
        let written = ["1.0.0.1:1", "1.0.0.2:1", "[::1]:1"].map(|address| address.parse().unwrap());
        let all = Addresses::of_paths(written);
        assert_eq!(order(&all), ["1.0.0.1", "1.0.0.2", "::1"]);
        all.fails(written[0]);
        assert_eq!(order(&all), ["1.0.0.2", "::1", "1.0.0.1"]);
        all.works(written[2]);
        assert_eq!(order(&all), ["::1", "1.0.0.2", "1.0.0.1"]);
        let paths = all.paths().unwrap();
        assert_eq!([0, 1, 2].map(|place| paths.losses(place)), [1, 1, 0]);
        assert!(all.via(written[1]).is_some() && all.via("1.0.0.9:1".parse().unwrap()).is_none());
        assert!(!all.same_as(&Addresses::new(written)), "those of a name are not paths");
    }
}
