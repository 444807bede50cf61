//! What a service did in the last three days, in buckets that are finer the later they are.

use crate::clock::Stamp;
use crate::sla::tally::Tally;

/// Over how long a burn rate is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lookback {
    /// 5 minutes.
    FiveMinutes,
    /// 30 minutes.
    HalfHour,
    /// 1 hour.
    Hour,
    /// 2 hours.
    TwoHours,
    /// 6 hours.
    SixHours,
    /// 1 day.
    Day,
    /// 3 days.
    ThreeDays,
}

impl Lookback {
    /// All of them, the shortest first.
    pub const ALL: [Self; 7] =
        [Self::FiveMinutes, Self::HalfHour, Self::Hour, Self::TwoHours, Self::SixHours, Self::Day, Self::ThreeDays];

    /// The name in the API, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::HalfHour => "30m",
            Self::Hour => "1h",
            Self::TwoHours => "2h",
            Self::SixHours => "6h",
            Self::Day => "1d",
            Self::ThreeDays => "3d",
        }
    }

    /// How long it is, in milliseconds.
    pub const fn length_ms(self) -> i64 {
        const MINUTE: i64 = 60_000;
        match self {
            Self::FiveMinutes => 5 * MINUTE,
            Self::HalfHour => 30 * MINUTE,
            Self::Hour => 60 * MINUTE,
            Self::TwoHours => 120 * MINUTE,
            Self::SixHours => 360 * MINUTE,
            Self::Day => 1440 * MINUTE,
            Self::ThreeDays => 4320 * MINUTE,
        }
    }
}

/// So many requests that count are the least to speak of a share of failures.
const ENOUGH_REQUESTS: i64 = 3;

/// What counts of a tally, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) up: i64,
    pub(super) down: i64,
    pub(super) bad: i64,
    pub(super) counted: i64,
}

/// The same for the time of one bucket. Its numbers are kept small, since there are 442 of them for each service: a quarter of an hour has room
/// for 2.3 million requests a second.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    up: i32,
    down: i32,
    bad: i32,
    counted: i32,
}

/// Three rings, each of which holds all that happened in its time: 10 seconds a bucket for five minutes, a minute for two hours, a quarter of
/// an hour for three days.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// When the service was down, or a request was bad, for the last time.
    spoilt: Option<Stamp>,
    seconds: Ring,
    minutes: Ring,
    quarters: Ring,
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            spoilt: None,
            seconds: Ring::new(10_000, Lookback::FiveMinutes),
            minutes: Ring::new(60_000, Lookback::TwoHours),
            quarters: Ring::new(900_000, Lookback::ThreeDays),
        }
    }

    /// What it takes beside itself.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        [&self.seconds, &self.minutes, &self.quarters].map(|ring| size_of_val(&*ring.buckets)).iter().sum()
    }

    pub(super) fn add(&mut self, at: Stamp, tally: &Tally) {
        if tally.down > 0 || tally.bad() > 0 {
            self.spoilt = self.spoilt.max(Some(at));
        }
        for ring in [&mut self.seconds, &mut self.minutes, &mut self.quarters] {
            ring.add(at, tally);
        }
    }

    /// Empties the buckets later than that of `now`. What its own bucket holds stays.
    pub(super) fn forget_after(&mut self, now: Stamp) {
        self.spoilt = self.spoilt.map(|at| at.min(now));
        for ring in [&mut self.seconds, &mut self.minutes, &mut self.quarters] {
            ring.forget_after(now);
        }
    }

    /// Whether nothing of the `window` up to `now` was bad. This is so nearly always, and quickly told.
    pub(super) fn is_clean(&self, window: Lookback, now: Stamp) -> bool {
        let kept = window.length_ms() + self.quarters.bucket_ms;
        self.spoilt.is_none_or(|at| now.since(at) > kept)
    }

    /// What happened in `window` up to `now`, and at most a bucket more.
    pub(super) fn over(&self, window: Lookback, now: Stamp) -> Sums {
        let ring = match window {
            Lookback::FiveMinutes => &self.seconds,
            Lookback::HalfHour | Lookback::Hour | Lookback::TwoHours => &self.minutes,
            Lookback::SixHours | Lookback::Day | Lookback::ThreeDays => &self.quarters,
        };
        let mut sums = Sums::default();
        ring.latest(window, now).for_each(|bucket| sums.add(bucket));
        sums
    }

    /// These sums of a window up to `now`; where they hold too few requests to speak of a share of failures, those of a longer time that holds
    /// enough, but not beyond `reach`. With 40 requests a day, this is what tells whether the service still fails.
    pub(super) fn with_requests(&self, sums: Sums, reach: Lookback, now: Stamp) -> Sums {
        if sums.counted >= ENOUGH_REQUESTS {
            return sums;
        }
        let mut sums = Sums::default();
        for bucket in self.quarters.latest(reach, now) {
            sums.add(bucket);
            if sums.counted >= ENOUGH_REQUESTS {
                break;
            }
        }
        sums
    }
}

impl Sums {
    fn add(&mut self, bucket: &Bucket) {
        self.up += i64::from(bucket.up);
        self.down += i64::from(bucket.down);
        self.bad += i64::from(bucket.bad);
        self.counted += i64::from(bucket.counted);
    }
}

impl Bucket {
    fn add(&mut self, tally: &Tally) {
        for (sum, more) in [
            (&mut self.up, tally.up),
            (&mut self.down, tally.down),
            (&mut self.bad, tally.bad()),
            (&mut self.counted, tally.counted()),
        ] {
            let added = i64::from(*sum).saturating_add(more).clamp(i32::MIN.into(), i32::MAX.into());
            *sum = added as i32;
        }
    }
}

/// The buckets of the latest time. The bucket of a time is found by its number since 1970, so that the order of what is added does not matter.
#[derive(Debug, Clone)]
struct Ring {
    bucket_ms: i64,
    buckets: Box<[Bucket]>,
    /// The number of the latest bucket that was used.
    latest: i64,
}

impl Ring {
    /// One that holds the bucket of now and as many before as `span` takes.
    fn new(bucket_ms: i64, span: Lookback) -> Self {
        let count = usize::try_from(span.length_ms() / bucket_ms).unwrap_or(0) + 1;
        Self { bucket_ms, buckets: vec![Bucket::default(); count].into(), latest: i64::MIN / 2 }
    }

    /// The number of the bucket for time that ends at `at`: a second that ends on the full minute is part of the minute before.
    fn number(&self, at: Stamp) -> i64 {
        at.as_millis().saturating_sub(1).div_euclid(self.bucket_ms)
    }

    fn slot(&self, number: i64) -> usize {
        number.rem_euclid(self.len()) as usize
    }

    fn len(&self) -> i64 {
        self.buckets.len() as i64
    }

    fn add(&mut self, at: Stamp, tally: &Tally) {
        let number = self.number(at);
        self.clear(self.latest + 1, number);
        self.latest = self.latest.max(number);
        if number > self.latest - self.len() {
            let slot = self.slot(number);
            self.buckets[slot].add(tally);
        }
    }

    fn forget_after(&mut self, now: Stamp) {
        let number = self.number(now);
        self.clear(number + 1, self.latest);
        self.latest = self.latest.min(number);
    }

    /// Empties the buckets from one number to another, both included; nothing where `from` is above `to`.
    fn clear(&mut self, from: i64, to: i64) {
        if to - from >= self.len() {
            self.buckets.fill(Bucket::default());
            return;
        }
        for number in from..=to {
            let slot = self.slot(number);
            self.buckets[slot] = Bucket::default();
        }
    }

    /// The buckets of `window` up to `now`, the latest first. What lies later than `now` is left out.
    fn latest(&self, window: Lookback, now: Stamp) -> impl Iterator<Item = &Bucket> {
        let now = self.number(now);
        let oldest = (now - window.length_ms() / self.bucket_ms).max(self.latest - self.len() + 1);
        let latest = now.min(self.latest);
        // at most the whole ring, from somewhere to its end and from its begin on
        let (first, last) = match (self.slot(oldest), self.slot(latest)) {
            _ if latest < oldest => (&[][..], &[][..]),
            (from, to) if from <= to => (&self.buckets[from..=to], &[][..]),
            (from, to) => (&self.buckets[from..], &self.buckets[..=to]),
        };
        last.iter().rev().chain(first.iter().rev())
    }
}
