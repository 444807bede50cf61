//! Counts shortages, and logs what to do about them.

use std::fmt::Display;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Moment, SharedThrottle};
use crate::error::Shortage;

/// The pause between two log lines: thousands of requests may meet a shortage in a second.
const PAUSE: Duration = Duration::from_secs(10);

static COUNTS: [AtomicU64; Shortage::ALL.len()] = [const { AtomicU64::new(0) }; Shortage::ALL.len()];
static SAID: [SharedThrottle; Shortage::ALL.len()] = [const { SharedThrottle::new(PAUSE) }; Shortage::ALL.len()];

/// Counts a shortage, and logs it unless it was logged a moment ago. `to` is where the connection should have gone.
pub fn report(shortage: Shortage, to: impl Display, error: &io::Error) {
    COUNTS[shortage as usize].fetch_add(1, Ordering::Relaxed);
    if SAID[shortage as usize].is_due(Moment::now()) {
        tracing::error!(%error, "no connection to {to} can be made: {shortage}. {}", remedy(shortage));
    }
}

/// How often each shortage was met, with its label in the metrics.
pub fn counts() -> [(&'static str, u64); Shortage::ALL.len()] {
    Shortage::ALL.map(|shortage| (shortage.label(), COUNTS[shortage as usize].load(Ordering::Relaxed)))
}

/// What to do about it.
fn remedy(shortage: Shortage) -> &'static str {
    match shortage {
        Shortage::Ports => {
            "Widen net.ipv4.ip_local_port_range, have more connections kept (pool.max_idle), or give the service more `source` addresses: each of \
             them has the whole range for each address and port of a backend"
        }
        Shortage::Descriptors => {
            "Raise LimitNOFILE (ulimit -n) or fs.file-max, or lower max_connections of the listeners and pool.max_idle"
        }
        Shortage::Memory => "Look at net.ipv4.tcp_mem, and at the memory limit of the unit or the container",
        Shortage::Route => {
            "Look at the network of this machine (ip route get ADDRESS), and whether `source` and `interface` of the service are there"
        }
        Shortage::Permission => {
            "Look at its firewall, at IPAddressDeny of the unit, and at SELinux; `mark` needs CAP_NET_ADMIN"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_under_its_own_name() {
        let before = counts();
        report(Shortage::Memory, "10.0.0.1:80", &io::ErrorKind::OutOfMemory.into());
        let after = counts();
        let grown = before.iter().zip(after).filter(|(before, after)| after.1 > before.1).map(|(_, after)| after.0);
        assert!(grown.into_iter().any(|name| name == "memory"));
    }
}
