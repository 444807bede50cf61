//! Which networks an address is in, and what is said of the longest of them.
//!
//! Networks lie within each other or apart. So what is decided changes only where one begins or ends, and a set of them is a sorted list of those
//! places with what holds from there on. An address is found by one binary search: 18 steps among 100,000 networks, in two arrays that are read in
//! order when they are made. A trie would need as many steps, each of them through a pointer, and several times the memory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

/// What is said of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Who is in it may come in.
    Allow,
    /// Who is in it may not.
    Deny,
}

/// What is said of each address.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    four: Sorted<u32>,
    six: Sorted<u128>,
}

/// Addresses of one family, in order: from each on, until the next, this is said.
#[derive(Debug, PartialEq, Eq)]
struct Sorted<A> {
    from: Vec<A>,
    verdicts: Vec<Option<Verdict>>,
}

impl<A> Default for Sorted<A> {
    fn default() -> Self {
        Self { from: Vec::new(), verdicts: Vec::new() }
    }
}

impl Ranges {
    /// Sorts networks. Of one that is there twice, `Deny` holds.
    pub fn new(networks: impl IntoIterator<Item = (IpNet, Verdict)>) -> Self {
        let (mut four, mut six) = (Vec::new(), Vec::new());
        for (network, verdict) in networks {
            match canonical(network) {
                IpNet::V4(net) => four.push((u32::from(net.network()), u32::from(net.broadcast()), verdict)),
                IpNet::V6(net) => six.push((u128::from(net.network()), u128::from(net.broadcast()), verdict)),
            }
        }
        Self { four: Sorted::new(four), six: Sorted::new(six) }
    }

    /// What is said of the longest network that an address is in; `None` = it is in none.
    pub fn find(&self, address: IpAddr) -> Option<Verdict> {
        match address.to_canonical() {
            IpAddr::V4(address) => self.four.find(address.into()),
            IpAddr::V6(address) => self.six.find(address.into()),
        }
    }
}

impl<A: Copy + Ord + Next> Sorted<A> {
    /// `networks`: the first and the last address of each.
    fn new(mut networks: Vec<(A, A, Verdict)>) -> Self {
        // an outer network comes before those in it, and of one network `Deny` comes last
        networks.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)).then(a.2.cmp(&b.2)));
        let mut sorted = Self::default();
        let mut open: Vec<(A, Verdict)> = Vec::new();
        for (first, last, verdict) in networks {
            while let Some((end, _)) = open.last().filter(|(end, _)| *end < first).copied() {
                open.pop();
                sorted.close(end, open.last().map(|(_, verdict)| *verdict));
            }
            open.push((last, verdict));
            sorted.begin(first, Some(verdict));
        }
        while let Some((end, _)) = open.pop() {
            sorted.close(end, open.last().map(|(_, verdict)| *verdict));
        }
        sorted.from.shrink_to_fit();
        sorted.verdicts.shrink_to_fit();
        sorted
    }

    /// A network has ended with this address; what is around it goes on, if there is room for it before the next.
    fn close(&mut self, end: A, around: Option<Verdict>) {
        if let Some(next) = end.next() {
            self.begin(next, around);
        }
    }

    fn begin(&mut self, at: A, verdict: Option<Verdict>) {
        if self.from.last() == Some(&at) {
            self.from.pop();
            self.verdicts.pop();
        }
        // nothing changes here
        if self.verdicts.last().copied().flatten() == verdict {
            return;
        }
        self.from.push(at);
        self.verdicts.push(verdict);
    }

    fn find(&self, address: A) -> Option<Verdict> {
        let at = self.from.partition_point(|from| *from <= address).checked_sub(1)?;
        self.verdicts.get(at).copied().flatten()
    }
}

/// An address as a number that has a successor.
trait Next: Sized {
    /// The next one; `None` behind the last.
    fn next(self) -> Option<Self>;
}

impl Next for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Next for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// A network of IPv4 addresses that is written as one of IPv6 (RFC 4291, section 2.5.5.2): addresses are compared in their shorter form.
fn canonical(network: IpNet) -> IpNet {
    const PREFIX: u8 = 96;
    match network {
        IpNet::V6(net) if net.prefix_len() >= PREFIX => match mapped(net.network()) {
            Some(address) => Ipv4Net::new(address, net.prefix_len() - PREFIX).map_or(network, IpNet::V4),
            None => network,
        },
        _ => network,
    }
}

fn mapped(address: Ipv6Addr) -> Option<Ipv4Addr> {
    address.to_ipv4_mapped()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(networks: &[(&str, Verdict)]) -> Ranges {
        Ranges::new(networks.iter().map(|(network, verdict)| (network.parse().unwrap(), *verdict)))
    }

    fn find(ranges: &Ranges, address: &str) -> Option<Verdict> {
        ranges.find(address.parse().unwrap())
    }

    use Verdict::{Allow, Deny};

    #[test]
    fn the_longest_network_decides() {
        let all =
            ranges(&[("10.0.0.0/8", Deny), ("10.1.0.0/16", Allow), ("10.1.2.0/24", Deny), ("10.1.2.3/32", Allow)]);
        for (address, verdict) in [
            ("9.255.255.255", None),
            ("10.0.0.0", Some(Deny)),
            ("10.0.255.255", Some(Deny)),
            ("10.1.0.0", Some(Allow)),
            ("10.1.2.2", Some(Deny)),
            ("10.1.2.3", Some(Allow)),
            ("10.1.2.4", Some(Deny)),
            ("10.1.3.0", Some(Allow)),
            ("10.2.0.0", Some(Deny)),
            ("10.255.255.255", Some(Deny)),
            ("11.0.0.0", None),
            ("::1", None),
        ] {
            assert_eq!(find(&all, address), verdict, "{address}");
        }
    }

    #[test]
    fn of_one_network_that_is_there_twice_deny_holds() {
        for both in [[("10.0.0.0/8", Deny), ("10.0.0.0/8", Allow)], [("10.0.0.0/8", Allow), ("10.0.0.0/8", Deny)]] {
            assert_eq!(find(&ranges(&both), "10.1.2.3"), Some(Deny));
        }
    }

    #[test]
    fn the_ends_of_the_address_space_belong_to_it() {
        let all = ranges(&[("0.0.0.0/0", Allow), ("255.255.255.255/32", Deny), ("::/0", Deny), ("ffff::/16", Allow)]);
        assert_eq!(find(&all, "0.0.0.0"), Some(Allow));
        assert_eq!(find(&all, "255.255.255.254"), Some(Allow));
        assert_eq!(find(&all, "255.255.255.255"), Some(Deny));
        assert_eq!(find(&all, "::"), Some(Deny));
        assert_eq!(find(&all, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), Some(Allow));
    }

    #[test]
    fn an_address_of_ipv4_is_the_same_one_when_it_is_written_as_ipv6() {
        for network in ["192.0.2.0/24", "::ffff:192.0.2.0/120"] {
            let all = ranges(&[(network, Deny)]);
            assert_eq!(find(&all, "::ffff:192.0.2.7"), Some(Deny), "{network}");
            assert_eq!(find(&all, "192.0.2.7"), Some(Deny), "{network}");
        }
    }

    #[test]
    fn finds_what_trying_all_networks_finds() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let networks: Vec<(IpNet, Verdict)> = (0..rng.usize(..40))
                .map(|_| {
                    // close together, so that many lie within each other
                    let address = Ipv4Addr::from(0x0a00_0000 | rng.u32(..64));
                    let net = IpNet::new(address.into(), rng.u8(24..=32)).unwrap().trunc();
                    (net, if rng.bool() { Allow } else { Deny })
                })
                .collect();
            let sorted = Ranges::new(networks.iter().copied());
            for last in 0..80 {
                let address = IpAddr::from(Ipv4Addr::from(0x0a00_0000 | last));
                let longest = networks.iter().filter(|(net, _)| net.contains(&address));
                let want =
                    longest.max_by_key(|(net, verdict)| (net.prefix_len(), *verdict)).map(|(_, verdict)| *verdict);
                assert_eq!(sorted.find(address), want, "{address} among {networks:?}");
            }
        }
    }
}
