//! The receiver of one `[[notify]]`: it gets messages, and says whether it has taken them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::message::body;
use crate::config::model;
use crate::event::Event;
use crate::webhook::{Handling, WebhookClient, handling, instance, timestamp};

/// How long one message may take, from the look-up of the name to the head of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where one `[[notify]]` has messages sent.
#[derive(Debug)]
pub(super) struct Receiver {
    name: Arc<str>,
    instance: String,
    client: WebhookClient,
}

/// Why a message was not delivered, with a text for people.
pub(super) enum SendError {
    /// The receiver may take it later. It asks for a pause of at least this time.
    Later(Duration, String),
    /// The receiver has refused it, and would refuse it again.
    Refused(String),
}

impl Receiver {
    /// The receiver of this section.
    ///
    /// # Errors
    ///
    /// A sentence for people, when the settings of TLS can't be used.
    pub fn new(config: &model::Notify) -> Result<Self, String> {
        let client = WebhookClient::new(config.webhook.clone(), config.secret.clone(), &config.ca)?;
        Ok(Self { name: Arc::clone(&config.name), instance: instance(), client })
    }

    /// The name of the section, for the log and the metrics.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends one message about these events; `missed` others were lost before them.
    pub async fn send(&self, events: &[Arc<Event>], missed: u64, now: SystemTime) -> Result<(), SendError> {
        let later = |reason| SendError::Later(Duration::ZERO, reason);
        let sent = timestamp(now);
        let body = body(&self.name, &self.instance, events, missed, sent);
        let answered = tokio::time::timeout(TIMEOUT, self.client.post(body, &[], sent, 0)).await;
        let answered = answered.map_err(|_| later(format!("no answer within {} s", TIMEOUT.as_secs())))?;
        let head = answered.map_err(later)?.head;
        match handling(head.status, &head.headers, now) {
            Handling::Sent => Ok(()),
            Handling::Later(pause) => Err(SendError::Later(pause, format!("it answered {}", head.status))),
            Handling::Refused => Err(SendError::Refused(format!("it answered {}", head.status))),
        }
    }
}
