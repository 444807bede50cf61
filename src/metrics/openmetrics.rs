//! The OpenMetrics text format, version 1.0.0
//! (<https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>).
//!
//! It differs from the text format of Prometheus in the names of families (a counter's is without `_total`), in units, in how numbers are
//! written, in exemplars, and in its last line. `_created` is left out: the start of the process is a metric of its own.

use std::fmt::{self, Display, Write as _};

use super::collect::{Collect, Histogram, Number};
use super::exemplar::Exemplar;
use super::names::{self, Kind, Metric};
use super::text::{escaped, labels};

/// Writes a reading behind what `out` holds already.
pub(super) struct OpenMetrics<'a> {
    out: &'a mut String,
}

impl<'a> OpenMetrics<'a> {
    pub(super) fn new(out: &'a mut String) -> Self {
        Self { out }
    }

    /// Writes the last line, by which a reader knows that nothing was cut off.
    pub(super) fn end(self) {
        self.out.push_str("# EOF\n");
    }

    fn line(
        &mut self,
        metric: &Metric,
        part: &str,
        values: &[&str],
        bound: Option<&dyn Display>,
        value: impl Display,
        exemplar: Option<Exemplar>,
    ) {
        self.out.push_str(metric.name);
        self.out.push_str(part);
        labels(self.out, metric.labels, values, bound);
        // writing to a String can't fail
        let _ = write!(self.out, " {value}");
        if let Some(Exemplar { trace_id, value, at }) = exemplar {
            let (value, seconds) = (Canonical(value.as_secs_f64()), at.as_secs());
            let _ = write!(self.out, " # {{trace_id=\"{trace_id:032x}\"}} {value} {seconds}.{:03}", at.subsec_millis());
        }
        self.out.push('\n');
    }
}

impl Collect for OpenMetrics<'_> {
    fn announce(&mut self, metric: &'static Metric) {
        let (family, kind) = family(metric);
        let _ = writeln!(self.out, "# TYPE {family} {kind}");
        if let Some(unit) = unit(family, kind) {
            let _ = writeln!(self.out, "# UNIT {family} {unit}");
        }
        let _ = write!(self.out, "# HELP {family} ");
        escaped(self.out, metric.help);
        self.out.push('\n');
    }

    fn number(&mut self, metric: &'static Metric, values: &[&str], number: Number) {
        match number {
            Number::Whole(count) => self.line(metric, "", values, None, count, None),
            Number::Real(value) => self.line(metric, "", values, None, Canonical(value), None),
        }
    }

    fn histogram(&mut self, metric: &'static Metric, values: &[&str], histogram: &Histogram<'_>) {
        for bucket in histogram.buckets {
            self.line(metric, "_bucket", values, Some(&Canonical(bucket.bound)), bucket.up_to, bucket.exemplar);
        }
        self.line(metric, "_bucket", values, Some(&"+Inf"), histogram.count, histogram.above);
        self.line(metric, "_sum", values, None, Canonical(histogram.sum), None);
        self.line(metric, "_count", values, None, histogram.count, None);
    }
}

/// The name of a metric's family, and its type. A counter whose family would have the name of another metric's is of unknown type, under its whole
/// name, since no two families may share one.
fn family(metric: &Metric) -> (&'static str, &'static str) {
    let without = |part: &str| metric.name.strip_suffix(part);
    let is_taken = |family: &str| names::ALL.iter().any(|other| other.name == family);
    match metric.kind {
        Kind::Counter => match without("_total").filter(|family| !is_taken(family)) {
            Some(family) => (family, "counter"),
            None => (metric.name, "unknown"),
        },
        Kind::Info => (without("_info").unwrap_or(metric.name), "info"),
        Kind::Gauge | Kind::Histogram => (metric.name, metric.kind.as_str()),
    }
}

/// The unit that a family's name ends in; an info has none.
fn unit(family: &str, kind: &str) -> Option<&'static str> {
    let ends_in = |unit: &&str| family.strip_suffix(*unit).is_some_and(|before| before.ends_with('_'));
    ["seconds", "bytes", "ratio"].into_iter().find(ends_in).filter(|_| kind != "info")
}

/// A number as the specification wants it (canonical numbers): as Go writes it, with a point or an exponent, so that a bound is the same text
/// whoever exposes it.
struct Canonical(f64);

impl Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        if value.is_nan() {
            return f.write_str("NaN");
        }
        if value.is_infinite() {
            return f.write_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        }
        // Rust writes the shortest digits that read back the same, and the exponent without sign and leading zero
        if value != 0.0 && !(1e-4..1e6).contains(&value.abs()) {
            let text = format!("{value:e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            return write!(f, "{digits}e{sign}{exponent:0>2}");
        }
        let text = value.to_string();
        let point = if text.contains('.') { "" } else { ".0" };
        write!(f, "{text}{point}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::collect::Bucket;
    use super::*;

    #[test]
    fn numbers_are_written_as_go_does() {
        for (value, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (0.001, "0.001"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (0.000_025, "2.5e-05"),
            (1e6, "1e+06"),
            (1_795_744_049.5, "1.7957440495e+09"),
            (-0.5, "-0.5"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(Canonical(value).to_string(), text);
        }
    }

    #[test]
    fn no_two_families_have_one_name_and_no_series_could_be_of_two() {
        let families: Vec<_> = names::ALL.iter().map(|metric| family(metric)).collect();
        for (at, (name, _)) in families.iter().enumerate() {
            assert!(families[..at].iter().all(|(other, _)| other != name), "{name} is there twice");
        }
        assert_eq!(family(&names::REQUESTS), ("evenkeel_requests", "counter"));
        assert_eq!(family(&names::CLIENT_ACCEPTED), ("evenkeel_client_connections_total", "unknown"));
        assert_eq!(family(&names::BUILD_INFO), ("evenkeel_build", "info"));
    }

    #[test]
    fn a_unit_is_what_the_name_ends_in() {
        for (name, expected) in [
            ("evenkeel_request_duration_seconds", Some("seconds")),
            ("process_cpu_seconds", Some("seconds")),
            ("evenkeel_bytes", Some("bytes")),
            ("evenkeel_milliseconds", None),
        ] {
            assert_eq!(unit(name, "gauge"), expected, "{name}");
        }
    }

    #[test]
    fn an_exemplar_stands_behind_its_bucket() {
        let mut out = String::new();
        let mut text = OpenMetrics::new(&mut out);
        let exemplar = Exemplar {
            trace_id: 0xabc,
            value: Duration::from_micros(1_500),
            at: Duration::from_millis(1_700_000_000_042),
        };
        let buckets = [Bucket { bound: 0.002, up_to: 1, exemplar: Some(exemplar) }];
        let histogram = Histogram { buckets: &buckets, count: 2, sum: 7.5, above: None };
        text.histogram(&names::REQUEST_DURATION, &["a\"b"], &histogram);
        text.end();
        assert_eq!(
            out,
            "evenkeel_request_duration_seconds_bucket{service=\"a\\\"b\",le=\"0.002\"} 1 # {trace_id=\"00000000000000000000000000000abc\"} 0.0015 1700000000.042\n\
             evenkeel_request_duration_seconds_bucket{service=\"a\\\"b\",le=\"+Inf\"} 2\n\
             evenkeel_request_duration_seconds_sum{service=\"a\\\"b\"} 7.5\n\
             evenkeel_request_duration_seconds_count{service=\"a\\\"b\"} 2\n\
             # EOF\n"
        );
    }
}
