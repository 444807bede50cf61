//! Who may import whom: reads every path in `src/` that names a room of this crate and fails on an arrow that goes up or
//! sideways. The floors are explained in ARCHITECTURE.md; what holds is the table below.
//!
//! Within a room, files must not need each other in a circle (`circles.rs`), and files and functions have a greatest length
//! (`sizes.rs`). Links of the documentation lead somewhere, and its index to all of it (`links.rs`).

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/links.rs"]
mod links;
#[path = "architecture/rust_text.rs"]
mod rust_text;
#[path = "architecture/sizes.rs"]
mod sizes;
#[path = "architecture/sources.rs"]
mod sources;
#[path = "architecture/what_it_sees.rs"]
mod what_it_sees;

use std::fmt;
use std::path::{Path, PathBuf};

use rust_text::{blank_out, is_word};

/// Each room with its floor. A room imports from the floors below its own, and from itself.
const FLOORS: &[(&str, u8)] = &[
    ("main", TOP),
    ("cli", TOP),
    ("app", TOP),
    ("demo", TOP),
    ("log", TOP),
    ("top", TOP),
    ("listener", 6),
    ("admin", 6),
    ("forward", 5),
    ("hook", 5),
    ("notify", 5),
    ("why", 5),
    ("otlp", 5),
    ("backup", 5),
    ("snapshot", 4),
    ("upstream", 4),
    ("health", 4),
    ("discover", 4),
    ("webhook", 4),
    ("store", 4),
    ("lead", 4),
    ("share", 4),
    ("config", 3),
    ("tls", 3),
    ("protocol", 3),
    ("record", 3),
    ("operator", 3),
    ("certificate", 2),
    ("limit", 2),
    ("concurrency", 2),
    ("route", 2),
    ("auth", 2),
    ("balance", 2),
    ("affinity", 2),
    ("compress", 2),
    ("load", 2),
    ("detect", 0),
    ("replay", 1),
    ("sla", 1),
    ("recover", 1),
    ("ledger", 2),
    ("openslo", 2),
    ("report", 3),
    ("outcome", 2),
    ("trace", 2),
    ("event", 2),
    ("layer4", 2),
    ("etcd", 2),
    ("bandwidth", 1),
    ("pages", 1),
    ("endpoint", 1),
    ("canary", 1),
    ("convert", 1),
    ("shortage", 1),
    ("clock", 0),
    ("eviction", 0),
    ("drain", 0),
    ("error", 0),
    ("io", 0),
    ("metrics", 0),
    ("policy", 0),
    ("protobuf", 0),
    ("spelling", 0),
    ("stamp", 0),
    ("timer", 0),
];

/// The floor where everything is put together: its rooms may import each other as well.
const TOP: u8 = 7;

/// Arrows that go down and are forbidden all the same.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("forward", "config", "the data plane obeys a snapshot; what it needs of the configuration belongs there"),
    ("forward", "health", "the data plane sees health only through the set of backends in its snapshot"),
    ("config", "endpoint", "the configuration says what is wanted and knows nothing of what is live"),
    ("config", "balance", "the configuration says what is wanted and knows nothing of what is live"),
];

/// Folders below `protocol/`, and the versions of HTTP that they must know nothing of: what versions share is in `http`, and a third version
/// must change none of the others.
const VERSIONS: &[(&str, &[&str])] = &[("h1", &["h2"]), ("h2", &["h1"]), ("http", &["h1", "h2"])];

/// What lives while Evenkeel runs, as against what was written in the configuration.
const LIVE: &[&str] = &["endpoint", "balance", "snapshot", "upstream"];

/// The only modules (a file, or a folder) that may name both the configuration and what is live.
const SEE_BOTH: &[&str] = &["snapshot/build", "app"];

/// A room named in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mention {
    line: usize,
    room: String,
}

/// An arrow that must not be.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    file: String,
    line: usize,
    from: String,
    to: String,
    why: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: `{}` imports `{}`: {}", self.file, self.line, self.from, self.to, self.why)
    }
}

#[test]
fn imports_go_down_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&source);
    assert!(files.len() > 10, "only {} files below {}", files.len(), source.display());
    let mut violations = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let name = file.strip_prefix(&source).unwrap().to_string_lossy().replace('\\', "/");
        violations.extend(check(&name, &text));
    }
    let report: Vec<_> = violations.iter().map(Violation::to_string).collect();
    assert!(report.is_empty(), "{} forbidden imports:\n  {}", report.len(), report.join("\n  "));
}

#[test]
fn the_files_of_a_room_form_no_circle() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    hold(&circles::circles(&sources::read(&source)), "move what both need into a file of its own");
}

#[test]
fn files_and_functions_are_short() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    hold(&sizes::too_long(&sources::read(&source)), "split by thought, not by length");
}

#[test]
fn links_of_the_documentation_lead_somewhere_and_its_index_to_all_of_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let broken = links::broken(root);
    assert!(broken.is_empty(), "{} broken links:\n  {}", broken.len(), broken.join("\n  "));
    let unreachable = links::unreachable(root);
    assert!(unreachable.is_empty(), "docs/README.md leads to no {}", unreachable.join(", "));
    let mut sources = rust_files(&root.join("src"));
    sources.push(root.join("proxy.toml"));
    let broken = links::broken_mentions(root, &sources);
    assert!(broken.is_empty(), "{} pages that are not there:\n  {}", broken.len(), broken.join("\n  "));
}

/// Fails with what was found, and with what to do about it.
fn hold(found: &[(String, String)], advice: &str) {
    let told: Vec<_> = found.iter().map(|(_, told)| &**told).collect();
    assert!(told.is_empty(), "{} found ({advice}):\n  {}", told.len(), told.join("\n  "));
}

#[test]
fn versions_of_http_import_what_they_share_and_never_each_other() {
    let protocol = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/protocol");
    for (folder, unknown) in VERSIONS {
        for file in rust_files(&protocol.join(folder)) {
            let code = blank_out(&std::fs::read_to_string(&file).unwrap());
            for version in *unknown {
                let named =
                    code.contains(&format!("protocol::{version}")) || code.contains(&format!("super::{version}::"));
                assert!(!named, "{} imports {version}", file.display());
            }
        }
    }
}

/// All Rust files below a folder, in order.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// What is wrong with a file, named by its path below `src/`.
fn check(file: &str, text: &str) -> Vec<Violation> {
    let from = file.split('/').next().unwrap_or(file).trim_end_matches(".rs");
    if from == "lib" {
        return Vec::new();
    }
    let violation = |mention: &Mention, why: String| Violation {
        file: file.to_owned(),
        line: mention.line,
        from: from.to_owned(),
        to: mention.room.clone(),
        why,
    };
    let Some(own_floor) = floor(from) else {
        let itself = Mention { line: 1, room: from.to_owned() };
        return vec![violation(&itself, "a new room: add its row to FLOORS in tests/architecture.rs".to_owned())];
    };
    let mentions = mentions(file, &blank_out(text));
    let mut violations = Vec::new();
    for mention in mentions.iter().filter(|mention| mention.room != from) {
        if let Some(why) = why_not(from, own_floor, &mention.room) {
            violations.push(violation(mention, why));
        }
    }
    let config = mentions.iter().find(|mention| mention.room == "config" && from != "config");
    let live = mentions.iter().find(|mention| LIVE.contains(&&*mention.room));
    if let (Some(config), Some(live)) = (config, live)
        && !may_see_both(file)
    {
        let why = format!(
            "this file also imports `{}` (line {}), and only {} may see both the configuration and what is live",
            live.room,
            live.line,
            SEE_BOTH.join(" and ")
        );
        violations.push(violation(config, why));
    }
    violations
}

fn may_see_both(file: &str) -> bool {
    SEE_BOTH.iter().any(|module| file.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')))
}

/// Why a room may not import another one; `None` when it may.
fn why_not(from: &str, own_floor: u8, to: &str) -> Option<String> {
    if to == "*" {
        return Some("a glob hides what is imported: name it".to_owned());
    }
    if let Some((_, _, why)) = FORBIDDEN.iter().find(|(f, t, _)| *f == from && *t == to) {
        return Some((*why).to_owned());
    }
    match floor(to) {
        None => {
            Some("no such room: add its row to FLOORS in tests/architecture.rs, or name its room in full".to_owned())
        }
        Some(TOP) if own_floor == TOP => None,
        Some(floor) if floor < own_floor => None,
        Some(floor) if floor == own_floor => Some(format!(
            "both are on floor {floor}; rooms of one floor don't know each other: what both need belongs one floor down"
        )),
        Some(floor) => Some(format!(
            "it goes up, from floor {own_floor} to floor {floor}: hand it in as an argument, or move what is needed down"
        )),
    }
}

/// The rooms that the paths in a file name: `crate::room`, `crate::{room, room::...}`, `super::room` where that leaves the
/// room, and in `main.rs` the same with the crate's name. Comments and texts have been blanked out.
fn mentions(file: &str, code: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    for root in if file == "main.rs" { ["crate", "evenkeel"].as_slice() } else { &["crate"] } {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            let Some(path) = code[at + root.len()..].trim_start().strip_prefix("::") else { continue };
            if before.is_none_or(|c| !is_word(c)) {
                let start = code.len() - path.len();
                found.extend(heads(code, start));
            }
        }
    }
    found.extend(escapes(file, code));
    found.sort_by_key(|mention| mention.line);
    found
}

/// The first names of the path that starts at `start`, or of each path of the group there.
fn heads(code: &str, start: usize) -> Vec<Mention> {
    let rest = code[start..].trim_start();
    let start = code.len() - rest.len();
    let Some(group) = rest.strip_prefix('{') else {
        return head(code, start).into_iter().collect();
    };
    let mut depth = 1;
    let mut found: Vec<Mention> = head(code, start + 1).into_iter().collect();
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => found.extend(head(code, start + 1 + at + 1)),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// The name at the start of a path; none for `self` and for the end of a group.
fn head(code: &str, start: usize) -> Option<Mention> {
    let rest = code[start..].trim_start();
    let line = 1 + code[..code.len() - rest.len()].matches('\n').count();
    let rest = rest.strip_prefix("r#").unwrap_or(rest);
    let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let room = if rest.starts_with('*') { "*" } else { &rest[..end] };
    (!room.is_empty() && room != "self").then(|| Mention { line, room: room.to_owned() })
}

/// Rooms named by a chain of `super::` long enough to leave this file's own room. Modules inside the file are not counted,
/// so only names that are rooms are taken for one.
fn escapes(file: &str, code: &str) -> Vec<Mention> {
    let depth =
        file.trim_end_matches("mod.rs").trim_end_matches(".rs").split('/').filter(|part| !part.is_empty()).count();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("super::") {
        let start = at + "super::".len();
        let mut supers = 1;
        let mut before = &code[..at];
        while let Some(shorter) = before.strip_suffix("super::") {
            supers += 1;
            before = shorter;
        }
        if supers >= depth {
            found.extend(heads(code, start).into_iter().filter(|mention| floor(&mention.room).is_some()));
        }
    }
    found
}
