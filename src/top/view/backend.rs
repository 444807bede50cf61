//! One backend: how it is and why, all its figures, and what happened to it last.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::lines;
use super::text::{clip, pad, wrap};
use super::theme::Theme;
use crate::top::columns::{check, in_flight, weight};
use crate::top::document::{Backend, Event, target};
use crate::top::format::{NOTHING, age, millis, moment, percent, rate};
use crate::top::model::{Model, Now};
use crate::top::tone;

/// The width of a figure with its name on the left side, where it has at most a half. On the right side are those that may be longer.
const LEFT: usize = 39;
/// The rows that the last events get in any case, with their heading.
const EVENTS: u16 = 4;
/// The width of a figure's name.
const NAME: usize = 12;

/// Which backend is shown.
pub struct Shown<'a> {
    /// The service.
    pub service: &'a str,
    /// The id of the backend.
    pub id: &'a str,
    /// How many of its newest events are scrolled past.
    pub scroll: usize,
}

/// Draws a backend.
pub fn draw(buffer: &mut Buffer, area: Rect, model: &Model, shown: &Shown<'_>, theme: Theme, now: Now) {
    let &Shown { service, id, scroll } = shown;
    let Some(detail) = model.detail() else {
        lines(buffer, area, [Line::styled(format!("asking for {} ...", target(service, Some(id))), theme.soft())]);
        return;
    };
    let Some(backend) = detail.backends.find(id) else {
        let text = format!("There is no backend {} any more. Esc goes back.", target(service, Some(id)));
        lines(buffer, area, [Line::raw(text)]);
        return;
    };
    let mut top = head(service, backend, theme, now, usize::from(area.width));
    top.push(Line::default());
    top.extend(figures(backend, theme, area.width));
    top.extend(why(&model.why, usize::from(area.width)));
    top.push(Line::default());
    let height = u16::try_from(top.len()).unwrap_or_default().min(area.height.saturating_sub(EVENTS));
    let [above, below] = Layout::vertical([Constraint::Length(height), Constraint::Min(0)]).areas(area);
    lines(buffer, above, top);
    let events = model.events.get(scroll..).unwrap_or_default();
    lines(buffer, below, happened(events, scroll, model.events.len(), theme, below));
}

fn head(service: &str, backend: &Backend, theme: Theme, now: Now, room: usize) -> Vec<Line<'static>> {
    let since = backend.since.as_deref().and_then(|since| age(since, now.wall));
    let by = backend.by.as_deref().filter(|by| !by.is_empty()).map(|by| format!(", by {}", by.replace('_', " ")));
    let how_long = since.map(|since| format!(" for {since}")).unwrap_or_default();
    let mut lines = vec![Line::from(vec![
        Span::styled(clip(&target(service, Some(&backend.id)), room / 2), theme.strong()),
        Span::raw("  "),
        Span::styled(backend.state.clone(), theme.of(backend.tone())),
        Span::raw(format!("{how_long}{}", by.unwrap_or_default())),
    ])];
    let reason = backend.reason.as_deref().unwrap_or_default();
    lines.extend(wrap(reason, room).into_iter().map(Line::raw));
    lines
}

/// What speaks for and against its state. The first sentence says what stands above already.
fn why(sentences: &[String], room: usize) -> Vec<Line<'static>> {
    let rest = sentences.get(1..).unwrap_or_default();
    let lines = rest.iter().flat_map(|sentence| wrap(sentence, room)).map(Line::raw);
    if rest.is_empty() { Vec::new() } else { std::iter::once(Line::default()).chain(lines).collect() }
}

/// All figures, two in a line.
fn figures(backend: &Backend, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or(NOTHING).replace('_', " ");
    let last_check = backend.last_check.as_ref().map_or_else(
        || NOTHING.to_owned(),
        |it| format!("{} {}", check(it), it.reason.as_deref().filter(|_| !it.ok).unwrap_or_default()),
    );
    // those that are needed most come first: in a small terminal the last ones are left out
    let fields = [
        ("rate", rate(backend.rate)),
        ("address", backend.address.clone()),
        ("errors", percent(backend.error_rate)),
        ("last check", last_check),
        ("p99", millis(backend.p99_ms)),
        ("breaker", text(backend.breaker.as_deref())),
        ("in flight", in_flight(backend)),
        ("weight", weight(backend)),
        ("share", percent(backend.share)),
        ("work share", percent(backend.work_share)),
        ("p50", millis(backend.p50_ms)),
        ("zone", text(backend.zone.as_deref())),
        ("cpu, memory", format!("{}, {}", percent(backend.cpu), percent(backend.memory))),
    ];
    let left = LEFT.min(usize::from(width / 2));
    let right = usize::from(width).saturating_sub(left);
    let row = |row: &[(&str, String)]| {
        let spans = row.iter().zip([left, right]).flat_map(|((name, text), room)| {
            let text = pad(text, room.saturating_sub(NAME + 1), false);
            [Span::styled(pad(name, NAME, false), theme.soft()), Span::raw(text), Span::raw(" ")]
        });
        Line::from(spans.collect::<Vec<_>>())
    };
    fields.chunks(2).map(row).collect()
}

/// The events, with a heading; what is wider than a line goes on in the next one.
fn happened(events: &[Event], scroll: usize, all: usize, theme: Theme, area: Rect) -> Vec<Line<'static>> {
    let heading = match (all, scroll) {
        (0, _) => "no events".to_owned(),
        (_, 0) => "events, the newest first (UTC)".to_owned(),
        (all, scroll) => format!("events, the newest first (UTC), from number {} of {all}", scroll + 1),
    };
    let mut lines = vec![Line::styled(heading, theme.soft())];
    for event in events.iter().take(usize::from(area.height)) {
        let (time, level) = (moment(&event.time), pad(&event.level, 5, false));
        let indent = time.chars().count() + level.len() + 2;
        let words = wrap(&event.text, usize::from(area.width).saturating_sub(indent));
        lines.push(Line::from(vec![
            Span::styled(format!("{time} "), theme.soft()),
            Span::styled(level, theme.of(tone::of_level(&event.level))),
            Span::raw(format!(" {}", words.first().map(String::as_str).unwrap_or_default())),
        ]));
        lines.extend(words.iter().skip(1).map(|words| Line::raw(format!("{}{words}", " ".repeat(indent)))));
    }
    lines
}
