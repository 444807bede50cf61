//! A small curve: a line that says how much it is now and was at most, and one column for each point below it.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Sparkline, Widget as _};

use super::text::clip;
use super::theme::Theme;

/// The curve is drawn from whole numbers, so points are multiplied by this.
const STEPS: f64 = 1000.0;

/// What is drawn.
pub struct Curve<'a> {
    /// What it is of.
    pub name: &'static str,
    /// The oldest point first; `None` = nothing was measured.
    pub points: &'a VecDeque<Option<f64>>,
    /// A point as a figure.
    pub text: fn(Option<f64>) -> String,
}

/// Draws a curve with its newest point at the right edge.
pub fn draw(buffer: &mut Buffer, area: Rect, curve: &Curve<'_>, theme: Theme) {
    if area.height < 2 {
        return;
    }
    let room = usize::from(area.width);
    let shown: Vec<Option<f64>> = curve.points.iter().skip(curve.points.len().saturating_sub(room)).copied().collect();
    let most = shown.iter().flatten().copied().fold(0.0, f64::max);
    let now = shown.last().copied().flatten();
    let figures = format!("  at most {}", (curve.text)(Some(most)));
    let heading = Line::from(vec![
        Span::styled(format!("{} {}", curve.name, (curve.text)(now)), theme.strong()),
        Span::styled(clip(&figures, room.saturating_sub(20)), theme.soft()),
    ]);
    buffer.set_line(area.x, area.y, &heading, area.width);
    let before = std::iter::repeat_n(None, room.saturating_sub(shown.len()));
    let data = before.chain(shown).map(|point| point.map(|point| (point.max(0.0) * STEPS) as u64));
    let columns = Rect { y: area.y + 1, height: area.height - 1, ..area };
    Sparkline::default()
        .data(data.collect::<Vec<_>>())
        .max(((most * STEPS) as u64).max(1))
        .absent_value_symbol(" ")
        .render(columns, buffer);
}
