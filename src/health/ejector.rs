//! Looks at every service now and then, ejects what stands out, and lets it in again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::outlier::{self, Reason, Seen, Sight};
use super::window::Window;
use crate::clock::Moment;
use crate::endpoint::Live;
use crate::endpoint::standing::{Health, Wanted};
use crate::policy::Outlier;

/// How often the owner is to call [`Ejector::tick`].
pub const TICK: Duration = Duration::from_millis(100);

/// A service whose backends are watched.
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: Arc<str>,
    /// By what rules.
    pub policy: Outlier,
    /// Its backends.
    pub backends: Vec<Backend>,
}

/// A backend that is watched.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Its place among the service's backends.
    pub index: usize,
    /// Unique in its service.
    pub id: String,
    /// Its atomics: a backend that stays is known by them.
    pub live: Arc<Live>,
    /// By configuration it gets new work.
    pub gets_new_work: bool,
}

/// What became of a backend. Each of them wants a new snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its service.
    pub service: Arc<str>,
    /// Which one.
    pub id: String,
    /// Why it is out; `None` = it is in again.
    pub ejected: Option<Reason>,
}

/// Watches all services.
#[derive(Debug, Default)]
pub struct Ejector {
    services: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    service: Service,
    /// In the order of `service.backends`.
    states: Vec<State>,
}

#[derive(Debug, Default)]
struct State {
    window: Window,
    is_ejected: bool,
}

impl Ejector {
    /// What there is to watch now. What is known of a backend that stays is kept.
    pub fn update(&mut self, services: Vec<Service>) {
        let mut known = HashMap::new();
        for watched in self.services.drain(..) {
            for (backend, state) in watched.service.backends.into_iter().zip(watched.states) {
                known.insert(Arc::as_ptr(&backend.live), (state, backend));
            }
        }
        let watched = |service: Service| {
            let state = |backend: &Backend| {
                known.remove(&Arc::as_ptr(&backend.live)).map(|(state, _)| state).unwrap_or_default()
            };
            Watched { states: service.backends.iter().map(state).collect(), service }
        };
        self.services = services.into_iter().map(watched).collect();
        // whom nobody watches any more nobody would let in again
        for (_, backend) in known.into_values().filter(|(state, _)| state.is_ejected) {
            backend.live.standing.readmit();
        }
    }

    /// One look at all of them. `totals` reads what a backend's exchanges have come to since it exists.
    pub fn tick(&mut self, now: Moment, mut totals: impl FnMut(&str, &Backend) -> Seen) -> Vec<Event> {
        let mut events = Vec::new();
        for watched in &mut self.services {
            watched.tick(now, &mut totals, &mut events);
        }
        events
    }
}

impl Watched {
    fn tick(&mut self, now: Moment, totals: &mut impl FnMut(&str, &Backend) -> Seen, events: &mut Vec<Event>) {
        let Service { name, policy, backends } = &self.service;
        let mut sights = Vec::with_capacity(backends.len());
        for (backend, state) in backends.iter().zip(&mut self.states) {
            let totals = totals(name, backend);
            if state.look(backend, policy, totals, now) {
                tracing::info!(service = &**name, backend = backend.id, "backend is in again after its ejection");
                events.push(Event { service: Arc::clone(name), id: backend.id.clone(), ejected: None });
            }
            sights.push(Sight {
                takes_part: backend.takes_part(),
                is_ejected: state.is_ejected,
                consecutive: backend.live.passive.consecutive(),
                seen: state.window.slide(totals, policy.window, now),
            });
        }
        for (at, reason) in outlier::judge(policy, &sights) {
            let backend = &backends[at];
            let length = outlier::sentence(policy, backend.live.standing.ejections());
            backend.live.standing.eject(now.plus(length));
            self.states[at].is_ejected = true;
            tracing::warn!(service = &**name, backend = backend.id, %reason, ?length, "backend is ejected");
            events.push(Event { service: Arc::clone(name), id: backend.id.clone(), ejected: Some(reason) });
        }
    }
}

impl State {
    /// Whether an ejection has ended since the last look, by its time or because somebody ended it.
    fn look(&mut self, backend: &Backend, policy: &Outlier, totals: Seen, now: Moment) -> bool {
        let standing = &backend.live.standing;
        let was = std::mem::replace(&mut self.is_ejected, standing.is_ejected(now));
        if was && !self.is_ejected {
            // what was under way when it went out must not be held against it twice
            self.window.reset(totals, now);
            backend.live.passive.reset();
            standing.join(now);
            return true;
        }
        if !self.is_ejected
            && standing.ejections() > 0
            && outlier::is_forgiven(policy, now.since(standing.ejected_until()))
        {
            standing.forget_ejections();
        }
        false
    }
}

impl Backend {
    fn takes_part(&self) -> bool {
        let standing = &self.live.standing;
        let wanted = match standing.operator() {
            Wanted::Configured => standing.agent(),
            operator => operator,
        };
        let is_wanted = match wanted {
            Wanted::Configured => self.gets_new_work,
            Wanted::Enabled => true,
            Wanted::Drained | Wanted::Disabled => false,
        };
        is_wanted && standing.health() != Health::Down
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Outlier = Outlier {
        consecutive_failures: 5,
        error_rate: 0.5,
        latency_factor: 0.0,
        window: Duration::from_secs(10),
        min_requests: 20,
        eject_for: Duration::from_secs(10),
        max_ejected: 0.5,
    };

    /// Three backends, what each has done, and the time.
    struct World {
        ejector: Ejector,
        backends: Vec<Backend>,
        totals: [Seen; 3],
        now: Moment,
    }

    impl World {
        fn new() -> Self {
            let backend = |(index, id): (usize, &str)| Backend {
                index,
                id: id.to_owned(),
                live: Arc::default(),
                gets_new_work: true,
            };
            let backends: Vec<_> = ["a", "b", "c"].into_iter().enumerate().map(backend).collect();
            let mut ejector = Ejector::default();
            ejector.update(service(backends.clone()));
            let mut world = Self { ejector, backends, totals: Default::default(), now: Moment::from_millis(1 << 40) };
            assert_eq!(world.tick(), [] as [&str; 0]);
            world
        }

        /// A tick, and what came of it: `-b` is out, `+b` is in again.
        fn tick(&mut self) -> Vec<String> {
            self.now = self.now.plus(TICK);
            let totals = self.totals;
            let events = self
                .ejector
                .tick(self.now, |_, backend| totals[["a", "b", "c"].iter().position(|id| *id == backend.id).unwrap()]);
            let shown = |event: &Event| format!("{}{}", if event.ejected.is_some() { '-' } else { '+' }, event.id);
            events.iter().map(shown).collect()
        }

        /// Ticks until something comes of one; gives back what, and how long it took.
        fn until_an_event(&mut self) -> (Vec<String>, Duration) {
            let began = self.now;
            for _ in 0..10_000 {
                let events = self.tick();
                if !events.is_empty() {
                    return (events, self.now.since(began));
                }
            }
            panic!("nothing happens");
        }

        fn fail(&self, at: usize, times: u32) {
            for _ in 0..times {
                self.backends[at].live.passive.record(true);
            }
        }
    }

    fn service(backends: Vec<Backend>) -> Vec<Service> {
        vec![Service { name: "api".into(), policy: POLICY, backends }]
    }

    fn moment(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_is_out_for_longer_each_time_until_it_has_been_well_for_long() {
        let mut world = World::new();
        for seconds in [10, 20, 30] {
            world.fail(1, 5);
            assert_eq!(world.tick(), ["-b"]);
            assert!(world.backends[1].live.standing.is_ejected(world.now));
            // what was under way fails after it has gone
            world.fail(1, 5);
            assert_eq!(world.until_an_event(), (vec!["+b".to_owned()], moment(seconds)));
            assert_eq!(world.backends[1].live.standing.joined(), world.now, "slow start begins");
        }
        for _ in 0..1001 {
            assert_eq!(world.tick(), [] as [&str; 0]);
        }
        world.fail(1, 5);
        assert_eq!(world.tick(), ["-b"]);
        assert_eq!(world.until_an_event().1, moment(10));
    }

    #[test]
    fn failures_from_before_an_ejection_are_not_counted_again_after_it() {
        let mut world = World::new();
        world.totals[2] = Seen { requests: 40, failures: 30, elapsed: moment(1) };
        assert_eq!(world.tick(), ["-c"]);
        world.totals[2] = Seen { requests: 80, failures: 70, elapsed: moment(2) };
        assert_eq!(world.until_an_event().0, ["+c"]);
        for _ in 0..20 {
            assert_eq!(world.tick(), [] as [&str; 0]);
        }
    }

    #[test]
    fn an_ejection_that_somebody_ends_is_noticed() {
        let mut world = World::new();
        world.fail(0, 5);
        assert_eq!(world.tick(), ["-a"]);
        world.backends[0].live.standing.readmit();
        assert_eq!(world.tick(), ["+a"]);
    }

    #[test]
    fn what_stays_is_kept_over_an_update_and_what_nobody_watches_is_let_in() {
        let mut world = World::new();
        world.fail(0, 5);
        assert_eq!(world.tick(), ["-a"]);
        world.ejector.update(service(world.backends.clone()));
        assert_eq!(world.until_an_event(), (vec!["+a".to_owned()], moment(10)));
        world.fail(0, 5);
        assert_eq!(world.tick(), ["-a"]);
        world.ejector.update(Vec::new());
        assert!(!world.backends[0].live.standing.is_ejected(world.now));
    }

    #[test]
    fn what_is_down_or_not_wanted_is_not_ejected_on_top() {
        let mut world = World::new();
        (0..3).for_each(|at| world.fail(at, 9));
        world.backends[0].live.standing.set_health(Health::Down);
        world.backends[1].live.standing.set_operator(Wanted::Drained);
        assert_eq!(world.tick(), [] as [&str; 0], "and the third is the last one");
        world.backends[1].live.standing.set_operator(Wanted::Configured);
        assert_eq!(world.tick().len(), 1);
    }
}
