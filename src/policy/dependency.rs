//! What the backends of a service depend on, and how that is checked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;

/// `[[service.NAME.detect.dependency]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Its name, which no other dependency of the service has.
    pub name: Arc<str>,
    /// What is asked. Services that name the same endpoint share its checks.
    pub endpoint: DependencyEndpoint,
    /// The longest time that a check may take.
    pub timeout: Duration,
    /// The time from the start of one check to the start of the next.
    pub interval: Duration,
}

/// Where a dependency is, and what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DependencyEndpoint {
    /// A name or an IP address, an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What is asked there.
    pub question: Question,
}

/// What a dependency is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// To take a connection.
    Connect,
    /// To answer a GET of this path with a status from 200 to 299.
    Get(PathAndQuery),
    /// `grpc.health.v1.Health/Check` of this gRPC service; empty = the whole server.
    GrpcHealth(String),
}

impl fmt::Display for DependencyEndpoint {
    /// As it is written in the configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match &self.question {
            Question::Connect => "tcp",
            Question::Get(_) => "http",
            Question::GrpcHealth(_) => "grpc",
        };
        let (host, port) = (&self.host, self.port);
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}")?,
            false => write!(f, "{scheme}://{host}:{port}")?,
        }
        match &self.question {
            Question::Get(path) => path.fmt(f),
            Question::GrpcHealth(service) if !service.is_empty() => write!(f, "/{service}"),
            Question::Connect | Question::GrpcHealth(_) => Ok(()),
        }
    }
}
