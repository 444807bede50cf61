//! Keys and headers that are there twice.

use super::super::schema;

/// What to do about a key or a header in `line` that is there before; `before` is what stands above it.
pub(super) fn help(before: &str, line: &str) -> Option<String> {
    let code = line.split('#').next().unwrap_or_default().trim();
    if !code.starts_with('[') {
        let key = code.split('=').next()?.trim();
        let is_same = |line: &str| line.split_once('=').is_some_and(|(other, _)| other.trim() == key);
        let first = before.lines().enumerate().filter(|(_, line)| is_same(line)).last();
        return Some(match first {
            Some((number, _)) => format!("`{key}` is in line {} already: keep one of the two", number + 1),
            None => format!("`{key}` is there already: keep one of the two"),
        });
    }
    let name =
        |header: &str| header.split('#').next().unwrap_or_default().trim().trim_matches(['[', ']']).trim().to_owned();
    let section = name(code);
    let is_same = |line: &str| line.trim_start().starts_with('[') && name(line) == section;
    let first = before.lines().position(is_same).map(|number| format!(" (the first one is in line {})", number + 1));
    let first = first.unwrap_or_default();
    Some(match is_listed(&section) {
        true => format!("write [[{section}]] for each one, with two brackets{first}"),
        false => format!("there is one section [{section}]{first}: write all its keys there"),
    })
}

/// Whether a section is an array of tables.
fn is_listed(section: &str) -> bool {
    let mut rules = schema::rules();
    for key in section.split('.') {
        let table = rules.items.as_deref().unwrap_or(rules);
        let below = table.properties.as_ref().and_then(|known| known.get(key)).or(table.values.as_deref());
        match below {
            Some(below) => rules = below,
            None => return false,
        }
    }
    rules.items.is_some()
}
