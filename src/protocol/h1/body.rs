//! The body of a request on an HTTP/1 connection: read only when asked for, which is what makes back-pressure.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;

use super::decode::Decoded;
use super::server::Wire;
use crate::error::{Error, Kind};
use crate::timer::{Alarm, TICK, Timers};

/// How long a sender may be slower than `min_body_rate` (waiting for it, all in all).
const GRACE: Duration = Duration::from_secs(10);
/// How often its pace is looked at while nothing arrives.
const LOOK: Duration = Duration::from_secs(1);

/// A body that is read from the client's connection as it is asked for.
#[derive(Debug)]
pub struct RequestBody {
    wire: Rc<RefCell<Wire>>,
    received: u64,
    max: u64,
    pace: Option<Pace>,
}

/// Holds a sender to `min_body_rate`: only the time spent waiting for it counts.
#[derive(Debug)]
struct Pace {
    rate: u64,
    timers: Timers,
    waiting_since: Option<u64>,
    waited: Duration,
    alarm: Option<Alarm>,
}

impl RequestBody {
    /// A body on `wire`; limits of 0 do not limit.
    pub(super) fn new(wire: Rc<RefCell<Wire>>, max: u64, min_rate: u64, timers: &Timers) -> Self {
        let pace = (min_rate > 0).then(|| Pace {
            rate: min_rate,
            timers: timers.clone(),
            waiting_since: None,
            waited: Duration::ZERO,
            alarm: None,
        });
        Self { wire, received: 0, max, pace }
    }

    /// Whether nothing of it has been asked for yet.
    pub fn is_untouched(&self) -> bool {
        !self.wire.borrow().body_touched
    }

    /// Whether it has been read to its end.
    pub fn is_done(&self) -> bool {
        self.wire.borrow().decoder.is_done()
    }

    /// The bytes still to come, when that is known.
    pub fn remaining(&self) -> Option<u64> {
        self.wire.borrow().decoder.remaining()
    }

    /// The next piece.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = self.wire.borrow_mut().poll_body(cx);
        match polled {
            Poll::Ready(Ok(Decoded::Data(data))) => {
                self.received += data.len() as u64;
                if let Some(pace) = &mut self.pace {
                    pace.arrived();
                }
                if self.max != 0 && self.received > self.max {
                    return Poll::Ready(Some(Err(Error::new(Kind::BodyTooLarge, "more than limits.max_body"))));
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Ok(Decoded::Trailers(trailers))) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Poll::Ready(Ok(Decoded::End | Decoded::Starved)) => Poll::Ready(None),
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
            Poll::Pending => match self.pace.as_mut().map(|pace| pace.poll(self.received, cx)) {
                Some(Poll::Ready(())) => {
                    Poll::Ready(Some(Err(Error::new(Kind::SlowRequest, "slower than limits.min_body_rate"))))
                }
                _ => Poll::Pending,
            },
        }
    }
}

impl Pace {
    fn arrived(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += self.waited_since(since);
        }
    }

    fn waited_since(&self, since: u64) -> Duration {
        TICK * u32::try_from(self.timers.now().saturating_sub(since)).unwrap_or(u32::MAX)
    }

    /// Ready when the sender is too slow.
    fn poll(&mut self, received: u64, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(|| self.timers.now());
        loop {
            let waited = self.waited + self.waited_since(since);
            if waited > GRACE && (received as f64) < self.rate as f64 * (waited - GRACE).as_secs_f64() {
                return Poll::Ready(());
            }
            let timers = &self.timers;
            let alarm = self.alarm.get_or_insert_with(|| Alarm::new(timers, LOOK));
            match alarm.poll(cx) {
                Poll::Ready(()) => alarm.set(LOOK),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
