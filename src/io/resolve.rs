//! Looks names up as the system does: by DNS, the hosts file, and whatever else it is configured to ask.

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A host and a port.
pub type HostPort = (String, u16);

/// All addresses of a name, in the order of the system's resolver (RFC 6724), each once and at least one; or why there is none, for people.
pub type Resolved = Result<Vec<SocketAddr>, String>;

/// How many names are looked up at a time. Each has a thread, which does nothing but wait, for as long as a name server
/// is silent: half a minute and more. The number is this high so that silent name servers don't hold up the other
/// names.
pub const AT_ONCE: usize = 128;

/// The system's resolver needs little, and a thread's usual stack is 2 MiB.
const STACK_BYTES: usize = 256 << 10;

/// Looks a name up. This may take half a minute, so it is not for a thread that serves.
///
/// # Errors
///
/// Why there is no address, for people.
pub fn resolve(host: &str, port: u16) -> Resolved {
    let mut all: Vec<SocketAddr> = Vec::new();
    // the caller's message says already that the look-up failed
    let why = |error: std::io::Error| error.to_string().replace("failed to lookup address information: ", "");
    for address in (host, port).to_socket_addrs().map_err(why)? {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    if all.is_empty() { Err("it has no address".to_owned()) } else { Ok(all) }
}

/// Looks names up, each once and many at a time, and waits no longer than `patience`: a name without an answer by then
/// has no address.
pub fn resolve_all(names: impl IntoIterator<Item = HostPort>, patience: Duration) -> HashMap<HostPort, Resolved> {
    look_up(resolve, names, patience)
}

/// How a name is looked up.
type Resolve = fn(&str, u16) -> Resolved;

fn look_up(
    resolve: Resolve,
    names: impl IntoIterator<Item = HostPort>,
    patience: Duration,
) -> HashMap<HostPort, Resolved> {
    let deadline = Instant::now() + patience;
    let names: HashSet<HostPort> = names.into_iter().collect();
    let none = || Err(format!("no answer within {patience:?}"));
    let mut answers: HashMap<HostPort, Resolved> = names.iter().map(|name| (name.clone(), none())).collect();
    let (tell, told) = channel();
    let threads = names.len().min(AT_ONCE);
    let waiting = Arc::new(Mutex::new(names.into_iter().collect::<Vec<_>>()));
    for _ in 0..threads {
        let (waiting, tell) = (Arc::clone(&waiting), tell.clone());
        // where a thread can't be started the others do its work; one that is held up by a name server ends when that
        // answers, or gives up
        let _ = thread::Builder::new()
            .name("names".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || answer(resolve, &waiting, &tell));
    }
    drop(tell);
    while let Ok((name, found)) = told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        answers.insert(name, found);
    }
    answers
}

/// Looks up waiting names one after the other, until there are none or nobody receives the answers.
fn answer(resolve: Resolve, waiting: &Mutex<Vec<HostPort>>, tell: &Sender<(HostPort, Resolved)>) {
    // a panic while the lock is held leaves the list whole
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
    while let Some(name) = next() {
        let found = resolve(&name.0, name.1);
        if tell.send((name, found)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_get_no_answer_hold_up_neither_the_others_nor_the_caller() {
        let resolve: Resolve = |host, port| {
            if host.starts_with("silent") {
                thread::park();
            }
            if host == "gone" { Err("no such name".to_owned()) } else { Ok(vec![([10, 0, 0, 1], port).into()]) }
        };
        let silent = (0..AT_ONCE - 1).map(|number| (format!("silent{number}"), 80));
        let others = ["a", "b", "gone", "a"].map(|name| (name.to_owned(), 80));
        let answers = look_up(resolve, silent.chain(others), Duration::from_millis(500));
        let of = |name: &str| answers[&(name.to_owned(), 80)].clone();
        assert_eq!(answers.len(), AT_ONCE + 2);
        assert_eq!(of("silent0"), Err("no answer within 500ms".to_owned()));
        // a thread that is parked may be woken for no reason
        let found = Ok(vec!["10.0.0.1:80".parse().unwrap()]);
        assert_eq!((of("a"), of("b"), of("gone")), (found.clone(), found, Err("no such name".to_owned())));
    }
}
