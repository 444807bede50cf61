//! Who comes in by address, as rules say it one after the other in groups of which each can let somebody in for itself only, as one list of which the first
//! line that fits decides.

use ipnet::IpNet;

use crate::convert::networks::{Rule, everybody};
use crate::convert::output::Place;

/// What a rule says of clients by their networks.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// They come in, as far as this group of rules is concerned.
    Allow(Vec<IpNet>),
    /// They are refused.
    Deny(Vec<IpNet>),
    /// All others are refused.
    Only(Vec<IpNet>),
    /// The next group of rules begins.
    Phase,
}

/// One list for all of them; whom no line of it fits comes in.
pub fn rules(filters: &[(Filter, Place)]) -> Vec<Rule> {
    let mut list: Vec<Rule> = Vec::new();
    // what comes behind the end of the group that a filter stands in
    let mut behind: Vec<Rule> = Vec::new();
    for (filter, place) in filters.iter().rev() {
        let rule = |allow, networks: Vec<IpNet>| Rule { allow, networks, place: place.clone() };
        match filter {
            Filter::Phase => behind.clone_from(&list),
            Filter::Deny(networks) => list.insert(0, rule(false, networks.clone())),
            Filter::Allow(networks) => {
                let mut first = within(&behind, networks);
                first.push(rule(true, networks.clone()));
                first.append(&mut list);
                list = first;
            }
            Filter::Only(networks) => {
                list = within(&list, networks);
                list.push(rule(true, networks.clone()));
                list.push(rule(false, everybody()));
            }
        }
    }
    list
}

/// What a list says of those who are in one of these networks.
fn within(list: &[Rule], networks: &[IpNet]) -> Vec<Rule> {
    let narrowed = |rule: &Rule| {
        let common = rule.networks.iter().flat_map(|a| networks.iter().filter_map(move |b| common(*a, *b)));
        Rule { networks: common.collect(), ..rule.clone() }
    };
    list.iter().map(narrowed).filter(|rule| !rule.networks.is_empty()).collect()
}

/// Of two networks that have an address in common, one lies in the other.
fn common(a: IpNet, b: IpNet) -> Option<IpNet> {
    if a.contains(&b) { Some(b) } else { b.contains(&a).then_some(a) }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_list_decides_as_the_rules_do_one_after_the_other() {
        let net = |text: &str| crate::convert::networks::parse(text).unwrap();
        let place = Place::new(&Rc::from("a"), 1);
        let networks = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "0.0.0.0/0"];
        let mut all = vec![Filter::Phase];
        for network in networks {
            let one = vec![net(network)];
            all.extend([Filter::Allow(one.clone()), Filter::Deny(one.clone()), Filter::Only(one)]);
        }
        for number in 0..all.len().pow(4) {
            let filters: Vec<_> =
                (0..4).map(|at| (all[number / all.len().pow(at) % all.len()].clone(), place.clone())).collect();
            let list = rules(&filters);
            for address in ["10.1.2.3", "10.1.2.4", "10.2.0.1", "11.0.0.1"].map(net) {
                let has = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
                let (mut wanted, mut passes) = (true, false);
                for (filter, _) in &filters {
                    match filter {
                        Filter::Phase => passes = false,
                        _ if passes => {}
                        Filter::Allow(networks) => passes = has(networks),
                        Filter::Deny(networks) => wanted &= !has(networks),
                        Filter::Only(networks) => wanted &= has(networks),
                    }
                }
                let seen = list.iter().find(|rule| has(&rule.networks)).is_none_or(|rule| rule.allow);
                assert_eq!(seen, wanted, "{filters:?} {address:?}");
            }
        }
    }
}
