//! What a client's body must keep to (`max_body`, `min_body_rate`), whichever version of HTTP it comes by.

use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;

use super::pace::Pace;
use crate::error::{Error, Kind, Result};
use crate::policy::Limits;
use crate::timer::Timers;

/// A body as far as it has come.
#[derive(Debug)]
pub struct Intake {
    received: u64,
    /// In bytes; 0 does not limit.
    max: u64,
    pace: Option<Pace>,
}

impl Intake {
    /// Nothing has come yet.
    pub fn new(limits: &Limits, timers: &Timers) -> Self {
        Self { received: 0, max: limits.max_body, pace: Pace::new(limits.min_body_rate, timers) }
    }

    /// A piece has come.
    ///
    /// # Errors
    ///
    /// With it the body is too large.
    pub fn data(&mut self, data: Bytes) -> Result<Frame<Bytes>> {
        self.received += data.len() as u64;
        if let Some(pace) = &mut self.pace {
            pace.arrived();
        }
        if self.max != 0 && self.received > self.max {
            return Err(Error::new(Kind::BodyTooLarge, "more than limits.max_body"));
        }
        Ok(Frame::data(data))
    }

    /// Nothing is there: ready when its sender is too slow.
    pub fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        match &mut self.pace {
            Some(pace) => pace.poll(self.received, cx),
            None => Poll::Pending,
        }
    }
}
