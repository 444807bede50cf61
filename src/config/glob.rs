//! The patterns of `include`: paths in which `*`, `?` and `[a-z]` stand for parts of names.
//!
//! The rules are those of glob(7): no sign stands for a `/`, and none at the beginning of a name stands for a dot. What is found is sorted, so that
//! the order is the same on every machine.

use std::path::{Path, PathBuf};

/// Whether a pattern is more than the path of one file.
pub(super) fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// Finds the files that a pattern stands for, sorted by their paths; a relative one starts in `folder`. A pattern without wildcards finds the file that it
/// names, whether there is one or not. Of more than `most` files, so many are found at least.
///
/// Each folder is told to `look_at` right before it is looked at, whether there is one or not: a new file in it may be found the next time.
///
/// # Errors
///
/// Why a folder that is there can't be looked at; for people.
pub(super) fn find(
    folder: &Path,
    pattern: &str,
    most: usize,
    look_at: &mut dyn FnMut(&Path),
) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![if pattern.starts_with('/') { Path::new("/") } else { folder }.to_path_buf()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        if !has_wildcard(part) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let part: Vec<char> = part.chars().collect();
        let mut next = Vec::new();
        for folder in found {
            if next.len() <= most {
                look_at(here(&folder));
                look(&folder, &part, &mut next)?;
            }
        }
        found = next;
    }
    if has_wildcard(pattern) {
        found.retain(|path| path.is_file());
    }
    found.sort_unstable();
    Ok(found)
}

/// Adds what a folder has under names that a part of a pattern stands for.
fn look(folder: &Path, part: &[char], found: &mut Vec<PathBuf>) -> Result<(), String> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let unreadable = |error: std::io::Error| format!("`{}` can't be looked at: {error}", here(folder).display());
    let entries = match std::fs::read_dir(here(folder)) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(()),
        entries => entries.map_err(unreadable)?,
    };
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        if stands_for(part, &name.to_string_lossy().chars().collect::<Vec<_>>()) {
            found.push(folder.join(name));
        }
    }
    Ok(())
}

/// The path of a folder, also of the one that a path without folders is in.
fn here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Whether a part of a pattern stands for this name.
fn stands_for(pattern: &[char], name: &[char]) -> bool {
    if name.first() == Some(&'.') && pattern.first() != Some(&'.') {
        return false;
    }
    let (mut at, mut seen) = (0, 0);
    // where the last `*` is, and how much of the name it stands for up to now
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        let step = match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
                continue;
            }
            Some(_) => one(&pattern[at..], name[seen]),
            None => None,
        };
        match (step, star) {
            (Some(width), _) => (at, seen) = (at + width, seen + 1),
            (None, Some((back, until))) => {
                star = Some((back, until + 1));
                (at, seen) = (back + 1, until + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|sign| *sign == '*')
}

/// How many signs at the beginning of a pattern stand for this one character; `None` = they don't.
fn one(pattern: &[char], character: char) -> Option<usize> {
    match pattern[0] {
        '?' => Some(1),
        '[' => match class(pattern, character) {
            Some((true, width)) => Some(width),
            Some((false, _)) => None,
            // without an end it is a bracket
            None => (character == '[').then_some(1),
        },
        sign => (sign == character).then_some(1),
    }
}

/// Whether the class at the beginning of a pattern (`[a-z]`, `[!a]`) has this character, and how many signs it is written with.
fn class(pattern: &[char], character: char) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let first = if negated { 2 } else { 1 };
    // a bracket right at the beginning belongs to the class
    let end = first + 1 + pattern.get(first + 1..)?.iter().position(|sign| *sign == ']')?;
    let (mut members, mut has) = (&pattern[first..end], false);
    while let [from, rest @ ..] = members {
        (has, members) = match rest {
            ['-', to, rest @ ..] => (has | (*from..=*to).contains(&character), rest),
            rest => (has | (*from == character), rest),
        };
    }
    Some((has != negated, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        stands_for(&chars(pattern), &chars(name))
    }

    #[test]
    fn signs_stand_for_parts_of_names() {
        for (pattern, yes, no) in [
            ("*.toml", &["a.toml", "a.b.toml", "é.toml"][..], &["toml", "a.toml~", ".toml", ".a.toml", ""][..]),
            ("?.toml", &["a.toml", "é.toml"], &["ab.toml", ".toml", "..toml"]),
            ("[0-9][0-9]-*", &["10-a", "99-"], &["1-a", "a0-b"]),
            ("[!a-c]x", &["dx", "]x"], &["ax", "x"]),
            ("[]a]", &["]", "a"], &["b", "[]a]"]),
            ("[a", &["[a"], &["a"]),
            (".*", &[".a", "."], &["a"]),
            ("a*b*c", &["abc", "aXbYbZc"], &["ab", "acb"]),
            ("**", &["a"], &[".a"]),
        ] {
            yes.iter().for_each(|name| assert!(fits(pattern, name), "{pattern} {name}"));
            no.iter().for_each(|name| assert!(!fits(pattern, name), "{pattern} {name}"));
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!fits(&"*a".repeat(50), &"a".repeat(49)));
        assert!(!fits(&("*a".repeat(20) + "b"), &"a".repeat(255)));
    }

    #[test]
    fn a_path_is_found_as_it_is_and_a_folder_that_is_not_there_is_told() {
        let found = |pattern: &str| {
            let mut folders = Vec::new();
            let files = find(Path::new("/nowhere"), pattern, 10, &mut |folder| folders.push(folder.to_path_buf()));
            (files.unwrap(), folders)
        };
        assert_eq!(found("a.toml"), (vec!["/nowhere/a.toml".into()], vec![]));
        assert_eq!(found("/x//a.toml"), (vec!["/x/a.toml".into()], vec![]));
        assert_eq!(found("conf.d/*.toml"), (vec![], vec!["/nowhere/conf.d".into()]));
    }
}
