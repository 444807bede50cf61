//! Paths of an original that compares them without regard to case: what protects `/admin` has to protect `/Admin`.

use super::Entry;
use super::conditions::{Conditions, Path, beginning_of};
use super::route::Route;
use crate::convert::output::Findings;

/// Has routes that refuse somebody take their paths in any case; the others may stay as they are. A route becomes a regular expression where
/// nothing else is about the paths below its own; where something is, or the path is to be rewritten, which takes no expression, another
/// route stands before all of them for the other spellings.
pub fn any(mut routes: Vec<Route>, entries: &mut Vec<Entry>, findings: &mut Findings) -> Vec<Route> {
    let lower: Vec<(Path, Path)> =
        routes.iter().map(|route| (route.when.path.clone(), lowered(&route.when.path))).collect();
    let mut guards = Vec::new();
    for index in 0..routes.len() {
        let entry = &entries[routes[index].entry];
        let refuses = entry.treatment.protects() || entry.treatment.denies || routes[index].when.networks.is_some();
        let (Path::Exact(text) | Path::Prefix(text)) = &lower[index].0 else { continue };
        if !refuses || !text.contains(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        if !text.is_ascii() {
            let why = "paths are compared without regard to case in the original, and a variable's letters are not known: other spellings are not refused";
            findings.error(&entry.place, &entry.what, why, "write `path_regex = \"(?i)^/admin\"` with the path");
            continue;
        }
        let whole = matches!(lower[index].0, Path::Exact(_));
        tell_other_spellings(&routes, index, &lower, entries, findings);
        let alone = (0..routes.len()).all(|other| other == index || !near(&lower[other].1, &lower[index].1));
        let rewrites = entry.treatment.rewrites();
        if alone && !rewrites {
            let end = if whole { "$" } else { "" };
            routes[index].when.path = Path::Regex(format!("(?i)^{}{end}", regex::escape(text)));
            continue;
        }
        let when = Conditions { path: Path::Regex(other_spellings(text, whole)), ..routes[index].when.clone() };
        let mut at = routes[index].entry;
        if rewrites {
            let mut closed = entry.clone();
            closed.treatment.path.clear();
            closed.treatment.closed.get_or_insert(entry.place.clone());
            let why = format!(
                "`{text}` in another case is refused, because the path of requests that an expression chooses can't be changed"
            );
            findings.note(&entry.place, &entry.what, why, "");
            entries.push(closed);
            at = entries.len() - 1;
        }
        guards.push(Route { when, entry: at });
    }
    guards.extend(routes);
    guards
}

fn lowered(path: &Path) -> Path {
    match path {
        Path::Exact(text) => Path::Exact(text.to_ascii_lowercase()),
        Path::Prefix(text) => Path::Prefix(text.to_ascii_lowercase()),
        other => other.clone(),
    }
}

/// Whether an expression in place of `this` could take something from the other path, or the other way round. Both are in small letters.
fn near(other: &Path, this: &Path) -> bool {
    match (other, this) {
        (Path::Prefix(other), Path::Prefix(text)) => other.starts_with(text.as_str()),
        (Path::Exact(other), Path::Exact(text)) => other == text,
        (Path::Regex(regex), Path::Prefix(text) | Path::Exact(text)) => {
            let beginning = beginning_of(regex).0.to_ascii_lowercase();
            beginning.starts_with(text.as_str()) || text.starts_with(&beginning)
        }
        _ => false,
    }
}

/// A later exact path that this one would take in the original, were it not for the case in which the file has it.
fn tell_other_spellings(
    routes: &[Route],
    index: usize,
    lower: &[(Path, Path)],
    entries: &[Entry],
    findings: &mut Findings,
) {
    let here = &lower[index];
    for (other, (written, small)) in lower.iter().enumerate() {
        let (Path::Exact(_), later) = (written, routes[other].entry > routes[index].entry) else { continue };
        let within = Conditions::path(here.1.clone()).cover(&Conditions::path(small.clone()));
        let as_written = Conditions::path(here.0.clone()).cover(&Conditions::path(written.clone()));
        let second = &entries[routes[other].entry];
        if later && within && !as_written && !second.treatment.denies && second.treatment.closed.is_none() {
            let first = &entries[routes[index].entry].place;
            let why =
                format!("paths are compared without regard to case in the original, where {first} takes this one");
            findings.error(&second.place, &second.what, why, "write all paths in the same case");
        }
    }
}

/// An expression for a path in every case but the one in which it is written.
fn other_spellings(text: &str, whole: bool) -> String {
    let mut after = if whole { "$".to_owned() } else { String::new() };
    let mut other: Option<String> = None;
    for c in text.chars().rev() {
        let sign = regex::escape(&c.to_string());
        if c.is_ascii_alphabetic() {
            let swapped = if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            let here = format!("{swapped}(?i:{after})");
            other = Some(match other {
                Some(other) => format!("(?:{here}|{c}{other})"),
                None => here,
            });
        } else {
            other = other.map(|other| format!("{sign}{other}"));
        }
        after.insert_str(0, &sign);
    }
    format!("^{}", other.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_are_all_but_the_one_that_is_written() {
        let prefix = regex::Regex::new(&other_spellings("/a.b-C", false)).unwrap();
        for (path, fits) in
            [("/a.b-C", false), ("/a.b-Cx", false), ("/A.b-C", true), ("/a.B-cx", true), ("/a.b-c", true)]
        {
            assert_eq!(prefix.is_match(path), fits, "{path}");
        }
        assert!(!prefix.is_match("/axb-c") && !prefix.is_match("/x/A.b-C"));
        let whole = regex::Regex::new(&other_spellings("/ab", true)).unwrap();
        assert!(whole.is_match("/Ab") && whole.is_match("/aB") && !whole.is_match("/ABc") && !whole.is_match("/ab"));
    }
}
