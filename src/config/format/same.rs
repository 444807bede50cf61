//! Whether two texts mean the same.

use toml::de::{DeTable, DeValue};

/// Whether both are TOML, and have the same keys with the same values.
pub(in crate::config) fn same(one: &str, other: &str) -> bool {
    match (DeTable::parse(one), DeTable::parse(other)) {
        (Ok(one), Ok(other)) => tables(one.get_ref(), other.get_ref()),
        _ => false,
    }
}

fn tables(one: &DeTable<'_>, other: &DeTable<'_>) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|((key, value), (other_key, other))| {
            key.get_ref() == other_key.get_ref() && values(value.get_ref(), other.get_ref())
        })
}

/// Numbers are compared as they are written, because `nan` is not equal to itself.
fn values(one: &DeValue<'_>, other: &DeValue<'_>) -> bool {
    match (one, other) {
        (DeValue::String(one), DeValue::String(other)) => one == other,
        (DeValue::Integer(one), DeValue::Integer(other)) => {
            (one.as_str(), one.radix()) == (other.as_str(), other.radix())
        }
        (DeValue::Float(one), DeValue::Float(other)) => one.as_str() == other.as_str(),
        (DeValue::Boolean(one), DeValue::Boolean(other)) => one == other,
        (DeValue::Datetime(one), DeValue::Datetime(other)) => one == other,
        (DeValue::Array(one), DeValue::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other.iter()).all(|(one, other)| values(one.get_ref(), other.get_ref()))
        }
        (DeValue::Table(one), DeValue::Table(other)) => tables(one, other),
        _ => false,
    }
}
