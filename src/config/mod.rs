//! `proxy.toml` in three steps: raw (what serde sees) -> check (all mistakes at once) -> model (valid by construction).
//!
//! 1. The text becomes a tree in which each key and value knows its place (`tree`), with what other files add to it (`include`, `merge`); `${NAME}` is
//!    replaced (`environment`); the defaults of all services go into each of them (`defaults`).
//! 2. The tree is checked against the JSON Schema of the raw types (`raw`, `schema`, `shape`). Values that don't fit
//!    are reported and taken out of the tree, so that the rest deserialises, and one mistake never hides another.
//! 3. The values are checked against each other and against the world, and built into the model (`check`): names that
//!    must exist, files that must be readable, addresses that must be different.
//!
//! The habit of three types is ripgrep's (`lowargs` -> `hiargs`), the look of the messages rustc's.

mod check;
mod code;
mod defaults;
mod deserialize;
mod diagnostics;
mod disguise;
mod effective;
mod environment;
mod explain;
mod format;
mod meant;
mod given;
mod glob;
mod include;
mod merge;
mod mistake;
pub mod model;
mod not_toml;
mod other_proxies;
mod path;
mod raw;
mod schema;
mod shape;
mod syntax;
mod tree;
mod units;
mod wording;

use std::path::Path;

use serde::Deserialize as _;
use xxhash_rust::xxh3::Xxh3;

use crate::stamp::{Seen, Stamp};
use diagnostics::Sources;
use environment::Written;
use mistake::{Findings, Mistake};
use tree::{KeyPath, Node};

pub use code::Code;
pub use diagnostics::{Diagnostic, Diagnostics, MOST_SHOWN};
pub use effective::Effective;
pub use explain::{Key, Section, Unknown, explain, sections};
pub use mistake::Severity;

/// The largest file that is read. Far above any configuration; below it, every position fits everywhere.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// What the rest of the program works with.
    pub config: model::Config,
    /// Mistakes that don't keep it from being used.
    pub warnings: Diagnostics,
    /// Every value in effect, for people.
    pub effective: Effective,
}

/// Reads and checks a file and what it includes. Relative paths, also those in included files, are relative to its folder.
///
/// Certificates, keys and other files that it names are read, and the names of backends are looked up (for a few seconds at most); so
/// this blocks, and belongs to no thread that serves.
///
/// # Errors
/// Everything that is wrong with the file, in one go; warnings are among it.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    read(path).1
}

/// As [`load`], with the files that were read, whatever came of it.
pub fn read(path: &Path) -> (Files, Result<Loaded, Diagnostics>) {
    let mut seen = vec![(path.to_path_buf(), Stamp::of(path))];
    match include::text(path, MAX_FILE_BYTES) {
        Ok(text) => {
            let sources = Sources::default();
            sources.add(path, text);
            let loaded = check_all(&sources, path, &mut seen);
            (Files::new(&sources, seen), loaded)
        }
        Err((reason, help)) => {
            let message = format!("the configuration can't be read: {reason}");
            let help = help.unwrap_or("name the file with -c, and see to its permissions");
            (Files { seen, hash: None }, Err(Diagnostics::unreadable(path, message, help)))
        }
    }
}

/// The files that a configuration consists of, and the folders in which further ones may appear.
#[derive(Debug, Default)]
pub struct Files {
    /// Each with its stamp, as it was right before it was looked at: whoever finds another stamp now looks at something else.
    pub seen: Seen,
    /// A hash of what the files hold; `None` when the first one can't be read.
    pub hash: Option<u64>,
}

impl Files {
    fn new(sources: &Sources, seen: Seen) -> Self {
        let mut hasher = Xxh3::new();
        for file in sources.iter() {
            hasher.update(&file.text.len().to_le_bytes());
            hasher.update(file.text.as_bytes());
        }
        Self { seen, hash: Some(hasher.digest()) }
    }
}

/// Looks which files a configuration consists of, and what they hold. Nothing is checked.
pub fn files(path: &Path) -> Files {
    let mut seen = vec![(path.to_path_buf(), Stamp::of(path))];
    let Ok(text) = include::text(path, MAX_FILE_BYTES) else { return Files { seen, hash: None } };
    let sources = Sources::default();
    let includes = include::is_in(&text);
    sources.add(path, text);
    if includes {
        seen.extend(include::read(&sources, path, &environment::process, &mut Findings::default()).seen);
    }
    Files::new(&sources, seen)
}

/// `[admin]` of a file, unchecked and with `${NAME}` replaced: for a command that talks to a running process whose file
/// may be full of mistakes.
///
/// # Errors
/// When it can't be read, or when it is no TOML and the rest of it says nothing of the address; for people.
pub fn admin(path: &Path) -> Result<serde_json::Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    let sources = Sources::default();
    sources.add(path, text);
    let mut findings = Findings::default();
    let include::Tree { mut root, syntax, .. } = include::read(&sources, path, &environment::process, &mut findings);
    let is_whole = syntax.is_empty() && findings.mistakes.is_empty();
    environment::expand(&mut root, &environment::process, &mut findings);
    let admin = root.to_json()["admin"].take();
    match admin["bind"].is_string() || is_whole {
        true => Ok(admin),
        false if syntax.is_empty() => Err(format!("{} includes what can't be read: say --admin", path.display())),
        false => Err(format!("{} is not TOML: say --admin", path.display())),
    }
}

/// As [`load`], with the text given. `file_name` is for the messages, and its folder for relative paths.
///
/// # Errors
/// Everything that is wrong with the text, in one go; warnings are among it.
pub fn parse(text: &str, file_name: &Path) -> Result<Loaded, Diagnostics> {
    let sources = Sources::default();
    sources.add(file_name, text.to_owned());
    check_all(&sources, file_name, &mut Seen::new())
}

/// Checks the file that is the first of `sources` with what it includes, and adds that to what was `seen`.
fn check_all(sources: &Sources, file_name: &Path, seen: &mut Seen) -> Result<Loaded, Diagnostics> {
    let mut findings = Findings::default();
    let tree = include::read(sources, file_name, &environment::process, &mut findings);
    seen.extend(tree.seen);
    let (mut root, syntax, mended) = (tree.root, tree.syntax, tree.mended);
    if !syntax.is_empty() {
        // what is wrong beside is found in the text as it was probably meant, which is TOML
        let further = mended.filter(|_| findings.mistakes.is_empty()).and_then(|text| parse(&text, file_name).err());
        findings.mistakes.extend(syntax);
        let told = sources.diagnostics(findings.mistakes);
        return Err(match further {
            Some(further) => told.and_further(further),
            None => told,
        });
    }
    let mut written = match sources.iter().any(|file| environment::is_in(&file.text)) {
        true => environment::expand(&mut root, &environment::process, &mut findings),
        false => Written::new(),
    };
    let defaults = defaults::apply(&mut root, &mut written);
    shape::check(&mut root, &mut written, &mut findings);
    // they have gone where they belong
    root.take(defaults::KEY);
    let mut raw = match raw::File::deserialize(&root) {
        Ok(raw) => raw,
        // the shape check lets nothing through that serde refuses; if it does, that is a defect of ours, and no reason
        // to panic
        Err(error) => {
            findings.add(Mistake::whole_file(format!("the file can't be used: {error}")));
            return Err(sources.diagnostics(findings.mistakes));
        }
    };
    let given = std::env::var("STATE_DIRECTORY").ok();
    raw.server.state_dir.get_or_insert_with(|| environment::state_dir(given.as_deref()));
    raw.service.values_mut().for_each(raw::Service::fill_in);
    let folder = file_name.parent().unwrap_or(Path::new(""));
    let config = check::check(&raw, &root, folder, sources, &mut findings);
    given::conceal(&mut findings.mistakes, &written);
    let told = defaults.tell_once(findings.mistakes, config.is_some());
    let failed = told.iter().any(|mistake| mistake.severity == Severity::Error);
    let diagnostics = sources.diagnostics(told);
    match config {
        Some(config) if !failed => {
            let names_state_dir = root.has(&KeyPath::default().key("server").key("state_dir"));
            let effective = Effective::new(raw, written, &config, sources, names_state_dir);
            Ok(Loaded { config, warnings: diagnostics, effective })
        }
        _ => Err(diagnostics),
    }
}

/// The text laid out anew: spaces, empty lines, indentation, and lists that are too long for their line. Comments, the order of keys, and whatever the file means
/// stay. `file_name` is for the messages.
///
/// # Errors
/// Where the text is not TOML.
pub fn format(text: &str, file_name: &Path) -> Result<String, Diagnostics> {
    let sources = Sources::default();
    sources.add(file_name, text.to_owned());
    Node::parse(text).map_err(|errors| sources.diagnostics(not_toml::mistakes(text, errors).mistakes))?;
    let laid_out = format::format(text);
    match format::same(text, &laid_out) {
        true => Ok(laid_out),
        // it would be a defect of ours, and is no reason to break a file
        false => {
            Err(sources.diagnostics(vec![Mistake::whole_file("laid out anew, the file would mean something else")]))
        }
    }
}

/// The JSON Schema (draft 2020-12) of `proxy.toml`, with descriptions, defaults and every key; for editors and tools. Where it wants a number, a boolean or an
/// array of strings, `"${NAME}"` may stand. Keys that begin with `x-` are Evenkeel's own and can be ignored.
pub fn schema() -> serde_json::Value {
    schema::with_variables()
}
