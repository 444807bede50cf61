//! Backends from a JSON file, with the keys that a `[[service.NAME.backend]]` has:
//!
//! ```json
//! [{ "address": "10.0.0.1:8080", "weight": 2, "zone": "a" }, { "address": "unix:/run/api.sock", "id": "local" }]
//! ```
//!
//! A file with a mistake in it is refused as a whole: half of a list looks like a fleet that is half gone. A name that can't be looked up
//! is no mistake: its backend is there, without an address.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{Backend, MOST, sorted};
use crate::endpoint::Target;
use crate::io::{self, HostPort, Resolved};
use crate::policy::MOST_PATHS;

/// The time that the look-ups of all names in a file may take together. It is less than the time that a configuration waits for first answers.
const PATIENCE: Duration = Duration::from_secs(3);

/// The largest file that is read.
pub const LARGEST: u64 = 16 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBackend {
    address: Option<String>,
    /// Instead of `address`: paths to one machine.
    #[serde(default)]
    addresses: Vec<SocketAddr>,
    id: Option<String>,
    #[serde(default = "one")]
    weight: u32,
    #[serde(default)]
    zone: String,
    #[serde(default)]
    max_connections: u32,
    #[serde(default)]
    backup: bool,
    #[serde(default)]
    drain: bool,
}

fn one() -> u32 {
    1
}

/// Reads the backends that are in a file, sorted by id. `last` is what was read from it before: of names that can't be looked up now the
/// addresses stay. Blocks: it reads a disk and may look up names.
///
/// # Errors
///
/// What is wrong with the file, for people.
pub fn read(path: &Path, last: &[Backend]) -> Result<Vec<Backend>, String> {
    let in_file = |reason: String| format!("{}: {reason}", path.display());
    let text = load(path).map_err(in_file)?;
    let mut backends = parse(&text, path.parent().unwrap_or(Path::new("."))).map_err(in_file)?;
    keep(&mut backends, last);
    Ok(backends)
}

fn load(path: &Path) -> Result<Vec<u8>, String> {
    let why = |error: std::io::Error| error.to_string();
    // anything else (a pipe, a terminal) could keep us waiting for ever
    if !std::fs::metadata(path).map_err(why)?.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut text = Vec::new();
    File::open(path).map_err(why)?.take(LARGEST + 1).read_to_end(&mut text).map_err(why)?;
    if text.len() as u64 > LARGEST {
        return Err(format!("it is larger than {} MiB", LARGEST >> 20));
    }
    Ok(text)
}

/// `folder`: what relative paths of sockets are relative to.
fn parse(text: &[u8], folder: &Path) -> Result<Vec<Backend>, String> {
    let raw: Vec<RawBackend> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if raw.len() > MOST {
        return Err(format!("it has {} backends, more than {MOST}", raw.len()));
    }
    let names = raw.iter().filter_map(|one| name(one.address.as_deref()?));
    let found = io::resolve_all(names.map(|(host, port)| (host.to_owned(), port)), PATIENCE);
    let mut ids = HashSet::with_capacity(raw.len());
    let mut backends = Vec::with_capacity(raw.len());
    for one in raw {
        let are_paths = one.addresses.len() > 1;
        let (address, parsed) = match (one.address, &one.addresses[..]) {
            (Some(address), []) => {
                let parsed = parse_address(&address, folder, &found)?;
                (address, parsed)
            }
            (None, [first, ..]) => (first.to_string(), parse_paths(&one.addresses)?),
            (Some(address), _) => return Err(format!("`{address}` has `address` and `addresses`: one is enough")),
            (None, []) => return Err("a backend has no `address`".to_owned()),
        };
        let ParsedAddress { target, further, unresolved, host } = parsed;
        let id = one.id.unwrap_or_else(|| address.clone());
        if id.is_empty() {
            return Err(format!("the id of `{address}` is empty"));
        }
        if !ids.insert(id.clone()) {
            return Err(format!("two backends are called `{id}`"));
        }
        backends.push(Backend {
            id,
            name: address,
            target,
            further,
            are_paths,
            unresolved,
            host,
            weight: one.weight,
            zone: one.zone,
            max_connections: one.max_connections,
            backup: one.backup,
            drain: one.drain,
        });
    }
    sorted(backends)
}

/// The address of a backend as it is used, and its host part.
struct ParsedAddress {
    target: Target,
    further: Vec<SocketAddr>,
    unresolved: Option<String>,
    host: String,
}

/// The addresses of a backend that has several, which are paths to it.
fn parse_paths(all: &[SocketAddr]) -> Result<ParsedAddress, String> {
    if all.len() > MOST_PATHS {
        return Err(format!("a backend has {} addresses, more than {MOST_PATHS}", all.len()));
    }
    for (at, one) in all.iter().enumerate() {
        if one.port() == 0 || one.ip().is_unspecified() {
            return Err(format!("`{one}` is no address of a backend: IP:PORT"));
        }
        if all[..at].contains(one) {
            return Err(format!("a backend has the address {one} twice"));
        }
    }
    let first = all[0];
    let (target, host) = (Target::Tcp(first), first.ip().to_string());
    Ok(ParsedAddress { target, further: all[1..].to_vec(), unresolved: None, host })
}

fn parse_address(address: &str, folder: &Path, found: &HashMap<HostPort, Resolved>) -> Result<ParsedAddress, String> {
    let known = |target: Target, host: String| ParsedAddress { target, further: Vec::new(), unresolved: None, host };
    if let Some(path) = address.strip_prefix("unix:") {
        return match path {
            "" => Err("a Unix socket needs a path".to_owned()),
            path => Ok(known(Target::Unix(folder.join(PathBuf::from(path))), "localhost".to_owned())),
        };
    }
    let bad = || format!("`{address}` is no address of a backend: IP:PORT, NAME:PORT or unix:PATH");
    if let Ok(socket) = address.parse::<SocketAddr>() {
        let usable = socket.port() != 0 && !socket.ip().is_unspecified();
        return if usable { Ok(known(Target::Tcp(socket), socket.ip().to_string())) } else { Err(bad()) };
    }
    let (host, port) = name(address).ok_or_else(bad)?;
    let mut parsed = known(Target::Tcp((Ipv4Addr::UNSPECIFIED, port).into()), host.to_ascii_lowercase());
    match found.get(&(host.to_owned(), port)) {
        Some(Ok(all)) => {
            if let [first, further @ ..] = &all[..] {
                (parsed.target, parsed.further) = (Target::Tcp(*first), further.to_vec());
            }
        }
        Some(Err(reason)) => parsed.unresolved = Some(reason.clone()),
        None => return Err(bad()),
    }
    Ok(parsed)
}

/// The name and the port that are to be looked up, where an address has them.
fn name(address: &str) -> Option<(&str, u16)> {
    let is_one = !address.starts_with("unix:") && address.parse::<SocketAddr>().is_err();
    host_and_port(address).filter(|_| is_one)
}

/// A name that can't be looked up keeps the addresses that it had.
fn keep(backends: &mut [Backend], last: &[Backend]) {
    let had: HashMap<(&str, &str), &Backend> =
        last.iter().filter(|had| had.unresolved.is_none()).map(|had| ((&*had.id, &*had.name), had)).collect();
    for backend in backends.iter_mut().filter(|backend| backend.unresolved.is_some()) {
        if let Some(had) = had.get(&(&*backend.id, &*backend.name)) {
            (backend.target, backend.further, backend.unresolved) = (had.target.clone(), had.further.clone(), None);
        }
    }
}

/// The parts of `NAME:PORT`.
pub fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (!host.is_empty() && host.len() <= 254 && host.bytes().all(is_name)).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Backend>, String> {
        super::parse(text.as_bytes(), Path::new("/etc/evenkeel"))
    }

    #[test]
    fn keys_have_the_defaults_of_the_configuration_and_ids_are_in_order() {
        let all = parse(
            r#"[{ "address": "10.0.0.2:80" },
                { "address": "[::1]:80", "id": "0", "weight": 7, "zone": "z", "max_connections": 5, "backup": true, "drain": true },
                { "address": "unix:api.sock" }]"#,
        )
        .unwrap();
        assert_eq!(all.iter().map(|backend| &*backend.id).collect::<Vec<_>>(), ["0", "10.0.0.2:80", "unix:api.sock"]);
        let full = Backend {
            id: "0".to_owned(),
            name: "[::1]:80".to_owned(),
            target: Target::Tcp("[::1]:80".parse().unwrap()),
            further: Vec::new(),
            are_paths: false,
            unresolved: None,
            host: "::1".to_owned(),
            weight: 7,
            zone: "z".to_owned(),
            max_connections: 5,
            backup: true,
            drain: true,
        };
        assert_eq!(all[0], full);
        assert_eq!((all[1].weight, &*all[1].host, all[1].backup), (1, "10.0.0.2", false));
        assert_eq!(all[2].target, Target::Unix("/etc/evenkeel/api.sock".into()));
        assert_eq!(parse("[]"), Ok(Vec::new()));
    }

    #[test]
    fn several_addresses_are_paths_to_one_backend() {
        let all = parse(
            r#"[{ "addresses": ["10.0.1.5:80", "10.9.1.5:80"], "zone": "z" }, { "addresses": ["10.0.1.6:80"] }]"#,
        );
        let all = all.unwrap();
        assert_eq!((&*all[0].id, &*all[0].name, &*all[0].host), ("10.0.1.5:80", "10.0.1.5:80", "10.0.1.5"));
        assert_eq!((all[0].are_paths, &all[0].further[..]), (true, &["10.9.1.5:80".parse().unwrap()][..]));
        assert!(!all[1].are_paths && all[1].further.is_empty(), "one way is no choice");
        for bad in [
            r#"[{ "id": "a" }]"#,
            r#"[{ "addresses": [] }]"#,
            r#"[{ "address": "10.0.1.5:80", "addresses": ["10.9.1.5:80"] }]"#,
            r#"[{ "addresses": ["10.0.1.5:80", "10.0.1.5:80"] }]"#,
            r#"[{ "addresses": ["10.0.1.5:80", "api.internal:80"] }]"#,
            r#"[{ "addresses": ["10.0.1.5:80", "10.0.1.5:0"] }]"#,
        ] {
            parse(bad).unwrap_err();
        }
    }

    #[test]
    fn names_are_looked_up() {
        let local = parse(r#"[{ "address": "LocalHost:81" }]"#).unwrap();
        let Target::Tcp(address) = &local[0].target else { panic!("{local:?}") };
        assert!(address.ip().is_loopback() && address.port() == 81 && local[0].host == "localhost");
    }

    #[test]
    fn a_name_that_can_not_be_looked_up_has_no_address_or_keeps_the_one_that_it_had() {
        // RFC 6761: never resolves
        let text = r#"[{ "address": "10.0.0.1:80" }, { "address": "gone.invalid:81" }]"#;
        let mut all = parse(text).unwrap();
        assert_eq!((all.len(), &all[0].unresolved, &*all[1].host), (2, &None, "gone.invalid"));
        assert!(all[1].unresolved.is_some() && all[1].target == Target::Tcp("0.0.0.0:81".parse().unwrap()));
        let there = Target::Tcp("10.0.0.2:81".parse().unwrap());
        let had =
            |name: &str| Backend { name: name.to_owned(), target: there.clone(), unresolved: None, ..all[1].clone() };
        let (other, same) = (had("other.invalid:81"), had("gone.invalid:81"));
        keep(&mut all, &[other]);
        assert!(all[1].unresolved.is_some(), "another name's address is not its own");
        keep(&mut all, &[same]);
        assert_eq!((&all[1].unresolved, &all[1].target), (&None, &there));
    }

    #[test]
    fn a_mistake_refuses_the_whole_file() {
        for (text, reason) in [
            ("", "EOF"),
            ("{}", "expected a sequence"),
            (r#"[{ "address": "10.0.0.1:80", "wieght": 1 }]"#, "`wieght`"),
            (r#"[{ "weight": 1 }]"#, "`address`"),
            (r#"[{ "address": "10.0.0.1:80", "weight": -1 }]"#, "-1"),
            (r#"[{ "address": "10.0.0.1:80", "weight": 1, "weight": 2 }]"#, "duplicate"),
            (r#"[{ "address": "10.0.0.1:80" }, { "address": "10.0.0.1:80" }]"#, "two backends"),
            (r#"[{ "address": "10.0.0.1" }]"#, "NAME:PORT"),
            (r#"[{ "address": "0.0.0.0:80" }]"#, "NAME:PORT"),
            (r#"[{ "address": "10.0.0.1:0" }]"#, "NAME:PORT"),
            (r#"[{ "address": "http://api:80" }]"#, "NAME:PORT"),
            (r#"[{ "address": ":80" }]"#, "NAME:PORT"),
            (r#"[{ "address": "unix:" }]"#, "path"),
            (r#"[{ "address": "10.0.0.1:80", "id": "" }]"#, "empty"),
            (r#"[{ "address": "10.0.0.1:80" }] x"#, "trailing"),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }

    #[test]
    fn there_is_a_limit_to_how_many() {
        let list = |count: usize| {
            let entry = |at| format!(r#"{{"address":"10.0.{}.{}:80"}}"#, at / 256, at % 256);
            let raw: Vec<_> = (0..count).map(entry).collect();
            parse(&format!("[{}]", raw.join(",")))
        };
        assert_eq!(list(MOST).map(|all| all.len()), Ok(MOST));
        assert!(list(MOST + 1).unwrap_err().contains("10001"));
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        assert!(read(Path::new("/dev/zero"), &[]).unwrap_err().contains("not a file"));
        assert!(read(Path::new("/nowhere/at/all"), &[]).unwrap_err().starts_with("/nowhere/at/all: "));
    }
}
