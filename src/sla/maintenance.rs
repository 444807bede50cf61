//! Planned windows of maintenance: time in which a service may be away without breaking its promise.

mod calendar;
mod recurring;

use std::fmt;
use std::ops::Range;

use crate::clock::Stamp;

pub use calendar::Calendar;
pub use recurring::Recurring;

/// How far ahead the next window is looked for: a weekly one comes in seven days, and one whose day the clocks have left out a day later.
const AHEAD_MS: i64 = 8 * 86_400_000;

/// A window of maintenance, or a series of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// One window.
    Once {
        /// Its begin.
        from: Stamp,
        /// Its end, which is no longer part of it.
        to: Stamp,
    },
    /// The same days and times every week.
    Every(Recurring),
}

/// The parts of the time from `from` to `to` (which is no longer part of it) that are planned: in order, and merged where they overlap or touch.
pub fn planned(windows: &[Planned], from: Stamp, to: Stamp) -> Vec<(Stamp, Stamp)> {
    let mut parts: Vec<(Stamp, Stamp)> = windows.iter().flat_map(|window| window.between(from, to)).collect();
    parts.sort_unstable();
    let mut merged: Vec<(Stamp, Stamp)> = Vec::with_capacity(parts.len());
    for (begin, end) in parts {
        match merged.last_mut() {
            Some(last) if begin <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((begin, end)),
        }
    }
    merged
}

/// The first window that begins after `now`, with the one of `windows` that it is of. It is looked for in the next eight days, in which each
/// weekly one comes at least once, except where it is given with a date.
pub fn next(windows: &[Planned], now: Stamp) -> Option<(&Planned, Range<Stamp>)> {
    let first = |window| match window {
        &Planned::Once { from, to } => (from > now).then_some(from..to),
        every => every.occurrences(now, now.plus(AHEAD_MS)).into_iter().find(|time| time.start > now),
    };
    let all = windows.iter().filter_map(|window| Some((window, first(window)?)));
    all.min_by_key(|(_, time)| time.start)
}

/// The window in which `now` lies, with the one of `windows` that it is of; of several the one that ends last.
pub fn current(windows: &[Planned], now: Stamp) -> Option<(&Planned, Range<Stamp>)> {
    let all = windows.iter().flat_map(|window| {
        let times = window.occurrences(now, now.plus(1));
        times.into_iter().map(move |time| (window, time))
    });
    all.max_by_key(|(_, time)| time.end)
}

/// How it is written in a configuration: the days and times, or the begin and the end.
impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once { from, to } => write!(f, "{from} to {to}"),
            Self::Every(recurring) => recurring.fmt(f),
        }
    }
}

impl Planned {
    /// Its windows that overlap the time from `from` to `to`, each as a whole and in order.
    pub fn occurrences(&self, from: Stamp, to: Stamp) -> Vec<Range<Stamp>> {
        let windows = match self {
            Self::Once { from, to } => vec![(*from, *to)],
            Self::Every(recurring) => recurring.occurrences(from, to),
        };
        windows.into_iter().filter(|(begin, end)| *begin < to && *end > from).map(|(begin, end)| begin..end).collect()
    }

    /// The parts of the time from `from` to `to` that it plans, in no order.
    fn between(&self, from: Stamp, to: Stamp) -> Vec<(Stamp, Stamp)> {
        let cut = |time: Range<Stamp>| (time.start.max(from), time.end.min(to));
        self.occurrences(from, to).into_iter().map(cut).filter(|(begin, end)| begin < end).collect()
    }
}

#[cfg(test)]
mod tests;
