//! Drives the canaries: reads what both versions of each have shown, has their plans look at it, and shifts the weights.
//!
//! What is read are the counters of the two services, which workers count in anyway: a canary costs the data path nothing beyond its split.

use std::sync::Arc;
use std::time::Duration;

use super::detection::readings::BackendReadings;
use crate::canary::{Look, Stage, WHOLE};
use crate::clock::Moment;
use crate::detect::fault::Subject;
use crate::detect::sample::{AGES, Sample};
use crate::health::faults::Faults;
use crate::metrics::{EPOCHS, Registry, UpstreamMetrics};
use crate::operator::Operators;
use crate::operator::canaries::Wanted;
use crate::snapshot::{Canary, Service, Snapshot};

/// How often they are looked at: a canary that is bad is judged by rounds of a second.
const INTERVAL: Duration = Duration::from_millis(500);

/// Puts in force in a snapshot what operators have said of backends, and where canaries are. To be called before it is published, so that no request goes
/// by anything else.
pub(super) fn apply(operators: &Operators, snapshot: &Snapshot) {
    operators.apply(snapshot.endpoints());
    let wanted = snapshot.canaries.iter().map(|canary| Wanted {
        service: &snapshot.services[canary.service].name,
        stable: &snapshot.services[canary.stable].name,
        plan: &canary.plan,
    });
    let shares = operators.canaries.update(wanted, Moment::now());
    snapshot.canaries.iter().zip(shares).for_each(|(canary, share)| canary.set_share(share));
}

/// Warns of canaries that have come further than the first step, and whose backends are all others in `next`: they get at once what the old ones had come
/// to, though nobody has compared them with anything. To be called when `next` has been [applied](apply).
pub(super) fn warn_of_others(operators: &Operators, before: &Snapshot, next: &Snapshot) {
    for canary in &next.canaries {
        let service = &next.services[canary.service];
        let Some(old) = before.services.iter().find(|old| old.name == service.name) else { continue };
        if !are_others(&addresses(old), &addresses(service)) {
            continue;
        }
        let Some(shown) = operators.canaries.shown(&service.name, Moment::now()) else { continue };
        let at_first = shown.standing.stage == Stage::Stepping && shown.standing.step == 0;
        if shown.share > 0 && !at_first {
            tracing::warn!(
                service = &*service.name,
                share = f64::from(shown.share) / f64::from(WHOLE),
                "all backends of the canary are others now and get its share at once: `evenkeel canary {} start` begins with the first step",
                service.name
            );
        }
    }
}

fn addresses(service: &Service) -> Vec<&str> {
    service.endpoints.iter().map(|endpoint| &*endpoint.name).collect()
}

/// Whether none of these backends was there before; where there were none, or are none, nothing was replaced.
fn are_others(before: &[&str], after: &[&str]) -> bool {
    !before.is_empty() && !after.is_empty() && !after.iter().any(|name| before.contains(name))
}

/// What looks at the canaries.
#[derive(Debug)]
pub(super) struct CanaryDriver {
    registry: Arc<Registry>,
    faults: Arc<Faults>,
    /// In the order of the snapshot.
    read: Vec<CanaryReadings>,
    looked: Moment,
}

/// What was read of both services of a canary.
#[derive(Debug)]
struct CanaryReadings {
    name: Arc<str>,
    services: [ServiceReadings; 2],
    /// They were read at the last look, so that what is new is of the time since.
    is_current: bool,
}

/// What was read of the backends of a service.
#[derive(Debug, Default)]
struct ServiceReadings {
    backends: Vec<(Arc<UpstreamMetrics>, BackendReadings)>,
}

impl CanaryDriver {
    /// Looks at nothing yet.
    pub fn new(registry: Arc<Registry>, faults: Arc<Faults>) -> Self {
        Self { registry, faults, read: Vec::new(), looked: Moment::NEVER }
    }

    /// Another snapshot is in force. What was read of backends that stay goes on.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let (mut before, mut current) = (Vec::new(), Vec::new());
        for read in self.read.drain(..) {
            before.extend(read.services.into_iter().flat_map(|service| service.backends));
            current.extend(read.is_current.then_some(read.name));
        }
        let mut readings = |service: usize| {
            let of = |upstream: &Arc<UpstreamMetrics>| {
                let known = before.iter().position(|(known, _)| Arc::ptr_eq(known, upstream));
                let new = || (Arc::clone(upstream), BackendReadings::from_now_on(upstream));
                known.map_or_else(new, |at| before.swap_remove(at))
            };
            ServiceReadings { backends: snapshot.services[service].upstream.iter().map(of).collect() }
        };
        let read = |canary: &Canary| {
            let name = Arc::clone(&snapshot.services[canary.service].name);
            let is_current = current.contains(&name);
            CanaryReadings { name, services: [canary.service, canary.stable].map(&mut readings), is_current }
        };
        self.read = snapshot.canaries.iter().map(read).collect();
    }

    /// Looks at all canaries that are on their way, if it is time for that.
    pub fn look(&mut self, snapshot: &Snapshot, operators: &Arc<Operators>, now: Moment) {
        let lasted = now.since(self.looked);
        // while another process takes over, canaries are its
        if lasted < INTERVAL || !operators.is_serving() {
            return;
        }
        self.looked = now;
        self.look_at_all(snapshot, operators, lasted, now);
        if operators.canaries.is_outdated() {
            // a disk may take its time, for which nothing here may wait
            let operators = Arc::clone(operators);
            tokio::task::spawn_local(async move { operators.canaries.keep().await });
        }
    }

    fn look_at_all(&mut self, snapshot: &Snapshot, operators: &Operators, lasted: Duration, now: Moment) {
        let epoch = self.registry.epoch().now() as usize % EPOCHS;
        for (canary, read) in snapshot.canaries.iter().zip(&mut self.read) {
            let was_current = read.is_current;
            read.is_current = operators.canaries.is_watched(&read.name);
            if !read.is_current {
                continue;
            }
            let [own, stable] = read.services.each_mut().map(|service| service.sample(epoch));
            // what was counted while nobody looked is of another time
            if !was_current {
                continue;
            }
            let hold = hold(snapshot, canary, &self.faults);
            let look = Look { now, lasted, canary: &own, stable: &stable, hold };
            if let Some(share) = operators.canaries.look(&read.name, look) {
                canary.set_share(share);
            }
        }
    }
}

impl ServiceReadings {
    /// What its backends have shown since this was last called, all together. `epoch` is the present one.
    fn sample(&mut self, epoch: usize) -> Sample {
        let (mut all, mut waiting) = (Sample::default(), [0_u32; AGES]);
        for (upstream, readings) in &mut self.backends {
            let mut sample = Sample::default();
            readings.read_counts(upstream, &mut sample);
            readings.read_histogram(upstream, &mut sample.latencies);
            all.follow(&sample);
            for (at, count) in upstream.waiting().into_iter().enumerate() {
                // what has waited for longer than there are epochs looks younger than it is, and never older
                let age = (epoch + EPOCHS - at) % EPOCHS;
                waiting[age.min(AGES - 1)] += count;
            }
        }
        all.waiting.by_age = waiting;
        all
    }
}

/// Why a canary is to stay where it is, whatever it shows itself; `None` = nothing speaks against its next step.
fn hold(snapshot: &Snapshot, canary: &Canary, faults: &Faults) -> Option<String> {
    let [own, stable] = [canary.service, canary.stable].map(|at| &snapshot.services[at]);
    let of_own = faults.of(&own.name).into_iter().next();
    let of_stable = || faults.of(&stable.name).into_iter().find(|fault| fault.verdict.subject == Subject::Service);
    if let Some(fault) = of_own.or_else(of_stable) {
        return Some(format!("detection has found a fault of {}: {}", fault.service, fault.verdict.fault.as_str()));
    }
    let burns = |service: &&&Arc<Service>| service.protection.is_protected();
    let burning = [own, stable].iter().find(burns).map(|service| Arc::clone(&service.name));
    burning.map(|name| format!("the error budget of {name} burns too fast"))
}

#[cfg(test)]
mod tests {
    use super::are_others;

    #[test]
    fn backends_are_others_when_none_of_them_was_there_before() {
        assert!(are_others(&["a"], &["b"]) && are_others(&["a", "b"], &["c"]));
        assert!(!are_others(&["a"], &["a"]) && !are_others(&["a"], &["a", "b"]));
        assert!(!are_others(&["a", "b"], &["b", "c"]), "one after the other");
        assert!(!are_others(&[], &["a"]) && !are_others(&["a"], &[]), "nothing was replaced");
    }
}
