//! The picture of a model. Pure: the same model at the same time makes the same picture.

mod backend;
mod curve;
mod grid;
mod header;
mod overlay;
mod service;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod wrong;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;

pub use self::theme::Theme;

use self::text::{width, wrap, wrap_to};
use super::document::Live;
use super::model::{Mode, Model, Now, Screen};
use super::report::Trouble;
use super::tone::Tone;

/// The smallest terminal in which it can be used.
const SMALLEST: (u16, u16) = (60, 12);
/// The lines of the overview that are neither rows of the table nor what is wrong: a free one, what is in the table, and the headings.
const BESIDE_ROWS: u16 = 3;
/// The most lines for what came of an act.
const NOTICE: usize = 3;

/// Draws the model.
pub fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: &Theme, now: Now) {
    let theme = *theme;
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let text = format!(
            "evenkeel top needs a terminal of {} x {}; this one has {} x {}. q quits.",
            SMALLEST.0, SMALLEST.1, area.width, area.height
        );
        lines(buffer, area, wrap(&text, usize::from(area.width)).into_iter().map(Line::raw));
        return;
    }
    let room = usize::from(area.width);
    let status = status(model, theme, now, room);
    let height = u16::try_from(status.len()).unwrap_or_default();
    let parts = [Constraint::Length(1), Constraint::Min(0), Constraint::Length(height), Constraint::Length(1)];
    let [top, body, below, bottom] = Layout::vertical(parts).areas(area);
    lines(buffer, top, [header::line(model, theme, now, room)]);
    match &model.live {
        None => lines(buffer, body, unanswered(model, theme, room)),
        Some(live) => match &model.screen {
            Screen::Overview => overview(buffer, body, model, live, theme),
            Screen::Service(name) => service::draw(buffer, body, model, live, name, theme),
            Screen::Backend { service, backend, scroll } => {
                backend::draw(
                    buffer,
                    body,
                    model,
                    &backend::Shown { service, id: backend, scroll: *scroll },
                    theme,
                    now,
                );
            }
        },
    }
    if model.stale(now).is_some() {
        buffer.set_style(body, theme.stale());
    }
    lines(buffer, below, status);
    lines(buffer, bottom, [Line::styled(keys(model, room), theme.soft())]);
    match &model.mode {
        Mode::Confirm(act, reason) => overlay::question(buffer, area, act, reason, theme),
        Mode::Help => overlay::help(buffer, area, theme),
        Mode::Browse | Mode::Filter => {}
    }
}

/// All services, below what is wrong with them.
fn overview(buffer: &mut Buffer, area: Rect, model: &Model, live: &Live, theme: Theme) {
    if live.services.0.is_empty() {
        lines(buffer, area, [Line::raw("No service is configured.")]);
        return;
    }
    let rows = u16::try_from(live.services.0.len()).unwrap_or(u16::MAX);
    // what the table does not need, and a third of the room where it needs more
    let most = area.height.saturating_sub(rows.saturating_add(BESIDE_ROWS)).max(area.height / 3);
    let mut wrong = wrong::lines(live, None, theme, usize::from(area.width), usize::from(most));
    if wrong::is_well(live) {
        let all = live.services.0.len();
        let text = if all == 1 {
            "ok: the service has nothing wrong".to_owned()
        } else {
            format!("ok: none of the {all} services has anything wrong")
        };
        wrong.insert(0, Line::styled(text, theme.of(Tone::Good)));
        wrong.truncate(usize::from(most).max(1));
    }
    let height = u16::try_from(wrong.len()).unwrap_or_default();
    let parts = [Constraint::Length(height), Constraint::Length(1), Constraint::Min(0)];
    let [above, _, table] = Layout::vertical(parts).areas(area);
    lines(buffer, above, wrong);
    grid::draw(buffer, table, &live.services.0, &model.services, "service", theme);
}

/// What is shown before the first answer.
fn unanswered(model: &Model, theme: Theme, room: usize) -> Vec<Line<'static>> {
    let wrapped = |text: &str, tone| {
        let lines: Vec<Line<'static>> =
            text.lines().flat_map(|line| wrap(line, room)).map(|line| Line::styled(line, theme.of(tone))).collect();
        lines
    };
    match &model.trouble {
        None => wrapped("connecting ...", Tone::Soft),
        Some(Trouble::Unauthorised(why)) => {
            let mut lines = wrapped("unauthorised", Tone::Bad);
            lines.extend(wrapped(why, Tone::Plain));
            lines.push(Line::default());
            let hint = "Give the file with the token: evenkeel top --token-file FILE\n\
                        or the configuration that names it: evenkeel top -c proxy.toml\n\
                        The file is read again before each try.";
            lines.extend(wrapped(hint, Tone::Plain));
            lines
        }
        Some(Trouble::Failed(why)) => {
            let mut lines = wrapped("no answer", Tone::Bad);
            lines.extend(wrapped(why, Tone::Plain));
            lines.push(Line::default());
            lines.extend(wrapped("It is asked again and again. --admin URL names another address.", Tone::Soft));
            lines
        }
    }
}

/// What came of an act, the filter that is typed, why there was no answer, or why the selected backend is as it is; else nothing.
fn status(model: &Model, theme: Theme, now: Now, room: usize) -> Vec<Line<'static>> {
    if model.mode == Mode::Filter {
        return vec![overlay::typed("Filter: ", &model.listing().filter, theme, room)];
    }
    if let Some(notice) = model.notice(now) {
        let tone = if notice.is_bad { Tone::Bad } else { Tone::Good };
        let text = if notice.is_bad { format!("not done: {}", notice.text) } else { notice.text.clone() };
        let lines = wrap_to(&text, room, NOTICE).into_iter();
        return lines.map(|line| Line::styled(line, theme.of(tone))).collect();
    }
    match (&model.live, &model.trouble) {
        (Some(_), Some(trouble)) => {
            let text = format!("no answer (asking again): {}", trouble.text());
            let lines = wrap_to(&text, room, NOTICE).into_iter();
            lines.map(|line| Line::styled(line, theme.of(Tone::Warn))).collect()
        }
        _ => match (&model.screen, model.backend().and_then(|it| Some((&it.id, it.reason.as_deref()?)))) {
            // the table cuts it where it is narrow
            (Screen::Service(_), Some((id, reason))) if !reason.is_empty() => {
                let lines = wrap_to(&format!("{id}: {reason}"), room, NOTICE).into_iter();
                lines.map(|line| Line::styled(line, theme.soft())).collect()
            }
            _ => Vec::new(),
        },
    }
}

/// The keys that can be used here, as many as there is room for. The last ones are always there.
fn keys(model: &Model, room: usize) -> String {
    let (most, last): (&[&str], &str) = match (&model.mode, &model.screen) {
        (Mode::Filter, _) => (&["type what rows must have"], "Enter keep  Esc all rows"),
        (Mode::Confirm(..), _) => (&[], "Enter do it  Esc leave it"),
        (Mode::Help, _) => (&[], "any key closes the help"),
        (_, Screen::Overview) => {
            (&["Enter open", "s S sort", "/ filter", "p pause recovery", "a approve"], "? help  q quit")
        }
        (_, Screen::Service(_)) => (
            &[
                "Enter open",
                "d drain",
                "e enable",
                "x disable",
                "s S sort",
                "/ filter",
                "a approve",
                "p pause recovery",
            ],
            "? help  Esc back",
        ),
        (_, Screen::Backend { .. }) => {
            (&["d drain", "e enable", "x disable", "↑ ↓ events", "a approve", "p pause recovery"], "? help  Esc back")
        }
    };
    let mut line = String::new();
    for key in most {
        if width(&line) + width(key) + 2 + width(last) <= room {
            line.push_str(key);
            line.push_str("  ");
        }
    }
    line + last
}

/// Writes lines from the top of an area; those for which there is no room are left out.
fn lines(buffer: &mut Buffer, area: Rect, lines: impl IntoIterator<Item = Line<'static>>) {
    for (line, y) in lines.into_iter().zip(area.y..area.bottom()) {
        buffer.set_line(area.x, y, &line, area.width);
    }
}
