use super::super::sample::Failures;
use super::*;

const SETTINGS: Anomaly = Anomaly { threshold: 2.5, window: 50 };

struct Fleet {
    random: fastrand::Rng,
    monitor: Monitor,
    votes: Vec<Vote>,
}

/// What a backend does: the factor of its latency, its share of failures, its processors in use, attempts in a second.
#[derive(Clone, Copy)]
struct Act(f64, f64, f64, u64);

const USUAL: Act = Act(1.0, 0.002, 0.4, 100);

impl Fleet {
    fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), monitor: Monitor::default(), votes: Vec::new() }
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.random.f64()).sum::<f64>() - 6.0
    }

    fn sample(&mut self, Act(factor, failing, cpu, attempts): Act) -> Sample {
        let mut sample = Sample { takes_part: true, joined: Duration::from_secs(999), ..Sample::default() };
        for _ in 0..attempts {
            if self.random.f64() < failing {
                sample.failures += Failures { status: 1, ..Failures::default() };
            } else {
                sample.answers += 1;
                let took = 0.005 * factor * (0.5 * self.normal()).exp();
                sample.latencies.add(Duration::from_secs_f64(took));
            }
        }
        sample.cpu = Some((cpu + 0.03 * self.normal()).clamp(0.0, 1.0));
        sample.memory = Some(0.6 + 0.01 * self.normal());
        sample
    }

    /// So many seconds in which the backends act like this; how many of them had a vote.
    fn play(&mut self, seconds: usize, acts: &[Act]) -> usize {
        let mut with_votes = 0;
        for _ in 0..seconds {
            let samples: Vec<Sample> = acts.iter().map(|act| self.sample(*act)).collect();
            self.votes.clear();
            self.monitor.observe(&SETTINGS, &samples, &mut self.votes);
            with_votes += usize::from(!self.votes.is_empty());
        }
        with_votes
    }

    fn named(&self) -> Vec<(Subject, Fault)> {
        self.votes.iter().map(|vote| (vote.subject.clone(), vote.fault)).collect()
    }
}

#[test]
fn what_is_unusual_is_named_by_the_feature_that_differs_most() {
    let cases = [
        (Act(2.5, 0.002, 0.4, 100), Fault::HighLatency),
        (Act(1.0, 0.3, 0.4, 100), Fault::HighErrorRate),
        (Act(1.0, 0.002, 0.95, 100), Fault::ResourceExhaustion),
    ];
    for (act, fault) in cases {
        let mut fleet = Fleet::new(1);
        fleet.play(60, &[USUAL; 3]);
        fleet.play(4, &[USUAL, act, USUAL]);
        assert_eq!(fleet.named(), [(Subject::Backend(1), fault)]);
        assert_eq!(fleet.votes[0].confidence, 0.7);
    }
}

#[test]
fn the_reason_says_what_is_and_what_is_usual() {
    let mut fleet = Fleet::new(1);
    fleet.play(60, &[USUAL]);
    fleet.play(4, &[Act(10.0, 0.002, 0.4, 100)]);
    let reason = &fleet.votes[0].reason;
    assert!(
        reason.starts_with("its latency is 5") && reason.contains(" ms, usual is 5.") && reason.ends_with("samples)"),
        "{reason}"
    );
}

#[test]
fn healthy_backends_have_few_votes_at_any_traffic() {
    for attempts in [1, 5, 50, 500] {
        let mut fleet = Fleet::new(attempts);
        let votes = fleet.play(2_000, &[Act(1.0, 0.01, 0.5, attempts); 2]);
        assert!(votes <= 4, "{votes} of 2,000 seconds at {attempts} attempts a second");
    }
}

#[test]
fn less_traffic_than_usual_is_not_unusual() {
    let mut fleet = Fleet::new(2);
    fleet.play(100, &[Act(1.0, 0.01, 0.5, 500); 2]);
    assert!(fleet.play(200, &[Act(1.0, 0.01, 0.3, 5); 2]) <= 2);
}

#[test]
fn what_befalls_all_is_the_services() {
    let mut fleet = Fleet::new(3);
    fleet.play(60, &[USUAL; 4]);
    fleet.play(6, &[Act(4.0, 0.002, 0.4, 100); 4]);
    assert_eq!(fleet.named(), [(Subject::Service, Fault::HighLatency)]);
}

#[test]
fn a_backend_that_has_just_joined_is_not_judged_and_a_fault_is_not_learned_in_a_minute() {
    let mut fleet = Fleet::new(4);
    fleet.play(60, &[USUAL; 3]);
    assert!(fleet.play(60, &[USUAL, USUAL, Act(3.0, 0.002, 0.4, 100)]) > 50);
    fleet.play(5, &[USUAL; 3]);
    assert_eq!(fleet.named(), []);
    fleet.monitor.forgive(2);
    let mut cold = fleet.sample(Act(9.0, 0.0, 0.9, 100));
    cold.joined = Duration::from_secs(3);
    let warm = fleet.sample(USUAL);
    for _ in 0..9 {
        fleet.votes.clear();
        fleet.monitor.observe(&SETTINGS, &[warm.clone(), warm.clone(), cold.clone()], &mut fleet.votes);
        assert_eq!(fleet.named(), []);
    }
}

#[test]
fn a_backend_takes_less_than_600_bytes() {
    assert!(size_of::<State>() <= 600, "{} bytes", size_of::<State>());
}
