//! Where in the schema a line stands that is not TOML: below which header, and what its key may be.

use super::super::schema::{self, Rules};
use super::brackets::is_header;

/// The lines of a text, and which of them is meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position<'t> {
    pub(super) lines: &'t [&'t str],
    pub(super) index: usize,
}

impl<'t> Position<'t> {
    /// The rules of a key in this line, where it is known what its section is.
    pub(super) fn rules(self, key: &str) -> Option<&'static Rules> {
        let headers = self.lines[..self.index].iter().rev().map(|line| line.trim()).find(|line| line.starts_with('['));
        let section = match headers {
            Some(header) if is_header(header) => names(header),
            Some(_) => return None,
            None => Vec::new(),
        };
        section.into_iter().chain(key.split('.')).try_fold(schema::rules(), |rules, name| {
            let table = rules.items.as_deref().unwrap_or(rules);
            table.properties.as_ref().and_then(|known| known.get(name)).or(table.values.as_deref())
        })
    }

    /// The lines right below that are further in, but for empty ones.
    pub(super) fn below(self) -> Vec<&'t str> {
        let depth = |line: &str| line.len() - line.trim_start().len();
        let own = depth(self.lines[self.index]);
        let further = self.lines[self.index + 1..].iter().copied().filter(|line| !line.trim().is_empty());
        // elements of a list may stand right below their key
        further.take_while(|line| depth(line) > own || (depth(line) == own && line.trim().starts_with("- "))).collect()
    }
}

/// The names in a header.
fn names(header: &str) -> Vec<&str> {
    let code = header.split('#').next().unwrap_or_default().trim().trim_matches(['[', ']']);
    code.split('.').map(|name| name.trim().trim_matches(['"', '\''])).collect()
}
