//! What others print, kept within bounds and made readable.

/// The bytes that are kept of what a command prints.
const KEPT: usize = 16 << 10;

/// The end of what a command prints. It takes twice [`KEPT`] at the most, however much comes.
#[derive(Debug, Default)]
pub(super) struct Tail {
    end: Vec<u8>,
    total: u64,
}

impl Tail {
    /// Takes what was printed next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        self.end.extend_from_slice(&bytes[bytes.len().saturating_sub(KEPT)..]);
        if self.end.len() > 2 * KEPT {
            self.end.drain(..self.end.len() - KEPT);
        }
    }

    /// The end as text, and the bytes that were left out before it.
    pub fn into_text(self) -> (String, u64) {
        let end = &self.end[self.end.len().saturating_sub(KEPT)..];
        let left_out = self.total - end.len() as u64;
        // a character of up to four bytes that was cut into two is left out as well
        let broken = if left_out == 0 { 0 } else { end.iter().take(3).take_while(|byte| **byte >> 6 == 0b10).count() };
        (readable(&end[broken..]), left_out + broken as u64)
    }
}

/// The bytes as text without control characters other than line feeds and tabs: a terminal or a page that shows it obeys none of it.
pub(super) fn readable(bytes: &[u8]) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(bytes).replace("\r\n", "\n").chars().map(shown).collect()
}

/// The arguments of a command as one would type them.
pub(super) fn command_line(argv: &[String]) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    let quoted = |argument: &String| match !argument.is_empty() && argument.chars().all(is_plain) {
        true => argument.clone(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    };
    readable(argv.iter().map(quoted).collect::<Vec<_>>().join(" ").as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_end_is_kept_and_all_else_is_counted(pieces in proptest::collection::vec((0_usize..50_000, b'a'..=b'z'), 0..9)) {
            let pieces: Vec<Vec<u8>> = pieces.into_iter().map(|(length, letter)| vec![letter; length]).collect();
            let all = pieces.concat();
            let mut tail = Tail::default();
            for piece in &pieces {
                tail.push(piece);
                prop_assert!(tail.end.len() <= 2 * KEPT);
            }
            let (text, left_out) = tail.into_text();
            prop_assert_eq!(text.as_bytes(), &all[all.len().saturating_sub(KEPT)..]);
            prop_assert_eq!(left_out + text.len() as u64, all.len() as u64);
        }
    }

    #[test]
    fn a_character_that_was_cut_is_left_out() {
        let mut tail = Tail::default();
        tail.push("€".repeat(KEPT).as_bytes());
        let (text, left_out) = tail.into_text();
        assert!(text.chars().all(|c| c == '€'));
        assert_eq!(left_out + text.len() as u64, 3 * KEPT as u64);
    }

    #[test]
    fn control_characters_are_replaced_and_what_is_no_text_as_well() {
        assert_eq!(readable(b"a\x1b[31m\tb\r\n\x00\xff\xc2\x9b"), "a\u{fffd}[31m\tb\n\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let argv = ["systemctl", "restart", "api@1.service", "it's", "", "a\nb"].map(str::to_owned);
        assert_eq!(command_line(&argv), "systemctl restart api@1.service 'it'\\''s' '' 'a\nb'");
    }
}
