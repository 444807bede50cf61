//! Where connections to backends come from, and the interfaces of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr as _;

use super::address;
use super::{Problem, Result, almost};

/// The most addresses that connections may come from. Each has a whole range of ports, so that more are a mistake.
pub(in crate::config) const MOST_SOURCES: u128 = 256;

/// The longest name of an interface (`IFNAMSIZ`, its closing zero left out).
const LONGEST_INTERFACE: usize = 15;

const SOURCE: &str =
    "an address such as \"10.0.0.5\", a range such as \"10.0.0.8-10.0.0.11\", or a network such as \"10.1.0.0/29\"";
const PATH: &str = "an IP address with a port, such as \"10.0.1.5:80\"";

/// The addresses of one source: an address, a range, or a network.
pub(in crate::config) fn source(text: &str) -> Result<Vec<IpAddr>> {
    if let Ok(address) = IpAddr::from_str(text) {
        return if address.is_unspecified() { Err(bad_source(text)) } else { Ok(vec![address]) };
    }
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => match (IpAddr::from_str(first.trim()), IpAddr::from_str(last.trim())) {
            (Ok(first), Ok(last)) => (first, last),
            _ => return Err(bad_source(text)),
        },
        None if text.contains('/') => {
            let net = address::network(text).map_err(|problem| Problem { expected: SOURCE.to_owned(), ..problem })?;
            // the ends of an IPv4 network are no addresses of machines, unless it is a link between two (RFC 3021)
            let ends = u128::from(net.addr().is_ipv4() && net.max_prefix_len() - net.prefix_len() > 1);
            let (first, last) = (number(net.network()) + ends, number(net.broadcast()) - ends);
            (ip(first, net.addr()), ip(last, net.addr()))
        }
        None => return Err(bad_source(text)),
    };
    range(text, first, last)
}

fn range(text: &str, first: IpAddr, last: IpAddr) -> Result<Vec<IpAddr>> {
    if first.is_ipv4() != last.is_ipv4() {
        return Err(bad_source(text).help("both ends of a range are of one family"));
    }
    let (from, to) = (number(first), number(last));
    if from > to {
        return Err(bad_source(text).suggest(Some(format!("{last}-{first}"))).help("the lower address comes first"));
    }
    if to - from >= MOST_SOURCES {
        let message = format!("`{text}` is too large");
        return Err(Problem::new(message, format!("at most {MOST_SOURCES} addresses")));
    }
    Ok((from..=to).map(|at| ip(at, first)).collect())
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u128::from(u32::from(four)),
        IpAddr::V6(six) => u128::from(six),
    }
}

/// The address with this number in the family of `like`.
fn ip(number: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpAddr::V6(_) => Ipv6Addr::from(number).into(),
    }
}

fn bad_source(text: &str) -> Problem {
    let problem = Problem::new(format!("`{text}` is no address that connections can come from"), SOURCE);
    if let Ok(socket) = SocketAddr::from_str(text) {
        return problem.suggest(Some(socket.ip().to_string())).help("the kernel chooses the port");
    }
    problem
}

/// The name of an interface.
pub(in crate::config) fn interface(text: &str) -> Result<()> {
    let is_name = !text.is_empty()
        && text.len() <= LONGEST_INTERFACE
        && !text.contains(|c: char| c.is_whitespace() || c == '/' || c == '\0');
    if is_name {
        return Ok(());
    }
    Err(Problem::new(
        format!("`{text}` can't be the name of an interface"),
        "a name such as \"eth0\", of at most 15 bytes",
    ))
}

/// One of several addresses of a backend.
pub(in crate::config) fn path_address(text: &str) -> Result<SocketAddr> {
    let bad = || Problem::new(format!("`{text}` is no address of a path to a backend"), PATH);
    match SocketAddr::from_str(text) {
        Ok(socket) if socket.port() == 0 => Err(bad().help("a backend can't be on port 0")),
        Ok(socket) if socket.ip().is_unspecified() => Err(bad().help("it is no place to connect to")),
        Ok(socket) => Ok(socket),
        Err(_) if text.starts_with("unix:") => Err(bad().help("a Unix socket has one path only: use `address`")),
        Err(_) => match almost::socket(text, false) {
            None => Err(bad().help("a path is one address; the name of a backend belongs in `address`")),
            guess => Err(bad().guess(guess)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Vec<String> {
        source(text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_source_is_an_address_a_range_or_a_network() {
        assert_eq!(sources("10.0.0.5"), ["10.0.0.5"]);
        assert_eq!(sources("10.0.0.254-10.0.1.1"), ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]);
        assert_eq!(sources("10.0.0.4/30"), ["10.0.0.5", "10.0.0.6"]);
        assert_eq!(sources("10.0.0.4/31"), ["10.0.0.4", "10.0.0.5"]);
        assert_eq!(sources("2001:db8::1-2001:db8::2"), ["2001:db8::1", "2001:db8::2"]);
        assert_eq!(sources("2001:db8::/127"), ["2001:db8::", "2001:db8::1"]);
        assert_eq!(sources("10.0.0.0/24").len(), 254);
    }

    #[test]
    fn what_is_no_source_is_refused() {
        for bad in ["", "eth0", "10.0.0.1:80", "0.0.0.0", "10.0.0.9-10.0.0.8", "10.0.0.1-::1", "10.0.0.0/16", "::/0"] {
            source(bad).unwrap_err();
        }
        assert_eq!(source("10.0.0.1:80").unwrap_err().suggestion.as_deref(), Some("10.0.0.1"));
        assert_eq!(source("10.0.0.9-10.0.0.8").unwrap_err().suggestion.as_deref(), Some("10.0.0.8-10.0.0.9"));
    }

    #[test]
    fn a_path_is_an_address_with_a_port() {
        path_address("10.0.1.5:80").unwrap();
        path_address("[2001:db8::1]:80").unwrap();
        for bad in ["10.0.1.5", "10.0.1.5:0", "0.0.0.0:80", "api.internal:80", "unix:/run/api.sock"] {
            path_address(bad).unwrap_err();
        }
        interface("eth0.12").unwrap();
        for bad in ["", "a name", "a/b", "sixteen-bytes-xx"] {
            interface(bad).unwrap_err();
        }
    }
}
