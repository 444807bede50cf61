//! The mistakes in a configuration file, shown so that they can be put right without looking anything up.
//!
//! While files are read, mistakes are collected with ranges of bytes (`mistake.rs`). [`Diagnostics`] has lines, columns
//! and the source line itself, to be printed or sent as JSON.
//!
//! A configuration may consist of several files. Their texts stand one behind the other in one range of positions ([`Sources`]), so that a position says
//! the file as well.

mod lines;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::code::Code;
use super::disguise;
use super::mistake::{Mistake, Severity};

/// One thing that is wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Of what kind it is.
    pub code: Code,
    /// The file, as it was named on the command line.
    pub file: String,
    /// From 1; 0 when it is about the file as a whole.
    pub line: usize,
    /// In characters, from 1; 0 when it is about the file as a whole.
    pub column: usize,
    /// How many characters of the line are meant; at least 1.
    pub width: usize,
    /// The column behind them; 0 when it is about the file as a whole.
    pub end_column: usize,
    /// The key, such as `listener[0].route[2].host`. Empty for the file as a whole, or when it is no TOML at all.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What should have been there instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// The nearest known name, when one is near.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// What to write in place of the characters that are meant, so that the mistake is none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The line it is in, ready to be printed: tabs, control characters and what may be secret in URLs replaced by one character each.
    pub source: String,
}

/// All mistakes in a file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    #[serde(skip)]
    file: String,
}

impl Diagnostics {
    /// A file that could not be read.
    pub(super) fn unreadable(file: &Path, message: String, help: &str) -> Self {
        let mistake = Mistake::whole_file(message).code(Code::UnreadableFile).help(help);
        let sources = Sources::default();
        sources.add(file, String::new());
        sources.diagnostics(vec![mistake])
    }

    /// With the errors that were found in the same file after these were mended in their lines.
    pub(super) fn and_further(mut self, further: Self) -> Self {
        let told: BTreeSet<usize> = self.list.iter().map(|told| told.line).collect();
        let is_new = |found: &Diagnostic| {
            found.severity == Severity::Error && !(found.file == self.file && told.contains(&found.line))
        };
        self.list.extend(further.list.into_iter().filter(is_new));
        let order = |told: &Diagnostic| if told.file == self.file { told.line } else { usize::MAX };
        self.list.sort_by_key(order);
        self
    }

    /// The diagnostics, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// How many there are, warnings included.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many are errors, with which the configuration can't be used.
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// All diagnostics as text for a terminal (or, without `color`, for a file), with a line at the end that counts
    /// them. Empty when there are none.
    pub fn render(&self, color: bool) -> String {
        self.render_most(color, usize::MAX).0
    }

    /// As [`render`](Self::render), of at most so many, errors before warnings; returns with it how many are left out.
    pub fn render_most(&self, color: bool, most: usize) -> (String, usize) {
        if self.list.is_empty() {
            return (String::new(), 0);
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let (mut errors, mut warnings) = (most, most.saturating_sub(self.errors()));
        let has_room = |diagnostic: &&Diagnostic| {
            let room = if diagnostic.severity == Severity::Error { &mut errors } else { &mut warnings };
            let has_room = *room > 0;
            *room = room.saturating_sub(1);
            has_room
        };
        let shown: Vec<_> = self.list.iter().filter(has_room).collect();
        let left_out = self.list.len() - shown.len();
        let all = shown.into_iter().map(|diagnostic| diagnostic.render(&renderer) + "\n\n");
        (all.collect::<String>() + &self.count() + "\n", left_out)
    }

    fn count(&self) -> String {
        let named = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let (errors, warnings) = (self.errors(), self.len() - self.errors());
        let counted = match (errors, warnings) {
            (e, 0) => named(e, "mistake"),
            (0, w) => named(w, "warning"),
            (e, w) => format!("{} and {}", named(e, "mistake"), named(w, "warning")),
        };
        let files = self.list.iter().map(|diagnostic| &diagnostic.file).collect::<BTreeSet<_>>();
        match (files.len(), files.first()) {
            (1, Some(only)) => format!("{counted} in {only}"),
            (0 | 1, _) => format!("{counted} in {}", self.file),
            (many, _) => format!("{counted} in {many} files"),
        }
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, left_out) = self.render_most(false, MOST_SHOWN);
        f.write_str(&text)?;
        match left_out {
            0 => Ok(()),
            more => writeln!(f, "{more} more are not shown"),
        }
    }
}

impl std::error::Error for Diagnostics {}

impl Diagnostic {
    /// Draws it as a compiler does: the message, the place, the line with the mistake underlined, and what to do.
    fn render(&self, renderer: &Renderer) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let expected = self.expected.as_ref().map(|expected| format!("expected {expected}"));
        let guess = self.suggestion.as_ref().map(|name| format!("did you mean `{name}`?"));
        let title = level.primary_title(&self.message);
        let (mut group, label) = if self.line == 0 {
            (title.element(Origin::path(&self.file)), None)
        } else {
            let label = guess.as_ref().or(expected.as_ref());
            let mark = AnnotationKind::Primary.span(self.marked()).label(label.map(String::as_str));
            let line = Snippet::source(&self.source).line_start(self.line).path(&self.file);
            (title.element(line.annotation(mark)), label)
        };
        if let Some(expected) = expected.as_ref().filter(|expected| label != Some(*expected)) {
            group = group.element(Level::NOTE.no_name().message(expected));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }

    /// The range of bytes in `source` that is underlined; the column and the width are in characters.
    fn marked(&self) -> Range<usize> {
        let byte = |character| self.source.char_indices().nth(character).map_or(self.source.len(), |(byte, _)| byte);
        byte(self.column - 1)..byte(self.column - 1 + self.width)
    }
}

/// So many diagnostics are in a log line or on a screen at most: of ten thousand nobody reads more.
pub const MOST_SHOWN: usize = 50;

/// The most files that a configuration may consist of.
pub(super) const MOST_FILES: usize = 1000;

/// The texts of all files that a configuration consists of.
pub(super) struct Sources {
    /// Those that have been read come first. A file never moves, so that trees can borrow from it while others are read.
    files: Box<[OnceCell<SourceFile>]>,
}

/// The text of one file and where its lines begin.
pub(super) struct SourceFile {
    /// As it is shown.
    name: String,
    pub(super) text: String,
    /// The position of its first byte.
    pub(super) base: usize,
    /// Found when a line is asked for first, which never happens while nothing is wrong.
    line_starts: OnceCell<Vec<usize>>,
}

impl Default for Sources {
    fn default() -> Self {
        Self { files: (0..MOST_FILES).map(|_| OnceCell::new()).collect() }
    }
}

impl Sources {
    /// Adds a file; `None` = there are too many.
    pub(super) fn add(&self, name: &Path, text: String) -> Option<&SourceFile> {
        let base = self.iter().last().map_or(0, |file| file.base + file.text.len() + 1);
        let free = self.files.iter().find(|file| file.get().is_none())?;
        let name = name.display().to_string();
        Some(free.get_or_init(|| SourceFile { name, text, base, line_starts: OnceCell::new() }))
    }

    /// All files, in the order in which they were read; the first one includes the others.
    pub(super) fn iter(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().map_while(OnceCell::get)
    }

    /// The file that a position is in.
    fn file(&self, at: usize) -> Option<&SourceFile> {
        let behind = self.files.partition_point(|file| file.get().is_some_and(|file| file.base <= at));
        self.files.get(behind.saturating_sub(1))?.get()
    }

    /// A place in words: "line 7", with the name of the file where there are several.
    pub(super) fn place(&self, at: usize) -> String {
        let Some(file) = self.file(at) else { return String::new() };
        let line = file.line(at);
        match self.iter().nth(1) {
            Some(_) => format!("line {line} of {}", file.name),
            None => format!("line {line}"),
        }
    }

    /// Puts the mistakes into the order of the files and finds their lines.
    pub(super) fn diagnostics(&self, mut mistakes: Vec<Mistake>) -> Diagnostics {
        mistakes.sort_by_key(|m| m.span.as_ref().map_or((0, 0), |s| (s.start + 1, s.end)));
        let file = self.iter().next().map(|file| file.name.clone()).unwrap_or_default();
        let in_its_file = |mistake: Mistake| {
            let file = self.file(mistake.span.as_ref().map_or(0, |span| span.start))?;
            Some(file.diagnostic(mistake))
        };
        let list = mistakes.into_iter().filter_map(in_its_file).collect();
        Diagnostics { list, file }
    }
}

impl SourceFile {
    fn line_starts(&self) -> &[usize] {
        let found = || std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.line_starts.get_or_init(found)
    }

    /// The number of the line at a position in this file, from 1.
    fn line(&self, at: usize) -> usize {
        self.line_starts().partition_point(|start| self.base + *start <= at)
    }

    fn diagnostic(&self, mistake: Mistake) -> Diagnostic {
        let (mut line, mut column, mut width, mut source) = (0, 0, 1, String::new());
        let mut replacement = None;
        if let Some(span) = &mistake.span {
            let at = self.char_boundary(span.start);
            line = self.line(self.base + at);
            let start = self.line_starts().get(line - 1).copied().unwrap_or(0);
            let shown = self.text[start..].lines().next().unwrap_or("");
            let line_end = start + shown.len();
            column = self.text[start..at.min(line_end)].chars().count() + 1;
            let end = self.char_boundary(span.end).clamp(at, line_end.max(at));
            width = self.text[at..end].chars().count().max(1);
            source = disguise::line(shown).chars().map(printable).collect();
            // what goes on in the next line is not replaced in part
            let marked = Some(&self.text[at..end]).filter(|_| end == self.char_boundary(span.end));
            replacement = marked.and_then(|marked| mistake.replacement(marked));
        }
        Diagnostic {
            severity: mistake.severity,
            code: mistake.code,
            file: self.name.clone(),
            line,
            column,
            width,
            end_column: if line == 0 { 0 } else { column + width },
            path: mistake.path.to_string(),
            message: mistake.message,
            expected: mistake.expected,
            suggestion: mistake.suggestion,
            replacement,
            help: mistake.help,
            source,
        }
    }

    /// The byte of this file at a position, moved to the start of a character: syntax errors of the TOML parser may point into one, or behind the end of the
    /// text.
    fn char_boundary(&self, at: usize) -> usize {
        let mut at = at.saturating_sub(self.base).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// Replaces control characters, which must not reach a terminal, and tabs, so that a column is a character.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}
