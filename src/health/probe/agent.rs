//! A check by HAProxy's agent protocol: the agent beside the backend answers with one line. What the line means is not
//! decided here.

use std::borrow::Cow;

use tokio::io::AsyncReadExt;

use super::{CheckFailure, CheckResult};
use crate::io::Stream;

/// The longest line that is read.
const MAX_LINE: usize = 1024;

/// Reads the agent's line and hands it to `take`.
pub async fn check(stream: &mut Stream, take: impl FnOnce(&str) -> Result<(), String>) -> CheckResult {
    let line = line(stream).await?;
    match take(&line) {
        Ok(()) => Ok(Cow::Owned(format!("agent says {line:?}"))),
        Err(reason) => Err(CheckFailure::new(reason)),
    }
}

/// Reads up to the end of the line, or of the stream: agents that answer with one word often leave the end of the line
/// out.
async fn line(stream: &mut Stream) -> Result<String, CheckFailure> {
    let mut line = Vec::new();
    let mut piece = [0; 256];
    loop {
        let read = stream.read(&mut piece).await?;
        let end = memchr::memchr2(b'\n', b'\r', &piece[..read]);
        line.extend_from_slice(&piece[..end.unwrap_or(read)]);
        if line.len() > MAX_LINE {
            return Err(CheckFailure::new("the agent's line is longer than 1 KiB"));
        }
        if end.is_some() || read == 0 {
            break;
        }
    }
    match String::from_utf8(line) {
        Ok(line) if line.trim().is_empty() => Err(CheckFailure::new("the agent said nothing")),
        Ok(line) => Ok(line.trim().to_owned()),
        Err(_) => Err(CheckFailure::new("the agent's line is not text")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Server, reason, target};
    use crate::policy::Check;

    async fn said(bytes: &'static [u8]) -> String {
        reason(&target(Server::answer("", bytes).await.address, Check::Agent)).await
    }

    #[tokio::test]
    async fn the_first_line_is_handed_on() {
        assert_eq!(said(b"up 75%\r\nand more").await, "good: agent says \"up 75%\"");
        assert_eq!(said(b"ready").await, "good: agent says \"ready\"", "a line without its end");
    }

    #[tokio::test]
    async fn what_the_line_means_is_the_readers() {
        assert_eq!(said(b"down #disk full\n").await, "agent says down");
    }

    #[tokio::test]
    async fn silence_garbage_and_endless_lines_are_failures() {
        assert_eq!(said(b"").await, "the agent said nothing");
        assert_eq!(said(b" \n").await, "the agent said nothing");
        assert_eq!(said(b"\xff\xfe\n").await, "the agent's line is not text");
        let server = Server::endless(b"", b"up ").await;
        assert_eq!(reason(&target(server.address, Check::Agent)).await, "the agent's line is longer than 1 KiB");
    }
}
