//! How something is done about a fault: a command, a systemd unit or a webhook.

use std::time::Duration;

use http::Uri;

use super::{Authorities, NotifySecret};

/// How a strategy acts, or takes back what it did. What is to be replaced in `argv`, `name` and `uri` is written `${service}`, `${backend}`,
/// `${address}`, `${fault}`, `${attempt}`, `${number}`, `${strategy}` or `${token}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// A command. No shell reads it.
    Command {
        /// The program, looked up in `PATH` unless it has a slash, and its arguments; at least the program. The working directory is `/`.
        argv: Vec<String>,
        /// How long it may take; then it is killed.
        time_out: Duration,
        /// Variables of its environment, beside the few that it gets in any case.
        environment: Vec<(String, String)>,
    },
    /// A unit of systemd, which is restarted.
    Unit {
        /// Its name with its suffix, such as `api@1.service`.
        name: String,
        /// How long the restart may take; then it is cancelled.
        time_out: Duration,
    },
    /// A webhook.
    Webhook {
        /// Where the call goes: http or https, with a host. Only the path and the query may hold what is to be replaced.
        uri: Uri,
        /// How long it may take, with all its tries.
        time_out: Duration,
        /// Signs the call.
        secret: Option<NotifySecret>,
        /// Authorities that verify the receiver's certificate.
        ca: Authorities,
    },
}
