//! How much of its work a backend gets that is suspect, or was ejected a short time ago. Pure.
//!
//! A backend that is suspected of a fault gets less work step by step, before it is ejected: so a fault costs less while the evidence grows, and a
//! suspicion that turns out wrong costs next to nothing. After an ejection it is probed with a trickle, which doubles each second.

use std::time::Duration;

use crate::endpoint::standing::WHOLE;

/// Below this suspicion, a backend gets all of its work: what is healthy comes there now and then by chance.
const DOUBT: f64 = 0.5;
/// From this suspicion on it gets a quarter.
const STRONG_DOUBT: f64 = 0.75;
/// The share after a readmission: enough to see whether the backend is well, and few enough to be sent to another one where it is not.
const TRICKLE: u32 = WHOLE / 20;
/// In this time the trickle doubles.
const DOUBLES: Duration = Duration::from_secs(1);

/// The share of its work, in thousandths, of a backend that is suspected this much (0 to 1).
pub fn under_suspicion(suspicion: f64) -> u32 {
    match suspicion {
        s if s < DOUBT => WHOLE,
        s if s < STRONG_DOUBT => WHOLE / 2,
        _ => WHOLE / 4,
    }
}

/// The share of its work, in thousandths, of a backend that was readmitted so long ago.
pub fn after_readmission(since: Duration) -> u32 {
    let doublings = u32::try_from(since.as_millis() / DOUBLES.as_millis()).unwrap_or(u32::MAX);
    TRICKLE.checked_shl(doublings).filter(|share| doublings < 16 && *share < WHOLE).unwrap_or(WHOLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_becomes_less_with_suspicion() {
        assert_eq!(
            [0.0, 0.49, 0.5, 0.74, 0.75, 1.0, f64::NAN].map(under_suspicion),
            [1000, 1000, 500, 500, 250, 250, 250]
        );
    }

    #[test]
    fn after_an_ejection_it_grows_from_a_trickle_to_all() {
        let after = |seconds| after_readmission(Duration::from_secs(seconds));
        assert_eq!([0, 1, 2, 3, 4, 5, 100, u64::from(u32::MAX)].map(after), [50, 100, 200, 400, 800, 1000, 1000, 1000]);
    }
}
