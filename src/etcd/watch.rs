//! Changes of keys, as they come.

use std::convert::Infallible;

use tokio::sync::oneshot;

use super::connection::{Failure, Messages};
use super::message::{self, Change, WatchMessage};

/// What happens to some keys. It ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    messages: Messages,
    /// Keeps our side of the stream open.
    _open: oneshot::Sender<Infallible>,
}

/// What has happened.
#[derive(Debug, PartialEq, Eq)]
pub enum Changes {
    /// These changes, in their order, up to this revision.
    Made(Vec<Change>, i64),
    /// etcd has thrown away what would have come first: the keys have to be read anew.
    Compacted,
}

impl Watch {
    pub(super) fn new(messages: Messages, open: oneshot::Sender<Infallible>) -> Self {
        Self { messages, _open: open }
    }

    /// Waits for changes. When this fails the watch has ended; nothing is lost when the wait is given up. What happened at one revision may
    /// come in several messages.
    ///
    /// # Errors
    ///
    /// Why nothing more will come.
    pub async fn next(&mut self) -> Result<Changes, Failure> {
        let ended = || Failure::NoAnswer("etcd has ended the watch".to_owned());
        loop {
            let message = self.messages.next().await?.ok_or_else(ended)?;
            let message = message::watched(&message);
            let message = message.map_err(|_| Failure::NoAnswer("etcd has sent what can't be read".to_owned()))?;
            let WatchMessage { revision, canceled, reason, compacted, changes } = message;
            if compacted > 0 {
                return Ok(Changes::Compacted);
            }
            if canceled {
                return Err(Failure::NoAnswer(format!("etcd has ended the watch: {reason}")));
            }
            // that the watch was made is no change
            if !changes.is_empty() {
                return Ok(Changes::Made(changes, revision));
            }
        }
    }
}
