//! Which addresses this machine has, and sockets for those that it does not have yet.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::ifaddrs::getifaddrs;

/// Lets a socket be bound to an address that this machine does not have (`IP_FREEBIND`, ip(7)). It takes no privilege.
///
/// # Errors
///
/// The kernel's error.
pub fn allow_any_address(socket: &socket2::Socket, address: &SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(true),
        SocketAddr::V6(_) => socket.set_freebind_v6(true),
    }
}

/// Whether a socket can be bound to the address. Where that can't be tried, yes.
pub fn can_be_bound(address: IpAddr) -> bool {
    // a datagram socket, because no port of it is ever taken; with net.ipv4.ip_nonlocal_bind every address can be bound
    match std::net::UdpSocket::bind((address, 0)) {
        Err(error) => error.kind() != io::ErrorKind::AddrNotAvailable,
        Ok(_) => true,
    }
}

/// The addresses of all interfaces, each with its interface and the length of its network's prefix.
///
/// # Errors
///
/// The kernel's error.
pub fn own_addresses() -> io::Result<Vec<OwnAddress>> {
    let address = |storage: Option<nix::sys::socket::SockaddrStorage>| {
        let storage = storage?;
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    let all = getifaddrs()?.filter_map(|of| {
        let prefix = address(of.netmask).map_or(0, |mask| match mask {
            IpAddr::V4(mask) => mask.to_bits().count_ones(),
            IpAddr::V6(mask) => mask.to_bits().count_ones(),
        });
        Some(OwnAddress { interface: of.interface_name, address: address(of.address)?, prefix: prefix as u8 })
    });
    Ok(all.collect())
}

/// An address of an interface of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAddress {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// The length of its network's prefix.
    pub prefix: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For documentation only (RFC 5737, RFC 3849): no machine has these.
    const NOBODYS: [&str; 2] = ["203.0.113.7:0", "[2001:db8::7]:0"];

    #[test]
    fn an_address_that_is_not_here_can_be_bound_where_that_is_allowed() {
        for address in NOBODYS.map(|text| text.parse::<SocketAddr>().unwrap()) {
            let domain = socket2::Domain::for_address(address);
            // a machine may have no IPv6 at all
            let Ok(socket) = socket2::Socket::new(domain, socket2::Type::STREAM, None) else { continue };
            allow_any_address(&socket, &address).unwrap();
            socket.bind(&address.into()).unwrap();
        }
    }

    #[test]
    fn the_machine_has_its_loopback_address() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        assert!(can_be_bound(loopback));
        let own = own_addresses().unwrap();
        assert!(own.iter().any(|own| own.address == loopback && own.prefix == 8 && own.interface == "lo"), "{own:?}");
    }
}
