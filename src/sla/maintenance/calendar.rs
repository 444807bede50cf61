//! Whether it is a time of maintenance, asked at each look.

use super::{Planned, planned};
use crate::clock::Stamp;

/// For how long ahead the windows are worked out, in milliseconds: a day.
const AHEAD: i64 = 86_400_000;

/// And for how long back, so that a clock that is set back a little finds its answer: an hour.
const BACK: i64 = 3_600_000;

/// The windows of a service. It answers for a moment without working out dates, because it keeps what the next day holds.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    windows: Vec<Planned>,
    /// The time for which `parts` were worked out; `None` = they were not.
    known: Option<(Stamp, Stamp)>,
    parts: Vec<(Stamp, Stamp)>,
}

impl Calendar {
    /// Of these windows.
    pub fn new(windows: Vec<Planned>) -> Self {
        Self { windows, ..Self::default() }
    }

    /// Its windows.
    pub fn windows(&self) -> &[Planned] {
        &self.windows
    }

    /// Whether `now` is planned, and until when that holds at least: until a window begins or ends, or as far as
    /// the windows are worked out.
    pub fn at(&mut self, now: Stamp) -> (bool, Stamp) {
        let (_, until) = match self.known {
            Some(known) if (known.0..known.1).contains(&now) => known,
            _ => self.work_out(now),
        };
        let next = self.parts.partition_point(|(_, end)| *end <= now);
        match self.parts.get(next) {
            Some((begin, end)) if *begin <= now => (true, *end),
            Some((begin, _)) => (false, *begin),
            None => (false, until),
        }
    }

    fn work_out(&mut self, now: Stamp) -> (Stamp, Stamp) {
        let known = (now.plus(-BACK), now.plus(AHEAD));
        self.parts = planned(&self.windows, known.0, known.1);
        self.known = Some(known);
        known
    }
}
