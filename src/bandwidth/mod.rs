//! How many bytes in a second a client may send and be sent: buckets, and the paces that hold its connections to them.
//!
//! A [`Bucket`] is a leaky bucket without a timer, as in `limit`: it keeps the time at which all that was moved would have been moved, had it kept exactly to the rate. What
//! is moved puts that time off, and once it is further away than the burst takes, nothing more may be moved until it is not. All connections of a client share one.
//!
//! Bytes are charged after they were moved, in [pieces](ByteRate::piece) that are small against the rate, so no pause is long: nobody takes it for silence.

mod pace;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

pub use pace::{Pace, Paces, is_held, poll};

/// The least and the most bytes that are moved before it is looked whether more may be moved. Below a page the system calls would cost more than the bytes; above, nothing is
/// gained.
const PIECE: (u64, u64) = (4 * 1024, 1024 * 1024);
/// So many pieces are moved in a second.
const PIECES_A_SECOND: u64 = 16;
const NANOS: u64 = 1_000_000_000;

/// How many bytes in a second, and how many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRate {
    rate: u64,
    burst: u64,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Up,
    /// To the client.
    Down,
}

/// What was moved of late, as the time in nanoseconds at which the rate would have allowed all of it.
#[derive(Debug, Default)]
pub struct Bucket(AtomicU64);

impl ByteRate {
    /// So many bytes in a second, and so many at once after a pause; both above 0.
    pub fn new(rate: u64, burst: u64) -> Self {
        Self { rate: rate.max(1), burst: burst.max(1) }
    }

    /// How many bytes are moved at a time.
    pub fn piece(self) -> usize {
        // in the bounds of any `usize`
        (self.rate / PIECES_A_SECOND).clamp(PIECE.0, PIECE.1) as usize
    }

    /// The time that so many bytes take at this rate, in nanoseconds.
    fn takes(self, bytes: u64) -> u64 {
        let nanos = u128::from(bytes) * u128::from(NANOS) / u128::from(self.rate);
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

impl Bucket {
    /// A bucket that was [kept](Self::kept).
    pub fn new(kept: u64) -> Self {
        Self(AtomicU64::new(kept))
    }

    /// What has to be kept of it when it is not needed any more, so that who comes again has not a new burst.
    pub fn kept(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// So many bytes were moved, at `now` since any one moment. Returns how long nothing more may be moved.
    pub fn charge(&self, rate: ByteRate, bytes: u64, now: Duration) -> Duration {
        let (now, takes) = (nanos(now), rate.takes(bytes));
        let next = |full: u64| Some(full.max(now).saturating_add(takes));
        let before = self.0.fetch_update(Relaxed, Relaxed, next).unwrap_or_else(|full| full);
        wait(rate, before.max(now).saturating_add(takes), now)
    }

    /// How long nothing may be moved from `now` on.
    pub fn wait(&self, rate: ByteRate, now: Duration) -> Duration {
        wait(rate, self.0.load(Relaxed), nanos(now))
    }
}

fn wait(rate: ByteRate, full: u64, now: u64) -> Duration {
    Duration::from_nanos(full.saturating_sub(now).saturating_sub(rate.takes(rate.burst)))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_is_free_and_what_follows_takes_its_time() {
        let (bucket, rate) = (Bucket::default(), ByteRate::new(1_000, 500));
        let at = Duration::from_millis;
        assert_eq!(bucket.charge(rate, 500, at(10_000)), Duration::ZERO);
        assert_eq!(bucket.charge(rate, 250, at(10_000)), at(250));
        assert_eq!(bucket.wait(rate, at(10_100)), at(150));
        assert_eq!(bucket.charge(rate, 100, at(10_250)), at(100));
        assert_eq!(
            bucket.charge(rate, 500, at(60_000)),
            Duration::ZERO,
            "the burst is whole again, and no more than one"
        );
        assert_eq!(Bucket::new(bucket.kept()).wait(rate, at(60_000)), Duration::ZERO);
        assert_eq!(Bucket::new(bucket.kept()).charge(rate, 1, at(60_000)), at(1), "what was kept goes on");
    }

    #[test]
    fn pieces_are_small_against_the_rate_and_within_bounds() {
        let piece = |rate| ByteRate::new(rate, rate).piece();
        assert_eq!([piece(1), piece(160_000), piece(u64::MAX)], [4_096, 10_000, 1 << 20]);
    }

    proptest! {
        /// Several connections move pieces as soon as they may, and wake up late: together they are at the rate, but for the burst and a piece of each.
        #[test]
        fn connections_together_keep_to_the_rate(
            rate in 2_000_u64..200_000_000,
            connections in 1_usize..9,
            late in prop::collection::vec(0_u64..40, 64),
        ) {
            let (bucket, byte_rate) = (Bucket::default(), ByteRate::new(rate, rate / 4 + 1));
            let piece = byte_rate.piece() as u64;
            let mut due = vec![0_u64; connections];
            let (mut moved, mut turns) = (0, 0);
            let end = 20_000;
            loop {
                let next = (0..connections).min_by_key(|at| due[*at]).unwrap();
                let now = due[next];
                if now >= end {
                    break;
                }
                let wait = bucket.charge(byte_rate, piece, Duration::from_millis(now));
                moved += piece;
                turns += 1;
                // who need not wait goes on at once
                let late = if wait.is_zero() { 0 } else { 1 + late[turns % late.len()] };
                due[next] = now + u64::try_from(wait.as_millis()).unwrap() + late;
            }
            let most = rate * end / 1_000 + rate / 4 + 1 + piece * (connections as u64 + 1);
            prop_assert!(moved <= most, "{moved} of {most}");
            // small rates have larger pieces than they should
            if piece * PIECES_A_SECOND <= rate {
                let least = (rate * end / 1_000) * 9 / 10;
                prop_assert!(moved >= least, "{moved} of {least}");
            }
        }
    }
}
