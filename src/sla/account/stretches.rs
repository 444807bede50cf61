//! The time that was accounted of late, so that it can be corrected.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::{Moment, Stamp};
use crate::sla::Tally;

/// So much is kept: nothing is corrected that is older than what requests are judged by.
const KEPT: Duration = Duration::from_secs(360);
const SECOND: i64 = 1000;

/// What a stretch of time was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// The service was up.
    Up,
    /// It was down.
    Down,
    /// It was in maintenance.
    Planned,
    /// Nobody knows.
    Unknown,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// Its begin by the monotonic clock.
    pub began: Moment,
    /// Its begin by the wall's clock.
    pub from: Stamp,
    /// Its length in milliseconds.
    pub ms: i64,
    /// What it was taken for.
    pub watched: Watched,
}

/// The stretches of late, the oldest first.
#[derive(Debug, Default)]
pub struct Stretches(VecDeque<Stretch>);

impl Watched {
    /// A time of so many milliseconds from `from` on, by second of the wall's clock.
    pub fn tallies(self, from: Stamp, ms: i64) -> Vec<(Stamp, Tally)> {
        let (mut at, end, mut tallies) = (from, from.plus(ms), Vec::new());
        while at < end {
            let second = at.floor(SECOND);
            let upto = second.plus(SECOND).min(end);
            tallies.push((second, self.tally(upto.since(at))));
            at = upto;
        }
        tallies
    }

    fn tally(self, ms: i64) -> Tally {
        match self {
            Self::Up => Tally { up: ms, ..Tally::default() },
            Self::Down => Tally { down: ms, ..Tally::default() },
            Self::Planned => Tally { planned: ms, ..Tally::default() },
            Self::Unknown => Tally { unknown: ms, ..Tally::default() },
        }
    }
}

impl Stretch {
    fn end(&self) -> Moment {
        Moment::from_millis(self.began.as_millis() + self.ms.unsigned_abs())
    }

    /// The part of it from this moment on; `None` = there is none.
    fn from(&self, since: Moment) -> Option<Self> {
        let skipped = millis(since.since(self.began));
        (skipped < self.ms).then(|| Self {
            began: since.max(self.began),
            from: self.from.plus(skipped),
            ms: self.ms - skipped,
            watched: self.watched,
        })
    }
}

impl Stretches {
    /// Adds the newest.
    pub fn push(&mut self, stretch: Stretch, now: Moment) {
        while self.0.front().is_some_and(|oldest| now.since(oldest.end()) > KEPT) {
            self.0.pop_front();
        }
        match self.0.back_mut() {
            Some(last) if last.watched == stretch.watched && goes_on(last, &stretch) => last.ms += stretch.ms,
            _ => self.0.push_back(stretch),
        }
    }

    /// What was taken for `before` since then is taken for `after`; gives back what that changes.
    pub fn correct(&mut self, since: Moment, before: Watched, after: Watched) -> Vec<(Stamp, Tally)> {
        let mut corrections = Vec::new();
        for stretch in std::mem::take(&mut self.0) {
            let part = stretch.from(since).filter(|part| part.watched == before);
            let Some(part) = part else {
                self.0.push_back(stretch);
                continue;
            };
            if part.ms < stretch.ms {
                self.0.push_back(Stretch { ms: stretch.ms - part.ms, ..stretch });
            }
            self.0.push_back(Stretch { watched: after, ..part });
            for ((second, wrong), (_, right)) in
                before.tallies(part.from, part.ms).into_iter().zip(after.tallies(part.from, part.ms))
            {
                let mut change = right;
                change -= wrong;
                corrections.push((second, change));
            }
        }
        corrections
    }

    /// The time of the wall's clock at this moment; `None` = nothing was accounted then.
    pub fn stamp_of(&self, moment: Moment) -> Option<Stamp> {
        let holds = |stretch: &&Stretch| stretch.began <= moment && moment <= stretch.end();
        self.0.iter().rev().find(holds).map(|stretch| stretch.from.plus(millis(moment.since(stretch.began))))
    }

    /// How many milliseconds since then were taken for this.
    pub fn ms_since(&self, since: Moment, watched: Watched) -> i64 {
        let parts = self.0.iter().filter_map(|stretch| stretch.from(since));
        parts.filter(|part| part.watched == watched).map(|part| part.ms).sum()
    }
}

/// Whether a stretch follows another by both clocks.
fn goes_on(last: &Stretch, next: &Stretch) -> bool {
    last.end() == next.began && last.from.plus(last.ms) == next.from
}

/// A time in whole milliseconds.
pub fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
