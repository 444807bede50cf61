//! What the kernel knows about TCP connections on this machine.

use std::net::SocketAddr;

/// The timers of the established connections to this address: whether the kernel will ask the peer for a sign of life, seen from the side
/// that connected.
pub fn kept_alive(to: SocketAddr) -> Vec<bool> {
    connections(|_, remote| remote == to.port())
}

/// As [`kept_alive`], for those that were accepted at this address.
pub fn accepted_kept_alive(at: SocketAddr) -> Vec<bool> {
    connections(|local, _| local == at.port())
}

/// For each established connection with these ports, local and remote, whether a keep-alive timer runs.
fn connections(wanted: impl Fn(u16, u16) -> bool) -> Vec<bool> {
    const ESTABLISHED: &str = "01";
    // proc(5): sl local_address rem_address st tx_queue:rx_queue tr:tm->when; 2 is the keep-alive timer
    const KEEP_ALIVE: &str = "02:";
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':').unwrap().1, 16).unwrap();
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let lines = lines.filter(|line| line[3] == ESTABLISHED && wanted(port(line[1]), port(line[2])));
    lines.map(|line| line[5].starts_with(KEEP_ALIVE)).collect()
}
