//! One exchange with the backends of a service: a try with one of them, and more where that is safe, wanted and within the
//! budget.

pub mod attempt;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::body::Content;
use super::exchange::Exchange;
use crate::affinity::Session;
use crate::clock::Moment;
use crate::error::{Error, Kind, Result, Retry};
use crate::forward::Worker;
use crate::forward::placement::{self, Wish};
use crate::forward::retry::tries::Tries;
use crate::forward::retry::{self, Pushback};
use crate::metrics::retries::Outcome;
use crate::policy::{self, Timeouts};
use crate::protocol::http::Presence;
use crate::protocol::http::RequestBody;
use crate::protocol::http::replay::Replay;
use crate::snapshot::Service;
use crate::upstream::Answer;
use crate::upstream::terms::{Failed, Terms};
use attempt::{Carrier, Outgoing};

/// Kept connections of one backend that may turn out to be closed, one after the other, for one exchange.
const MAX_RACES: u32 = 2;
/// The same for connections that their backend leaves without having looked at the request (RFC 9113, section 6.8).
const MAX_UNSEEN: u32 = 4;

/// The request's body over several attempts; `None` = it has none.
struct Source(Option<Replay>);

/// Where an exchange goes first.
#[derive(Debug)]
pub struct Placement {
    /// The hash of what it is told by.
    pub key: u64,
    /// Its session, where the service has affinity.
    pub session: Option<Cell<Session>>,
    /// Its client, where it can be asked whether it is still there.
    pub client: Option<Presence>,
}

/// What has happened so far.
struct Course<'a> {
    tries: Tries<'a>,
    idempotent: bool,
    /// A backend has not answered in time, and when that was.
    late: Option<Instant>,
    /// Races lost; one that loses them again and again is no race.
    races: u32,
    /// The next attempt goes to this backend.
    wanted: Option<usize>,
    carrier: Carrier,
}

/// Sends a request to a backend of `service`, and again where that can't execute it twice.
pub async fn run(
    worker: &Rc<Worker>,
    service: &Service,
    outgoing: &Outgoing<'_>,
    body: RequestBody,
    terms: &Terms<'_>,
    exchange: &mut Exchange,
    placement: &Placement,
) -> Result<Answer<Content>> {
    let now = Moment::at(exchange.began());
    worker.deposit(service, now);
    let source = Source::new(body);
    let given = &terms.timeouts;
    let mut course = Course::new(worker, service, outgoing.line.method.is_idempotent());
    loop {
        let wish = Wish {
            tried: &course.tries.tried,
            wanted: course.wanted.take(),
            key: placement.key,
            session: placement.session.as_ref(),
            client: placement.client.as_ref().filter(|_| course.is_first()),
            now,
        };
        let admission = placement::admit(worker, service, wish, given).await?;
        let terms = &Terms { timeouts: course.timeouts(given), ..*terms };
        let backend = admission.backend;
        exchange.attempt(admission);
        let result = attempt::run(worker, service, backend, course.carrier, outgoing, source.attempt(), terms).await;
        course.carrier = Carrier::Any;
        let pause = match result {
            Ok(answer) => match course.after_answer(backend, &answer, &source, &service.retry) {
                Some(pause) => {
                    exchange.attempt_answered(answer.status);
                    pause
                }
                None => {
                    course.tries.settled(Outcome::Succeeded);
                    return Ok(answer);
                }
            },
            Err(Failed { error, raced }) => {
                let id = &service.endpoints[backend].id;
                tracing::debug!(service = %service.name, backend = %id, %error, "an attempt failed");
                exchange.attempt_failed(error.kind(), raced);
                match course.after_failure(backend, (&error, raced), &source, given) {
                    Some(pause) => pause,
                    None => {
                        course.tries.settled(Outcome::Failed);
                        return Err(course.tries.last_word(error));
                    }
                }
            }
        };
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

impl<'a> Course<'a> {
    fn new(worker: &'a Rc<Worker>, service: &'a Service, idempotent: bool) -> Self {
        Self {
            tries: Tries::new(worker, service),
            idempotent,
            late: None,
            races: 0,
            wanted: None,
            carrier: Carrier::Any,
        }
    }

    /// Whether nothing was sent to a backend yet.
    fn is_first(&self) -> bool {
        self.tries.tried.is_empty() && self.races == 0
    }

    /// How long the next attempt may take. Once `timeout.response` has passed in vain, what is tried after that has as much in all:
    /// no client waits for longer than twice that, unless `timeout.total` says how long it waits.
    fn timeouts(&self, given: &Timeouts) -> Timeouts {
        match self.late {
            Some(late) if given.total.is_none() => {
                let left = given.response.saturating_sub(late.elapsed());
                Timeouts { connect: given.connect.min(left), response: left, ..*given }
            }
            _ => *given,
        }
    }

    /// The pause before the next attempt, when there is to be one after this answer.
    fn after_answer(
        &mut self,
        backend: usize,
        answer: &Answer<Content>,
        source: &Source,
        policy: &policy::Retry,
    ) -> Option<Duration> {
        if !policy.on_status.contains(&answer.status) || !self.idempotent || !source.is_whole() {
            return None;
        }
        self.tries.tried.push(backend);
        let least = match retry::pushback(&answer.headers) {
            Pushback::None => Duration::ZERO,
            Pushback::Stop => return None,
            Pushback::Wait(time) => time,
            Pushback::Elsewhere(_) if self.tries.has_another() => Duration::ZERO,
            Pushback::Elsewhere(time) => time?,
        };
        self.tries.again().map(|pause| pause.max(least))
    }

    /// The pause before the next attempt, when there is to be one after this failure.
    fn after_failure(
        &mut self,
        backend: usize,
        (error, raced): (&Error, bool),
        source: &Source,
        timeouts: &Timeouts,
    ) -> Option<Duration> {
        if !source.is_whole() {
            return None;
        }
        let is_safe = error.retryability() == Retry::Safe;
        let most = if error.kind() == Kind::UpstreamClosed && is_safe { MAX_UNSEEN } else { MAX_RACES };
        if raced && (self.idempotent || is_safe) && self.races < most {
            self.races += 1;
            // a connection that was kept was closed while the request was on its way (RFC 9112, section 9.3.1), or the backend did not
            // look at it: nobody's failure, and no retry of the kind that the budget is for
            match error.kind() {
                // it has more than it takes; another one may have less
                Kind::UpstreamRefused if self.tries.has_another_than(backend) => self.tries.tried.push(backend),
                _ => self.wanted = Some(backend),
            }
            self.carrier = Carrier::New;
            let is_full = error.kind() == Kind::UpstreamRefused && self.wanted.is_some();
            return Some(if is_full { self.tries.pause() } else { Duration::ZERO });
        }
        if let Some(late) = self.late
            && timeouts.total.is_none()
            && (error.kind() == Kind::UpstreamTimeout || late.elapsed() >= timeouts.response)
        {
            return None;
        }
        if error.kind() == Kind::UpstreamTimeout {
            self.late.get_or_insert_with(Instant::now);
        }
        self.tries.after_failure(backend, error, self.idempotent)
    }
}

impl Source {
    fn new(body: RequestBody) -> Self {
        Self((!matches!(body, RequestBody::Empty)).then(|| Replay::new(body)))
    }

    /// The body from its beginning.
    fn attempt(&self) -> RequestBody {
        self.0.as_ref().map_or(RequestBody::Empty, |replay| RequestBody::Kept(Box::new(replay.attempt())))
    }

    /// Whether the next attempt would get all of it.
    fn is_whole(&self) -> bool {
        self.0.as_ref().is_none_or(Replay::is_whole)
    }
}
