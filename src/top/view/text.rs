//! Text in a given width. What comes from the network has its control characters replaced, so that nothing moves the cursor.

use ratatui::text::Span;

/// The width of a text on the screen.
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { Span::raw(text).width() }
}

/// The text in one line, cut with `…` where it is wider.
pub fn clip(text: &str, room: usize) -> String {
    let text = text.replace(char::is_control, " ");
    if width(&text) <= room {
        return text;
    }
    let mut clipped = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let wide = width(letter.encode_utf8(&mut [0; 4]));
        if used + wide + 1 > room {
            break;
        }
        clipped.push(letter);
        used += wide;
    }
    if room > 0 {
        clipped.push('…');
    }
    clipped
}

/// The text in exactly this width.
pub fn pad(text: &str, room: usize, to_the_right: bool) -> String {
    let text = clip(text, room);
    let spare = " ".repeat(room.saturating_sub(width(&text)));
    if to_the_right { format!("{spare}{text}") } else { format!("{text}{spare}") }
}

/// The text in lines, broken between words. A word that is wider than a line is cut.
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(|letter: char| letter.is_whitespace() || letter.is_control()).filter(|word| !word.is_empty())
    {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(clip(word, room)),
        }
    }
    lines
}

/// The same in at most so many lines; the last one is cut with `…` where there is more.
pub fn wrap_to(text: &str, room: usize, most: usize) -> Vec<String> {
    let mut lines = wrap(text, room);
    if lines.len() > most && most > 0 {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(clip(&rest, room));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_wide_is_cut_with_a_sign() {
        assert_eq!((clip("abcdef", 6), clip("abcdef", 4), clip("abc", 0)), ("abcdef".into(), "abc…".into(), "".into()));
        assert_eq!((pad("ab", 4, true), pad("ab", 4, false)), ("  ab".into(), "ab  ".into()));
        // each of these two takes two columns
        assert_eq!((clip("漢字", 3), pad("漢字", 5, false)), ("漢…".into(), "漢字 ".into()));
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(clip("a\x1b[2Jb\nc", 20), "a [2Jb c");
        assert_eq!(wrap("a\x1b[2J b\nc", 20), ["a [2J b c"]);
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrap("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrap_to("one two three four", 9, 2), ["one two", "three fo…"]);
        assert_eq!(wrap("unbreakable", 5), ["unbr…"]);
        assert!(wrap("", 5).is_empty());
    }
}
