//! Every metric in one list: what an operator's dashboards and alerts are written against.
//!
//! A name here is a contract: it may be joined by others, it is not renamed. Base units only (seconds, bytes), counters end
//! in `_total`, as Prometheus' naming practice has it. docs/operations.md has a row for each, which a test looks for.

/// What a metric is, and how it is announced.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The names of its labels, in the order of the text.
    pub labels: &'static [&'static str],
    /// Where its values come from.
    pub(super) source: Source,
    /// One line for people.
    pub help: &'static str,
}

/// The kind of a metric, as Prometheus knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows (until a restart).
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by buckets.
    Histogram,
    /// Always 1: what there is to know is in its labels.
    Info,
}

/// Where the values of a metric come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The registry's own counters, which the data path counts in, or what is known at the time of the reading.
    Registry,
    /// What rooms of the control plane count through the `metrics` facade; its series are written in this order.
    Facade(Order),
}

/// The order in which the series of a metric are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// By the values of their labels.
    ByLabels,
    /// The first one that was registered comes first.
    AsRegistered,
}

impl Kind {
    /// As written after `# TYPE` in the text format of Prometheus, which has no type for [`Info`](Self::Info).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge | Self::Info => "gauge",
            Self::Histogram => "histogram",
        }
    }

    /// Whether the facade counts it as one of that kind: it has no infos, which are gauges that stay 1.
    pub(super) fn is_counted_as(self, kind: Self) -> bool {
        self == kind || (self == Self::Info && kind == Self::Gauge)
    }
}

/// The metric with this name that is counted through the facade, if there is one.
pub(super) fn of_facade(name: &str) -> Option<&'static Metric> {
    ALL.iter().copied().find(|metric| metric.name == name && matches!(metric.source, Source::Facade(_)))
}

/// Declares each metric as a static of its own, and the list of all.
macro_rules! metrics {
    ($($metric:ident: $kind:ident $name:literal [$($label:ident),*] $source:expr => $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $metric: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$(stringify!($label)),*],
                source: $source,
                help: $help,
            };
        )*

        /// All of them, in the order of the text.
        pub(super) static ALL: &[&Metric] = &[$(&$metric),*];
    };
}

metrics! {
    REQUESTS: Counter "evenkeel_requests_total" [listener, service, backend, code_class] Source::Registry
        => "Exchanges by the class of their answer; `none`: the client left before an answer. Service and backend are empty where none was involved.";
    FAILURES: Counter "evenkeel_exchange_failures_total" [service, reason] Source::Registry
        => "Exchanges that Evenkeel answered with an error of its own, or whose answer broke off, and sessions that failed, by reason, such as `no_backend`, `connect_failed`, `timeout`. Service is empty where none was found.";
    REQUEST_DURATION: Histogram "evenkeel_request_duration_seconds" [service] Source::Registry
        => "From the head of the request to the end of the answer.";
    FIRST_BYTE: Histogram "evenkeel_first_byte_seconds" [service] Source::Registry
        => "From the head of the request to the head of its backend's answer.";
    QUEUE: Histogram "evenkeel_queue_seconds" [service] Source::Registry
        => "How long those requests have waited for a place at a backend that had to wait.";
    CONNECT: Histogram "evenkeel_upstream_connect_seconds" [service] Source::Registry
        => "How long it took to make a connection to a backend, the TLS handshake included; failed ones are left out.";
    IN_FLIGHT: Gauge "evenkeel_in_flight" [service, backend] Source::Registry
        => "Exchanges under way at a backend.";
    BACKEND_UP: Gauge "evenkeel_backend_up" [service, backend] Source::Registry
        => "1 when the backend may get new work, else 0.";
    BACKEND_STATE: Gauge "evenkeel_backend_state" [service, backend, state] Source::Registry
        => "1 for the state that a backend is in: up, starting, draining, disabled, down, ejected, broken or unknown.";
    BACKEND_WORK_SHARE: Gauge "evenkeel_backend_work_share" [service, backend] Source::Registry
        => "The share of its work that a backend gets while it is available: less than 1 while it is suspected of a fault, and after an ejection.";
    BREAKER_STATE: Gauge "evenkeel_breaker_state" [service, backend] Source::Registry
        => "The circuit breaker of a backend: 0 closed, 1 open, 2 half-open.";
    PATH_UP: Gauge "evenkeel_path_up" [service, backend, address] Source::Registry
        => "1 while the path to a backend by this address works, else 0; for backends with several addresses whose service has checks.";
    PATH_CHOSEN: Gauge "evenkeel_path_chosen" [service, backend, address] Source::Registry
        => "1 for the path that connections to a backend go by, else 0.";
    PATH_RTT: Gauge "evenkeel_path_rtt_seconds" [service, backend, address] Source::Registry
        => "How long checks take to connect over a path, weighted by age.";
    PATH_LOSS: Gauge "evenkeel_path_loss_ratio" [service, backend, address] Source::Registry
        => "The share of checks and connects over a path that failed, weighted by age.";
    REQUESTS_WAITING: Gauge "evenkeel_requests_waiting" [service] Source::Registry
        => "Requests that wait for a backend below its max_connections.";
    UPSTREAM_CONNECTIONS: Gauge "evenkeel_upstream_connections" [service, backend, state] Source::Registry
        => "Connections to a backend, `active` in an exchange or `idle` in the pool.";
    UPSTREAM_CONNECTS: Counter "evenkeel_upstream_connects_total" [service, backend] Source::Registry
        => "Connections made to a backend; far below its requests when connections are reused.";
    ATTEMPTS: Counter "evenkeel_backend_attempts_total" [service, backend] Source::Registry
        => "Attempts with a backend that ended, retried ones included, clients that went away left out.";
    ATTEMPTS_FAILED: Counter "evenkeel_backend_failures_total" [service, backend] Source::Registry
        => "Attempts with a backend that failed by its doing.";
    BACKEND_RETRIES: Counter "evenkeel_backend_retries_total" [service, backend] Source::Registry
        => "Attempts beyond the first, by the backend that has failed the attempt before.";
    BACKEND_DURATION: Histogram "evenkeel_backend_duration_seconds" [service, backend] Source::Registry
        => "From the begin of an attempt with a backend to the head of its answer, failures left out.";
    BACKENDS_FOLDED: Gauge "evenkeel_backends_folded" [] Source::Registry
        => "Backends beyond metrics.max_backends, which have no series of their own: the backend `_other` of their service is all of them.";
    NOTIFICATIONS: Counter "evenkeel_notifications_total" [name, outcome] Source::Facade(Order::ByLabels)
        => "Events to webhooks by outcome: sent, dropped (never delivered); failed counts tries that failed.";
    OTLP_SENT: Counter "evenkeel_otlp_sent_total" [signal] Source::Facade(Order::ByLabels)
        => "Spans (`traces`), or points of time series (`metrics`), that the collector of [otlp] has taken.";
    OTLP_DROPPED: Counter "evenkeel_otlp_dropped_total" [signal, reason] Source::Facade(Order::ByLabels)
        => "Spans or points that the collector will never have: `queue_full`, `refused`, `rejected`, `expired` or `stopped`.";
    BACKUPS: Counter "evenkeel_ledger_backups_total" [outcome] Source::Facade(Order::AsRegistered)
        => "Copies of the ledger by outcome: `made` (and read back), or `failed`.";
    BACKUP_LAST: Gauge "evenkeel_ledger_backup_last_success_timestamp_seconds" [] Source::Facade(Order::ByLabels)
        => "When the newest copy of the ledger was begun, in seconds since 1970; 0 = no copy is known of.";
    BACKUP_INTERVAL: Gauge "evenkeel_ledger_backup_interval_seconds" [] Source::Facade(Order::ByLabels)
        => "How often copies of the ledger are to be made (state.backup.every).";
    BACKUP_SIZE: Gauge "evenkeel_ledger_backup_size_bytes" [] Source::Facade(Order::ByLabels)
        => "The size of the newest copy of the ledger.";
    ADMIN_REFUSED: Counter "evenkeel_admin_refused_total" [reason] Source::Facade(Order::AsRegistered)
        => "Requests and logins that the admin address has refused: `wrong_token`, or `too_many_failures` of the same address before.";
    ACCESS_LOG_DROPPED: Counter "evenkeel_access_log_dropped_total" [] Source::Facade(Order::ByLabels)
        => "Lines of the access log that were dropped because they could not be written fast enough, or at all.";
    RETRIES: Counter "evenkeel_retries_total" [service, outcome] Source::Registry
        => "Attempts beyond the first: `succeeded`, `failed`, or not made: `over_budget`, or `held_back` to spare another service.";
    HEDGES: Counter "evenkeel_hedges_total" [service, outcome] Source::Registry
        => "Second attempts beside one that was late: `won`, `lost`, `failed` (as both did), `cancelled`, or not made: `over_budget`, `held_back`, `no_place`.";
    HEDGE_AFTER: Gauge "evenkeel_hedge_after_seconds" [service] Source::Registry
        => "How long an attempt is waited for before a second one is made beside it; 0 = not known yet.";
    CONCURRENCY_LIMIT: Gauge "evenkeel_concurrency_limit" [service] Source::Registry
        => "How many exchanges with a service may be in flight, as its adaptive limit has found.";
    CONCURRENCY_IN_FLIGHT: Gauge "evenkeel_concurrency_in_flight" [service] Source::Registry
        => "How many exchanges are in flight within the adaptive limit of a service.";
    CONCURRENCY_UNLOADED: Gauge "evenkeel_concurrency_unloaded_seconds" [service] Source::Registry
        => "How long a service takes to answer without load, by which its adaptive limit is found; 0 = not known yet.";
    SHED: Counter "evenkeel_shed_total" [service, priority] Source::Registry
        => "Requests above the adaptive limit of a service, which were answered with 503: of `high`, `normal` or `low` priority.";
    CANARY_SHARE: Gauge "evenkeel_canary_share" [canary, service] Source::Facade(Order::ByLabels)
        => "The share of the requests that a new version (`service` is the `canary` then) and the version in use get by the plan, from 0 to 1.";
    MIRRORED: Counter "evenkeel_mirrored_total" [listener, service, outcome] Source::Registry
        => "Copies of requests to a second service: `answered`, `error`, `failed`, `timed_out`, `cancelled`, or not made or given up: `no_place`, `too_many`, `too_large`, `too_slow`, or `held_back` to spare another service.";
    MIRRORED_IN_FLIGHT: Gauge "evenkeel_mirrored_in_flight" [listener, service] Source::Registry
        => "Copies of requests that are under way to a second service.";
    COMPRESSED: Counter "evenkeel_compressed_total" [listener, algorithm] Source::Registry
        => "Answers that were compressed: `gzip`, `br`, `zstd`.";
    COMPRESSED_BYTES: Counter "evenkeel_compressed_bytes_total" [listener, algorithm, direction] Source::Registry
        => "Bytes of their content before (`in`) and after it (`out`).";
    COMPRESSION_SKIPPED: Counter "evenkeel_compression_skipped_total" [listener, reason] Source::Registry
        => "Answers with content that were not compressed though `compress` is on: of another `type`, `encoded` already, too `small`, `not_accepted` by the client, or the worker was too `busy` with others.";
    DECOMPRESSED: Counter "evenkeel_decompressed_total" [listener, algorithm] Source::Registry
        => "Answers that were decompressed, because their clients did not accept them as they were: `gzip`, `deflate`, `br`, `zstd`.";
    DECOMPRESSED_BYTES: Counter "evenkeel_decompressed_bytes_total" [listener, algorithm, direction] Source::Registry
        => "Bytes of their content before (`in`) and after it (`out`).";
    DECOMPRESSION_FAILED: Counter "evenkeel_decompression_failed_total" [listener, reason] Source::Registry
        => "Answers that were broken off because their content was `malformed`, or a `bomb`; and those that were passed on as they were because the worker was too `busy` with others.";
    RATE_LIMITED: Counter "evenkeel_rate_limited_total" [listener, route, limit, outcome] Source::Registry
        => "Requests that a limit of a listener (`route` is empty then) or of a route has `refused` (429) or `delayed`, or, with dry_run, `would_refuse` or `would_delay`.";
    RATE_LIMIT_DISPLACED: Counter "evenkeel_rate_limit_displaced_total" [listener, route, limit] Source::Registry
        => "Clients (or whatever the limit goes by) that were forgiven what they had used, because `keys` has no room for so many.";
    CLIENT_LIMITED: Counter "evenkeel_client_limited_total" [listener, limit, outcome] Source::Registry
        => "Connections, TLS handshakes and requests of clients that had as many as a listener gives each (`client_limits`): `refused`, or with dry_run `would_refuse`; and bodies and connections that were held to their bandwidth: `delayed`, `would_delay`.";
    LIMIT_STORE_UP: Gauge "evenkeel_limit_store_up" [store] Source::Facade(Order::ByLabels)
        => "1 while a store of rate limits answers in time; otherwise this instance enforces its share of each limit.";
    LIMIT_STORE_INSTANCES: Gauge "evenkeel_limit_store_instances" [store] Source::Facade(Order::ByLabels)
        => "Instances that enforce rate limits together by a store, as they were last seen there.";
    LIMIT_STORE_LAG: Gauge "evenkeel_limit_store_lag_seconds" [store] Source::Facade(Order::ByLabels)
        => "How old what is known here of the other instances' requests is when it is replaced.";
    ZONE_PICKS: Counter "evenkeel_zone_picks_total" [service, zone] Source::Registry
        => "Picks of services with zones = \"prefer\": of a backend in the `same` zone as this instance, or in another one (`other`).";
    SHADOW_PICKS: Counter "evenkeel_shadow_picks_total" [service, algorithm, backend] Source::Registry
        => "What the algorithms in the shadow of a service have picked, and the one that decides, in the same sample.";
    SHADOW_AGREED: Counter "evenkeel_shadow_agreed_total" [service, algorithm] Source::Registry
        => "Picks of the sample in which an algorithm in the shadow agrees with the one that decides.";
    SESSION_LOOKUPS: Counter "evenkeel_session_lookups_total" [service, outcome] Source::Registry
        => "Looks at sessions that instances share: `hit` in this instance's table, `shared` or `new` in the store, `timeout`, `failed`, or `unavailable`: the store was not asked.";
    SESSION_LOOKUP_DURATION: Histogram "evenkeel_session_lookup_seconds" [service] Source::Registry
        => "How long those exchanges have waited for the store of sessions that have asked it.";
    SESSION_STORE_UP: Gauge "evenkeel_session_store_up" [store] Source::Facade(Order::ByLabels)
        => "1 while a store of sessions answers in time and is asked, else 0.";
    SESSION_STORE_QUEUE: Gauge "evenkeel_session_store_queue_bytes" [store] Source::Facade(Order::ByLabels)
        => "What waits to be written into a store of sessions.";
    SESSION_STORE_WRITES: Counter "evenkeel_session_store_writes_total" [store, outcome] Source::Facade(Order::ByLabels)
        => "Sessions to be written into their store: `written`, `known` (there already, which holds), `refused` by the store, or `dropped` for want of room.";
    EJECTIONS: Counter "evenkeel_ejections_total" [service, backend, reason] Source::Facade(Order::ByLabels)
        => "How often a backend was taken out because of its answers.";
    FAULTS: Counter "evenkeel_faults_total" [service, fault] Source::Facade(Order::ByLabels)
        => "Faults that detection has found.";
    RECOVERIES: Counter "evenkeel_recoveries_total" [service, strategy, outcome] Source::Facade(Order::ByLabels)
        => "Attempts at a recovery that have ended, by what they came to; `dry_run`: nothing was done.";
    RECOVERY_DURATION: Gauge "evenkeel_recovery_duration_seconds" [service, strategy] Source::Facade(Order::ByLabels)
        => "How long the last recovery took, from the fault to the moment since which the service was seen well.";
    RECOVERIES_RUNNING: Gauge "evenkeel_recoveries_running" [service] Source::Facade(Order::ByLabels)
        => "Attempts under way, those included that wait to be approved.";
    RECOVERIES_WAITING: Gauge "evenkeel_recoveries_waiting" [service] Source::Facade(Order::ByLabels)
        => "Attempts that wait to be approved.";
    RECOVERY_IN_FORCE: Gauge "evenkeel_recovery_in_force" [service, strategy] Source::Facade(Order::ByLabels)
        => "Attempts whose act is in force and can be taken back, such as a failover.";
    RECOVERY_EFFECTIVENESS: Gauge "evenkeel_recovery_effectiveness" [service, fault, strategy] Source::Facade(Order::ByLabels)
        => "How well a strategy has helped against a fault, from 0.1 to 1.";
    RECOVERY_BRAKED: Counter "evenkeel_recovery_braked_total" [service, brake] Source::Facade(Order::ByLabels)
        => "Times that a brake began to hold a recovery back.";
    RECOVERY_PAUSED: Gauge "evenkeel_recovery_paused" [] Source::Facade(Order::ByLabels)
        => "1 while an operator has paused the recovery of all services, else 0.";
    LEADER: Gauge "evenkeel_leader" [] Source::Facade(Order::ByLabels)
        => "1 while this instance does what may be done by one only: always without an election, else while it is the leader.";
    LEADERSHIP_CHANGES: Counter "evenkeel_leadership_changes_total" [] Source::Facade(Order::ByLabels)
        => "Times that this instance has become the leader.";
    FENCING_TOKEN: Gauge "evenkeel_leadership_fencing_token" [] Source::Facade(Order::ByLabels)
        => "The fencing token with which this instance has led last.";
    RENEWALS_FAILED: Counter "evenkeel_leadership_renewals_failed_total" [] Source::Facade(Order::ByLabels)
        => "Times that etcd has not answered when this instance wanted to prolong its leadership.";
    SHARED_WORDS: Gauge "evenkeel_shared_words" [] Source::Facade(Order::ByLabels)
        => "Operators' words that are known of those that instances share.";
    SHARED_WAITING: Gauge "evenkeel_shared_words_waiting" [] Source::Facade(Order::ByLabels)
        => "Words that hold at this instance only, until etcd answers.";
    WORDS_FOLLOWED: Counter "evenkeel_shared_words_followed_total" [] Source::Facade(Order::ByLabels)
        => "Words of other instances that were followed, or taken back.";
    SHARED_WRITES_FAILED: Counter "evenkeel_shared_writes_failed_total" [] Source::Facade(Order::ByLabels)
        => "Times that words could not be put into etcd.";
    SHARED_LAG: Gauge "evenkeel_shared_lag_seconds" [] Source::Facade(Order::ByLabels)
        => "How long after it was said the last word was followed, by the clocks of two machines.";
    DISCOVERY_UP: Gauge "evenkeel_discovery_up" [service] Source::Facade(Order::ByLabels)
        => "1 when the source that backends are discovered from gave its last answer, 0 when it failed.";
    DISCOVERY_ANSWERS: Counter "evenkeel_discovery_answers_total" [service, outcome] Source::Facade(Order::ByLabels)
        => "Times that a source of backends was asked: the set has `changed`, is `unchanged`, or it has `failed`.";
    DISCOVERY_AGE: Gauge "evenkeel_discovery_age_seconds" [service] Source::Facade(Order::ByLabels)
        => "How long ago DNS or etcd has given the last good answer about the backends of a service.";
    DISCOVERY_REFUSED: Gauge "evenkeel_discovery_refused" [service] Source::Facade(Order::ByLabels)
        => "Parts of the last good answer about the backends of a service that can't be used, such as keys of etcd.";
    GRPC: Counter "evenkeel_grpc_calls_total" [service, code] Source::Registry
        => "gRPC calls by the status that they ended with; `none`: they broke off without one.";
    SLA_REQUESTS: Counter "evenkeel_sla_requests_total" [service, outcome] Source::Registry
        => "Requests to a service of which something is promised: `good`, `failed`, `slow`, or `excluded` because of their client.";
    SLA_TARGET: Gauge "evenkeel_sla_target_ratio" [service] Source::Facade(Order::ByLabels)
        => "The share of the time, and of the requests, that is promised to be good.";
    AVAILABILITY: Gauge "evenkeel_availability_ratio" [service] Source::Facade(Order::ByLabels)
        => "The share of the time in the window of its promise that a service was up; NaN while nothing is known.";
    SUCCESS: Gauge "evenkeel_success_ratio" [service] Source::Facade(Order::ByLabels)
        => "The share of its requests in the window of its promise that were good; NaN while there are none.";
    BUDGET_LEFT: Gauge "evenkeel_error_budget_left_ratio" [service] Source::Facade(Order::ByLabels)
        => "What is left of the error budget, by time or by requests, whichever is less; below 0 when more is spent.";
    BURN_RATE: Gauge "evenkeel_burn_rate" [service, window] Source::Facade(Order::AsRegistered)
        => "How many times as fast as the target allows the error budget is spent, by time or by requests, whichever is faster.";
    BUDGET_ALERTS: Counter "evenkeel_budget_alerts_total" [service, severity] Source::Facade(Order::ByLabels)
        => "Times that the error budget burned so fast that somebody had to know: `page` or `ticket`.";
    SERVICE_DOWN: Gauge "evenkeel_service_down" [service] Source::Facade(Order::ByLabels)
        => "1 while a service of which something is promised is down and not in maintenance, else 0.";
    INCIDENTS: Counter "evenkeel_incidents_total" [service, cause] Source::Facade(Order::ByLabels)
        => "Incidents by their cause: `verdict`, `check`, `operator`, `reload` or `unknown`.";
    MAINTENANCE_PAGE: Gauge "evenkeel_maintenance_page" [scope, name] Source::Facade(Order::ByLabels)
        => "1 while the clients of a listener or a service (`scope`) are shown the page of maintenance, by the configuration or because an operator has said so.";
    LEDGER_OK: Gauge "evenkeel_ledger_ok" [] Source::Facade(Order::ByLabels)
        => "1 when the history of promises can be written, else 0.";
    CLIENT_CONNECTIONS: Gauge "evenkeel_client_connections" [listener] Source::Registry
        => "Client connections open.";
    CLIENT_ACCEPTED: Counter "evenkeel_client_connections_total" [listener] Source::Registry
        => "Client connections accepted.";
    PROXY_REFUSED: Counter "evenkeel_proxy_protocol_refused_total" [listener, reason] Source::Registry
        => "Connections closed unanswered for want of a good PROXY header.";
    ACCESS_DENIED: Counter "evenkeel_access_denied_total" [listener, route, reason] Source::Registry
        => "Requests, connections and sessions that were not let in: `network`, `certificate`, `credentials`, `ambiguous_path`, `undecided`.";
    BYTES: Counter "evenkeel_bytes_total" [listener, direction] Source::Registry
        => "Bytes from clients (`in`) and to clients (`out`), without TLS.";
    DATAGRAMS: Counter "evenkeel_datagrams_total" [listener, direction] Source::Registry
        => "Datagrams from clients (`in`) and to clients (`out`).";
    DATAGRAMS_LOST: Counter "evenkeel_datagrams_lost_total" [listener, reason] Source::Registry
        => "Datagrams that were not passed on: `no_room` for another session, `no_backend` is there, `not_sent` by the kernel, `draining`.";
    SHORTAGES: Counter "evenkeel_shortages_total" [reason] Source::Registry
        => "Connections to backends, checks' included, that could not be tried for want of something of this machine's: `ports`, `descriptors`, `memory`, a `route`, `permission`.";
    EVENTS: Counter "evenkeel_events_total" [kind] Source::Facade(Order::AsRegistered)
        => "Events by their kind; docs/events.md lists them.";
    CERTIFICATE_EXPIRY: Gauge "evenkeel_certificate_expiry_timestamp_seconds" [listener, service, path] Source::Facade(Order::ByLabels)
        => "Until when a certificate in force is valid, in Unix time. Listener and service are empty for the admin address.";
    CERTIFICATE_RENEWALS: Counter "evenkeel_certificate_renewals_total" [outcome] Source::Facade(Order::AsRegistered)
        => "Changes of the files of certificates while the process runs: `applied`, or `refused` because what they hold can't be used.";
    PANICS: Counter "evenkeel_panics_total" [] Source::Registry
        => "Panics caught, each a defect of Evenkeel that cost one connection.";
    CONFIG_GENERATION: Gauge "evenkeel_config_generation" [] Source::Facade(Order::ByLabels)
        => "Number of the configuration that runs; grows at each reload.";
    CONFIG_HASH: Info "evenkeel_config_hash_info" [hash] Source::Facade(Order::ByLabels)
        => "Always 1; the label has the first 12 hexadecimal digits of the SHA-256 of the configuration file that runs.";
    RELOADS: Counter "evenkeel_reloads_total" [outcome] Source::Facade(Order::AsRegistered)
        => "Times the configuration was read again: `ok`, or `failed` and the one before stayed.";
    RELOAD_OK: Gauge "evenkeel_config_last_reload_successful" [] Source::Facade(Order::ByLabels)
        => "1 when the configuration that was read last runs, 0 when it was refused and the one before stayed.";
    BUILD_INFO: Info "evenkeel_build_info" [version] Source::Registry
        => "Always 1; the labels say what runs.";
    START_TIME: Gauge "process_start_time_seconds" [] Source::Registry
        => "When the process started, in Unix time.";
    OPEN_FDS: Gauge "process_open_fds" [] Source::Registry
        => "File descriptors open.";
    MAX_FDS: Gauge "process_max_fds" [] Source::Registry
        => "File descriptors that may be open.";
    RESIDENT_MEMORY: Gauge "process_resident_memory_bytes" [] Source::Registry
        => "Memory resident.";
    CPU_SECONDS: Counter "process_cpu_seconds_total" [] Source::Registry
        => "CPU time used, in user and kernel mode.";
}

#[cfg(test)]
mod expressions;
#[cfg(test)]
mod tests;
