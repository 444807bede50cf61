//! A copy on its way: it is sent to a backend, and the answer is read and dropped.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::HeaderValue;

use super::body::Feed;
use super::outcome::{self, CopyAttempt};
use crate::clock::Moment;
use crate::forward::Worker;
use crate::forward::http::attempts::{self, UpstreamRequest};
use crate::forward::http::body::Content;
use crate::forward::http::{load_report, request};
use crate::forward::placement::keys::Keys;
use crate::forward::placement::{self, Criteria};
use crate::metrics::{Failure, MirrorInFlight, MirrorResult};
use crate::policy::Priority;
use crate::protocol::http::{Request, RequestBody};
use crate::snapshot::Service;
use crate::timer::Alarm;
use crate::upstream::terms::{Dedicated, Failed, Terms, too_late};
use crate::upstream::{Answer, ClientPools};

/// After so many pieces of an answer others get their turn: a backend nearby can send faster than it is read here.
const PIECES: u32 = 16;

/// A copy of a request.
#[derive(Debug)]
pub struct RequestCopy {
    /// The worker that sends it.
    pub worker: Rc<Worker>,
    /// The service that gets it. It is held for as long as the copy lasts, and no snapshot is.
    pub service: Arc<Service>,
    /// The request as it is sent.
    pub request: Request,
    /// What ties it to a backend.
    pub keys: Keys,
    /// What its connection begins with, where the service is told of clients so.
    pub proxy_header: Option<Vec<u8>>,
    /// What it shares of its body, if it has one.
    pub feed: Option<Feed>,
    /// It is sent when the first of its body is here.
    pub awaits_body: bool,
    /// How long it may take in all.
    pub timeout: Duration,
}

/// A kept connection was closed as the copy was sent on it.
struct Raced;

/// Sends a copy, and counts what came of it.
pub async fn send(mut copy: RequestCopy, in_flight: MirrorInFlight) {
    let result = copy.run().await;
    in_flight.ended(result);
}

impl RequestCopy {
    async fn run(&mut self) -> MirrorResult {
        let mut deadline = Alarm::new(&self.worker.timers, self.timeout);
        let mut body = std::mem::take(&mut self.request.body);
        if self.awaits_body {
            let begun = poll_fn(|cx| match body.poll_begun(cx) {
                Poll::Ready(()) => Poll::Ready(true),
                Poll::Pending => deadline.poll(cx).map(|()| false),
            });
            if !begun.await {
                return MirrorResult::Cancelled;
            }
            if let Some(why) = self.given_up() {
                return why;
            }
        }
        let is_repeatable = matches!(body, RequestBody::Empty);
        let mut on_new_connection = false;
        loop {
            match self.attempt(std::mem::take(&mut body), on_new_connection, &mut deadline).await {
                Ok(result) => return result,
                Err(Raced) if is_repeatable && !on_new_connection => on_new_connection = true,
                Err(Raced) => return MirrorResult::Failed,
            }
        }
    }

    /// Sends it to a backend that takes it at once, if there is one.
    async fn attempt(
        &self,
        body: RequestBody,
        on_new_connection: bool,
        deadline: &mut Alarm,
    ) -> Result<MirrorResult, Raced> {
        let (worker, service) = (&self.worker, &self.service);
        let criteria = Criteria { keys: &self.keys, tried: &[], preferred: None, client: None, now: Moment::now() };
        let Ok(admission) = placement::admit_at_once(worker, service, criteria) else {
            return Ok(MirrorResult::NoPlace);
        };
        let backend = admission.backend();
        let Some(mut attempt) = CopyAttempt::begin(worker, service, admission) else {
            return Ok(MirrorResult::NoPlace);
        };
        let pools = ClientPools::new(worker.index, &worker.timers);
        let no_host = HeaderValue::from_static("");
        let request = UpstreamRequest {
            worker,
            service,
            line: request::line(&self.request, service, &no_host),
            headers: &self.request.headers,
            terms: Terms {
                timeouts: service.timeouts,
                timers: &worker.timers,
                interim: None,
                deadline: Some(deadline.deadline()),
                heads: service.heads,
                dedicated: self.proxy_header.as_deref().map(|header| Dedicated { pools: &pools, header }),
            },
            keys: &self.keys,
            priority: Priority::Low,
            client: None,
            connected: None,
        };
        match attempts::send_once(&request, backend, on_new_connection, body, deadline).await {
            Ok(answer) => {
                attempt.answered();
                Ok(self.read(answer, attempt, deadline).await)
            }
            Err(failed) => {
                let (result, raced) = (outcome::of(&failed.error, self.given_up()), failed.raced);
                tracing::debug!(service = %service.name, error = %failed.error, "a copy of a request failed");
                attempt.failed(&failed);
                if raced { Err(Raced) } else { Ok(result) }
            }
        }
    }

    /// Reads an answer to its end.
    async fn read(&self, mut answer: Answer<Content>, attempt: CopyAttempt<'_>, deadline: &mut Alarm) -> MirrorResult {
        let service = &*self.service;
        let told_by = (attempt.endpoint(), &*service.name, service.load_reports.believed().map(|names| &**names));
        load_report::take(&mut answer.headers, told_by);
        let mut pieces = 0;
        loop {
            let next = poll_fn(|cx| match answer.body.poll_frame(cx) {
                Poll::Pending => deadline.poll(cx).map(|()| Some(Err(too_late(answer.body.is_starved())))),
                ready => ready,
            });
            match next.await {
                Some(Ok(mut frame)) => {
                    if let Some(trailers) = frame.trailers_mut() {
                        load_report::take(trailers, told_by);
                    }
                }
                Some(Err(error)) => {
                    let result = outcome::of(&error, self.given_up());
                    attempt.failed(&Failed { error, raced: false });
                    return result;
                }
                None => break,
            }
            pieces += 1;
            if pieces % PIECES == 0 {
                tokio::task::yield_now().await;
            }
        }
        match service.failure_status.contain(answer.status) {
            true => {
                attempt.ended(Err(Failure::Status));
                MirrorResult::Error
            }
            false => {
                attempt.ended(Ok(()));
                MirrorResult::Answered
            }
        }
    }

    fn given_up(&self) -> Option<MirrorResult> {
        self.feed.as_ref().and_then(Feed::given_up)
    }
}
