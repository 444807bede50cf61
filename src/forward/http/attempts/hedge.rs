//! A second attempt beside one that is late: a hedge (`retry.hedge`). The first good answer is the client's, and the attempt that has none is given up:
//! its connection is closed, or its stream reset (CANCEL).

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Method;

use super::Attempts;
use super::attempt::Attempt;
use crate::clock::Moment;
use crate::forward::http::body::Content;
use crate::forward::http::exchange::Exchange;
use crate::forward::placement::{self, Admission, Criteria};
use crate::metrics::hedges::HedgeResult;
use crate::snapshot::Service;
use crate::timer::Alarm;
use crate::upstream::Answer;
use crate::upstream::terms::{Failed, Terms};

/// How an attempt ends.
type Ended = Result<Answer<Content>, Failed>;

/// One of two attempts that are under way at a time.
pub struct Runner<'r, 'a, F> {
    /// The attempt.
    pub attempt: &'r Attempt<'a>,
    /// How often its backend had been found to hang when it began.
    pub hangs: u32,
    /// Its answer, until it has come or the attempt has failed.
    pub answer: Option<Pin<&'r mut F>>,
}

impl<F: Future<Output = Ended>> Runner<'_, '_, F> {
    /// Ready when it was answered or has failed; never again after that. Nothing is expected of a path that is dead, or of a backend that hangs, unless it
    /// `stays`: there is no other attempt then, and can be none.
    fn poll(&mut self, stays: bool, cx: &mut Context<'_>) -> Poll<Ended> {
        let Some(answer) = &mut self.answer else { return Poll::Pending };
        let ended = match answer.as_mut().poll(cx) {
            Poll::Pending if stays => return Poll::Pending,
            Poll::Pending if self.attempt.is_cut_off() => Err(Failed::cut_off()),
            Poll::Pending if self.attempt.hangs() != self.hangs => Err(Failed::hung()),
            poll => ready!(poll),
        };
        self.answer = None;
        Poll::Ready(ended)
    }
}

/// How long an attempt is waited for before another one is made beside it.
pub struct Patience {
    alarm: Alarm,
    after: Duration,
    /// What was lacking when it was over for the first time.
    lacks: Option<HedgeResult>,
}

/// Counts what came of a hedge.
struct CountedHedge<'a> {
    worker: usize,
    service: &'a Service,
    result: HedgeResult,
}

impl Drop for CountedHedge<'_> {
    fn drop(&mut self) {
        count(self.worker, self.service, self.result);
    }
}

fn count(worker: usize, service: &Service, result: HedgeResult) {
    if let Some(hedges) = &service.hedges {
        hedges.counts.count(worker, result);
    }
}

impl<'a> Attempts<'a> {
    /// How long the attempt that begins is waited for; `None` = nothing will be made beside it.
    pub(super) fn patience(&self) -> Option<Patience> {
        let after = self.request.service.hedges.as_ref()?.after()?;
        let line = &self.request.line;
        // a second DELETE finds nothing, and its 404 may be there first
        let may = self.is_idempotent && *line.method != Method::DELETE && line.upgrade.is_none();
        may.then(|| Patience { alarm: Alarm::new(&self.request.worker.timers, after), after, lacks: None })
    }

    /// Ready with a place for an attempt beside the one with this backend, when that is late. Where there is none now, it is asked again after the same time.
    /// While the client is still to send some of its body, it is the one that is waited for.
    pub(super) fn poll_hedge(&mut self, backend: usize, late: &mut Patience, cx: &mut Context<'_>) -> Poll<Admission> {
        loop {
            ready!(late.alarm.poll(cx));
            late.alarm.set(late.after);
            if !self.body.has_all() || !self.retry.may_hedge(backend) {
                continue;
            }
            match self.place_beside(backend) {
                Ok(admission) => return Poll::Ready(admission),
                // counted once, however often it is asked
                Err(lack) if late.lacks.is_none() => {
                    late.lacks = Some(lack);
                    count(self.request.worker.index, self.request.service, lack);
                }
                Err(_) => {}
            }
        }
    }

    /// A place for an attempt beside the one with this backend, which is paid for; or why none is to be made now.
    fn place_beside(&mut self, backend: usize) -> Result<Admission, HedgeResult> {
        let (worker, service) = (self.request.worker, self.request.service);
        if service.protection.gives_way() {
            return Err(HedgeResult::HeldBack);
        }
        self.retry.tried.push(backend);
        let now = Moment::now();
        let criteria =
            Criteria { keys: self.request.keys, tried: &self.retry.tried, preferred: None, client: None, now };
        let placed = worker.pay_for_hedge(service, now, || placement::admit_beside(worker, service, criteria));
        // it is still under way
        self.retry.tried.pop();
        placed
    }

    /// Makes another attempt beside the `first`, until one of them has a good answer or both have failed. Gives back how the last one ended:
    /// it is the one that the exchange speaks of then, and the other one has been seen to.
    pub(super) async fn race<F: Future<Output = Ended>>(
        &mut self,
        mut first: Runner<'_, 'a, F>,
        admission: Admission,
        exchange: &mut Exchange,
    ) -> Ended {
        let (worker, service) = (self.request.worker, self.request.service);
        let mut counted = CountedHedge { worker: worker.index, service, result: HedgeResult::Cancelled };
        let (connected, backends) = (Cell::default(), [first.attempt.backend, admission.backend()]);
        self.retry.hedged();
        exchange.hedged(counted.result);
        let attempt = self.beside(admission, &connected, exchange);
        let answer = pin!(attempt.run(self.body.repeat_beside()));
        let mut hedge = Runner { attempt: &attempt, hangs: attempt.hangs(), answer: Some(answer) };
        let mut spoken_of = 0;
        loop {
            let is_alone = [hedge.answer.is_none(), first.answer.is_none()];
            let stays = [0, 1].map(|at| is_alone[at] && !self.may_leave(backends[at]));
            let (at, ended) = poll_fn(|cx| match first.poll(stays[0], cx) {
                Poll::Ready(ended) => Poll::Ready((0, ended)),
                Poll::Pending => hedge.poll(stays[1], cx).map(|ended| (1, ended)),
            })
            .await;
            if at != spoken_of {
                exchange.change_round();
            }
            let is_good = ended.as_ref().is_ok_and(|answer| !service.retry.on_status.contains(&answer.status));
            if !is_good && !is_alone[at] {
                self.leave_behind(backends[at], ended, exchange);
                exchange.change_round();
                spoken_of = 1 - at;
                continue;
            }
            exchange.give_up_beside();
            counted.result = match (is_good, at) {
                (false, _) => HedgeResult::Failed,
                (true, 0) => HedgeResult::Lost,
                (true, _) => HedgeResult::Won,
            };
            exchange.hedged(counted.result);
            if at == 1
                && let Some(time) = &self.request.connected
            {
                time.set(connected.take());
            }
            return ended;
        }
    }

    /// The attempt beside the one that is under way. Interim answers are the first one's: a client would not know what to make of those of both.
    fn beside<'h>(
        &mut self,
        admission: Admission,
        connected: &'h Cell<Option<Duration>>,
        exchange: &mut Exchange,
    ) -> Attempt<'h>
    where
        'a: 'h,
    {
        let backend = admission.backend();
        exchange.hedge_begins(admission);
        exchange.change_round();
        let trace = exchange.attempt_trace();
        exchange.change_round();
        let terms = Terms { timeouts: self.timeouts(), interim: None, ..self.request.terms };
        Attempt {
            request: self.request,
            backend,
            terms,
            on_new_connection: false,
            trace,
            connected: self.request.connected.is_some().then_some(connected),
            via: Cell::new(None),
        }
    }

    /// The attempt that the exchange speaks of has no good answer, and the other one goes on.
    fn leave_behind(&mut self, backend: usize, ended: Ended, exchange: &mut Exchange) {
        match ended {
            Ok(answer) => exchange.attempt_answered(answer.status),
            Err(failed) => {
                let (id, error) = (&self.request.service.endpoints[backend].id, &failed.error);
                tracing::debug!(service = %self.request.service.name, backend = %id, %error, "one of two attempts failed");
                exchange.attempt_failed(&failed);
            }
        }
        self.retry.tried.push(backend);
    }
}
