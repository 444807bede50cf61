//! `[service.NAME.detect]`: what the detectors of faults are told.

use super::section;
use crate::config::units::TimeSpan;

section! {
    /// Detection of faults.
    Detect {
        /// Between two looks; at least 100ms.
        interval: TimeSpan = TimeSpan::secs(1),
        /// The sum of the detectors' confidences at which a fault is believed; above 0.
        #[schemars(range(min = 0.0, max = 1.0))]
        vote: f64 = 0.8,
        /// File to which what the detectors see is appended as CSV, for `evenkeel detect --replay`.
        #[schemars(extend("x-syntax" = "text"))]
        record: Option<String> = None,
        /// A backend that stops telling that it lives.
        heartbeat: Heartbeat = Heartbeat::default(),
        /// A backend whose figures are beyond these.
        performance: Performance = Performance::default(),
        /// A backend whose figures are unlike its own.
        anomaly: Anomaly = Anomaly::default(),
        /// What the backends depend on.
        dependency: Vec<Dependency> = Vec::new(),
    }
}

section! {
    /// A backend that stops telling that it lives.
    Heartbeat {
        /// How often a backend that has once sent one should; at least 100ms.
        interval: TimeSpan = TimeSpan::secs(5),
        /// How many may be missing in a row before that is a fault.
        #[schemars(range(min = 1, max = 1000))]
        missed: u32 = 3,
    }
}

section! {
    /// A backend whose figures are beyond these.
    Performance {
        /// The mean latency that none is to be beyond.
        #[schemars(extend("x-positive" = true))]
        latency: TimeSpan = TimeSpan::secs(5),
        /// Share of failures; above 0.
        #[schemars(range(min = 0.0, max = 1.0))]
        error_rate: f64 = 0.05,
        /// Share of its processors; above 0.
        #[schemars(range(min = 0.0, max = 1.0))]
        cpu: f64 = 0.8,
        /// Share of its memory; above 0.
        #[schemars(range(min = 0.0, max = 1.0))]
        memory: f64 = 0.9,
    }
}

section! {
    /// A backend whose figures are unlike its own.
    Anomaly {
        /// The distance from what was learned that is unusual, in standard deviations; above 0.
        #[schemars(range(min = 0.0, max = 1000.0))]
        threshold: f64 = 2.5,
        /// How many samples what is usual is learned from.
        #[schemars(range(min = 10, max = 10_000))]
        window: u32 = 50,
    }
}

section! {
    /// Something that the backends depend on.
    #[schemars(extend("required" = ["name", "endpoint"]))]
    Dependency {
        /// What it is called in verdicts and events; unique in the service.
        #[schemars(extend("x-syntax" = "name"))]
        name: Option<String> = None,
        /// "tcp://HOST:PORT", "http://HOST:PORT/PATH" or "grpc://HOST:PORT".
        #[schemars(extend("x-syntax" = "endpoint"))]
        endpoint: Option<String> = None,
        /// How long a check may take.
        #[schemars(extend("x-positive" = true))]
        timeout: TimeSpan = TimeSpan::secs(1),
        /// Between two checks; at least 100ms.
        interval: TimeSpan = TimeSpan::secs(5),
    }
}
