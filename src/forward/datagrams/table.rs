//! A worker's sessions, found by the addresses of their datagrams. Pure.
//!
//! They stand in one vector without gaps, so that a few can be drawn at random when one has to make room for another. The exact order of last
//! use would have to be updated with each datagram. The longest silent of [`SAMPLE`] drawn at random is nearly as good: on average it is
//! among the longest silent ninth of all (as in `affinity/table.rs`).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use ahash::RandomState;

use crate::clock::Moment;

/// How many are drawn to find one that may go.
const SAMPLE: usize = 8;

/// Where a client's datagrams come from and go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The client.
    pub client: SocketAddr,
    /// The local address that it sends to, where the listening socket has several.
    pub local: Option<IpAddr>,
}

/// What is kept for each flow.
#[derive(Debug)]
pub struct Table<T> {
    index: HashMap<Flow, usize, RandomState>,
    entries: Vec<(Flow, T)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { index: HashMap::default(), entries: Vec::new() }
    }
}

impl<T> Table<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is kept for this flow.
    pub fn get(&self, flow: &Flow) -> Option<&T> {
        self.index.get(flow).map(|at| &self.entries[*at].1)
    }

    /// Keeps this for a flow that had nothing.
    pub fn insert(&mut self, flow: Flow, value: T) {
        self.index.insert(flow, self.entries.len());
        self.entries.push((flow, value));
    }

    /// Takes out what is kept for this flow.
    pub fn remove(&mut self, flow: &Flow) -> Option<T> {
        let at = self.index.remove(flow)?;
        let (_, value) = self.entries.swap_remove(at);
        if let Some((moved, _)) = self.entries.get(at) {
            self.index.insert(*moved, at);
        }
        Some(value)
    }

    /// Takes out all that `goes` is true for.
    pub fn extract(&mut self, goes: impl Fn(&T) -> bool) -> Vec<T> {
        let flows: Vec<Flow> = self.entries.iter().filter(|(_, value)| goes(value)).map(|(flow, _)| *flow).collect();
        let gone = flows.iter().filter_map(|flow| self.remove(flow)).collect();
        // memory that a flood has made it take is given back
        if self.entries.capacity() > 1024 && self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len() * 2);
            self.index.shrink_to(self.entries.len() * 2);
        }
        gone
    }

    /// All of them.
    pub fn into_entries(self) -> impl Iterator<Item = T> {
        self.entries.into_iter().map(|(_, value)| value)
    }

    /// The longest silent of some drawn at random, of those that spoke last at or before `until`.
    pub fn silent(&self, last: impl Fn(&T) -> Moment, until: Moment, random: &mut fastrand::Rng) -> Option<Flow> {
        if self.entries.is_empty() {
            return None;
        }
        let drawn = (0..SAMPLE).map(|_| &self.entries[random.usize(..self.entries.len())]);
        let old = drawn.map(|(flow, value)| (last(value), flow)).filter(|(last, _)| *last <= until);
        old.min_by_key(|(last, _)| *last).map(|(_, flow)| *flow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(port: u16) -> Flow {
        Flow { client: SocketAddr::from(([192, 0, 2, 1], port)), local: None }
    }

    fn filled(ports: u16) -> Table<u16> {
        let mut table = Table::default();
        (0..ports).for_each(|port| table.insert(flow(port), port));
        table
    }

    #[test]
    fn each_flow_finds_its_own_whoever_goes() {
        let mut table = filled(100);
        let mut random = fastrand::Rng::with_seed(1);
        let mut left: Vec<u16> = (0..100).collect();
        while !left.is_empty() {
            let port = left.swap_remove(random.usize(..left.len()));
            assert_eq!(table.remove(&flow(port)), Some(port));
            assert_eq!(table.remove(&flow(port)), None);
            assert!(left.iter().all(|port| table.get(&flow(*port)) == Some(port)));
            assert_eq!(table.len(), left.len());
        }
    }

    #[test]
    fn the_same_client_at_another_local_address_is_another_flow() {
        let mut table = filled(1);
        let other = Flow { local: Some(IpAddr::from([192, 0, 2, 9])), ..flow(0) };
        assert_eq!(table.get(&other), None);
        table.insert(other, 7);
        assert_eq!((table.get(&flow(0)), table.get(&other)), (Some(&0), Some(&7)));
    }

    #[test]
    fn those_that_are_named_are_taken_out_and_room_is_given_back() {
        let mut table = filled(10_000);
        assert_eq!(table.extract(|port| port % 100 != 0).len(), 9_900);
        assert!((0..100).all(|at| table.get(&flow(at * 100)) == Some(&(at * 100))));
        assert!(table.entries.capacity() < 1_000);
    }

    #[test]
    fn who_makes_room_is_among_the_longest_silent_and_never_one_that_just_spoke() {
        let table = filled(1_000);
        let last = |port: &u16| Moment::from_millis(u64::from(*port));
        let mut random = fastrand::Rng::with_seed(2);
        let mut draw = |until| {
            let drawn = (0..1_000).filter_map(|_| table.silent(last, Moment::from_millis(until), &mut random));
            drawn.map(|flow| flow.client.port()).collect::<Vec<_>>()
        };
        let all = draw(1_000);
        assert_eq!(all.len(), 1_000);
        let mean = all.iter().map(|port| f64::from(*port)).sum::<f64>() / 1_000.0;
        assert!((90.0..135.0).contains(&mean), "a ninth: {mean}");
        assert!(draw(20).iter().all(|port| *port <= 20));
        assert_eq!(Table::<u16>::default().silent(last, Moment::from_millis(9), &mut random), None);
    }
}
