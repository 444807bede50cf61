//! Services: where requests go.

mod balancer;
mod health;

use super::Conversion;
use super::middleware::ServiceKey;
use crate::convert::decision::Treatment;
use crate::convert::document::Node;
use crate::convert::output::{Place, Table, literal};

/// Services in services, at most.
const DEEPEST: usize = 8;

/// Where requests go.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// To a service; `host`: the `Host` that its backends get, where it is not the client's.
    Service {
        /// Its name here.
        name: String,
        /// Another host.
        host: Option<String>,
    },
    /// To one of several.
    Split {
        /// Names and weights.
        shares: Vec<(String, i64)>,
        /// What keeps a client on its side.
        by: Option<&'static str>,
    },
    /// To one, and a copy to another.
    Mirrored {
        /// Where requests go.
        to: Box<Target>,
        /// Keys of `mirror`.
        mirror: Table,
    },
    /// Nowhere: they are answered with this status.
    Missing(i64),
}

impl Target {
    /// Writes it into what happens to requests.
    pub fn write(&self, treatment: &mut Treatment, place: &Place) {
        let table = &mut treatment.table;
        match self {
            Self::Service { name, host } => {
                table.put_first("service", name.clone(), place);
                if let Some(host) = host.as_ref().filter(|_| table.get(&["rewrite", "host"]).is_none()) {
                    table.put(&["rewrite", "host"], literal(host), place);
                }
            }
            Self::Split { shares, by } => {
                let sides: Vec<Table> = shares
                    .iter()
                    .map(|(name, weight)| {
                        let mut side = Table::default();
                        side.put(&["service"], name.clone(), place);
                        side.put(&["weight"], *weight, place);
                        side
                    })
                    .collect();
                if let Some(by) = by {
                    table.put_first("split_by", *by, place);
                }
                table.put_first("split", sides, place);
            }
            Self::Mirrored { to, mirror } => {
                to.write(treatment, place);
                treatment.table.put(&["mirror"], mirror.clone(), place);
            }
            Self::Missing(status) => {
                table.put(&["respond", "status"], *status, place);
                treatment.denies = true;
            }
        }
    }

    /// Names and weights, where they are all that there is.
    fn shares(&self) -> Option<Vec<(String, i64)>> {
        match self {
            Self::Service { name, .. } => Some(vec![(name.clone(), 1)]),
            Self::Split { shares, .. } => Some(shares.clone()),
            Self::Mirrored { .. } | Self::Missing(_) => None,
        }
    }
}

/// Where a router's requests go. Its service is made with what the router's middlewares want of it.
pub fn target(conversion: &mut Conversion<'_>, name: &str, place: &Place, wants: &[ServiceKey]) -> Target {
    made(conversion, name, place, wants, 0)
}

fn made(conversion: &mut Conversion<'_>, name: &str, place: &Place, wants: &[ServiceKey], depth: usize) -> Target {
    // what a router wants makes a service of its own: another one wants something else of the same backends
    let wanted: Vec<_> = wants.iter().map(|(key, value, _)| (key.clone(), value.clone())).collect();
    let key = format!("{} {wanted:?}", name.trim_end_matches("@file"));
    if let Some((_, target)) = conversion.made.iter().find(|(known, _)| *known == key) {
        return target.clone();
    }
    let target = match conversion.find(&["http", "services"], name) {
        Some(node) if depth < DEEPEST => of(conversion, name.trim_end_matches("@file"), node, wants, depth),
        _ => {
            let what = format!("http.services.{name}");
            let why = "there is no such service in the files that were read: requests are answered with 503";
            conversion.out.findings.warning(place, what, why, "write the service, and name it in the routes");
            Target::Missing(503)
        }
    };
    conversion.made.push((key, target.clone()));
    target
}

fn of(conversion: &mut Conversion<'_>, name: &str, node: &Node, wants: &[ServiceKey], depth: usize) -> Target {
    let what = format!("http.services.{name}");
    if let Some(names) = node.get("middlewares") {
        let why = "middlewares of a service are not carried over: requests are answered with 503";
        conversion.out.findings.error(&names.place, &what, why, "name them in the routers");
        return Target::Missing(503);
    }
    if let Some(balancer) = node.get("loadBalancer") {
        return balancer::convert(conversion, name, balancer, wants);
    }
    for (kind, sticky) in [("weighted", false), ("highestRandomWeight", true)] {
        if let Some(weighted) = node.get(kind) {
            return split(conversion, &what, weighted, wants, depth, sticky);
        }
    }
    if let Some(mirroring) = node.get("mirroring") {
        return mirrored(conversion, &what, mirroring, wants, depth);
    }
    if let Some(failover) = node.get("failover") {
        return balancer::failover(conversion, name, failover, wants);
    }
    conversion.out.findings.warning(&node.place, what, "it has no backends: requests are answered with 503", "");
    Target::Missing(503)
}

fn split(
    conversion: &mut Conversion<'_>,
    what: &str,
    node: &Node,
    wants: &[ServiceKey],
    depth: usize,
    by_address: bool,
) -> Target {
    let mut sides: Vec<(Vec<(String, i64)>, i64)> = Vec::new();
    for item in node.items("services") {
        let name = item.text("name").unwrap_or_default().to_owned();
        let weight = item.text("weight").and_then(|text| text.parse::<i64>().ok()).unwrap_or(1).max(0);
        match made(conversion, &name, &item.place, wants, depth + 1).shares() {
            Some(shares) => sides.push((shares, weight)),
            None => {
                let why = "a side of a split is a service with backends: this one is left out";
                conversion.out.findings.warning(&item.place, what, why, "");
            }
        }
    }
    let sticky = node.get("sticky").is_some();
    node.get("sticky").into_iter().for_each(Node::seen);
    node.get("healthCheck").into_iter().for_each(Node::seen);
    if sticky {
        let why = "the cookie that keeps a client on its side is called evenkeel_split";
        conversion.out.findings.note(&node.place, what, why, "docs/routing.md");
    }
    // sides that are splits themselves have weights of which only the proportions count
    let total = |shares: &[(String, i64)]| shares.iter().map(|(_, weight)| weight).sum::<i64>().max(1);
    let common: i64 = sides.iter().map(|(shares, _)| total(shares)).product();
    let mut flat: Vec<(String, i64)> = Vec::new();
    for (shares, weight) in &sides {
        let times = common / total(shares) * weight;
        for (name, own) in shares {
            match flat.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known += own * times,
                None => flat.push((name.clone(), own * times)),
            }
        }
    }
    reduce(&mut flat);
    match flat.len() {
        0 => Target::Missing(503),
        1 => Target::Service { name: flat.remove(0).0, host: None },
        _ if flat.iter().all(|(_, weight)| *weight == 0) => Target::Missing(503),
        _ => {
            Target::Split { shares: flat, by: if by_address { Some("client_ip") } else { sticky.then_some("cookie") } }
        }
    }
}

/// Makes weights as small as they can be, and no larger than we take.
fn reduce(shares: &mut [(String, i64)]) {
    fn divisor(a: i64, b: i64) -> i64 {
        if b == 0 { a } else { divisor(b, a % b) }
    }
    let common = shares.iter().fold(0, |common, (_, weight)| divisor(common, *weight)).max(1);
    shares.iter_mut().for_each(|(_, weight)| *weight /= common);
    let most = shares.iter().map(|(_, weight)| *weight).max().unwrap_or(0);
    if most > 65_535 {
        shares
            .iter_mut()
            .filter(|(_, weight)| *weight > 0)
            .for_each(|(_, weight)| *weight = (*weight * 65_535 / most).max(1));
    }
}

fn mirrored(conversion: &mut Conversion<'_>, what: &str, node: &Node, wants: &[ServiceKey], depth: usize) -> Target {
    let main = node.text("service").unwrap_or_default().to_owned();
    let to = made(conversion, &main, &node.place, wants, depth + 1);
    node.get("healthCheck").into_iter().for_each(Node::seen);
    let size = node.get("maxBodySize").and_then(|size| Some((size.scalar()?.parse::<i64>().ok()?, &size.place)));
    let with_body = node.text("mirrorBody").is_none_or(|text| text == "true");
    let mut chosen: Option<Table> = None;
    for item in node.items("mirrors") {
        let percent = item.text("percent").and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        let name = item.text("name").unwrap_or_default().to_owned();
        if percent == 0 {
            continue;
        }
        if chosen.is_some() {
            let why = "a route has one mirror: this one is left out";
            conversion.out.findings.warning(&item.place, what, why, "");
            continue;
        }
        let Target::Service { name, .. } = made(conversion, &name, &item.place, &[], depth + 1) else {
            let why = "a mirror is a service with backends: this one is left out";
            conversion.out.findings.warning(&item.place, what, why, "");
            continue;
        };
        let mut mirror = Table::default();
        mirror.put(&["service"], name, &item.place);
        mirror.put(&["share"], format!("{percent}%"), &item.place);
        match size {
            // Traefik has no limit by default, and ours is 16 MiB at most
            Some((bytes, place)) if bytes >= 0 => {
                mirror.put(&["max_body"], crate::convert::units::size((bytes as u64).min(16 << 20)), place)
            }
            _ if with_body => mirror.put(&["max_body"], "16MiB", &item.place),
            _ => {}
        }
        chosen = Some(mirror);
    }
    if !with_body {
        let why = "copies have the body of the request";
        conversion.out.findings.warning(&node.place, format!("{what}.mirrorBody"), why, "`max_body` of `mirror`");
    }
    match chosen {
        Some(mirror) => Target::Mirrored { to: Box::new(to), mirror },
        None => to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_as_small_as_they_can_be() {
        let mut shares = vec![("a".to_owned(), 30), ("b".to_owned(), 10), ("c".to_owned(), 0)];
        reduce(&mut shares);
        assert_eq!(shares.iter().map(|(_, weight)| *weight).collect::<Vec<_>>(), [3, 1, 0]);
        let mut shares = vec![("a".to_owned(), 1_000_000), ("b".to_owned(), 1)];
        reduce(&mut shares);
        assert_eq!(shares.iter().map(|(_, weight)| *weight).collect::<Vec<_>>(), [65_535, 1]);
    }
}
