//! Times as files have them: RFC 3339, a date and a time of the day, or a number since 1970.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// A time since 1970; `None` = it is none, or lies before.
///
/// A date without a zone is of UTC. A number is of seconds; one that would then lie beyond the year 5138 is of milliseconds, beyond that of
/// microseconds, and so on.
pub(super) fn read(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return since_1970(text, number);
    }
    let zoned = text.parse::<Timestamp>().ok();
    let time = zoned.or_else(|| Offset::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok())?;
    u64::try_from(time.as_millisecond()).ok().map(Duration::from_millis)
}

/// `number` is what `text` says, which has more digits than an f64.
fn since_1970(text: &str, number: f64) -> Option<Duration> {
    if !(0.0..1e20).contains(&number) {
        return None;
    }
    if let (true, Ok(whole)) = (number >= 1e11, text.parse::<u64>()) {
        return Some(match whole {
            0..100_000_000_000_000 => Duration::from_millis(whole),
            100_000_000_000_000..100_000_000_000_000_000 => Duration::from_micros(whole),
            _ => Duration::from_nanos(whole),
        });
    }
    // to the millisecond: no sample is more exact
    let millis = if number < 1e11 { number * 1e3 } else { number }.round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within both bounds")]
    (millis < 1e14).then_some(Duration::from_millis(millis as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_moment_is_read_however_it_is_written() {
        for text in [
            "2024-02-29T12:34:56Z",
            "2024-02-29T13:34:56+01:00",
            "2024-02-29 12:34:56Z",
            "2024-02-29 12:34:56",
            "2024-02-29T12:34:56",
            "1709210096",
            "1709210096.0",
            "1709210096000",
            "1709210096000000",
            "1709210096000000000",
            " 1709210096 ",
        ] {
            assert_eq!(read(text), Some(Duration::from_secs(1_709_210_096)), "{text}");
        }
        assert_eq!(read("2024-02-29 12:34:56.789"), Some(Duration::from_millis(1_709_210_096_789)));
        assert_eq!(read("1709210096.789"), Some(Duration::from_millis(1_709_210_096_789)));
        assert_eq!(read("0"), Some(Duration::ZERO));
        assert_eq!(read("2024-02-29 12:34"), read("2024-02-29 12:34:00"));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "noon", "2024-02-30 12:00:00", "12:34:56", "-5", "1960-01-01T00:00:00Z", "nan", "inf", "1e30"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
