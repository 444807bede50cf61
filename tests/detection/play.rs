//! Plays a trace to the detection, does what it says, and writes down what it said of whom and when.

use std::sync::Arc;
use std::time::Duration;

use evenkeel::detect::fault::{Detector, Fault, Subject};
use evenkeel::detect::service::{Backend, Dependency, Detection, Input, Settings};
use fastrand::Rng;

use crate::fleet::Fleet;
use crate::random::{between, chance};
use crate::simulation::Simulation;
use crate::trace::{Trace, Whom};

/// What came of a trace.
#[derive(Debug, Default)]
pub struct Play {
    pub said: Vec<Said>,
    /// The smallest share of its work that detection left each backend, and when.
    pub lowest: Vec<(f64, f64)>,
    pub ejections: Vec<(f64, usize)>,
    pub backend_hours: f64,
    /// Detectors that were left out, with why.
    pub left_out: Vec<(Detector, String)>,
}

/// An accusation or a verdict.
#[derive(Debug, Clone)]
pub struct Said {
    pub whom: Whom,
    pub fault: Fault,
    pub is_verdict: bool,
    pub from: f64,
    /// Until it was said no more.
    pub to: f64,
    pub reason: String,
}

/// Between two checks of what a service depends on.
const DEPENDENCY_CHECKS: f64 = 5.0;

/// Plays a trace from its beginning to its end.
pub fn play(trace: &Trace, settings: Settings) -> Play {
    let fleet = &trace.fleet;
    let backends = backends(fleet);
    let mut detection = Detection::new(settings, backends);
    let mut simulation = Simulation::new(trace);
    let mut ticks = Rng::with_seed(trace.seed ^ 0x71c5);
    let mut play = Play { lowest: vec![(1.0, 0.0); fleet.backends.len()], ..Play::default() };
    let (mut now, mut dependency) = (0.0, Watched::new(trace));
    while now < trace.length {
        let lasted = tick(&mut ticks, trace, now);
        now += lasted;
        simulation.advance(now);
        let samples = simulation.samples();
        let dependencies = dependency.at(now);
        let changes = detection.observe(&Input {
            now: Duration::from_secs_f64(now),
            lasted: Duration::from_secs_f64(lasted),
            samples: &samples,
            dependencies,
        });
        play.left_out.extend(changes.left_out);
        play.note(now, &detection);
        let before: Vec<u32> = simulation.balancer.standings.iter().map(|standing| standing.ejections).collect();
        simulation.balancer.obey(now, &mut detection);
        for (at, standing) in simulation.balancer.standings.iter().enumerate() {
            if standing.ejections > before[at] {
                play.ejections.push((now, at));
            }
            if standing.share < play.lowest[at].0 {
                play.lowest[at] = (standing.share, now);
            }
        }
    }
    play.backend_hours = now / 3_600.0 * fleet.backends.len() as f64;
    play
}

/// How long it is until the next tick.
fn tick(rng: &mut Rng, trace: &Trace, now: f64) -> f64 {
    let usual = if chance(rng, 0.01) { 0.3 } else { between(rng, 0.1, 0.13) };
    trace.gaps.iter().find(|(at, _)| (now..now + usual).contains(at)).map_or(usual, |(_, gap)| *gap)
}

fn backends(fleet: &Fleet) -> Vec<Backend> {
    let place = |(at, place): (usize, &crate::fleet::Place)| Backend {
        id: format!("10.0.0.{}:{}", place.host, 8000 + at).into(),
        host: host(place.host),
        zone: place.zone.map_or_else(|| Arc::from(""), zone),
    };
    fleet.backends.iter().enumerate().map(place).collect()
}

fn host(at: usize) -> Arc<str> {
    format!("10.0.0.{at}").into()
}

fn zone(at: usize) -> Arc<str> {
    format!("zone-{at}").into()
}

fn whom(subject: &Subject) -> Whom {
    let number = |name: &str, by: char| name.rsplit(by).next().and_then(|digits| digits.parse().ok());
    match subject {
        Subject::Service => Whom::Service,
        Subject::Backend(at) => Whom::Backend(*at),
        Subject::Host(name) => Whom::Host(number(name, '.').unwrap_or(usize::MAX)),
        Subject::Zone(name) => Whom::Zone(number(name, '-').unwrap_or(usize::MAX)),
    }
}

impl Play {
    /// Writes down what is said now.
    fn note(&mut self, now: f64, detection: &Detection) {
        for verdict in detection.verdicts() {
            let reason = || verdict.votes.iter().map(|vote| format!("{}: {}", vote.detector.as_str(), vote.reason));
            self.say(now, whom(&verdict.subject), verdict.fault, true, || reason().collect::<Vec<_>>().join("; "));
        }
        for at in 0..detection.backends().len() {
            if let Some(vote) = detection.accusation(at) {
                self.say(now, Whom::Backend(at), vote.fault, false, || vote.reason.clone());
            }
        }
    }

    fn say(&mut self, now: f64, whom: Whom, fault: Fault, is_verdict: bool, reason: impl FnOnce() -> String) {
        let before = self.said.iter_mut().rev().find(|said| {
            said.whom == whom && said.fault == fault && said.is_verdict == is_verdict && now - said.to < 0.5
        });
        match before {
            Some(said) => said.to = now,
            None => self.said.push(Said { whom, fault, is_verdict, from: now, to: now, reason: reason() }),
        }
    }
}

/// What is known of the dependency.
struct Watched {
    known: Vec<Dependency>,
    down: Option<(f64, f64)>,
    next: f64,
}

impl Watched {
    fn new(trace: &Trace) -> Self {
        let database = Dependency { name: "database".into(), failed: 0, error: String::new() };
        let known = if trace.fleet.dependency { vec![database] } else { Vec::new() };
        Self { known, down: trace.dependency_down, next: DEPENDENCY_CHECKS * (trace.seed % 8) as f64 / 8.0 }
    }

    fn at(&mut self, now: f64) -> &[Dependency] {
        if now >= self.next {
            self.next += DEPENDENCY_CHECKS;
            let is_down = self.down.is_some_and(|(from, to)| from <= now && now < to);
            for dependency in &mut self.known {
                dependency.failed = if is_down { dependency.failed + 1 } else { 0 };
                dependency.error = if is_down { "connection refused".to_owned() } else { String::new() };
            }
        }
        &self.known
    }
}
