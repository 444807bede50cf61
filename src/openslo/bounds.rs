//! What `proxy.toml` takes of a promise, so that it takes what an import writes.

use std::time::Duration;

use toml::Value;

use super::duration;
use crate::clock::parse_rfc3339;
use crate::sla::maintenance::Recurring;
use crate::sla::{LONGEST_WINDOW, SHORTEST_WINDOW};

/// The shortest time that `proxy.toml` can write.
pub const SHORTEST: Duration = Duration::from_millis(1);

/// The nearest length that a rolling window may have.
pub fn window(length: Duration) -> Duration {
    length.clamp(SHORTEST_WINDOW, LONGEST_WINDOW.min(duration::LONGEST))
}

/// Whether a service can be called that.
pub fn is_name(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !matches!(text, "" | "." | "..") && text.bytes().all(is_good)
}

/// Whether this is a planned time as it stands in `proxy.toml`, or the text of one that recurs.
pub fn is_maintenance(text: &str) -> bool {
    let table: Option<toml::Table> = toml::from_str(&format!("window = {text}")).ok();
    let Some(Value::Table(window)) =
        table.filter(|table| table.len() == 1).and_then(|mut table| table.remove("window"))
    else {
        return Recurring::parse(text).is_ok();
    };
    let value = |key: &str| window.get(key).and_then(Value::as_str);
    match (value("every"), value("from"), value("to")) {
        (Some(every), None, None) => window.len() == 1 && Recurring::parse(every).is_ok(),
        (None, Some(from), Some(to)) => {
            let (from, to) = (parse_rfc3339(from), parse_rfc3339(to));
            window.len() == 2 && from.zip(to).is_some_and(|(from, to)| from < to)
        }
        _ => false,
    }
}
