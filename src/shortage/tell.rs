//! Counting shortages, and saying what to do about them.

use std::fmt::Display;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Moment, SeldomForAll};
use crate::error::Lack;

/// Thousands of requests meet a shortage in a second; one line in this time tells of it.
const PAUSE: Duration = Duration::from_secs(10);

static COUNTS: [AtomicU64; Lack::ALL.len()] = [const { AtomicU64::new(0) }; Lack::ALL.len()];
static SAID: [SeldomForAll; Lack::ALL.len()] = [const { SeldomForAll::new(PAUSE) }; Lack::ALL.len()];

/// Counts it, and says it unless it was said a moment ago. `to` is where the connection should have gone.
pub fn tell(lack: Lack, to: impl Display, error: &io::Error) {
    COUNTS[lack as usize].fetch_add(1, Ordering::Relaxed);
    if SAID[lack as usize].is_due(Moment::now()) {
        tracing::error!(%error, "no connection to {to} can be made: {lack}. {}", remedy(lack));
    }
}

/// How often each was met, by its name in the metrics.
pub fn counts() -> [(&'static str, u64); Lack::ALL.len()] {
    Lack::ALL.map(|lack| (lack.label(), COUNTS[lack as usize].load(Ordering::Relaxed)))
}

/// What to do about it.
fn remedy(lack: Lack) -> &'static str {
    match lack {
        Lack::Ports => {
            "Widen net.ipv4.ip_local_port_range, have more connections kept (pool.max_idle), or give the service more addresses: each address \
             and port of a backend has the whole range for itself"
        }
        Lack::Descriptors => {
            "Raise LimitNOFILE (ulimit -n) or fs.file-max, or lower max_connections of the listeners and pool.max_idle"
        }
        Lack::Memory => "Look at net.ipv4.tcp_mem, and at the memory limit of the unit or the container",
        Lack::Route => "Look at the network of this machine (ip route get ADDRESS)",
        Lack::Permission => "Look at its firewall, at IPAddressDeny of the unit, and at SELinux",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_under_its_own_name() {
        let before = counts();
        tell(Lack::Memory, "10.0.0.1:80", &io::ErrorKind::OutOfMemory.into());
        let after = counts();
        let grown = before.iter().zip(after).filter(|(before, after)| after.1 > before.1).map(|(_, after)| after.0);
        assert!(grown.into_iter().any(|name| name == "memory"));
    }
}
