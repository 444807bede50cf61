//! The request's body while an answer is waited for. What the client takes to send it is charged to nobody: not to the backend, whose latency decides what
//! it gets to do and whether it is ejected, not to the adaptive limit or the hedges of its service, and not to what is promised of that. Where the head of
//! the answer comes before the end of the body, all of the time counts: nobody can tell what the backend has waited for.

use std::time::{Duration, Instant};

use super::Exchange;

/// Whether the client was waited for, which has to send the body.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Upload {
    /// It was not: there is no body, or all of it was there when it was wanted.
    #[default]
    Unawaited,
    /// It is waited for.
    Awaited,
    /// It was waited for, and the end of the body came then.
    Came(Instant),
}

impl Upload {
    /// How much of the time from the begin of an attempt until `now` was its backend's.
    pub(super) fn backend_time(self, began: Instant, now: Instant) -> Duration {
        let from = match self {
            Self::Came(at) => at.max(began),
            Self::Unawaited | Self::Awaited => began,
        };
        now.saturating_duration_since(from)
    }
}

impl Exchange {
    /// Its client is waited for, to send more of the body, if `is_awaited`; `has_ended`: the end of it has come. The clock is read once, at that end, and
    /// only where it was waited for.
    pub fn body_is(&mut self, is_awaited: bool, has_ended: bool) {
        match self.upload {
            Upload::Unawaited if is_awaited => {
                self.upload = Upload::Awaited;
                self.steps_aside();
            }
            Upload::Awaited if has_ended => {
                let now = Instant::now();
                self.upload = Upload::Came(now);
                let began = self.attempt.as_ref().map(|attempt| attempt.began);
                self.outcome.uploaded = began.map(|began| now.saturating_duration_since(began));
                self.comes_back();
            }
            Upload::Unawaited | Upload::Awaited | Upload::Came(_) => {}
        }
    }
}
