//! Picks by zone, for a service that prefers the backends in this instance's own (`zones = "prefer"`). The control plane divides the work when it makes or refreshes
//! the snapshot ([`balance::zones`](crate::balance::zones)); a pick draws one number, and none while all work stays.

use std::sync::Arc;

use crate::balance::available::Member;
use crate::balance::zones::divide;
use crate::balance::{Balancer, Pick};
use crate::endpoint::Endpoint;
use crate::endpoint::standing::WHOLE;
use crate::metrics::ZonePicks;
use crate::policy::Balance;

/// What a service knows of zones.
#[derive(Debug)]
pub struct ZonePreference {
    /// This instance's own.
    pub own: Arc<str>,
    /// How many picks fell on it, and on others.
    pub picks: Arc<ZonePicks>,
}

/// How the work is divided now. The backends of the own zone are picked by the service's own balancer.
#[derive(Debug)]
pub struct Zones {
    /// The part of the work that stays, in thousandths.
    pub own: u32,
    /// The indices of the own zone's backends.
    pub members: Vec<usize>,
    /// What they can take, in comparison with those of the other zones.
    capacity: u64,
    /// The other zones, by name: a part that grows moves none of the keys of the zones before it.
    pub others: Vec<OtherZone>,
    /// Whether the key of an exchange decides instead of a random number, so that what is the same goes to the same backend.
    by_key: bool,
}

/// A zone that is not the own one.
#[derive(Debug)]
pub struct OtherZone {
    /// Its name; empty = that of backends without one.
    pub name: String,
    /// The part of the work that goes there, in thousandths; 0 = it stands by, for requests that all others have failed or have no place for.
    pub part: u32,
    /// The indices of its backends.
    pub members: Vec<usize>,
    /// What they can take.
    capacity: u64,
    balancer: Box<dyn Balancer>,
}

impl Zones {
    /// Divides the work among these backends; `None` = there is no other zone.
    pub(super) fn of(
        endpoints: &[Arc<Endpoint>],
        balance: Balance,
        own: &str,
        backends: &[usize],
        seen: &[Member],
        balancer: impl Fn(&[usize]) -> Box<dyn Balancer>,
    ) -> Option<Self> {
        let zone = |index: usize| &*endpoints[index].zone;
        let (members, away): (Vec<usize>, Vec<usize>) = backends.iter().partition(|index| zone(**index) == own);
        let mut names: Vec<&str> = away.iter().map(|index| zone(*index)).collect();
        names.sort_unstable();
        names.dedup();
        let groups: Vec<Vec<usize>> =
            names.iter().map(|name| away.iter().copied().filter(|index| zone(*index) == *name).collect()).collect();
        let capacity = |members: &[usize]| members.iter().map(|index| capacity(balance, &seen[*index])).sum();
        let capacities: Vec<u64> = groups.iter().map(|members| capacity(members)).collect();
        let capacity = capacity(&members);
        let division = divide(capacity, &capacities, zones(endpoints, own, seen))?;
        let other = |(((name, members), part), capacity): (((&str, Vec<usize>), u32), u64)| OtherZone {
            name: name.to_owned(),
            part,
            balancer: balancer(&members),
            members,
            capacity,
        };
        let parts = names.into_iter().zip(groups).zip(division.others).zip(capacities);
        let others: Vec<OtherZone> = parts.map(other).collect();
        let by_key = matches!(balance, Balance::ConsistentHash(_));
        (!others.is_empty()).then_some(Self { own: division.own, members, capacity, others, by_key })
    }

    /// Picks a backend: of the zone that is drawn. A request that was tried already goes to a zone where it was not, as long as there is one: what
    /// has failed it may be the matter of a whole zone, which nobody knows in the first moments. So does one for which all of the zone are full.
    pub(super) fn pick(
        &self,
        home: &dyn Balancer,
        pick: Pick<'_>,
        by: impl Fn(&dyn Balancer, Pick<'_>) -> Option<usize>,
    ) -> Option<usize> {
        let Pick { cursor, tried, random, now, key } = pick;
        // each zone has a cursor of its own
        let mut pick_of = |zone: usize, random: &mut fastrand::Rng| match zone.checked_sub(1) {
            None => by(home, Pick { cursor, tried, random, now, key }),
            Some(at) => by(&*self.others[at].balancer, Pick { cursor: cursor.beyond(zone), tried, random, now, key }),
        };
        let drawn = self.draw(key, random);
        let has_failed = |zone: usize| tried.few().iter().any(|index| self.is_in(zone, *index));
        let mut tried_one = None;
        if !has_failed(drawn) {
            tried_one = pick_of(drawn, random);
            if tried_one.is_some_and(|index| !tried.contains(index)) {
                return tried_one;
            }
        }
        // rare: a retry, or a zone that is full. Each zone where it has not failed has a chance by what it can take, and then the others have
        let second = self.draw_beside(key, random, |zone| zone == drawn || has_failed(zone));
        let all = || second.into_iter().chain(0..=self.others.len());
        for zone in all().filter(|zone| !has_failed(*zone)).chain(all().filter(|zone| has_failed(*zone))) {
            let found = pick_of(zone, random);
            if found.is_some_and(|index| !tried.contains(index)) {
                return found;
            }
            tried_one = tried_one.or(found);
        }
        tried_one
    }

    /// The zone of the next pick: 0 = the own one, 1 = the first of the others.
    fn draw(&self, key: u64, random: &mut fastrand::Rng) -> usize {
        if self.own == WHOLE {
            return 0;
        }
        let parts = std::iter::once(self.own).chain(self.others.iter().map(|other| other.part));
        at(self.drawn(key, random, u64::from(WHOLE)), parts.map(u64::from)).unwrap_or(0)
    }

    /// One of the zones that are not left out, by what they can take.
    fn draw_beside(&self, key: u64, random: &mut fastrand::Rng, is_left_out: impl Fn(usize) -> bool) -> Option<usize> {
        let all = std::iter::once(self.capacity).chain(self.others.iter().map(|other| other.capacity));
        let capacities = all.enumerate().map(|(zone, capacity)| if is_left_out(zone) { 0 } else { capacity });
        let total = capacities.clone().sum();
        if total == 0 {
            return None;
        }
        at(self.drawn(key, random, total), capacities)
    }

    /// A number below `total`: the same one for the same key, where keys decide.
    fn drawn(&self, key: u64, random: &mut fastrand::Rng, total: u64) -> u64 {
        match self.by_key {
            // the place on the ring depends on the same key, and must not depend on this (Knuth's multiplicative hashing)
            true => ((u128::from(key.wrapping_mul(0x9E37_79B9_7F4A_7C15)) * u128::from(total)) >> 64) as u64,
            false => random.u64(..total),
        }
    }

    /// Whether a backend stands in a zone: 0 = the own one, 1 = the first of the others.
    fn is_in(&self, zone: usize, index: usize) -> bool {
        let members = zone.checked_sub(1).map_or(&self.members, |at| &self.others[at].members);
        members.binary_search(&index).is_ok()
    }

    /// The backends of the zone that a backend is in.
    pub(super) fn group_of(&self, index: usize) -> Option<&[usize]> {
        let has = |members: &[usize]| members.binary_search(&index).is_ok();
        let own = has(&self.members).then_some(&self.members[..]);
        own.or_else(|| self.others.iter().map(|other| &other.members[..]).find(|members| has(members)))
    }
}

/// Which of the parts a number falls on that is less than their sum.
fn at(mut number: u64, parts: impl Iterator<Item = u64>) -> Option<usize> {
    for (place, part) in parts.enumerate() {
        match number.checked_sub(part) {
            Some(left) => number = left,
            None => return Some(place),
        }
    }
    None
}

/// What a backend can take, in comparison with others.
fn capacity(balance: Balance, member: &Member) -> u64 {
    let weight = match balance {
        Balance::WeightedRoundRobin
        | Balance::WeightedLeastConnections
        | Balance::ResourceBased
        | Balance::ConsistentHash(_) => member.weight,
        Balance::RoundRobin | Balance::LeastConnections | Balance::ResponseTime | Balance::PowerOfTwo => 1,
    };
    u64::from(weight) * u64::from(member.share) * u64::from(member.warmth)
}

/// In how many zones instances like this one are taken to be: those that the service has backends in, whether or not they can be used, and this one's.
fn zones(endpoints: &[Arc<Endpoint>], own: &str, seen: &[Member]) -> usize {
    let all = endpoints.iter().zip(seen).filter(|(_, member)| !member.backup && member.weight > 0);
    let mut names: Vec<&str> = all.map(|(endpoint, _)| &*endpoint.zone).chain([own]).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}
