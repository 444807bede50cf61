//! Drives the adaptive limits of services (`[service.NAME.concurrency]`): ten times a second it reads what workers have counted, and publishes what follows.
//! Workers read the result, which is one number.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::concurrency::AdaptiveLimit;
use crate::concurrency::limiter::Limiter;
use crate::concurrency::shedding::{ShedNews, Shedding};
use crate::concurrency::window::Seen;
use crate::event::{Events, Kind, SheddingChange, Subject};
use crate::metrics::concurrency::{FINE_BUCKETS, PRIORITIES};
use crate::snapshot::Snapshot;

/// The least time between two looks: what makes the control plane look sooner says nothing of latencies.
const INTERVAL: Duration = Duration::from_millis(90);

/// The limits of all services that have one.
#[derive(Debug, Default)]
pub(super) struct Concurrency {
    services: Vec<Limited>,
    looked: Option<Moment>,
}

/// A service with a limit.
#[derive(Debug)]
struct Limited {
    name: Arc<str>,
    state: Arc<AdaptiveLimit>,
    limiter: Limiter,
    shedding: Shedding,
    /// What was last read of the workers.
    seen: [u32; FINE_BUCKETS],
    shed: [u64; PRIORITIES.len()],
}

impl Concurrency {
    /// Another snapshot is in force. What is known of services that stay is kept.
    pub fn update(&mut self, snapshot: &Snapshot, now: Moment) {
        let mut before = std::mem::take(&mut self.services);
        for service in &snapshot.services {
            let Some(limit) = &service.concurrency else { continue };
            let known = before.iter().position(|known| Arc::ptr_eq(&known.state, &limit.state));
            let mut limited = match known {
                Some(at) => before.swap_remove(at),
                // after a defect of the control plane there is a limit that was found before it
                None => {
                    let found = limit.state.limit().map(|found| (found, limit.state.epoch()));
                    Limited {
                        name: Arc::clone(&service.name),
                        limiter: Limiter::new(limit.rule, found, now, fastrand::u64(..)),
                        shedding: Shedding::default(),
                        seen: limit.state.counts().latencies(),
                        shed: limit.state.counts().read_shed(),
                        state: Arc::clone(&limit.state),
                    }
                }
            };
            limited.limiter.set_rule(limit.rule);
            limited.publish();
            self.services.push(limited);
        }
    }

    /// Looks at all of them, and tells of those that begin to refuse requests, or do so no more.
    pub fn look(&mut self, now: Moment, events: &Events) {
        if self.looked.is_some_and(|looked| now.since(looked) < INTERVAL) {
            return;
        }
        self.looked = Some(now);
        for limited in &mut self.services {
            if let Some(news) = limited.look(now) {
                events.tell(Subject::service(&limited.name), Kind::Shedding(limited.told(news)));
            }
        }
    }
}

impl Limited {
    fn look(&mut self, now: Moment) -> Option<ShedNews> {
        let (latencies, shed) = (self.state.counts().latencies(), self.state.counts().read_shed());
        let new = std::array::from_fn(|at| latencies[at].wrapping_sub(self.seen[at]));
        let new_shed: [u64; PRIORITIES.len()] = std::array::from_fn(|at| shed[at].wrapping_sub(self.shed[at]));
        (self.seen, self.shed) = (latencies, shed);
        let seen = Seen { latencies: &new, peak: self.state.take_peak(), shed: new_shed.iter().sum() };
        self.limiter.look(now, &seen);
        self.publish();
        self.shedding.look(now, new_shed)
    }

    fn publish(&self) {
        let told = self.limiter.decision();
        self.state.publish(told.limit, told.epoch);
        self.state.set_unloaded(told.unloaded);
    }

    fn told(&self, news: ShedNews) -> SheddingChange {
        let limit = self.limiter.decision().limit;
        match news {
            ShedNews::Began => SheddingChange::Began { limit, unloaded: self.state.unloaded() },
            ShedNews::Ended { shed, took } => SheddingChange::Ended { limit, shed, took },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::testing;

    const AT: fn(u64) -> Moment = |millis| Moment::from_millis(1_000_000 + millis);

    fn snapshot(before: Option<&Snapshot>, rule: &str, registry: &crate::metrics::Registry) -> Snapshot {
        let text = format!(
            "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\nservice = \"api\"\n\
             [service.api]\n[service.api.concurrency]\n{rule}\n[[service.api.backend]]\naddress = \"127.0.0.1:9\"\n"
        );
        testing::of_toml(&text, before, registry)
    }

    #[test]
    fn what_workers_see_becomes_a_limit_and_news() {
        let registry = crate::metrics::Registry::new(1);
        let first = snapshot(None, "initial = 10\nmin = 2", &registry);
        let state = Arc::clone(&first.services[0].concurrency.as_ref().unwrap().state);
        assert_eq!(state.limit(), Some(10), "it holds before anybody has looked");
        let (mut driver, events) = (Concurrency::default(), Events::default());
        driver.update(&first, AT(0));
        for look in 1..=5 {
            let held: Vec<_> = std::iter::from_fn(|| state.enter(1000)).collect();
            held.iter().cycle().take(60).for_each(|place| place.took(0, Duration::from_millis(8)));
            state.counts().shed(0, 2);
            driver.look(AT(100 * look), &events);
        }
        let told = events.newest(10).events;
        assert_eq!(told.iter().map(|event| event.kind.name()).collect::<Vec<_>>(), ["shedding_began"]);
        assert!((7..10).contains(&state.unloaded().unwrap().as_millis()), "{:?}", state.unloaded());
        let before = state.limit().unwrap();
        assert!(before > 10, "{before}");
        driver.look(AT(540), &events);
        assert_eq!(state.limit(), Some(before), "too soon");
        driver.look(AT(20_000), &events);
        let told = events.newest(1).events;
        assert_eq!(told[0].kind.name(), "shedding_ended");
        assert_eq!(told[0].to_json()["cause"]["shed"]["low"], 5, "{}", told[0].to_json());
        let second = snapshot(Some(&first), "max = 12\ninitial = 10", &registry);
        driver.update(&second, AT(20_100));
        assert_eq!(state.limit(), Some(12.min(before)), "a reload keeps what was found, within the new bounds");
    }
}
