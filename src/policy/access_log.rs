//! What a line of the access log says, where it goes, and which lines are written: `[log]`, and `request_id` of listeners.

mod field;
mod layout;
mod template;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::header::HeaderName;

pub use field::{Field, FieldName};
pub use layout::{Layout, Member, Part};
pub use template::{BadTemplate, Piece, parse as parse_template};

/// The lines of the access log: what they say, and which exchanges and sessions have one.
#[derive(Debug)]
pub struct AccessLines {
    /// The line of an exchange.
    pub exchange: Layout,
    /// The line of a session.
    pub session: Layout,
    /// Which of them are written.
    pub sampling: Sampling,
    /// Fields of requests that lines say, by [`Field::RequestHeader`].
    pub request_headers: Vec<HeaderName>,
    /// Fields of answers that lines say, by [`Field::ResponseHeader`].
    pub response_headers: Vec<HeaderName>,
    /// What has to be collected only where lines say it.
    pub wants: Wants,
}

/// What costs something to collect and is collected only where a line says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// How long requests wait for a place, for a connection, and for the head of the answer: the clock is read for each.
    pub times: bool,
    /// The bytes of requests' bodies.
    pub bytes_in: bool,
    /// The route.
    pub route: bool,
    /// The client's TLS.
    pub tls: bool,
}

/// Which lines are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// The share of good exchanges and sessions that are written, from 0 to 1. All others are written.
    pub share: f64,
    /// What takes longer than this is written.
    pub slow: Duration,
}

impl Sampling {
    /// Every line is written.
    pub const ALL: Self = Self { share: 1.0, slow: Duration::from_secs(1) };

    /// Whether a line is written, and the share of its kind that it stands for: `None` = it is left out, `Some(None)` = it stands for itself
    /// only. `good`: nothing about it is remarkable but, maybe, how long it `took`. `random` is uniform from 0 to 1.
    pub fn decide(&self, good: bool, took: Duration, random: impl FnOnce() -> f64) -> Option<Option<f64>> {
        if self.share >= 1.0 || !good || took > self.slow {
            return Some(None);
        }
        (random() < self.share).then_some(Some(self.share))
    }
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessDestination {
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
    /// A datagram for each line, to this Unix socket.
    Unixgram(PathBuf),
    /// Syslog (RFC 5424).
    Syslog {
        /// Where the messages are sent.
        to: SyslogTransport,
        /// The facility, by its number.
        facility: u8,
    },
}

/// How messages get to a syslog server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogTransport {
    /// A datagram for each (RFC 5426).
    Udp(String, u16),
    /// Over TCP, each with its length before it (RFC 6587, section 3.4.1).
    Tcp(String, u16),
    /// A datagram for each, to this Unix socket.
    Unix(PathBuf),
}

/// As in the configuration.
impl fmt::Display for AccessDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
            Self::Unixgram(path) => write!(f, "unixgram:{}", path.display()),
            Self::Syslog { to, .. } => match to {
                SyslogTransport::Udp(host, port) => write!(f, "syslog:udp://{}", HostPort(host, *port)),
                SyslogTransport::Tcp(host, port) => write!(f, "syslog:tcp://{}", HostPort(host, *port)),
                SyslogTransport::Unix(path) => write!(f, "syslog:unix:{}", path.display()),
            },
        }
    }
}

/// An address as URLs have it: IPv6 in brackets.
struct HostPort<'a>(&'a str, u16);

impl fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.contains(':') {
            true => write!(f, "[{}]:{}", self.0, self.1),
            false => write!(f, "{}:{}", self.0, self.1),
        }
    }
}

impl Default for AccessLines {
    fn default() -> Self {
        Self::json(&[], Sampling::ALL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_what_is_good_is_written_and_all_of_the_rest() {
        let sampling = Sampling { share: 0.25, slow: Duration::from_secs(1) };
        let [fast, slow] = [Duration::from_secs(1), Duration::from_millis(1_001)];
        assert_eq!(sampling.decide(true, fast, || 0.24), Some(Some(0.25)));
        assert_eq!(sampling.decide(true, fast, || 0.25), None);
        assert_eq!(sampling.decide(true, slow, || 0.9), Some(None));
        assert_eq!(sampling.decide(false, fast, || 0.9), Some(None));
        assert_eq!(Sampling::ALL.decide(true, fast, || 0.999), Some(None));
        let none = Sampling { share: 0.0, ..sampling };
        assert_eq!(none.decide(true, fast, || 0.0), None);
    }

    #[test]
    fn destinations_are_shown_as_they_are_written() {
        let syslog = |to| AccessDestination::Syslog { to, facility: 16 }.to_string();
        assert_eq!(syslog(SyslogTransport::Udp("logs".into(), 514)), "syslog:udp://logs:514");
        assert_eq!(syslog(SyslogTransport::Tcp("::1".into(), 601)), "syslog:tcp://[::1]:601");
        assert_eq!(syslog(SyslogTransport::Unix("/dev/log".into())), "syslog:unix:/dev/log");
        assert_eq!(AccessDestination::Unixgram("/run/x".into()).to_string(), "unixgram:/run/x");
    }
}
