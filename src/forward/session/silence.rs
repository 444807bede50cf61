//! How long a session has been silent, and whether it has broken meanwhile.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::layer4::duplex::{Duplex, End};
use crate::timer::{Alarm, Timers};

/// How often a silent session that goes on in one direction only is looked at, to see whether the side that has ended is still there.
const LOOK: Duration = Duration::from_secs(1);

/// The silence of one session.
pub(super) struct Silence {
    /// The session ends after so long.
    limit: Duration,
    /// How much of that had passed when the alarm was set last.
    passed: Duration,
    /// How long it was set for.
    step: Duration,
    alarm: Alarm,
    is_half_closed: bool,
}

impl Silence {
    /// Begins now.
    pub fn new(timers: &Timers, limit: Duration) -> Self {
        Self { limit, passed: Duration::ZERO, step: limit, alarm: Alarm::new(timers, limit), is_half_closed: false }
    }

    /// Something was sent: it begins anew.
    pub fn restart(&mut self) {
        self.passed = Duration::ZERO;
        self.arm();
    }

    /// Ready when the session is over: it was silent for too long (`None`), or has broken.
    pub fn poll(&mut self, duplex: &Duplex, cx: &mut Context<'_>) -> Poll<Option<End>> {
        if duplex.is_half_closed() != self.is_half_closed {
            self.is_half_closed = !self.is_half_closed;
            // the end of one side counts as something that was sent
            self.restart();
        }
        loop {
            ready!(self.alarm.poll(cx));
            if let Some(end) = duplex.broke_after_its_end() {
                return Poll::Ready(Some(end));
            }
            self.passed += self.step;
            if self.passed >= self.limit {
                return Poll::Ready(None);
            }
            self.arm();
        }
    }

    fn arm(&mut self) {
        let left = self.limit.saturating_sub(self.passed);
        self.step = if self.is_half_closed { left.min(LOOK) } else { left };
        self.alarm.set(self.step);
    }
}
