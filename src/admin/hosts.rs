//! By which names the admin address may be asked.
//!
//! A page of a foreign site can give its own name the admin address's IP address (DNS rebinding). Then a browser takes the admin address
//! for a part of that site: the page may read every answer, and `Origin` and `Sec-Fetch-Site` say that it asks its own server. Only the name in
//! `Host` tells. So a name has to be known here; an IP address can't be rebound, and `localhost` is the browser's own machine
//! (RFC 6761, section 6.3).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use http::header::HOST;
use http::{Request, StatusCode};

use super::answer::Problem;
use crate::clock::{Moment, SharedThrottle};
use crate::route::Host;

/// The names of `admin.hosts`.
#[derive(Debug)]
pub(super) struct Hosts {
    names: Vec<Host>,
    complaint: SharedThrottle,
}

/// How often the log says that another name was used, by an operator's tool or by an attacker.
const COMPLAINTS: Duration = Duration::from_secs(60);

impl Hosts {
    /// These names, in lower case.
    pub(super) fn new(hosts: Vec<Host>) -> Self {
        Self { names: hosts, complaint: SharedThrottle::new(COMPLAINTS) }
    }

    /// Refuses a request that asks by a name which is none of ours.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Problem> {
        let mut fields = request.headers().get_all(HOST).iter();
        let (field, second) = (fields.next(), fields.next());
        if second.is_some() {
            return Err(Problem::bad_request("the request has more than one Host"));
        }
        // RFC 9112, section 3.2.2: where the target is a whole URL, Host counts for nothing
        let host = match (request.uri().authority(), field) {
            (Some(authority), _) => authority.as_str().as_bytes(),
            (None, Some(field)) => field.as_bytes(),
            (None, None) => {
                return Err(Problem::bad_request("the request has no Host; only probes are answered without"));
            }
        };
        let host = String::from_utf8_lossy(host);
        if self.takes(&host) {
            return Ok(());
        }
        let name = name(&host).unwrap_or(&host);
        let detail = format!(
            "{name:?} is not a name of this admin address: ask by an IP address or by localhost, or put the name into \
             `hosts` of [admin] in the configuration: hosts = [{name:?}]"
        );
        if self.complaint.is_due(Moment::now()) {
            tracing::warn!("admin: a request was refused: {detail}");
        }
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail))
    }

    fn takes(&self, host: &str) -> bool {
        let Some(name) = name(host) else { return false };
        if let Some(address) = name.strip_prefix('[') {
            return address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<Ipv4Addr>().is_ok()
            || self.names.iter().any(|known| match known {
                Host::Exact(known) => *known == name,
                Host::Wildcard(parent) => {
                    name.strip_suffix(parent.as_str()).is_some_and(|below| below.len() > 1 && below.ends_with('.'))
                }
            })
    }
}

/// A `Host` without its port; `None` when that is not one.
fn name(host: &str) -> Option<&str> {
    let end = match host.starts_with('[') {
        true => host.find(']')? + 1,
        false => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    let is_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    is_port.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_listed_names_are_taken_and_nothing_else_is() {
        let hosts = Hosts::new(vec![
            Host::Exact("admin.example".to_owned()),
            Host::Wildcard("ops.example".to_owned()),
            Host::Exact("192.0.2.1".to_owned()),
        ]);
        for good in [
            "127.0.0.1",
            "127.0.0.1:9900",
            "10.0.0.5:80",
            "[::1]",
            "[::1]:9900",
            "[fd00::5]:1",
            "localhost",
            "LOCALHOST:9900",
            "localhost.",
            "a.localhost:1",
            "admin.example",
            "Admin.Example:9900",
            "admin.example.",
            "a.ops.example",
            "a.b.ops.example:1",
        ] {
            assert!(hosts.takes(good), "{good}");
        }
        for bad in [
            "",
            ":9900",
            "evil.example",
            "127.0.0.1.evil.example",
            "evil.example:127.0.0.1",
            "localhost.evil.example",
            "notlocalhost",
            "xadmin.example",
            "ops.example",
            ".ops.example",
            "a@127.0.0.1",
            "127.0.0.1@evil.example",
            "[::1",
            "[::1]evil.example",
            "[evil.example]",
            "::1",
            "2130706433",
            "0x7f000001",
            "127.1",
            "localhost:a",
            "127.0.0.1 ",
            "127.0.0.1,evil.example",
        ] {
            assert!(!hosts.takes(bad), "{bad}");
        }
    }

    #[test]
    fn the_target_counts_before_the_field_and_one_field_only() {
        let hosts = Hosts::new(Vec::new());
        let ask = |uri: &str, fields: &[&str]| {
            let mut request = Request::get(uri);
            for field in fields {
                request = request.header(HOST, *field);
            }
            hosts.check(&request.body(()).unwrap()).is_ok()
        };
        assert!(ask("/", &["127.0.0.1"]) && ask("http://127.0.0.1/", &["evil.example"]));
        assert!(!ask("http://evil.example/", &["127.0.0.1"]) && !ask("http://evil.example@127.0.0.1/", &["127.0.0.1"]));
        assert!(!ask("/", &[]) && !ask("/", &["127.0.0.1", "127.0.0.1"]));
    }
}
