//! Windows that come back every week, such as `"Sun 02:00-04:00 Europe/Berlin"`.

use std::fmt;

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp, ToSpan};

use crate::clock::Stamp;

/// What a text that can't be read is told to look like.
const EXAMPLE: &str = "such as \"Sun 02:00-04:00 Europe/Berlin\"";

/// The names of the days, as ISO 8601 counts them from Monday.
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Minutes of a day.
const DAY_MINUTES: i64 = 24 * 60;

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// A window that begins at the same time on the same days of every week. Its ends are times of the clocks on the walls of its zone, so on the
/// days on which these are set, it is shorter or longer. A time that is left out that day is taken as much later, and of one that comes twice
/// the first counts (RFC 5545, 3.3.5). A window whose begin is left out comes as much later as a whole, so that it is as long as on other days (the
/// "exact duration" of RFC 5545, 3.8.5.3): else nothing would be left of one that lies in the hour that there is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurring {
    text: String,
    /// On which days it begins, from Monday.
    days: [bool; 7],
    /// Minutes from midnight to its begin.
    begin: i64,
    /// Minutes from the midnight before its begin to its end, which may be on the next day.
    end: i64,
    zone: TimeZone,
}

impl Recurring {
    /// Reads `DAYS HH:MM-HH:MM [ZONE]`. Days are English names or their first three letters, in lists (`Sat,Sun`) and ranges (`Fri-Mon`), or
    /// `daily`; a window that ends at or before the time of its begin ends on the next day; the zone is a name of the IANA's database, and UTC
    /// where there is none. The error is a sentence that says what is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, times, zone) = match words[..] {
            [days, times] => (days, times, "UTC"),
            [days, times, zone] => (days, times, zone),
            _ => return Err(format!("maintenance comes as days, times and a time zone, {EXAMPLE}; this is {text:?}")),
        };
        let days = parse_days(days)?;
        let (begin, end) = parse_times(times)?;
        Ok(Self { text: text.trim().to_owned(), days, begin, end, zone: parse_zone(zone)? })
    }

    /// The windows that may overlap the time from `from` to `to`, in order.
    pub(super) fn occurrences(&self, from: Stamp, to: Stamp) -> Vec<(Stamp, Stamp)> {
        // a window reaches into the next day, and a zone that leaves out a day (Samoa in 2011) moves one by 24 hours
        let first = self.date_of(from).saturating_sub(3.days());
        let last = self.date_of(to).saturating_add(1.day());
        let days = first.series(1.day()).take_while(|day| *day <= last);
        let days = days.filter(|day| self.days[usize::from(day.weekday().to_monday_zero_offset().unsigned_abs())]);
        days.filter_map(|day| self.on(day)).collect()
    }

    /// The window that begins on this day; `None` at the end of all time.
    fn on(&self, day: Date) -> Option<(Stamp, Stamp)> {
        let (begin, is_left_out) = self.stamp(day, self.begin)?;
        let end = match is_left_out {
            true => begin.plus((self.end - self.begin) * MINUTE_MS),
            false => self.stamp(day, self.end)?.0,
        };
        Some((begin, end))
    }

    fn date_of(&self, at: Stamp) -> Date {
        let far = if at.as_millis() < 0 { Timestamp::MIN } else { Timestamp::MAX };
        self.zone.to_datetime(Timestamp::from_millisecond(at.as_millis()).unwrap_or(far)).date()
    }

    /// When the clocks on the walls show so many minutes after the midnight with which `day` begins, and whether they leave out that time; `None` at
    /// the end of all time.
    fn stamp(&self, day: Date, minutes: i64) -> Option<(Stamp, bool)> {
        let days = Span::new().days(minutes / DAY_MINUTES);
        let minute_of_day = minutes % DAY_MINUTES;
        let time = Time::new((minute_of_day / 60) as i8, (minute_of_day % 60) as i8, 0, 0).ok()?;
        let time = self.zone.to_ambiguous_timestamp(day.checked_add(days).ok()?.to_datetime(time));
        let is_left_out = matches!(time.offset(), AmbiguousOffset::Gap { .. });
        Some((Stamp::from_millis(time.compatible().ok()?.as_millisecond()), is_left_out))
    }
}

/// The text that it was read from.
impl fmt::Display for Recurring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_days(text: &str) -> Result<[bool; 7], String> {
    if text.eq_ignore_ascii_case("daily") {
        return Ok([true; 7]);
    }
    let mut days = [false; 7];
    for item in text.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last) = (parse_day(first)?, parse_day(last)?);
        for n in 0..=(last + 7 - first) % 7 {
            days[(first + n) % 7] = true;
        }
    }
    Ok(days)
}

/// The day's number, from Monday.
fn parse_day(text: &str) -> Result<usize, String> {
    let name = text.to_lowercase();
    let day = DAYS.iter().position(|day| *day == name || day[..3] == name);
    day.ok_or_else(|| {
        format!("{text:?} is no day of the week: write \"Mon\" to \"Sun\", lists (\"Sat,Sun\"), ranges (\"Mon-Fri\") or \"daily\"")
    })
}

/// Minutes from midnight to the begin, and from the same midnight to the end.
fn parse_times(text: &str) -> Result<(i64, i64), String> {
    let Some((begin, end)) = text.split_once('-') else {
        return Err(format!("{text:?} is no time from begin to end: write it as \"02:00-04:00\""));
    };
    let (begin, end) = (parse_time(begin)?, parse_time(end)?);
    if begin == DAY_MINUTES {
        return Err(format!("{text:?} begins at 24:00: write 00:00 and the day after"));
    }
    match end {
        _ if begin == end => Err(format!("{text:?} takes no time: write \"00:00-24:00\" for a whole day")),
        _ if end < begin => Ok((begin, end + DAY_MINUTES)),
        _ => Ok((begin, end)),
    }
}

/// Minutes from midnight.
fn parse_time(text: &str) -> Result<i64, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let parts = text.split_once(':').filter(|(hours, minutes)| digits && hours.len() <= 2 && minutes.len() == 2);
    let numbers = parts.and_then(|(hours, minutes)| Some((hours.parse::<i64>().ok()?, minutes.parse::<i64>().ok()?)));
    let minutes = numbers.filter(|(_, minutes)| *minutes < 60).map(|(hours, minutes)| 60 * hours + minutes);
    let minutes = minutes.filter(|minutes| *minutes <= DAY_MINUTES);
    minutes.ok_or_else(|| format!("{text:?} is no time of the day: write it as \"02:00\", from \"00:00\" to \"24:00\""))
}

fn parse_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        let wanted = name.to_lowercase();
        let distance = |known: &str| strsim::osa_distance(&wanted, &known.to_lowercase());
        let known = jiff::tz::db().available().map(|known| known.as_str().to_owned());
        let nearest =
            known.map(|known| (distance(&known), known)).min().filter(|(distance, _)| *distance <= 1 + name.len() / 3);
        let right = nearest.map_or_else(
            || "write one such as \"Europe/Berlin\", or none for UTC".to_owned(),
            |(_, known)| format!("did you mean {known:?}?"),
        );
        format!("{name:?} is no time zone of the IANA's database; {right}")
    })
}
