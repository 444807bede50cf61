//! Durations: as `proxy.toml` has them (`"90s"`, also in annotations), and in OpenSLO's shorthand (`4w`).

use std::time::Duration;

/// The units of `proxy.toml`, longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The longest duration that `proxy.toml` takes: ten years.
pub const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;

/// A duration as `proxy.toml` has it: a whole number of the longest unit that fits. What is below a millisecond is dropped.
pub fn written(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let unit = UNITS.iter().find(|(_, factor)| millis > 0 && millis % factor == 0);
    unit.map_or_else(|| String::from("0s"), |(unit, factor)| format!("{}{unit}", millis / factor))
}

/// Reads what [`written`] writes; `None` = it is no duration, or one above [`LONGEST`].
pub fn parse(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let time = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(*factor)?);
    (time <= LONGEST).then_some(time)
}

/// A duration in OpenSLO's shorthand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shorthand {
    /// How many.
    pub number: u64,
    /// Of what: `m`inutes, `h`ours, `d`ays, `w`eeks, `M`onths, `Q`uarters, `Y`ears.
    pub unit: char,
}

impl Shorthand {
    /// Reads it; `None` = it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let unit = text.chars().last().filter(|unit| "mhdwMQY".contains(*unit))?;
        let number = text.strip_suffix(unit)?;
        let plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|number| plain && *number > 0)?;
        Some(Self { number, unit })
    }

    /// A time in whole minutes, at least one; what is below a minute counts as one.
    pub fn of(time: Duration) -> Self {
        let minutes = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)).div_ceil(MINUTE).max(1);
        let (number, unit) = match minutes {
            minutes if minutes.is_multiple_of(24 * 60) => (minutes / (24 * 60), 'd'),
            minutes if minutes.is_multiple_of(60) => (minutes / 60, 'h'),
            minutes => (minutes, 'm'),
        };
        Self { number, unit }
    }

    /// How long it is, a month being 30 days, a quarter 90 and a year 365.
    pub fn length(self) -> Duration {
        let seconds = match self.unit {
            'm' => MINUTE,
            'h' => 60 * MINUTE,
            'd' => DAY,
            'w' => 7 * DAY,
            'M' => 30 * DAY,
            'Q' => 90 * DAY,
            _ => 365 * DAY,
        };
        Duration::from_secs(self.number.saturating_mul(seconds))
    }

    /// Whether its unit is always as long as [`length`](Self::length) says.
    pub fn is_exact(self) -> bool {
        !"MQY".contains(self.unit)
    }
}

impl std::fmt::Display for Shorthand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.number, self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_in_the_longest_unit_and_read_again() {
        let cases = [(0, "0s"), (500, "500ms"), (60_000, "1m"), (90_000, "90s"), (2_592_000_000, "30d")];
        for (millis, text) in cases {
            let time = Duration::from_millis(millis);
            assert_eq!((written(time).as_str(), parse(text)), (text, Some(time)));
        }
        for text in ["", "s", "5", "-5s", "5 s", "5w", "99999999999999999999d", "3651d"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_shorthand_is_a_positive_number_and_one_letter() {
        let days = |days: u64| Duration::from_secs(days * DAY);
        for (text, time) in
            [("5m", Duration::from_secs(300)), ("4w", days(28)), ("1M", days(30)), ("1Q", days(90)), ("1Y", days(365))]
        {
            let shorthand = Shorthand::parse(text).unwrap();
            assert_eq!((shorthand.length(), shorthand.to_string().as_str()), (time, text));
        }
        for text in ["", "m", "0m", "+1m", "1.5h", "1 d", "1s", "1D", "1é", "99999999999999999999d"] {
            assert_eq!(Shorthand::parse(text), None, "{text:?}");
        }
        let rounded = [0, 1, 60, 61, 3600, 86_400].map(|secs| Shorthand::of(Duration::from_secs(secs)).to_string());
        assert_eq!(rounded, ["1m", "1m", "1m", "2m", "1h", "1d"]);
    }
}
