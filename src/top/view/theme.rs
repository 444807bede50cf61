//! What tones look like: in the sixteen colours that each terminal has a palette for, or without colours (no-color.org).

use ratatui::style::{Color, Modifier, Style};

use crate::top::tone::Tone;

/// What tones look like.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    has_colours: bool,
}

impl Theme {
    /// With colours, or with bold, dim and reversed letters only.
    pub fn new(has_colours: bool) -> Self {
        Self { has_colours }
    }

    /// The style of a tone.
    pub fn of(self, tone: Tone) -> Style {
        let (colour, modifier) = match tone {
            Tone::Good => (Color::Green, Modifier::empty()),
            Tone::Warn => (Color::Yellow, Modifier::BOLD),
            Tone::Bad => (Color::Red, Modifier::BOLD),
            // dimmed letters are readable on every ground, which a fixed grey is not
            Tone::Soft => (Color::Reset, Modifier::DIM),
            Tone::Plain => (Color::Reset, Modifier::empty()),
        };
        let style = Style::new().add_modifier(modifier);
        if self.has_colours && colour != Color::Reset { style.fg(colour) } else { style }
    }

    /// The style of what is beside the point.
    pub fn soft(self) -> Style {
        self.of(Tone::Soft)
    }

    /// The style of a name or a heading.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is put over the selected row.
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What is put over the heading of the column that the rows are in the order of.
    pub fn sorted(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED).remove_modifier(Modifier::DIM)
    }

    /// What is put over figures that are not true any more: no colour says that anything is well, or wrong.
    pub fn stale(self) -> Style {
        Style::new().fg(Color::Reset).add_modifier(Modifier::DIM).remove_modifier(Modifier::BOLD)
    }
}
