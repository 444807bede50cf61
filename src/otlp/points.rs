//! A reading of all metrics as OTLP has it (opentelemetry/proto/metrics/v1/metrics.proto). Names stay as `/metrics` has them, so that what is asked of
//! one is asked of the other.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::batch::scope;
use crate::metrics::names::{Kind, Metric};
use crate::metrics::{Collect, Exemplar, Histogram, Number};
use crate::protobuf::Writer;
use crate::trace::attributes::Attributes;

/// A message is cut when it has so many bytes: servers of gRPC take 4 MiB where nobody has told them otherwise.
const MOST_BYTES: usize = 1024 * 1024;

/// `AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE`
const CUMULATIVE: u64 = 2;

/// Metrics that are sent in one message.
#[derive(Debug)]
pub struct Points {
    /// Entries of `ScopeMetrics.metrics`.
    metrics: Vec<u8>,
    /// How many points of time series they have.
    pub count: u64,
}

/// Encodes a reading.
#[derive(Debug)]
pub struct Encoder {
    /// Since when is counted, and when it was read, in nanoseconds since 1970.
    times: [u64; 2],
    done: Vec<Points>,
    metrics: Writer,
    /// The points in `metrics`, and those of the metric that is being read.
    counts: [u64; 2],
    points: Writer,
    current: Option<&'static Metric>,
}

impl Points {
    /// `ExportMetricsServiceRequest`; `resource` is the message `Resource`.
    pub fn message(&self, resource: &[u8]) -> Bytes {
        let mut request = Writer::with_capacity(self.metrics.len() + resource.len() + 64);
        request.message(1, |resource_metrics| {
            resource_metrics.bytes_of_kind(1, resource);
            resource_metrics.message(2, |scope_metrics| {
                scope_metrics.message(1, scope);
                scope_metrics.fields(&self.metrics);
            });
        });
        request.into_bytes().into()
    }
}

impl Encoder {
    /// Of a reading that is made now; counters count since `started`.
    pub fn new(started: SystemTime, now: SystemTime) -> Self {
        let nanos = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        Self {
            times: [started, now].map(nanos),
            done: Vec::new(),
            metrics: Writer::default(),
            counts: [0; 2],
            points: Writer::default(),
            current: None,
        }
    }

    /// What was read, in as many messages as it takes.
    pub fn finish(mut self) -> Vec<Points> {
        self.end_metric();
        self.end_message();
        self.done
    }

    /// Writes one point; what it has beside its labels and times is written by `rest`.
    fn point(&mut self, metric: &'static Metric, values: &[&str], attributes: u32, rest: impl FnOnce(&mut Writer)) {
        let [started, now] = self.times;
        self.points.message(1, |point| {
            let mut written = Attributes::new(point, attributes);
            let labels = metric.labels.iter().zip(values).filter(|(_, value)| !value.is_empty());
            labels.for_each(|(label, value)| written.text(label, value));
            if matches!(metric.kind, Kind::Counter | Kind::Histogram) {
                point.fixed64(2, started);
            }
            point.fixed64(3, now);
            rest(point);
        });
        self.counts[1] += 1;
        if self.points.len() >= MOST_BYTES {
            self.end_metric();
            self.end_message();
        }
    }

    fn end_metric(&mut self) {
        let (points, [_, count]) = (std::mem::take(&mut self.points).into_bytes(), self.counts);
        let Some(metric) = self.current.filter(|_| count > 0) else { return };
        self.metrics.message(2, |written| {
            written.bytes(1, metric.name.as_bytes());
            written.bytes(2, metric.help.as_bytes());
            written.bytes(3, unit(metric.name).as_bytes());
            let field = match metric.kind {
                Kind::Gauge | Kind::Info => 5,
                Kind::Counter => 7,
                Kind::Histogram => 9,
            };
            written.message(field, |data| {
                data.fields(&points);
                if matches!(metric.kind, Kind::Counter | Kind::Histogram) {
                    data.varint(2, CUMULATIVE);
                }
                if metric.kind == Kind::Counter {
                    // it only grows
                    data.varint(3, 1);
                }
            });
        });
        self.counts = [self.counts[0] + count, 0];
        if self.metrics.len() >= MOST_BYTES {
            self.end_message();
        }
    }

    fn end_message(&mut self) {
        let count = std::mem::take(&mut self.counts[0]);
        let metrics = std::mem::take(&mut self.metrics).into_bytes();
        if count > 0 {
            self.done.push(Points { metrics, count });
        }
    }
}

impl Collect for Encoder {
    fn announce(&mut self, metric: &'static Metric) {
        self.end_metric();
        self.current = Some(metric);
    }

    fn number(&mut self, metric: &'static Metric, values: &[&str], number: Number) {
        self.point(metric, values, 7, |point| match number {
            Number::Whole(count) => point.fixed64_of_kind(6, count),
            Number::Real(value) => point.double(4, value),
        });
    }

    fn histogram(&mut self, metric: &'static Metric, values: &[&str], histogram: &Histogram<'_>) {
        self.point(metric, values, 9, |point| {
            point.fixed64(4, histogram.count);
            point.double(5, histogram.sum);
            // here each bucket has its own, and the last one what is above all bounds
            let up_to = || histogram.buckets.iter().map(|bucket| bucket.up_to).chain([histogram.count]);
            let below = std::iter::once(0).chain(up_to());
            let counts: Vec<u64> = up_to().zip(below).map(|(up_to, below)| up_to.saturating_sub(below)).collect();
            point.packed64(6, counts.into_iter());
            point.packed64(7, histogram.buckets.iter().map(|bucket| bucket.bound.to_bits()));
            let exemplars = histogram.buckets.iter().map(|bucket| bucket.exemplar).chain([histogram.above]);
            exemplars.flatten().for_each(|exemplar| point.message(8, |written| write_exemplar(&exemplar, written)));
        });
    }
}

fn write_exemplar(exemplar: &Exemplar, written: &mut Writer) {
    written.fixed64(2, u64::try_from(exemplar.at.as_nanos()).unwrap_or(u64::MAX));
    written.double(3, exemplar.value.as_secs_f64());
    written.bytes(5, &exemplar.trace_id.to_be_bytes());
}

/// The unit that a name ends in, as OpenTelemetry writes it (UCUM).
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    match name.rsplit_once('_').map(|(_, last)| last) {
        Some("seconds") => "s",
        Some("bytes") => "By",
        Some("ratio") => "1",
        _ => "",
    }
}
