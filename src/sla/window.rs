//! The stretch of time over which a target is to be met, and how much of it may be lost.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::promise::{Unit, Window};
use crate::clock::Stamp;

impl Window {
    /// The stretch that counts at `now`, from the first to the second (which is no longer part of it). A rolling window ends now; one of the
    /// calendar is the whole unit that holds `now`, in UTC, so it also holds what is still to come.
    pub fn bounds(self, now: Stamp) -> (Stamp, Stamp) {
        match self {
            Self::Rolling(length) => (now.plus(-i64::try_from(length.as_millis()).unwrap_or(i64::MAX)), now),
            Self::Calendar(unit) => {
                let (begin, end) = unit_of(unit, date_of(now));
                (midnight(begin), midnight(end))
            }
        }
    }

    /// Milliseconds of the whole window at `now`: a month has 28 to 31 days.
    pub fn length_ms(self, now: Stamp) -> i64 {
        let (begin, end) = self.bounds(now);
        end.since(begin)
    }
}

/// The first day of the unit that holds `day`, and the first after it.
fn unit_of(unit: Unit, day: Date) -> (Date, Date) {
    let (begin, length) = match unit {
        Unit::Day => (day, 1.day()),
        Unit::Week => (day.saturating_sub(i64::from(day.weekday().to_monday_zero_offset()).days()), 1.week()),
        Unit::Month => (day.first_of_month(), 1.month()),
        Unit::Quarter => (date(day.year(), (day.month() - 1) / 3 * 3 + 1, 1), 3.months()),
        Unit::Year => (day.first_of_year(), 1.year()),
    };
    (begin, begin.saturating_add(length))
}

fn date_of(at: Stamp) -> Date {
    let time = Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    TimeZone::UTC.to_datetime(time).date()
}

fn midnight(day: Date) -> Stamp {
    let time = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or_default();
    Stamp::from_millis(time.as_millisecond())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::parse_rfc3339;
    use crate::sla::budget::allowed_ms;

    fn at(text: &str) -> Stamp {
        parse_rfc3339(text).unwrap().into()
    }

    #[test]
    fn a_rolling_window_ends_now() {
        let window = Window::Rolling(Duration::from_secs(30 * 86_400));
        let now = at("2026-11-27T11:40:00.123Z");
        assert_eq!(window.bounds(now), (at("2026-10-28T11:40:00.123Z"), now));
        assert_eq!(allowed_ms(0.999, window.length_ms(now)), 2_592_000);
        assert_eq!(allowed_ms(0.999_999, window.length_ms(now)), 2_592);
    }

    #[test]
    fn a_unit_of_the_calendar_begins_and_ends_at_midnight_in_utc() {
        for (unit, now, begin, end) in [
            (Unit::Day, "2024-02-29T23:59:59.999Z", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            (Unit::Week, "2026-11-27T11:40:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            (Unit::Week, "2026-11-29T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            (Unit::Week, "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"),
            (Unit::Week, "2027-01-01T00:00:00Z", "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z"),
            (Unit::Month, "2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            (Unit::Month, "2026-12-31T23:59:59.999Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            (Unit::Quarter, "2026-03-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z"),
            (Unit::Quarter, "2026-11-27T00:00:00Z", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            (Unit::Year, "2026-11-27T00:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            (Unit::Day, "1969-12-31T12:00:00Z", "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(Window::Calendar(unit).bounds(at(now)), (at(begin), at(end)), "the {} of {now}", unit.as_str());
        }
    }

    #[test]
    fn months_and_years_have_the_days_that_they_have() {
        let days = |unit, now: &str| Window::Calendar(unit).length_ms(at(now)) / 86_400_000;
        assert_eq!(days(Unit::Month, "2026-02-10T00:00:00Z"), 28);
        assert_eq!(days(Unit::Month, "2028-02-10T00:00:00Z"), 29);
        assert_eq!(days(Unit::Month, "2026-11-27T00:00:00Z"), 30);
        assert_eq!(days(Unit::Month, "2026-12-27T00:00:00Z"), 31);
        assert_eq!([2026, 2028].map(|year| days(Unit::Year, &format!("{year}-05-05T00:00:00Z"))), [365, 366]);
        let february = Window::Calendar(Unit::Month).length_ms(at("2026-02-10T00:00:00Z"));
        assert_eq!(allowed_ms(0.99, february), 24_192_000);
    }

    #[test]
    fn no_time_is_too_far_away_to_be_asked_for() {
        for now in [i64::MIN, i64::MAX] {
            for unit in Unit::ALL {
                assert!(Window::Calendar(unit).length_ms(Stamp::from_millis(now)) >= 0);
            }
        }
        assert!(Window::Rolling(Duration::MAX).bounds(Stamp::from_millis(0)).0 < Stamp::from_millis(0));
    }
}
