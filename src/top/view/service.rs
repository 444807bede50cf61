//! One service: how it is in words and in figures, how it has been in two small curves, and its backends.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::curve::{self, Curve};
use super::text::wrap_to;
use super::theme::Theme;
use super::{grid, lines, wrong};
use crate::top::document::{Detail, Live, Service};
use crate::top::format::{self, millis, number, percent, rate};
use crate::top::model::Model;
use crate::top::tone::{self, Tone};
use crate::top::trend::Trend;

/// The least rows that the table of backends is left with: what is in it, the headings, and some rows.
const TABLE: u16 = 7;

/// Draws the service of this name.
pub fn draw(buffer: &mut Buffer, area: Rect, model: &Model, live: &Live, name: &str, theme: Theme) {
    let Some(service) = live.services.find(name) else {
        lines(buffer, area, [Line::raw(format!("There is no service {name} any more. Esc goes back."))]);
        return;
    };
    let head = head(service, model.detail(), theme, usize::from(area.width));
    let height = u16::try_from(head.len()).unwrap_or_default();
    let rows = model.detail().map_or(0, |detail| u16::try_from(detail.backends.0.len()).unwrap_or(u16::MAX));
    // the backends come first, but not all of a long list
    let spare = area.height.saturating_sub(height + TABLE.max(rows.saturating_add(2).min(area.height / 2)));
    // a line of figures, and rows of eight steps each
    let curves = if spare < 2 { 0 } else { (spare / 3).clamp(2, 6) };
    let most = usize::from(spare.saturating_sub(curves).min(area.height / 4));
    let wrong = wrong::lines(live, Some(name), theme, usize::from(area.width), most);
    let parts = [height, curves, u16::try_from(wrong.len()).unwrap_or_default()].map(Constraint::Length);
    let [top, middle, below, table] = Layout::vertical(parts.into_iter().chain([Constraint::Min(0)])).areas(area);
    lines(buffer, top, head);
    if let Some(trend) = model.trends.of(name) {
        draw_curves(buffer, middle, trend, theme);
    }
    lines(buffer, below, wrong);
    match model.detail() {
        Some(detail) => grid::draw(buffer, table, &detail.backends.0, &model.backends, "backend", theme),
        None => lines(buffer, table, [Line::styled("asking for its backends ...", theme.soft())]),
    }
}

/// What is said of the service: its state with words, and figures.
fn head(service: &Service, detail: Option<&Detail>, theme: Theme, room: usize) -> Vec<Line<'static>> {
    let words = match &*service.words {
        "" if service.is_in_maintenance() => "what happens to it does not count".to_owned(),
        "" => format!("{} of {} backends can be used", service.healthy, service.total),
        words => words.to_owned(),
    };
    let state = if service.is_in_maintenance() { "maintenance" } else { &service.state };
    let text = format!("{state}: {words}");
    let indent = service.name.chars().count() + 2;
    let mut lines = Vec::new();
    for (at, words) in wrap_to(&text, room.saturating_sub(indent), 2).into_iter().enumerate() {
        let name = if at == 0 { format!("{}  ", service.name) } else { " ".repeat(indent) };
        // the state is the first word, and has the colour
        let (state, rest) = match words.strip_prefix(state) {
            Some(rest) if at == 0 => (state.to_owned(), rest.to_owned()),
            _ => (String::new(), words),
        };
        let spans =
            [Span::styled(name, theme.strong()), Span::styled(state, theme.of(service.tone())), Span::raw(rest)];
        lines.push(Line::from(spans.to_vec()));
    }
    let protocol = detail.map(|detail| format!(" over {}", detail.protocol)).unwrap_or_default();
    let pieces = [
        (Tone::Soft, format!("{}{protocol}", service.balance)),
        (Tone::Plain, rate(service.rate)),
        (tone::of_errors(service.error_rate), format!("errors {}", percent(service.error_rate))),
        (Tone::Plain, format!("p50 {}", millis(service.p50_ms))),
        (Tone::Plain, format!("p99 {}", millis(service.p99_ms))),
        (Tone::Plain, format!("{} in flight", service.in_flight)),
        (Tone::Warn, some("waiting", service.waiting as f64, "")),
        (Tone::Warn, some("retries", service.retry_rate.unwrap_or_default(), "/s")),
        (tone::of_budget(service.budget_left), budget(service.budget_left)),
        (Tone::Warn, if service.panic { "PANIC: health is ignored".to_owned() } else { String::new() }),
        (
            Tone::Warn,
            if service.maintenance_page { "clients are shown the maintenance page".to_owned() } else { String::new() },
        ),
        (Tone::Warn, if service.maintenance { "maintenance: does not count".to_owned() } else { String::new() }),
    ];
    lines.extend(flow(pieces, theme, room));
    lines
}

/// A figure that is only worth a word when it is not zero.
fn some(what: &str, figure: f64, unit: &str) -> String {
    if figure > 0.0 { format!("{what} {}{unit}", number(figure)) } else { String::new() }
}

fn budget(left: Option<f64>) -> String {
    left.map_or_else(String::new, |left| format!("budget left {}", format::budget(Some(left))))
}

/// Pieces one after the other, in as many lines as they need.
fn flow(pieces: impl IntoIterator<Item = (Tone, String)>, theme: Theme, room: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    for (tone, text) in pieces.into_iter().filter(|(_, text)| !text.is_empty()) {
        let piece = Span::styled(text, theme.of(tone));
        match lines.last_mut() {
            Some(line) if line.spans.is_empty() => line.push_span(piece),
            Some(line) if line.width() + 2 + piece.width() <= room => {
                line.push_span(Span::raw("  "));
                line.push_span(piece);
            }
            _ => lines.push(Line::from(piece)),
        }
    }
    lines
}

fn draw_curves(buffer: &mut Buffer, area: Rect, trend: &Trend, theme: Theme) {
    let [left, _, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(2), Constraint::Fill(1)]).areas(area);
    curve::draw(buffer, left, &Curve { name: "rate", points: &trend.rate, text: rate }, theme);
    curve::draw(buffer, right, &Curve { name: "p99", points: &trend.p99_ms, text: millis }, theme);
}
