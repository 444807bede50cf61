//! Networks: how others write them, who is in both of two lists, and lists in which the first line that fits decides as the two lists of ours in which the longest network does.

use std::net::IpAddr;

use ipnet::IpNet;

use super::output::Place;

/// A network or an address, as others write them: `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.0.0.1`, `2001:db8::/32`, `[::1]`. Bits behind the prefix are cleared.
pub fn parse(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
    let whole = IpNet::from(address);
    let length = match length {
        None => whole.max_prefix_len(),
        Some(mask) => mask.parse::<u8>().ok().or_else(|| mask_length(mask))?,
    };
    Some(IpNet::new(address, length).ok()?.trunc())
}

/// As Evenkeel's lists have it: a single address without its length.
pub fn write(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

/// `255.255.255.0`
fn mask_length(mask: &str) -> Option<u8> {
    let bits = u32::from(mask.parse::<std::net::Ipv4Addr>().ok()?);
    (bits.leading_ones() + bits.trailing_zeros() == 32 || bits == u32::MAX).then_some(bits.leading_ones() as u8)
}

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

/// A line of an ordered list.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Whether who fits comes in.
    pub allow: bool,
    /// Who fits.
    pub networks: Vec<IpNet>,
    /// Where it stands.
    pub place: Place,
}

/// All addresses there are.
pub fn everybody() -> Vec<IpNet> {
    ["0.0.0.0/0", "::/0"].into_iter().filter_map(parse).collect()
}

/// `allow` and `deny` of ours for rules of which the first that fits decides, and no rule lets in.
///
/// A rule whose network lies in one that stands before it never decides, so it is left out; what remains has the narrower network first, which is
/// the longest one.
pub fn lists(rules: &[Rule]) -> (Vec<String>, Vec<String>) {
    let mut kept: Vec<(bool, IpNet)> = Vec::new();
    for rule in rules {
        for network in &rule.networks {
            if !kept.iter().any(|(_, earlier)| earlier.contains(network)) {
                kept.push((rule.allow, *network));
            }
        }
    }
    let everybody = everybody();
    let closed = |one: &IpNet| kept.iter().any(|(allow, network)| !allow && network == one);
    // with an `allow`, who is in no network does not come in: so the last rule of all denies by itself, where it denies all
    let ends_closed = everybody.iter().all(closed);
    let some_allowed = kept.iter().any(|(allow, _)| *allow);
    let mut allow: Vec<_> = kept.iter().filter(|(allow, _)| *allow).map(|(_, network)| write(network)).collect();
    let mut deny: Vec<_> = kept.iter().filter(|(allow, _)| !allow).map(|(_, network)| write(network)).collect();
    if ends_closed && some_allowed {
        deny.retain(|text| !everybody.iter().any(|network| write(network) == *text));
    } else if some_allowed {
        for network in &everybody {
            if !closed(network) && !kept.iter().any(|(_, known)| known == network) {
                allow.push(write(network));
            }
        }
        if deny.is_empty() {
            allow.clear();
        }
    }
    (allow, deny)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    fn of(rules: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let place = Place::new(&Rc::from("a"), 1);
        let rule = |(verb, network): &(&str, &str)| Rule {
            allow: *verb == "allow",
            networks: if *network == "all" { everybody() } else { vec![parse(network).unwrap()] },
            place: place.clone(),
        };
        lists(&rules.iter().map(rule).collect::<Vec<_>>())
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn who_is_let_in_first_comes_in() {
        assert_eq!(of(&[("allow", "10.0.0.0/8"), ("deny", "all")]), (texts(&["10.0.0.0/8"]), vec![]));
        assert_eq!(
            of(&[("deny", "192.168.1.1"), ("allow", "192.168.1.0/24"), ("deny", "all")]),
            (texts(&["192.168.1.0/24"]), texts(&["192.168.1.1"]))
        );
        assert_eq!(of(&[("deny", "all")]), (vec![], texts(&["0.0.0.0/0", "::/0"])));
        assert_eq!(of(&[("deny", "1.2.3.4")]), (vec![], texts(&["1.2.3.4"])));
        assert_eq!(of(&[("allow", "1.2.3.4")]), (vec![], vec![]));
        assert_eq!(of(&[("allow", "all"), ("deny", "10.0.0.0/8")]), (vec![], vec![]));
    }

    #[test]
    fn a_rule_behind_a_wider_one_never_decides() {
        assert_eq!(of(&[("deny", "10.0.0.0/8"), ("allow", "10.1.0.0/16")]), (vec![], texts(&["10.0.0.0/8"])));
        assert_eq!(
            of(&[("allow", "10.1.0.0/16"), ("deny", "10.0.0.0/8")]),
            (texts(&["10.1.0.0/16", "0.0.0.0/0", "::/0"]), texts(&["10.0.0.0/8"]))
        );
    }

    #[test]
    fn lists_decide_as_the_rules_do() {
        // every list of three rules among these networks, and each address that tells them apart
        let networks = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "all"];
        let addresses = ["10.1.2.3", "10.1.2.4", "10.2.0.1", "11.0.0.1", "2001:db8::1"];
        let all: Vec<_> =
            ["allow", "deny"].iter().flat_map(|verb| networks.iter().map(move |network| (*verb, *network))).collect();
        for a in &all {
            for b in &all {
                for c in &all {
                    let (allow, deny) = of(&[*a, *b, *c]);
                    for address in addresses {
                        let ip = parse(address).unwrap();
                        let fits = |network: &str| network == "all" || parse(network).unwrap().contains(&ip);
                        let wanted = [a, b, c]
                            .iter()
                            .find(|(_, network)| fits(network))
                            .is_none_or(|(verb, _)| *verb == "allow");
                        let longest = |list: &[String]| {
                            list.iter()
                                .filter_map(|text| parse(text))
                                .filter(|n| n.contains(&ip))
                                .map(|n| n.prefix_len())
                                .max()
                        };
                        let (yes, no) = (longest(&allow), longest(&deny));
                        let seen = match (yes, no) {
                            (None, None) => allow.is_empty(),
                            (yes, no) => yes > no,
                        };
                        assert_eq!(seen, wanted, "{address} of {a:?} {b:?} {c:?}: allow {allow:?} deny {deny:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn networks_are_read_as_others_write_them() {
        assert_eq!(write(&parse("10.1.2.3/8").unwrap()), "10.0.0.0/8");
        assert_eq!(write(&parse("10.0.0.0/255.255.0.0").unwrap()), "10.0.0.0/16");
        assert_eq!(write(&parse("2001:db8::1/32").unwrap()), "2001:db8::/32");
        assert!(parse("10.0.0.0/33").is_none() && parse("all").is_none());
    }

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
