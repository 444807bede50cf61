//! Lists of networks: who is in both, and who is left when some are taken out.

use ipnet::IpNet;

/// The networks of both lists; `None` = everybody.
pub fn both(a: Option<&[IpNet]>, b: Option<&[IpNet]>) -> Option<Vec<IpNet>> {
    let (a, b) = match (a, b) {
        (None, None) => return None,
        (Some(some), None) | (None, Some(some)) => return Some(some.to_vec()),
        (Some(a), Some(b)) => (a, b),
    };
    let mut both = Vec::new();
    for one in a {
        for other in b {
            let narrower = if one.contains(other) {
                other
            } else if other.contains(one) {
                one
            } else {
                continue;
            };
            if !both.contains(narrower) {
                both.push(*narrower);
            }
        }
    }
    Some(both)
}

/// `allow` without the networks that lie within one of `deny`: Evenkeel's longest network would let them in, where both lists hold.
pub fn without(allow: &[IpNet], deny: &[IpNet]) -> Vec<IpNet> {
    allow.iter().filter(|net| !deny.iter().any(|denied| denied.contains(*net))).copied().collect()
}

/// A network or an address, as most proxies write them.
pub fn parse(text: &str) -> Option<IpNet> {
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))?;
    Some(net.trunc())
}

/// As Evenkeel's lists have it: a single address without its length.
pub fn write(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| parse(text).unwrap()).collect()
    }

    #[test]
    fn both_lists_let_in_who_is_in_both() {
        let (a, b) = (nets(&["10.0.0.0/8", "192.0.2.7"]), nets(&["10.1.0.0/16", "192.0.2.0/24", "2001:db8::/32"]));
        assert_eq!(both(Some(&a), Some(&b)), Some(nets(&["10.1.0.0/16", "192.0.2.7"])));
        assert_eq!(both(Some(&a), None), Some(a));
    }

    #[test]
    fn a_longer_network_within_a_denied_one_is_not_let_in() {
        assert_eq!(without(&nets(&["10.1.0.0/16", "192.0.2.0/24"]), &nets(&["10.0.0.0/8"])), nets(&["192.0.2.0/24"]));
    }
}
