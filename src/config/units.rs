//! Durations (`"250ms"`) and sizes (`"64KiB"`) as they are written in the file.

mod meant;

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How a duration is written; completes the sentence "expected ...".
pub(super) const DURATION: &str = "a duration: a whole number and one of ms, s, m, h, d, such as \"30s\"";
/// How a size is written; completes the sentence "expected ...".
pub(super) const SIZE: &str = "a size: a whole number and one of B, KiB, MiB, GiB, TiB, such as \"64KiB\"";

/// How `latency_factor` is written; completes the sentence "expected ...".
pub(super) const LATENCY_FACTOR: &str = "\"auto\", or a number from 0 to 1000 such as 3.0; 0 = off";
/// The word of `latency_factor`.
pub(super) const AUTO: &str = "auto";

/// The units of a duration, longest first, in milliseconds.
const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The units of a size, largest first, in bytes.
const SIZE_UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// The longest duration taken, so that adding one to the clock can never overflow: ten years.
const LONGEST_MS: u64 = 3_650 * 86_400_000;

/// The largest size taken: what TOML and JSON integers both hold.
const LARGEST: u64 = i64::MAX as u64;

/// A duration as it is written: a whole number and a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeSpan(pub(super) Duration);

/// A number of bytes as it is written: a whole number and a unit, or a bare integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

/// `latency_factor`: "auto" or a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum LatencyFactor {
    Auto,
    Times(f64),
}

/// Why a number with a unit can't be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UnitError {
    /// Not a whole number followed by one of the units; with what was probably meant.
    Form(Option<String>),
    /// Above the largest value taken.
    TooLarge,
}

impl TimeSpan {
    pub(super) const fn ms(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    pub(super) const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    pub(super) const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    pub(super) fn parse(text: &str) -> Result<Self, UnitError> {
        number_with_unit(text, &DURATION_UNITS, LONGEST_MS, meant::duration).map(Self::ms)
    }
}

/// What is to be said of a duration that can't be read, and for which nothing is suggested.
pub(super) fn why_no_duration(text: &str) -> Option<&'static str> {
    meant::why_no_duration(text)
}

impl Size {
    pub(super) fn parse(text: &str) -> Result<Self, UnitError> {
        number_with_unit(text, &SIZE_UNITS, LARGEST, meant::size).map(Self)
    }
}

/// `meant` says what was probably meant by a text that is not of this form.
fn number_with_unit(
    text: &str,
    units: &[(&'static str, u64)],
    largest: u64,
    meant: impl Fn(&str) -> Option<String>,
) -> Result<u64, UnitError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit && !number.is_empty()) else {
        return Err(UnitError::Form(meant(text)));
    };
    match number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor)) {
        Some(value) if value <= largest => Ok(value),
        _ => Err(UnitError::TooLarge),
    }
}

/// The largest unit in which it is a whole number.
fn written(value: u64, units: &[(&str, u64)]) -> Option<String> {
    let (unit, factor) = units.iter().find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor))?;
    Some(format!("{}{unit}", value / factor))
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        serializer.serialize_str(&written(ms, &DURATION_UNITS).unwrap_or_else(|| "0s".to_owned()))
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|_| de::Error::custom(DURATION))
    }
}

impl JsonSchema for TimeSpan {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A whole number and one of ms, s, m, h, d.",
            "pattern": "^([0-9]+(ms|s|m|h|d)|.*\\$\\{.*)$",
            "x-syntax": "duration"
        })
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match written(self.0, &SIZE_UNITS) {
            Some(text) => serializer.serialize_str(&text),
            None => serializer.serialize_u64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Bytes(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Bytes(bytes) => Ok(Self(bytes)),
            Written::Text(text) => Self::parse(&text).map_err(|_| de::Error::custom(SIZE)),
        }
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "description": "A whole number and one of B, KiB, MiB, GiB, TiB; or a bare number of bytes.",
            "pattern": "^([0-9]+(B|KiB|MiB|GiB|TiB)|.*\\$\\{.*)$",
            "minimum": 0,
            "x-syntax": "size"
        })
    }
}

impl Serialize for LatencyFactor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str(AUTO),
            Self::Times(factor) => serializer.serialize_f64(*factor),
        }
    }
}

impl<'de> Deserialize<'de> for LatencyFactor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Times(f64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Times(factor) => Ok(Self::Times(factor)),
            Written::Text(text) if text == AUTO => Ok(Self::Auto),
            Written::Text(_) => Err(de::Error::custom(LATENCY_FACTOR)),
        }
    }
}

impl JsonSchema for LatencyFactor {
    fn schema_name() -> Cow<'static, str> {
        "LatencyFactor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "description": "\"auto\", or a number.",
            "pattern": "^(auto|.*\\$\\{.*)$",
            "minimum": 0.0,
            "maximum": 1000.0,
            "x-syntax": "latency-factor"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, ms) in [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), ("30d", 2_592_000_000)]
        {
            assert_eq!(TimeSpan::parse(text), Ok(TimeSpan::ms(ms)), "{text}");
        }
    }

    #[test]
    fn what_was_meant_is_suggested() {
        for (text, meant) in [
            ("5 seconds", Some("5s")),
            ("5S", Some("5s")),
            ("2min", Some("2m")),
            ("5", Some("5s")),
            ("1m30s", Some("90s")),
            ("1h 30m", Some("90m")),
            ("1m30", Some("90s")),
            ("1h30", Some("90m")),
            ("1h 30 min", Some("90m")),
            ("1.5s", Some("1500ms")),
            ("1,5 s", Some("1500ms")),
            (".5s", Some("500ms")),
            ("0.5", Some("500ms")),
            ("2ss", Some("2s")),
            ("5 sec", Some("5s")),
            ("5seconds", Some("5s")),
            ("5 secnds", Some("5s")),
            ("5s;", Some("5s")),
            ("PT30S", Some("30s")),
            ("2 weeks", Some("14d")),
            ("500us", None),
            ("1.0001s", None),
            ("5x", None),
            ("9999999999d9999999999d", None),
            ("", None),
            ("-1s", None),
        ] {
            assert_eq!(TimeSpan::parse(text), Err(UnitError::Form(meant.map(str::to_owned))), "{text}");
        }
        for (text, meant) in [
            ("64kb", Some("64KiB")),
            ("10M", Some("10MiB")),
            ("10 MB", Some("10MiB")),
            ("64 KiB", Some("64KiB")),
            ("1.5MiB", Some("1536KiB")),
            ("10 bytes", Some("10B")),
            ("10Mbit", None),
            ("10", Some("10B")),
            ("7x", None),
        ] {
            assert_eq!(Size::parse(text), Err(UnitError::Form(meant.map(str::to_owned))), "{text}");
        }
    }

    #[test]
    fn what_would_overflow_is_too_large() {
        assert_eq!(TimeSpan::parse("99999999d"), Err(UnitError::TooLarge));
        assert_eq!(TimeSpan::parse("99999999999999999999999s"), Err(UnitError::TooLarge));
        assert_eq!(Size::parse("16777216TiB"), Err(UnitError::TooLarge));
    }

    #[test]
    fn they_are_written_as_they_were_read() {
        for text in ["250ms", "90s", "5m", "36h", "30d", "0s"] {
            assert_eq!(serde_json::to_value(TimeSpan::parse(text).unwrap()).unwrap(), text);
        }
        for text in ["64KiB", "10MiB", "1000B"] {
            assert_eq!(serde_json::to_value(Size::parse(text).unwrap()).unwrap(), text);
        }
        assert_eq!(serde_json::to_value(Size(0)).unwrap(), 0);
    }
}
