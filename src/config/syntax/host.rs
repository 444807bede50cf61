//! The parts of addresses: ports, and the names of hosts.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What a port to connect to can be; 0 is for listeners alone.
pub(super) const PORT: &str = "a port is a number from 1 to 65535";

/// The number of a port. `parse` alone would take "+80" too, which no URL and no `Host` may have.
pub(super) fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

/// A DNS name as it is used for hosts: labels of letters, digits, `-` and `_`. Not a number that only looks like one.
pub(super) fn is_host_name(text: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let all_numeric = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.len() <= 253 && text.split('.').all(label) && !all_numeric
}

/// An IP address (IPv6 in brackets) or a name, as it stands in `Host`.
pub(super) fn is_host(text: &str) -> bool {
    let bracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    match bracketed {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => is_host_name(text) || text.parse::<Ipv4Addr>().is_ok(),
    }
}
