//! The Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write as _};

use super::names::Metric;

/// The media type of what [`Registry::render`](super::Registry::render) writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes the lines of metrics behind what `out` holds already.
pub(super) struct Text<'a> {
    out: &'a mut String,
}

impl<'a> Text<'a> {
    pub(super) fn new(out: &'a mut String) -> Self {
        Self { out }
    }

    /// Writes the lines that come before the series of a metric. All of its series must follow before another metric is announced.
    pub(super) fn announce(&mut self, Metric { name, kind, help, .. }: &Metric) {
        // writing to a String can't fail
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str());
    }

    /// Writes one series: `values` are those of the metric's labels, in their order.
    pub(super) fn series(&mut self, metric: &Metric, values: &[&str], value: impl Display) {
        self.line(metric.name, metric.labels.iter().copied().zip(values.iter().copied()), value);
    }

    /// Writes a metric that has one series, announced.
    pub(super) fn single(&mut self, metric: &Metric, values: &[&str], value: impl Display) {
        self.announce(metric);
        self.series(metric, values, value);
    }

    /// Writes one line: a name, labels with their values, and the value of the series.
    pub(super) fn line<'l>(
        &mut self,
        name: &str,
        labels: impl Iterator<Item = (&'l str, &'l str)>,
        value: impl Display,
    ) {
        self.out.push_str(name);
        let mut separator = '{';
        for (label, text) in labels {
            self.out.push(std::mem::replace(&mut separator, ','));
            self.out.push_str(label);
            self.out.push_str("=\"");
            self.escaped(text);
            self.out.push('"');
        }
        if separator == ',' {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }

    /// Backslash, quote and line feed are escaped, and nothing else.
    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\\' => self.out.push_str("\\\\"),
                '"' => self.out.push_str("\\\""),
                '\n' => self.out.push_str("\\n"),
                c => self.out.push(c),
            }
        }
    }
}
