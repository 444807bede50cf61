//! The limits that a client's body must keep to (`max_body`, `min_body_rate`), the same in all versions of HTTP.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http::header::HeaderName;
use http_body::Frame;

use super::fields;
use super::min_rate::MinRate;
use crate::error::{Error, Kind, Result};
use crate::policy::RequestLimits;
use crate::timer::Timers;

/// Counts the bytes of one body and enforces its limits.
#[derive(Debug)]
pub struct BodyLimiter {
    received: u64,
    /// The most bytes that the body may have; 0 means no limit.
    max: u64,
    min_rate: Option<MinRate>,
    /// Fields that are dropped from the body's trailer section.
    dropped_trailers: Option<Arc<[HeaderName]>>,
}

impl BodyLimiter {
    /// The limits for a body of which nothing has arrived yet.
    pub fn new(limits: &RequestLimits, timers: &Timers) -> Self {
        Self {
            received: 0,
            max: limits.max_body,
            min_rate: MinRate::new(limits.min_body_rate, timers),
            dropped_trailers: None,
        }
    }

    /// Counts a piece of the body that has arrived.
    ///
    /// # Errors
    ///
    /// [`Kind::BodyTooLarge`] when the body has become larger than `max_body`.
    pub fn data(&mut self, data: Bytes) -> Result<Frame<Bytes>> {
        self.received += data.len() as u64;
        if let Some(min_rate) = &mut self.min_rate {
            min_rate.arrived();
        }
        if self.max != 0 && self.received > self.max {
            return Err(Error::new(Kind::BodyTooLarge, "more than limits.max_body"));
        }
        Ok(Frame::data(data))
    }

    /// Sets the fields to drop from the trailer section; these are the ones that the route sets or removes itself.
    pub fn drop_in_trailers(&mut self, fields: &Arc<[HeaderName]>) {
        self.dropped_trailers = Some(Arc::clone(fields));
    }

    /// The trailer section without the dropped fields; `None` when no field is left.
    pub fn trailers(&self, mut trailers: HeaderMap) -> Option<Frame<Bytes>> {
        if let Some(dropped_trailers) = &self.dropped_trailers {
            trailers = fields::without(trailers, dropped_trailers);
        }
        (!trailers.is_empty()).then(|| Frame::trailers(trailers))
    }

    /// To be polled while no data is there. Ready with an error when the sender is slower than `min_body_rate`.
    pub fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        match &mut self.min_rate {
            Some(min_rate) => min_rate.poll(self.received, cx),
            None => Poll::Pending,
        }
    }
}
