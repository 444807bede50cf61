//! The error budget over the period, as two curves: what of the budget by time, and by requests, was left at the end of each day. Both are measured by
//! the budget of the whole period, so each ends at what the report says is left.

use super::super::figures;
use super::super::model::{Report, ServiceReport};
use super::super::phrase;
use crate::sla::Tally;

/// The drawing's own units; it is stretched to the width of the page, so its letters stand outside of it.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 200.0;

/// Curves end here: one that goes below twice the budget would flatten the rest.
const LOWEST: f64 = -1.0;

/// A curve of so many points at most has a dot at its end.
const DOTTED: usize = 3;

/// A curve: where the period is at each point (0 to 1), and what is left there.
type Curve = Vec<(f64, f64)>;

/// The drawing with its axes. Nothing, where there is no budget.
pub(super) fn figure(service: &ServiceReport, report: &Report) -> String {
    let budget = &service.summary.budget;
    let by_time = curve(service, report, budget.allowed_ms as f64, |tally| tally.down);
    let by_requests = curve(service, report, budget.allowed_requests, Tally::bad);
    let points = || by_time.iter().chain(&by_requests).map(|(_, left)| *left);
    if points().next().is_none() {
        return String::new();
    }
    let bottom = match points().fold(0.0, f64::min) {
        lowest if lowest >= 0.0 => 0.0,
        lowest => (lowest * 2.0).floor().max(LOWEST * 2.0) / 2.0,
    };
    let height = |left: f64| (1.0 - left.max(bottom)) / (1.0 - bottom);
    let line = |class: &str, curve: &Curve| {
        let points: Vec<_> =
            curve.iter().map(|(at, left)| format!("{:.1},{:.1}", at * WIDTH, height(*left) * HEIGHT)).collect();
        if points.is_empty() {
            String::new()
        } else {
            format!("<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "))
        }
    };
    // of a history of few days there is hardly anything of a curve to see, so its end has a dot
    let end = |class: &str, curve: &Curve| {
        let Some((at, left)) = curve.last().filter(|_| curve.len() <= DOTTED) else { return String::new() };
        let (x, y) = (at * 100.0, height(*left) * 100.0);
        format!("<i class=\"dot {class}\" style=\"left:{x:.1}%;top:{y:.1}%\"></i>")
    };
    let spent = height(0.0) * HEIGHT;
    format!(
        "<h3>Error budget</h3>\n<figure class=\"curve\">\n<div class=\"plot\">{}<svg role=\"img\" aria-label=\"Error budget over the period; at its end {} is left by time and {} by requests\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\">{}<line class=\"spent\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{spent:.1}\" y2=\"{spent:.1}\"/>{}{}</svg>{}</div>\n\
         <p class=\"ends\"><span>{}</span><span>{}</span></p>\n<figcaption><span class=\"key\"><svg viewBox=\"0 0 30 4\" aria-hidden=\"true\"><line class=\"time\" x1=\"0\" x2=\"30\" y1=\"2\" y2=\"2\"/></svg> left by time</span>\
         <span class=\"key\"><svg viewBox=\"0 0 30 4\" aria-hidden=\"true\"><line class=\"requests\" x1=\"0\" x2=\"30\" y1=\"2\" y2=\"2\"/></svg> left by requests</span>{}</figcaption>\n</figure>\n",
        labels(bottom, height),
        figures::left(budget.left_by_time()),
        figures::left(budget.left_by_requests()),
        grid(bottom, height),
        line("time", &by_time),
        line("requests", &by_requests),
        end("time", &by_time) + &end("requests", &by_requests),
        phrase::day(report.period.start),
        // the period ends where the next one begins
        phrase::day(report.period.end.plus(-1)),
        below(points().fold(0.0, f64::min), bottom),
    )
}

/// What is left at the begin and at the end of each day, of so much that is allowed.
fn curve(service: &ServiceReport, report: &Report, allowed: f64, spent: impl Fn(&Tally) -> i64) -> Curve {
    if allowed <= 0.0 {
        return Curve::new();
    }
    let length = report.period.end.since(report.period.start).max(1) as f64;
    let mut sum = 0;
    let ends = service.days.iter().skip(1).map(|day| day.start).chain([report.known_until()]);
    let points = service.days.iter().zip(ends).map(|(day, end)| {
        sum += spent(&day.tally);
        let at = end.since(report.period.start) as f64 / length;
        (at.clamp(0.0, 1.0), 1.0 - sum as f64 / allowed)
    });
    let start = service.days.first().map(|day| day.start.since(report.period.start) as f64 / length);
    start.map(|at| (at.clamp(0.0, 1.0), 1.0)).into_iter().chain(points).collect()
}

fn ticks(bottom: f64) -> impl Iterator<Item = f64> {
    [1.0, 0.5, 0.0, -0.5, -1.0].into_iter().filter(move |tick| *tick >= bottom)
}

fn labels(bottom: f64, height: impl Fn(f64) -> f64) -> String {
    let label = |tick: f64| {
        let words = if tick == 0.0 { "spent".to_owned() } else { phrase::left(tick) };
        let class = if tick == 0.0 { "tick spent" } else { "tick" };
        format!("<span class=\"{class}\" style=\"top:{:.1}%\">{words}</span>", height(tick) * 100.0)
    };
    ticks(bottom).map(label).collect()
}

fn grid(bottom: f64, height: impl Fn(f64) -> f64) -> String {
    let line = |tick: f64| {
        let y = height(tick) * HEIGHT;
        format!("<line class=\"grid\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>")
    };
    ticks(bottom).map(line).collect()
}

fn below(lowest: f64, bottom: f64) -> String {
    if lowest >= bottom {
        return String::new();
    }
    format!("<span>The lowest point, {}, is below the drawing.</span>", phrase::left(lowest))
}
