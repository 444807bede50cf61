//! Moments in whole milliseconds, which fit into an atomic and are cheap to compare.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// Where [`Moment`]s count from.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The moment of [`EPOCH`]. Above zero, so that [`Moment::NEVER`] lies before everything that happens, by more than any window
/// over which something is compared.
const START: u64 = 1 << 40;

/// This reading of the clock, as a time since a moment that is the same in the whole process.
pub fn monotonic(instant: Instant) -> Duration {
    instant.saturating_duration_since(*EPOCH)
}

/// A moment, in milliseconds on the process's monotonic clock. What depends on time takes it as an argument, so that a
/// simulation can run weeks in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// Long before the process started.
    pub const NEVER: Self = Self(0);

    /// Now: one reading of the clock.
    pub fn now() -> Self {
        Self::at(Instant::now())
    }

    /// The moment of an earlier reading of the clock.
    pub fn at(instant: Instant) -> Self {
        let since = instant.saturating_duration_since(*EPOCH).as_millis();
        Self(START.saturating_add(u64::try_from(since).unwrap_or(u64::MAX)))
    }

    /// The moment that [`as_millis`](Self::as_millis) gave as a number.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// As a number, for an atomic.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this; zero when that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This much later.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// A time of the wall's clock in whole milliseconds since 1970-01-01T00:00:00Z (negative before). History is kept in these: they mean the
/// same after a restart and on another machine, which a [`Moment`] does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp(i64);

impl Stamp {
    /// Now, by the wall's clock.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// From the number that [`as_millis`](Self::as_millis) gives.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Milliseconds from `earlier` to this; negative when that is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// So many milliseconds later, or earlier where that is negative.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The last multiple of `millis` (above 0) that is not later than this.
    #[must_use]
    pub const fn floor(self, millis: i64) -> Self {
        Self(self.0.div_euclid(millis) * millis)
    }
}

impl From<SystemTime> for Stamp {
    fn from(time: SystemTime) -> Self {
        Self(Timestamp::try_from(time).unwrap_or_default().as_millisecond())
    }
}

impl From<Stamp> for SystemTime {
    fn from(stamp: Stamp) -> Self {
        let time = Timestamp::from_millisecond(stamp.0).ok().and_then(|time| Self::try_from(time).ok());
        time.unwrap_or(Self::UNIX_EPOCH)
    }
}

/// As RFC 3339 has it, to the millisecond, in UTC.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rfc3339((*self).into()))
    }
}

/// A time of the wall's clock as RFC 3339 has it, to the millisecond, in UTC.
pub fn rfc3339(time: SystemTime) -> String {
    format!("{:.3}", Timestamp::try_from(time).unwrap_or_default())
}

/// Reads what [`rfc3339`] writes, and all else that RFC 3339 allows; `None` = it is no time.
pub fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    text.parse::<Timestamp>().ok().and_then(|time| SystemTime::try_from(time).ok())
}

/// Reads a time span such as `30s`, `1h30m`, `500ms`, `2d` or `1d12h`; a day has 24 hours. `None` = it is none.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let exact = |text: &str| text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    // the library has no days, because those of a calendar differ in length
    let days = text.split_once('d').and_then(|(days, rest)| Some((days.parse::<u32>().ok()?, rest)));
    match days {
        None => exact(text),
        Some((days, rest)) => {
            let rest = if rest.is_empty() { Duration::ZERO } else { exact(rest)? };
            Some(Duration::from_secs(u64::from(days) * 86_400) + rest)
        }
    }
}

/// The time since the machine has started, which goes on while it sleeps and while this process is stopped, and which nobody can set. All
/// processes of the machine read the same.
pub fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
    Duration::new(seconds, nanos)
}

/// Limits how often something is logged while a condition lasts.
#[derive(Debug)]
pub struct Throttle {
    pause: Duration,
    last: Moment,
}

impl Throttle {
    /// Once in `pause`.
    pub const fn new(pause: Duration) -> Self {
        Self { pause, last: Moment::NEVER }
    }

    /// Whether it may be logged now; it counts as logged then.
    pub fn is_due(&mut self, now: Moment) -> bool {
        let due = now.since(self.last) >= self.pause;
        if due {
            self.last = now;
        }
        due
    }
}

/// The same as [`Throttle`], for all threads together.
#[derive(Debug)]
pub struct SharedThrottle {
    pause: Duration,
    last: AtomicU64,
}

impl SharedThrottle {
    /// Once in `pause`.
    pub const fn new(pause: Duration) -> Self {
        Self { pause, last: AtomicU64::new(Moment::NEVER.0) }
    }

    /// Whether it may be logged now; it counts as logged then.
    pub fn is_due(&self, now: Moment) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        // of several threads at a time, only one succeeds
        now.since(Moment(last)) >= self.pause
            && self.last.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_once_in_a_while() {
        let mut seldom = Throttle::new(Duration::from_secs(10));
        let begun = Moment::now();
        let said = (0..1000).filter(|n| seldom.is_due(begun.plus(Duration::from_millis(50 * n)))).count();
        assert_eq!(said, 5, "in 50 seconds");
        let seldom = SharedThrottle::new(Duration::from_secs(10));
        let said = (0..1000).filter(|n| seldom.is_due(begun.plus(Duration::from_millis(50 * n)))).count();
        assert_eq!(said, 5, "by whomever");
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
        let leap = SystemTime::UNIX_EPOCH + Duration::from_millis(1_709_210_096_789);
        assert_eq!(rfc3339(leap), "2024-02-29T12:34:56.789Z");
        assert_eq!(parse_rfc3339("2024-02-29T13:34:56.789+01:00"), Some(leap));
        assert_eq!(parse_rfc3339("tomorrow"), None);
        let spans = ["30s", "1h30m", "500ms", "-3s", "3", "soon"].map(parse_duration);
        let [secs, millis] = [Duration::from_secs, Duration::from_millis];
        assert_eq!(spans, [Some(secs(30)), Some(secs(5400)), Some(millis(500)), None, None, None]);
        let days = ["2d", "1d12h", "0d", "d", "-1d", "1.5d", "2dx", "12h1d", "5 seconds"].map(parse_duration);
        let days_are = [Some(secs(172_800)), Some(secs(129_600)), Some(secs(0)), None, None, None, None, None];
        assert_eq!((&days[..8], days[8]), (&days_are[..], Some(secs(5))));
    }

    #[test]
    fn moments_are_ordered_and_never_wrap() {
        let now = Moment::now();
        assert!(now > Moment::NEVER);
        assert_eq!(now.plus(Duration::from_secs(2)).since(now), Duration::from_secs(2));
        assert_eq!(now.since(now.plus(Duration::from_secs(2))), Duration::ZERO);
        assert!(now.plus(Duration::MAX) > now);
        assert_eq!(Moment::from_millis(now.as_millis()), now);
    }
}
