//! What recovery does to the ways of exchanges, seen in snapshots that are built from configurations and refreshed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::balance::{Cursor, Pick};
use crate::clock::Moment;
use crate::config;
use crate::endpoint::standing::{self, Health};
use crate::metrics::Registry;
use crate::recover::plan::Destination;
use crate::snapshot::{Cut, Point, Service, Snapshot, Split, Way, build};

/// Two primaries in zone `a`, one in zone `b`, and a backup; and another service with one backend.
const BOTH: &str = r#"
[[listener]]
name = "web"
bind = "127.0.0.1:1"
service = "api"
[service.api]
balance = "round_robin"
backend = [
    { id = "a1", address = "127.0.0.1:1", zone = "a" },
    { id = "a2", address = "127.0.0.1:2", zone = "a" },
    { id = "b1", address = "127.0.0.1:3", zone = "b" },
    { id = "spare", address = "127.0.0.1:4", zone = "c", backup = true },
]
[service.standby]
backend = [{ id = "s1", address = "127.0.0.1:5" }]
"#;

fn built(text: &str, before: Option<&Snapshot>) -> Snapshot {
    let config = config::parse(text, Path::new("proxy.toml")).unwrap().config;
    build(&config, before, &mut |_, _| Err(String::new()), &Registry::new(1)).unwrap()
}

/// The snapshot after what has happened since this one, which must be another one.
fn next(before: &Snapshot) -> Snapshot {
    before.refreshed(Moment::now(), true).unwrap()
}

fn way(to: Destination, share: u32) -> Option<Way> {
    Some(Way { to, share })
}

fn to_standby(share: u32) -> Option<Way> {
    way(Destination::Service("standby".into()), share)
}

/// How often each of the backends gets one of 10,000 requests.
fn work(service: &Service, tried: &[usize]) -> [u32; 4] {
    let (mut cursor, mut random) = (Cursor::new(0), fastrand::Rng::with_seed(3));
    let mut counts = [0; 4];
    for _ in 0..10_000 {
        let (cursor, random) = (&mut cursor, &mut random);
        let pick = Pick { cursor, tried: tried.into(), random, now: Moment::now(), key: 0 };
        counts[service.pick(pick).unwrap()] += 1;
    }
    counts
}

/// What share of the requests for the first service the other one does, in hundredths.
fn away(snapshot: &Snapshot) -> usize {
    (0..100).filter(|hundredth| snapshot.working(0, || hundredth * 10) == 1).count()
}

fn set_health(snapshot: &Snapshot, service: usize, health: Health) {
    snapshot.services[service].endpoints.iter().for_each(|endpoint| endpoint.live.standing.set_health(health, ""));
}

#[test]
fn a_failover_to_the_backups_takes_just_its_share_of_the_work() {
    let before = built(BOTH, None);
    let detour = &before.services[0].detour;
    assert_eq!(work(&before.services[0], &[])[3], 0);
    let changes = standing::changes();
    detour.set(way(Destination::Backups, 1000));
    assert!(standing::changes() > changes, "whoever refreshes snapshots has to see it");
    let all = next(&before);
    assert_eq!(work(&all.services[0], &[]), [0, 0, 0, 10_000]);
    assert_eq!(all.diverted(&all.services[0]), 1000);
    detour.set(way(Destination::Backups, 250));
    let quarter = next(&all);
    let counts = work(&quarter.services[0], &[]);
    assert!(counts[3].abs_diff(2500) < 200, "{counts:?}");
    assert!(counts[..3].iter().all(|count| count.abs_diff(2500) < 200), "the others share the rest: {counts:?}");
    assert_eq!(quarter.services[0].available.members.len(), 4);
    detour.set(None);
    let home = next(&quarter);
    assert_eq!(work(&home.services[0], &[])[3], 0);
    assert_eq!(home.diverted(&home.services[0]), 0);
    assert!(home.refreshed(Moment::now(), true).is_none(), "that was all");
}

#[test]
fn a_retry_goes_to_the_other_group_when_its_own_has_nobody_left() {
    let before = built(BOTH, None);
    before.services[0].detour.set(way(Destination::Backups, 500));
    let both = next(&before);
    assert_eq!(work(&both.services[0], &[0, 1, 2]), [0, 0, 0, 10_000]);
    assert_eq!(work(&both.services[0], &[3])[3], 0);
    let counts = work(&both.services[0], &[0, 1, 2, 3]);
    assert_eq!(counts.iter().sum::<u32>(), 10_000, "where all were tried, it is one of them: {counts:?}");
}

#[test]
fn a_failover_to_a_zone_leaves_the_others_without_work() {
    let before = built(BOTH, None);
    before.services[0].detour.set(way(Destination::Zone("b".into()), 1000));
    let after = next(&before);
    assert_eq!(work(&after.services[0], &[]), [0, 0, 10_000, 0]);
    let now = Moment::now();
    assert!(after.services[0].keeps_sticky_sessions(2, now));
    assert!(!after.services[0].keeps_sticky_sessions(0, now), "nor with the clients that stick to them");
    before.services[0].detour.set(way(Destination::Zone("nowhere".into()), 1000));
    let after = next(&after);
    assert!(work(&after.services[0], &[])[0] > 3000, "where there is no such zone, all stays");
    assert!(after.services[0].keeps_sticky_sessions(0, now));
}

#[test]
fn a_destination_that_nobody_can_use_gets_nothing_and_the_only_group_that_can_be_used_gets_all() {
    let before = built(BOTH, None);
    before.services[0].detour.set(way(Destination::Backups, 500));
    let spare = &before.services[0].endpoints[3].live.standing;
    spare.set_health(Health::Down, "");
    let without = before.refreshed(Moment::now(), true).unwrap();
    assert_eq!(work(&without.services[0], &[])[3], 0);
    assert_eq!(without.diverted(&without.services[0]), 0);
    set_health(&before, 0, Health::Down);
    spare.set_health(Health::Up, "");
    let only = next(&without);
    assert_eq!(work(&only.services[0], &[]), [0, 0, 0, 10_000]);
}

#[test]
fn another_service_does_its_share_while_it_has_somebody_who_can() {
    let before = built(BOTH, None);
    assert!(before.courses.is_empty(), "nobody pays for what is not there");
    assert_eq!(away(&before), 0);
    before.services[0].detour.set(to_standby(250));
    let after = next(&before);
    assert_eq!(away(&after), 25);
    assert_eq!(after.working(1, || 0), 1);
    assert_eq!((after.diverted(&after.services[0]), after.diverted(&after.services[1])), (250, 0));
    assert!(after.is_working_for(0, 1) && !after.is_working_for(1, 0));
    assert_eq!(work(&after.services[0], &[])[3], 0, "what stays at home is shared as always");
    set_health(&after, 1, Health::Down);
    let back = next(&after);
    assert_eq!(away(&back), 0, "nobody is there");
    set_health(&after, 0, Health::Down);
    let nobody = next(&back);
    assert_eq!(away(&nobody), 0);
    set_health(&after, 1, Health::Up);
    let saved = next(&nobody);
    assert_eq!(away(&saved), 100, "nobody is at home");
    before.services[0].detour.set(None);
    let home = next(&saved);
    assert!(home.courses.is_empty());
}

#[test]
fn detours_are_not_chained() {
    let before = built(BOTH, None);
    before.services[0].detour.set(to_standby(1000));
    before.services[1].detour.set(way(Destination::Service("api".into()), 1000));
    let after = next(&before);
    assert_eq!((after.working(0, || 999), after.working(1, || 999)), (1, 0));
    before.services[0].detour.set(way(Destination::Service("api".into()), 1000));
    let after = next(&after);
    assert_eq!(after.working(0, || 999), 0, "nobody is a detour for itself");
}

#[test]
fn work_goes_to_a_service_that_is_protected_too() {
    let before = built(BOTH, None);
    before.services[0].detour.set(to_standby(1000));
    before.services[1].protection.set_protected(true);
    let after = next(&before);
    assert_eq!(after.working(0, || 999), 1, "nobody else does it");
}

#[test]
fn a_split_chooses_first_and_the_detour_follows() {
    let before = built(BOTH, None);
    before.services[0].detour.set(to_standby(1000));
    let after = next(&before);
    let split = Split::new([(0, "a", 1), (1, "b", 0)], None).unwrap();
    assert_eq!(after.working(after.choose(&split, Point::Random(7)), || 0), 1);
}

#[test]
fn a_reload_keeps_the_detour_and_a_destination_that_it_takes_away_sends_the_work_home() {
    let before = built(BOTH, None);
    before.services[0].detour.set(to_standby(1000));
    let reloaded = built(BOTH, Some(&before));
    assert!(Arc::ptr_eq(&reloaded.services[0].detour, &before.services[0].detour));
    assert_eq!(away(&reloaded), 100, "also before it is refreshed");
    let gone = built(BOTH.split_once("[service.standby]").unwrap().0, Some(&reloaded));
    assert_eq!(gone.working(0, || 0), 0);
    assert_eq!(gone.diverted(&gone.services[0]), 0);
    let back = built(BOTH, Some(&gone));
    assert_eq!(away(&back), 100);
}

#[test]
fn what_is_cut_off_begins_like_the_cut_until_its_time_is_over() {
    let before = built(BOTH, None);
    let (now, second) = (Moment::now(), Duration::from_secs(1));
    let cut = |path: &str, seconds| Cut { path: path.into(), until: now.plus(seconds * second) };
    before.services[0].detour.set_cuts(vec![cut("/slow", 5), cut("/slow/er", 9), cut("/over", 0)]);
    let after = next(&before);
    let left = |path| after.cut_off(0, path, || now);
    assert_eq!(["/slow", "/slow/1", "/slower"].map(left), [Some(5 * second); 3]);
    assert_eq!(left("/slow/er/1"), Some(9 * second), "the longest of those that match");
    assert_eq!(["/", "/fast/slow", "/over"].map(left), [None; 3]);
    assert_eq!(after.cut_off(0, "/slow", || now.plus(5 * second)), None);
    assert_eq!(after.cut_off(1, "/slow", || now), None, "of this service only");
    before.services[0].detour.set_cuts(Vec::new());
    assert!(next(&after).courses.is_empty());
}

#[test]
fn a_circuit_that_is_held_open_opens_and_closes_without_a_breaker() {
    let before = built(BOTH, None);
    let (now, second) = (Moment::now(), Duration::from_secs(1));
    before.services[0].endpoints[0].live.standing.break_for(now.plus(second), "half of its answers failed");
    let open = before.refreshed(now, true).unwrap();
    assert_eq!(work(&open.services[0], &[])[0], 0);
    assert!(!open.services[0].keeps_sticky_sessions(0, now));
    assert!(open.refreshed(now, false).is_none());
    let closed = open.refreshed(now.plus(second), false).unwrap();
    assert!(work(&closed.services[0], &[])[0] > 3000, "time alone has closed it");
}

#[test]
fn a_backend_under_repair_gets_nothing_even_while_health_is_ignored() {
    let before = built(&BOTH.replace("balance =", "panic_threshold = 1.0\nbalance ="), None);
    set_health(&before, 0, Health::Down);
    before.services[0].endpoints[0].live.standing.set_repair(Some("it is restarted"));
    let after = next(&before);
    assert!(after.services[0].available.panic);
    assert_eq!(work(&after.services[0], &[])[0], 0);
    assert!(!after.services[0].keeps_sticky_sessions(0, Moment::now()));
}
