//! Looking up names through the system's resolver: DNS, the hosts file, and what else it is configured to use.

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A host and a port.
pub type Name = (String, u16);

/// The addresses of a name in the resolver's order (RFC 6724): at least one, without duplicates; or a text that says why there is
/// none.
pub type Found = Result<Vec<SocketAddr>, String>;

/// The most names that are looked up at the same time. Each takes a thread that only waits. A name server that does not answer
/// blocks it for half a minute and more, and this many blocked threads must not hold up other names.
pub const AT_ONCE: usize = 128;

/// The stack of a look-up thread. The system's resolver needs little, whereas the default is 2 MiB.
const STACK_BYTES: usize = 256 << 10;

/// Looks up a name. This may block for a long time, so it must not be called on a thread that serves clients.
///
/// # Errors
///
/// A text that says why there is no address.
pub fn resolve(host: &str, port: u16) -> Found {
    let mut all: Vec<SocketAddr> = Vec::new();
    // the prefix is removed because the caller's message says what failed
    let why = |error: std::io::Error| error.to_string().replace("failed to lookup address information: ", "");
    for address in (host, port).to_socket_addrs().map_err(why)? {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    if all.is_empty() { Err("it has no address".to_owned()) } else { Ok(all) }
}

/// Looks up names, each once and many in parallel, for `patience` at most. A name without an answer by then gets an error.
pub fn resolve_all(names: impl IntoIterator<Item = Name>, patience: Duration) -> HashMap<Name, Found> {
    look_up(resolve, names, patience)
}

/// The function that looks up a name, which tests replace.
type Resolve = fn(&str, u16) -> Found;

fn look_up(resolve: Resolve, names: impl IntoIterator<Item = Name>, patience: Duration) -> HashMap<Name, Found> {
    let deadline = Instant::now() + patience;
    let names: HashSet<Name> = names.into_iter().collect();
    let none = || Err(format!("no answer within {patience:?}"));
    let mut answers: HashMap<Name, Found> = names.iter().map(|name| (name.clone(), none())).collect();
    let (tell, told) = channel();
    let threads = names.len().min(AT_ONCE);
    let waiting = Arc::new(Mutex::new(names.into_iter().collect::<Vec<_>>()));
    for _ in 0..threads {
        let (waiting, tell) = (Arc::clone(&waiting), tell.clone());
        // if a thread can't be started, the others do its work; one that is blocked by a name server is left behind
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

/// Looks up names from the list, one after the other, until it is empty or nobody waits for the answers.
fn answer(resolve: Resolve, waiting: &Mutex<Vec<Name>>, tell: &Sender<(Name, Found)>) {
    // the list is valid even if a thread has panicked while it held the lock
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
