//! Lists of networks in which the first line that fits decides, as the two lists of ours in which the longest network does.

use std::net::IpAddr;

use super::output::Place;

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    /// `10.0.0.0/8`, `10.0.0.1`, `2001:db8::/32`. Bits behind the prefix are cleared, as nginx and HAProxy do.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(mask) => match mask.parse::<u8>() {
                Ok(length) if length <= most => length,
                Ok(_) => return None,
                Err(_) => mask_length(mask)?,
            },
        };
        Some(Self { address: cleared(address, length), length })
    }

    /// Whether `other` lies in this one.
    pub fn has(&self, other: &Self) -> bool {
        self.address.is_ipv4() == other.address.is_ipv4()
            && self.length <= other.length
            && cleared(other.address, self.length) == self.address
    }

    /// As ours writes it.
    pub fn text(&self) -> String {
        let whole = if self.address.is_ipv4() { 32 } else { 128 };
        if self.length == whole { self.address.to_string() } else { format!("{}/{}", self.address, self.length) }
    }
}

/// `255.255.255.0`
fn mask_length(mask: &str) -> Option<u8> {
    let bits = u32::from(mask.parse::<std::net::Ipv4Addr>().ok()?);
    (bits.leading_ones() + bits.trailing_zeros() == 32 || bits == u32::MAX).then_some(bits.leading_ones() as u8)
}

fn cleared(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = if length == 0 { 0 } else { u32::MAX << (32 - u32::from(length)) };
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = if length == 0 { 0 } else { u128::MAX << (128 - u32::from(length)) };
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

/// A line of an ordered list.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Whether who fits comes in.
    pub allow: bool,
    /// Who fits.
    pub networks: Vec<Network>,
    /// Where it stands.
    pub place: Place,
}

/// All addresses there are.
pub fn everybody() -> Vec<Network> {
    ["0.0.0.0/0", "::/0"].into_iter().filter_map(Network::parse).collect()
}

/// `allow` and `deny` of ours for rules of which the first that fits decides, and no rule lets in.
///
/// A rule whose network lies in one that stands before it never decides, so it is left out; what remains has the narrower network first, which is
/// the longest one.
pub fn lists(rules: &[Rule]) -> (Vec<String>, Vec<String>) {
    let mut kept: Vec<(bool, Network)> = Vec::new();
    for rule in rules {
        for network in &rule.networks {
            if !kept.iter().any(|(_, earlier)| earlier.has(network)) {
                kept.push((rule.allow, *network));
            }
        }
    }
    let everybody = everybody();
    let closed = |one: &Network| kept.iter().any(|(allow, network)| !allow && network == one);
    // with an `allow`, who is in no network does not come in: so the last rule of all denies by itself, where it denies all
    let ends_closed = everybody.iter().all(closed);
    let some_allowed = kept.iter().any(|(allow, _)| *allow);
    let mut allow: Vec<_> = kept.iter().filter(|(allow, _)| *allow).map(|(_, network)| network.text()).collect();
    let mut deny: Vec<_> = kept.iter().filter(|(allow, _)| !allow).map(|(_, network)| network.text()).collect();
    if ends_closed && some_allowed {
        deny.retain(|text| !everybody.iter().any(|network| network.text() == *text));
    } else if some_allowed {
        for network in &everybody {
            if !closed(network) && !kept.iter().any(|(_, known)| known == network) {
                allow.push(network.text());
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
            networks: if *network == "all" { everybody() } else { vec![Network::parse(network).unwrap()] },
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
                        let ip = Network::parse(address).unwrap();
                        let fits = |network: &str| network == "all" || Network::parse(network).unwrap().has(&ip);
                        let wanted = [a, b, c]
                            .iter()
                            .find(|(_, network)| fits(network))
                            .is_none_or(|(verb, _)| *verb == "allow");
                        let longest = |list: &[String]| {
                            list.iter()
                                .filter_map(|text| Network::parse(text))
                                .filter(|n| n.has(&ip))
                                .map(|n| n.length)
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
        assert_eq!(Network::parse("10.1.2.3/8").unwrap().text(), "10.0.0.0/8");
        assert_eq!(Network::parse("10.0.0.0/255.255.0.0").unwrap().text(), "10.0.0.0/16");
        assert_eq!(Network::parse("2001:db8::1/32").unwrap().text(), "2001:db8::/32");
        assert!(Network::parse("10.0.0.0/33").is_none() && Network::parse("all").is_none());
    }
}
