//! Exchanges that failed, by reason: Evenkeel has answered them itself, or their answer broke off.

use super::slots::{Count, PerWorker};

/// Why an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureReason {
    /// What was sent is no request that we take.
    MalformedRequest,
    /// The target, the headers or the body of the request are too large.
    TooLarge,
    /// The request came too slowly.
    SlowRequest,
    /// The host is none of the certificate's.
    Misdirected,
    /// The client may not come in.
    NotAllowed,
    /// The client has not said who it is.
    NotAuthenticated,
    /// No route takes the request.
    NoRoute,
    /// The client is above a rate limit.
    RateLimit,
    /// The client has as many requests in flight as it may have.
    ClientLimit,
    /// The client went away.
    ClientGone,
    /// No backend can be used.
    NoBackend,
    /// Recovery has cut its path off.
    CutOff,
    /// Evenkeel is at one of its own limits, or all backends are at theirs.
    Overload,
    /// The service has an adaptive limit, and is above it.
    Shed,
    /// Its clients are shown the page of maintenance.
    Maintenance,
    /// The service that says who may come in was not heard.
    Undecided,
    /// This machine lacks something that a connection needs.
    Shortage,
    /// The time to drain was over before its answer was.
    DrainOver,
    /// A defect of ours.
    Internal,
    /// The connection to the backend was refused, or failed otherwise.
    ConnectFailed,
    /// There is no way to the backend's address.
    Unreachable,
    /// The connection to the backend was not made in time.
    ConnectTimeout,
    /// The backend's HTTP/2 connections have no room for another stream.
    NoStream,
    /// TLS with the backend failed.
    Tls,
    /// The backend's certificate is not believed.
    Certificate,
    /// The backend closed the connection before an answer came.
    ConnectionClosed,
    /// The backend refused the stream.
    StreamRefused,
    /// The backend reset the stream.
    StreamReset,
    /// The backend broke the rules of HTTP.
    BadAnswer,
    /// The backend's headers or trailers are too large.
    AnswerTooLarge,
    /// The backend took too long.
    Timeout,
    /// The backend was found to hang.
    Hung,
    /// The backend did not switch to the protocol that was asked for.
    NotUpgraded,
}

impl FailureReason {
    /// All reasons, in the order of their numbers, each with the word for it in metrics.
    pub const ALL: [(Self, &'static str); 33] = [
        (Self::MalformedRequest, "malformed_request"),
        (Self::TooLarge, "too_large"),
        (Self::SlowRequest, "slow_request"),
        (Self::Misdirected, "misdirected"),
        (Self::NotAllowed, "not_allowed"),
        (Self::NotAuthenticated, "not_authenticated"),
        (Self::NoRoute, "no_route"),
        (Self::RateLimit, "rate_limit"),
        (Self::ClientLimit, "client_limit"),
        (Self::ClientGone, "client_gone"),
        (Self::NoBackend, "no_backend"),
        (Self::CutOff, "cut_off"),
        (Self::Overload, "overload"),
        (Self::Shed, "shed"),
        (Self::Maintenance, "maintenance"),
        (Self::Undecided, "undecided"),
        (Self::Shortage, "shortage"),
        (Self::DrainOver, "drain_timeout"),
        (Self::Internal, "internal"),
        (Self::ConnectFailed, "connect_failed"),
        (Self::Unreachable, "unreachable"),
        (Self::ConnectTimeout, "connect_timeout"),
        (Self::NoStream, "no_stream"),
        (Self::Tls, "tls"),
        (Self::Certificate, "certificate"),
        (Self::ConnectionClosed, "connection_closed"),
        (Self::StreamRefused, "stream_refused"),
        (Self::StreamReset, "stream_reset"),
        (Self::BadAnswer, "bad_answer"),
        (Self::AnswerTooLarge, "answer_too_large"),
        (Self::Timeout, "timeout"),
        (Self::Hung, "hung"),
        (Self::NotUpgraded, "not_upgraded"),
    ];
}

/// Exchanges and sessions of one service that failed, or of those for which no service was found.
#[derive(Debug)]
pub struct Failures(PerWorker<Slot>);

#[derive(Debug)]
struct Slot([Count; FailureReason::ALL.len()]);

impl Default for Slot {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Count::default()))
    }
}

impl Failures {
    pub(super) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts one, on the thread of `worker`.
    pub fn count(&self, worker: usize, why: FailureReason) {
        self.0.of(worker).0[why as usize].add(1);
    }

    /// How many so far, as in [`FailureReason::ALL`].
    pub fn read(&self) -> [u64; FailureReason::ALL.len()] {
        std::array::from_fn(|at| self.0.sum(|slot| &slot.0[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_in_the_order_of_their_numbers_and_have_words_of_their_own() {
        for (at, (reason, word)) in FailureReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at, "{word}");
            assert_eq!(FailureReason::ALL.iter().filter(|(_, other)| *other == word).count(), 1, "{word}");
        }
    }

    #[test]
    fn failures_of_all_workers_add_up() {
        let failures = Failures::new(2);
        [0, 1, 1].into_iter().for_each(|worker| failures.count(worker, FailureReason::TooLarge));
        assert_eq!(failures.read()[..3], [0, 3, 0]);
        assert_eq!(failures.read().iter().sum::<u64>(), 3);
    }
}
