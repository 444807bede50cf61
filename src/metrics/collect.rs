//! One reading of all metrics, handed over piece by piece: each text format, and whoever pushes metrics, is a [`Collect`].

use super::exemplar::Exemplar;
use super::names::Metric;
use super::recorder::Value;

/// Takes a reading. Each metric of the list comes once, and behind it all of its series; a metric may have none.
pub trait Collect {
    /// The series from here on are those of this metric.
    fn announce(&mut self, metric: &'static Metric);

    /// A series of a counter or a gauge. `values` are those of the metric's labels, in their order.
    fn number(&mut self, metric: &'static Metric, values: &[&str], number: Number);

    /// A series of a histogram.
    fn histogram(&mut self, metric: &'static Metric, values: &[&str], histogram: &Histogram<'_>);
}

/// The value of a counter or a gauge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Whole and not negative, as nearly all are.
    Whole(u64),
    /// Any other; NaN = not known.
    Real(f64),
}

/// One series of a histogram.
#[derive(Debug, Clone, Copy)]
pub struct Histogram<'a> {
    /// By rising bound.
    pub buckets: &'a [Bucket],
    /// How many values were observed, those above the last bound included.
    pub count: u64,
    /// Their sum, in the unit of the metric.
    pub sum: f64,
    /// The last one above the last bound that has an exemplar.
    pub above: Option<Exemplar>,
}

/// One bucket of a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The upper bound, inclusive, in the unit of the metric.
    pub bound: f64,
    /// How many values do not exceed the bound: those of the buckets below are among them.
    pub up_to: u64,
    /// The last value of this bucket alone that has an exemplar.
    pub exemplar: Option<Exemplar>,
}

/// A histogram that was read.
#[derive(Debug)]
pub(super) struct Shown<const BUCKETS: usize> {
    pub(super) buckets: [Bucket; BUCKETS],
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) above: Option<Exemplar>,
}

impl<const BUCKETS: usize> Shown<BUCKETS> {
    /// As a series.
    pub(super) fn histogram(&self) -> Histogram<'_> {
        Histogram { buckets: &self.buckets, count: self.count, sum: self.sum, above: self.above }
    }
}

impl From<u64> for Number {
    fn from(count: u64) -> Self {
        Self::Whole(count)
    }
}

impl From<usize> for Number {
    fn from(count: usize) -> Self {
        Self::Whole(count as u64)
    }
}

impl From<u32> for Number {
    fn from(count: u32) -> Self {
        Self::Whole(count.into())
    }
}

impl From<bool> for Number {
    fn from(is: bool) -> Self {
        Self::Whole(is.into())
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<Value> for Number {
    fn from(value: Value) -> Self {
        match value {
            Value::Counter(count) => Self::Whole(count),
            Value::Gauge(value) => Self::Real(value),
        }
    }
}
