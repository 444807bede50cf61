//! The listeners that are open: which stay, come and go with a configuration, and their sockets.
//!
//! A listener is its address. While that stays, so do its sockets, whatever becomes of its name, its TLS and its limits; nobody who
//! is connecting notices.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::{Domain, Type};

use super::inherit::{self, Inherited};
use super::{listener_tls, parts};
use crate::admin;
use crate::config::model::{self, Address};
use crate::endpoint::Target;
use crate::io::allow_any_address;
use crate::io::outbound::SocketOptions;
use crate::listener::{self, BoundListener, BoundSocket, DataPlane, ListenerSettings, NewListener};
use crate::metrics::{ListenerMetrics, Registry};
use crate::policy::ListenerProtocol;
use crate::snapshot::Snapshot;
use crate::tls::Acceptor;

/// All listeners that are open.
#[derive(Debug)]
pub(super) struct Listeners {
    open: Vec<OpenListener>,
    workers: usize,
}

/// A listener that is open.
#[derive(Debug)]
struct OpenListener {
    key: u32,
    name: String,
    bound: BoundListener,
    settings: Arc<ArcSwap<ListenerSettings>>,
    /// A hash of what its TLS was made of.
    tls: Option<u64>,
}

/// The listeners of the next configuration, with TLS made and new sockets bound. Nothing uses them yet: to drop this changes nothing.
#[derive(Debug)]
pub(super) struct Prepared(Vec<NextListener>);

/// One listener of a configuration.
#[derive(Debug)]
struct NextListener {
    name: String,
    /// The key of the one that is open at its address.
    known: Option<u32>,
    /// New sockets, where none is open at its address.
    fresh: Option<NewSockets>,
    tls: Option<(u64, Acceptor)>,
    metrics: Arc<ListenerMetrics>,
    max_connections: usize,
    /// What is set of its sockets.
    options: SocketOptions,
}

/// A listener of a configuration that can't be had.
#[derive(Debug)]
pub(super) struct Unusable {
    /// The listener's name.
    pub name: String,
    /// Where it was to listen.
    pub address: String,
    /// Why it can't.
    pub reason: String,
}

impl From<Unusable> for String {
    fn from(unusable: Unusable) -> Self {
        unusable.to_string()
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listener `{}` can't be opened at {}: {}", self.name, self.address, self.reason)
    }
}

/// Where a listener is to listen.
struct Wanted<'a> {
    target: &'a Target,
    protocol: ListenerProtocol,
    /// This machine need not have the address yet.
    free_bind: bool,
    options: &'a SocketOptions,
}

/// Sockets that nobody accepts on yet.
#[derive(Debug)]
struct NewSockets {
    bound: BoundListener,
    /// The sockets that each worker is to accept on.
    parts: Vec<Vec<BoundSocket>>,
}

impl Listeners {
    /// No listener yet; those that come are shared by this many workers.
    pub fn new(workers: usize) -> Self {
        Self { open: Vec::new(), workers }
    }

    /// Makes TLS and binds what is new. `current` is the snapshot that runs.
    ///
    /// # Errors
    ///
    /// The first listener whose TLS can't be made, or whose address can't be bound.
    pub fn prepare(
        &self,
        config: &model::Config,
        current: Option<&Snapshot>,
        registry: &Registry,
        inherited: &mut Inherited,
    ) -> Result<Prepared, Unusable> {
        let mut prepared: Vec<NextListener> = Vec::with_capacity(config.listeners.len());
        for listener in &config.listeners {
            let (target, address) = target(&listener.bind);
            let unusable = |reason| Unusable { name: listener.name.clone(), address: address.clone(), reason };
            let known =
                current.and_then(|s| s.listeners.iter().find(|l| l.is_at(&target, listener.protocol, &listener.name)));
            let known = known.and_then(|known| self.open.iter().find(|open| open.key == known.key));
            let tls = listener_tls::acceptor(listener.tls.as_ref(), known.map(OpenListener::tls))
                .map_err(|error| unusable(format!("TLS: {error}")))?;
            let fresh = match known {
                Some(_) => None,
                None => {
                    let (handed, with_file) = inherited.listener(&target, listener.protocol, &listener.name);
                    let shares = self.shares_port(&prepared, &target);
                    let wanted = Wanted {
                        target: &target,
                        protocol: listener.protocol,
                        free_bind: listener.free_bind,
                        options: &listener.options,
                    };
                    let fresh = self.bind(&wanted, handed, with_file, shares);
                    Some(fresh.map_err(|error| unusable(reason(&error)))?)
                }
            };
            prepared.push(NextListener {
                name: listener.name.clone(),
                known: known.map(|known| known.key),
                fresh,
                tls,
                metrics: registry.listener(&listener.name),
                max_connections: listener.max_connections,
                options: listener.options.clone(),
            });
        }
        Ok(Prepared(prepared))
    }

    /// Whether the port is one that we listen on already, by another address or, until a listener is gone, by the same one.
    fn shares_port(&self, prepared: &[NextListener], target: &Target) -> bool {
        let prepared = prepared.iter().filter_map(|next| next.fresh.as_ref()).map(|fresh| &fresh.bound);
        let ours = self.open.iter().map(|open| &open.bound).chain(prepared);
        ours.filter_map(BoundListener::target).any(|ours| match (ours, target) {
            (Target::Tcp(ours), Target::Tcp(target)) => ours.port() == target.port(),
            _ => false,
        })
    }

    fn bind(
        &self,
        wanted: &Wanted<'_>,
        inherited: Vec<BoundSocket>,
        with_file: bool,
        shares_port: bool,
    ) -> io::Result<NewSockets> {
        let mut bound = match (inherited.is_empty(), with_file) {
            (true, _) => self.bind_new(wanted, shares_port)?,
            (false, false) => BoundListener::inherit(inherited, self.workers)?,
            (false, true) => BoundListener::inherit(inherited, self.workers)?.with_file(),
        };
        // what a unit of systemd has set of its sockets stays where nothing else is asked for
        if bound.options() != wanted.options {
            bound.set_options(wanted.options)?;
        }
        // an idle connection of HTTP does not last long; a session may be silent for hours
        if matches!(wanted.protocol, ListenerProtocol::Tcp | ListenerProtocol::Tls) {
            bound.keep_alive()?;
        }
        let parts = bound.sockets_by_worker(self.workers)?;
        Ok(NewSockets { bound, parts })
    }

    fn bind_new(&self, wanted: &Wanted<'_>, shares_port: bool) -> io::Result<BoundListener> {
        // where we listen ourselves, nobody can tell whether others do
        let free = if shares_port { Ok(()) } else { free(wanted) };
        let bound = match wanted.target {
            Target::Tcp(address) if wanted.protocol == ListenerProtocol::Udp => {
                listener::bind_datagrams(*address, wanted.free_bind, self.workers, wanted.options)?
            }
            target => listener::bind(target, wanted.free_bind, self.workers, wanted.options)?,
        };
        if let Err(error) = free {
            tracing::warn!(address = bound.describe(), %error, "another process listens there too: the kernel deals connections out between the two");
        }
        Ok(bound)
    }

    /// The keys of those that are open and that `prepared` does not have.
    pub fn going(&self, prepared: &Prepared) -> Vec<u32> {
        let stays = |key: u32| prepared.0.iter().any(|next| next.known == Some(key));
        self.open.iter().map(|open| open.key).filter(|key| !stays(*key)).collect()
    }

    /// Opens, changes and closes listeners as prepared. `current` is the snapshot of the same configuration, and published by now; those that go were
    /// [retired](DataPlane::retire) before, and what is open on them may go on for `drain_timeout`.
    pub fn commit(&mut self, prepared: Prepared, current: &Snapshot, control: &mut DataPlane, drain_timeout: Duration) {
        for key in self.going(&prepared) {
            // our duplicates are closed first, so that the queues end with the workers' sockets
            for OpenListener { name, bound, .. } in self.open.extract_if(.., |open| open.key == key) {
                drop(bound);
                control.remove(key, name, drain_timeout);
            }
        }
        for (next, listener) in prepared.0.into_iter().zip(&current.listeners) {
            let NextListener { name, known, fresh, tls, metrics, max_connections, options } = next;
            let (fingerprint, acceptor) = tls.unzip();
            let open = self.open.iter_mut().find(|open| known == Some(open.key));
            match (open, fresh) {
                (Some(open), _) => {
                    open.set_options(&options);
                    control.counts(&metrics);
                    open.settings.store(Arc::new(open.settings.load().next(acceptor, metrics, max_connections)));
                    (open.name, open.tls) = (name, fingerprint);
                }
                (None, Some(NewSockets { bound, parts })) => {
                    let settings = ListenerSettings::new(acceptor, metrics, max_connections);
                    control.accept(NewListener { key: listener.key, parts, settings: &settings });
                    self.open.push(OpenListener { key: listener.key, name, bound, settings, tls: fingerprint });
                }
                (None, None) => {}
            }
        }
    }

    /// Has the listener of this name make handshakes with these settings from now on.
    ///
    /// # Errors
    ///
    /// They can't be used, and nothing has changed; for people.
    pub fn renew(&mut self, name: &str, settings: &model::ServerTls) -> Result<(), String> {
        let Some(open) = self.open.iter_mut().find(|open| open.name == name) else { return Ok(()) };
        let Some(acceptor) = &open.settings.load().tls else { return Ok(()) };
        acceptor.replace(&parts::client_tls(settings))?;
        open.tls = Some(listener_tls::fingerprint(settings));
        Ok(())
    }

    /// The listeners as the admin address shows them.
    pub fn shown(&self, current: &Snapshot) -> Vec<admin::Listener> {
        let open = current
            .listeners
            .iter()
            .filter_map(|l| self.open.iter().find(|open| open.key == l.key).map(|open| (l, open)));
        let shown = open.map(|(listener, open)| {
            let settings = open.settings.load();
            admin::Listener {
                name: open.name.clone(),
                protocol: listener.protocol.as_str(),
                address: open.bound.describe(),
                tls: open.tls.is_some(),
                acceptor: settings.tls.clone(),
                metrics: Arc::clone(&settings.metrics),
            }
        });
        shown.collect()
    }

    /// Duplicates of all sockets, with their listeners' names.
    ///
    /// # Errors
    ///
    /// When there are no file descriptors left.
    pub fn duplicates(&self) -> io::Result<Vec<(String, BoundSocket)>> {
        let mut all = Vec::new();
        for open in &self.open {
            let name = if open.bound.has_file() { inherit::WITH_FILE } else { &open.name };
            all.extend(open.bound.duplicates()?.into_iter().map(|socket| (name.to_owned(), socket)));
        }
        Ok(all)
    }

    /// Lets no new connection begin until [`let_in`](Self::let_in): clients try again after a second.
    pub fn hold_back(&self) {
        for open in &self.open {
            if let Err(error) = open.bound.hold_back() {
                tracing::warn!(listener = open.name, %error, "new connections can't be held back");
            }
        }
    }

    /// Lets new connections begin again.
    pub fn let_in(&self) {
        self.open.iter().for_each(|open| _ = open.bound.let_in());
    }

    /// Takes over the files of Unix sockets: the process that handed the sockets over does not listen any more.
    pub fn own(&mut self) {
        self.open.iter_mut().for_each(|open| open.bound.own_file());
    }

    /// Closes our duplicates, so that the queues end when the workers stop accepting.
    pub fn close(&mut self) {
        self.open.clear();
    }

    /// Closes our duplicates, and leaves the files of Unix sockets to the process that listens on them now.
    pub fn leave(&mut self) {
        self.open.drain(..).for_each(|open| open.bound.close_keeping_file());
    }
}

/// Why a listener can't be opened, with what can be done about it.
fn reason(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrNotAvailable => {
            " (where the address comes later, as one that keepalived moves does, set free_bind = true on this listener)"
        }
        _ => "",
    };
    format!("{}{advice}", parts::reason(error))
}

impl OpenListener {
    /// Its TLS, with a hash of what it was made of.
    fn tls(&self) -> Option<(u64, Acceptor)> {
        Some((self.tls?, self.settings.load().tls.clone()?))
    }

    /// Changes what is set of its sockets, which others use already: what can't be set is said, and all goes on without.
    fn set_options(&mut self, options: &SocketOptions) {
        if self.bound.options() == options {
            return;
        }
        if let Err(error) = self.bound.set_options(options) {
            let (listener, address) = (&self.name, self.bound.describe());
            tracing::error!(%listener, address, %error, "its `interface`, `mark` or `dscp` can't be changed while it is open: a restart would");
        }
    }
}

fn target(bind: &Address) -> (Target, String) {
    match bind {
        Address::Tcp(address) => (Target::Tcp(*address), address.to_string()),
        Address::Unix(path) => (Target::Unix(path.clone()), format!("unix:{}", path.display())),
    }
}

/// Fails when somebody listens on the address. With `SO_REUSEPORT`, which the listeners have, the kernel lets a second process of
/// the same user in. That is a way to replace one instance by another, and it may be meant; a second start by mistake fails at the
/// admin address.
fn free(wanted: &Wanted<'_>) -> io::Result<()> {
    let Target::Tcp(address) = wanted.target else { return Ok(()) };
    let datagrams = wanted.protocol == ListenerProtocol::Udp;
    let kind = if datagrams { Type::DGRAM } else { Type::STREAM };
    let socket = socket2::Socket::new(Domain::for_address(*address), kind, None)?;
    // with this option a TCP address counts as free while old connections are in TIME_WAIT; a UDP address would always count as free
    socket.set_reuse_address(!datagrams)?;
    if wanted.free_bind {
        allow_any_address(&socket, address)?;
    }
    socket.bind(&SocketAddr::into(*address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_free(target: &Target, protocol: ListenerProtocol) -> io::Result<()> {
        free(&Wanted { target, protocol, free_bind: false, options: &SocketOptions::default() })
    }

    #[test]
    fn an_address_that_is_listened_on_with_reuseport_is_not_free() {
        let any = Target::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        let options = SocketOptions::default();
        let bound = listener::bind(&any, false, 1, &options).unwrap();
        let taken = Target::Tcp(bound.describe().parse().unwrap());
        // the kernel alone would let us in
        drop(listener::bind(&taken, false, 1, &options).unwrap());
        let refused = is_free(&taken, ListenerProtocol::Http).unwrap_err();
        assert_eq!(parts::reason(&refused), "address already in use");
        is_free(&any, ListenerProtocol::Http).unwrap();
    }

    #[test]
    fn an_address_that_gets_datagrams_is_not_free_for_others() {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let bound = listener::bind_datagrams(address, false, 2, &SocketOptions::default()).unwrap();
        let taken = Target::Tcp(bound.describe().parse().unwrap());
        let refused = is_free(&taken, ListenerProtocol::Udp).unwrap_err();
        assert_eq!(parts::reason(&refused), "address already in use");
        is_free(&Target::Tcp(address), ListenerProtocol::Udp).unwrap();
    }
}
