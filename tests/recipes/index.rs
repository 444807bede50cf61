//! Every page is tested, is found from the index, and leads to what there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::page::folder;

/// The names of the pages, without `.md`, but for the index.
fn pages() -> BTreeSet<String> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let names = files.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).filter(|name| name != "README").collect()
}

/// Where the links of a page lead: path, and anchor.
fn links(file: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(file).unwrap();
    let link = Regex::new(r"\]\(([^)#\s]*)#?([^)\s]*)\)").unwrap();
    let found = link.captures_iter(&text).map(|found| (found[1].to_owned(), found[2].to_owned()));
    found.filter(|(path, _)| !path.contains("://")).collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    headings.map(|heading| heading.to_lowercase().replace(|c| !kept(c), "").replace(' ', "-")).collect()
}

#[test]
fn each_page_has_a_test_that_follows_it() {
    let here = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recipes"));
    let main = fs::read_to_string(here.join("main.rs")).unwrap();
    for page in pages() {
        let module = page.replace('-', "_");
        let test = fs::read_to_string(here.join(format!("{module}.rs"))).unwrap_or_default();
        assert!(test.contains(&format!("Recipe::open(\"{page}\")")), "tests/recipes/{module}.rs opens {page}.md");
        assert!(main.contains(&format!("mod {module};")), "tests/recipes/main.rs has {module}");
    }
}

#[test]
fn the_index_has_each_page() {
    let linked = links(&folder().join("README.md"));
    let linked: BTreeSet<_> = linked.iter().filter_map(|(path, _)| path.strip_suffix(".md")).collect();
    let missing: Vec<_> = pages().into_iter().filter(|page| !linked.contains(page.as_str())).collect();
    assert!(missing.is_empty(), "docs/recipes/README.md does not lead to {missing:?}");
}

#[test]
fn links_lead_to_what_there_is() {
    for page in pages().into_iter().chain(["README".to_owned()]) {
        let file = folder().join(format!("{page}.md"));
        for (path, anchor) in links(&file) {
            let target = if path.is_empty() { file.clone() } else { folder().join(&path) };
            assert!(target.exists(), "{page}.md leads to {path}, which is not there");
            let found = anchor.is_empty() || anchors(&target).contains(&anchor);
            assert!(found, "{page}.md leads to {path}#{anchor}, which is not there");
        }
    }
}
