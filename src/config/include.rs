//! The files that a configuration consists of: the one that was named, and those that `include` names.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::MAX_FILE_BYTES;
use super::diagnostics::{MOST_FILES, SourceFile, Sources};
use super::environment::{self, Written};
use super::glob;
use super::merge;
use super::mistake::{Findings, Mistake};
use super::not_toml::{self, NotToml};
use super::path::{KeyPath, Trail};
use super::shape;
use super::tree::{Node, Table, Value};
use crate::stamp::{Seen, Stamp};

/// The key that names other files.
const KEY: &str = "include";

/// How deep files may include one another. Nobody needs more than two or three.
const DEEPEST: usize = 8;

/// The contents of all files as one tree.
pub(super) struct Tree<'s> {
    pub(super) root: Node<'s>,
    /// What is no TOML.
    pub(super) syntax: Vec<Mistake>,
    /// The first file as it was probably meant, where nothing else is no TOML.
    pub(super) mended: Option<String>,
    is_mended: bool,
    /// What was looked at beside the first file, as it was right before.
    pub(super) seen: Seen,
}

/// Looks a variable up in the process's environment.
type Process<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Whether a file with this text may include others: it has the key, or an escape, which may stand for a part of it.
pub(super) fn is_in(text: &str) -> bool {
    text.contains(KEY) || text.contains('\\')
}

/// Reads the file that is the first of `sources` and lies at `path`, and all that it includes.
pub(super) fn read<'s>(sources: &'s Sources, path: &Path, process: Process<'_>, findings: &mut Findings) -> Tree<'s> {
    let tree = Tree {
        root: Node { span: 0..0, value: Value::Bool(false) },
        syntax: Vec::new(),
        mended: None,
        is_mended: true,
        seen: Vec::new(),
    };
    let own = BTreeMap::new();
    let mut reader = Reader { sources, process, findings, own, read: HashSet::new(), is_full: false, tree };
    if let Some(file) = sources.iter().next() {
        reader.file(file, path, &mut vec![path.canonicalize().unwrap_or_else(|_| path.to_path_buf())]);
    }
    let mended = reader.tree.mended.take().filter(|_| reader.tree.is_mended);
    Tree { mended, ..reader.tree }
}

/// The text of a file, which may have `room` bytes.
///
/// # Errors
///
/// What is wrong with it, and what to do where it can be read at all.
pub(super) fn text(path: &Path, room: u64) -> Result<String, (String, Option<&'static str>)> {
    let size = std::fs::metadata(path).map(|metadata| metadata.len());
    if size.is_ok_and(|size| size > room) {
        return Err(("the file is larger than 64 MiB".to_owned(), Some("is this the right file?")));
    }
    let bytes = std::fs::read(path).map_err(|error| (error.to_string(), None))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        (format!("the file is not UTF-8 text (byte {at})"), Some("save it as UTF-8"))
    })
}

/// A pattern of an `include`, and where it stands.
struct Pattern {
    text: String,
    path: KeyPath,
    span: Range<usize>,
}

struct Reader<'s, 'f> {
    sources: &'s Sources,
    process: Process<'f>,
    findings: &'f mut Findings,
    /// `server.environment` of the first file.
    own: BTreeMap<String, String>,
    /// The included files that have been read, links followed.
    read: HashSet<PathBuf>,
    /// Whether there were too many, which is told once.
    is_full: bool,
    tree: Tree<'s>,
}

impl<'s> Reader<'s, '_> {
    /// Adds a file and what it includes; `chain` is the way to it through the files that include one another, links followed.
    fn file(&mut self, file: &'s SourceFile, path: &Path, chain: &mut Vec<PathBuf>) {
        let (mut root, errors) = Node::recover(&file.text);
        let NotToml { mistakes, mended } = not_toml::mistakes(&file.text, errors);
        self.tree.is_mended &= mistakes.is_empty() || (mended.is_some() && file.base == 0);
        self.tree.syntax.extend(mistakes.into_iter().map(|mistake| mistake.behind(file.base)));
        self.tree.mended = self.tree.mended.take().or(mended);
        if file.base > 0 {
            root.shift(file.base);
        } else {
            self.own = environment::own(&root, self.process);
        }
        let patterns = self.patterns(&mut root);
        match file.base {
            0 => self.tree.root = root,
            _ => {
                root.take(KEY);
                merge::merge(&mut self.tree.root, root, self.sources, self.findings);
            }
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        for pattern in patterns {
            self.include(&pattern, folder, chain);
        }
    }

    /// What a file includes. Where it says so wrongly, that is reported and taken out.
    fn patterns(&mut self, root: &mut Node<'_>) -> Vec<Pattern> {
        let Some(entry) = root.take(KEY) else { return Vec::new() };
        let mut alone = Node { span: 0..0, value: Value::Table(Table::one(entry)) };
        shape::check(&mut alone, &mut Written::new(), self.findings);
        let Some(entry) = alone.take(KEY) else { return Vec::new() };
        let Value::Array(items) = &entry.node.value else { return Vec::new() };
        let at = Trail::Root.key(KEY);
        let pattern = |(index, item): (usize, &Node<'_>)| {
            let Value::Text(text) = &item.value else { return None };
            let (at, span) = (at.index(index), item.span.clone());
            let text = environment::text(text, (&at, &span), &self.own, self.process, self.findings)?;
            Some(Pattern { text, path: at.path(), span })
        };
        let patterns: Option<Vec<Pattern>> = items.iter().enumerate().map(pattern).collect();
        match (&patterns, &mut root.value) {
            (Some(_), Value::Table(table)) => table.insert(entry),
            _ => self.findings.remove(at.path(), entry.key),
        }
        patterns.unwrap_or_default()
    }

    fn include(&mut self, pattern: &Pattern, folder: &Path, chain: &mut Vec<PathBuf>) {
        let mut look_at = |folder: &Path| self.tree.seen.push((folder.to_path_buf(), Stamp::of(folder)));
        match glob::find(folder, &pattern.text, MOST_FILES, &mut look_at) {
            Ok(files) => files.iter().for_each(|path| self.included(path, pattern, chain)),
            Err(why) => self.report(pattern, why, "see to its permissions"),
        }
    }

    fn included(&mut self, path: &Path, pattern: &Pattern, chain: &mut Vec<PathBuf>) {
        self.tree.seen.push((path.to_path_buf(), Stamp::of(path)));
        let shown = path.display();
        let unreadable = |reason: &str| format!("`{shown}` can't be read: {reason}");
        let real = match path.canonicalize() {
            Ok(real) if real.is_file() => real,
            Ok(_) => {
                return self.report(pattern, unreadable("it is no file"), "*.toml behind a folder names its files");
            }
            Err(error) => {
                let help = "name files that are there; a pattern such as \"conf.d/*.toml\" may find none";
                return self.report(pattern, unreadable(&error.to_string()), help);
            }
        };
        if let Some(first) = chain.iter().position(|file| *file == real) {
            let way: Vec<String> =
                chain[first..].iter().chain([&real]).map(|file| file.display().to_string()).collect();
            let help = "put what is included into a folder of its own, such as conf.d";
            return self.report(pattern, format!("files include one another: {}", way.join(" includes ")), help);
        }
        if self.is_full || self.read.contains(&real) {
            return;
        }
        if chain.len() > DEEPEST {
            let message = format!("`{shown}` is not read: files include one another {DEEPEST} deep at most");
            return self.report(pattern, message, "include it in a file that is nearer to the first one");
        }
        let room = MAX_FILE_BYTES.saturating_sub(self.sources.iter().map(|file| file.text.len() as u64).sum());
        let text = match text(path, room) {
            Ok(text) => text,
            Err((reason, help)) => {
                return self.report(pattern, unreadable(&reason), help.unwrap_or("see to its permissions"));
            }
        };
        let Some(file) = self.sources.add(path, text) else {
            self.is_full = true;
            let message = format!("a configuration consists of at most {MOST_FILES} files");
            return self.report(pattern, message, "put several into one");
        };
        self.read.insert(real.clone());
        chain.push(real);
        self.file(file, path, chain);
        chain.pop();
    }

    fn report(&mut self, pattern: &Pattern, message: String, help: &str) {
        self.findings.add(Mistake::new(pattern.span.clone(), &pattern.path, message).help(help));
    }
}
