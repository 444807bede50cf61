//! Backends from a JSON file, with the keys that a `[[service.NAME.backend]]` has:
//!
//! ```json
//! [{ "address": "10.0.0.1:8080", "weight": 2, "zone": "a" }, { "address": "unix:/run/api.sock", "id": "local" }]
//! ```
//!
//! A file with a mistake in it is refused as a whole: half of a list looks like a fleet that is half gone. A name that can't be looked up
//! is no mistake: its backend is there, without an address.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::entry::{Entry, LookedUp, keep};
use super::{Backend, MOST, sorted};

/// The largest file that is read.
pub const LARGEST: u64 = 16 << 20;

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
    let entries: Vec<Entry> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if entries.len() > MOST {
        return Err(format!("it has {} backends, more than {MOST}", entries.len()));
    }
    let names = LookedUp::of(entries.iter());
    let mut ids = HashSet::with_capacity(entries.len());
    let mut backends = Vec::with_capacity(entries.len());
    for entry in entries {
        let backend = entry.backend(Some(folder), &names)?;
        if !ids.insert(backend.id.clone()) {
            return Err(format!("two backends are called `{}`", backend.id));
        }
        backends.push(backend);
    }
    sorted(backends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Target;

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
