//! Mistakes of a text that is not TOML. The parser's messages say what it expected; here it is said what to write.
//!
//! What is wrong first is mended, or taken out, and the rest is read again (`repair`): so a mistake is told once, and what only follows from it is not.

mod brackets;
mod foreign;
mod mend;
mod position;
mod probe;
mod quotes;
mod repair;
mod signs;
mod twice;
mod value;
mod yaml;

use super::code::Code;
use super::mistake::Mistake;
use super::tree::KeyPath;
use repair::{Errors, Repair};

pub(super) use repair::NotToml;

/// A text is read again so many times at most,
const MOST_ROUNDS: usize = 100;
/// and at least, and not more often than this many bytes allow.
const FEWEST_ROUNDS: usize = 2;
const MOST_BYTES: usize = 16 << 20;

/// What is wrong with a text for which the parser has these errors: messages with their places in the text.
pub(super) fn mistakes(text: &str, mut errors: Errors) -> NotToml {
    if errors.is_empty() {
        return NotToml { mistakes: Vec::new(), mended: None };
    }
    if let Some(foreign) = foreign::whole(text) {
        let begin = text.len() - text.trim_start_matches('\u{feff}').trim_start().len();
        let end = text[begin..].find('\n').map_or(text.len(), |at| begin + at);
        let message = format!("this is not TOML: it looks like {}", foreign.what);
        let mistake = Mistake::new(begin..end, &KeyPath::default(), message).code(Code::Syntax).help(foreign.help);
        return NotToml { mistakes: vec![mistake], mended: None };
    }
    let mut repair = Repair::new(text);
    let rounds = (MOST_BYTES / text.len().max(1)).clamp(FEWEST_ROUNDS, MOST_ROUNDS);
    for _ in 0..rounds {
        match repair.step(&errors) {
            Some(left) => errors = left,
            None => break,
        }
    }
    repair.end(errors.is_empty())
}

#[cfg(test)]
mod tests;
