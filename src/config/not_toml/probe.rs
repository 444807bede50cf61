//! Whether a text is TOML: whatever is suggested has been tried.

use toml::de::DeTable;

/// Whether this is a line of TOML.
pub(super) fn is_toml(line: &str) -> bool {
    DeTable::parse(line).is_ok()
}

/// Whether this is a value of TOML, in one line.
pub(super) fn is_value(value: &str) -> bool {
    !value.is_empty() && !value.contains('\n') && is_toml(&format!("x = {value}"))
}
