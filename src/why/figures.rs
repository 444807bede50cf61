//! Figures in words.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// A time span to the second, such as "4 s", "2 min 5 s", "3 h 10 min", "2 d 1 h"; below ten seconds with a tenth.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        ..10 if time.subsec_millis() >= 50 => format!("{:.1} s", time.as_secs_f64()),
        ..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    }
}

fn two(large: u64, unit: &str, small: u64, part: &str) -> String {
    if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {part}") }
}

/// A time of the wall's clock to the second, in UTC, with its date: "2026-11-27 14:02:11 UTC".
pub fn clock(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or_default().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A number of things: "1 failure", "3 failures".
pub fn count(number: impl Into<u64>, what: &str) -> String {
    let number = number.into();
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_at_most_two_units() {
        let spans = [0, 400, 4_000, 9_960, 12_700, 125_000, 3_600_000, 11_400_000, 176_400_000];
        let said: Vec<_> = spans.into_iter().map(|millis| span(Duration::from_millis(millis))).collect();
        assert_eq!(said, ["0 s", "0.4 s", "4 s", "10.0 s", "12 s", "2 min 5 s", "1 h", "3 h 10 min", "2 d 1 h"]);
    }

    #[test]
    fn a_time_has_its_date_and_says_that_it_is_utc() {
        assert_eq!(clock(SystemTime::UNIX_EPOCH), "1970-01-01 00:00:00 UTC");
        assert_eq!([count(1_u32, "failure"), count(0_u32, "failure")], ["1 failure", "0 failures"]);
    }
}
