//! `[[service.NAME.recover]]` and `[service.NAME.recovery]`: what is done about faults, and how much of it.

use std::collections::BTreeMap;

use super::{section, words};
use crate::config::units::TimeSpan;

words! {
    /// What is done about a fault.
    Strategy {
        Restart = "restart",
        Failover = "failover",
        ScaleUp = "scale_up",
        CircuitBreak = "circuit_break",
        Custom = "custom",
    }
}

words! {
    /// Whether an attempt waits for a person.
    Approve { Auto = "auto", Ask = "ask", }
}

section! {
    /// One thing that is done about a fault.
    #[schemars(extend("required" = ["strategy"]))]
    Recover {
        /// What is done: "custom" = any command or call.
        strategy: Option<Strategy> = None,
        /// What it is called; unique in the service. Missing = the strategy's word.
        #[schemars(extend("x-syntax" = "name"))]
        name: Option<String> = None,
        /// About which faults. Missing = those that the strategy is for; "custom" needs it.
        #[schemars(extend("x-syntax" = "fault"))]
        on: Option<Vec<String>> = None,
        /// A program with its arguments; no shell reads them. ${backend} is the backend's id.
        #[schemars(extend("x-syntax" = "argument"))]
        run: Option<Vec<String>> = None,
        /// A systemd unit to restart.
        #[schemars(extend("x-syntax" = "unit"))]
        systemd: Option<String> = None,
        /// A URL to post to.
        #[schemars(extend("x-syntax" = "webhook"))]
        webhook: Option<String> = None,
        /// File with the secret that calls are signed with.
        #[schemars(extend("x-syntax" = "text"))]
        secret_file: Option<String> = None,
        /// PEM file with the authorities that the webhook's certificate is verified against; default: the system's.
        #[schemars(extend("x-syntax" = "text"))]
        ca: Option<String> = None,
        /// How long one command or call may take.
        #[schemars(extend("x-positive" = true))]
        time_out: TimeSpan = TimeSpan::secs(30),
        /// Variables of the environment of commands.
        #[schemars(extend("x-key-syntax" = "variable", "x-syntax" = "argument"))]
        environment: BTreeMap<String, String> = BTreeMap::new(),
        /// How often it is tried against one fault.
        #[schemars(range(min = 1))]
        attempts: u32 = 3,
        /// The time before each further attempt.
        delay: TimeSpan = TimeSpan::secs(5),
        /// How long after the end of the act the service has to be seen well. Missing = 35s; 180s for "scale_up".
        #[schemars(extend("x-positive" = true))]
        within: Option<TimeSpan> = None,
        /// The command that takes it back when it has made things worse.
        #[schemars(extend("x-syntax" = "argument"))]
        undo: Option<Vec<String>> = None,
        /// The effectiveness that is assumed before anything was learned.
        #[schemars(range(min = 0.1, max = 1.0))]
        prior: f64 = 0.5,
        /// For "restart" and "custom": how long the backend's exchanges may take to end before. Missing = 10s for "restart"; a
        /// "custom" leaves the backend in use.
        drain: Option<TimeSpan> = None,
        /// For "failover": "backups", "service:NAME" or "zone:NAME". Missing = "backups".
        #[schemars(extend("x-syntax" = "destination"))]
        to: Option<String> = None,
        /// For "failover": how long those that failed have to be well before they get work again. Missing = 30s.
        back_after: Option<TimeSpan> = None,
        /// For "scale_up", which needs it: how many backends there may be at most.
        #[schemars(range(min = 1))]
        max_instances: Option<u32> = None,
        /// For "scale_up": the command that takes an instance away again.
        #[schemars(extend("x-syntax" = "argument"))]
        down: Option<Vec<String>> = None,
        /// For "scale_up": the URL to post to in place of `down`.
        #[schemars(extend("x-syntax" = "webhook"))]
        down_webhook: Option<String> = None,
        /// For "scale_up": after how long without the fault an instance is taken away again. Missing = 10m.
        down_after: Option<TimeSpan> = None,
        /// For "circuit_break": only requests whose path begins like this. Missing = all that the backend would get.
        #[schemars(extend("x-syntax" = "path"))]
        path: Option<String> = None,
        /// For "circuit_break": for how long. Missing = 30s.
        #[schemars(extend("x-positive" = true))]
        open_for: Option<TimeSpan> = None,
    }
}

section! {
    /// How much may be done.
    Recovery {
        /// Nothing is done; it is said what would be, and watched whether the fault passes by itself.
        dry_run: bool = false,
        /// "ask": each attempt waits for a person who approves it.
        approve: Approve = Approve::Auto,
        /// Before another attempt when the same backend has the same fault again, and after all strategies have failed.
        cool_down: TimeSpan = TimeSpan::secs(60),
        /// The most attempts that are under way at a time.
        #[schemars(range(min = 1))]
        max_at_once: u32 = 1,
        /// Share of the backends that may be under repair; above 0. One always may.
        #[schemars(range(min = 0.0, max = 1.0))]
        max_disrupted: f64 = 0.34,
        /// While a larger share of the backends is unwell, nothing but failover is done.
        #[schemars(range(min = 0.0, max = 1.0))]
        max_unhealthy: f64 = 0.4,
        /// The most attempts an hour; 0 = no limit.
        per_hour: u32 = 10,
    }
}

impl Strategy {
    /// The faults that it is for; none = the file has to say it.
    fn faults(self) -> &'static [&'static str] {
        match self {
            Self::Restart => &["unresponsive", "high_error_rate"],
            Self::Failover => &["unresponsive", "hardware_failure", "network_partition"],
            Self::ScaleUp => &["high_latency", "resource_exhaustion"],
            Self::CircuitBreak => &["high_error_rate", "dependency_failure"],
            Self::Custom => &[],
        }
    }
}

impl Recover {
    /// Fills in the defaults that depend on the strategy.
    pub(in crate::config) fn fill_in(&mut self) {
        let Some(strategy) = self.strategy else { return };
        self.name.get_or_insert_with(|| strategy.as_str().to_owned());
        if !strategy.faults().is_empty() {
            self.on.get_or_insert_with(|| strategy.faults().iter().map(|fault| (*fault).to_owned()).collect());
        }
        // to start an instance, and to have it warm, takes minutes
        let within = if strategy == Strategy::ScaleUp { 180 } else { 35 };
        self.within.get_or_insert(TimeSpan::secs(within));
        match strategy {
            Strategy::Restart => drop(self.drain.get_or_insert(TimeSpan::secs(10))),
            Strategy::Failover => {
                self.to.get_or_insert_with(|| "backups".to_owned());
                self.back_after.get_or_insert(TimeSpan::secs(30));
            }
            Strategy::ScaleUp => drop(self.down_after.get_or_insert(TimeSpan::secs(600))),
            Strategy::CircuitBreak => drop(self.open_for.get_or_insert(TimeSpan::secs(30))),
            Strategy::Custom => {}
        }
    }
}
