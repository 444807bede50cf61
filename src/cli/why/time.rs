//! Times of the past, as people write them.

use std::time::SystemTime;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::clock::{parse_duration, parse_rfc3339};

/// Reads `14:02`, `14:02:30`, `-10m`, `-2d` or a time as RFC 3339 has it. A time without a date is the last one that there was in this zone.
///
/// # Errors
///
/// A sentence that says what can be written.
pub(super) fn parse(text: &str, now: SystemTime, zone: &TimeZone) -> Result<SystemTime, String> {
    let ago = || now.checked_sub(parse_duration(text.strip_prefix('-')?)?);
    let found = parse_rfc3339(text).or_else(ago).or_else(|| of_day(text, now, zone));
    found.ok_or_else(|| {
        format!("--at {text}: a time such as 14:02, 14:02:30, -10m (ten minutes ago), -2d or 2026-11-27T14:02:00Z")
    })
}

/// The last time that a clock in this zone has shown this.
fn of_day(text: &str, now: SystemTime, zone: &TimeZone) -> Option<SystemTime> {
    let shape = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte }).collect::<Vec<_>>();
    let format = match &shape[..] {
        b"00:00" | b"0:00" => "%H:%M",
        b"00:00:00" | b"0:00:00" => "%H:%M:%S",
        _ => return None,
    };
    let time = Time::strptime(format, text).ok()?;
    let now = Timestamp::try_from(now).ok()?.to_zoned_datetime(zone.clone());
    let on = |date: Date| date.to_datetime(time).to_zoned_datetime(zone.clone()).ok();
    let today = on(now.date())?;
    // two clocks that differ by a little do not make it a day
    let soon = now.checked_add(SignedDuration::from_secs(1)).ok()?;
    let last = if today <= soon { today.min(now) } else { on(now.date().yesterday().ok()?)? };
    SystemTime::try_from(last.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::rfc3339;

    fn at(text: &str, zone: &str) -> Result<String, String> {
        let now = parse_rfc3339("2026-11-27T14:30:00Z").unwrap();
        let zone = TimeZone::get(zone).unwrap();
        parse(text, now, &zone).map(rfc3339)
    }

    #[test]
    fn a_time_of_day_is_the_last_one_in_the_zone_of_who_asks() {
        assert_eq!(at("14:02", "UTC").unwrap(), "2026-11-27T14:02:00.000Z");
        assert_eq!(at("14:02:30", "UTC").unwrap(), "2026-11-27T14:02:30.000Z");
        assert_eq!(at("14:31", "UTC").unwrap(), "2026-11-26T14:31:00.000Z", "it has not come today");
        assert_eq!(at("15:02", "Europe/Vienna").unwrap(), "2026-11-27T14:02:00.000Z");
        assert_eq!(at("9:02", "America/New_York").unwrap(), "2026-11-27T14:02:00.000Z");
    }

    #[test]
    fn spans_and_whole_times_are_read_as_well() {
        assert_eq!(at("-10m", "UTC").unwrap(), "2026-11-27T14:20:00.000Z");
        assert_eq!(at("-1h30m", "UTC").unwrap(), "2026-11-27T13:00:00.000Z");
        assert_eq!(at("-2d", "UTC").unwrap(), "2026-11-25T14:30:00.000Z");
        assert_eq!(at("2026-11-27T15:00:00+01:00", "UTC").unwrap(), "2026-11-27T14:00:00.000Z");
        for wrong in ["", "now", "25:00", "14:60", "10m", "-", "14:2", "1402", "-soon"] {
            assert!(at(wrong, "UTC").is_err_and(|why| why.contains("14:02:30")), "{wrong}");
        }
    }
}
