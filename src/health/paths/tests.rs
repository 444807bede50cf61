use super::super::probe::CheckFailure;
use super::*;
use crate::endpoint::paths::Via;
use crate::policy::{Check, Initial};

const START: Moment = Moment::from_millis(1_100_000_000_000);

struct World {
    watch: PathWatch,
    now: Moment,
    policy: Policy,
    news: Vec<PathChange>,
}

/// A check that takes so many milliseconds to connect.
fn good(ms: u64) -> PathResult {
    PathResult { result: Ok("connected".into()), rtt: Some(Duration::from_millis(ms)) }
}

fn failed(reason: &'static str, rtt: Option<Duration>) -> PathResult {
    PathResult { result: Err(CheckFailure { reason: reason.into(), is_ours: false }), rtt }
}

fn silent() -> PathResult {
    failed("no connection in 1 s", None)
}

fn hangs() -> PathResult {
    failed("no answer in 1 s", Some(Duration::from_millis(1)))
}

impl World {
    fn new() -> Self {
        Self::between(["10.0.1.5:80", "10.9.1.5:80"])
    }

    fn between<const N: usize>(paths: [&str; N]) -> Self {
        let addresses = Addresses::of_paths(paths.map(|address| address.parse().unwrap()));
        let policy = Policy {
            kind: Check::Tcp { send: Vec::new(), expect: Vec::new() },
            port: None,
            interval: Duration::from_secs(2),
            fast_interval: Duration::from_millis(500),
            timeout: Duration::from_secs(1),
            fall: 3,
            rise: 2,
            jitter: 0.0,
            initial: Initial::Up,
        };
        let watch = PathWatch::new(&Arc::new(addresses), START).unwrap();
        Self { watch, now: START, policy, news: Vec::new() }
    }

    /// A round of checks, the second path's first; gives back the path in use after it.
    fn round(&mut self, first: &PathResult, second: &PathResult) -> usize {
        let began = self.now;
        self.watch.begin();
        for (place, result) in [(1, second), (0, first)] {
            self.now = self.now.plus(Duration::from_millis(1));
            let news = self.watch.observe(place, result, &self.policy, began, self.now);
            self.news.extend(news);
        }
        self.now = began.plus(self.policy.interval);
        self.watch.paths.first()
    }

    fn told(&mut self) -> Vec<String> {
        let name = |change: &PathChange| match change {
            PathChange::Down { address, .. } => format!("{address} down"),
            PathChange::Up { address } => format!("{address} up"),
            PathChange::Chosen { address, .. } => format!("{address} chosen"),
        };
        self.news.drain(..).map(|change| name(&change)).collect()
    }

    fn via(&self, place: usize) -> Via {
        self.watch.paths.via(place)
    }
}

#[test]
fn a_path_without_connections_is_left_at_once_and_those_that_wait_on_it_are_told() {
    let mut world = World::new();
    assert_eq!(world.round(&good(1), &good(1)), 0);
    let (dead, other) = (world.via(0), world.via(1));
    assert_eq!(world.round(&silent(), &good(1)), 1);
    assert!(world.watch.paths.is_dead(dead) && !world.watch.paths.is_dead(other));
    assert!(
        world.watch.paths.is_good(other) && world.watch.is_in_doubt() == world.watch.each[0].last.as_ref().unwrap().ok
    );
    assert_eq!(world.told(), ["10.0.1.5:80 down", "10.9.1.5:80 chosen"]);
    // it goes on being down, and nothing is said again
    assert_eq!(world.round(&silent(), &good(1)), 1);
    assert!(world.told().is_empty());
    // it comes back after two good checks, and is not used for that alone
    world.round(&good(1), &good(1));
    assert!(world.told().is_empty());
    assert_eq!(world.round(&good(1), &good(1)), 1);
    assert_eq!(world.told(), ["10.0.1.5:80 up"]);
    let later = world.via(0);
    assert!(world.watch.paths.is_good(later) && !world.watch.paths.is_dead(later));
}

#[test]
fn where_no_path_works_it_is_the_backend_that_is_down() {
    let mut world = World::new();
    world.round(&good(1), &good(1));
    let before = [world.via(0), world.via(1)];
    world.round(&silent(), &silent());
    world.round(&silent(), &silent());
    assert!(world.told().is_empty());
    assert_eq!(world.round(&silent(), &silent()), 0);
    assert_eq!(world.told(), ["10.9.1.5:80 down", "10.0.1.5:80 down"]);
    assert!(before.iter().all(|via| !world.watch.paths.is_dead(*via)), "there is nowhere else to go");
    // the second comes back alone
    world.round(&silent(), &good(1));
    assert!(world.watch.paths.is_dead(before[0]));
    world.round(&silent(), &good(1));
    world.round(&silent(), &good(1));
    assert_eq!(world.round(&silent(), &good(1)), 1);
    assert_eq!(world.told(), ["10.9.1.5:80 up", "10.9.1.5:80 chosen"]);
}

#[test]
fn a_path_that_accepts_and_hangs_is_left_after_as_many_checks_as_a_backend() {
    let mut world = World::new();
    world.round(&good(1), &good(1));
    let kept = world.via(0);
    assert_eq!(world.round(&hangs(), &good(1)), 0);
    assert_eq!(world.round(&hangs(), &good(1)), 1, "the other one is far better already");
    assert!(!world.watch.paths.is_dead(kept), "a slow answer is no dead path");
    world.round(&hangs(), &good(1));
    assert_eq!(world.told(), ["10.9.1.5:80 chosen", "10.0.1.5:80 down"]);
    assert!(world.watch.paths.is_dead(kept));
}

#[test]
fn a_path_that_loses_packets_stays_down_until_most_of_them_pass() {
    let mut world = World::new();
    world.round(&good(1), &good(1));
    let mut random = fastrand::Rng::with_seed(7);
    let mut used = [0, 0];
    for _ in 0..500 {
        let lossy = if random.f64() < 0.4 { silent() } else { good(1) };
        used[world.round(&lossy, &good(1))] += 1;
    }
    assert!(used[0] < 10, "{used:?}");
    let told = world.told();
    assert!(told.iter().filter(|line| line.ends_with("chosen")).count() == 1, "{told:?}");
}

#[test]
fn a_path_that_is_far_better_is_taken_when_that_lasts() {
    let mut world = World::new();
    world.round(&good(40), &good(40));
    let kept = world.via(0);
    for _ in 0..20 {
        assert_eq!(world.round(&good(40), &good(35)), 0, "a little better is not worth it");
    }
    let mut rounds = 0;
    while world.round(&good(40), &good(2)) == 0 {
        rounds += 1;
    }
    assert!((1..10).contains(&rounds), "{rounds}");
    assert_eq!(world.told(), ["10.9.1.5:80 chosen"]);
    assert!(!world.watch.paths.is_good(kept) && !world.watch.paths.is_dead(kept), "what is under way goes on");
    for _ in 0..20 {
        assert_eq!(world.round(&good(2), &good(2)), 1, "as good is no reason to go back");
    }
}

#[test]
fn one_check_that_was_slow_moves_nothing() {
    let mut world = World::new();
    world.round(&good(1), &good(1));
    for _ in 0..5 {
        assert_eq!(world.round(&good(280), &good(1)), 0);
        for _ in 0..10 {
            assert_eq!(world.round(&good(1), &good(1)), 0);
        }
    }
    assert!(world.told().is_empty());
}

#[test]
fn connections_that_were_made_after_a_path_was_left_are_not_cut_because_of_another_one() {
    let mut world = World::between(["10.0.1.5:80", "10.9.1.5:80", "10.8.1.5:80"]);
    let observe = |world: &mut World, place, shown: &PathResult| {
        world.now = world.now.plus(Duration::from_millis(1));
        let _ = world.watch.observe(place, shown, &world.policy, START, world.now);
    };
    for (place, shown) in [(1, good(1)), (2, good(1)), (0, silent())] {
        observe(&mut world, place, &shown);
    }
    let (later, second) = (world.via(0), world.via(1));
    observe(&mut world, 1, &silent());
    assert_eq!([later, second].map(|via| world.watch.paths.is_dead(via)), [false, true]);
}

#[test]
fn what_dials_have_found_out_is_told_and_checked() {
    let mut world = World::new();
    world.round(&good(1), &good(1));
    assert!(!world.watch.has_losses());
    world.watch.paths.won(1);
    assert!(world.watch.has_losses());
    assert_eq!(world.round(&good(1), &good(1)), 1);
    assert!(!world.watch.has_losses() && world.watch.is_in_doubt());
    assert_eq!(world.told(), ["10.9.1.5:80 chosen"]);
}

#[test]
fn a_path_that_is_down_is_not_waited_for() {
    let mut world = World::new();
    let places = |begun: Vec<(usize, Duration)>| begun.into_iter().map(|(place, _)| place).collect::<Vec<_>>();
    assert_eq!(world.watch.begin(), [(0, Duration::MAX), (1, Duration::MAX)], "of none is known how long it takes");
    assert!(world.watch.begin().is_empty() && world.watch.are_up_probed());
    world.watch.observe(0, &good(1), &world.policy, START, START);
    assert!(world.watch.are_up_probed());
    world.watch.observe(1, &silent(), &world.policy, START, START);
    assert_eq!(places(world.watch.begin()), [0, 1]);
    world.watch.observe(0, &good(1), &world.policy, START, START);
    assert!(!world.watch.are_up_probed(), "only the one that is down is under way");
    assert_eq!(world.watch.begin(), [(0, Duration::from_millis(300))]);
}
