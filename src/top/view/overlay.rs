//! What lies over the picture: a question to be confirmed, and the help.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget as _};

use super::lines;
use super::text::{clip, pad, width, wrap};
use super::theme::Theme;
use crate::top::act::Act;
use crate::top::keys::HELP;

/// The width of a question, where the terminal has it.
const QUESTION: u16 = 64;
/// The width of the names of keys in the help.
const KEYS: usize = 20;

/// Asks whether to do something, and for the reason.
pub fn question(buffer: &mut Buffer, area: Rect, act: &Act, reason: &str, theme: Theme) {
    let room = usize::from(QUESTION.min(area.width).saturating_sub(4));
    let mut text: Vec<Line<'static>> = wrap(act.consequence(), room).into_iter().map(Line::raw).collect();
    text.push(Line::default());
    text.push(typed("Reason (optional): ", reason, theme, room));
    text.push(Line::default());
    text.push(Line::styled("Enter: do it    Esc: leave it", theme.soft()));
    panel(buffer, area, QUESTION, &format!("{}?", act.title()), text, theme);
}

/// What the keys do.
pub fn help(buffer: &mut Buffer, area: Rect, theme: Theme) {
    let line = |(keys, what): &(&str, &str)| {
        Line::from(vec![Span::styled(pad(keys, KEYS, false), theme.strong()), Span::raw((*what).to_owned())])
    };
    let widest = HELP.iter().map(|(_, what)| width(what)).max().unwrap_or_default() + KEYS + 4;
    panel(buffer, area, u16::try_from(widest).unwrap_or(QUESTION), "Keys", HELP.iter().map(line).collect(), theme);
}

/// A text that is being typed, with its end in sight.
pub fn typed(name: &str, text: &str, theme: Theme, room: usize) -> Line<'static> {
    let left = room.saturating_sub(width(name) + 1);
    let mut shown = text.to_owned();
    while width(&shown) > left {
        shown.remove(0);
    }
    Line::from(vec![
        Span::raw(name.to_owned()),
        Span::styled(shown, theme.strong()),
        Span::styled(" ", theme.selected()),
    ])
}

/// A box in the middle.
fn panel(buffer: &mut Buffer, area: Rect, wide: u16, title: &str, text: Vec<Line<'static>>, theme: Theme) {
    let size = (wide.min(area.width), u16::try_from(text.len() + 2).unwrap_or(u16::MAX).min(area.height));
    let place = Rect {
        x: area.x + (area.width - size.0) / 2,
        y: area.y + (area.height - size.1) / 2,
        width: size.0,
        height: size.1,
    };
    Clear.render(place, buffer);
    let title = clip(&format!(" {title} "), usize::from(size.0.saturating_sub(2)));
    let block = Block::bordered().title(Span::styled(title, theme.strong()));
    let inner = block.inner(place);
    block.render(place, buffer);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    lines(buffer, inner, text);
}
