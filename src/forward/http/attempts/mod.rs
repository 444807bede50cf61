//! An exchange with the backends of its service: one attempt, and more where that is safe, wanted and within the budget.

mod attempt;
mod connector;
mod hedge;

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::HeaderMap;

use super::body::Content;
use super::exchange::Exchange;
use crate::clock::Moment;
use crate::error::{Error, Kind, Result, Retry};
use crate::forward::Worker;
use crate::forward::concurrency;
use crate::forward::placement::keys::Keys;
use crate::forward::placement::{self, Criteria};
use crate::forward::retry::state::RetryState;
use crate::forward::retry::{self, Pushback};
use crate::metrics::retries::RetryResult;
use crate::policy::{Priority, Timeouts};
use crate::protocol::http::body::replay::Replay;
use crate::protocol::http::{Presence, RequestBody, RequestLine};
use crate::snapshot::{ConcurrencyLimit, Service};
use crate::timer::Alarm;
use crate::upstream::Answer;
use crate::upstream::terms::{Failed, Terms, too_late};
use attempt::Attempt;
use hedge::Runner;

/// Kept connections of one backend that may turn out to be closed, one after the other, for one exchange.
const MAX_RACES: u32 = 2;
/// The same for connections that their backend leaves without having looked at the request (RFC 9113, section 6.8).
const MAX_UNSEEN: u32 = 4;

/// A request as the backends of a service are asked, and all that finding one and sending it goes by: the same for every attempt.
#[derive(Debug)]
pub struct UpstreamRequest<'a> {
    /// The worker that serves it.
    pub worker: &'a Rc<Worker>,
    /// The service whose backends are asked.
    pub service: &'a Service,
    /// Its first line and framing. Where the host is empty it gets the backend's own.
    pub line: RequestLine<'a>,
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// Time-outs, and what else a call to a backend is made with.
    pub terms: Terms<'a>,
    /// What ties it to a backend.
    pub keys: &'a Keys,
    /// How important it is, where its service has an adaptive limit.
    pub priority: Priority,
    /// Its client, where that can be asked whether it is still there.
    pub client: Option<&'a Presence>,
    /// How long the last attempt took until it had a connection; `None` = nobody wants to know.
    pub connected: Option<Cell<Option<Duration>>>,
}

/// The request's body over several attempts; `None` = it has none.
struct RepeatableBody(Option<Replay>);

/// The attempts that were made so far, and what follows from them for the next one.
struct Attempts<'a> {
    request: &'a UpstreamRequest<'a>,
    body: RepeatableBody,
    retry: RetryState<'a>,
    is_idempotent: bool,
    /// When a backend had not answered in time, if one has not.
    late: Option<Instant>,
    /// How often a connection was closed as the request was sent on it. One that loses this race again and again does not lose a race.
    races: u32,
    /// The backend that the next attempt goes to, if that is possible.
    preferred: Option<usize>,
    /// The next attempt gets a new connection, since a kept one turned out to be closed.
    on_new_connection: bool,
}

/// Sends a request to a backend of its service, and again where that can't execute it twice; until the deadline, if there is one.
///
/// # Errors
///
/// The last attempt's, or why there was none.
pub async fn send(
    request: &UpstreamRequest<'_>,
    body: RequestBody,
    mut deadline: Option<&mut Alarm>,
    exchange: &mut Exchange,
) -> Result<Answer<Content>> {
    let mut answer = pin!(attempt_until_settled(request, body, exchange));
    poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        match &mut deadline {
            // where it is the client that is waited for, the attempt has ended by itself
            Some(deadline) => deadline.poll(cx).map(|()| Err(too_late(false))),
            None => Poll::Pending,
        }
    })
    .await
}

/// Sends a request once, to this backend of its service; until the deadline.
///
/// # Errors
///
/// The attempt's.
pub async fn send_once(
    request: &UpstreamRequest<'_>,
    backend: usize,
    on_new_connection: bool,
    body: RequestBody,
    deadline: &mut Alarm,
) -> Result<Answer<Content>, Failed> {
    let attempt = Attempt {
        request,
        backend,
        terms: Terms { ..request.terms },
        on_new_connection,
        trace: None,
        connected: None,
        via: Cell::new(None),
    };
    let mut answer = pin!(attempt.run(body));
    poll_fn(|cx| match answer.as_mut().poll(cx) {
        // where it is the client that is waited for, the attempt has ended by itself
        Poll::Pending => deadline.poll(cx).map(|()| Err(Failed { error: too_late(false), raced: false })),
        ended => ended,
    })
    .await
}

async fn attempt_until_settled(
    request: &UpstreamRequest<'_>,
    body: RequestBody,
    exchange: &mut Exchange,
) -> Result<Answer<Content>> {
    let UpstreamRequest { worker, service, .. } = *request;
    let began = Moment::at(exchange.began());
    if let Some(limit) = &service.concurrency {
        enter(request, limit, exchange).await?;
    }
    worker.deposit(service, began);
    let mut attempts = Attempts::new(request, body);
    loop {
        let criteria = attempts.criteria(began);
        let asked = exchange.wants_times().then(Instant::now);
        let waits = || exchange.waits();
        let admission = placement::admit(worker, service, criteria, &request.terms.timeouts, waits).await;
        exchange.queued_since(asked);
        let admission = admission?;
        let backend = admission.backend();
        exchange.attempt_begins(admission);
        let result = attempts.run(backend, exchange).await;
        // of two attempts at a time, it is another one's result, maybe
        let backend = exchange.backend().unwrap_or(backend);
        let pause = match result {
            Ok(answer) => match attempts.pause_after_answer(backend, &answer) {
                Some(pause) => {
                    exchange.attempt_answered(answer.status);
                    pause
                }
                None => {
                    attempts.retry.count(RetryResult::Succeeded);
                    return Ok(answer);
                }
            },
            Err(failed) => {
                let (id, error) = (&service.endpoints[backend].id, &failed.error);
                tracing::debug!(service = %service.name, backend = %id, %error, "an attempt failed");
                exchange.attempt_failed(&failed);
                match attempts.pause_after_failure(backend, &failed) {
                    Some(pause) => pause,
                    None => {
                        attempts.retry.count(RetryResult::Failed);
                        return Err(attempts.retry.final_error(failed.error));
                    }
                }
            }
        };
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

/// Takes a place within the adaptive limit of its service, if need be after a wait.
async fn enter(request: &UpstreamRequest<'_>, limit: &ConcurrencyLimit, exchange: &mut Exchange) -> Result<()> {
    let UpstreamRequest { worker, service, priority, client, .. } = *request;
    match concurrency::enter(worker, limit, priority) {
        Some(place) => exchange.holds(place, false),
        None => {
            let asked = exchange.wants_times().then(Instant::now);
            exchange.waits();
            // boxed: it is for those above the limit, and all would carry the room for it
            let watched = (client, service.abort_on_close);
            let wait = concurrency::wait(worker, limit, priority, request.terms.timeouts.queue, watched);
            let place = Box::pin(wait).await;
            exchange.queued_since(asked);
            exchange.holds(place?, true);
        }
    }
    Ok(())
}

impl<'a> Attempts<'a> {
    fn new(request: &'a UpstreamRequest<'a>, body: RequestBody) -> Self {
        Self {
            request,
            body: RepeatableBody::new(body),
            retry: RetryState::new(request.worker, request.service),
            is_idempotent: request.line.method.is_idempotent(),
            late: None,
            races: 0,
            preferred: None,
            on_new_connection: false,
        }
    }

    /// What the next attempt's backend is picked by.
    fn criteria(&mut self, began: Moment) -> Criteria<'_> {
        let nothing_was_sent = self.retry.tried.is_empty() && self.races == 0;
        Criteria {
            keys: self.request.keys,
            tried: &self.retry.tried,
            preferred: self.preferred.take(),
            client: self.request.client.filter(|_| nothing_was_sent),
            now: began,
        }
    }

    /// Makes the next attempt, with this backend: to its end, or until the backend is found to hang and the request can be sent to another, or
    /// until the path to it is found dead and the request can be sent again. Where it is late, another one may be made beside it (`hedge`): what is given
    /// back comes from the backend that the exchange speaks of then.
    async fn run(&mut self, backend: usize, exchange: &mut Exchange) -> Result<Answer<Content>, Failed> {
        let attempt = self.next(backend, exchange);
        let hangs = attempt.hangs();
        let mut late = self.patience();
        let mut answer = pin!(attempt.run(self.body.repeat()));
        let settled = poll_fn(|cx| {
            let polled = answer.as_mut().poll(cx);
            self.body.tell(exchange);
            match polled {
                Poll::Ready(ended) => Poll::Ready(Ok(ended)),
                Poll::Pending if attempt.is_cut_off() && self.may_repeat() => Poll::Ready(Ok(Err(Failed::cut_off()))),
                Poll::Pending if attempt.hangs() != hangs && self.may_leave(backend) => {
                    Poll::Ready(Ok(Err(Failed::hung())))
                }
                Poll::Pending => match &mut late {
                    None => Poll::Pending,
                    Some(late) => self.poll_hedge(backend, late, cx).map(Err),
                },
            }
        })
        .await;
        match settled {
            Ok(result) => result,
            Err(admission) => {
                let first = Runner { attempt: &attempt, hangs, answer: Some(answer) };
                // boxed: few exchanges have two attempts at a time, and all would carry the room for it
                Box::pin(self.race(first, admission, exchange)).await
            }
        }
    }

    /// Whether the request that this backend has not answered may be sent to another one.
    fn may_leave(&self, backend: usize) -> bool {
        self.may_repeat() && self.retry.may_leave(backend)
    }

    /// Whether a request that was sent, and not answered, may be sent again.
    fn may_repeat(&self) -> bool {
        self.is_idempotent && self.body.is_whole()
    }

    /// The next attempt, with this backend.
    fn next(&mut self, backend: usize, exchange: &Exchange) -> Attempt<'a> {
        Attempt {
            request: self.request,
            backend,
            terms: Terms { timeouts: self.timeouts(), ..self.request.terms },
            on_new_connection: std::mem::take(&mut self.on_new_connection),
            trace: exchange.attempt_trace(),
            connected: self.request.connected.as_ref(),
            via: Cell::new(None),
        }
    }

    /// How long the next attempt may take. Once `timeout.response` has passed in vain, what is tried after that has as much in all:
    /// no client waits for longer than twice that, unless `timeout.total` says how long it waits.
    fn timeouts(&self) -> Timeouts {
        let given = &self.request.terms.timeouts;
        match self.late {
            Some(late) if given.total.is_none() => {
                let left = given.response.saturating_sub(late.elapsed());
                Timeouts { connect: given.connect.min(left), response: left, ..*given }
            }
            _ => *given,
        }
    }

    /// The pause before the next attempt, when there is to be one after this answer.
    fn pause_after_answer(&mut self, backend: usize, answer: &Answer<Content>) -> Option<Duration> {
        let policy = &self.request.service.retry;
        if !policy.on_status.contains(&answer.status) || !self.is_idempotent || !self.body.is_whole() {
            return None;
        }
        self.retry.tried.push(backend);
        let least = match retry::pushback(&answer.headers) {
            Pushback::None => Duration::ZERO,
            Pushback::Stop => return None,
            Pushback::Wait(time) => time,
            Pushback::Elsewhere(_) if self.retry.has_another() => Duration::ZERO,
            Pushback::Elsewhere(time) => time?,
        };
        self.retry.pause_before_another().map(|pause| pause.max(least))
    }

    /// The pause before the next attempt, when there is to be one after this failure.
    fn pause_after_failure(&mut self, backend: usize, failed: &Failed) -> Option<Duration> {
        let error = &failed.error;
        if !self.body.is_whole() {
            return None;
        }
        if failed.raced && self.may_repeat_after_race(error) {
            return Some(self.pause_after_race(backend, error));
        }
        let timeouts = &self.request.terms.timeouts;
        if let Some(late) = self.late
            && timeouts.total.is_none()
            && (error.kind() == Kind::UpstreamTimeout || late.elapsed() >= timeouts.response)
        {
            return None;
        }
        if error.kind() == Kind::UpstreamTimeout {
            self.late.get_or_insert_with(Instant::now);
        }
        self.retry.pause_after_failure(backend, error, self.is_idempotent)
    }

    /// Whether the request is sent again after a kept connection was closed as it was sent (RFC 9112, section 9.3.1), or after its backend
    /// has not looked at it. That is nobody's failure, and no retry of the kind that the budget is for.
    fn may_repeat_after_race(&self, error: &Error) -> bool {
        let is_safe = error.retryability() == Retry::Safe;
        let most = if error.kind() == Kind::UpstreamClosed && is_safe { MAX_UNSEEN } else { MAX_RACES };
        (self.is_idempotent || is_safe) && self.races < most
    }

    fn pause_after_race(&mut self, backend: usize, error: &Error) -> Duration {
        self.races += 1;
        self.on_new_connection = true;
        let is_refused = error.kind() == Kind::UpstreamRefused;
        // a backend that refuses a stream has more than it takes; another one may have less
        if is_refused && self.retry.has_another_than(backend) {
            self.retry.tried.push(backend);
            return Duration::ZERO;
        }
        self.preferred = Some(backend);
        if is_refused { self.retry.pause_after_refusal() } else { Duration::ZERO }
    }
}

impl RepeatableBody {
    fn new(body: RequestBody) -> Self {
        Self((!matches!(body, RequestBody::Empty)).then(|| Replay::new(body)))
    }

    /// The body as the next attempt sends it.
    fn repeat(&self) -> RequestBody {
        self.0.as_ref().map_or(RequestBody::Empty, |replay| RequestBody::Replayed(Box::new(replay.attempt())))
    }

    /// Tells the exchange whether it is the client that is waited for.
    fn tell(&self, exchange: &mut Exchange) {
        if let Some(replay) = &self.0 {
            exchange.body_is(replay.is_awaited(), replay.has_ended());
        }
    }

    /// Whether the next attempt would get all of it.
    fn is_whole(&self) -> bool {
        self.0.as_ref().is_none_or(Replay::is_whole)
    }

    /// The body as an attempt sends it that is made beside another one.
    fn repeat_beside(&self) -> RequestBody {
        self.0.as_ref().map_or(RequestBody::Empty, |replay| RequestBody::Replayed(Box::new(replay.attempt_beside())))
    }

    /// Whether two attempts can send it beside each other.
    fn has_all(&self) -> bool {
        self.0.as_ref().is_none_or(Replay::has_all)
    }
}
