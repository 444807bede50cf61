//! What services did in the last seconds, minutes and hour. Workers only count; here the counters are read now and then, and kept.

mod history;
mod recent;
mod sample;
mod window;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

pub(super) use history::History;
pub(super) use recent::Recent;
pub(super) use sample::{Sample, add_up};
pub(super) use window::Window;

use crate::clock::{Moment, rfc3339};
use crate::snapshot::Snapshot;

/// The time between two readings of all counters. Five minutes of them are the window of `stats_5m`.
pub(super) const READING: Duration = Duration::from_secs(5);
/// Every so many readings the history gets a point.
const READINGS_OF_A_POINT: u64 = 2;

/// What all services did. It is kept over reloads; a service that is gone is forgotten.
#[derive(Debug, Default)]
pub(super) struct Pasts {
    services: HashMap<Arc<str>, Past>,
    /// What all services together did.
    total: History,
    readings: u64,
    /// When the histories got their last point, and the time of that by the wall's clock.
    last_point: Option<(Moment, SystemTime)>,
}

/// What one service did.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// In the last five minutes.
    pub(super) window: Window,
    /// In the last seconds.
    pub(super) recent: Recent<Sample>,
    history: History,
    /// The counters at the last point of the history; `None` = there is none.
    at_point: Option<Sample>,
}

impl Pasts {
    /// Reads the counters of every service; to be called every [`READING`].
    pub(super) fn read(&mut self, snapshot: &Snapshot, now: Moment, time: SystemTime) {
        self.services.retain(|name, _| snapshot.services.iter().any(|service| service.name == *name));
        let is_point = self.readings.is_multiple_of(READINGS_OF_A_POINT);
        let seconds = self.last_point.filter(|_| is_point).map(|(at, _)| now.since(at).as_secs_f64());
        let mut total = Sample::default();
        for service in &snapshot.services {
            let past = self.services.entry(Arc::clone(&service.name)).or_default();
            let sample = Sample::of(service);
            if is_point {
                let before = past.at_point.replace(sample.clone());
                if let Some((before, seconds)) = before.zip(seconds) {
                    let counted = sample.since(&before);
                    past.history.push(&counted, seconds);
                    total.add(&counted);
                }
            }
            past.recent.push(now, sample.clone());
            past.window.push(sample);
        }
        if let Some(seconds) = seconds {
            self.total.push(&total, seconds);
        }
        if is_point {
            self.last_point = Some((now, time));
        }
        self.readings += 1;
    }

    /// What a service did; `None` = it is so new that nothing was read.
    pub(super) fn of(&self, service: &str) -> Option<&Past> {
        self.services.get(service)
    }

    /// What a service did, to be added to.
    pub(super) fn of_mut(&mut self, service: &Arc<str>) -> &mut Past {
        self.services.entry(Arc::clone(service)).or_default()
    }

    /// The last hour of a service, or of all services together.
    pub(super) fn history(&self, service: Option<&str>) -> Value {
        let history = match service {
            Some(name) => {
                self.services.get(name).map_or_else(|| History::default().to_json(), |past| past.history.to_json())
            }
            None => self.total.to_json(),
        };
        let mut answer = json!({
            "service": service,
            "step_s": READING.as_secs() * READINGS_OF_A_POINT,
            "end": self.last_point.map(|(_, time)| rfc3339(time)),
        });
        if let (Value::Object(answer), Value::Object(history)) = (&mut answer, history) {
            answer.extend(history);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Registry;
    use crate::snapshot::testing;

    fn snapshot(registry: &Registry, services: &[&str], before: Option<&Snapshot>) -> Snapshot {
        let first = services[0];
        let mut text = format!("[[listener]]\nname = 'web'\nbind = '127.0.0.1:1'\nservice = '{first}'\n");
        for name in services {
            text += &format!("[service.{name}]\nbackend = [{{ address = '127.0.0.1:1', id = 'a' }}]\n");
        }
        testing::of_toml(&text, before, registry)
    }

    #[test]
    fn the_history_has_a_point_each_ten_seconds_for_each_service_and_for_all_together() {
        let registry = Registry::new(1);
        let first = snapshot(&registry, &["api", "web"], None);
        let (mut pasts, start) = (Pasts::default(), Moment::now());
        let at = |reading: u32| (start.plus(READING * reading), SystemTime::UNIX_EPOCH + READING * reading);
        let read = |pasts: &mut Pasts, snapshot: &Snapshot, reading| pasts.read(snapshot, at(reading).0, at(reading).1);
        read(&mut pasts, &first, 0);
        registry.totals("api").requests.count(0, 200);
        registry.totals("web").requests.count(0, 503);
        (1..=2).for_each(|reading| read(&mut pasts, &first, reading));
        let shown = |pasts: &Pasts, of| {
            let shown = pasts.history(of);
            (shown["rate"].clone(), shown["error_rate"].clone(), shown["end"].clone())
        };
        let end = json!("1970-01-01T00:00:10.000Z");
        assert_eq!(shown(&pasts, Some("api")), (json!([0.1]), json!([0.0]), end.clone()));
        assert_eq!(shown(&pasts, Some("web")), (json!([0.1]), json!([1.0]), end.clone()));
        assert_eq!(shown(&pasts, None), (json!([0.2]), json!([0.5]), end));

        let reloaded = snapshot(&registry, &["api"], Some(&first));
        (3..=4).for_each(|reading| read(&mut pasts, &reloaded, reading));
        assert_eq!(pasts.history(Some("api"))["rate"], json!([0.1, 0.0]), "it goes on");
        assert_eq!(pasts.history(Some("web"))["rate"], json!([]), "it is gone");
        assert_eq!(pasts.history(None)["step_s"], 10);
    }
}
