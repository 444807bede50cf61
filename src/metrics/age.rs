//! Gauges that tell how long ago something happened. Such a gauge is set to the moment of it, and shown as its age at the time of the reading: so nobody has to
//! set it again while nothing happens.

use std::sync::LazyLock;
use std::time::Instant;

/// Where moments count from.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What a gauge of an age is set to when what it tells of has just happened: seconds of the monotonic clock.
pub fn now() -> f64 {
    EPOCH.elapsed().as_secs_f64()
}

/// The age of what happened at this moment, in whole milliseconds as seconds.
pub(super) fn of(moment: f64) -> f64 {
    ((now() - moment).max(0.0) * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_just_happened_is_new_and_what_is_yet_to_come_has_no_age() {
        let before = now();
        assert!((0.0..60.0).contains(&of(before)));
        assert!((99.9..160.0).contains(&of(before - 100.0)));
        assert_eq!(of(before + 1e9), 0.0);
    }
}
