//! Whether a request kept what is promised of its service. docs/sla.md has these rules for people; the access log says of each request how it was
//! counted.

use std::time::Duration;

use crate::error::Side;
use crate::metrics::{PromiseEnd, PromisedRequests};
use crate::outcome::{End, Grpc, Outcome, SessionOutcome};

/// What requests to a service are counted in.
#[derive(Debug, Clone, Copy)]
pub struct Promised<'a> {
    /// The counters.
    pub requests: &'a PromisedRequests,
    /// What takes longer is too slow; `None` = however long it takes.
    pub latency: Option<Duration>,
}

/// How an exchange that has ended counts.
pub(super) fn of_exchange(outcome: &Outcome, latency: Option<Duration>) -> PromiseEnd {
    let is_failure = outcome.status.is_some_and(|status| status.as_u16() >= 500);
    match outcome.failure.map(|kind| kind.side()) {
        // an answer that says failure was given before its client went away
        Some(Side::Client) if !is_failure => return PromiseEnd::Excluded,
        Some(Side::Upstream | Side::Internal) => return PromiseEnd::Failed,
        _ if is_failure => return PromiseEnd::Failed,
        // we have cut it off before its answer began
        None if outcome.status.is_none() => return PromiseEnd::Failed,
        _ => {}
    }
    match outcome.grpc {
        // a call without a status is one that failed, for its client
        Some(Grpc::Unknown) => PromiseEnd::Failed,
        Some(call) if call.is_failure() => PromiseEnd::Failed,
        _ => in_time(waited(outcome), latency),
    }
}

/// How long its client has waited for the head of its answer; what the client itself took to send the body is not the service's time.
fn waited(outcome: &Outcome) -> Option<Duration> {
    outcome.answered.map(|answered| answered.saturating_sub(outcome.uploaded.unwrap_or_default()))
}

/// How a session that has ended counts. What matters is how long its client has waited for a backend.
pub(super) fn of_session(outcome: &SessionOutcome, latency: Option<Duration>) -> PromiseEnd {
    match (outcome.failure.map(|kind| kind.side()), outcome.connected) {
        (Some(Side::Client), _) => PromiseEnd::Excluded,
        (Some(_), _) => PromiseEnd::Failed,
        (None, Some(waited)) => in_time(Some(waited), latency),
        // the client left before it had a backend, or we have cut it off
        (None, None) if outcome.end == End::Cut => PromiseEnd::Failed,
        (None, None) => PromiseEnd::Excluded,
    }
}

fn in_time(waited: Option<Duration>, latency: Option<Duration>) -> PromiseEnd {
    match waited.zip(latency) {
        Some((waited, latency)) if waited > latency => PromiseEnd::Slow,
        _ => PromiseEnd::Good,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use http::StatusCode;

    use super::*;
    use crate::error::Kind;

    fn exchange(status: u16, failure: Option<Kind>, grpc: Option<Grpc>, answered_ms: u64) -> PromiseEnd {
        let outcome = Outcome {
            status: StatusCode::from_u16(status).ok(),
            failure,
            grpc,
            answered: Some(Duration::from_millis(answered_ms)),
            ..Outcome::begun(Instant::now())
        };
        of_exchange(&outcome, Some(Duration::from_millis(500)))
    }

    #[test]
    fn an_exchange_counts_as_its_client_saw_it() {
        use PromiseEnd::{Excluded, Failed, Good, Slow};
        let http = |status, failure| exchange(status, failure, None, 10);
        for (status, failure, end) in [
            (200, None, Good),
            (101, None, Good),
            (404, None, Good),
            (429, None, Good),
            (500, None, Failed),
            (503, Some(Kind::NoBackend), Failed),
            (503, Some(Kind::Overload), Failed),
            (504, Some(Kind::UpstreamTimeout), Failed),
            (502, Some(Kind::Connect), Failed),
            // its body broke after a good head
            (200, Some(Kind::UpstreamClosed), Failed),
            (200, Some(Kind::DrainOver), Failed),
            (200, Some(Kind::ClientGone), Excluded),
            (500, Some(Kind::ClientGone), Failed),
            (400, Some(Kind::MalformedRequest), Excluded),
            (413, Some(Kind::BodyTooLarge), Excluded),
            (0, Some(Kind::ClientGone), Excluded),
            // cut off by us, without an answer
            (0, Some(Kind::DrainOver), Failed),
            (0, None, Failed),
            (0, Some(Kind::Internal), Failed),
        ] {
            assert_eq!(http(status, failure), end, "{status} {failure:?}");
        }
        assert_eq!([exchange(200, None, None, 500), exchange(200, None, None, 501)], [Good, Slow]);
        assert_eq!(exchange(500, None, None, 501), Failed, "counted once");
    }

    #[test]
    fn a_grpc_call_fails_by_its_status() {
        let call = |status| exchange(200, None, Some(Grpc::Status(status)), 10);
        let failed: Vec<u16> = (0..=17).filter(|status| call(*status) == PromiseEnd::Failed).collect();
        assert_eq!(failed, [2, 4, 13, 14, 15, 17]);
        assert_eq!(exchange(200, None, Some(Grpc::Unknown), 10), PromiseEnd::Failed);
        assert_eq!(exchange(200, Some(Kind::ClientGone), Some(Grpc::Unknown), 10), PromiseEnd::Excluded);
    }

    #[test]
    fn what_the_client_takes_to_send_its_body_is_not_the_service_s() {
        let ended = |answered_ms, uploaded_ms: Option<u64>| {
            let outcome = Outcome {
                status: Some(StatusCode::OK),
                answered: Some(Duration::from_millis(answered_ms)),
                uploaded: uploaded_ms.map(Duration::from_millis),
                ..Outcome::begun(Instant::now())
            };
            of_exchange(&outcome, Some(Duration::from_millis(500)))
        };
        assert_eq!([ended(1400, Some(1000)), ended(1500, Some(1000))], [PromiseEnd::Good; 2]);
        assert_eq!([ended(1501, Some(1000)), ended(1400, None)], [PromiseEnd::Slow; 2]);
    }

    #[test]
    fn a_session_counts_by_whether_and_when_its_client_got_a_backend() {
        let session = |failure, connected: Option<u64>, end| {
            let connected = connected.map(Duration::from_millis);
            let outcome = SessionOutcome { failure, connected, end, ..SessionOutcome::begun(Instant::now()) };
            of_session(&outcome, Some(Duration::from_millis(500)))
        };
        assert_eq!(session(None, Some(5), End::Closed), PromiseEnd::Good);
        assert_eq!(session(None, Some(5), End::Cut), PromiseEnd::Good);
        assert_eq!(session(None, Some(501), End::Closed), PromiseEnd::Slow);
        assert_eq!(session(Some(Kind::Connect), None, End::Cut), PromiseEnd::Failed);
        assert_eq!(session(Some(Kind::NoBackend), None, End::Cut), PromiseEnd::Failed);
        assert_eq!(session(Some(Kind::ClientGone), Some(5), End::Cut), PromiseEnd::Excluded);
        assert_eq!(session(None, None, End::Closed), PromiseEnd::Excluded);
    }
}
