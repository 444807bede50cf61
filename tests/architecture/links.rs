//! The documentation holds together: every link leads to a file and a heading that are there, and every page of `docs/` is reached from its index.

#![allow(clippy::unwrap_used, reason = "a test that fails should say so at once")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// A page with what a reader can follow in it, and where a link can lead to in it.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    /// The targets of its links and pictures, each with its line.
    links: Vec<(usize, String)>,
    /// The anchors of its headings, as code hosting sites make them.
    anchors: BTreeSet<String>,
}

/// Every broken link of the documentation below `root`, each as a sentence.
pub fn broken(root: &Path) -> Vec<String> {
    let pages = pages(root);
    let mut found = Vec::new();
    for (name, page) in &pages {
        for (line, target) in &page.links {
            if let Some(why) = why_broken(root, &pages, name, target) {
                found.push(format!("{}:{line}: `{target}` {why}", name.display()));
            }
        }
    }
    found
}

/// Every place in the sources that names a page or a heading of `docs/` that is not there.
pub fn broken_mentions(root: &Path, sources: &[PathBuf]) -> Vec<String> {
    let pages = pages(root);
    let mut found = Vec::new();
    for source in sources {
        for (line, target) in mentions(&text_of(source)) {
            if let Some(why) = why_broken(root, &pages, Path::new("README.md"), &target) {
                found.push(format!("{}:{line}: `{target}` {why}", source.display()));
            }
        }
    }
    found
}

/// The pages of `docs/` that no chain of links leads to from `docs/README.md`.
pub fn unreachable(root: &Path) -> Vec<String> {
    let pages = pages(root);
    let mut reached = BTreeSet::new();
    let mut next = vec![PathBuf::from("docs/README.md")];
    while let Some(name) = next.pop() {
        let Some(page) = pages.get(&name) else { continue };
        if reached.insert(name.clone()) {
            next.extend(page.links.iter().filter_map(|(_, target)| Some(place(&name, target)?.0)));
        }
    }
    let missed = pages.keys().filter(|name| name.starts_with("docs") && !reached.contains(*name));
    missed.map(|name| name.display().to_string()).collect()
}

/// All Markdown of the repository that people read, by its path.
fn pages(root: &Path) -> BTreeMap<PathBuf, Page> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.push(root.join("page/README.md"));
    for folder in ["docs", "deploy", "certs"] {
        below(&root.join(folder), &mut files);
    }
    files.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    let named = |path: PathBuf| (path.strip_prefix(root).unwrap().to_owned(), read(&text_of(&path)));
    files.into_iter().map(named).collect()
}

fn below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{} can't be read: {error}", path.display()))
}

/// What is wrong with a link from the page `from`, if anything.
fn why_broken(root: &Path, pages: &BTreeMap<PathBuf, Page>, from: &Path, target: &str) -> Option<String> {
    let (path, anchor) = place(from, target)?;
    if !root.join(&path).exists() {
        return Some("leads to nothing".to_owned());
    }
    let anchor = anchor?;
    match pages.get(&path) {
        Some(page) if page.anchors.contains(&anchor) => None,
        _ => Some("leads to no heading of that file".to_owned()),
    }
}

/// The path from the root and the anchor that a target means on the page `from`; none where it leads out of the repository.
fn place(from: &Path, target: &str) -> Option<(PathBuf, Option<String>)> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor.to_owned())),
        None => (target, None),
    };
    if path.is_empty() {
        return Some((from.to_owned(), anchor));
    }
    let mut plain = PathBuf::new();
    for part in from.parent().unwrap_or(Path::new("")).join(path).components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::Normal(name) => plain.push(name),
            _ => {}
        }
    }
    Some((plain, anchor))
}

/// Reads a page: what stands in blocks of code, and between backquotes, is no link.
fn read(text: &str) -> Page {
    let mut page = Page { links: Vec::new(), anchors: BTreeSet::new() };
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            if let Some(heading) = heading(line) {
                let anchor = anchor(heading);
                let further = (1..).map(|n| format!("{anchor}-{n}"));
                let mut names = std::iter::once(anchor.clone()).chain(further);
                page.anchors.extend(names.find(|name| !page.anchors.contains(name)));
            }
            page.links.extend(links(&without_code(line)).into_iter().map(|link| (number + 1, link)));
        }
    }
    page
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    (1..=6).contains(&(line.len() - text.len())).then_some(text)?.strip_prefix(' ')
}

/// What a heading is called in an address: in small letters, with hyphens for spaces, and of all else letters, digits, `-` and `_`.
fn anchor(heading: &str) -> String {
    let kept = |c: char| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ => c.is_alphanumeric().then_some(c),
    };
    heading.trim().to_lowercase().chars().filter_map(kept).collect()
}

/// The line with what stands between backquotes taken out.
fn without_code(line: &str) -> String {
    let mut kept = String::new();
    for (number, piece) in line.split('`').enumerate() {
        if number % 2 == 0 {
            kept.push_str(piece);
        }
    }
    kept
}

/// The targets of `[text](target)` and `src="target"`.
fn links(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (opening, closing) in [("](", [')', ' ']), ("src=\"", ['"', '"']), ("href=\"", ['"', '"'])] {
        for (at, _) in line.match_indices(opening) {
            let rest = &line[at + opening.len()..];
            let end = rest.find(closing).unwrap_or(rest.len());
            found.push(rest[..end].to_owned());
        }
    }
    found
}

/// Where a text names a page of `docs/`, with or without a heading.
fn mentions(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices("docs/") {
            let before = line[..at].chars().next_back();
            let rest = &line[at..];
            let end = rest.find(|c: char| !(c.is_alphanumeric() || "/._-#".contains(c))).unwrap_or(rest.len());
            let target = rest[..end].trim_end_matches(['.', '/', '-']);
            let whole = !before.is_some_and(|c| c.is_alphanumeric() || "/.-_".contains(c));
            if whole && (target.ends_with(".md") || target.contains(".md#")) {
                found.push((number + 1, target.to_owned()));
            }
        }
    }
    found
}

#[test]
fn a_link_is_followed_from_its_page() {
    let from = Path::new("docs/migrating/caddy.md");
    assert_eq!(place(from, "../tls.md#renewal"), Some((PathBuf::from("docs/tls.md"), Some("renewal".to_owned()))));
    assert_eq!(place(from, "#x"), Some((from.to_owned(), Some("x".to_owned()))));
    assert_eq!(place(from, "../../proxy.toml"), Some((PathBuf::from("proxy.toml"), None)));
    assert_eq!(place(from, "https://example.com/a.md"), None);
}

#[test]
fn headings_have_the_anchors_of_code_hosting_sites() {
    assert_eq!(anchor("`[[listener.rate_limit]]`"), "listenerrate_limit");
    assert_eq!(anchor("`/readyz?weight`"), "readyzweight");
    assert_eq!(anchor("In a terminal: `top`"), "in-a-terminal-top");
    let page = read(
        "# A b\n```\n# no heading [x](y)\n```\n## A b\ntext [c](d.md#e \"title\") `[f](g)` <img src=\"h.png\" width=\"4\">\n#hashtag\n",
    );
    assert_eq!(page.anchors, BTreeSet::from(["a-b".to_owned(), "a-b-1".to_owned()]));
    assert_eq!(page.links, [(6, "d.md#e".to_owned()), (6, "h.png".to_owned())]);
}

#[test]
fn a_link_to_what_is_not_there_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = pages(root);
    let why = |target: &str| why_broken(root, &pages, Path::new("docs/tls.md"), target);
    assert_eq!(why("../README.md"), None);
    assert_eq!(why("tls.md#renewal"), None);
    assert!(why("gone.md").is_some() && why("tls.md#gone").is_some() && why("../proxy.toml#gone").is_some());
    assert_eq!(
        mentions("see docs/tls.md#renewal. Not mydocs/a.md, docs/img/x.png"),
        [(1, "docs/tls.md#renewal".to_owned())]
    );
}
