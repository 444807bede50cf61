//! Mends a text that is not TOML step by step. Each step tells of what is wrong first, and mends it or takes it out. Lines stay where they are, so that a place
//! in a line that was not changed is the same in both texts.

use std::collections::BTreeSet;
use std::ops::Range;

use super::super::code::Code;
use super::super::disguise;
use super::super::mistake::Mistake;
use super::super::tree::{KeyPath, Node};
use super::brackets::{self, Flaw, Kind, Statement};
use super::mend;
use super::position::Position;
use super::quotes;
use super::twice::{self, AtFault};

/// The parser's errors.
pub(super) type Errors = Vec<(Range<usize>, String)>;

/// What is wrong with a text.
pub(in crate::config) struct NotToml {
    pub(in crate::config) mistakes: Vec<Mistake>,
    /// The text as it was probably meant, line by line, where all mistakes could be mended.
    pub(in crate::config) mended: Option<String>,
}

pub(super) struct Repair<'t> {
    original: &'t str,
    /// As far as it is mended.
    text: String,
    /// The lines that were changed, by their indices.
    changed: BTreeSet<usize>,
    told: Vec<Mistake>,
    /// Whether all that was wrong so far could be mended.
    is_mended: bool,
}

/// What is told of a place.
struct Told {
    /// The bytes of the line that are meant.
    at: Range<usize>,
    message: String,
    instead: Option<String>,
    help: Option<String>,
}

impl<'t> Repair<'t> {
    pub(super) fn new(original: &'t str) -> Self {
        Self { original, text: original.to_owned(), changed: BTreeSet::new(), told: Vec::new(), is_mended: true }
    }

    pub(super) fn end(self, is_toml: bool) -> NotToml {
        let mended = (is_toml && self.is_mended).then_some(self.text);
        NotToml { mistakes: self.told, mended }
    }

    /// Tells of the first error, and mends it or takes it out; the errors that are left. `None` = nothing more can be said.
    pub(super) fn step(&mut self, errors: &Errors) -> Option<Errors> {
        let (span, message) = errors.first()?;
        let index = line_of(&self.text, span.start);
        let statements = brackets::statements(&self.text);
        if message != "duplicate key"
            && let Some(goes_on) = self.brackets(&statements, index, errors.len())
        {
            return goes_on;
        }
        let lines: Vec<&str> = self.text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
        let line = lines.get(index).copied()?;
        let start = line_start(&self.text, index);
        let at = span.start.clamp(start, start + line.len()) - start..span.end.clamp(start, start + line.len()) - start;
        let parser = Told { at, message: message.clone(), instead: None, help: None };
        if message == "duplicate key" {
            if let Some(AtFault { line, at, message, instead }) = twice::at_fault(&self.text[..start], line) {
                let begin = line_start(&self.text, line);
                let text = replaced(&self.text, begin + at.start..begin + at.end, &instead);
                let left = Node::recover(&text).1;
                self.tell(line, Told { at, message, instead: Some(instead), help: None });
                self.change(line, text);
                return Some(left);
            }
            let help = twice::help(&self.text[..start], line);
            self.tell(index, Told { help, ..parser });
            return self.take_out(index..index + 1);
        }
        let position = Position { lines: &lines, index };
        let mended = mend::mend(position).map(|mend| (mend.at, mend.instead, mend.help, mend.further));
        let mended =
            mended.or_else(|| element(line).map(|(at, instead)| (at, Some(instead), quotes::CLOSED.into(), 0)));
        match mended {
            Some((at, Some(instead), help, _)) => {
                let text = replaced(&self.text, start + at.start..start + at.end, &instead);
                if let Some(left) = errors_behind(&text, index) {
                    // what is to be done says better what is wrong than what the parser expected
                    self.tell(index, Told { at, message: help.into_owned(), instead: Some(instead), help: None });
                    self.change(index, text);
                    return Some(left);
                }
                self.tell(index, parser);
            }
            Some((at, None, help, further)) => {
                self.tell(index, Told { at, message: message.clone(), instead: None, help: Some(help.into_owned()) });
                return self.take_out(index..index + 1 + further);
            }
            None => self.tell(index, parser),
        }
        let whole = statements.into_iter().map(|statement| statement.lines).find(|lines| lines.contains(&index));
        self.take_out(whole.unwrap_or(index..index + 1))
    }

    /// Tells of a bracket that is wrong at this line, or before; `None` = there is none, or to mend it is of no use.
    fn brackets(&mut self, statements: &[Statement], index: usize, errors: usize) -> Option<Option<Errors>> {
        let at_fault = statements.iter().take_while(|statement| statement.lines.start <= index);
        let Flaw { kind, opened, at, write } = at_fault.filter_map(|statement| statement.flaw.as_ref()).last()?;
        let (opened_at, opened_in) = *opened;
        if *kind == Kind::EndlessString {
            let start = line_start(&self.text, opened_in);
            let at = opened_at - start..opened_at - start + 3;
            let message = "this string of several lines has no end".to_owned();
            let help = Some("three quotes end it, as they begin it".to_owned());
            self.tell(opened_in, Told { at, message, instead: None, help });
            return Some(None);
        }
        let text = replaced(&self.text, at.clone(), write);
        let changed_in = line_of(&self.text, at.start);
        let left = Node::recover(&text).1;
        let is_ahead =
            left.first().is_none_or(|(span, _)| line_of(&text, span.start) > changed_in) || left.len() < errors;
        if !is_ahead {
            return None;
        }
        let mut told = self.flaw(*kind, (opened_at, opened_in), at, write, changed_in);
        if left.first().is_some_and(|(span, _)| line_of(&text, span.start) == changed_in) {
            // more is wrong in this line
            told.instead = None;
        }
        self.tell(changed_in, told);
        self.change(changed_in, text);
        Some(Some(left))
    }

    /// What is told of a bracket.
    fn flaw(
        &self,
        kind: Kind,
        (opened_at, opened_in): (usize, usize),
        at: &Range<usize>,
        write: &str,
        line: usize,
    ) -> Told {
        let start = line_start(&self.text, line);
        let in_line = if opened_in == line { String::new() } else { format!(" in line {}", opened_in + 1) };
        let begin = match opened_in == line && opened_at < at.start {
            true => opened_at,
            false => start + indentation(&self.text[start..at.start]),
        };
        let (message, help) = match kind {
            Kind::Unclosed(bracket) => {
                let closer = if bracket == '[' { ']' } else { '}' };
                let the = if in_line.is_empty() { "" } else { "the " };
                (format!("{the}`{bracket}`{in_line} is not closed"), format!("`{closer}` is missing"))
            }
            Kind::TooMany(bracket) if write.is_empty() => {
                (format!("there is a `{bracket}` too many"), "take it out".to_owned())
            }
            Kind::TooMany(bracket) => {
                (format!("`{bracket}` closes what another bracket opened"), format!("write `{write}`"))
            }
            Kind::NoComma => (
                "a comma is missing".to_owned(),
                "the keys of a table in braces are separated by commas, in several lines too".to_owned(),
            ),
            Kind::EndlessString => (String::new(), String::new()),
        };
        let instead = [&self.text[begin..at.start], write].concat();
        Told { at: begin - start..at.end - start, message, instead: Some(instead), help: Some(help) }
    }

    /// Adds what is told of a line. What is wrong with one that was changed mostly follows from that.
    fn tell(&mut self, index: usize, told: Told) {
        if self.changed.contains(&index) {
            return;
        }
        let start = line_start(self.original, index);
        let line = self.original[start..].lines().next().unwrap_or_default();
        // what may be secret in the line is not shown
        let instead = told.instead.filter(|_| disguise::line(line) == line);
        let mistake = Mistake::new(
            start + told.at.start..start + told.at.end,
            &KeyPath::default(),
            format!("this is not TOML: {}", told.message),
        );
        self.told.push(Mistake { help: told.help, ..mistake.code(Code::Syntax).instead(instead) });
    }

    fn change(&mut self, index: usize, text: String) {
        self.changed.insert(index);
        self.text = text;
    }

    /// Takes lines out that could not be mended; the errors that are left. `None` = what follows can't be read without them.
    fn take_out(&mut self, lines: Range<usize>) -> Option<Errors> {
        self.is_mended = false;
        for index in lines.clone() {
            let start = line_start(&self.text, index);
            let line = self.text[start..].split('\n').next().unwrap_or_default();
            // the keys below a header must not become those of the section above
            let is_header = line.trim_start().starts_with('[') && lines.len() == 1;
            let left = if is_header { format!("[line-{}]", index + 1) } else { String::new() };
            let end = start + line.trim_end_matches('\r').len();
            let text = replaced(&self.text, start..end, &left);
            self.change(index, text);
        }
        errors_behind(&self.text, lines.start)
    }
}

/// The errors of a text, where there is none up to this line.
fn errors_behind(text: &str, index: usize) -> Option<Errors> {
    let errors = Node::recover(text).1;
    errors.first().is_none_or(|(span, _)| line_of(text, span.start) > index).then_some(errors)
}

/// A line of a list in several lines whose quotes are wrong.
fn element(line: &str) -> Option<(Range<usize>, String)> {
    let begin = indentation(line);
    let code = line.trim().trim_end_matches(',');
    let (mended, _) = quotes::mend(code)?;
    Some((begin..begin + code.len(), mended))
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn replaced(text: &str, at: Range<usize>, write: &str) -> String {
    [&text[..at.start], write, &text[at.end..]].concat()
}

/// The index of the line that a position is in.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// Where a line begins; the end of the text where there is no such line.
fn line_start(text: &str, index: usize) -> usize {
    match index {
        0 => 0,
        index => text.match_indices('\n').nth(index - 1).map_or(text.len(), |(at, _)| at + 1),
    }
}
