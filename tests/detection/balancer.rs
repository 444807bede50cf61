//! Who gets the next request: the driver's side of detection, as the control plane has it. What is suspect gets less, what is accused is
//! ejected and comes back with a ramp, and the balancer picks by these shares.

use evenkeel::detect::service::Detection;
use fastrand::Rng;

use crate::fleet::{Balance, Fleet, KEYS};
use crate::member::Member;
use crate::random::normal;

/// The share of the backends that may be ejected at a time.
const MAX_EJECTED: f64 = 0.5;
/// How long a first ejection lasts, in seconds; the second lasts twice as long, and so on.
const EJECT_FOR: f64 = 10.0;
/// The share of its work that a backend gets when it comes back; it doubles each second.
const RAMP: f64 = 0.05;
/// Backends that a key prefers, in this order.
const PREFERRED: usize = 8;

pub struct Balancer {
    pub standings: Vec<Standing>,
    balance: Balance,
    /// Of each key: whom it prefers, and the logarithm of how much longer its requests take.
    keys: Vec<([u8; PREFERRED], f64)>,
    /// The shares added up, for picks in proportion to them.
    sums: Vec<f64>,
    turn: f64,
}

/// How a backend stands with the driver.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// The share of its usual work that detection leaves it, from 0 to 1.
    pub share: f64,
    /// It is not there, or checks have found it down.
    pub is_out: bool,
    pub ejections: u32,
    pub ejected_until: Option<f64>,
    pub readmitted: Option<f64>,
}

impl Balancer {
    pub fn new(fleet: &Fleet, rng: &mut Rng) -> Self {
        let count = fleet.backends.len();
        let keys = if fleet.balance == Balance::Keyed { KEYS } else { 0 };
        let key = |rng: &mut Rng| {
            let mut order: Vec<u8> = (0..count.min(255) as u8).collect();
            rng.shuffle(&mut order);
            (std::array::from_fn(|at| order[at % order.len()]), 0.5 * normal(rng))
        };
        let keys = (0..keys).map(|_| key(rng)).collect();
        let standings = vec![Standing { share: 1.0, ..Standing::default() }; count];
        let mut balancer = Self { standings, balance: fleet.balance, keys, sums: Vec::new(), turn: rng.f64() };
        balancer.add_up();
        balancer
    }

    /// Does what detection says, as the control plane does at each tick. `true` for each backend that was ejected or readmitted.
    pub fn obey(&mut self, now: f64, detection: &mut Detection) {
        for at in 0..self.standings.len() {
            if self.standings[at].ejected_until.is_some_and(|until| until <= now) {
                self.standings[at].ejected_until = None;
                self.standings[at].readmitted = Some(now);
                detection.forgive(at);
            }
            let is_in = self.standings[at].ejected_until.is_none();
            if is_in && detection.accusation(at).is_some() && self.may_eject() {
                let standing = &mut self.standings[at];
                standing.ejections += 1;
                standing.ejected_until = Some(now + EJECT_FOR * f64::from(standing.ejections));
                detection.forgive(at);
            }
            self.standings[at].share = self.share(at, now, detection.suspicion(at));
        }
        self.add_up();
    }

    fn share(&self, at: usize, now: f64, suspicion: f64) -> f64 {
        let standing = &self.standings[at];
        if standing.ejected_until.is_some() {
            return 0.0;
        }
        let ramp = standing.readmitted.map_or(1.0, |since| (RAMP * (now - since).floor().exp2()).min(1.0));
        let step = match suspicion {
            s if s < 0.5 => 1.0,
            s if s < 0.75 => 0.5,
            _ => 0.25,
        };
        ramp * step
    }

    fn may_eject(&self) -> bool {
        let (all, ejected) =
            (self.standings.len(), self.standings.iter().filter(|s| s.ejected_until.is_some()).count());
        let left = self.standings.iter().filter(|s| s.ejected_until.is_none() && !s.is_out).count();
        (ejected + 1) as f64 <= MAX_EJECTED * all as f64 && left > 1
    }

    pub fn add_up(&mut self) {
        let mut sum = 0.0;
        self.sums.clear();
        self.sums.extend(self.standings.iter().map(|standing| {
            sum += if standing.is_out { 0.0 } else { standing.share };
            sum
        }));
    }

    /// The logarithm of how much longer a key's requests take.
    pub fn habit(&self, key: usize) -> f64 {
        self.keys.get(key).map_or(0.0, |(_, habit)| *habit)
    }

    /// A request's key: some are asked for much more often than others.
    pub fn key(&self, rng: &mut Rng) -> usize {
        (rng.f64().powf(1.5) * self.keys.len() as f64) as usize
    }

    /// Who gets a request; not the one that has failed it already, if there is another. `None` = there is nobody.
    pub fn pick(&mut self, key: usize, not: Option<usize>, members: &[Member], rng: &mut Rng) -> Option<usize> {
        let mut picked = None;
        for _ in 0..8 {
            picked = match self.balance {
                Balance::Keyed => self.preferred(key, not, rng).or_else(|| self.in_proportion(rng.f64())),
                Balance::RoundRobin => {
                    // by the golden ratio: each backend's turns come at even distances, in proportion to its share
                    self.turn = (self.turn + 0.618_033_988_749_895).fract();
                    self.in_proportion(self.turn)
                }
                Balance::Random => self.in_proportion(rng.f64()),
                Balance::PowerOfTwo => self.less_loaded(members, rng),
            };
            if picked != not {
                break;
            }
        }
        picked
    }

    fn in_proportion(&self, point: f64) -> Option<usize> {
        let all = self.sums.last().copied().filter(|all| *all > 0.0)?;
        Some(self.sums.partition_point(|sum| *sum <= point * all).min(self.sums.len() - 1))
    }

    fn preferred(&self, key: usize, not: Option<usize>, rng: &mut Rng) -> Option<usize> {
        let order = self.keys.get(key)?.0;
        order.into_iter().map(usize::from).find(|&at| {
            let standing = &self.standings[at];
            Some(at) != not && !standing.is_out && rng.f64() < standing.share
        })
    }

    fn less_loaded(&self, members: &[Member], rng: &mut Rng) -> Option<usize> {
        let (one, other) = (self.in_proportion(rng.f64())?, self.in_proportion(rng.f64())?);
        // what is over within a moment is not among what is known to be in flight, and adds some chance
        let load = |at: usize, rng: &mut Rng| {
            let known = members[at].in_flight.len() as f64;
            known + 2.0 * (1.0 + known.sqrt()) * rng.f64()
        };
        Some(if load(one, rng) <= load(other, rng) { one } else { other })
    }
}
