//! Which backends have series of their own, and what is shown of the others: with ten thousand backends, a scrape of all of them would be more than most want to
//! store. Those beyond `metrics.max_backends` are shown together, as the backend [`OTHER`] of their service.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::RandomState;
use hashbrown::HashTable;

use super::collect::{Bucket, Collect, Histogram, Number};
use super::names::{self, Kind, Metric};
use super::render::BackendReading;

/// The value of the label `backend` for all that have no series of their own.
pub(super) const OTHER: &str = "_other";

/// The gauges that can be added up. Of the others, such as whether a backend is up, nothing is shown for those without series of their own.
static SUMMED: [&Metric; 2] = [&names::IN_FLIGHT, &names::UPSTREAM_CONNECTIONS];

/// What is decided from reading to reading.
#[derive(Debug)]
pub(super) struct Folding {
    /// How many backends have series of their own; 0 = all.
    most: AtomicUsize,
    /// Whether there are histograms by backend.
    histograms: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By service, the backends that have series of their own. One that has keeps them while it is there, whoever comes before it: what the others add up to
    /// must not jump because one has joined them.
    own: HashMap<Box<str>, HashSet<Box<str>>>,
    /// By metric and labels, what the others have added up to.
    floors: HashMap<&'static str, HashTable<(Box<[Box<str>]>, Floor)>>,
    hasher: RandomState,
}

/// Makes a sum over backends that come and go a counter: what one that leaves takes with it is added again. What the others count between the two readings
/// may be lost.
#[derive(Debug, Default)]
struct Floor {
    seen: Total,
    lost: Total,
    is_current: bool,
}

/// What some series add up to: the number of a counter or a gauge, or the counts of a histogram's buckets, not cumulated, with the sum of its values.
#[derive(Debug, Default, Clone)]
struct Total {
    counts: Vec<u64>,
    sum: f64,
}

impl Default for Folding {
    fn default() -> Self {
        Self { most: AtomicUsize::new(0), histograms: AtomicBool::new(true), state: Mutex::default() }
    }
}

impl Folding {
    /// Sets how many backends have series of their own (0 = all), and whether there are histograms by backend.
    pub(super) fn set(&self, most: usize, histograms: bool) {
        self.most.store(most, Ordering::Relaxed);
        self.histograms.store(histograms, Ordering::Relaxed);
    }

    /// Begins a reading of these backends. `is_there` tells whether a backend is still known to anybody.
    pub(super) fn begin(&self, backends: &[BackendReading<'_>], is_there: impl Fn(&str, &str) -> bool) -> Fold<'_> {
        let most = self.most.load(Ordering::Relaxed);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let folded = state.choose(most, backends, is_there);
        if folded == 0 {
            state.floors.clear();
        }
        Fold { state, folded, histograms: self.histograms.load(Ordering::Relaxed) }
    }
}

impl State {
    /// Chooses who has series of their own: whoever has had them, then whoever comes first in the configuration. Returns how many have none.
    fn choose(&mut self, most: usize, backends: &[BackendReading<'_>], is_there: impl Fn(&str, &str) -> bool) -> usize {
        if most == 0 {
            self.own.clear();
            return 0;
        }
        let mut left = most;
        self.own.retain(|service, own| {
            own.retain(|backend| {
                let stays = left > 0 && is_there(service, backend);
                left -= usize::from(stays);
                stays
            });
            !own.is_empty()
        });
        let mut folded = 0;
        for BackendReading { service, id, .. } in backends {
            if self.has_own(service, id) {
                continue;
            }
            if left == 0 || *id == OTHER {
                folded += 1;
                continue;
            }
            left -= 1;
            match self.own.get_mut(*service) {
                Some(own) => _ = own.insert((*id).into()),
                None => _ = self.own.insert((*service).into(), HashSet::from([(*id).into()])),
            }
        }
        folded
    }

    fn has_own(&self, service: &str, backend: &str) -> bool {
        self.own.get(service).is_some_and(|own| own.contains(backend))
    }

    /// What a counter shows that adds up to `now`.
    fn floor(&mut self, metric: &'static str, labels: &[Box<str>], now: Total) -> Total {
        let hasher = &self.hasher;
        let hash = |labels: &[Box<str>]| hasher.hash_one(labels);
        let table = self.floors.entry(metric).or_default();
        let entry = table.entry(hash(labels), |(own, _)| **own == *labels, |(own, _)| hash(own));
        let mut entry = entry.or_insert_with(|| (labels.into(), Floor::default()));
        let floor = &mut entry.get_mut().1;
        floor.is_current = true;
        floor.after(now)
    }
}

impl Floor {
    fn after(&mut self, now: Total) -> Total {
        self.lost.counts.resize(now.counts.len(), 0);
        self.seen.counts.resize(now.counts.len(), 0);
        let mut shown = now.clone();
        for (at, count) in shown.counts.iter_mut().enumerate() {
            self.lost.counts[at] += self.seen.counts[at].saturating_sub(*count);
            *count += self.lost.counts[at];
        }
        self.lost.sum += (self.seen.sum - now.sum).max(0.0);
        shown.sum += self.lost.sum;
        self.seen = now;
        shown
    }
}

impl Total {
    fn add(&mut self, other: &Self) {
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
        self.sum += other.sum;
    }

    fn of(histogram: &Histogram<'_>) -> Self {
        let mut below = 0;
        let all = histogram.buckets.iter().map(|bucket| bucket.up_to).chain([histogram.count]);
        let counts = all.map(|up_to| up_to - std::mem::replace(&mut below, up_to)).collect();
        Self { counts, sum: histogram.sum }
    }
}

/// Who has series of their own in one reading.
pub(super) struct Fold<'a> {
    state: MutexGuard<'a, State>,
    /// How many backends have none.
    pub(super) folded: usize,
    /// Whether there are histograms by backend.
    pub(super) histograms: bool,
}

impl Drop for Fold<'_> {
    /// Forgets the counters that this reading has not shown.
    fn drop(&mut self) {
        for table in self.state.floors.values_mut() {
            table.retain(|(_, floor)| std::mem::take(&mut floor.is_current));
        }
    }
}

/// A hash of the values of labels but for the one at this place.
fn hash_without<'v>(hasher: &RandomState, place: usize, values: impl Iterator<Item = &'v str>) -> u64 {
    let mut state = hasher.build_hasher();
    values.enumerate().filter(|(at, _)| *at != place).for_each(|(_, value)| value.hash(&mut state));
    state.finish()
}

/// The values of labels, and what the series with these labels add up to.
type Rest = (Box<[Box<str>]>, Total);

/// What a reading is handed to, for those who read: it adds up the series of backends that have none of their own.
pub(super) struct Sink<'a> {
    to: &'a mut dyn Collect,
    fold: Fold<'a>,
    metric: Option<&'static Metric>,
    /// By labels, what was added up of this metric.
    rest: HashTable<Rest>,
    /// The bounds of the histograms among it.
    bounds: Vec<f64>,
    /// The backend that was looked up last, and whether it has series of its own: the series of one often come in a row.
    last: (String, String, bool),
}

impl<'a> Sink<'a> {
    pub(super) fn new(to: &'a mut dyn Collect, fold: Fold<'a>) -> Self {
        let last = (String::new(), String::new(), true);
        Self { to, fold, metric: None, rest: HashTable::new(), bounds: Vec::new(), last }
    }

    /// How many backends have no series of their own.
    pub(super) fn folded(&self) -> usize {
        self.fold.folded
    }

    /// Whether there are histograms by backend.
    pub(super) fn has_histograms(&self) -> bool {
        self.fold.histograms
    }

    /// All series of this metric must follow before another one is announced.
    pub(super) fn announce(&mut self, metric: &'static Metric) {
        self.finish();
        self.metric = Some(metric);
        self.to.announce(metric);
    }

    /// One series of a counter or a gauge.
    pub(super) fn series(&mut self, metric: &'static Metric, values: &[&str], number: impl Into<Number>) {
        let number = number.into();
        match self.folds(metric, values) {
            None => self.to.number(metric, values, number),
            Some(backend) if metric.kind == Kind::Counter || SUMMED.contains(&metric) => {
                if let Number::Whole(count) = number {
                    self.add(values, backend, &Total { counts: vec![count], sum: 0.0 });
                }
            }
            Some(_) => {}
        }
    }

    /// A metric that has one series, announced.
    pub(super) fn single(&mut self, metric: &'static Metric, values: &[&str], number: impl Into<Number>) {
        self.announce(metric);
        self.series(metric, values, number);
    }

    /// One series of a histogram.
    pub(super) fn histogram(&mut self, metric: &'static Metric, values: &[&str], histogram: &Histogram<'_>) {
        match self.folds(metric, values) {
            None => self.to.histogram(metric, values, histogram),
            Some(backend) => {
                if self.bounds.is_empty() {
                    self.bounds.extend(histogram.buckets.iter().map(|bucket| bucket.bound));
                }
                self.add(values, backend, &Total::of(histogram));
            }
        }
    }

    /// The place of the label `backend`, if the series is that of a backend which has none of its own.
    fn folds(&mut self, metric: &Metric, values: &[&str]) -> Option<usize> {
        if self.fold.folded == 0 {
            return None;
        }
        let place = |label: &str| metric.labels.iter().position(|name| *name == label);
        let backend = place("backend")?;
        let (service, id) = (values[place("service")?], values[backend]);
        if id.is_empty() {
            return None;
        }
        if self.last.0 != service || self.last.1 != id {
            self.last = (service.to_owned(), id.to_owned(), self.fold.state.has_own(service, id));
        }
        (!self.last.2).then_some(backend)
    }

    fn add(&mut self, values: &[&str], backend: usize, total: &Total) {
        let folded = || {
            let each = values.iter().enumerate().map(|(at, value)| if at == backend { OTHER } else { value });
            (each.map(Box::from).collect(), Total::default())
        };
        let same = |(own, _): &Rest| {
            own.iter().zip(values).enumerate().all(|(at, (own, value))| at == backend || **own == **value)
        };
        let hasher = &self.fold.state.hasher;
        let wanted = hash_without(hasher, backend, values.iter().copied());
        let rehash = |(own, _): &Rest| hash_without(hasher, backend, own.iter().map(|value| &**value));
        self.rest.entry(wanted, same, rehash).or_insert_with(folded).get_mut().1.add(total);
    }

    /// Hands over what was added up of the metric that was announced last.
    pub(super) fn finish(&mut self) {
        let Some(metric) = self.metric.filter(|_| !self.rest.is_empty()) else { return };
        let mut rest: Vec<_> = self.rest.drain().collect();
        rest.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (labels, total) in rest {
            let values: Vec<&str> = labels.iter().map(|label| &**label).collect();
            let total = match metric.kind {
                Kind::Gauge | Kind::Info => total,
                Kind::Counter | Kind::Histogram => self.fold.state.floor(metric.name, &labels, total),
            };
            match metric.kind {
                Kind::Histogram => self.finish_histogram(metric, &values, &total),
                _ => self.to.number(metric, &values, total.counts.iter().sum::<u64>().into()),
            }
        }
        self.bounds.clear();
    }

    fn finish_histogram(&mut self, metric: &'static Metric, values: &[&str], total: &Total) {
        let mut up_to = 0;
        let each = self.bounds.iter().zip(&total.counts);
        let buckets: Vec<Bucket> = each
            .map(|(bound, count)| {
                up_to += count;
                Bucket { bound: *bound, up_to, exemplar: None }
            })
            .collect();
        let histogram = Histogram { buckets: &buckets, count: total.counts.iter().sum(), sum: total.sum, above: None };
        self.to.histogram(metric, values, &histogram);
    }
}

#[cfg(test)]
mod tests;
