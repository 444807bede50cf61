//! Every metric's name, in one list: what an operator's dashboards and alerts are written against.
//!
//! A name here is a contract: it may be joined by others, it is not renamed. Base units only (seconds, bytes), counters end
//! in `_total`, as Prometheus' naming practice has it.

/// What a metric is, and how it is announced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metric {
    /// Its name.
    pub(super) name: &'static str,
    /// Its kind.
    pub(super) kind: Kind,
    /// One line for people.
    pub(super) help: &'static str,
}

/// The kind of a metric, as Prometheus knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows (until a restart).
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by buckets.
    Histogram,
}

impl Kind {
    /// As written after `# TYPE`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, help }
}

/// `{listener,service,backend,code_class}`
pub(super) static REQUESTS: Metric = counter(
    "evenkeel_requests_total",
    "Exchanges by the class of their answer; `none`: the client left before an answer. Service and backend are empty where none was involved.",
);
/// `{service}`
pub(super) static REQUEST_DURATION: Metric =
    histogram("evenkeel_request_duration_seconds", "From the head of the request to the end of the answer.");
/// `{service,backend}`
pub(super) static IN_FLIGHT: Metric = gauge("evenkeel_in_flight", "Exchanges under way at a backend.");
/// `{service}`
pub(super) static REQUESTS_WAITING: Metric =
    gauge("evenkeel_requests_waiting", "Requests that wait for a backend below its max_connections.");
/// `{service,backend}`
pub(super) static BACKEND_UP: Metric = gauge("evenkeel_backend_up", "1 when the backend may get new work, else 0.");
/// `{service,backend,state}`
pub(super) static BACKEND_STATE: Metric = gauge(
    "evenkeel_backend_state",
    "1 for the state that a backend is in: up, starting, draining, disabled, down, ejected, broken or unknown.",
);
/// `{kind}`
pub(super) static EVENTS: Metric = counter("evenkeel_events_total", "Events by their kind; docs/events.md lists them.");
/// `{service,backend,state}`
pub(super) static UPSTREAM_CONNECTIONS: Metric =
    gauge("evenkeel_upstream_connections", "Connections to a backend, `active` in an exchange or `idle` in the pool.");
/// `{service,backend}`
pub(super) static UPSTREAM_CONNECTS: Metric = counter(
    "evenkeel_upstream_connects_total",
    "Connections made to a backend; far below its requests when connections are reused.",
);
/// `{service,backend}`
pub(super) static BREAKER_STATE: Metric =
    gauge("evenkeel_breaker_state", "The circuit breaker of a backend: 0 closed, 1 open, 2 half-open.");
/// `{service,outcome}`
pub(super) static RETRIES: Metric = counter(
    "evenkeel_retries_total",
    "Attempts beyond the first: `succeeded`, `failed`, or `over_budget` when they were not made.",
);
/// `{service,code}`
pub(super) static GRPC: Metric = counter(
    "evenkeel_grpc_calls_total",
    "gRPC calls by the status that they ended with; `none`: they broke off without one.",
);
/// `{service,backend,reason}`
pub(super) static NOTIFICATIONS: Metric = counter(
    "evenkeel_notifications_total",
    "Events to webhooks by outcome: sent, dropped (never delivered); failed counts tries that failed.",
);
/// `{reason}`
pub(super) static ADMIN_REFUSED: Metric = counter(
    "evenkeel_admin_refused_total",
    "Requests and logins that the admin address has refused: `wrong_token`, or `too_many_failures` of the same address before.",
);
/// `{service,backend,reason}`
pub(super) static EJECTIONS: Metric =
    counter("evenkeel_ejections_total", "How often a backend was taken out because of its answers.");
/// `{service,backend}`
pub(super) static ATTEMPTS: Metric = counter(
    "evenkeel_backend_attempts_total",
    "Attempts with a backend that ended, retried ones included, clients that went away left out.",
);
/// `{service,backend}`
pub(super) static ATTEMPTS_FAILED: Metric =
    counter("evenkeel_backend_failures_total", "Attempts with a backend that failed by its doing.");
/// `{listener}`
pub(super) static CLIENT_CONNECTIONS: Metric = gauge("evenkeel_client_connections", "Client connections open.");
/// `{listener}`
pub(super) static CLIENT_ACCEPTED: Metric =
    counter("evenkeel_client_connections_total", "Client connections accepted.");
/// `{listener,reason}`
pub(super) static PROXY_REFUSED: Metric =
    counter("evenkeel_proxy_protocol_refused_total", "Connections closed unanswered for want of a good PROXY header.");
/// `{listener,direction}`
pub(super) static BYTES: Metric =
    counter("evenkeel_bytes_total", "Bytes from clients (`in`) and to clients (`out`), without TLS.");
/// `{listener,direction}`
pub(super) static DATAGRAMS: Metric =
    counter("evenkeel_datagrams_total", "Datagrams from clients (`in`) and to clients (`out`).");
/// `{listener,reason}`
pub(super) static DATAGRAMS_LOST: Metric = counter(
    "evenkeel_datagrams_lost_total",
    "Datagrams that were not passed on: `no_room` for another session, `no_backend` is there, `not_sent` by the kernel, `draining`.",
);
/// `{reason}`
pub(super) static SHORTAGES: Metric = counter(
    "evenkeel_shortages_total",
    "Connections to backends, checks' included, that could not be tried for want of something of this machine's: `ports`, `descriptors`, `memory`, a `route`, `permission`.",
);
/// No labels.
pub(super) static PANICS: Metric =
    counter("evenkeel_panics_total", "Panics caught, each a defect of Evenkeel that cost one connection.");
/// No labels.
pub(super) static CONFIG_GENERATION: Metric =
    gauge("evenkeel_config_generation", "Number of the configuration that runs; grows at each reload.");
/// `{outcome}`
pub(super) static RELOADS: Metric = counter(
    "evenkeel_reloads_total",
    "Times the configuration was read again: `ok`, or `failed` and the one before stayed.",
);
/// `{version}`
pub(super) static BUILD_INFO: Metric = gauge("evenkeel_build_info", "Always 1; the labels say what runs.");
/// No labels.
pub(super) static START_TIME: Metric = gauge("process_start_time_seconds", "When the process started, in Unix time.");
/// No labels.
pub(super) static OPEN_FDS: Metric = gauge("process_open_fds", "File descriptors open.");
/// No labels.
pub(super) static MAX_FDS: Metric = gauge("process_max_fds", "File descriptors that may be open.");
/// No labels.
pub(super) static RESIDENT_MEMORY: Metric = gauge("process_resident_memory_bytes", "Memory resident.");
/// No labels.
pub(super) static CPU_SECONDS: Metric = counter("process_cpu_seconds_total", "CPU time used, in user and kernel mode.");

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&Metric; 32] = [
        &BREAKER_STATE,
        &RETRIES,
        &GRPC,
        &EJECTIONS,
        &NOTIFICATIONS,
        &ADMIN_REFUSED,
        &ATTEMPTS,
        &ATTEMPTS_FAILED,
        &REQUESTS,
        &REQUEST_DURATION,
        &IN_FLIGHT,
        &BACKEND_UP,
        &BACKEND_STATE,
        &EVENTS,
        &UPSTREAM_CONNECTIONS,
        &UPSTREAM_CONNECTS,
        &CLIENT_CONNECTIONS,
        &CLIENT_ACCEPTED,
        &PROXY_REFUSED,
        &BYTES,
        &DATAGRAMS,
        &DATAGRAMS_LOST,
        &SHORTAGES,
        &PANICS,
        &CONFIG_GENERATION,
        &RELOADS,
        &BUILD_INFO,
        &START_TIME,
        &OPEN_FDS,
        &MAX_FDS,
        &RESIDENT_MEMORY,
        &CPU_SECONDS,
    ];

    #[test]
    fn names_follow_the_naming_practice() {
        for (i, metric) in ALL.iter().enumerate() {
            assert!(metric.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert!(!metric.help.contains(['\n', '\\']), "{}: the help text would need escaping", metric.name);
            assert!(ALL[..i].iter().all(|other| other.name != metric.name), "{} is there twice", metric.name);
        }
    }
}
