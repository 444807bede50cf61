//! The files of a configuration that is converted: itself, and those that it names.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The largest file that is read. Configurations of ten thousand hosts have a few MiB.
const LARGEST: u64 = 32 << 20;
/// Names that one pattern may stand for.
const MOST_FILES: usize = 10_000;

/// The files that a name or a pattern stands for, relative to the folder of the configuration, sorted by name.
pub(super) fn named(folder: &Path, pattern: &str) -> Result<Vec<(String, String)>, String> {
    if !pattern.contains(['*', '?']) {
        let path = folder.join(pattern);
        // a pipe may never say anything
        if path.exists() && !path.is_file() {
            return Err("it is no file".to_owned());
        }
        return Ok(vec![(pattern.to_owned(), read(&path)?)]);
    }
    let mut found = vec![PathBuf::new()];
    for part in Path::new(pattern).components() {
        let part = part.as_os_str().to_string_lossy();
        if !part.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(part.as_ref()));
            continue;
        }
        let mut below = Vec::new();
        for path in &found {
            let Ok(entries) = fs::read_dir(folder.join(path)) else { continue };
            let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
            let hidden = part.starts_with('.');
            below.extend(
                names
                    .filter(|name| (hidden || !name.starts_with('.')) && fits(&part, name))
                    .map(|name| path.join(name)),
            );
            if below.len() > MOST_FILES {
                return Err(format!("more than {MOST_FILES} files"));
            }
        }
        found = below;
    }
    found.sort();
    let text = |path: PathBuf| Ok((path.to_string_lossy().into_owned(), read(&folder.join(&path))?));
    found.into_iter().filter(|path| folder.join(path).is_file()).map(text).collect()
}

/// Whether a name fits a pattern in which `*` is any text and `?` any character.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, begin)) => {
                    star = Some((at, begin + 1));
                    (p, n) = (at + 1, begin + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The text of a file, or of a pipe that was named by itself; what is no UTF-8 in it is replaced.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > LARGEST {
        return Err(format!("it is larger than {} MiB", LARGEST >> 20));
    }
    // editors of Windows begin a file with a byte order mark
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    Ok(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns_as_in_a_shell() {
        for (pattern, name, wanted) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("*", "a", true),
            ("a*b*c", "a-b-bc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a", "bab", false),
        ] {
            assert_eq!(fits(pattern, name), wanted, "{pattern} {name}");
        }
    }
}
