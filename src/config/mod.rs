//! `proxy.toml` in three steps: raw (what serde sees) -> check (all mistakes at once) -> model (valid by construction).
//!
//! 1. The text becomes a tree in which each key and value knows its place (`tree`); `${NAME}` is replaced (`environment`).
//! 2. The tree is checked against the JSON Schema of the raw types (`raw`, `schema`, `shape`). Values that don't fit
//!    are reported and taken out of the tree, so that the rest deserialises, and one mistake never hides another.
//! 3. The values are checked against each other and against the world, and built into the model (`check`): names that
//!    must exist, files that must be readable, addresses that must be different.
//!
//! The habit of three types is ripgrep's (`lowargs` -> `hiargs`), the look of the messages rustc's.

mod check;
mod code;
mod deserialize;
mod diagnostics;
mod disguise;
mod effective;
mod environment;
mod explain;
mod format;
mod meant;
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

use mistake::{Findings, Mistake};
use tree::Node;

pub use code::Code;
pub use diagnostics::{Diagnostic, Diagnostics};
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

/// Reads and checks a file. Relative paths in it are relative to its folder.
///
/// Certificates, keys and other files that it names are read, and the names of backends are looked up (for a few seconds at most); so
/// this blocks, and belongs to no thread that serves.
///
/// # Errors
/// Everything that is wrong with the file, in one go; warnings are among it.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    let unreadable = |message: String, help: &str| Diagnostics::unreadable(path, message, help);
    let size = std::fs::metadata(path).map(|m| m.len());
    if size.is_ok_and(|size| size > MAX_FILE_BYTES) {
        return Err(unreadable("the file is larger than 64 MiB".to_owned(), "is this the right file?"));
    }
    let bytes = std::fs::read(path).map_err(|error| {
        unreadable(
            format!("the configuration can't be read: {error}"),
            "name the file with -c, and see to its permissions",
        )
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        unreadable(format!("the file is not UTF-8 text (byte {at})"), "save it as UTF-8")
    })?;
    parse(&text, path)
}

/// `[admin]` of a file, unchecked and with `${NAME}` replaced: for a command that talks to a running process whose file
/// may be full of mistakes.
///
/// # Errors
/// When it can't be read, or when it is no TOML and the rest of it says nothing of the address; for people.
pub fn admin(path: &Path) -> Result<serde_json::Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    let (mut root, errors) = Node::recover(&text);
    environment::expand(&mut root, &|name| std::env::var(name).ok(), &mut Findings::default());
    let admin = root.to_json()["admin"].take();
    match admin["bind"].is_string() || errors.is_empty() {
        true => Ok(admin),
        false => Err(format!("{} is not TOML: say --admin", path.display())),
    }
}

/// As [`load`], with the text given. `file_name` is for the messages, and its folder for relative paths.
///
/// # Errors
/// Everything that is wrong with the text, in one go; warnings are among it.
pub fn parse(text: &str, file_name: &Path) -> Result<Loaded, Diagnostics> {
    let source = diagnostics::SourceText::new(file_name, text);
    let mut root = match Node::parse(text) {
        Ok(root) => root,
        Err(errors) => return Err(source.diagnostics(not_toml::mistakes(text, errors))),
    };
    let mut findings = Findings::default();
    let written = match environment::is_in(text) {
        true => environment::expand(&mut root, &|name| std::env::var(name).ok(), &mut findings),
        false => environment::Written::new(),
    };
    shape::check(&mut root, &mut findings);
    let mut raw = match raw::File::deserialize(&root) {
        Ok(raw) => raw,
        // the shape check lets nothing through that serde refuses; if it does, that is a defect of ours, and no reason
        // to panic
        Err(error) => {
            findings.add(Mistake::whole_file(format!("the file can't be used: {error}")));
            return Err(source.diagnostics(findings.mistakes));
        }
    };
    let given = std::env::var("STATE_DIRECTORY").ok();
    raw.server.state_dir.get_or_insert_with(|| environment::state_dir(given.as_deref()));
    raw.service.values_mut().for_each(raw::Service::fill_in);
    let folder = file_name.parent().unwrap_or(Path::new(""));
    let config = check::check(&raw, &root, folder, &source, &mut findings);
    let failed = findings.has_errors();
    let diagnostics = source.diagnostics(findings.mistakes);
    match config {
        Some(config) if !failed => {
            let effective = Effective::new(raw, written, &config, text);
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
    let source = diagnostics::SourceText::new(file_name, text);
    Node::parse(text).map_err(|errors| source.diagnostics(not_toml::mistakes(text, errors)))?;
    let laid_out = format::format(text);
    match format::same(text, &laid_out) {
        true => Ok(laid_out),
        // it would be a defect of ours, and is no reason to break a file
        false => {
            Err(source.diagnostics(vec![Mistake::whole_file("laid out anew, the file would mean something else")]))
        }
    }
}

/// The JSON Schema (draft 2020-12) of `proxy.toml`, with descriptions, defaults and every key; for editors and tools.
/// Keys that begin with `x-` are Evenkeel's own and can be ignored.
pub fn schema() -> serde_json::Value {
    schema::get().clone()
}
