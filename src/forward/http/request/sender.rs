//! Who sent a request. A proxy that is trusted speaks for others: then it is whom its `X-Forwarded-For` names, or its `Forwarded`
//! (RFC 7239), or, where it sends neither, the one address in the field of the listener's `client_ip_header`.
//!
//! Both lists grow to the right, one element for each proxy, and whoever came first may have begun them with lies. So they are
//! read from the right, for as long as an element names a proxy that is trusted too. The first that does not is the sender: nobody
//! who is trusted vouches for what stands before it.

use std::net::{IpAddr, SocketAddr};

use crate::auth::TrustedProxies;
use crate::protocol::http::fields::{Client, X_FORWARDED_FOR};
use crate::snapshot::Listener;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Who is believed of whom a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// The proxies that are believed.
    pub proxies: &'a TrustedProxies,
    /// The field in which one of them may say it that says it in no other way.
    pub field: Option<&'a HeaderName>,
}

impl<'a> Trust<'a> {
    /// What a listener says of it.
    pub fn of(listener: &'a Listener) -> Self {
        Self { proxies: &listener.trusted_proxies, field: listener.client_ip_header.as_ref() }
    }
}

/// What a trusted proxy says of it.
enum Said<'a> {
    /// A list in this field, whose elements are read like this.
    List(HeaderName, fn(&str) -> Option<IpAddr>),
    /// One address, in this field.
    One(&'a HeaderName),
    /// Nothing.
    Nothing,
}

/// The address of who sent the request with these fields over a connection of `client`.
pub fn find(client: &Client, headers: &HeaderMap, trust: Trust<'_>) -> Option<IpAddr> {
    let told = match said(client, headers, trust) {
        Said::List(name, read) => last_untrusted(elements(headers, name).map(read), trust.proxies),
        Said::One(name) => one(headers, name),
        Said::Nothing => None,
    };
    told.or(client.address)
}

/// As [`find`], for who is let in or kept out by it: `None` also where a trusted proxy names somebody whom nobody can read. The proxy's own address must not
/// stand for its clients then.
pub fn certain(client: &Client, headers: &HeaderMap, trust: Trust<'_>) -> Option<IpAddr> {
    let (name, read) = match said(client, headers, trust) {
        Said::List(name, read) => (name, read),
        Said::One(name) => return one(headers, name),
        Said::Nothing => return client.address,
    };
    let mut last = None;
    for hop in elements(headers, name).rev().map(read) {
        last = Some(hop?);
        if last.is_some_and(|hop| !trust.proxies.has(hop)) {
            break;
        }
    }
    last
}

/// Where it is said.
fn said<'a>(client: &Client, headers: &HeaderMap, trust: Trust<'a>) -> Said<'a> {
    let has = |name: &HeaderName| headers.contains_key(name);
    match trust.field {
        _ if !client.trusted => Said::Nothing,
        // some proxies pass on a client's own `Forwarded` untouched; hardly one does that with the older field
        _ if has(&X_FORWARDED_FOR) => Said::List(X_FORWARDED_FOR, address),
        _ if has(&header::FORWARDED) => Said::List(header::FORWARDED, node),
        Some(name) if has(name) => Said::One(name),
        _ => Said::Nothing,
    }
}

/// The one address that a field gives.
fn one(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let mut given = headers.get_all(name).iter();
    let address: IpAddr = given.next()?.to_str().ok()?.trim().parse().ok()?;
    given.next().is_none().then(|| address.to_canonical())
}

/// The last address that is not of a trusted proxy; if all are, the first. Reading stops at an element that is no address, since nobody
/// vouches for what stands before it.
fn last_untrusted(hops: impl DoubleEndedIterator<Item = Option<IpAddr>>, trusted: &TrustedProxies) -> Option<IpAddr> {
    let mut last = None;
    for hop in hops.rev() {
        let Some(address) = hop else { break };
        last = Some(address);
        if !trusted.has(address) {
            break;
        }
    }
    last
}

/// The elements of a list, over all lines of its field.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl DoubleEndedIterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().map(|line| HeaderValue::to_str(line).unwrap_or_default());
    lines.flat_map(|line| line.split(',')).map(|element| element.trim_matches([' ', '\t']))
}

/// The `for` of an element of `Forwarded`; one that says it twice is malformed (RFC 7239, section 4), and nobody can tell which of them its proxy has written.
fn node(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut nodes = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, node)| node.trim());
    let node = nodes.next()?;
    if nodes.next().is_some() {
        return None;
    }
    address(node.strip_prefix('"').and_then(|node| node.strip_suffix('"')).unwrap_or(node))
}

/// An address as proxies write it: with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|with_port: SocketAddr| with_port.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Networks;

    /// Proxies with these addresses.
    fn proxies<const N: usize>(networks: [&str; N]) -> TrustedProxies {
        let own = networks.map(|network| network.parse().unwrap()).to_vec();
        TrustedProxies::new(Networks { own, files: Vec::new() }).unwrap()
    }

    /// Who sent a request that 10.0.0.1 passes on with these lines of a field, when 10.0.0.0/8 is believed.
    fn sender(name: &'static str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_str(line).unwrap());
        }
        let trusted = proxies(["10.0.0.0/8", "2001:db8:1::/48"]);
        let client = Client::new("10.0.0.1".parse().ok(), false, true);
        find(&client, &headers, Trust { proxies: &trusted, field: None }).unwrap().to_string()
    }

    #[test]
    fn it_is_the_last_that_no_trusted_proxy_is() {
        let xff = |lines: &[&str]| sender("x-forwarded-for", lines);
        assert_eq!(xff(&["192.0.2.7"]), "192.0.2.7");
        assert_eq!(xff(&["6.6.6.6, 192.0.2.7"]), "192.0.2.7", "what stands before it is its own word");
        assert_eq!(xff(&["6.6.6.6", "192.0.2.7,10.2.0.1", "2001:db8:1::5"]), "192.0.2.7", "over several lines");
        assert_eq!(xff(&["10.3.0.1, 10.2.0.1"]), "10.3.0.1", "all within");
        assert_eq!(xff(&[]), "10.0.0.1");
    }

    #[test]
    fn what_can_t_be_read_ends_the_chain() {
        let xff = |lines: &[&str]| sender("x-forwarded-for", lines);
        for nothing in ["", "unknown", "6.6.6.6 7.7.7.7", "[::1", "\"", "é", "1.2.3.4:x"] {
            assert_eq!(xff(&[nothing]), "10.0.0.1", "{nothing}");
            assert_eq!(xff(&["6.6.6.6", nothing, "10.2.0.1"]), "10.2.0.1", "{nothing}");
        }
    }

    #[test]
    fn nobody_comes_in_under_the_address_of_a_proxy_that_names_somebody_whom_nobody_can_read() {
        let trusted = proxies(["10.0.0.0/8"]);
        let client = Client::new("10.0.0.1".parse().ok(), false, true);
        let who = |name: &'static str, value: &str| {
            let headers =
                HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())]);
            certain(&client, &headers, Trust { proxies: &trusted, field: None }).map(|address| address.to_string())
        };
        for (value, address) in [
            ("6.6.6.6, 192.0.2.7", Some("192.0.2.7")),
            ("192.0.2.7, 10.2.0.1", Some("192.0.2.7")),
            ("10.3.0.1, 10.2.0.1", Some("10.3.0.1")),
            ("unknown", None),
            ("", None),
            ("10.2.0.1, 6.6.6.6:x, 10.2.0.1", None),
            ("6.6.6.6, ", None),
        ] {
            assert_eq!(who("x-forwarded-for", value).as_deref(), address, "{value}");
        }
        assert_eq!(who("forwarded", "for=_hidden"), None);
        assert_eq!(who("forwarded", "for=6.6.6.6;for=192.0.2.7"), None, "twice in one element");
        assert_eq!(who("forwarded", "for=192.0.2.7;proto=http; FOR=192.0.2.7"), None, "the same one, too");
        assert_eq!(who("forwarded", "for=192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(who("x-other", "1").as_deref(), Some("10.0.0.1"));
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        for (written, address) in [
            ("192.0.2.7:4711", "192.0.2.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:DB8::1]:4711", "2001:db8::1"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
        ] {
            assert_eq!(sender("x-forwarded-for", &[written]), address, "{written}");
        }
        for (written, address) in [
            ("for=192.0.2.7", "192.0.2.7"),
            ("proto=https; For=\"[2001:db8::1]:4711\" ;by=_x", "2001:db8::1"),
            ("for=6.6.6.6, for=\"192.0.2.7:80\";host=a, for=10.2.0.1", "192.0.2.7"),
            ("for=_hidden", "10.0.0.1"),
            ("for=6.6.6.6;for=192.0.2.7", "10.0.0.1"),
            ("for=6.6.6.6, for=7.7.7.7;host=a;For=8.8.8.8, for=10.2.0.1", "10.2.0.1"),
            ("host=a", "10.0.0.1"),
        ] {
            assert_eq!(sender("forwarded", &[written]), address, "{written}");
        }
    }

    #[test]
    fn a_client_that_is_not_trusted_is_who_it_is() {
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, HeaderValue::from_static("6.6.6.6"))]);
        let client = Client::new("192.0.2.7".parse().ok(), false, false);
        assert_eq!(find(&client, &headers, Trust { proxies: &TrustedProxies::default(), field: None }), client.address);
    }

    #[test]
    fn a_trusted_proxy_that_says_nothing_else_is_believed_in_the_field_for_one_address() {
        let name = HeaderName::from_static("x-real-ip");
        let told = |trusted: bool, fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let client = Client::new("10.0.0.1".parse().ok(), false, trusted);
            let networks = proxies(["10.0.0.0/8"]);
            let trust = Trust { proxies: &networks, field: Some(&name) };
            let told = [find(&client, &headers, trust), certain(&client, &headers, trust)];
            told.map(|address| address.map_or_else(String::new, |address| address.to_string()))
        };
        let both = |address: &str| [address; 2].map(str::to_owned);
        assert_eq!(told(false, &[("x-real-ip", "6.6.6.6")]), both("10.0.0.1"));
        assert_eq!(told(true, &[("x-real-ip", "192.0.2.7")]), both("192.0.2.7"));
        assert_eq!(told(true, &[("x-real-ip", "::ffff:192.0.2.7")]), both("192.0.2.7"));
        assert_eq!(told(true, &[("x-real-ip", "6.6.6.6"), ("x-forwarded-for", "192.0.2.7")]), both("192.0.2.7"));
        assert_eq!(told(true, &[("x-real-ip", "6.6.6.6"), ("forwarded", "for=192.0.2.7")]), both("192.0.2.7"));
        let unreadable = ["10.0.0.1".to_owned(), String::new()];
        assert_eq!(told(true, &[("x-real-ip", "6.6.6.6"), ("x-forwarded-for", "unknown")]), unreadable);
        assert_eq!(told(true, &[("x-real-ip", "6.6.6.6"), ("x-real-ip", "7.7.7.7")]), unreadable);
        assert_eq!(told(true, &[("x-real-ip", "nonsense")]), unreadable);
        assert_eq!(told(true, &[]), both("10.0.0.1"));
    }
}
