//! What was probably meant by a duration or a size that can't be read: units of other programs, several parts, decimals.

use super::{DURATION_UNITS, LARGEST, LONGEST_MS, SIZE_UNITS, written};
use crate::spelling::nearest;

/// The long names of units of time, and what they are called here. A number without a unit is of seconds nearly everywhere.
const LONG_NAMES: [(&str, &str); 24] = [
    ("", "s"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hr", "h"),
    ("hrs", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("msec", "ms"),
    ("msecs", "ms"),
    ("milli", "ms"),
    ("millis", "ms"),
    ("millisec", "ms"),
    ("millisecond", "ms"),
    ("milliseconds", "ms"),
    ("w", "w"),
    ("weeks", "w"),
];

/// Seven days: a unit that there is none of.
const WEEK_MS: u64 = 7 * 86_400_000;

/// What is smaller than the smallest unit.
const TOO_FINE: [&str; 8] = ["us", "µs", "μs", "ns", "usec", "nsec", "microseconds", "nanoseconds"];

/// A shorter misspelt name may be any unit.
const LEAST_LETTERS: usize = 4;

/// One part of a text such as "1h 30m": its number, digits behind the point apart, and the word behind it.
struct Part<'t> {
    whole: &'t str,
    fraction: &'t str,
    unit: &'t str,
}

/// The duration that was probably meant.
pub(super) fn duration(text: &str) -> Option<String> {
    let text = bare(text);
    let parts = parts(text.strip_prefix("PT").unwrap_or(text))?;
    if let [Part { whole, fraction: "", unit }] = parts[..]
        && let Some((unit, _)) = time_unit(unit).filter(|(unit, _)| *unit != "w")
    {
        return Some(format!("{whole}{unit}"));
    }
    let (mut total, mut before) = (0_u64, None);
    for part in &parts {
        let (_, factor) = match (part.unit, before) {
            // of "1h30" the rest is of the next smaller unit
            ("", Some(unit)) => smaller(unit)?,
            (unit, _) => time_unit(unit)?,
        };
        total = total.checked_add(value(part, factor)?)?;
        before = Some(factor);
    }
    written(total, &DURATION_UNITS).filter(|_| total <= LONGEST_MS)
}

/// The size that was probably meant.
pub(super) fn size(text: &str) -> Option<String> {
    let parts = parts(bare(text))?;
    let [part] = &parts[..] else { return None };
    let (unit, factor) = size_unit(part.unit)?;
    if part.fraction.is_empty() {
        return Some(format!("{}{unit}", part.whole));
    }
    let bytes = value(part, factor)?;
    written(bytes, &SIZE_UNITS).filter(|_| bytes <= LARGEST)
}

/// What is to be said of a duration that nothing is suggested for.
pub(super) fn why_no_duration(text: &str) -> Option<&'static str> {
    let lower = bare(text).to_lowercase();
    let unit = lower.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | ' '));
    if TOO_FINE.contains(&unit) {
        return Some("the smallest unit is ms: \"1ms\"");
    }
    lower.starts_with('-').then_some("a duration can't be negative")
}

/// Without what stands around it.
fn bare(text: &str) -> &str {
    text.trim().trim_end_matches(['.', ',', ';'])
}

/// The numbers of a text with their units; `None` = it is something else.
fn parts(text: &str) -> Option<Vec<Part<'_>>> {
    let (mut rest, mut parts) = (text, Vec::new());
    while !rest.is_empty() {
        let (whole, behind) = split_at(rest, |c| c.is_ascii_digit());
        let (fraction, behind) = match behind.strip_prefix(['.', ',']) {
            Some(behind) => split_at(behind, |c| c.is_ascii_digit()),
            None => ("", behind),
        };
        let (unit, behind) = split_at(behind.trim_start(), char::is_alphabetic);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        parts.push(Part { whole, fraction, unit });
        rest = behind.trim_start();
    }
    (!parts.is_empty()).then_some(parts)
}

fn split_at(text: &str, is_part: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

/// The value of a part in the smallest unit, where it is a whole one.
fn value(part: &Part<'_>, factor: u64) -> Option<u64> {
    let whole = if part.whole.is_empty() { 0 } else { part.whole.parse::<u64>().ok()? };
    let scale = 10_u64.checked_pow(u32::try_from(part.fraction.len()).ok()?)?;
    let fraction = if part.fraction.is_empty() { 0 } else { part.fraction.parse::<u64>().ok()?.checked_mul(factor)? };
    let fraction = fraction.is_multiple_of(scale).then(|| fraction / scale)?;
    whole.checked_mul(factor)?.checked_add(fraction)
}

fn known(name: &str) -> Option<(&'static str, u64)> {
    match name {
        "w" => Some(("w", WEEK_MS)),
        name => DURATION_UNITS.iter().copied().find(|(unit, _)| *unit == name),
    }
}

/// The unit of time that is called so.
fn time_unit(name: &str) -> Option<(&'static str, u64)> {
    let name = name.to_ascii_lowercase();
    let long = |name: &str| LONG_NAMES.iter().find(|(long, _)| *long == name).and_then(|(_, unit)| known(unit));
    // a letter that was typed twice
    let once = || name.strip_suffix(|last: char| name.starts_with(last) && name.len() == 2).and_then(known);
    let misspelt =
        || nearest(&name, LONG_NAMES.iter().map(|(long, _)| *long).filter(|long| long.len() >= LEAST_LETTERS));
    known(&name)
        .or_else(|| long(&name))
        .or_else(once)
        .or_else(|| misspelt().filter(|_| name.len() >= LEAST_LETTERS).and_then(long))
}

/// The next unit below the one of so many milliseconds.
fn smaller(factor: u64) -> Option<(&'static str, u64)> {
    DURATION_UNITS.iter().copied().find(|(unit, below)| *below < factor && *unit != "ms")
}

/// The unit of size that is called so; a number without one is of bytes, and a bit is no byte.
fn size_unit(name: &str) -> Option<(&'static str, u64)> {
    let name = if name.is_empty() { "b".to_owned() } else { name.to_ascii_lowercase() };
    let mut letters = name.chars();
    let (first, rest) = (letters.next()?.to_ascii_uppercase(), letters.as_str());
    let is_unit = matches!(rest, "" | "b" | "i" | "ib" | "bytes" | "byte" | "ytes" | "yte" | "ibi" | "ibytes");
    SIZE_UNITS.iter().copied().find(|(unit, _)| is_unit && unit.starts_with(first))
}
