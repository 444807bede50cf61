//! The lines of a file, of the parser's events.

use toml_parser::parser::{Event, EventKind, RecursionGuard, parse_document};
use toml_parser::{Source, Span};

/// The deepest nesting that is followed. A text that the `toml` crate takes has fewer.
const DEEPEST: u32 = 100;

/// A column of a tab stop is a multiple of this.
const TAB: usize = 8;

/// What stands on the lines of a file outside of lists.
pub(super) enum Item<'t> {
    /// An empty line.
    Blank,
    /// A comment with a line of its own.
    Comment {
        text: &'t str,
        /// Whether it goes on with the comment of the line above, in the same column.
        goes_on: bool,
    },
    /// The header of a table or of an element of an array of tables.
    Header { header: String, comment: Option<Remark<'t>> },
    /// A key with its value.
    Entry { key: String, value: Value<'t>, comment: Option<Remark<'t>> },
}

/// A comment behind something on its line.
pub(super) struct Remark<'t> {
    pub(super) text: &'t str,
    /// The column in which it begins, from 0.
    pub(super) column: usize,
    /// Whether there is more than one space before it.
    pub(super) is_apart: bool,
}

pub(super) enum Value<'t> {
    /// A string, a number, a boolean or a date, as it is written.
    Scalar(&'t str),
    List(List<'t>),
}

/// An array or an inline table.
pub(super) struct List<'t> {
    pub(super) is_array: bool,
    /// Whether its elements stand on lines of their own.
    pub(super) on_lines: bool,
    pub(super) parts: Vec<Part<'t>>,
}

/// What is between the brackets of a list, without commas.
pub(super) enum Part<'t> {
    Blank,
    Comment(&'t str),
    Element { key: Option<String>, value: Value<'t>, comment: Option<Remark<'t>> },
}

pub(super) struct Reader<'t> {
    text: &'t str,
    events: std::vec::IntoIter<Event>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let tokens = Source::new(text).lex().into_vec();
        let mut events = Vec::with_capacity(tokens.len());
        parse_document(&tokens, &mut RecursionGuard::new(&mut events, DEEPEST), &mut ());
        Self { text, events: events.into_iter() }
    }

    /// The lines of the file.
    pub(super) fn items(mut self) -> Vec<Item<'t>> {
        let mut items = Vec::new();
        // whether something stands on the line so far
        let mut begun = false;
        while let Some(event) = self.events.next() {
            match event.kind() {
                EventKind::Newline if begun => begun = false,
                EventKind::Newline => items.push(Item::Blank),
                EventKind::Comment => {
                    self.comment(&mut items, &event, begun);
                    begun = true;
                }
                EventKind::StdTableOpen | EventKind::ArrayTableOpen => {
                    let header = self.header(&event);
                    items.push(Item::Header { header, comment: None });
                    begun = true;
                }
                EventKind::SimpleKey => {
                    let key = self.key(&event);
                    items.push(Item::Entry { key, value: self.value(), comment: None });
                    begun = true;
                }
                _ => {}
            }
        }
        items
    }

    fn comment(&self, items: &mut Vec<Item<'t>>, event: &Event, begun: bool) {
        let remark = self.remark(event);
        let goes_on = match items.last_mut() {
            Some(Item::Header { comment, .. } | Item::Entry { comment, .. }) if begun => {
                *comment = Some(remark);
                return;
            }
            Some(Item::Header { comment: Some(above), .. } | Item::Entry { comment: Some(above), .. }) => {
                above.column == remark.column
            }
            // all that go on with one comment stand in its column
            Some(Item::Comment { goes_on, .. }) => *goes_on && remark.column > 0,
            _ => false,
        };
        items.push(Item::Comment { text: remark.text, goes_on });
    }

    /// A header from its opening bracket on, without the white space in it.
    fn header(&mut self, opened: &Event) -> String {
        let mut header = self.slice(opened).to_owned();
        for event in self.events.by_ref() {
            match event.kind() {
                EventKind::SimpleKey | EventKind::KeySep => header.push_str(slice(self.text, event.span())),
                EventKind::StdTableClose | EventKind::ArrayTableClose => {
                    header.push_str(slice(self.text, event.span()));
                    break;
                }
                _ => {}
            }
        }
        header
    }

    /// A key from its first part on, up to the sign behind it.
    fn key(&mut self, first: &Event) -> String {
        let mut key = self.slice(first).to_owned();
        for event in self.events.by_ref() {
            match event.kind() {
                EventKind::SimpleKey | EventKind::KeySep => key.push_str(slice(self.text, event.span())),
                EventKind::KeyValSep => break,
                _ => {}
            }
        }
        key
    }

    /// The value that comes next.
    fn value(&mut self) -> Value<'t> {
        while let Some(event) = self.events.next() {
            match event.kind() {
                EventKind::Scalar => return Value::Scalar(self.slice(&event)),
                EventKind::ArrayOpen | EventKind::InlineTableOpen => {
                    return Value::List(self.list(event.kind() == EventKind::ArrayOpen));
                }
                _ => {}
            }
        }
        Value::Scalar("")
    }

    /// A list from behind its opening bracket on.
    fn list(&mut self, is_array: bool) -> List<'t> {
        let mut list = List { is_array, on_lines: false, parts: Vec::new() };
        // line breaks since the last element or comment
        let mut breaks = 0;
        while let Some(event) = self.events.next() {
            match event.kind() {
                EventKind::ArrayClose | EventKind::InlineTableClose => break,
                EventKind::Newline => {
                    list.on_lines = true;
                    breaks += 1;
                    if breaks == 2 && !list.parts.is_empty() {
                        list.parts.push(Part::Blank);
                    }
                }
                EventKind::Comment => {
                    list.on_lines = true;
                    match list.parts.last_mut() {
                        Some(Part::Element { comment, .. }) if breaks == 0 && comment.is_none() => {
                            *comment = Some(self.remark(&event));
                        }
                        _ => list.parts.push(Part::Comment(self.slice(&event).trim_end())),
                    }
                    breaks = 0;
                }
                kind @ (EventKind::SimpleKey
                | EventKind::Scalar
                | EventKind::ArrayOpen
                | EventKind::InlineTableOpen) => {
                    breaks = 0;
                    let key = (kind == EventKind::SimpleKey).then(|| self.key(&event));
                    let value = match kind {
                        EventKind::SimpleKey => self.value(),
                        EventKind::Scalar => Value::Scalar(self.slice(&event)),
                        kind => Value::List(self.list(kind == EventKind::ArrayOpen)),
                    };
                    list.parts.push(Part::Element { key, value, comment: None });
                }
                _ => {}
            }
        }
        while matches!(list.parts.last(), Some(Part::Blank)) {
            list.parts.pop();
        }
        list
    }

    fn remark(&self, event: &Event) -> Remark<'t> {
        let at = event.span().start();
        let line = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let step = |column: usize, c: char| if c == '\t' { column / TAB * TAB + TAB } else { column + 1 };
        let column = |text: &str| text.chars().fold(0, step);
        let before = &self.text[line..at];
        let (column, end) = (column(before), column(before.trim_end()));
        Remark { text: self.slice(event).trim_end(), column, is_apart: column > end + 1 }
    }

    fn slice(&self, event: &Event) -> &'t str {
        slice(self.text, event.span())
    }
}

fn slice(text: &str, span: Span) -> &str {
    text.get(span.start()..span.end()).unwrap_or_default()
}
