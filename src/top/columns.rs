//! The columns of the two tables. Their widths are those of the longest texts that they usually have; at 80 columns the most needed ones fit.

use super::document::{Backend, Check, Service};
use super::format::{NOTHING, budget, millis, number, percent, rate};
use super::table::{Column, Row, most_first};
use super::tone::{self, Tone};

impl Row for Service {
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            tone: Self::tone,
            order: |a, b| a.urgency().cmp(&b.urgency()),
            ..name("STATE", 8, |it| it.word().to_owned())
        },
        Column { grows: true, order: |a, b| a.name.cmp(&b.name), ..name("SERVICE", 16, |it| it.name.clone()) },
        Column {
            rank: 2,
            tone: |it| if it.healthy < it.total { it.tone() } else { Tone::Plain },
            order: |a, b| missing(b).cmp(&missing(a)),
            ..figure("UP", 6, |it| format!("{}/{}", it.healthy, it.total))
        },
        Column {
            rank: 1,
            tone: |it| tone::of_figure(it.rate),
            order: |a, b| most_first(a.rate, b.rate),
            ..figure("RATE", 7, |it| rate(it.rate))
        },
        Column {
            rank: 1,
            tone: |it| tone::of_errors(it.error_rate),
            order: |a, b| most_first(a.error_rate, b.error_rate),
            ..figure("ERRORS", 6, |it| percent(it.error_rate))
        },
        Column {
            rank: 5,
            tone: |it| tone::of_figure(it.p50_ms),
            order: |a, b| most_first(a.p50_ms, b.p50_ms),
            ..figure("P50", 6, |it| millis(it.p50_ms))
        },
        Column {
            rank: 3,
            tone: |it| tone::of_figure(it.p99_ms),
            order: |a, b| most_first(a.p99_ms, b.p99_ms),
            ..figure("P99", 6, |it| millis(it.p99_ms))
        },
        Column {
            rank: 6,
            order: |a, b| b.in_flight.cmp(&a.in_flight),
            ..figure("IN FLIGHT", 9, |it| it.in_flight.to_string())
        },
        Column {
            rank: 4,
            tone: |it| tone::of_budget(it.budget_left),
            // what is left of a budget is worst when it is least
            order: |a, b| most_first(a.budget_left.map(|left| -left), b.budget_left.map(|left| -left)),
            ..figure("BUDGET", 6, |it| budget(it.budget_left))
        },
        Column {
            rank: 7,
            tone: |it| if it.waiting > 0 { Tone::Warn } else { Tone::Plain },
            order: |a, b| b.waiting.cmp(&a.waiting),
            ..figure("WAITING", 7, |it| it.waiting.to_string())
        },
        Column {
            rank: 8,
            order: |a, b| most_first(a.retry_rate, b.retry_rate),
            ..figure("RETRIES", 7, |it| rate(it.retry_rate))
        },
        Column { rank: 9, order: |a, b| a.balance.cmp(&b.balance), ..name("BALANCE", 17, |it| it.balance.clone()) },
        Column {
            rank: 10,
            grows: true,
            tone: Self::tone,
            order: |a, b| b.words.cmp(&a.words),
            ..name("WHAT IS WRONG", 30, |it| it.words.clone())
        },
    ];

    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: String) {
        self.name = name;
    }

    fn words(&self) -> [&str; 2] {
        [self.word(), &self.words]
    }
}

impl Row for Backend {
    const COLUMNS: &'static [Column<Self>] = &[
        Column {
            tone: Self::tone,
            order: |a, b| a.urgency().cmp(&b.urgency()),
            ..name("STATE", 8, |it| it.state.clone())
        },
        Column { grows: true, order: |a, b| a.id.cmp(&b.id), ..name("BACKEND", 16, |it| it.id.clone()) },
        Column {
            rank: 4,
            tone: |it| tone::of_figure(it.share),
            order: |a, b| most_first(a.share, b.share),
            ..figure("SHARE", 6, |it| percent(it.share))
        },
        Column {
            rank: 1,
            tone: |it| tone::of_figure(it.rate),
            order: |a, b| most_first(a.rate, b.rate),
            ..figure("RATE", 7, |it| rate(it.rate))
        },
        Column {
            rank: 1,
            tone: |it| tone::of_errors(it.error_rate),
            order: |a, b| most_first(a.error_rate, b.error_rate),
            ..figure("ERRORS", 6, |it| percent(it.error_rate))
        },
        Column {
            rank: 6,
            tone: |it| tone::of_figure(it.p50_ms),
            order: |a, b| most_first(a.p50_ms, b.p50_ms),
            ..figure("P50", 6, |it| millis(it.p50_ms))
        },
        Column {
            rank: 3,
            tone: |it| tone::of_figure(it.p99_ms),
            order: |a, b| most_first(a.p99_ms, b.p99_ms),
            ..figure("P99", 6, |it| millis(it.p99_ms))
        },
        Column {
            rank: 5,
            order: |a, b| b.in_flight.cmp(&a.in_flight),
            ..figure("IN FLIGHT", 9, |it| it.in_flight.to_string())
        },
        Column { rank: 7, order: |a, b| b.weight.cmp(&a.weight), ..figure("WEIGHT", 8, weight) },
        Column {
            rank: 8,
            tone: |it| match it.breaker.as_deref() {
                None | Some("closed") => Tone::Soft,
                Some("open") => Tone::Bad,
                Some(_) => Tone::Warn,
            },
            order: |a, b| b.breaker.cmp(&a.breaker),
            ..name("BREAKER", 9, |it| or_nothing(it.breaker.as_deref()).replace('_', " "))
        },
        Column {
            rank: 9,
            order: |a, b| a.zone.cmp(&b.zone),
            ..name("ZONE", 10, |it| or_nothing(it.zone.as_deref()).to_owned())
        },
        Column {
            rank: 11,
            tone: |it| if it.last_check.as_ref().is_some_and(|check| !check.ok) { Tone::Bad } else { Tone::Plain },
            order: |a, b| {
                a.last_check.as_ref().is_none_or(|it| it.ok).cmp(&b.last_check.as_ref().is_none_or(|it| it.ok))
            },
            ..name("LAST CHECK", 14, |it| it.last_check.as_ref().map_or_else(|| NOTHING.to_owned(), check))
        },
        Column { rank: 12, order: |a, b| a.address.cmp(&b.address), ..name("ADDRESS", 21, |it| it.address.clone()) },
        Column {
            rank: 2,
            grows: true,
            tone: |it| if it.tone() == Tone::Good { Tone::Soft } else { it.tone() },
            order: |a, b| b.reason.cmp(&a.reason),
            ..name("REASON", 13, |it| it.reason.clone().unwrap_or_default())
        },
    ];

    fn name(&self) -> &str {
        &self.id
    }

    fn set_name(&mut self, name: String) {
        self.id = name;
    }

    fn words(&self) -> [&str; 2] {
        [&self.state, self.reason.as_deref().unwrap_or_default()]
    }
}

/// A column with text.
const fn name<R>(title: &'static str, width: u16, text: fn(&R) -> String) -> Column<R> {
    Column {
        title,
        width,
        rank: 0,
        grows: false,
        is_figure: false,
        text,
        tone: |_| Tone::Plain,
        order: |_, _| std::cmp::Ordering::Equal,
    }
}

/// A column with figures.
const fn figure<R>(title: &'static str, width: u16, text: fn(&R) -> String) -> Column<R> {
    Column { is_figure: true, ..name(title, width, text) }
}

fn missing(service: &Service) -> u64 {
    service.total.saturating_sub(service.healthy)
}

/// The weight of a backend, and whether it is a backup.
pub fn weight(backend: &Backend) -> String {
    let weight = backend.weight.map_or_else(|| NOTHING.to_owned(), |weight| weight.to_string());
    if backend.backup { format!("{weight} backup") } else { weight }
}

/// What came of a check: `ok 0.52ms`, `failed 2s`.
pub fn check(check: &Check) -> String {
    let word = if check.ok { "ok" } else { "failed" };
    check.ms.map_or_else(|| word.to_owned(), |ms| format!("{word} {}", millis(Some(ms))))
}

/// The exchanges that a backend has now, of how many.
pub fn in_flight(backend: &Backend) -> String {
    match backend.max_connections {
        None | Some(0) => backend.in_flight.to_string(),
        Some(most) => format!("{} of {}", backend.in_flight, number(most as f64)),
    }
}

fn or_nothing(text: Option<&str>) -> &str {
    text.filter(|text| !text.is_empty()).unwrap_or(NOTHING)
}
