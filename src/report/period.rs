//! The period of a report, as people name it.

use std::ops::Range;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::Offset;

use crate::clock::{Stamp, parse_duration};

const DAY_MS: i64 = 86_400_000;
/// The longest that can be asked for: so long is history kept.
const LONGEST_MS: i64 = 1825 * DAY_MS;

/// A stretch of time with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// From when to when. The end may be still to come.
    pub time: Range<Stamp>,
    /// Such as `November 2026` or `last 30 days`.
    pub label: String,
}

impl Period {
    /// The time up to now, such as `30d`, `12h` or `2w`.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and what would be right.
    pub fn last(text: &str, now: Stamp) -> Result<Self, String> {
        let wrong = || format!("last={text}: a time up to now is such as 30d, 12h or 4w, at most 1825d");
        let length = days(text).or_else(|| parse_duration(text).and_then(|time| i64::try_from(time.as_millis()).ok()));
        let length = length.filter(|length| (1..=LONGEST_MS).contains(length)).ok_or_else(wrong)?;
        let label = match (length % DAY_MS, length / DAY_MS) {
            (0, 1) => "last day".to_owned(),
            (0, days) => format!("last {days} days"),
            _ => format!("last {text}"),
        };
        Ok(Self { time: now.plus(-length)..now, label })
    }

    /// A month, such as `2026-11`, or a year, such as `2026`, in UTC.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and what would be right.
    pub fn month(text: &str) -> Result<Self, String> {
        let wrong = || format!("month={text}: a month is such as 2026-11, and a year such as 2026");
        let (year, month) = match text.split_once('-') {
            Some((year, month)) => (year, Some(month)),
            None => (text, None),
        };
        let is_number = |part: &str, digits| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(year, 4) || month.is_some_and(|month| !is_number(month, 2)) {
            return Err(wrong());
        }
        let number = |text: &str| text.parse::<i8>().ok();
        let first = Date::new(year.parse().map_err(|_| wrong())?, month.map_or(Some(1), number).ok_or_else(wrong)?, 1);
        let first = first.map_err(|_| wrong())?;
        let (span, label) = match month {
            Some(_) => (1.month(), first.strftime("%B %Y").to_string()),
            None => (1.year(), year.to_owned()),
        };
        let end = first.checked_add(span).map_err(|_| wrong())?;
        Ok(Self { time: midnight(first).ok_or_else(wrong)?..midnight(end).ok_or_else(wrong)?, label })
    }
}

/// A number of days or weeks, in milliseconds.
fn days(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let days = match unit {
        "d" => 1,
        "w" => 7,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(days * DAY_MS)
}

fn midnight(date: Date) -> Option<Stamp> {
    let time = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
    Some(Stamp::from_millis(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(period: Result<Period, String>) -> String {
        period.map_or_else(|why| why, |period| format!("{} {} {}", period.label, period.time.start, period.time.end))
    }

    #[test]
    fn a_month_and_a_year_are_those_of_the_calendar() {
        assert_eq!(shown(Period::month("2026-11")), "November 2026 2026-11-01T00:00:00.000Z 2026-12-01T00:00:00.000Z");
        assert_eq!(shown(Period::month("2024-02")), "February 2024 2024-02-01T00:00:00.000Z 2024-03-01T00:00:00.000Z");
        assert_eq!(shown(Period::month("2026")), "2026 2026-01-01T00:00:00.000Z 2027-01-01T00:00:00.000Z");
        for wrong in ["2026-13", "2026-00", "26-11", "2026-1", "November", "", "2026-11-01", "-026", "9999"] {
            assert!(Period::month(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_time_up_to_now_is_in_days_weeks_or_less() {
        let now = Stamp::from_millis(100 * DAY_MS);
        let last = |text| Period::last(text, now).map(|period| (now.since(period.time.start), period.label));
        assert_eq!(last("30d"), Ok((30 * DAY_MS, "last 30 days".to_owned())));
        assert_eq!(last("2w"), Ok((14 * DAY_MS, "last 14 days".to_owned())));
        assert_eq!(last("24h"), Ok((DAY_MS, "last day".to_owned())));
        assert_eq!(last("90m"), Ok((5_400_000, "last 90m".to_owned())));
        for wrong in ["", "d", "0d", "-1d", "1826d", "99999999999999999999d", "month", "30", "ä"] {
            assert!(last(wrong).is_err(), "{wrong}");
        }
    }
}
