//! Planned windows of maintenance: time in which a service may be away without breaking its promise.

mod calendar;
mod recurring;

use crate::clock::Stamp;

pub use calendar::Calendar;
pub use recurring::Recurring;

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

impl Planned {
    /// The parts of the time from `from` to `to` that it plans, in no order.
    fn between(&self, from: Stamp, to: Stamp) -> Vec<(Stamp, Stamp)> {
        let windows = match self {
            Self::Once { from, to } => vec![(*from, *to)],
            Self::Every(recurring) => recurring.occurrences(from, to),
        };
        let cut = windows.into_iter().map(|(begin, end)| (begin.max(from), end.min(to)));
        cut.filter(|(begin, end)| begin < end).collect()
    }
}

#[cfg(test)]
mod tests;
