//! Tables, lists and text in Markdown.

use super::super::phrase;

/// The head of a table.
pub(super) fn header(columns: &[&str]) -> String {
    row(columns.iter().map(|&name| name.to_owned())) + &row(columns.iter().map(|_| "---".to_owned()))
}

/// A row of a table.
pub(super) fn row(cells: impl IntoIterator<Item = String>) -> String {
    format!("| {} |\n", cells.into_iter().collect::<Vec<_>>().join(" | "))
}

/// A list of sentences.
pub(super) fn list(sentences: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let lines: String = sentences.into_iter().map(|line| format!("- {}\n", text(line.as_ref()))).collect();
    lines + "\n"
}

/// Text of others: it must neither end a cell or a line, nor be taken for markup or HTML. `_` stays, because it is no markup within a word.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in phrase::printable(text) {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '\\' | '|' | '`' | '*' | '[' | ']' | '~' | '#' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

/// Text between backticks, where nothing can be escaped.
pub(super) fn code(text: &str) -> String {
    phrase::printable(text).filter(|&c| c != '`').collect()
}
