//! The names of the backends that are written in the file, looked up again and again: an address that has changed is taken on without
//! a reload, and a name that had none gets one when it can be looked up. The system's resolver is asked, as when the file was read; it
//! does not tell how long an answer holds.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::config::model::{self, Address, Backend};
use crate::io::{AT_ONCE, HostPort, Resolved};

/// How often each name is looked up: the default of `discover.refresh`.
const REFRESH: Duration = Duration::from_secs(10);
/// How soon a name without an address is looked up again. The pause is doubled each time, up to [`REFRESH`].
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The function that looks a name up, and blocks meanwhile.
pub(super) type Resolve = fn(&str, u16) -> Resolved;

/// The names, with the addresses that are in force. A handle: its copies are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct BackendNames(Rc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    known: RefCell<HashMap<HostPort, ResolvedName>>,
    /// Wakes the task that looks names up when there are other names than before.
    others: Notify,
}

/// What is known of a name.
#[derive(Debug, Clone)]
struct ResolvedName {
    /// The addresses in force, or why there are none.
    found: Resolved,
    /// When it is looked up again.
    due: Instant,
    /// The pause after that look-up, if it finds no address.
    pause: Duration,
    /// Whether it is being looked up now.
    is_asked: bool,
}

impl BackendNames {
    /// Looks all names up for ever, and tells when one has got other addresses. A name that can't be looked up keeps those that it has.
    pub async fn resolve_forever(self, resolve: Resolve, news: mpsc::Sender<()>) {
        // the resolver blocks, for long when a name server is silent: each look-up has a thread of its own
        let mut asked = JoinSet::new();
        loop {
            let next = self.ask(&mut asked, resolve, Instant::now());
            tokio::select! {
                Some(answer) = asked.join_next() => {
                    let more = std::iter::from_fn(|| asked.try_join_next());
                    let answers: Vec<(HostPort, Resolved)> = std::iter::once(answer).chain(more).flatten().collect();
                    if self.take(answers, Instant::now()) {
                        // where the channel is full, the message in it stands for this one too
                        let _ = news.try_send(());
                    }
                }
                () = sleep_until(next) => {}
                () = self.0.others.notified() => {}
            }
        }
    }

    /// Looks up those whose turn it is, as far as there is room; gives back when to look again.
    fn ask(&self, asked: &mut JoinSet<(HostPort, Resolved)>, resolve: Resolve, now: Instant) -> Instant {
        let mut next = now + REFRESH;
        for (name, known) in self.0.known.borrow_mut().iter_mut().filter(|(_, known)| !known.is_asked) {
            if asked.len() >= AT_ONCE {
                // an answer makes room
                break;
            }
            if known.due > now {
                next = next.min(known.due);
                continue;
            }
            known.is_asked = true;
            let name = name.clone();
            asked.spawn_blocking(move || {
                let found = resolve(&name.0, name.1);
                (name, found)
            });
        }
        next
    }

    /// Whether something has changed.
    fn take(&self, answers: Vec<(HostPort, Resolved)>, now: Instant) -> bool {
        let mut known = self.0.known.borrow_mut();
        let mut changed = false;
        for (name, found) in answers {
            // a reload may have taken it away meanwhile
            let Some(known) = known.get_mut(&name) else { continue };
            known.is_asked = false;
            let pause = if found.is_ok() || known.found.is_ok() { REFRESH } else { known.pause };
            (known.due, known.pause) = (now + pause, (pause * 2).min(REFRESH));
            match (&found, &known.found) {
                (Ok(is), Ok(was)) if are_same(is, was) => continue,
                (Err(is), Err(was)) if is == was => continue,
                (Err(reason), Ok(_)) => {
                    tracing::debug!(name = name.0, "a backend's name can't be looked up, its addresses stay: {reason}");
                    continue;
                }
                (Err(reason), Err(_)) => tracing::info!(name = name.0, "a backend's name can't be looked up: {reason}"),
                (Ok(is), was) => {
                    let was = was.as_deref().unwrap_or_default();
                    tracing::info!(name = name.0, ?was, ?is, "a backend's name has other addresses now");
                }
            }
            known.found = found;
            changed = true;
        }
        changed
    }

    /// A configuration is in force, whose names were looked up when it was read.
    pub fn commit(&self, config: &model::Config) {
        let now = Instant::now();
        let before = self.0.known.take();
        let named = config.services.iter().flat_map(|s| s.backends.iter().take(s.written));
        let named = named.filter_map(|backend| {
            let (name, found) = (name(backend)?, found(backend)?);
            let before = before.get(&name).cloned();
            let is_asked = before.as_ref().is_some_and(|before| before.is_asked);
            // a reload is no reason to wait longer, nor to ask more often
            let same = before.filter(|before| before.found.is_err() && found.is_err());
            let pause = if found.is_ok() { REFRESH } else { FIRST_RETRY };
            let known = same.unwrap_or(ResolvedName { due: now + pause, pause, is_asked, found });
            Some((name, known))
        });
        let named = named.collect();
        *self.0.known.borrow_mut() = named;
        self.0.others.notify_one();
    }

    /// Puts the addresses that are known now into the configuration that is in force.
    pub fn fill(&self, config: &mut model::Config) {
        self.put(config, |_| true);
    }

    /// Puts the addresses into the next configuration, for names that could not be looked up when it was read.
    pub fn fill_gaps(&self, config: &mut model::Config) {
        self.put(config, |backend| backend.unresolved.is_some());
    }

    fn put(&self, config: &mut model::Config, into: impl Fn(&Backend) -> bool) {
        let known = self.0.known.borrow();
        for service in &mut config.services {
            for backend in service.backends.iter_mut().take(service.written).filter(|backend| into(backend)) {
                if let Some(known) = name(backend).and_then(|name| known.get(&name)) {
                    set(backend, &known.found);
                }
            }
        }
    }

    /// The addresses that are in force, for the process that takes over.
    pub fn in_force(&self) -> Vec<(HostPort, Vec<SocketAddr>)> {
        let known = self.0.known.borrow();
        known.iter().filter_map(|(name, known)| Some((name.clone(), known.found.clone().ok()?))).collect()
    }
}

/// Gives the names of a configuration that can't be looked up the addresses that the old process had for them.
pub(super) fn take_over(before: Vec<(HostPort, Vec<SocketAddr>)>, config: &mut model::Config) {
    let before: HashMap<HostPort, Resolved> = before.into_iter().map(|(name, found)| (name, Ok(found))).collect();
    for backend in config.services.iter_mut().flat_map(|s| &mut s.backends).filter(|b| b.unresolved.is_some()) {
        if let Some(found) = name(backend).and_then(|name| before.get(&name)) {
            set(backend, found);
        }
    }
}

/// The name that a backend is written with; `None` where that is an address, or a Unix socket.
fn name(backend: &Backend) -> Option<HostPort> {
    match &backend.address {
        Address::Tcp(address) if backend.host.parse::<IpAddr>().is_err() => {
            Some((backend.host.clone(), address.port()))
        }
        _ => None,
    }
}

/// The addresses of a backend, or why there are none; `None` = it is a Unix socket.
fn found(backend: &Backend) -> Option<Resolved> {
    match (&backend.unresolved, &backend.address) {
        (Some(reason), _) => Some(Err(reason.clone())),
        (None, Address::Tcp(first)) => Some(Ok(std::iter::once(first).chain(&backend.further).copied().collect())),
        (None, Address::Unix(_)) => None,
    }
}

/// Gives a backend the addresses of its name, unless it has them.
fn set(backend: &mut Backend, is: &Resolved) {
    let Address::Tcp(address) = &backend.address else { return };
    let port = address.port();
    match is {
        Ok(is) => {
            let is_same = matches!(found(backend), Some(Ok(was)) if are_same(&was, is));
            if let (false, [first, further @ ..]) = (is_same, &is[..]) {
                (backend.address, backend.further) = (Address::Tcp(*first), further.to_vec());
                backend.unresolved = None;
            }
        }
        Err(reason) => {
            (backend.address, backend.further) = (Address::Tcp((Ipv4Addr::UNSPECIFIED, port).into()), Vec::new());
            backend.unresolved = Some(reason.clone());
        }
    }
}

/// HostPort servers tell the same addresses in another order each time.
fn are_same(one: &[SocketAddr], other: &[SocketAddr]) -> bool {
    one.len() == other.len() && one.iter().all(|address| other.contains(address))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn names(named: &[(&str, &[&str])]) -> BackendNames {
        let names = BackendNames::default();
        let known = |found: &[&str]| {
            let found = if found.is_empty() { Err("no such name".to_owned()) } else { Ok(parsed(found)) };
            ResolvedName { found, due: Instant::now() + FIRST_RETRY, pause: FIRST_RETRY, is_asked: false }
        };
        let named = named.iter().map(|(name, found)| (((*name).to_owned(), 80), known(found)));
        *names.0.known.borrow_mut() = named.collect();
        names
    }

    fn parsed(found: &[&str]) -> Vec<SocketAddr> {
        found.iter().map(|address| format!("{address}:80").parse().unwrap()).collect()
    }

    fn in_force(names: &BackendNames) -> Vec<(String, Vec<SocketAddr>)> {
        let mut all: Vec<_> = names.in_force().into_iter().map(|(name, found)| (name.0, found)).collect();
        all.sort();
        all
    }

    #[test]
    fn other_addresses_are_news_and_another_order_is_none() {
        let known = names(&[("a", &["10.0.0.1", "10.0.0.2"])]);
        let take = |name: &str, found: Resolved| known.take(vec![((name.to_owned(), 80), found)], Instant::now());
        let answer = |found: &[&str]| take("a", Ok(parsed(found)));
        assert!(!answer(&["10.0.0.2", "10.0.0.1"]));
        assert!(answer(&["10.0.0.3"]));
        assert!(!answer(&["10.0.0.3"]));
        assert!(!take("a", Err("no answer".to_owned())), "what it has stays");
        assert!(!take("gone", Ok(parsed(&["10.0.0.9"]))), "it is asked for no more");
        assert_eq!(in_force(&known), [("a".to_owned(), parsed(&["10.0.0.3"]))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_again_and_keeps_what_it_has_when_that_fails() {
        let known = names(&[("a", &["10.0.0.1"]), ("lost", &["10.0.0.1"])]);
        let resolve: Resolve = |name, _| match name {
            "a" => Ok(vec!["10.0.0.2:80".parse().unwrap()]),
            _ => Err("no such name".to_owned()),
        };
        let (news, mut told) = mpsc::channel(1);
        let local = tokio::task::LocalSet::new();
        local.spawn_local(known.clone().resolve_forever(resolve, news));
        local.run_until(told.recv()).await.unwrap();
        let of = |name: &str, found: &[&str]| (name.to_owned(), parsed(found));
        assert_eq!(in_force(&known), [of("a", &["10.0.0.2"]), of("lost", &["10.0.0.1"])]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_without_an_address_is_looked_up_sooner_and_after_growing_pauses() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let known = names(&[("late", &[])]);
        let resolve: Resolve = |_, _| match ASKED.fetch_add(1, Ordering::Relaxed) {
            0..=4 => Err("no such name".to_owned()),
            _ => Ok(vec!["10.0.0.2:80".parse().unwrap()]),
        };
        let (news, mut told) = mpsc::channel(1);
        let local = tokio::task::LocalSet::new();
        let began = Instant::now();
        local.spawn_local(known.clone().resolve_forever(resolve, news));
        local.run_until(told.recv()).await.unwrap();
        // 1 + 1 + 2 + 4 + 8 and once more 10
        assert_eq!(began.elapsed().as_secs(), 26);
        assert_eq!(in_force(&known), [("late".to_owned(), parsed(&["10.0.0.2"]))]);
    }
}
