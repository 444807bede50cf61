//! What a service did in the last hour: a point each ten seconds.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::sample::Sample;
use crate::admin::rounded::significant;

/// An hour of points.
const POINTS: usize = 360;

/// The points of the last hour, the oldest first.
#[derive(Debug, Default)]
pub(in crate::admin) struct History(VecDeque<Point>);

/// What happened in ten seconds. Single precision is enough for a curve, and halves the memory; what was not measured is NaN.
#[derive(Debug, Clone, Copy)]
struct Point {
    rate: f32,
    error_rate: f32,
    p50_ms: f32,
    p99_ms: f32,
}

impl History {
    /// Adds what was counted in the last `seconds`.
    pub(in crate::admin) fn push(&mut self, counted: &Sample, seconds: f64) {
        if self.0.len() == POINTS {
            self.0.pop_front();
        }
        #[expect(clippy::cast_possible_truncation, reason = "a curve shows no more than three digits")]
        let single = |figure: Option<f64>| figure.map_or(f32::NAN, |figure| figure as f32);
        self.0.push_back(Point {
            rate: single(Some(counted.ended() as f64 / seconds)),
            error_rate: single(counted.error_rate()),
            p50_ms: single(counted.durations.quantile_ms(0.5)),
            p99_ms: single(counted.durations.quantile_ms(0.99)),
        });
    }

    /// The members of an answer that hold the points; null in a list = nothing was measured.
    pub(in crate::admin) fn to_json(&self) -> Value {
        let all = |figure: fn(&Point) -> f32| -> Value {
            let figures = self.0.iter().map(|point| f64::from(figure(point)));
            figures.map(|figure| if figure.is_nan() { Value::Null } else { json!(significant(figure)) }).collect()
        };
        json!({
            "rate": all(|point| point.rate),
            "error_rate": all(|point| point.error_rate),
            "p50_ms": all(|point| point.p50_ms),
            "p99_ms": all(|point| point.p99_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Registry;

    #[test]
    fn it_has_a_point_for_each_stretch_and_null_where_nothing_was_measured() {
        let mut history = History::default();
        let durations = Registry::new(1).durations("s");
        (0..5).for_each(|_| durations.observe(0, Duration::from_millis(10), None));
        history.push(&Sample::default(), 10.0);
        history.push(&Sample { succeeded: 4, failed: 1, durations: durations.read(), ..Sample::default() }, 10.0);
        let shown = history.to_json();
        assert_eq!((&shown["rate"], &shown["error_rate"]), (&json!([0.0, 0.5]), &json!([null, 0.2])));
        assert!(shown["p50_ms"][0].is_null() && shown["p99_ms"][1].as_f64().is_some_and(|p99| p99 <= 10.0), "{shown}");
    }

    #[test]
    fn it_keeps_an_hour() {
        let mut history = History::default();
        for succeeded in 0..=360 {
            history.push(&Sample { succeeded, ..Sample::default() }, 10.0);
        }
        let shown = history.to_json();
        let rates = shown["rate"].as_array().unwrap();
        assert_eq!((rates.len(), &rates[0], &rates[359]), (360, &json!(0.1), &json!(36.0)));
    }
}
