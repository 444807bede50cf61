//! Looking names up as the system does: DNS, the hosts file, and whatever else it is told to ask.

use std::net::{SocketAddr, ToSocketAddrs};

/// All addresses of a name, in the order of the system's resolver (RFC 6724), each once. It may take its time: not for a thread that
/// serves.
///
/// # Errors
///
/// Why there is none, for people.
pub fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in (host, port).to_socket_addrs().map_err(|error| error.to_string())? {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    if all.is_empty() { Err("it has no address".to_owned()) } else { Ok(all) }
}
