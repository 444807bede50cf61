//! Zones that are preferred, in snapshots that are built from configurations and refreshed.

use std::path::Path;

use crate::balance::{Cursor, Pick};
use crate::clock::Moment;
use crate::config;
use crate::endpoint::standing::Health;
use crate::metrics::Registry;
use crate::snapshot::{Service, Snapshot, build};

const ALGORITHMS: [&str; 8] = [
    "round_robin",
    "weighted_round_robin",
    "least_connections",
    "weighted_least_connections",
    "resource_based",
    "response_time",
    "consistent_hash",
    "power_of_two",
];

/// Three backends in each of the zones `a`, `b` and `c`, and a backup, seen from an instance in this zone.
fn built(zone: &str, balance: &str) -> Snapshot {
    built_with(zone, balance, "")
}

fn built_with(zone: &str, balance: &str, keys: &str) -> Snapshot {
    let backend = |at: usize| {
        let name = ["a", "b", "c"][at / 3];
        format!("{{ id = \"{name}{at}\", address = \"127.0.0.1:{}\", zone = \"{name}\" }}", at + 1)
    };
    let backends: Vec<String> = (0..9).map(backend).collect();
    let text = format!(
        "[cluster]\nzone = \"{zone}\"\n[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:1\"\nservice = \"api\"\n[service.api]\n\
         zones = \"prefer\"\nbalance = \"{balance}\"\nhash = {{ on = \"client_ip\" }}\n{keys}backend = [{}, {{ id = \"spare\", address = \"127.0.0.1:10\", backup = true }}]\n",
        backends.join(", ")
    );
    let config = config::parse(&text, Path::new("proxy.toml")).unwrap().config;
    build(&config, None, &mut |_, _| Err(String::new()), &Registry::new(1)).unwrap()
}

/// How many of 10,000 requests each zone gets, and how many the backup.
fn work(service: &Service, tried: &[usize]) -> [u32; 4] {
    let (mut cursor, mut random, mut keys) = (Cursor::new(0), fastrand::Rng::with_seed(3), fastrand::Rng::with_seed(4));
    let mut counts = [0; 4];
    for _ in 0..10_000 {
        let (cursor, random) = (&mut cursor, &mut random);
        let pick = Pick { cursor, tried: tried.into(), random, now: Moment::now(), key: keys.u64(..) };
        counts[service.pick(pick).unwrap() / 3] += 1;
    }
    counts
}

/// The snapshot in which these backends are down.
fn without(before: &Snapshot, down: &[usize]) -> Snapshot {
    let endpoints = &before.services[0].endpoints;
    down.iter().for_each(|at| endpoints[*at].live.standing.set_health(Health::Down, ""));
    before.refreshed(Moment::now(), true).unwrap()
}

#[test]
fn with_all_algorithms_the_work_stays_in_the_zone_and_spills_over_as_far_as_the_zone_is_weak() {
    for balance in ALGORITHMS {
        let all = built("a", balance);
        assert_eq!(work(&all.services[0], &[]), [10_000, 0, 0, 0], "{balance}");
        // 1 of 7: three sevenths of the work stay, the others get half of the rest each
        let weak = without(&all, &[0, 1]);
        let [own, b, c, spare] = work(&weak.services[0], &[]);
        assert!(own.abs_diff(4285) < 214, "{balance}: {own}");
        assert!(b.abs_diff(2857) < 214 && c.abs_diff(2857) < 214, "{balance}: {b} {c}");
        assert_eq!(spare, 0);
        let gone = without(&weak, &[2]);
        let [own, b, c, _] = work(&gone.services[0], &[]);
        assert!(own == 0 && b.abs_diff(5000) < 250, "{balance}: {own} {b} {c}");
    }
}

#[test]
fn a_retry_leaves_the_zone_and_at_last_goes_to_the_backup() {
    let all = built("a", "least_connections");
    let [own, b, c, _] = work(&all.services[0], &[0, 1, 2]);
    assert_eq!((own, b + c), (0, 10_000));
    assert!(b.abs_diff(c) < 400, "not all of them fall upon the same zone: {b} {c}");
    // one of the zone has failed it, and it may be the matter of the whole zone
    let [own, b, c, _] = work(&all.services[0], &[1]);
    assert!(own == 0 && b.abs_diff(c) < 400, "{own} {b} {c}");
    let [own, b, c, _] = work(&all.services[0], &[1, 3]);
    assert_eq!((own, b, c), (0, 0, 10_000));
    // each zone has failed it: whoever is left
    let [own, b, c, _] = work(&all.services[0], &[1, 3, 6]);
    assert_eq!(own + b + c, 10_000);
    assert_eq!(work(&all.services[0], &[0, 1, 2, 3, 4, 5, 6, 7, 8]), [0, 0, 0, 10_000]);
    assert!(all.services[0].available.all().count() >= 10, "all of them are there for affinity and for those who wait");
}

#[test]
fn while_health_is_ignored_zones_are_too() {
    let all = built("a", "round_robin");
    let few = without(&all, &[0, 1, 2, 3, 4, 5]);
    assert!(few.services[0].available.panic && few.services[0].available.zones.is_none());
    assert!(work(&few.services[0], &[])[..3].iter().all(|count| count.abs_diff(3333) < 50));
}

#[test]
fn the_same_key_goes_to_the_same_backend_also_where_work_spills_over() {
    let weak = without(&built("a", "consistent_hash"), &[0, 1]);
    let pick = |key: u64, seed: u64| {
        let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(seed));
        let pick =
            Pick { cursor: &mut cursor, tried: [].as_slice().into(), random: &mut random, now: Moment::now(), key };
        weak.services[0].pick(pick)
    };
    let mut keys = fastrand::Rng::with_seed(5);
    (0..1000).map(|_| keys.u64(..)).for_each(|key| assert_eq!(pick(key, 1), pick(key, 2)));
}

#[test]
fn a_zone_whose_backends_are_in_slow_start_gets_as_much_as_they_may_take() {
    let starting = |zone: &str| built_with(zone, "round_robin", "slow_start = \"100s\"\n");
    let all = starting("a");
    let endpoints = &all.services[0].endpoints;
    let now = Moment::now();
    // those of the zone have just come back; the others were never away
    (3..9).for_each(|at| endpoints[at].live.standing.join(Moment::NEVER));
    (0..3).for_each(|at| endpoints[at].live.standing.join(now));
    let cold = all.refreshed(now, true).unwrap();
    let zones = cold.services[0].available.zones.as_ref().unwrap();
    // a tenth of three, of six and three tenths in all, and three zones
    assert_eq!(zones.own, 142);
    let later = cold.refreshed(now.plus(std::time::Duration::from_secs(51)), false).unwrap();
    let warmer = later.services[0].available.zones.as_ref().unwrap();
    assert_eq!(warmer.own, 600, "half of three, of seven and a half");
}
