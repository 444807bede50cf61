//! The layout of a TOML file, as `evenkeel fmt` writes it: only white space between its tokens changes, and the comma behind the last element of a list that
//! stands on several lines.
//!
//! It works on the events of `toml_parser`, by which the `toml` crate reads the file too: strings, numbers, keys and comments are copied as they stand, in
//! their order. `toml_edit`, of the same house, keeps a document that is changed, with white space as strings beside each value; here it is the white space
//! that changes, and nothing else.

mod read;
mod same;
mod write;

use read::{Item, Reader};

pub(super) use same::same;

/// Lays out a text that is TOML.
pub(super) fn format(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    // where the comment behind the last value or header begins
    let mut column = 0;
    for item in spaced(Reader::new(text).items()) {
        match item {
            Item::Blank => {}
            Item::Comment { text, goes_on } => write::comment(&mut out, if goes_on { column } else { 0 }, text),
            Item::Header { header, comment } => column = write::line(&mut out, &header, comment.as_ref()),
            Item::Entry { key, value, comment } => column = write::entry(&mut out, &key, &value, comment.as_ref()),
        }
        out.push('\n');
    }
    out
}

/// Puts one empty line before each header, with the comments that belong to it, and takes out those that are too many: at the ends of the file, between a header
/// and its first key, and where there are several in a row.
fn spaced(items: Vec<Item<'_>>) -> Vec<Item<'_>> {
    let mut out: Vec<Item<'_>> = Vec::with_capacity(items.len() + 16);
    for item in items {
        match item {
            Item::Blank if matches!(out.last(), None | Some(Item::Blank)) => continue,
            Item::Entry { .. } if matches!(out[..], [.., Item::Header { .. }, Item::Blank]) => _ = out.pop(),
            Item::Header { .. } => {
                let at = block_start(&out);
                if at > 0 && !matches!(out[at - 1], Item::Blank) {
                    out.insert(at, Item::Blank);
                }
            }
            _ => {}
        }
        out.push(item);
    }
    while matches!(out.last(), Some(Item::Blank)) {
        out.pop();
    }
    out
}

/// Where the comments begin that stand right above a header and belong to it. Those right below another header, and keys that are commented out, belong to
/// what is above them.
fn block_start(above: &[Item<'_>]) -> usize {
    let is_about = |item: &&Item<'_>| matches!(item, Item::Comment { text, goes_on: false } if !is_key(text));
    let comments = above.iter().rev().take_while(is_about).count();
    let at = above.len() - comments;
    if at > 0 && matches!(above[at - 1], Item::Header { .. }) { above.len() } else { at }
}

/// Whether a comment is a key that is commented out.
fn is_key(comment: &str) -> bool {
    let is_bare = |key: &str| {
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    comment.trim_start_matches('#').split_once('=').is_some_and(|(key, _)| is_bare(key.trim()))
}

#[cfg(test)]
mod tests;
