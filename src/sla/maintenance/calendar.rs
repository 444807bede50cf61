//! Whether it is a time of maintenance, asked every second.

use super::{Planned, planned};
use crate::clock::Stamp;

/// For how long ahead the windows are worked out, in milliseconds: a day.
const AHEAD: i64 = 86_400_000;

/// And for how long back, so that a clock that is set back a little finds its answer: an hour.
const BACK: i64 = 3_600_000;

/// So many windows by hand are kept; of more, those go that end first. Their time is no reason to forget them, because a clock that was set far
/// ahead may be set back.
const MOST_BY_HAND: usize = 64;

/// The windows of a service: those of the configuration, and those that operators start by hand. It answers for a moment without working out
/// dates, because it keeps what the next day holds.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    configured: Vec<Planned>,
    by_hand: Vec<(Stamp, Stamp)>,
    /// The time for which `parts` were worked out; `None` = they were not, or no longer hold.
    known: Option<(Stamp, Stamp)>,
    parts: Vec<(Stamp, Stamp)>,
}

impl Calendar {
    /// The windows of the configuration, and none by hand.
    pub fn new(configured: Vec<Planned>) -> Self {
        Self { configured, ..Self::default() }
    }

    /// Takes those of a new configuration; those by hand stay.
    pub fn set_configured(&mut self, configured: Vec<Planned>) {
        self.configured = configured;
        self.known = None;
    }

    /// A window that an operator starts.
    pub fn start(&mut self, from: Stamp, to: Stamp) {
        self.by_hand.push((from, to));
        self.by_hand.sort_unstable_by_key(|(_, end)| *end);
        let surplus = self.by_hand.len().saturating_sub(MOST_BY_HAND);
        self.by_hand.drain(..surplus);
        self.known = None;
    }

    /// Ends the windows by hand that last at `now`, and takes back those that were to begin later; whether there were any. Those of the
    /// configuration go on.
    pub fn end(&mut self, now: Stamp) -> bool {
        let mut ended = false;
        for (_, end) in self.by_hand.iter_mut().filter(|(_, end)| *end > now) {
            *end = now;
            ended = true;
        }
        self.by_hand.retain(|(begin, end)| begin < end);
        self.known = None;
        ended
    }

    /// The windows by hand, in the order of their ends: those that have ended too, the last ones.
    pub fn by_hand(&self) -> &[(Stamp, Stamp)] {
        &self.by_hand
    }

    /// All windows, for [`planned`] and reports.
    pub fn windows(&self) -> Vec<Planned> {
        let by_hand = self.by_hand.iter().map(|&(from, to)| Planned::Once { from, to });
        self.configured.iter().cloned().chain(by_hand).collect()
    }

    /// Whether `now` is planned, and until when that holds at least, if nothing is changed meanwhile: until a window begins or ends, or as far as
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
        self.parts = planned(&self.windows(), known.0, known.1);
        self.known = Some(known);
        known
    }
}
