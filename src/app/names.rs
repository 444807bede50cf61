//! The names of the backends that are written in the file, looked up again and again: an address that has changed is taken on without
//! a reload. The system's resolver is asked, as when the file was read; it does not tell how long an answer holds.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::config::model::{self, Address, Backend};

/// How often all of them are looked up: as often as `discover.refresh` says when nobody has written it.
const AGAIN: Duration = Duration::from_secs(10);

/// How a name is looked up.
pub(super) type Resolve = fn(&str, u16) -> Result<Vec<SocketAddr>, String>;

/// A host and a port.
type Name = (String, u16);

/// The names and the addresses that are in force. A handle: its copies are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Rc<RefCell<HashMap<Name, Vec<SocketAddr>>>>);

impl Names {
    /// Looks them up for ever, and tells when one has got other addresses. A name that can't be looked up keeps those that it has.
    pub async fn look(self, resolve: Resolve, news: mpsc::Sender<()>) {
        loop {
            tokio::time::sleep(AGAIN).await;
            let names: Vec<Name> = self.0.borrow().keys().cloned().collect();
            if names.is_empty() {
                continue;
            }
            let ask = move || -> Vec<_> {
                names.into_iter().filter_map(|name| Some((resolve(&name.0, name.1).ok()?, name))).collect()
            };
            let Ok(answers) = tokio::task::spawn_blocking(ask).await else { continue };
            if self.take(answers) {
                // one that is not taken yet stands for this one too
                let _ = news.try_send(());
            }
        }
    }

    /// Whether something has changed.
    fn take(&self, answers: Vec<(Vec<SocketAddr>, Name)>) -> bool {
        let mut known = self.0.borrow_mut();
        let mut changed = false;
        for (found, name) in answers {
            // a reload may have taken it away meanwhile
            let Some(in_force) = known.get_mut(&name).filter(|in_force| !are_same(in_force, &found)) else { continue };
            tracing::info!(name = name.0, was = ?in_force, is = ?found, "a backend's name has other addresses now");
            *in_force = found;
            changed = true;
        }
        changed
    }

    /// A configuration is in force, whose names were looked up when it was read.
    pub fn commit(&self, config: &model::Config) {
        let named = config.services.iter().flat_map(|s| s.backends.iter().take(s.written));
        let named = named.filter_map(|backend| Some((name(backend)?, addresses(backend)?)));
        *self.0.borrow_mut() = named.collect();
    }

    /// Puts what was found since into the configuration.
    pub fn fill(&self, config: &mut model::Config) {
        let known = self.0.borrow();
        for service in &mut config.services {
            for backend in service.backends.iter_mut().take(service.written) {
                let Some(found) = name(backend).and_then(|name| known.get(&name)) else { continue };
                let is_same = addresses(backend).is_some_and(|in_force| are_same(&in_force, found));
                if let (false, [first, further @ ..]) = (is_same, &found[..]) {
                    (backend.address, backend.further) = (Address::Tcp(*first), further.to_vec());
                }
            }
        }
    }
}

/// The name that a backend is written with; `None` where that is an address, or a Unix socket.
fn name(backend: &Backend) -> Option<Name> {
    match &backend.address {
        Address::Tcp(address) if backend.host.parse::<IpAddr>().is_err() => {
            Some((backend.host.clone(), address.port()))
        }
        _ => None,
    }
}

fn addresses(backend: &Backend) -> Option<Vec<SocketAddr>> {
    match &backend.address {
        Address::Tcp(first) => Some(std::iter::once(first).chain(&backend.further).copied().collect()),
        Address::Unix(_) => None,
    }
}

/// Name servers tell the same addresses in another order each time.
fn are_same(one: &[SocketAddr], other: &[SocketAddr]) -> bool {
    one.len() == other.len() && one.iter().all(|address| other.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(named: &[(&str, &[&str])]) -> HashMap<Name, Vec<SocketAddr>> {
        named.iter().map(|(name, found)| (((*name).to_owned(), 80), parsed(found))).collect()
    }

    fn parsed(found: &[&str]) -> Vec<SocketAddr> {
        found.iter().map(|address| format!("{address}:80").parse().unwrap()).collect()
    }

    #[test]
    fn other_addresses_are_news_and_another_order_is_none() {
        let known = Names::default();
        *known.0.borrow_mut() = names(&[("a", &["10.0.0.1", "10.0.0.2"])]);
        let answer = |found: &[&str]| known.take(vec![(parsed(found), ("a".to_owned(), 80))]);
        assert!(!answer(&["10.0.0.2", "10.0.0.1"]));
        assert!(answer(&["10.0.0.3"]));
        assert!(!answer(&["10.0.0.3"]));
        assert!(!known.take(vec![(parsed(&["10.0.0.9"]), ("gone".to_owned(), 80))]), "it is asked for no more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_again_and_keeps_what_it_has_when_that_fails() {
        let known = Names::default();
        *known.0.borrow_mut() = names(&[("a", &["10.0.0.1"]), ("unknown", &["10.0.0.1"])]);
        let resolve: Resolve = |name, _| match name {
            "a" => Ok(vec!["10.0.0.2:80".parse().unwrap()]),
            _ => Err("no such name".to_owned()),
        };
        let (news, mut told) = mpsc::channel(1);
        let local = tokio::task::LocalSet::new();
        local.spawn_local(known.clone().look(resolve, news));
        local.run_until(told.recv()).await.unwrap();
        assert_eq!(*known.0.borrow(), names(&[("a", &["10.0.0.2"]), ("unknown", &["10.0.0.1"])]));
    }
}
