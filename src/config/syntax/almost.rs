//! What was probably meant by an address or a network that can't be read: a replacement, or the part that is wrong, in words.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr as _;

use ipnet::{IpNet, Ipv4Net};

use super::Problem;
use super::host::{PORT, is_host_name, port};

/// Ports that are called by a name.
const NAMED_PORTS: [(&str, u16); 2] = [("http", 80), ("https", 443)];

/// What other proxies write behind an address to listen on.
const BEHIND: [&str; 6] = ["ssl", "tls", "http2", "default_server", "reuseport", "proxy_protocol"];

/// What is said of an address, or a network, that can't be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Guess {
    suggestion: Option<String>,
    help: Option<String>,
}

impl Guess {
    fn write(suggestion: String) -> Option<Self> {
        Some(Self { suggestion: Some(suggestion), help: None })
    }

    fn say(help: impl Into<String>) -> Option<Self> {
        Some(Self { suggestion: None, help: Some(help.into()) })
    }

    fn and_say(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Problem {
    /// With what was probably meant, where that is known.
    pub(super) fn guess(self, guess: Option<Guess>) -> Self {
        match guess {
            Some(Guess { suggestion, help }) => Self { suggestion, help, ..self },
            None => self,
        }
    }
}

/// Whether this is an IP address, or `is_name` a name, with a port.
fn is_socket(text: &str, takes_names: bool) -> bool {
    let is_named = || {
        let parts = text.rsplit_once(':');
        parts.is_some_and(|(host, number)| is_host_name(host) && port(number).is_some_and(|number| number > 0))
    };
    SocketAddr::from_str(text).is_ok() || (takes_names && is_named())
}

/// What was meant by an address that a listener can't be bound to.
pub(super) fn listen(text: &str) -> Option<Guess> {
    let first = text.split_whitespace().next().unwrap_or_default();
    let further: Vec<&str> = text.split_whitespace().skip(1).collect();
    if !further.is_empty() && further.iter().all(|word| BEHIND.contains(word)) {
        let help = "`bind` is the address alone; TLS is the section [listener.tls], and HTTP/2 is spoken by itself";
        let meant = match (is_socket(first, false), port(first)) {
            (true, _) => Some(first.to_owned()),
            (false, Some(port)) => Some(format!("0.0.0.0:{port}")),
            (false, None) => own_address(first).and_then(|guess| guess.suggestion),
        };
        return Some(Guess { suggestion: meant, help: Some(help.to_owned()) });
    }
    own_address(text).or_else(|| socket(text, false)).or_else(|| {
        let name = text.rsplit_once(':').map_or(text, |(host, _)| host);
        let help =
            "a listener is bound to an IP address of this machine: \"0.0.0.0\" and \"[::]\" stand for all of them";
        Guess::say(help).filter(|_| is_host_name(name))
    })
}

/// What stands for addresses of this machine.
fn own_address(text: &str) -> Option<Guess> {
    let text = without_scheme(text);
    let (host, number) = text.rsplit_once(':').unwrap_or((text, ""));
    match host.to_ascii_lowercase().as_str() {
        _ if port(text).is_some() => Guess::write(format!("127.0.0.1:{text}")),
        "" | "*" | "0" | "any" if port(number).is_some() => Guess::write(format!("0.0.0.0:{number}")),
        "localhost" if port(number).is_some() => Guess::write(format!("127.0.0.1:{number}")),
        "localhost" if number.is_empty() => Guess::say("the port is missing: \"127.0.0.1:8080\", for instance"),
        "::" if port(number).is_some() => Guess::write(format!("[::]:{number}")),
        _ if text.starts_with('/') => Guess::write(format!("unix:{text}")),
        _ => None,
    }
}

/// What was meant by the address of a backend.
pub(super) fn backend(text: &str) -> Option<Guess> {
    let Some((scheme, rest)) = text.split_once("://") else {
        let unix = Guess::write(format!("unix:{text}")).filter(|_| text.starts_with('/') && text.len() > 1);
        return unix.or_else(|| socket(text, true));
    };
    let (target, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_tls = matches!(scheme, "https" | "wss" | "tls" | "ssl" | "grpcs");
    let help = match (is_tls, path) {
        (true, _) => "an address has no scheme; TLS towards the backends is [service.NAME.tls]".to_owned(),
        (false, "") => "an address has no scheme".to_owned(),
        (false, path) => format!(
            "an address has no scheme and no path; what a route puts in place of its prefix is rewrite = {{ prefix = \"/{path}\" }}"
        ),
    };
    let of_scheme = format!("{target}:{}", if is_tls { 443 } else { 80 });
    let meant = [target.to_owned(), of_scheme].into_iter().find(|address| is_socket(address, true));
    let meant = meant.or_else(|| socket(target, true).and_then(|guess| guess.suggestion));
    Some(Guess { suggestion: meant, help: Some(help) })
}

/// What was meant by an address and a port.
pub(super) fn socket(text: &str, takes_names: bool) -> Option<Guess> {
    let bare = without_scheme(text.trim());
    let joined: String = bare.split_whitespace().collect();
    if joined != text && is_socket(&joined, takes_names) {
        return Guess::write(joined);
    }
    let (host, number) = bare.rsplit_once(':').unwrap_or((bare, ""));
    if Ipv6Addr::from_str(host).is_ok() && port(number).is_some() {
        let help = "an IPv6 address with a port stands in brackets";
        return Guess::write(format!("[{host}]:{number}")).map(|guess| guess.and_say(help));
    }
    if let Some((_, number)) = NAMED_PORTS.iter().find(|(name, _)| *name == number) {
        return Guess::write(format!("{host}:{number}")).filter(|_| is_socket(&format!("{host}:1"), takes_names));
    }
    if let Some(separated) = separated(bare).filter(|separated| is_socket(separated, takes_names)) {
        return Guess::write(separated).map(|guess| guess.and_say("address and port are separated by `:`"));
    }
    if let Some(guess) = four_numbers(host) {
        return Some(guess);
    }
    let is_bracketed = bare.starts_with('[') && bare.ends_with(']');
    if IpAddr::from_str(bare.trim_matches(['[', ']'])).is_ok() {
        let host = if bare.contains(':') && !is_bracketed { format!("[{bare}]") } else { bare.to_owned() };
        return Guess::say(format!("the port is missing: \"{host}:8080\", for instance"));
    }
    let is_address = is_socket(&format!("{host}:1"), true);
    match number {
        "" if is_address && takes_names => Guess::say(format!("the port is missing: \"{host}:8080\", for instance")),
        "" => None,
        number if is_address && port(number).is_none_or(|number| number == 0) => Guess::say(PORT),
        _ => None,
    }
}

/// Without what stands before "://", and without the path behind.
fn without_scheme(text: &str) -> &str {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    match scheme.is_empty() || rest.is_empty() {
        true => text.strip_suffix('/').unwrap_or(text),
        false => rest.split('/').next().unwrap_or_default(),
    }
}

/// An address whose port is separated from it by something else.
fn separated(text: &str) -> Option<String> {
    let (host, number) = text.rsplit_once([',', ' ', ';', '.', '#'])?;
    let is_own = |host: &str| Ipv4Addr::from_str(host).is_ok() || (host.starts_with('[') && host.ends_with(']'));
    port(number)?;
    is_own(host.trim_end()).then(|| format!("{}:{number}", host.trim_end()))
}

/// What is wrong with four numbers that make no IPv4 address.
fn four_numbers(text: &str) -> Option<Guess> {
    let parts: Vec<&str> = text.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() < 2 || !parts.iter().all(is_number) || Ipv4Addr::from_str(text).is_ok() {
        return None;
    }
    if parts.len() != 4 {
        return Guess::say(format!("an IPv4 address has four numbers, and `{text}` has {}", parts.len()));
    }
    match parts.iter().find(|part| part.parse::<u8>().is_err()) {
        Some(large) => Guess::say(format!("each number of an IPv4 address is from 0 to 255, and {large} is not")),
        None => Guess::say("the numbers of an IPv4 address have no leading zeros"),
    }
}

/// What was meant by a path that does not begin with "/".
pub(super) fn path(text: &str) -> Option<Guess> {
    if let Some((_, rest)) = text.split_once("://") {
        let path = rest.find('/').map(|at| rest[at..].to_owned());
        return Some(Guess { suggestion: path, help: Some("the host is a condition of its own: `host`".to_owned()) });
    }
    if text.starts_with(['~', '^']) {
        return Guess::say("a regular expression is `path_regex`");
    }
    match text {
        "" | "*" => Guess::say("every path begins with \"/\""),
        text => Guess::write(format!("/{text}")),
    }
}

/// What was meant by a host that is none.
pub(super) fn host(text: &str) -> Option<Guess> {
    if text.contains([',', ' ', '|']) {
        return Guess::say("it is one host: write a route for each of them");
    }
    if text.starts_with(['~', '^']) || text.contains(['(', '$', '\\']) {
        return Guess::say("a host has no regular expressions: \"*.example.com\" is every name below one");
    }
    if let Some(name) = text.strip_prefix('.').filter(|name| is_host_name(name)) {
        return Guess::write(format!("*.{name}"));
    }
    text.contains('*')
        .then(|| Guess::say("`*` stands for the names below a host, at its beginning: \"*.example.com\""))
        .flatten()
}

/// What was meant by a network.
pub(super) fn network(text: &str) -> Option<Guess> {
    let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if bare != text && (IpNet::from_str(&bare).is_ok() || IpAddr::from_str(&bare).is_ok()) {
        return Guess::write(bare);
    }
    if let Ok(socket) = SocketAddr::from_str(&bare) {
        return Guess::write(socket.ip().to_string()).map(|guess| guess.and_say("a network has no port"));
    }
    if bare == "localhost" {
        return Guess::write("127.0.0.1".to_owned()).map(|guess| guess.and_say("a network is no name"));
    }
    if let Some((first, last)) = bare.split_once('-') {
        return range(first, last);
    }
    if bare.contains(',') {
        return Guess::say("each network is a string of its own");
    }
    let (address, prefix) = bare.split_once('/').unwrap_or((&bare, ""));
    let whole = whole_address(address);
    if let Some((address, bits)) = &whole
        && prefix.bytes().all(|byte| byte.is_ascii_digit())
    {
        let bits = if prefix.is_empty() { bits.to_string() } else { prefix.to_owned() };
        return IpNet::from_str(&format!("{address}/{bits}"))
            .ok()
            .and_then(|net| Guess::write(net.trunc().to_string()));
    }
    if let Some(guess) = four_numbers(address) {
        return Some(guess);
    }
    let address = IpAddr::from_str(address.trim_matches(['[', ']'])).ok()?;
    if !bare.contains('/') {
        return Guess::write(address.to_string());
    }
    let most = if address.is_ipv4() { 32 } else { 128 };
    match (prefix.split_once('/'), Ipv4Addr::from_str(prefix)) {
        (Some((first, _)), _) => {
            let meant = IpNet::from_str(&format!("{address}/{first}")).ok()?;
            Guess::write(meant.trunc().to_string()).map(|guess| guess.and_say("a network has one `/`"))
        }
        (None, Ok(mask)) => {
            let bits = ipnet::ip_mask_to_prefix(IpAddr::V4(mask)).ok()?;
            Guess::write(IpNet::new(address, bits).ok()?.trunc().to_string())
        }
        (None, Err(_)) => {
            let kind = if most == 32 { "IPv4" } else { "IPv6" };
            Guess::say(format!("the number behind the `/` of an {kind} network is from 0 to {most}"))
        }
    }
}

/// An IPv4 address of which the last numbers are left out, or are asterisks, with the bits that are said.
fn whole_address(text: &str) -> Option<(String, usize)> {
    let parts: Vec<&str> = text.trim_end_matches('.').split('.').collect();
    let said: Vec<&str> = parts.iter().copied().take_while(|part| !matches!(*part, "*" | "x")).collect();
    let rest = &parts[said.len()..];
    let is_short = rest.is_empty() && parts.len() < 4;
    if said.is_empty() || said.iter().any(|part| part.parse::<u8>().is_err()) || parts.len() > 4 {
        return None;
    }
    let mut whole = said.join(".");
    for _ in said.len()..4 {
        whole.write_str(".0").ok()?;
    }
    (is_short || (!rest.is_empty() && rest.iter().all(|part| matches!(*part, "*" | "x"))))
        .then_some((whole, said.len() * 8))
}

/// A range that is exactly one network.
fn range(first: &str, last: &str) -> Option<Guess> {
    let (first, last) = (Ipv4Addr::from_str(first).ok()?, Ipv4Addr::from_str(last).ok()?);
    let count = u32::from(last).checked_sub(u32::from(first))?.checked_add(1)?;
    let prefix = 32 - count.ilog2();
    let net = Ipv4Net::new(first, u8::try_from(prefix).ok()?).ok()?;
    match net.network() == first && net.broadcast() == last {
        true => Guess::write(net.to_string()),
        false => Guess::say("a range is written as the networks that it consists of"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(guess: Option<Guess>) -> (Option<String>, String) {
        let Guess { suggestion, help } = guess.unwrap_or_default();
        (suggestion, help.unwrap_or_default())
    }

    #[test]
    fn an_address_to_listen_on_is_completed() {
        for (text, written) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("*:8080", "0.0.0.0:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("::1:27102", "[::1]:27102"),
            (":::8080", "[::]:8080"),
            ("http://0.0.0.0:80", "0.0.0.0:80"),
            ("http://0.0.0.0:80/", "0.0.0.0:80"),
            ("tcp://:80", "0.0.0.0:80"),
            ("127.0.0.1,80", "127.0.0.1:80"),
            ("127.0.0.1.80", "127.0.0.1:80"),
            ("127.0.0.1 80", "127.0.0.1:80"),
            ("127.0.0.1:http", "127.0.0.1:80"),
            (" 127.0.0.1:80", "127.0.0.1:80"),
            ("443 ssl", "0.0.0.0:443"),
            ("0.0.0.0:443 ssl http2", "0.0.0.0:443"),
            ("/run/web.sock", "unix:/run/web.sock"),
        ] {
            assert_eq!(meant(listen(text)).0.as_deref(), Some(written), "{text}");
        }
        for (text, said) in [
            ("127.0.0.256:80", "256 is not"),
            ("127.0.0:80", "has 3"),
            ("127.0.0.01:80", "leading zeros"),
            ("127.0.0.1", "\"127.0.0.1:8080\""),
            ("::1", "\"[::1]:8080\""),
            ("[::1]", "\"[::1]:8080\""),
            ("127.0.0.1:80800", "65535"),
            ("localhost:", "\"127.0.0.1:8080\""),
            ("example.com:80", "bound to an IP address"),
        ] {
            let (suggestion, help) = meant(listen(text));
            assert!(suggestion.is_none() && help.contains(said), "{text}: {suggestion:?} {help}");
        }
    }

    #[test]
    fn an_address_of_a_backend_is_completed() {
        for (text, written) in [
            ("::1:27102", "[::1]:27102"),
            ("10.0.0.1;80", "10.0.0.1:80"),
            ("h2c://10.0.0.1:80", "10.0.0.1:80"),
            ("http://10.0.0.1", "10.0.0.1:80"),
            ("https://api.internal/v1", "api.internal:443"),
            ("/run/app.sock", "unix:/run/app.sock"),
            ("api.internal:https", "api.internal:443"),
            ("api.internal:80/", "api.internal:80"),
        ] {
            assert_eq!(meant(backend(text)).0.as_deref(), Some(written), "{text}");
        }
        for (text, said) in [
            ("localhost:", "\"localhost:8080\""),
            ("api.internal", "\"api.internal:8080\""),
            ("10.0.0.1", "\"10.0.0.1:8080\""),
            ("10.0.0.300:80", "300 is not"),
            ("api.internal:99999", "65535"),
            ("api.internal:x", "65535"),
        ] {
            let (suggestion, help) = meant(backend(text));
            assert!(suggestion.is_none() && help.contains(said), "{text}: {suggestion:?} {help}");
        }
        assert_eq!(socket("a b c", true), None);
    }

    #[test]
    fn a_network_is_completed() {
        for (text, written) in [
            ("10.0.0.0/24/8", "10.0.0.0/24"),
            ("10.0.0.0 / 8", "10.0.0.0/8"),
            ("10.1.2.3/255.0.0.0", "10.0.0.0/8"),
            ("10.0.0.*", "10.0.0.0/24"),
            ("10.*.*.*", "10.0.0.0/8"),
            ("10/8", "10.0.0.0/8"),
            ("192.168.", "192.168.0.0/16"),
            ("10.0.0.0-10.0.0.255", "10.0.0.0/24"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("localhost", "127.0.0.1"),
        ] {
            assert_eq!(meant(network(text)).0.as_deref(), Some(written), "{text}");
        }
        for (text, said) in [
            ("10.0.0.0/33", "from 0 to 32"),
            ("::/129", "from 0 to 128"),
            ("10.0.0.0/", "from 0 to 32"),
            ("10.0.0.256/24", "256 is not"),
            ("10.0.0.1-10.0.0.7", "the networks that it consists of"),
        ] {
            let (suggestion, help) = meant(network(text));
            assert!(suggestion.is_none() && help.contains(said), "{text}: {suggestion:?} {help}");
        }
        for text in ["office", "", "10.*.0.1", "*"] {
            assert_eq!(network(text), None, "{text}");
        }
    }
}
