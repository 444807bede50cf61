//! What holds for every metric, and for every place that counts one.

use std::path::{Path, PathBuf};

use super::*;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn names_follow_the_naming_practice() {
    for (i, metric) in ALL.iter().enumerate() {
        assert!(metric.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", metric.name);
        assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
        assert!(!metric.help.contains(['\n', '\\']), "{}: the help text would need escaping", metric.name);
        assert!(ALL[..i].iter().all(|other| other.name != metric.name), "{} is there twice", metric.name);
    }
}

/// The rows of the table of metrics in docs/operations.md: the cell with names, and the cell with labels.
fn documented() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| metric | labels |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.split('|').skip(1).map(|cell| cell.trim().to_owned());
        (cells.next().unwrap(), cells.next().unwrap())
    })
    .collect()
}

#[test]
fn each_metric_has_a_row_in_the_documentation_with_its_labels_and_no_row_is_without_a_metric() {
    let rows = documented();
    for metric in ALL {
        let name = format!("`{}`", metric.name);
        let row = rows.iter().find(|(names, _)| names.contains(&name));
        let (_, labels) = row.unwrap_or_else(|| panic!("docs/operations.md has no row with {name}"));
        let missing: Vec<_> = metric.labels.iter().filter(|label| !labels.contains(**label)).collect();
        assert!(missing.is_empty(), "the row of {name} in docs/operations.md does not name {missing:?}");
    }
    let named = rows.iter().flat_map(|(names, _)| names.split('`').skip(1).step_by(2));
    for name in named {
        assert!(ALL.iter().any(|metric| metric.name == name), "docs/operations.md: there is no metric {name}");
    }
}

/// The first argument of each call of the facade's macros in `text`.
fn counted(text: &str) -> Vec<&str> {
    let macros = ["counter!(", "gauge!(", "histogram!("];
    let calls = macros.iter().flat_map(|name| text.match_indices(name).map(|(at, found)| &text[at + found.len()..]));
    calls.map(|rest| rest.split([',', ')']).next().unwrap_or(rest).trim()).collect()
}

/// All source files, without those of this room, which is where the facade ends.
fn sources() -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![repository().join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("src/metrics") => {}
                true => folders.push(path),
                false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
                false => {}
            }
        }
    }
    files
}

#[test]
fn whatever_a_room_counts_is_in_the_list_and_whatever_the_list_has_for_rooms_is_counted() {
    let of_facade = |metric: &&&Metric| matches!(metric.source, Source::Facade(_));
    let this = std::fs::read_to_string(repository().join("src/metrics/names.rs")).unwrap();
    let mut seen = Vec::new();
    for file in sources() {
        let text = std::fs::read_to_string(&file).unwrap();
        for argument in counted(&text) {
            let name = argument.strip_prefix("names::").and_then(|name| name.strip_suffix(".name"));
            let name = name.unwrap_or_else(|| panic!("{}: `{argument}` is no `names::METRIC.name`", file.display()));
            // the list by the names of its statics, as they stand in the file
            let row = this.lines().find(|line| line.trim_start().starts_with(&format!("{name}: ")));
            let metric =
                row.and_then(|row| ALL.iter().filter(of_facade).find(|m| row.contains(&format!("\"{}\"", m.name))));
            seen.push(
                metric.unwrap_or_else(|| panic!("{}: {name} is not counted through the facade", file.display())).name,
            );
        }
    }
    for metric in ALL.iter().filter(of_facade) {
        assert!(seen.contains(&metric.name), "nobody counts {}", metric.name);
    }
}

#[test]
fn a_name_in_letters_is_found_out() {
    assert_eq!(
        counted("::metrics::counter!(\"x_total\", \"a\" => b).increment(1); gauge!(\n names::X.name).set(1)"),
        ["\"x_total\"", "names::X.name"]
    );
}
