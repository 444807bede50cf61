//! Exemplars: for each bucket of a histogram the last observation whose trace was sampled, so that a slow bucket leads to a trace.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

/// An observation with the trace that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exemplar {
    /// The trace (W3C Trace Context); not 0.
    pub trace_id: u128,
    /// What was observed.
    pub value: Duration,
    /// When, as the time since 1970-01-01T00:00:00Z; kept in whole milliseconds.
    pub at: Duration,
}

/// The last exemplar of one bucket, written by ONE thread and read by any.
///
/// A sequence lock without `unsafe`: the parts are atomics of their own, and a reader that finds them changed meanwhile looks again (H.-J.
/// Boehm, "Can seqlocks get along with programming language memory models?", MSPC 2012).
#[derive(Debug, Default)]
pub(super) struct Last {
    /// Odd while the parts are being written; 0 = never written.
    turn: AtomicU64,
    trace_id: [AtomicU64; 2],
    value_nanos: AtomicU64,
    at_millis: AtomicU64,
}

/// How often a reader looks again. A writer needs some nanoseconds, and comes by for sampled traces only.
const LOOKS: u32 = 100;

impl Last {
    /// Replaces the exemplar.
    pub(super) fn set(&self, exemplar: Exemplar) {
        let turn = self.turn.load(Ordering::Relaxed);
        self.turn.store(turn.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        let halves = [(exemplar.trace_id >> 64) as u64, exemplar.trace_id as u64];
        self.trace_id.iter().zip(halves).for_each(|(part, half)| part.store(half, Ordering::Relaxed));
        self.value_nanos.store(u64::try_from(exemplar.value.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.at_millis.store(u64::try_from(exemplar.at.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.turn.store(turn.wrapping_add(2), Ordering::Release);
    }

    /// The exemplar as it was a moment ago; `None` = there is none yet, or it is written again and again.
    pub(super) fn get(&self) -> Option<Exemplar> {
        (0..LOOKS).find_map(|_| self.try_get()).flatten()
    }

    /// `None` = it was written meanwhile.
    fn try_get(&self) -> Option<Option<Exemplar>> {
        let turn = self.turn.load(Ordering::Acquire);
        if turn == 0 {
            return Some(None);
        }
        let [high, low] = self.trace_id.each_ref().map(|part| u128::from(part.load(Ordering::Relaxed)));
        let exemplar = Exemplar {
            trace_id: high << 64 | low,
            value: Duration::from_nanos(self.value_nanos.load(Ordering::Relaxed)),
            at: Duration::from_millis(self.at_millis.load(Ordering::Relaxed)),
        };
        fence(Ordering::Acquire);
        (turn.is_multiple_of(2) && self.turn.load(Ordering::Relaxed) == turn).then_some(Some(exemplar))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// An exemplar whose parts tell whether they belong together.
    fn number(n: u64) -> Exemplar {
        Exemplar {
            trace_id: u128::from(n) << 64 | u128::from(n),
            value: Duration::from_nanos(n),
            at: Duration::from_millis(n),
        }
    }

    #[test]
    fn what_was_set_last_is_there() {
        let last = Last::default();
        assert_eq!(last.get(), None);
        last.set(number(1));
        last.set(number(u64::MAX));
        assert_eq!(last.get(), Some(number(u64::MAX)));
    }

    #[test]
    fn a_reader_never_sees_parts_of_two() {
        let (last, done) = (Last::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (1..200_000).for_each(|n| last.set(number(n)));
                done.store(true, Ordering::Release);
            });
            let mut before = 0;
            while !done.load(Ordering::Acquire) {
                let Some(read) = last.get() else { continue };
                let n = u64::try_from(read.at.as_millis()).unwrap();
                assert_eq!(read, number(n));
                assert!(n >= before);
                before = n;
            }
        });
        assert_eq!(last.get(), Some(number(199_999)));
    }
}
