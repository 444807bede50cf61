//! The page is well-formed, and nothing that others wrote is markup in it.

use proptest::prelude::*;

use super::super::*;
use super::{sample, show};

/// What others could write to do harm.
const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</style></title></bdi>&amp;&#60;",
    "\u{202e}evil \u{2066}\u{0}\u{1b}[31m",
    "שלום עולם مرحبا 🚀👩‍👩‍👧",
    "]]><!-- -- --><?php ?>",
];

/// Whether each element is closed in its turn, every attribute is quoted, and each `&` begins a reference.
pub(super) fn assert_well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some(at) = rest.find('<') {
        assert_text(&rest[..at]);
        let end = at + rest[at..].find('>').unwrap();
        let tag = &rest[at + 1..end];
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "closed too early"),
            None => {
                assert_tag(tag);
                if !tag.ends_with('/') {
                    open.push(tag.split_whitespace().next().unwrap());
                }
            }
        }
        rest = &rest[end + 1..];
        if open.last() == Some(&"style") {
            rest = &rest[rest.find("</style>").unwrap()..];
        }
    }
    assert_text(rest);
    assert_eq!(open, [""; 0], "never closed");
}

fn assert_text(text: &str) {
    for part in text.split('&').skip(1) {
        let name = part.split(';').next().unwrap();
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "& begins no reference: {part}");
    }
    assert!(!text.contains('>'), "{text}");
}

fn assert_tag(tag: &str) {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    assert!(name.trim_end_matches('/').chars().all(|c| c.is_ascii_alphanumeric()), "<{tag}>");
    while !rest.trim_matches(['/', ' ']).is_empty() {
        let (name, value) = rest.split_once("=\"").unwrap();
        assert!(name.trim().chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "<{tag}>");
        assert!(!name.trim().starts_with("on"), "<{tag}>");
        let (value, next) = value.split_once('"').unwrap();
        assert_text(value);
        rest = next;
    }
}

#[test]
fn the_page_is_well_formed_and_needs_nothing_else() {
    let page = Format::Html.write(&sample::report());
    show("report.html", &page);
    assert_well_formed(&page);
    for wanted in ["http:", "https:", "src=", "@import", "url(", "<script", "<link"] {
        assert!(!page.contains(wanted), "{wanted}");
    }
}

#[test]
fn what_others_wrote_is_text() {
    let elements = |page: &str| page.matches('<').count();
    let harmless = elements(&Format::Html.write(&sample::of_one("web", "a note")));
    for name in HOSTILE {
        for note in HOSTILE {
            let page = Format::Html.write(&sample::of_one(name, note));
            assert_well_formed(&page);
            assert_eq!(elements(&page), harmless, "{name} {note}");
            assert!(!page.contains(['\u{202e}', '\u{2066}', '\u{1b}', '\u{0}']));
        }
    }
    let page = Format::Html.write(&sample::of_one(HOSTILE[0], HOSTILE[5]));
    assert!(page.contains("<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>"));
    assert!(page.contains(HOSTILE[5]), "letters of all scripts are as they were");
}

proptest! {
    #[test]
    fn whatever_others_wrote_the_page_is_well_formed(name in any::<String>(), note in any::<String>()) {
        let page = Format::Html.write(&sample::of_one(&name, &note));
        assert_well_formed(&page);
        let harmless = Format::Html.write(&sample::of_one("web", "a note"));
        prop_assert_eq!(page.matches('<').count(), harmless.matches('<').count());
    }
}
