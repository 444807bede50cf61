//! What is said of a server, with what `default-server` says of all.

use super::parse::{Line, Section};

/// The words of a server behind its address, those of `default-server` before them.
pub fn options(section: &Section, line: &Line) -> Line {
    let from = if line.word(0) == "server" { 3 } else { 4 };
    let default = section.defaults.iter().chain(&section.lines).filter(|line| line.word(0) == "default-server");
    let mut words: Vec<String> = default.flat_map(|line| line.words[1..].to_vec()).collect();
    let own = line.words.get(from..).unwrap_or_default();
    for word in own {
        // what a server takes back of the default
        if let Some(word) = word.strip_prefix("no-") {
            words.retain(|known| known != word);
        }
    }
    // the server's own words come first, so that they are found first
    let words = own.iter().cloned().chain(words).collect();
    Line { words, place: line.place.clone() }
}
