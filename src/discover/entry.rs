//! One backend as sources of text have it: the keys of a `[[service.NAME.backend]]`, in JSON.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::Backend;
use crate::endpoint::Target;
use crate::io::{self, HostPort, Resolved};
use crate::policy::MOST_PATHS;

/// The time that the look-ups of all names in a file may take together. It is less than the time that a configuration waits for first answers.
const PATIENCE: Duration = Duration::from_secs(3);

/// A backend as it is written. Each names its address, or several.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    address: Option<String>,
    /// Instead of `address`: paths to one machine.
    #[serde(default)]
    addresses: Vec<SocketAddr>,
    pub(super) id: Option<String>,
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

/// The addresses of the names that entries have.
#[derive(Debug, Default)]
pub(super) struct LookedUp(HashMap<HostPort, Resolved>);

impl LookedUp {
    /// Looks up the names of all these entries at once. Blocks.
    pub(super) fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let names = entries.filter_map(|entry| name(entry.address.as_deref()?));
        Self(io::resolve_all(names.map(|(host, port)| (host.to_owned(), port)), PATIENCE))
    }
}

impl Entry {
    /// An entry with nothing but an address.
    pub(super) fn at(address: String) -> Self {
        Self {
            address: Some(address),
            addresses: Vec::new(),
            id: None,
            weight: one(),
            zone: String::new(),
            max_connections: 0,
            backup: false,
            drain: false,
        }
    }

    /// The backend. Its id, where it has none, is its address. `folder` is what relative paths of sockets are relative to; `None` = they have
    /// to be absolute.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for people.
    pub(super) fn backend(self, folder: Option<&Path>, names: &LookedUp) -> Result<Backend, String> {
        let are_paths = self.addresses.len() > 1;
        let (address, parsed) = match (self.address, &self.addresses[..]) {
            (Some(address), []) => {
                let parsed = parse_address(&address, folder, &names.0)?;
                (address, parsed)
            }
            (None, [first, ..]) => (first.to_string(), parse_paths(&self.addresses)?),
            (Some(address), _) => return Err(format!("`{address}` has `address` and `addresses`: one is enough")),
            (None, []) => return Err("a backend has no `address`".to_owned()),
        };
        let ParsedAddress { target, further, unresolved, host } = parsed;
        let id = self.id.unwrap_or_else(|| address.clone());
        if id.is_empty() {
            return Err(format!("the id of `{address}` is empty"));
        }
        Ok(Backend {
            id,
            name: address,
            target,
            further,
            are_paths,
            unresolved,
            host,
            weight: self.weight,
            zone: self.zone,
            max_connections: self.max_connections,
            backup: self.backup,
            drain: self.drain,
        })
    }
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

fn parse_address(
    address: &str,
    folder: Option<&Path>,
    found: &HashMap<HostPort, Resolved>,
) -> Result<ParsedAddress, String> {
    let known = |target: Target, host: String| ParsedAddress { target, further: Vec::new(), unresolved: None, host };
    if let Some(path) = address.strip_prefix("unix:") {
        let path = match folder {
            _ if path.is_empty() => return Err("a Unix socket needs a path".to_owned()),
            None if !path.starts_with('/') => return Err(format!("`{address}` needs an absolute path here")),
            folder => folder.map_or_else(|| PathBuf::from(path), |folder| folder.join(path)),
        };
        return Ok(known(Target::Unix(path), "localhost".to_owned()));
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
pub(super) fn keep<'a>(backends: &mut [Backend], last: impl IntoIterator<Item = &'a Backend>) {
    let had: HashMap<(&str, &str), &Backend> =
        last.into_iter().filter(|had| had.unresolved.is_none()).map(|had| ((&*had.id, &*had.name), had)).collect();
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
