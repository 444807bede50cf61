//! Lines of the story, within 80 columns.

use std::time::Duration;

/// The columns that a line may have.
const COLUMNS: usize = 80;
/// The column in which the text of a line begins.
const INDENT: usize = 16;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// The demo: what is done to the fleet.
    Fleet,
    /// Evenkeel: what it has noticed.
    Saw,
    /// Evenkeel: what it does about it.
    Did,
    /// Evenkeel: what came of it.
    Learned,
    /// The clients: how they are served.
    Load,
}

/// Something that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it happened, since the start.
    pub at: Duration,
    /// Who tells it.
    pub voice: Voice,
    /// What.
    pub text: String,
}

impl Voice {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Fleet, Self::Saw, Self::Did, Self::Learned, Self::Load];

    /// Its name, at the beginning of a line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fleet => "fleet",
            Self::Saw => "saw",
            Self::Did => "did",
            Self::Learned => "learned",
            Self::Load => "clients",
        }
    }

    /// The text in its colour, where there are colours.
    pub fn coloured(self, text: &str, has_colours: bool) -> String {
        if has_colours { format!("\x1b[{}m{text}\x1b[0m", self.colour()) } else { text.to_owned() }
    }

    /// What its lines are about.
    pub fn about(self) -> &'static str {
        match self {
            Self::Fleet => "what is done to the backends: a, b, c, d and e, 5 ms for an answer",
            Self::Saw => "what Evenkeel notices, in the words of its events",
            Self::Did => "what it does about that",
            Self::Learned => "what it has learned from it",
            Self::Load => "what those get who ask, since the last such line",
        }
    }

    /// The terminal's code of its colour.
    fn colour(self) -> &'static str {
        match self {
            Self::Fleet => "1;31",
            Self::Saw => "33",
            Self::Did => "36",
            Self::Learned => "32",
            Self::Load => "2",
        }
    }
}

impl Line {
    /// The line as it is shown, with its line breaks.
    pub fn render(&self, has_colours: bool) -> String {
        let text = wrapped(&self.text, INDENT);
        let line = format!("{:>5}  {:<7}  {text}", clock(self.at), self.voice.name());
        self.voice.coloured(&line, has_colours) + "\n"
    }
}

/// A time since the start, as `1:05`.
pub fn clock(at: Duration) -> String {
    let seconds = at.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// The text, broken between words where it would be wider than a terminal. It begins in the column `indent`, and so do its further lines.
pub fn wrapped(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut column = indent;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        let is_first = column == indent;
        if !is_first && column + 1 + width > COLUMNS {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if !is_first {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line { at: Duration::from_secs(65), voice: Voice::Did, text: text.to_owned() }
    }

    #[test]
    fn a_line_says_when_who_and_what() {
        assert_eq!(line("restarts d").render(false), " 1:05  did      restarts d\n");
        assert_eq!(line("restarts d").render(true), "\x1b[36m 1:05  did      restarts d\x1b[0m\n");
    }

    #[test]
    fn long_lines_are_broken_between_words_and_indented() {
        let text = "word ".repeat(40);
        let rendered = line(&text).render(false);
        let lines: Vec<_> = rendered.lines().collect();
        assert!(lines.len() > 1);
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{rendered}");
        assert!(lines[1..].iter().all(|line| line.starts_with(&" ".repeat(INDENT))), "{rendered}");
        assert_eq!(rendered.matches("word").count(), 40);
    }
}
