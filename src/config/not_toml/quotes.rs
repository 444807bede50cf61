//! Quotes that are missing or of the wrong kind in a value.

use toml::de::{DeTable, DeValue};

pub(super) const CLOSED: &str = "a quote is missing";
const OF_ONE_KIND: &str = "a string ends with the quote that it begins with";

/// A longer value is not tried: nobody has typed it.
const LONGEST: usize = 400;

/// The value with one quote changed or added, so that it is TOML, and what was wrong.
pub(super) fn mend(value: &str) -> Option<(String, &'static str)> {
    if value.len() > LONGEST || !value.contains(['"', '\'']) || is_good(value) {
        return None;
    }
    // double quotes are the usual ones
    let changed = || {
        let kinds = [('\'', "\""), ('"', "'")].into_iter();
        kinds.flat_map(|(kind, other)| {
            let boundary = value.match_indices(kind).filter(|(at, _)| is_boundary(value, *at, 1));
            boundary.map(move |(at, _)| [&value[..at], other, &value[at + 1..]].concat())
        })
    };
    let quote = value.find(['"', '\'']).map_or("\"", |at| &value[at..=at]);
    let added = || {
        let places = value.char_indices().map(|(at, _)| at).chain([value.len()]);
        places.filter(|at| is_boundary(value, *at, 0)).map(|at| [&value[..at], quote, &value[at..]].concat())
    };
    let changed = changed().find(|text| is_good(text)).map(|text| (text, OF_ONE_KIND));
    changed.or_else(|| added().find(|text| is_good(text)).map(|text| (text, CLOSED)))
}

/// Whether a string may begin or end at a place, where a quote of this length stands.
fn is_boundary(value: &str, at: usize, length: usize) -> bool {
    let before = value[..at].chars().next_back();
    let behind = value[at + length..].chars().next();
    let ends = behind.is_none_or(|c| matches!(c, ',' | ']' | '}' | ' ' | '\t'));
    ends || before.is_none_or(|c| matches!(c, ',' | '[' | '{' | '=' | ' ' | '\t'))
}

/// Whether a value is TOML, with no string in it that looks as if it were several.
fn is_good(value: &str) -> bool {
    let line = format!("x = {value}");
    !value.contains('\n')
        && DeTable::parse(&line).is_ok_and(|table| table.get_ref().values().all(|value| is_clean(value.get_ref())))
}

fn is_clean(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(text) => {
            let is_several = text.contains(", ") || text.contains(" = ") || text.contains(['"', '\'']);
            text.trim() == &**text && !text.is_empty() && !is_several
        }
        DeValue::Array(items) => items.iter().all(|item| is_clean(item.get_ref())),
        DeValue::Table(table) => table.values().all(|value| is_clean(value.get_ref())),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::mend;

    #[test]
    fn one_quote_is_changed_or_added() {
        for (value, meant) in [
            ("\"a.example'", "\"a.example\""),
            ("'a.example\"", "\"a.example\""),
            ("[\"GET', \"POST\"]", "[\"GET\", \"POST\"]"),
            ("[\"GET, \"POST\"]", "[\"GET\", \"POST\"]"),
            ("[\"GET\", POST\"]", "[\"GET\", \"POST\"]"),
            ("[GET\", \"POST\"]", "[\"GET\", \"POST\"]"),
            ("[\"GET\", \"POST]", "[\"GET\", \"POST\"]"),
            ("[{ a = \"b.pem, c = \"d.pem\" }]", "[{ a = \"b.pem\", c = \"d.pem\" }]"),
            ("{ a = \"b }", "{ a = \"b\" }"),
            ("\"info", "\"info\""),
        ] {
            assert_eq!(mend(value).map(|(text, _)| text).as_deref(), Some(meant), "{value}");
        }
    }

    #[test]
    fn what_is_good_or_can_not_be_guessed_is_left() {
        for value in ["\"a\"", "'it\"s'", "1", "", "\"hello, world", "'it's'"] {
            assert_eq!(mend(value), None, "{value}");
        }
    }
}
