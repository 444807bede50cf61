//! What a key means. Pure.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::act::Command;
use super::table::Step;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Select another row.
    Select(Step),
    /// Go so many pages up (negative) or down.
    Page(isize),
    /// Open what is selected; while something is typed, accept it.
    Open,
    /// Go back, or quit where there is nothing to go back to; while something is typed, drop it.
    Back,
    /// Quit at once.
    Quit,
    /// Put the rows in the order of the next column.
    NextSort,
    /// Turn the order round.
    Reverse,
    /// Type a filter.
    Filter,
    /// Give the backend a command.
    Command(Command),
    /// Pause recovery, or resume it.
    Pause,
    /// Approve an attempt that waits.
    Approve,
    /// Show what the keys do.
    Help,
    /// A character that is typed.
    Type(char),
    /// Take the last character back.
    Erase,
    /// Take all of them back.
    EraseAll,
}

/// What the help says of the keys.
pub const HELP: &[(&str, &str)] = &[
    ("↑ ↓  j k", "select; on a backend: scroll events"),
    ("PgUp PgDn Home End", "the same in larger steps"),
    ("Enter", "open the service or backend"),
    ("Esc q", "back, or quit (Ctrl-C: at once)"),
    ("s  S", "order by next column; turn it round"),
    ("/", "only rows with a text (Esc: all)"),
    ("d  x", "drain (keeps sessions); disable"),
    ("e", "enable the backend again"),
    ("p", "pause or resume recovery"),
    ("a", "approve a repair that waits for it"),
];

/// What a key asks for; `None` = nothing. While a text is typed, letters are part of it.
pub fn action(key: KeyEvent, is_typing: bool) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('u') if is_typing => Some(Action::EraseAll),
            _ => None,
        };
    }
    match key.code {
        KeyCode::Enter => Some(Action::Open),
        KeyCode::Esc => Some(Action::Back),
        KeyCode::Up => Some(Action::Select(Step::By(-1))),
        KeyCode::Down => Some(Action::Select(Step::By(1))),
        KeyCode::PageUp => Some(Action::Page(-1)),
        KeyCode::PageDown => Some(Action::Page(1)),
        KeyCode::Home => Some(Action::Select(Step::First)),
        KeyCode::End => Some(Action::Select(Step::Last)),
        KeyCode::Backspace if is_typing => Some(Action::Erase),
        KeyCode::Char(letter) if is_typing => Some(Action::Type(letter)),
        KeyCode::Char(letter) => command(letter),
        _ => None,
    }
}

fn command(letter: char) -> Option<Action> {
    Some(match letter {
        'j' => Action::Select(Step::By(1)),
        'k' => Action::Select(Step::By(-1)),
        'q' => Action::Back,
        's' => Action::NextSort,
        'S' => Action::Reverse,
        '/' => Action::Filter,
        'd' => Action::Command(Command::Drain),
        'e' => Action::Command(Command::Enable),
        'x' => Action::Command(Command::Disable),
        'p' => Action::Pause,
        'a' => Action::Approve,
        '?' => Action::Help,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    #[test]
    fn letters_are_commands_unless_something_is_typed() {
        let letter = |letter, is_typing| action(key(KeyCode::Char(letter)), is_typing);
        assert_eq!(letter('d', false), Some(Action::Command(Command::Drain)));
        assert_eq!(letter('d', true), Some(Action::Type('d')));
        assert_eq!(letter('q', true), Some(Action::Type('q')));
        assert_eq!(letter('Z', false), None);
    }

    #[test]
    fn control_c_quits_whatever_is_typed() {
        let quit = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!((action(quit, false), action(quit, true)), (Some(Action::Quit), Some(Action::Quit)));
        let other = KeyEvent::new(KeyCode::Char('d'), KeyModifiers::CONTROL);
        assert_eq!((action(other, false), action(other, true)), (None, None));
    }

    #[test]
    fn a_key_that_is_let_go_asks_for_nothing() {
        let release = KeyEvent { kind: KeyEventKind::Release, ..key(KeyCode::Enter) };
        assert_eq!((action(release, false), action(key(KeyCode::Enter), false)), (None, Some(Action::Open)));
    }

    #[test]
    fn arrows_and_vi_letters_select() {
        let down = Some(Action::Select(Step::By(1)));
        assert_eq!((action(key(KeyCode::Down), false), action(key(KeyCode::Char('j')), false)), (down, down));
        assert_eq!(action(key(KeyCode::Down), true), down);
    }
}
