//! Which share of the next picks each algorithm would give a backend, by the state of this moment. Nothing is changed by it: the picks are made
//! with balancers, turns and a random source of their own, over the real backends.

use serde_json::{Value, json};

use crate::admin::shadow;
use crate::balance::{self, Candidate, Cursor, Pick, Tried};
use crate::clock::Moment;
use crate::detect::phrase;
use crate::endpoint::Endpoint;
use crate::policy::{Balance, Ring};
use crate::snapshot::Service;

/// How many picks each algorithm makes: a share is then known to about a percent.
const PICKS: u32 = 2000;
/// The same over and over, so that the same state has the same answer.
const SEED: u64 = 1;
/// The shape of the ring where the service has none.
const RING: Ring = Ring { virtual_nodes: 150, bounded_load: 0.0 };

/// What one algorithm would do.
#[derive(Debug, PartialEq)]
pub(super) struct Share {
    algorithm: &'static str,
    /// The one that the service has.
    is_own: bool,
    /// `None` = it depends on the key of the request.
    share: Option<f64>,
    text: String,
}

impl Share {
    pub(super) fn into_json(self) -> Value {
        let share = self.share.map(|share| (share * 1e3).round() / 1e3);
        json!({ "algorithm": self.algorithm, "own": self.is_own, "share": share, "text": self.text })
    }
}

/// The shares that all algorithms would give the backend at this place of the next requests, if all of them came now.
pub(super) fn shares(service: &Service, place: usize, now: Moment) -> Vec<Share> {
    let ring = if let Balance::ConsistentHash(ring) = service.balance { ring } else { RING };
    let group = candidates(service, place);
    Balance::all(ring).into_iter().map(|algorithm| share(service, place, &group, algorithm, now)).collect()
}

/// Those among whom the backend is picked; empty = it gets no new work.
fn candidates(service: &Service, place: usize) -> Vec<Candidate> {
    let candidate = |(index, weight): (usize, u32)| {
        let endpoint = &service.endpoints[index];
        Candidate { index, id: endpoint.id.clone(), weight, live: endpoint.live.clone() }
    };
    service.available.group_of(place).into_iter().map(candidate).collect()
}

fn share(service: &Service, place: usize, group: &[Candidate], algorithm: Balance, now: Moment) -> Share {
    let endpoint = &service.endpoints[place];
    let is_own = std::mem::discriminant(&algorithm) == std::mem::discriminant(&service.balance);
    let found = |share, text| Share { algorithm: algorithm.as_str(), is_own, share, text };
    if group.is_empty() {
        let state = service.condition(place, now).state.as_str();
        return found(Some(0.0), format!("it is {state} and no candidate: no algorithm picks it"));
    }
    let balancer = balance::build_with(algorithm, group.to_vec(), service.load_reports.expire);
    let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(SEED));
    let picked = (0..PICKS).filter(|_| {
        let key = random.u64(..);
        let pick = Pick { cursor: &mut cursor, tried: Tried::default(), random: &mut random, now, key };
        service.pick_by(&*balancer, pick) == Some(place)
    });
    #[expect(clippy::cast_precision_loss, reason = "at most PICKS")]
    let share = picked.count() as f64 / f64::from(PICKS);
    let mut shown = match algorithm {
        Balance::ConsistentHash(_) => {
            let text = format!(
                "depends on the key of the request; it would get {} of keys that are all as likely",
                phrase::share(share)
            );
            found(None, text)
        }
        _ => found(Some(share), words(service, endpoint, group, algorithm, now)),
    };
    if let Some(measured) = shadow::measured(service, place, algorithm.as_str()) {
        shown.text = format!("{}; {measured}", shown.text);
    }
    shown
}

/// Why an algorithm gives a backend its share, in words.
fn words(service: &Service, endpoint: &Endpoint, group: &[Candidate], algorithm: Balance, now: Moment) -> String {
    let own = group.iter().find(|candidate| candidate.id == endpoint.id);
    let (weight, burden) = own.map_or((0, 0), |own| (own.weight, own.burden(now)));
    let least = group.iter().map(|candidate| candidate.burden(now)).min().unwrap_or_default();
    let penalty = if burden > endpoint.live.in_flight() { ", with a penalty for its failures of late" } else { "" };
    match algorithm {
        Balance::RoundRobin => format!("each of the {} in turn", group.len()),
        Balance::WeightedRoundRobin => {
            let all: u64 = group.iter().map(|candidate| u64::from(candidate.weight)).sum();
            format!("in turn, by its weight: {weight} of {all}")
        }
        Balance::LeastConnections => format!("{burden} in flight{penalty}; the fewest are {least}"),
        Balance::WeightedLeastConnections => format!("{burden} in flight{penalty}, at a weight of {weight}"),
        Balance::ResourceBased => {
            let reported = |endpoint: &Candidate| {
                let (report, at) = endpoint.live.load.last()?;
                balance::reported(&report).filter(|_| now.since(at) <= service.load_reports.expire)
            };
            let of = group.iter().filter(|candidate| reported(candidate).is_some()).count();
            match own.and_then(reported) {
                Some(load) => format!(
                    "the less loaded of two: it reports a load of {load:.2}; {of} of {} report one",
                    group.len()
                ),
                None => format!(
                    "the less loaded of two: it has reported nothing of late, and counts as the average of the {of} that have"
                ),
            }
        }
        Balance::ResponseTime => match endpoint.live.latency.average(now) {
            Some(average) => format!(
                "the lowest expected time: its is {} x ({} in flight + 1)",
                phrase::time(average),
                endpoint.live.in_flight()
            ),
            None => "the lowest expected time: it has not answered so far, and is tried with one request at a time"
                .to_owned(),
        },
        Balance::PowerOfTwo => {
            let fewer = group.iter().filter(|candidate| candidate.burden(now) < burden).count();
            format!("the less loaded of two: {burden} in flight{penalty}; {fewer} of {} have fewer", group.len())
        }
        Balance::ConsistentHash(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Registry;
    use crate::snapshot::testing::of_toml;

    fn shares_of(place: usize, prepare: impl Fn(&Service)) -> Vec<Share> {
        let backends: String = [("a", 1), ("b", 1), ("c", 2)]
            .iter()
            .map(|(id, weight)| format!("{{ address = 'unix:/{id}', id = '{id}', weight = {weight} }},"))
            .collect();
        let toml = format!(
            "[[listener]]\nname = 'l'\nbind = '127.0.0.1:1'\nservice = 's'\n[service.s]\nbackend = [{backends}]\n"
        );
        let registry = Registry::new(1);
        let snapshot = of_toml(&toml, None, &registry);
        let service = &snapshot.services[0];
        prepare(service);
        match snapshot.refreshed(Moment::now(), true) {
            Some(refreshed) => shares(&refreshed.services[0], place, Moment::now()),
            None => shares(service, place, Moment::now()),
        }
    }

    fn of<'a>(all: &'a [Share], name: &str) -> &'a Share {
        all.iter().find(|share| share.algorithm == name).unwrap()
    }

    #[test]
    fn each_algorithm_gives_its_share_by_the_state_of_now() {
        let all = shares_of(2, |service| std::mem::forget(service.endpoints[2].live.enter()));
        let near = |name: &str, wanted: f64| {
            let share = of(&all, name).share.unwrap();
            assert!((share - wanted).abs() < 0.05, "{name}: {share}");
        };
        near("round_robin", 1.0 / 3.0);
        near("weighted_round_robin", 0.5);
        near("least_connections", 0.0);
        near("power_of_two", 0.0);
        let hash = of(&all, "consistent_hash");
        assert!(hash.share.is_none() && hash.text.contains("depends on the key"), "{hash:?}");
        assert_eq!(of(&all, "least_connections").text, "1 in flight; the fewest are 0");
        assert_eq!(all.iter().filter(|share| share.is_own).count(), 1);
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn one_that_is_out_gets_nothing_of_any() {
        let all = shares_of(0, |service| {
            service.endpoints[0].live.standing.set_operator(crate::endpoint::standing::Override::Disabled, "");
        });
        assert!(all.iter().all(|share| share.share == Some(0.0) && share.text.contains("disabled")), "{all:?}");
    }
}
