//! The situations. Each plays itself to its end and reports every requirement with what was measured.

mod answers;
mod clients;
mod deaths;
mod operations;
mod posts;

use std::thread;
use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::load::{Load, Plan};
use crate::proxy::{Peer, Proxy, Setup};
use crate::report::Report;

/// One situation.
pub struct Situation {
    pub name: &'static str,
    /// What happens, as a sentence.
    pub happens: &'static str,
    pub run: fn(&Setting) -> Result<Report, String>,
}

/// All of them, in the table's order.
pub const ALL: &[Situation] = &[
    Situation {
        name: "a_backend_is_killed_and_comes_back",
        happens: "a backend is SIGKILLed and comes back 3 s later",
        run: deaths::killed,
    },
    Situation {
        name: "a_backend_hangs",
        happens: "a backend is SIGSTOPped (hangs) for 3 s, `timeout.response = \"1s\"`",
        run: deaths::hangs,
    },
    Situation {
        name: "a_backend_hangs_while_requests_are_hedged",
        happens: "the same with `retry.hedge = \"p95\"`",
        run: deaths::hangs_hedged,
    },
    Situation {
        name: "a_backend_hangs_under_post_while_requests_are_hedged",
        happens: "the same under POST load",
        run: posts::hangs_hedged,
    },
    Situation {
        name: "a_backend_answers_500",
        happens: "a backend answers 500 to everything for 3 s (`\"500\"` added to `retry.on`)",
        run: answers::failing,
    },
    Situation {
        name: "a_backend_turns_slow",
        happens: "a backend turns slow (800 ms) but passes its checks, with `latency_factor = 3`",
        run: answers::slow,
    },
    Situation { name: "a_backend_flaps", happens: "a backend flaps every 300 ms", run: deaths::flaps },
    Situation {
        name: "backends_close_announced",
        happens: "backends close each connection after 7 requests, announced",
        run: answers::closing_announced,
    },
    Situation {
        name: "backends_close_unannounced",
        happens: "backends close each connection 0 to 4 ms after the 7th answer, unannounced",
        run: answers::closing_unannounced,
    },
    Situation {
        name: "a_backend_sends_half_an_answer",
        happens: "a backend sends half of a 1 KiB answer and resets, for 3 s",
        run: answers::half,
    },
    Situation {
        name: "a_backend_sends_half_a_large_answer",
        happens: "a backend sends half of an answer above `retry.hold` and resets, for 3 s",
        run: answers::half_large,
    },
    Situation { name: "a_backend_is_killed_under_post", happens: "SIGKILL under POST load", run: posts::killed },
    Situation {
        name: "backends_close_under_post",
        happens: "POST load, backends close connections unannounced 0 to 4 ms after every 7th answer",
        run: posts::closing,
    },
    Situation {
        name: "the_configuration_is_reloaded_again_and_again",
        happens: "reload every 200 ms under load",
        run: operations::reloads,
    },
    Situation { name: "the_proxy_is_upgraded", happens: "SIGUSR2 upgrade under load", run: operations::upgrade },
    Situation {
        name: "the_proxy_stops_beside_another",
        happens: "SIGTERM under load with another instance on the same port",
        run: operations::stop,
    },
    Situation { name: "all_backends_are_gone", happens: "all backends gone for 2 s", run: deaths::all_gone },
    Situation {
        name: "clients_trickle",
        happens: "400 connections send a byte a second (slowloris)",
        run: clients::trickle,
    },
    Situation {
        name: "ten_thousand_backends_are_loaded",
        happens: "a backend list of 10,000 by reload while under load",
        run: operations::crowd,
    },
];

/// The situations that this version stands. The others are not run as tests; the table shows them all.
pub const EXPECTED_TO_PASS: &[&str] = &[
    "a_backend_is_killed_and_comes_back",
    "a_backend_hangs",
    "a_backend_hangs_while_requests_are_hedged",
    "a_backend_hangs_under_post_while_requests_are_hedged",
    "a_backend_answers_500",
    "a_backend_turns_slow",
    "a_backend_flaps",
    "backends_close_announced",
    "backends_close_unannounced",
    "a_backend_sends_half_an_answer",
    "a_backend_sends_half_a_large_answer",
    "a_backend_is_killed_under_post",
    "backends_close_under_post",
    "the_configuration_is_reloaded_again_and_again",
    "the_proxy_is_upgraded",
    "the_proxy_stops_beside_another",
    "all_backends_are_gone",
    "clients_trickle",
    "ten_thousand_backends_are_loaded",
];

/// How a situation is to be played.
pub struct Setting {
    /// At full length and load, as the table has it; else shortened, as a test.
    pub full: bool,
    pub peer: Peer,
}

/// How long anything may take that works at all. A backend that a slow machine made look bad twice is ejected for 20 s.
const PATIENCE: Duration = Duration::from_secs(45);

impl Setting {
    /// A time at full length, and as a test.
    fn span(&self, full_ms: u64, short_ms: u64) -> Duration {
        Duration::from_millis(if self.full { full_ms } else { short_ms })
    }

    /// How often something is done at full length, and as a test.
    fn times(&self, full: usize, short: usize) -> usize {
        if self.full { full } else { short }
    }

    /// What begins within this time after something happened may still feel it. As a test, with patience for a slow machine.
    fn aftermath(&self) -> Duration {
        self.span(100, 300)
    }

    /// A proxy in front of these backends.
    fn proxy(&self, setup: &Setup) -> Result<Proxy, String> {
        Proxy::start(self.peer, setup)
    }

    /// GET for 1 KiB. There are so many connections that one slow backend does not hold back the load on the others.
    fn plan(&self, proxy: &Proxy) -> Plan {
        let (rate, connections) = if self.full { (2000, 1024) } else { (400, 256) };
        Plan { address: proxy.address(), rate, connections, post: false, length: 1024, fresh: 0 }
    }

    /// Begins a load and lets it settle.
    fn load(&self, plan: Plan) -> Load {
        let load = Load::start(plan);
        thread::sleep(self.span(1500, 500));
        load
    }
}

/// Three backends, as every situation has them.
fn three() -> Fleet {
    Fleet::start(3)
}

/// The time from one moment to another, if that is later.
fn from(earlier: Instant, later: Option<Instant>) -> Option<Duration> {
    later.map(|later| later.saturating_duration_since(earlier))
}
