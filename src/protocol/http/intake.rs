//! What a client's body must keep to (`max_body`, `min_body_rate`), whichever version of HTTP it comes by.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http::header::HeaderName;
use http_body::Frame;

use super::fields;
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
    /// Fields that may not come in its trailers.
    refused: Option<Arc<[HeaderName]>>,
}

impl Intake {
    /// Nothing has come yet.
    pub fn new(limits: &Limits, timers: &Timers) -> Self {
        Self { received: 0, max: limits.max_body, pace: Pace::new(limits.min_body_rate, timers), refused: None }
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

    /// Has these fields dropped from the trailers: they are the route's to set.
    pub fn refuse(&mut self, fields: &Arc<[HeaderName]>) {
        self.refused = Some(Arc::clone(fields));
    }

    /// The trailers have come; `None` = there is nothing left of them.
    pub fn trailers(&self, mut trailers: HeaderMap) -> Option<Frame<Bytes>> {
        if let Some(refused) = &self.refused {
            trailers = fields::without(trailers, refused);
        }
        (!trailers.is_empty()).then(|| Frame::trailers(trailers))
    }

    /// Nothing is there: ready when its sender is too slow.
    pub fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        match &mut self.pace {
            Some(pace) => pace.poll(self.received, cx),
            None => Poll::Pending,
        }
    }
}
