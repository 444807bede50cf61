//! The table of services, and that of backends: a line that says what is in it, the headings, and the rows around the selected one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::text::pad;
use super::theme::Theme;
use crate::top::table::{Column, Listing, Row, fit};
use crate::top::tone::Tone;

/// Where the row is marked that is selected; a colour alone would not do.
const MARK: &str = "▶ ";
const NO_MARK: &str = "  ";

/// Draws the table of `all` rows, each of which is a `thing`.
pub fn draw<R: Row>(buffer: &mut Buffer, area: Rect, all: &[R], listing: &Listing, thing: &str, theme: Theme) {
    let rows = listing.rows(all);
    let [caption, headings, body] = parts(area);
    let selected = listing.place(&rows).unwrap_or_default();
    let room = usize::from(body.height);
    // the selected row stays in the middle, as far as there are rows on both sides
    let first = selected.saturating_sub(room / 2).min(rows.len().saturating_sub(room));
    let shown = &rows[first..rows.len().min(first + room)];
    let columns = fit::<R>(area.width.saturating_sub(2));

    let what = self::caption::<R>(first, shown.len(), rows.len(), all.len(), listing, thing);
    buffer.set_line(caption.x, caption.y, &Line::styled(what, theme.soft()), caption.width);
    buffer.set_line(headings.x, headings.y, &self::headings(&columns, listing, theme), headings.width);
    for (at, (row, y)) in shown.iter().zip(body.y..body.bottom()).enumerate() {
        let is_selected = first + at == selected;
        let mut line = vec![Span::raw(if is_selected { MARK } else { NO_MARK })];
        for (at, (column, width)) in columns.iter().enumerate() {
            // the bar over the selected row has one colour beside its own: that of the state, which is the first column
            let tone = if is_selected && at > 0 { Tone::Plain } else { (column.tone)(row) };
            line.push(Span::styled(cell(column, &(column.text)(row), *width), theme.of(tone)));
            line.push(Span::raw(" "));
        }
        buffer.set_line(body.x, y, &Line::from(line), body.width);
        if is_selected {
            buffer.set_style(Rect { y, height: 1, ..body }, theme.selected());
        }
    }
}

/// The lines for what is in the table, for the headings, and for the rows.
fn parts(area: Rect) -> [Rect; 3] {
    let line = |down: u16| Rect { y: area.y + down.min(area.height), height: u16::from(down < area.height), ..area };
    [line(0), line(1), Rect { y: area.y + area.height.min(2), height: area.height.saturating_sub(2), ..area }]
}

fn cell<R>(column: &Column<R>, text: &str, width: u16) -> String {
    pad(text, usize::from(width), column.is_figure)
}

fn headings<R: Row>(columns: &[(&'static Column<R>, u16)], listing: &Listing, theme: Theme) -> Line<'static> {
    let sorted = R::COLUMNS.get(listing.sort).map(|column| column.title);
    let mut line = vec![Span::raw(NO_MARK)];
    for (column, width) in columns {
        let text = cell(column, column.title, *width);
        let style = if sorted == Some(column.title) { theme.sorted() } else { theme.soft() };
        line.push(Span::styled(text, style));
        line.push(Span::raw(" "));
    }
    Line::from(line)
}

/// What is in the table: `services 5-12 of 40 by RATE, reversed, with "mail"`.
fn caption<R: Row>(first: usize, shown: usize, rows: usize, all: usize, listing: &Listing, thing: &str) -> String {
    let which = match rows {
        1 => format!("1 {thing}"),
        _ if shown < rows => format!("{thing}s {}-{} of {rows}", first + 1, first + shown),
        _ => format!("{rows} {thing}s"),
    };
    let order = R::COLUMNS.get(listing.sort).map(|column| column.title).unwrap_or_default();
    let reversed = if listing.is_reversed { ", reversed" } else { "" };
    let filter = match &*listing.filter {
        "" => String::new(),
        filter => format!(", with \"{filter}\" (of {all}; Esc: all)"),
    };
    format!("{which} by {order}{reversed}{filter}")
}
