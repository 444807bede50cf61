//! What a failure is counted as.

use crate::error::Kind;
use crate::metrics::FailureReason;

/// The reason that a failure of this kind is counted by. The words are nearly those of the access log; kinds that an operator does the same about share
/// one.
pub(super) fn reason(kind: Kind) -> FailureReason {
    use FailureReason as By;
    match kind {
        Kind::MalformedRequest
        | Kind::UnknownTransferCoding
        | Kind::UnsupportedVersion
        | Kind::UnknownExpectation
        | Kind::PlainHttp => By::MalformedRequest,
        Kind::TargetTooLong | Kind::HeadersTooLarge | Kind::BodyTooLarge => By::TooLarge,
        Kind::SlowRequest => By::SlowRequest,
        Kind::Misdirected => By::Misdirected,
        Kind::Denied => By::NotAllowed,
        Kind::Unauthenticated => By::NotAuthenticated,
        Kind::NoRoute => By::NoRoute,
        Kind::RateLimited(_) => By::RateLimit,
        Kind::ClientLimit => By::ClientLimit,
        Kind::ClientGone => By::ClientGone,
        Kind::NoBackend => By::NoBackend,
        Kind::CutOff(_) => By::CutOff,
        Kind::Overload => By::Overload,
        Kind::Shed => By::Shed,
        Kind::Maintenance => By::Maintenance,
        Kind::Undecided => By::Undecided,
        Kind::Shortage(_) => By::Shortage,
        Kind::DrainOver => By::DrainOver,
        Kind::Internal => By::Internal,
        Kind::Connect => By::ConnectFailed,
        Kind::Unreachable => By::Unreachable,
        Kind::ConnectTimeout => By::ConnectTimeout,
        Kind::NoStream => By::NoStream,
        Kind::UpstreamTls => By::Tls,
        Kind::UpstreamCertificate => By::Certificate,
        Kind::UpstreamClosed => By::ConnectionClosed,
        Kind::UpstreamRefused => By::StreamRefused,
        Kind::UpstreamReset => By::StreamReset,
        Kind::UpstreamProtocol | Kind::UpstreamMalformed => By::BadAnswer,
        Kind::UpstreamHeadersTooLarge | Kind::UpstreamTrailersTooLarge => By::AnswerTooLarge,
        Kind::UpstreamTimeout => By::Timeout,
        Kind::UpstreamHung => By::Hung,
        Kind::NotUpgraded => By::NotUpgraded,
    }
}
