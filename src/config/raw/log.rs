//! `[log]`

use super::{section, words};
use crate::config::units::TimeSpan;

words! {
    /// How log lines are written.
    LogFormat { Text = "text", Json = "json", }
}

words! {
    /// How lines of the access log are written.
    AccessFormat { Json = "json", Combined = "combined", Template = "template", }
}

words! {
    /// The facility of syslog messages (RFC 5424, section 6.2.1).
    Facility {
        Kern = "kern",
        User = "user",
        Mail = "mail",
        Daemon = "daemon",
        Auth = "auth",
        Syslog = "syslog",
        Lpr = "lpr",
        News = "news",
        Uucp = "uucp",
        Cron = "cron",
        Authpriv = "authpriv",
        Ftp = "ftp",
        Local0 = "local0",
        Local1 = "local1",
        Local2 = "local2",
        Local3 = "local3",
        Local4 = "local4",
        Local5 = "local5",
        Local6 = "local6",
        Local7 = "local7",
    }
}

section! {
    /// Log and access log.
    Log {
        /// error, warn, info, debug, trace, off; or a filter such as "info,evenkeel=debug".
        #[schemars(extend("x-syntax" = "log-filter"))]
        level: String = "info".to_owned(),
        /// How log lines are written: for people, or as JSON objects.
        format: LogFormat = LogFormat::Text,
        /// Where the access log goes: "off", "stdout", a file's path, "syslog:udp://HOST:PORT", "syslog:tcp://HOST:PORT",
        /// "syslog:unix:/dev/log", or "unixgram:/path".
        #[schemars(extend("x-syntax" = "log-destination"))]
        access: String = "off".to_owned(),
        /// How lines of the access log are written; "template" needs `access_template`.
        access_format: AccessFormat = AccessFormat::Json,
        /// The members of JSON lines, in this order; empty = those that lines have always had.
        #[schemars(extend("x-syntax" = "log-field"))]
        access_fields: Vec<String> = Vec::new(),
        /// A line, in which ${client}, ${status} and so on are filled in.
        #[schemars(extend("x-syntax" = "log-template"))]
        access_template: Option<String> = None,
        /// Share of the good exchanges that have a line; all others have one.
        #[schemars(range(min = 0.0, max = 1.0))]
        access_sample: f64 = 1.0,
        /// What takes longer than this has a line whatever `access_sample` is.
        access_slow: TimeSpan = TimeSpan::secs(1),
        /// The facility of messages to syslog.
        access_facility: Facility = Facility::Local0,
    }
}
