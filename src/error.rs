//! One error type for everything that can go wrong in an exchange.
//!
//! An [`Error`] says *what* went wrong ([`Kind`]), *whose* fault it is ([`Side`]) and whether the exchange may be tried
//! again ([`Retry`]). It becomes an answer to the client in one exhaustive place, `forward/http/error_answer.rs`; nothing else in
//! the proxy chooses a status code for a failure.

use std::fmt;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request does not follow RFC 9110/9112/9113.
    MalformedRequest,
    /// The request line, or the target in it, is longer than the limit.
    TargetTooLong,
    /// The header section is longer, or has more fields, than the limit.
    HeadersTooLarge,
    /// The body is longer than `limits.max_body`.
    BodyTooLarge,
    /// The head, or the body, of the request came too slowly.
    SlowRequest,
    /// A transfer coding that we do not know.
    UnknownTransferCoding,
    /// An HTTP version that we do not speak.
    UnsupportedVersion,
    /// The expectation in `Expect` is unknown.
    UnknownExpectation,
    /// The request is for a host that the certificate of this connection does not name.
    Misdirected,
    /// Plain HTTP on a listener that has TLS.
    PlainHttp,
    /// The client, or its address, may not come in.
    Denied,
    /// The client has not said who it is, or not in a way that is believed.
    Unauthenticated,
    /// The service that says who may come in has said nothing that could be used.
    Undecided,
    /// The backend did not switch to the protocol that the request asks for.
    NotUpgraded,
    /// No route takes the request.
    NoRoute,
    /// The service has no backend that may be used.
    NoBackend,
    /// Recovery has cut requests of this path off, for so many seconds more.
    CutOff(u32),
    /// The client has sent more than a rate limit allows; in so many seconds it may send again.
    RateLimited(u32),
    /// The client has as many requests in flight as it may have.
    ClientLimit,
    /// Evenkeel is at one of its own limits.
    Overload,
    /// The service has more to do than its backends can, and others go first.
    Shed,
    /// The listener, or the service, is under maintenance, and its clients are shown that.
    Maintenance,
    /// This machine could not even try to connect.
    Shortage(Shortage),
    /// The connection to the backend was refused.
    Connect,
    /// The backend's address can't be reached: there is no such host, or no way to it.
    Unreachable,
    /// The connection to the backend was not made in time.
    ConnectTimeout,
    /// The backend's HTTP/2 connections had no room for another stream in time.
    NoStream,
    /// The TLS handshake with the backend failed.
    UpstreamTls,
    /// The backend's certificate could not be verified.
    UpstreamCertificate,
    /// The backend closed or reset the connection before an answer came.
    UpstreamClosed,
    /// The backend has refused the request without looking at it (`REFUSED_STREAM`).
    UpstreamRefused,
    /// The backend ended the exchange before its answer was whole, and kept the connection (`RST_STREAM`).
    UpstreamReset,
    /// What the backend sent breaks the rules of HTTP/2, which ends all exchanges on the connection.
    UpstreamProtocol,
    /// What the backend sent is not HTTP, or breaks its framing.
    UpstreamMalformed,
    /// The backend's header section is larger than we take.
    UpstreamHeadersTooLarge,
    /// The backend's trailer section is larger than we take.
    UpstreamTrailersTooLarge,
    /// No answer from the backend in time, or its body stalled, or the exchange took longer than `timeout.total`.
    UpstreamTimeout,
    /// The backend was found to hang, so that its answer was not waited for any longer.
    UpstreamHung,
    /// The client went away.
    ClientGone,
    /// We have cut it off: the time to drain was over (`server.drain_timeout`).
    DrainOver,
    /// A defect of ours.
    Internal,
}

/// A thing that a new connection needs and this machine has none of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shortage {
    /// A local port that is free for that destination.
    Ports,
    /// A file descriptor.
    Descriptors,
    /// Memory for a socket.
    Memory,
    /// A route into that network.
    Route,
    /// A permission, for instance of its own firewall.
    Permission,
}

/// Whose fault an error is, and so whose record it counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client's.
    Client,
    /// The backend's.
    Upstream,
    /// Ours.
    Internal,
}

/// Whether the same request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Nothing of the request reached the backend, or the backend said that it did nothing with it.
    Safe,
    /// The backend may have executed it: again only when the method is idempotent (RFC 9110, section 9.2.2).
    IfIdempotent,
    /// Trying again can't help, or would be wrong.
    Never,
}

/// An error of an exchange. Cheap to make: no allocation unless there is a cause from outside.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    retry: Retry,
    detail: &'static str,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Kind {
    /// Whose fault this kind is.
    pub fn side(self) -> Side {
        match self {
            Self::MalformedRequest
            | Self::TargetTooLong
            | Self::HeadersTooLarge
            | Self::BodyTooLarge
            | Self::SlowRequest
            | Self::UnknownTransferCoding
            | Self::UnsupportedVersion
            | Self::UnknownExpectation
            | Self::Misdirected
            | Self::PlainHttp
            | Self::Denied
            | Self::Unauthenticated
            // a backend need not switch: it answered like one that does not know the protocol
            | Self::NotUpgraded
            | Self::NoRoute
            | Self::RateLimited(_)
            | Self::ClientLimit
            | Self::ClientGone => Side::Client,
            Self::Connect
            | Self::Unreachable
            | Self::UpstreamHung
            | Self::ConnectTimeout
            | Self::NoStream
            | Self::UpstreamTls
            | Self::UpstreamCertificate
            | Self::UpstreamClosed
            | Self::UpstreamRefused
            | Self::UpstreamReset
            | Self::UpstreamProtocol
            | Self::UpstreamMalformed
            | Self::UpstreamHeadersTooLarge
            | Self::UpstreamTrailersTooLarge
            | Self::UpstreamTimeout => Side::Upstream,
            Self::NoBackend
            | Self::CutOff(_)
            | Self::Overload
            | Self::Shed
            | Self::Maintenance
            | Self::Shortage(_)
            | Self::Undecided
            | Self::DrainOver
            | Self::Internal => Side::Internal,
        }
    }

    /// The name used in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformed request",
            Self::TargetTooLong => "request target too long",
            Self::HeadersTooLarge => "request headers too large",
            Self::BodyTooLarge => "request body too large",
            Self::SlowRequest => "request too slow",
            Self::UnknownTransferCoding => "unknown transfer coding",
            Self::UnsupportedVersion => "unsupported HTTP version",
            Self::UnknownExpectation => "unknown expectation",
            Self::Misdirected => "misdirected request",
            Self::PlainHttp => "the plain HTTP request was sent to an HTTPS port",
            Self::Denied => "not allowed",
            Self::Unauthenticated => "not authenticated",
            Self::Undecided => "no answer about who may come in",
            Self::NotUpgraded => "the backend did not upgrade",
            Self::NoRoute => "no route",
            Self::NoBackend => "no backend available",
            Self::CutOff(_) => "cut off by recovery",
            Self::RateLimited(_) => "rate limit",
            Self::ClientLimit => "client limit",
            Self::Overload => "overload",
            Self::Shed => "shed",
            Self::Maintenance => "maintenance",
            Self::Shortage(shortage) => shortage.as_str(),
            Self::Connect => "connection to the backend failed",
            Self::ConnectTimeout => "connection to the backend timed out",
            Self::NoStream => "the backend takes no more streams",
            Self::UpstreamTls => "TLS with the backend failed",
            Self::UpstreamCertificate => "the backend's certificate is not believed",
            Self::UpstreamClosed => "the backend closed the connection",
            Self::UpstreamRefused => "the backend refused the stream",
            Self::UpstreamReset => "the backend reset the stream",
            Self::UpstreamProtocol => "the backend broke the rules of HTTP/2",
            Self::UpstreamMalformed => "the backend's answer is malformed",
            Self::UpstreamHeadersTooLarge => "the backend's headers are too large",
            Self::UpstreamTrailersTooLarge => "the backend's trailers are too large",
            Self::UpstreamTimeout => "the backend took too long",
            Self::UpstreamHung => "the backend hangs",
            Self::Unreachable => "the backend can't be reached",
            Self::ClientGone => "the client went away",
            Self::DrainOver => "cut off: the time to drain was over",
            Self::Internal => "internal error",
        }
    }
}

impl Shortage {
    /// All shortages, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::Ports, Self::Descriptors, Self::Memory, Self::Route, Self::Permission];

    /// The text in logs and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ports => "no local port is free",
            Self::Descriptors => "no file descriptor is free",
            Self::Memory => "the kernel has no memory for a socket",
            Self::Route => "this machine has no route to it",
            Self::Permission => "this machine does not allow it",
        }
    }

    /// The value of the label `reason` in the metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ports => "ports",
            Self::Descriptors => "descriptors",
            Self::Memory => "memory",
            Self::Route => "route",
            Self::Permission => "permission",
        }
    }

    /// Whether it may pass within moments, because others free what they hold.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Ports | Self::Descriptors | Self::Memory)
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// An error that must not be retried; `detail` is for the log and never shown to a client.
    pub fn new(kind: Kind, detail: &'static str) -> Self {
        Self { kind, retry: Retry::Never, detail, source: None }
    }

    /// Says whether the request may be sent again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whose fault it is.
    pub fn side(&self) -> Side {
        self.kind.side()
    }

    /// Whether the request may be sent again.
    pub fn retryability(&self) -> Retry {
        self.retry
    }

    /// The details, for the log.
    pub fn detail(&self) -> &'static str {
        self.detail
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}
