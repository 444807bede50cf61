//! `[otlp]`.

use std::collections::BTreeMap;

use super::{section, words};
use crate::config::units::{Size, TimeSpan};

words! {
    /// How a collector is spoken to.
    OtlpProtocol { Grpc = "grpc", Http = "http", }
}

section! {
    /// Present = traces, and metrics where they are wanted, are sent to an OpenTelemetry collector.
    #[schemars(extend("required" = ["endpoint"]))]
    Otlp {
        /// Where the collector is: an http or https URL. For "http", /v1/traces and /v1/metrics are added to its path.
        #[schemars(extend("x-syntax" = "collector"))]
        endpoint: Option<String> = None,
        /// How it is spoken to; default: "http" at port 4318, else "grpc".
        protocol: Option<OtlpProtocol> = None,
        /// Headers that are sent with each message, such as an authorization.
        #[schemars(extend("x-key-syntax" = "header-name", "x-syntax" = "header-value"))]
        headers: BTreeMap<String, String> = BTreeMap::new(),
        /// File with further headers, one a line: "name: value".
        #[schemars(extend("x-syntax" = "text"))]
        headers_file: Option<String> = None,
        /// PEM file with the authorities that the collector's certificate is verified against; default: the system's.
        #[schemars(extend("x-syntax" = "text"))]
        ca: Option<String> = None,
        /// How long one message may take, the connection included.
        #[schemars(extend("x-positive" = true))]
        timeout: TimeSpan = TimeSpan::secs(10),
        /// The share of the exchanges that are traced where their client has not decided it.
        #[schemars(range(min = 0.0, max = 1.0))]
        sample: f64 = 0.01,
        /// Exchanges that take longer are exported in any case.
        #[schemars(extend("x-positive" = true))]
        slow: TimeSpan = TimeSpan::secs(1),
        /// Exchanges that fail are exported in any case.
        errors: bool = true,
        /// false = what clients send as traceparent is not believed, and each exchange begins a trace of its own.
        trust_parent: bool = true,
        /// Memory for what waits for the collector; over it, what is new is dropped.
        #[schemars(extend("minimum" = 65_536, "maximum" = 1_073_741_824))]
        queue: Size = Size(4 << 20),
        /// What this process is called: service.name.
        #[schemars(extend("x-syntax" = "text"))]
        service_name: String = "evenkeel".to_owned(),
        /// Further attributes of this process, such as deployment.environment.
        #[schemars(extend("x-key-syntax" = "text", "x-syntax" = "text"))]
        resource: BTreeMap<String, String> = BTreeMap::new(),
        /// How often metrics are sent; 0 = never.
        metrics_interval: TimeSpan = TimeSpan::secs(0),
    }
}
