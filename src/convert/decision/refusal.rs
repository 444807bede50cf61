//! What of steps refuses somebody, and whether that is by clients' addresses.

use ipnet::IpNet;

use super::conditions::Conditions;
use super::step::{Clause, Does, Step};
use super::treatment::Treatment;

/// Whether somebody is refused by a step.
pub fn refuses(step: &Step) -> bool {
    match &step.does {
        Does::Change { protects, .. } => *protects,
        Does::Path(_) => false,
        Does::End(change) => {
            let mut treatment = Treatment::default();
            change(&mut treatment);
            treatment.denies
        }
        Does::Choice(branches) => branches.iter().flat_map(|(_, inner)| inner).any(|step| refuses(step)),
    }
}

/// Whether a clause asks where clients are.
pub fn by_address(clause: &Clause) -> bool {
    clause.is.networks.is_some() || clause.not.iter().any(|not| not.networks.is_some())
}

/// What a clause asks for beside addresses, and the networks that it excepts; `None` = its addresses are not to be told apart from the rest.
pub fn by_address_alone(clause: &Clause) -> Option<(Conditions, Vec<IpNet>)> {
    let plain = |conditions: &Conditions| Conditions { networks: None, ..conditions.clone() };
    let only = clause.not.iter().all(|not| not.networks.is_some() && plain(not) == Conditions::default());
    if !only || clause.is.networks.is_some() && !clause.not.is_empty() {
        return None;
    }
    let nets = clause.not.iter().filter_map(|not| not.networks.clone()).flatten().collect();
    Some((plain(&clause.is), nets))
}
