//! Our registry as the recorder of the `metrics` facade: series that the control plane's rooms count in by name and labels.
//!
//! A room writes `metrics::counter!(names::EJECTIONS.name, "service" => ..., ...).increment(1)` and knows nothing of the registry. Only
//! metrics of the list with [`Source::Facade`] are recorded, each with exactly its labels, so that whatever can be counted is in that list.
//! Recording takes a lock and copies labels: the data path has its per-worker slots and does not come here.
//!
//! The facade has no call that removes a series. So the registry decides: a series whose labels name a backend, a service or a listener
//! goes with that, unless somebody still holds its handle; others stay until [`Registry::keep`] is told that they are not wanted any more.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::Registry;
use super::names::{self, Kind, Metric, Order, Source};

/// How many series there may be before those that belong to nothing are looked for, also where nobody reads the metrics.
const FIRST_SWEEP: usize = 1_000;

/// The series that were recorded through the facade.
#[derive(Debug)]
pub(super) struct Recorded(Mutex<Table>);

#[derive(Debug)]
struct Table {
    /// By the metric's name and the labels' values, in the order of [`Metric::labels`].
    series: BTreeMap<(&'static str, Vec<String>), Series>,
    /// How many series have ever been made.
    made: u64,
    /// At this many series those that belong to nothing are removed.
    sweep_at: usize,
}

#[derive(Debug)]
struct Series {
    /// Grows from one series to the next.
    number: u64,
    /// A counter's value, or the bits of a gauge's (as `metrics` keeps them in an `AtomicU64`).
    value: Arc<AtomicU64>,
}

/// The value of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// Of a counter.
    Counter(u64),
    /// Of a gauge.
    Gauge(f64),
}

impl Default for Recorded {
    fn default() -> Self {
        Self(Mutex::new(Table { series: BTreeMap::new(), made: 0, sweep_at: FIRST_SWEEP }))
    }
}

impl Recorded {
    /// All series of a metric, with their labels' values.
    pub(super) fn read(&self, metric: &Metric) -> Vec<(Vec<String>, Value)> {
        let table = self.table();
        let mut series: Vec<_> = table.series.range((metric.name, Vec::new())..).collect();
        series.retain(|((name, _), _)| *name == metric.name);
        if metric.source == Source::Facade(Order::AsRegistered) {
            series.sort_by_key(|(_, series)| series.number);
        }
        let value = |series: &Series| match (metric.kind, series.value.load(Ordering::Relaxed)) {
            (Kind::Gauge | Kind::Info, bits) => Value::Gauge(f64::from_bits(bits)),
            (Kind::Counter | Kind::Histogram, count) => Value::Counter(count),
        };
        series.into_iter().map(|((_, labels), series)| (labels.clone(), value(series))).collect()
    }

    /// Removes the series of `metric` whose labels' values are not wanted any more.
    pub(super) fn keep(&self, metric: &Metric, wanted: impl Fn(&[String]) -> bool) {
        self.table().series.retain(|(name, labels), _| *name != metric.name || wanted(labels));
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // the table is whole whatever panicked while it was held
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Makes this registry the recorder of the whole process, for good.
    ///
    /// # Errors
    ///
    /// When the process has a recorder already; for people.
    pub fn install(self: &Arc<Self>) -> Result<(), String> {
        metrics::set_global_recorder(Arc::clone(self))
            .map_err(|_| "the process has a recorder of metrics already".to_owned())
    }

    /// Removes the series of a metric that are not wanted any more, by the values of their labels in the order of [`Metric::labels`].
    pub fn keep(&self, metric: &Metric, wanted: impl Fn(&[String]) -> bool) {
        self.recorded.keep(metric, wanted);
    }

    /// Removes the series whose backend, service or listener is gone.
    pub(super) fn sweep_recorded(&self) {
        self.sweep(&mut self.recorded.table());
    }

    fn sweep(&self, table: &mut Table) {
        table.series.retain(|(name, labels), series| {
            // the table holds one: with another, somebody holds the handle
            Arc::strong_count(&series.value) > 1
                || names::of_facade(name).is_none_or(|metric| self.has_owner(metric, labels))
        });
        table.sweep_at = FIRST_SWEEP.max(table.series.len() * 2);
    }

    /// Whether what the labels name is there. What names neither a backend nor a service nor a listener is the process's own.
    fn has_owner(&self, metric: &Metric, labels: &[String]) -> bool {
        let value = |wanted: &str| {
            let at = metric.labels.iter().position(|label| *label == wanted);
            at.and_then(|at| labels.get(at)).map(String::as_str).filter(|value| !value.is_empty())
        };
        match (value("service"), value("backend"), value("listener")) {
            (Some(service), Some(backend), _) => self.upstreams.is_held([service, backend]),
            (Some(service), None, _) => self.attempts.is_held([service]),
            (None, _, Some(listener)) => self.listeners.is_held([listener]),
            (None, _, None) => true,
        }
    }

    /// The series that a key names, made if it is not there; `None` where the list of names has no such metric.
    fn series(&self, key: &Key, kind: Kind) -> Option<Arc<AtomicU64>> {
        let labels = key.labels().map(metrics::Label::key);
        let listed = names::of_facade(key.name())
            .filter(|metric| metric.kind.is_counted_as(kind) && labels.eq(metric.labels.iter().copied()));
        let Some(metric) = listed else {
            tracing::error!(%key, "a defect: no such metric with these labels is in the list of names; it is not counted");
            return None;
        };
        let mut table = self.recorded.table();
        if table.series.len() >= table.sweep_at {
            self.sweep(&mut table);
        }
        let number = table.made;
        let values = key.labels().map(|label| label.value().to_owned()).collect();
        let series =
            table.series.entry((metric.name, values)).or_insert_with(|| Series { number, value: Arc::default() });
        let (is_new, value) = (series.number == number, Arc::clone(&series.value));
        table.made += u64::from(is_new);
        Some(value)
    }
}

impl Recorder for Registry {
    // the list of names has the help texts
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.series(key, Kind::Counter).map_or(Counter::noop(), Counter::from_arc)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.series(key, Kind::Gauge).map_or(Gauge::noop(), Gauge::from_arc)
    }

    /// The control plane has no histogram: each name that is asked for is refused as one that is not in the list.
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let _ = self.series(key, Kind::Histogram);
        Histogram::noop()
    }
}

#[cfg(test)]
mod tests {
    use metrics::{counter, gauge, histogram, with_local_recorder};

    use super::*;

    fn eject(registry: &Registry, backend: &str, reason: &'static str) {
        with_local_recorder(registry, || {
            let name = names::EJECTIONS.name;
            counter!(name, "service" => "api", "backend" => backend.to_owned(), "reason" => reason).increment(1);
        });
    }

    fn ejections(registry: &Registry) -> Vec<(String, Value)> {
        let read = registry.recorded.read(&names::EJECTIONS);
        read.into_iter().map(|(labels, value)| (labels[1..].join(" "), value)).collect()
    }

    #[test]
    fn what_is_counted_twice_is_one_series_and_a_gauge_is_what_was_set_last() {
        let registry = Registry::new(1);
        [("b", "rate"), ("a", "rate"), ("b", "rate")].iter().for_each(|(id, reason)| eject(&registry, id, reason));
        assert_eq!(
            ejections(&registry),
            [("a rate".to_owned(), Value::Counter(1)), ("b rate".to_owned(), Value::Counter(2))]
        );
        with_local_recorder(&registry, || {
            [7.0, 8.0].iter().for_each(|n| gauge!(names::CONFIG_GENERATION.name).set(*n))
        });
        assert_eq!(registry.recorded.read(&names::CONFIG_GENERATION), [(Vec::new(), Value::Gauge(8.0))]);
    }

    #[test]
    fn what_is_not_in_the_list_of_names_is_not_recorded() {
        let registry = Registry::new(1);
        with_local_recorder(&registry, || {
            counter!("evenkeel_invented_total").increment(1);
            counter!(names::EJECTIONS.name, "service" => "api").increment(1);
            counter!(names::EJECTIONS.name, "backend" => "a", "service" => "api", "reason" => "rate").increment(1);
            counter!(names::CONFIG_GENERATION.name).increment(1);
            counter!(names::PANICS.name).increment(1);
            histogram!(names::REQUEST_DURATION.name, "service" => "api").record(1.0);
        });
        assert!(registry.recorded.table().series.is_empty());
    }

    #[test]
    fn the_series_of_a_backend_goes_with_it_unless_its_handle_is_held() {
        let registry = Registry::new(1);
        let backend = registry.upstream("api", "a");
        ["a", "gone"].iter().for_each(|id| eject(&registry, id, "rate"));
        let held = with_local_recorder(
            &registry,
            || counter!(names::EJECTIONS.name, "service" => "api", "backend" => "held", "reason" => "rate"),
        );
        registry.sweep_recorded();
        assert_eq!(ejections(&registry).len(), 2);
        drop((backend, held));
        registry.sweep_recorded();
        assert_eq!(ejections(&registry), []);
    }

    #[test]
    fn series_of_what_is_gone_do_not_pile_up_where_nobody_reads() {
        let registry = Registry::new(1);
        let _backend = registry.upstream("api", "a");
        eject(&registry, "a", "rate");
        (0..10 * FIRST_SWEEP).for_each(|number| eject(&registry, &number.to_string(), "rate"));
        assert!(registry.recorded.table().series.len() <= FIRST_SWEEP);
        assert_eq!(ejections(&registry).iter().filter(|(labels, _)| labels == "a rate").count(), 1);
    }

    #[test]
    fn series_that_are_not_wanted_any_more_are_removed() {
        let registry = Registry::new(1);
        with_local_recorder(&registry, || {
            for name in ["old", "oncall"] {
                counter!(names::NOTIFICATIONS.name, "name" => name, "outcome" => "sent").increment(1);
            }
            counter!(names::RELOADS.name, "outcome" => "ok").increment(1);
        });
        registry.keep(&names::NOTIFICATIONS, |labels| labels[0] == "oncall");
        assert_eq!(registry.recorded.read(&names::NOTIFICATIONS).len(), 1);
        assert_eq!(registry.recorded.read(&names::RELOADS).len(), 1);
    }
}
