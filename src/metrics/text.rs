//! The Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write as _};

use super::collect::{Collect, Histogram, Number};
use super::names::Metric;

/// Writes a reading behind what `out` holds already.
pub(super) struct Text<'a> {
    out: &'a mut String,
}

impl<'a> Text<'a> {
    pub(super) fn new(out: &'a mut String) -> Self {
        Self { out }
    }

    fn line(&mut self, metric: &Metric, part: &str, values: &[&str], bound: Option<&dyn Display>, value: impl Display) {
        self.out.push_str(metric.name);
        self.out.push_str(part);
        labels(self.out, metric.labels, values, bound);
        // writing to a String can't fail
        let _ = writeln!(self.out, " {value}");
    }
}

impl Collect for Text<'_> {
    fn announce(&mut self, Metric { name, kind, help, .. }: &'static Metric) {
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str());
    }

    fn number(&mut self, metric: &'static Metric, values: &[&str], number: Number) {
        match number {
            Number::Whole(count) => self.line(metric, "", values, None, count),
            Number::Real(value) => self.line(metric, "", values, None, value),
        }
    }

    fn histogram(&mut self, metric: &'static Metric, values: &[&str], histogram: &Histogram<'_>) {
        for bucket in histogram.buckets {
            self.line(metric, "_bucket", values, Some(&bucket.bound), bucket.up_to);
        }
        self.line(metric, "_bucket", values, Some(&"+Inf"), histogram.count);
        self.line(metric, "_sum", values, None, histogram.sum);
        self.line(metric, "_count", values, None, histogram.count);
    }
}

/// Writes labels with their values, and the bound of a bucket. Both text formats write them so.
pub(super) fn labels(out: &mut String, names: &[&str], values: &[&str], bound: Option<&dyn Display>) {
    let mut separator = '{';
    for (name, value) in names.iter().zip(values) {
        out.push(std::mem::replace(&mut separator, ','));
        out.push_str(name);
        out.push_str("=\"");
        escaped(out, value);
        out.push('"');
    }
    if let Some(bound) = bound {
        out.push(std::mem::replace(&mut separator, ','));
        let _ = write!(out, "le=\"{bound}\"");
    }
    if separator == ',' {
        out.push('}');
    }
}

/// Backslash, quote and line feed are escaped, and nothing else.
pub(super) fn escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}
