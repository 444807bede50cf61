//! What goes between the view and the thread that asks the admin address.

use super::document::{Event, Live};

/// What is looked at, and so has to be asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// The service whose details are shown.
    pub service: Option<String>,
    /// The backend of that service whose events are shown.
    pub backend: Option<String>,
}

/// What is told to the view.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// An answer.
    Answer {
        /// What it was asked for.
        watch: Watch,
        /// The document.
        live: Box<Live>,
        /// The events of the backend, the newest first.
        events: Vec<Event>,
        /// Why the backend is in its state, in sentences; empty where that is not known.
        why: Vec<String>,
    },
    /// There was none.
    Trouble(Trouble),
    /// An act was carried out, or refused; in words.
    Done(Result<String, String>),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The token is missing or wrong; the words of the answer.
    Unauthorised(String),
    /// Anything else, in words.
    Failed(String),
}

impl Trouble {
    /// In words.
    pub fn text(&self) -> &str {
        let (Self::Unauthorised(text) | Self::Failed(text)) = self;
        text
    }
}
