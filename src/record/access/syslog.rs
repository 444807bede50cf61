//! Messages of syslog (RFC 5424), and how they are told apart on a stream (RFC 6587).

use std::io::Write as _;

use super::number::decimal;
use super::time::LineTime;
use crate::clock::Stamp;

/// What the log is called in its messages: APP-NAME of RFC 5424, section 6.2.5, and MSGID of 6.2.7.
const APP_NAME: &str = "evenkeel";
const MSG_ID: &str = "access";
/// The severity "informational" (RFC 5424, section 6.2.1).
const INFORMATIONAL: u16 = 6;
/// The longest HOSTNAME (RFC 5424, section 6).
const HOSTNAME_MAX: usize = 255;

/// Makes messages out of lines.
#[derive(Debug)]
pub(super) struct Messages {
    /// `<PRI>1 `
    before: Vec<u8>,
    /// From HOSTNAME to STRUCTURED-DATA, with the spaces around.
    after: Vec<u8>,
    time: LineTime,
    /// The message that is made, kept for its memory.
    made: Vec<u8>,
}

impl Messages {
    /// Messages of this facility (0 to 23) from this process.
    pub(super) fn new(facility: u8) -> Self {
        // what gethostname(2) says, without a crate for it; where there is no /proc, receivers know whom they hear by its address
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self::from_host(facility, &host, std::process::id())
    }

    fn from_host(facility: u8, host: &str, process: u32) -> Self {
        // only printable ASCII may stand there, and `-` where it is not known
        let host: String = host.chars().filter(char::is_ascii_graphic).take(HOSTNAME_MAX).collect();
        let host = if host.is_empty() { "-" } else { &host };
        Self {
            before: format!("<{}>1 ", u16::from(facility) * 8 + INFORMATIONAL).into_bytes(),
            after: format!(" {host} {APP_NAME} {process} {MSG_ID} - ").into_bytes(),
            time: LineTime::default(),
            made: Vec::new(),
        }
    }

    /// The message of a line without its end.
    pub(super) fn datagram(&mut self, line: &[u8], at: Stamp) -> &[u8] {
        self.time.set(at.into());
        self.made.clear();
        for part in [&self.before, self.time.rfc3339(), &self.after, line] {
            self.made.extend_from_slice(part);
        }
        &self.made
    }

    /// Appends the message of a line without its end to a stream, its length before it (octet counting: RFC 6587, section 3.4.1).
    pub(super) fn append(&mut self, stream: &mut Vec<u8>, line: &[u8], at: Stamp) {
        let message = self.datagram(line, at);
        decimal(stream, message.len() as u64);
        // a vector takes whatever is written
        let _ = stream.write_all(b" ").and_then(|()| stream.write_all(message));
    }
}

/// As much of a message as has so many bytes at most, without a part of a character at its end.
pub(super) fn truncated(message: &[u8], length: usize) -> &[u8] {
    let mut end = length.min(message.len());
    // bytes 10xxxxxx are within a character (RFC 3629, section 3)
    while end > 0 && message.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    &message[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_rfc_5424_has_it() {
        let at = Stamp::from_millis(1_709_210_096_789);
        let mut messages = Messages::from_host(16, "edge 1\u{e9}", 42);
        let want = "<134>1 2024-02-29T12:34:56.789Z edge1 evenkeel 42 access - {\"a\":1}";
        assert_eq!(messages.datagram(b"{\"a\":1}", at), want.as_bytes());
        let mut stream = b"x".to_vec();
        messages.append(&mut stream, b"{\"a\":1}", at);
        assert_eq!(stream, format!("x{} {want}", want.len()).into_bytes());
        assert!(
            Messages::from_host(0, "", 1).datagram(b"", at).starts_with(b"<6>1 2024-02-29T12:34:56.789Z - evenkeel 1 ")
        );
    }

    #[test]
    fn no_character_is_cut_in_two() {
        let text = "a\u{e9}\u{20ac}b".as_bytes();
        let kept = [0, 1, 2, 3, 4, 5, 6, 7, 9].map(|length| truncated(text, length).len());
        assert_eq!(kept, [0, 1, 1, 3, 3, 3, 6, 7, 7]);
    }
}
