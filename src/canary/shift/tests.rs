//! Plans played with a virtual clock: good canaries that arrive, and bad ones that are sent back.

use fastrand::Rng;

use super::*;
use crate::canary::WHOLE;
use crate::detect::sample::{AGE_STEP, AGES};

/// How often the driver looks.
const TICK: Duration = Duration::from_millis(500);

/// How a version of a service is.
#[derive(Debug, Clone, Copy)]
struct Version {
    /// The share of requests that it fails,
    fails: f64,
    /// that it never answers,
    hangs: f64,
    /// the median of what answers take, in microseconds,
    takes: f64,
    /// and how much they differ: the standard deviation of their logarithms, in octaves.
    spread: f64,
}

const GOOD: Version = Version { fails: 0.001, hangs: 0.0, takes: 8_000.0, spread: 0.8 };

/// What happens to both versions alike from this second on, for five seconds.
#[derive(Debug, Clone, Copy)]
enum Common {
    Nothing,
    Outage(f64),
    Slowness(f64),
}

struct World {
    rng: Rng,
    now: Moment,
    /// Requests a second.
    rate: f64,
    versions: [Version; 2],
    waiting: [Vec<Moment>; 2],
    common: Common,
    shift: Shift,
    /// Requests that the canary has failed or not answered.
    lost: u64,
    began: Moment,
}

fn plan(steps: &[u32], every: u64) -> Plan {
    Plan {
        steps: steps.into(),
        every: Duration::from_secs(every),
        stops_on_errors: true,
        stops_on_latency: true,
        min_requests: 20,
    }
}

impl World {
    fn new(seed: u64, plan: Plan, rate: f64, canary: Version, stable: Version) -> Self {
        let now = Moment::from_millis(1_000_000);
        Self {
            rng: Rng::with_seed(seed),
            now,
            rate,
            versions: [canary, stable],
            waiting: Default::default(),
            common: Common::Nothing,
            shift: Shift::new(plan, Standing::first(), now),
            lost: 0,
            began: now,
        }
    }

    fn seconds(&self) -> f64 {
        self.now.since(self.began).as_secs_f64()
    }

    /// A number of a normal distribution (Box and Muller, 1958).
    fn normal(&mut self) -> f64 {
        let (one, other) = (1.0 - self.rng.f64(), self.rng.f64());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
    }

    /// How many come, on the mean this many (Knuth).
    fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.rng.f64(), 0);
        while product > limit {
            product *= self.rng.f64();
            count += 1;
        }
        count
    }

    /// What a version shows in a tick in which it gets this share.
    fn shows(&mut self, which: usize, share: f64) -> Sample {
        let (mut version, mut sample) = (self.versions[which], Sample::default());
        match self.common {
            Common::Outage(at) if (at..at + 5.0).contains(&self.seconds()) => version.fails = 0.5,
            Common::Slowness(at) if (at..at + 5.0).contains(&self.seconds()) => version.takes *= 4.0,
            _ => {}
        }
        sample.begun = self.poisson(self.rate * share * TICK.as_secs_f64());
        for _ in 0..sample.begun {
            if self.rng.f64() < version.hangs {
                self.waiting[which].push(self.now);
            } else if self.rng.f64() < version.fails {
                sample.failures.status += 1;
            } else {
                let log = version.takes.log2() + version.spread * self.normal();
                sample.answers += 1;
                sample.latencies.add(Duration::from_secs_f64(log.exp2() / 1e6));
            }
        }
        for began in &self.waiting[which] {
            let steps = usize::try_from(self.now.since(*began).as_millis() / AGE_STEP.as_millis()).unwrap();
            sample.waiting.by_age[steps.min(AGES - 1)] += 1;
        }
        sample
    }

    fn tick(&mut self) -> Option<Change> {
        let share = f64::from(self.shift.share()) / f64::from(WHOLE);
        self.now = self.now.plus(TICK);
        let (canary, stable) = (self.shows(0, share), self.shows(1, 1.0 - share));
        self.lost += canary.failures.total();
        self.shift.look(Look { now: self.now, lasted: TICK, canary: &canary, stable: &stable, hold: None })
    }

    /// Until it is back or has arrived, or so many seconds have gone by.
    fn play(&mut self, seconds: f64) -> Stage {
        while self.shift.is_watched() && self.seconds() < seconds {
            self.tick();
        }
        self.shift.standing().stage
    }
}

#[test]
fn good_canaries_arrive_over_thousands_of_seeds() {
    let steps = [100, 500, 2_500, 5_000, 10_000];
    let busy = Version { fails: 0.03, takes: 60_000.0, spread: 1.3, ..GOOD };
    let tail = Version { takes: 2_000.0, spread: 2.0, ..GOOD };
    let mut back = Vec::new();
    for seed in 0..3_000_u64 {
        let (version, at) = ([GOOD, busy, tail][seed as usize % 3], (seed % 90) as f64);
        let mut world = World::new(seed, plan(&steps, 20), 40.0, version, version);
        world.common = [Common::Nothing, Common::Outage(at), Common::Slowness(at)][seed as usize / 3 % 3];
        if world.play(400.0) != Stage::Arrived {
            back.push((seed, world.shift.standing().clone(), world.seconds()));
        }
    }
    assert!(back.len() <= 3, "{} of 3,000 were sent back: {:?}", back.len(), &back[..back.len().min(8)]);
}

#[test]
fn a_good_canary_arrives_where_there_is_much_traffic() {
    for seed in 0..12 {
        let mut world = World::new(seed, plan(&[100, 2_500, 5_000, 10_000], 15), 1_000.0, GOOD, GOOD);
        assert_eq!(world.play(120.0), Stage::Arrived, "{seed}: {:?}", world.shift.standing());
    }
}

/// For how many seconds bad canaries got requests, and how many they lost: the worst of these seeds.
fn worst(share: u32, rate: f64, canary: Version, seeds: u64) -> (f64, u64) {
    (0..seeds).fold((0.0, 0), |(longest, most), seed| {
        let mut world = World::new(seed, plan(&[share, 10_000], 60), rate, canary, GOOD);
        world.play(60.0);
        assert_eq!(world.shift.standing().stage, Stage::Back, "{share}: {canary:?} was not seen with seed {seed}");
        (f64::max(longest, world.seconds()), most.max(world.lost))
    })
}

#[test]
fn bad_canaries_are_back_within_ten_seconds_at_1_and_5_percent() {
    let bad = [
        Version { fails: 1.0, ..GOOD },
        Version { fails: 0.5, ..GOOD },
        Version { hangs: 1.0, ..GOOD },
        Version { takes: 80_000.0, ..GOOD },
    ];
    for (share, rate, seeds) in [(100, 400.0, 60), (500, 400.0, 60)] {
        for canary in bad {
            let (seconds, lost) = worst(share, rate, canary, seeds);
            assert!(seconds <= 10.0, "{share}: {canary:?} was back after {seconds} s");
            let most = f64::from(share) / f64::from(WHOLE) * rate * 10.0;
            assert!(lost as f64 <= most * 1.5, "{share}: {canary:?} has cost {lost}");
        }
    }
}

#[test]
fn smaller_faults_are_seen_too() {
    for canary in [Version { fails: 0.1, ..GOOD }, Version { takes: 24_000.0, ..GOOD }] {
        let (seconds, _) = worst(500, 400.0, canary, 60);
        assert!(seconds <= 30.0, "{canary:?} was back after {seconds} s");
    }
}

#[test]
fn it_waits_for_enough_requests_but_not_where_there_are_none() {
    let slow_plan = || Plan { min_requests: 1_000, ..plan(&[100, 10_000], 10) };
    let mut world = World::new(1, slow_plan(), 40.0, GOOD, GOOD);
    assert_eq!(world.play(60.0), Stage::Stepping);
    assert_eq!(world.shift.standing().step, 0);
    assert!(world.shift.held().unwrap().contains("of 1000 requests"), "{:?}", world.shift.held());
    let mut idle = World::new(1, slow_plan(), 0.0, GOOD, GOOD);
    assert_eq!(idle.play(60.0), Stage::Arrived);
    assert!((19.0..22.0).contains(&idle.seconds()), "{}", idle.seconds());
}

#[test]
fn what_speaks_against_a_step_holds_it_and_is_told() {
    let (now, nothing) = (Moment::from_millis(1_000_000), Sample::default());
    let mut shift = Shift::new(plan(&[100, 10_000], 10), Standing::first(), now);
    let mut look = |seconds, hold: Option<&str>| {
        let now = now.plus(Duration::from_secs(seconds));
        let hold = hold.map(str::to_owned);
        let change = shift.look(Look { now, lasted: TICK, canary: &nothing, stable: &nothing, hold });
        (change, shift.held().map(str::to_owned))
    };
    assert_eq!(look(5, Some("a fault")), (None, None));
    assert_eq!(look(11, Some("a fault")), (None, Some("a fault".to_owned())));
    assert_eq!(look(12, None), (Some(Change::Stepped { from: 100, to: 10_000, requests: 0 }), None));
}

#[test]
fn a_person_sends_it_back_starts_it_again_and_promotes_it() {
    let now = Moment::from_millis(1_000_000);
    let mut shift = Shift::new(plan(&[500, 10_000], 10), Standing::first(), now);
    let back = shift.say(Word::Back, "ann", now).unwrap();
    assert_eq!(back, Change::Back { from: 500, requests: 0, reason: "sent back by ann".to_owned() });
    assert_eq!((shift.share(), shift.say(Word::Back, "ann", now)), (0, None));
    let nothing = Sample::default();
    let late = now.plus(Duration::from_secs(1_000));
    let look = Look { now: late, lasted: TICK, canary: &nothing, stable: &nothing, hold: None };
    assert_eq!(shift.look(look), None, "it stays back until a person says so");
    assert_eq!(shift.say(Word::Start, "ann", late), Some(Change::Stepped { from: 0, to: 500, requests: 0 }));
    assert_eq!(shift.say(Word::Promote, "ann", late), Some(Change::Arrived { share: 10_000 }));
    assert_eq!((shift.share(), shift.is_watched()), (10_000, false));
}
