//! Detectors are kept from harming each other: one that panics, or takes too long again and again, is left out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::fault::Detector;

/// A call of a detector may take this long, a tenth of what there is between two looks of [`Detector::Peers`],
const AT_MOST: Duration = Duration::from_millis(10);
/// for each of so many backends.
const BACKENDS: u32 = 100;
/// Calls in a row that may take longer. One may have waited for the processor.
const PATIENCE: u8 = 5;

/// A clock, to take the time of detectors with.
pub type Clock = fn() -> Duration;

/// Which detectors are left out, and how the others have behaved.
#[derive(Debug, Default)]
pub(super) struct Guard {
    clock: Option<Clock>,
    /// By detector: calls in a row that took too long.
    slow: [u8; Detector::ALL.len()],
    out: [bool; Detector::ALL.len()],
}

impl Guard {
    pub(super) fn set_clock(&mut self, clock: Clock) {
        self.clock = Some(clock);
    }

    /// Calls a detector for so many backends, unless it is left out. Returns why it is left out from now on.
    pub(super) fn call(
        &mut self,
        detector: Detector,
        backends: usize,
        detect: impl FnOnce(),
    ) -> Option<(Detector, String)> {
        let at = detector as usize;
        if self.out[at] {
            return None;
        }
        let began = self.clock.map(|clock| clock());
        // what a detector has left half done when it panicked is not looked at again
        if let Err(panic) = catch_unwind(AssertUnwindSafe(detect)) {
            self.out[at] = true;
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            return Some((detector, format!("it panicked: {message}")));
        }
        let took = self.clock.zip(began).map(|(clock, began)| clock().saturating_sub(began))?;
        let hundreds = u32::try_from(backends).unwrap_or(u32::MAX).div_ceil(BACKENDS).max(1);
        if took <= AT_MOST.saturating_mul(hundreds) {
            self.slow[at] = 0;
            return None;
        }
        self.slow[at] += 1;
        self.out[at] = self.slow[at] >= PATIENCE;
        self.out[at].then(|| (detector, format!("{PATIENCE} calls in a row took too long, the last {took:?}")))
    }

    /// The detector is left out.
    pub(super) fn is_out(&self, detector: Detector) -> bool {
        self.out[detector as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detector_that_panics_is_left_out_from_then_on_and_the_others_are_not() {
        let mut guard = Guard::default();
        let told = guard.call(Detector::Anomaly, 1, || panic!("no covariance"));
        assert_eq!(told, Some((Detector::Anomaly, "it panicked: no covariance".to_owned())));
        let mut called = 0;
        assert_eq!(guard.call(Detector::Anomaly, 1, || called += 1), None);
        assert_eq!(guard.call(Detector::Peers, 1, || called += 10), None);
        assert_eq!((called, guard.is_out(Detector::Anomaly)), (10, true));
    }

    #[test]
    fn a_detector_that_is_slow_again_and_again_is_left_out() {
        thread_local!(static NOW: std::cell::Cell<Duration> = const { std::cell::Cell::new(Duration::ZERO) });
        let mut guard = Guard::default();
        guard.set_clock(|| NOW.get());
        let mut takes = |millis| {
            guard.call(Detector::Peers, 100, || NOW.set(NOW.get() + Duration::from_millis(millis))).map(|told| told.1)
        };
        assert_eq!([11, 11, 11, 11, 9, 11, 11, 11, 11].map(&mut takes), [const { None::<String> }; 9]);
        assert_eq!(takes(11).as_deref(), Some("5 calls in a row took too long, the last 11ms"));
    }
}
