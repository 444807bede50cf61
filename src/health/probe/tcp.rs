//! A check by TCP: a connection is enough, unless bytes are to be sent or expected.

use std::borrow::Cow;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::search::Search;
use super::{CheckFailure, CheckResult};
use crate::io::Stream;

/// Sends `send` and waits for `expect`, where they are not empty.
pub async fn check(stream: &mut Stream, send: &[u8], expect: &[u8]) -> CheckResult {
    if !send.is_empty() {
        stream.write_all(send).await?;
        stream.flush().await?;
    }
    if expect.is_empty() {
        return Ok(Cow::Borrowed("connected"));
    }
    let mut search = Search::new(expect);
    let mut piece = [0; 2048];
    while !search.is_full() {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Err(CheckFailure::new("closed without the expected bytes"));
        }
        if search.finds(&piece[..read]) {
            return Ok(Cow::Borrowed("the expected bytes came"));
        }
    }
    Err(CheckFailure::new("the expected bytes are not in its first 64 KiB"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Server, reason, target};
    use crate::policy::Check;

    fn ping() -> Check {
        Check::Tcp { send: b"PING\r\n".to_vec(), expect: b"+PONG".to_vec() }
    }

    fn connect() -> Check {
        Check::Tcp { send: Vec::new(), expect: Vec::new() }
    }

    #[tokio::test]
    async fn a_connection_is_enough() {
        let server = Server::hang().await;
        assert_eq!(reason(&target(server.address, connect())).await, "good: connected");
    }

    #[tokio::test]
    async fn what_was_sent_is_answered() {
        let server = Server::answer("PING\r\n", b"+PONG\r\n").await;
        assert_eq!(reason(&target(server.address, ping())).await, "good: the expected bytes came");
    }

    #[tokio::test]
    async fn another_answer_is_none() {
        let server = Server::answer("PING\r\n", b"-ERR\r\n").await;
        assert_eq!(reason(&target(server.address, ping())).await, "closed without the expected bytes");
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_short() {
        let server = Server::endless(b"", b"not this ").await;
        let check = Check::Tcp { send: Vec::new(), expect: b"+PONG".to_vec() };
        assert_eq!(reason(&target(server.address, check)).await, "the expected bytes are not in its first 64 KiB");
    }

    #[tokio::test]
    async fn nobody_there_and_nobody_answering_are_told_apart() {
        let address = Server::nobody().await;
        assert_eq!(reason(&target(address, connect())).await, "connection refused");
        let server = Server::hang().await;
        let mut target = target(server.address, ping());
        std::sync::Arc::make_mut(&mut target.policy).timeout = std::time::Duration::from_millis(50);
        assert_eq!(reason(&target).await, "no answer in 50 ms");
    }
}
