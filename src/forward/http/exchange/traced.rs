//! The trace of an exchange: what happens to the exchange is noted in it, and its spans are made at the end, where they are wanted.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Exchange;
use crate::error::Side;
use crate::metrics::Exemplar;
use crate::outcome::{Grpc, Outcome};
use crate::trace::{AttemptTrace, End, ExchangeTrace};

impl Exchange {
    /// It is traced from now on.
    pub fn begin_trace(&mut self, trace: Box<ExchangeTrace>) {
        if let Some(entry) = &mut self.access {
            entry.trace_id = Some(trace.id().0);
        }
        self.trace = Some(trace);
    }

    /// Its trace, where exchanges are traced.
    pub fn trace(&self) -> Option<&ExchangeTrace> {
        self.trace.as_deref()
    }

    /// What the attempt that is under way needs of the trace, where there is one.
    pub fn attempt_trace(&self) -> Option<AttemptTrace> {
        self.trace.as_ref().map(|trace| trace.of_attempt())
    }

    /// A route has taken it, which is at this place in its listener.
    pub(super) fn took_route(&mut self, place: Option<usize>) {
        if let Some(trace) = &mut self.trace {
            trace.took_route(place);
        }
    }

    /// It begins to wait for a place at a backend.
    pub fn waits(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.waits(Instant::now());
        }
    }

    /// An attempt with the backend at this place begins.
    pub(super) fn trace_attempt(&mut self, backend: usize, began: Instant) {
        if let Some(trace) = &mut self.trace {
            self.ingress.worker().tracer.attempt_begins(trace, backend, began);
        }
    }

    /// Before the snapshot is let go of, what is known of it only is kept.
    pub(super) fn keep_traced(&mut self) {
        if let Some(trace) = &mut self.trace {
            let service = self.counted.whole_service();
            let route = trace.route().and_then(|place| self.counted.route_path(place));
            trace.keep(self.outcome.began.elapsed(), route, |place| Some(Arc::clone(service?.endpoints.get(place)?)));
        }
    }

    /// It has ended: its spans go to the exporter if it was sampled, has failed or was slow. Gives back what leads from its duration to them, where the
    /// exporter has them.
    pub(super) fn end_trace(&mut self, ended: Instant) -> Option<Exemplar> {
        let trace = self.trace.take()?;
        let (outcome, counted) = (&self.outcome, &self.counted);
        let is_error = is_error(outcome);
        let elapsed = ended.saturating_duration_since(outcome.began);
        let sampled_by = trace.why_sampled(is_error, elapsed);
        let (trace_id, mut ended_unix) = (trace.id().0, 0);
        let is_exported = self.ingress.worker().tracer.end(trace, sampled_by, |trace, sampled_by, new_id| {
            ended_unix = unix_nanos(ended);
            let route_name = trace.route_name().cloned();
            let end = End {
                listener: counted.listener(),
                service: counted.asked().map(|asked| asked.name),
                route: route_name.as_deref().or_else(|| Some(&**counted.route_path(trace.route()?)?)),
                status: outcome.status.map(|status| status.as_u16()),
                failure: outcome.failure,
                is_error,
                body_bytes: outcome.body_bytes,
                attempts: outcome.attempts,
                grpc: outcome.grpc.and_then(Grpc::status),
                sampled_by,
                ended,
                ended_unix,
            };
            let service = counted.whole_service();
            trace.spans(&end, |place| service?.endpoints.get(place), new_id)
        });
        is_exported.then(|| Exemplar { trace_id, value: elapsed, at: Duration::from_nanos(ended_unix) })
    }
}

/// Whether it has failed: by us or a backend, or as an answer or a gRPC status says it. That its client goes away is no failure.
fn is_error(outcome: &Outcome) -> bool {
    match outcome.failure.map(|kind| kind.side()) {
        Some(Side::Upstream | Side::Internal) => true,
        // cut off by us
        None if outcome.status.is_none() => true,
        Some(Side::Client) | None => {
            outcome.status.is_some_and(|status| status.is_server_error()) || outcome.grpc.is_some_and(Grpc::is_failure)
        }
    }
}

/// A moment that has just passed by the wall's clock, in nanoseconds since 1970.
fn unix_nanos(moment: Instant) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.saturating_sub(moment.elapsed()).as_nanos()).unwrap_or(u64::MAX)
}
