use super::*;
use crate::endpoint::{Live, Target as Address};
use crate::health::probe::CheckFailure;
use crate::policy::{self, Check, Initial, UpstreamProtocol};

const START: Moment = Moment::from_millis(1_100_000_000_000);

fn policy() -> policy::Health {
    policy::Health {
        kind: Check::Tcp { send: Vec::new(), expect: Vec::new() },
        port: None,
        interval: Duration::from_secs(2),
        fast_interval: Duration::from_millis(500),
        timeout: Duration::from_secs(1),
        fall: 3,
        rise: 2,
        jitter: 0.0,
        initial: Initial::Up,
    }
}

fn target(id: &str, live: &Arc<Live>, policy: policy::Health) -> Target {
    Target {
        service: "api".into(),
        id: id.to_owned(),
        live: Arc::clone(live),
        address: Address::Tcp(([127, 0, 0, 1], 1).into()),
        addresses: Arc::default(),
        outbound: None,
        host: String::new(),
        protocol: UpstreamProtocol::Http1,
        tls: None,
        proxy_header: None,
        policy: Arc::new(policy),
        advisory: false,
        expire: Duration::from_secs(10),
    }
}

fn refused() -> CheckResult {
    Err(CheckFailure { reason: "connection refused".into(), is_ours: false })
}

/// Makes the next check, which takes no time and comes to this; gives back when that was and what changed.
fn step(checks: &mut Checks, result: CheckResult) -> (Moment, Option<Health>) {
    let now = checks.earliest().unwrap();
    let job = checks.take(now).unwrap();
    (now, checks.finish(job.key, result, now, now))
}

#[test]
fn a_backend_that_dies_and_comes_back_is_seen_by_the_fast_interval() {
    let live = Arc::<Live>::default();
    let mut checks = Checks::new(1);
    checks.update(vec![target("a", &live, policy())], START);
    assert_eq!(live.standing.health(), Health::Up);
    assert!(!checks.is_checked());
    let (first, _) = step(&mut checks, Ok("connected".into()));
    assert!(checks.is_checked());
    live.standing.eject(START.plus(Duration::from_secs(1000)), "");

    let results = [refused(), refused(), refused(), refused(), Ok("connected".into()), Ok("connected".into())];
    let seen = results.map(|result| {
        let (at, changed) = step(&mut checks, result);
        (at.since(first).as_millis(), changed)
    });
    let down_at = 3000;
    let up_at = down_at + 2000 + 2000 + 500;
    assert_eq!(
        seen,
        [
            (2000, None),
            (2500, None),
            (down_at, Some(Health::Down)),
            (down_at + 2000, None),
            (down_at + 4000, None),
            (up_at, Some(Health::Up))
        ]
    );
    let back = first.plus(Duration::from_millis(u64::try_from(up_at).unwrap()));
    assert_eq!(live.standing.health(), Health::Up);
    assert_eq!(live.standing.joined(), back);
    assert!(!live.standing.is_ejected(back), "what it was ejected for is over");
}

/// What these checks, `+` good and `-` bad, leave of an ejection, and the times between them in milliseconds.
fn ejected_through(results: &str) -> (bool, Vec<u128>) {
    let live = Arc::<Live>::default();
    let mut checks = Checks::new(1);
    checks.update(vec![target("a", &live, policy())], START);
    let (mut last, _) = step(&mut checks, Ok("connected".into()));
    live.standing.eject(START.plus(Duration::from_secs(1000)), "");
    let after = results.chars().map(|result| {
        let (at, changed) = step(&mut checks, if result == '+' { Ok("connected".into()) } else { refused() });
        assert_eq!(changed, None, "it stays up");
        at.since(std::mem::replace(&mut last, at)).as_millis()
    });
    let after = after.collect();
    (live.standing.is_ejected(last), after)
}

#[test]
fn an_ejection_ends_when_a_check_has_failed_and_as_many_as_a_recovery_takes_were_good() {
    assert!(!ejected_through("-++").0);
    assert!(!ejected_through("--++").0);
    assert!(ejected_through("-+-+").0, "not in a row");
    assert!(ejected_through("++++").0, "checks that never failed do not see what it was ejected for");
    assert!(!ejected_through("+-+-++").0);
}

#[test]
fn an_ejected_backend_is_checked_at_the_fast_interval() {
    assert_eq!(ejected_through("+-++").1, [2000, 500, 500, 500]);
}

#[test]
fn what_the_last_check_came_to_is_kept() {
    let mut checks = Checks::new(1);
    checks.update(vec![target("a", &Arc::default(), policy())], START);
    assert_eq!(checks.last_check("api", "a"), None);
    let now = checks.earliest().unwrap();
    let job = checks.take(now).unwrap();
    let took = Duration::from_millis(7);
    checks.finish(job.key, refused(), now, now.plus(took));
    let last = checks.last_check("api", "a").unwrap();
    let reason = "connection refused".into();
    assert_eq!(last, LastCheck { at: now.plus(took), ok: false, took, reason, failed: 1, passed: 0 });
    assert_eq!(checks.last_check("api", "b"), None);
}

#[test]
fn an_update_keeps_what_stays_and_forgets_what_goes() {
    let (a, b) = (Arc::<Live>::default(), Arc::<Live>::default());
    let mut checks = Checks::new(1);
    checks.update(vec![target("a", &a, policy()), target("b", &b, policy())], START);
    for _ in 0..6 {
        step(&mut checks, refused());
    }
    assert_eq!((a.standing.health(), b.standing.health()), (Health::Down, Health::Down));
    let due = checks.earliest();
    checks.update(vec![target("a", &a, policy())], START);
    assert_eq!((a.standing.health(), b.standing.health()), (Health::Down, Health::Unknown));
    assert_eq!(checks.earliest(), due);
    assert!(checks.is_checked());
    // the one that went is skipped in the schedule
    let later = START.plus(Duration::from_secs(100));
    assert_eq!(checks.take(later).map(|job| job.target.id.clone()).as_deref(), Some("a"));
    assert!(checks.take(later).is_none());
}

#[test]
fn another_way_to_check_keeps_the_state_and_another_backend_does_not() {
    let a = Arc::<Live>::default();
    let mut checks = Checks::new(1);
    checks.update(vec![target("a", &a, policy())], START);
    for _ in 0..3 {
        step(&mut checks, refused());
    }
    let under_way = checks.take(START.plus(Duration::from_secs(100))).unwrap();
    let slower = policy::Health { interval: Duration::from_secs(60), ..policy() };
    checks.update(vec![target("a", &a, slower)], START);
    assert_eq!(a.standing.health(), Health::Down);
    assert!(checks.finish(under_way.key, Ok("".into()), START, START).is_none(), "what was under way counts no more");
    assert!(checks.earliest().unwrap() <= START.plus(Duration::from_millis(1)), "it is checked soon");

    let other = Arc::<Live>::default();
    checks.update(vec![target("a", &other, policy())], START);
    assert_eq!(other.standing.health(), Health::Up);
    assert!(!checks.is_checked());
}

#[test]
fn a_check_that_could_not_be_made_says_nothing() {
    let live = Arc::<Live>::default();
    let mut checks = Checks::new(1);
    checks.update(vec![target("a", &live, policy())], START);
    step(&mut checks, refused());
    let mut last = checks.last_check("api", "a").unwrap().at;
    for _ in 0..10 {
        let ours = CheckFailure { reason: "too many open files".into(), is_ours: true };
        let (at, changed) = step(&mut checks, Err(ours));
        assert_eq!(changed, None);
        assert!(at.since(last) <= Duration::from_millis(500), "but it is tried again soon");
        last = at;
    }
    assert_eq!(live.standing.health(), Health::Up);
    assert_eq!(checks.last_check("api", "a").unwrap().failed, 1);
    step(&mut checks, refused());
    assert_eq!(checks.last_check("api", "a").unwrap().failed, 2);
    step(&mut checks, Ok("connected".into()));
    assert_eq!(checks.last_check("api", "a").unwrap().failed, 0);
}

#[test]
fn advice_does_not_decide() {
    let live = Arc::<Live>::default();
    let mut checks = Checks::new(1);
    checks.update(vec![Target { advisory: true, ..target("a", &live, policy()) }], START);
    for _ in 0..5 {
        assert_eq!(step(&mut checks, refused()).1, None);
    }
    assert_eq!(live.standing.health(), Health::Unknown);
}

/// The times between these checks, `+` good and `-` bad, of a backend that is checked in a hurry after the first of them: every 100 ms, for
/// 1 s at most.
fn hurried_through(results: &str) -> Vec<u128> {
    let mut checks = Checks::new(1);
    checks.update(vec![target("a", &Arc::default(), policy())], START);
    let (mut last, _) = step(&mut checks, Ok("connected".into()));
    let until = last.plus(Duration::from_secs(1));
    checks.hurry("api", "a", Duration::from_millis(100), until, last);
    let after = results.chars().map(|result| {
        let (at, _) = step(&mut checks, if result == '+' { Ok("connected".into()) } else { refused() });
        at.since(std::mem::replace(&mut last, at)).as_millis()
    });
    after.collect()
}

#[test]
fn a_backend_in_a_hurry_is_checked_at_once_and_often_until_it_is_well() {
    assert_eq!(hurried_through("+++"), [0, 100, 2000], "as many as rise says were good");
    assert_eq!(hurried_through("-+-+++"), [0, 100, 100, 100, 100, 2000], "in a row");
    assert_eq!(hurried_through("---++++"), [0, 100, 100, 100, 100, 2000, 2000], "down, and up again");
}

#[test]
fn a_hurry_ends_when_its_time_is_over() {
    assert_eq!(hurried_through(&"-".repeat(13)), [0, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 2000, 2000]);
}

#[test]
fn a_hurry_outlasts_a_reload_and_adds_no_checks() {
    let live = Arc::<Live>::default();
    let mut checks = Checks::new(1);
    checks.update(vec![target("a", &live, policy())], START);
    let (at, _) = step(&mut checks, refused());
    let (every, until) = (Duration::from_millis(100), at.plus(Duration::from_secs(60)));
    checks.hurry("api", "b", every, until, at);
    assert!(checks.take(at).is_none(), "nobody knows it");
    checks.hurry("api", "a", every, until, at);
    let under_way = checks.take(at).unwrap();
    checks.hurry("api", "a", every, until, at);
    assert!(checks.take(at).is_none(), "it is being checked");
    checks.finish(under_way.key, refused(), at, at);
    checks.update(vec![target("a", &live, policy())], at);
    assert_eq!(step(&mut checks, refused()).0, at.plus(every));
    assert_eq!(step(&mut checks, refused()).0, at.plus(2 * every));
    checks.hurry("api", "a", every, until, at.plus(2 * every));
    assert!(checks.take(at.plus(2 * every)).is_none(), "it is due soon enough");
    assert!(checks.take(at.plus(3 * every)).is_some());
    assert!(checks.take(until).is_none(), "each is made once");
}

#[test]
fn a_backend_that_is_taken_for_well_unchecked_has_its_first_good_check_as_the_reason() {
    let live = Arc::<Live>::default();
    let mut checks = Checks::new(1);
    checks.update(vec![target("a", &live, policy())], START);
    assert_eq!(live.standing.health_reason(), "not checked yet");
    assert_eq!(step(&mut checks, refused()).1, None);
    assert_eq!(live.standing.health_reason(), "not checked yet");
    assert_eq!(step(&mut checks, Ok("connected".into())).1, None);
    assert_eq!(live.standing.health_reason(), "connected");
}
