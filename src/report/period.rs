//! The period of a report, as people name it.

use std::ops::Range;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::Offset;

use crate::clock::{Stamp, parse_duration, parse_rfc3339};
use crate::sla::{Unit, Window};

/// The time up to now that a report is about where nothing else was asked for.
pub const LAST: &str = "30d";

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

    /// A month, such as `2026-11`, a quarter, such as `2026-Q4`, or a year, such as `2026`, in UTC.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and what would be right.
    pub fn month(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("month={text}: a month is such as 2026-11, a quarter such as 2026-Q4, and a year such as 2026");
        let (year, part) = match text.split_once('-') {
            Some((year, part)) => (year, Some(part)),
            None => (text, None),
        };
        let is_number = |part: &str, digits| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(year, 4) {
            return Err(wrong());
        }
        let (month, span, label) = match part {
            None => (1, 1.year(), year.to_owned()),
            Some(quarter @ ("Q1" | "Q2" | "Q3" | "Q4" | "q1" | "q2" | "q3" | "q4")) => {
                let number = quarter[1..].parse::<i8>().map_err(|_| wrong())?;
                (number * 3 - 2, 3.months(), format!("quarter {number} of {year}"))
            }
            Some(month) if is_number(month, 2) => (month.parse().map_err(|_| wrong())?, 1.month(), String::new()),
            Some(_) => return Err(wrong()),
        };
        let first = Date::new(year.parse().map_err(|_| wrong())?, month, 1).map_err(|_| wrong())?;
        let label = if label.is_empty() { first.strftime("%B %Y").to_string() } else { label };
        let end = first.checked_add(span).map_err(|_| wrong())?;
        Ok(Self { time: midnight(first).ok_or_else(wrong)?..midnight(end).ok_or_else(wrong)?, label })
    }

    /// The month before the one that it is, in UTC.
    pub fn last_month(now: Stamp) -> Self {
        let (this_month, _) = Window::Calendar(Unit::Month).bounds(now);
        let last_day = this_month.plus(-1);
        let (begin, end) = Window::Calendar(Unit::Month).bounds(last_day);
        let day = last_day.to_string();
        let named = day.get(..7).and_then(|month| Self::month(month).ok());
        named.unwrap_or(Self { time: begin..end, label: "last month".to_owned() })
    }

    /// From a day up to another one, such as `2026-10-15` and `2026-11-14`, both wholly and in UTC; or from a moment up to another one, as RFC 3339 has
    /// them. Without a second one up to now.
    ///
    /// # Errors
    ///
    /// What is wrong with the texts, and what would be right.
    pub fn between(from: &str, to: Option<&str>, now: Stamp) -> Result<Self, String> {
        let begin = edge("from", from)?.0;
        let end = to.map(|to| edge("to", to)).transpose()?.map_or(now, |(begin, end)| end.unwrap_or(begin));
        let label = match to {
            Some(to) if to == from => from.to_owned(),
            Some(to) => format!("{from} to {to}"),
            None => format!("since {from}"),
        };
        match end.since(begin) {
            ..=0 if to.is_none() => Err(format!("from={from}: that is still to come")),
            ..=0 => Err(format!("from={from}, to={}: the end is not after the begin", to.unwrap_or_default())),
            length if length > LONGEST_MS => Err("a period has at most 1825 days: so long is history kept".to_owned()),
            _ => Ok(Self { time: begin..end, label }),
        }
    }

    /// What of these was asked for; `None` = nothing was.
    ///
    /// # Errors
    ///
    /// What is wrong with what was asked for, or that it was more than one thing.
    pub fn asked(asked: &AskedPeriod<'_>, now: Stamp) -> Result<Option<Self>, String> {
        match *asked {
            AskedPeriod { last: None, month: None, last_month: false, from: None, to: None } => Ok(None),
            AskedPeriod { last: Some(last), month: None, last_month: false, from: None, to: None } => {
                Self::last(last, now).map(Some)
            }
            AskedPeriod { last: None, month: Some(month), last_month: false, from: None, to: None } => {
                Self::month(month).map(Some)
            }
            AskedPeriod { last: None, month: None, last_month: true, from: None, to: None } => {
                Ok(Some(Self::last_month(now)))
            }
            AskedPeriod { last: None, month: None, last_month: false, from: Some(from), to } => {
                Self::between(from, to, now).map(Some)
            }
            AskedPeriod { last: None, month: None, last_month: false, from: None, to: Some(to) } => {
                Err(format!("to={to}: since when? say from as well"))
            }
            _ => Err("last, month, last_month, or from and to: one of them, once".to_owned()),
        }
    }
}

/// The ways to name a period, of which one may be taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct AskedPeriod<'a> {
    /// For [`Period::last`].
    pub last: Option<&'a str>,
    /// For [`Period::month`].
    pub month: Option<&'a str>,
    /// For [`Period::last_month`].
    pub last_month: bool,
    /// For [`Period::between`].
    pub from: Option<&'a str>,
    /// The end for [`Period::between`].
    pub to: Option<&'a str>,
}

/// When a day begins, and when it ends; or a moment.
fn edge(name: &str, text: &str) -> Result<(Stamp, Option<Stamp>), String> {
    let wrong =
        || format!("{name}={text}: a day is such as 2026-11-14, and a moment such as 2026-11-14T12:00:00Z (RFC 3339)");
    if let Some(moment) = parse_rfc3339(text) {
        return Ok((Stamp::from(moment), None));
    }
    let is_day = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let day: Date = text.parse().ok().filter(|_| is_day).ok_or_else(wrong)?;
    let next = day.checked_add(1.day()).map_err(|_| wrong())?;
    Ok((midnight(day).ok_or_else(wrong)?, Some(midnight(next).ok_or_else(wrong)?)))
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
        assert_eq!(
            shown(Period::month("2026-Q4")),
            "quarter 4 of 2026 2026-10-01T00:00:00.000Z 2027-01-01T00:00:00.000Z"
        );
        assert_eq!(
            shown(Period::month("2026-q1")),
            "quarter 1 of 2026 2026-01-01T00:00:00.000Z 2026-04-01T00:00:00.000Z"
        );
        for wrong in [
            "2026-Q5",
            "2026-Q0",
            "2026-Q",
            "2026Q4",
            "2026-13",
            "2026-00",
            "26-11",
            "2026-1",
            "November",
            "",
            "2026-11-01",
            "-026",
            "9999",
        ] {
            assert!(Period::month(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_month_before_this_one_is_that_of_the_year_before_in_january() {
        let of = |now: &str| shown(Ok(Period::last_month(parse_rfc3339(now).unwrap().into())));
        let november = "November 2026 2026-11-01T00:00:00.000Z 2026-12-01T00:00:00.000Z";
        assert_eq!([of("2026-12-01T00:00:00Z"), of("2026-12-31T23:59:59Z")], [november, november]);
        assert_eq!(of("2027-01-31T00:05:00Z"), "December 2026 2026-12-01T00:00:00.000Z 2027-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_period_from_a_day_to_a_day_has_both_of_them() {
        let now = parse_rfc3339("2026-11-29T12:00:00Z").unwrap().into();
        let of = |from, to| shown(Period::between(from, to, now));
        assert_eq!(
            of("2026-10-15", Some("2026-11-14")),
            "2026-10-15 to 2026-11-14 2026-10-15T00:00:00.000Z 2026-11-15T00:00:00.000Z"
        );
        assert_eq!(
            of("2026-11-14", Some("2026-11-14")),
            "2026-11-14 2026-11-14T00:00:00.000Z 2026-11-15T00:00:00.000Z"
        );
        assert_eq!(of("2026-11-14", None), "since 2026-11-14 2026-11-14T00:00:00.000Z 2026-11-29T12:00:00.000Z");
        assert_eq!(
            of("2026-11-14T10:00:00Z", Some("2026-11-14T12:00:00+01:00")),
            "2026-11-14T10:00:00Z to 2026-11-14T12:00:00+01:00 2026-11-14T10:00:00.000Z 2026-11-14T11:00:00.000Z"
        );
        for (from, to) in [
            ("2026-11-14", Some("2026-11-13")),
            ("2026-12-14", None),
            ("2026-11-31", None),
            ("yesterday", None),
            ("2026-11", None),
            ("2010-01-01", Some("2026-01-01")),
        ] {
            assert!(Period::between(from, to, now).is_err(), "{from} {to:?}");
        }
    }

    #[test]
    fn a_period_is_named_in_one_way() {
        let now = Stamp::from_millis(100 * DAY_MS);
        let asked = |asked: AskedPeriod<'_>| Period::asked(&asked, now).map(|period| period.map(|period| period.label));
        let none = AskedPeriod::default();
        assert_eq!(asked(none), Ok(None));
        assert_eq!(asked(AskedPeriod { last: Some("2d"), ..none }), Ok(Some("last 2 days".to_owned())));
        assert_eq!(asked(AskedPeriod { last_month: true, ..none }), Ok(Some("March 1970".to_owned())));
        assert!(asked(AskedPeriod { last: Some("2d"), month: Some("1970-02"), ..none }).is_err());
        assert!(asked(AskedPeriod { last_month: true, from: Some("1970-02-01"), ..none }).is_err());
        assert!(asked(AskedPeriod { to: Some("1970-02-01"), ..none }).is_err());
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
