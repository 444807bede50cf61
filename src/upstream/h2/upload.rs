//! A request's body on its way to an HTTP/2 backend: hyper reads it in a task of its own, and the exchange watches it from outside.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::error::{Error, Kind, Result, Retry};
use crate::protocol::RequestBody;
use crate::timer::Alarm;
use crate::upstream::h1::{self, Terms};

/// What hyper reads.
#[derive(Debug)]
pub(super) struct Outgoing(pub Rc<Progress>);

/// An exchange's hold on its request: when the exchange is over, so is what is left of the body. Else hyper's task would keep it, and with
/// it the client's connection, for as long as neither side moves.
#[derive(Debug)]
pub(super) struct Hold(pub Rc<Progress>);

/// A request's body, and how far it has gone.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub body: RefCell<RequestBody>,
    /// Nobody waits for an answer any more.
    over: Cell<bool>,
    /// Hyper's task, while it waits for more.
    task: RefCell<Option<Waker>>,
    /// Pieces given to hyper, and one more for its end.
    pub steps: Cell<u64>,
    /// Hyper was given all of it.
    pub ended: Cell<bool>,
    /// The client is waited for.
    starved: Cell<bool>,
}

impl Progress {
    /// Of a body of which nothing has gone; `ended`: it is empty.
    pub fn new(body: RequestBody, ended: bool) -> Self {
        Self { body: RefCell::new(body), ended: Cell::new(ended), ..Self::default() }
    }

    /// Waits for an answer: `response` from the end of the request, `idle` between its pieces before that.
    pub async fn watch<F: Future>(&self, mut sending: Pin<&mut F>, terms: &Terms<'_>) -> Result<F::Output> {
        let mut alarm: Option<Alarm> = None;
        let mut steps = 0;
        poll_fn(|cx| {
            if let Poll::Ready(answer) = sending.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            terms.starved.set(self.is_starved());
            loop {
                let limit = if self.ended.get() { terms.timeouts.response } else { terms.timeouts.idle };
                let alarm = alarm.get_or_insert_with(|| Alarm::new(terms.timers, limit));
                ready!(alarm.poll(cx));
                // this task is not woken when hyper's takes a piece: what it took is only seen here
                if self.steps.get() == steps {
                    return Poll::Ready(Err(match self.is_starved() {
                        true => h1::stalled(true),
                        false => Error::new(Kind::UpstreamTimeout, "no answer in time").retry(Retry::IfIdempotent),
                    }));
                }
                steps = self.steps.get();
                alarm.set(limit);
            }
        })
        .await
    }

    /// It is the client that is waited for.
    pub fn is_starved(&self) -> bool {
        self.starved.get() && !self.ended.get()
    }

    fn step(&self, ended: bool) {
        self.steps.set(self.steps.get() + 1);
        self.ended.set(ended);
    }

    fn wait(&self, cx: &Context<'_>) {
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.0.ended.get() {
            return;
        }
        self.0.over.set(true);
        drop(self.0.body.take());
        if let Some(task) = self.0.task.take() {
            task.wake();
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let progress = &*self.0;
        if progress.over.get() {
            // hyper resets the stream with what it finds in here
            let cancel = h2::Error::from(h2::Reason::CANCEL);
            return Poll::Ready(Some(Err(Error::new(Kind::ClientGone, "the exchange is over").because(cancel))));
        }
        let mut body = progress.body.borrow_mut();
        let polled = Pin::new(&mut *body).poll_frame(cx);
        progress.starved.set(polled.is_pending());
        match &polled {
            Poll::Ready(Some(Ok(frame))) => progress.step(frame.is_trailers() || body.is_end_stream()),
            Poll::Ready(_) => progress.step(true),
            Poll::Pending => progress.wait(cx),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.body.borrow().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body.borrow().size_hint()
    }
}
