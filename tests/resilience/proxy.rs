//! What stands between the load and the fleet: the built binary, or a peer that is configured to do the same.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::rc::Rc;
use std::time::Duration;

use crate::fleet::Fleet;
use crate::ports::Port;
use crate::processes::{self, wait_until};
use crate::scratch::Scratch;
use crate::{evenkeel, haproxy};

/// Who is put to the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Evenkeel,
    Haproxy,
}

/// What a situation wants of the configuration. All else has the value that the contract gives it.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    pub backends: Vec<SocketAddr>,
    /// To the answer's head.
    pub response_timeout: Option<&'static str>,
    /// When requests are hedged.
    pub hedge: Option<&'static str>,
    /// A 500 may be tried again too.
    pub retry_on_500: bool,
    /// Backends much slower than their peers are taken out.
    pub latency_factor: Option<f64>,
    /// To the end of a request's head.
    pub header_timeout: Option<&'static str>,
    /// Backends of a second service, which nobody asks for.
    pub crowd: u32,
    /// Which version of the configuration it is: answers carry it as `x-generation`.
    pub generation: usize,
}

impl Setup {
    /// In front of this fleet, with the contract's defaults.
    pub fn of(fleet: &Fleet) -> Self {
        Self { backends: fleet.addresses(), ..Self::default() }
    }
}

/// Where a proxy listens and where its files are.
pub struct Place {
    pub port: Rc<Port>,
    pub admin: Port,
    pub scratch: Scratch,
}

impl Place {
    fn new(port: Rc<Port>) -> Self {
        Self { port, admin: Port::reserve(), scratch: Scratch::new() }
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }
}

/// A running proxy. It is killed, with every successor that it has started, when it goes out of scope.
pub struct Proxy {
    peer: Peer,
    child: Child,
    place: Place,
    setup: Setup,
}

impl Proxy {
    /// Starts one, and waits until it is ready.
    pub fn start(peer: Peer, setup: &Setup) -> Result<Self, String> {
        Self::start_at(peer, setup, Place::new(Rc::new(Port::reserve())))
    }

    /// Another one on the same port.
    pub fn start_another(&self, setup: &Setup) -> Result<Self, String> {
        Self::start_at(self.peer, setup, Place::new(Rc::clone(&self.place.port)))
    }

    fn start_at(peer: Peer, setup: &Setup, place: Place) -> Result<Self, String> {
        write(peer, setup, &place);
        let mut command = match peer {
            Peer::Evenkeel => evenkeel::command(&place),
            Peer::Haproxy => haproxy::command(&place),
        };
        let stderr = File::create(place.directory().join("stderr")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn();
        let child = child.map_err(|e| format!("{}: {e}", command.get_program().display()))?;
        let mut proxy = Self { peer, child, place, setup: setup.clone() };
        let mut ended = None;
        let ready = wait_until(Duration::from_secs(20), || {
            ended = proxy.child.try_wait().unwrap();
            ended.is_some() || proxy.is_ready()
        });
        match ended {
            None if ready => Ok(proxy),
            None => Err(format!("the proxy does not get ready:\n{}", proxy.stderr())),
            Some(status) => Err(format!("the proxy ended with {status}:\n{}", proxy.stderr())),
        }
    }

    fn is_ready(&self) -> bool {
        match self.peer {
            Peer::Evenkeel => evenkeel::is_ready(&self.place),
            Peer::Haproxy => TcpStream::connect(self.address()).is_ok(),
        }
    }

    /// What its metrics say of the service under load, by the last label; nothing where it has no such metric.
    pub fn metric(&self, name: &str) -> BTreeMap<String, u64> {
        match self.peer {
            Peer::Evenkeel => evenkeel::metric(&self.place, name),
            Peer::Haproxy => BTreeMap::new(),
        }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.place.port.address()
    }

    /// Writes its next configuration, changed as wanted, one generation further; says which one that is.
    pub fn rewrite(&mut self, change: impl FnOnce(&mut Setup)) -> usize {
        self.setup.generation += 1;
        change(&mut self.setup);
        write(self.peer, &self.setup, &self.place);
        self.setup.generation
    }

    /// Asks it to reread its configuration.
    pub fn reload(&self) {
        let name = if self.peer == Peer::Evenkeel { "HUP" } else { "USR2" };
        processes::signal(self.child.id(), name);
    }

    /// Asks it to start its binary anew and hand over its sockets.
    pub fn upgrade(&self) {
        processes::signal(self.child.id(), "USR2");
    }

    /// Asks it to finish what is under way and end.
    pub fn stop(&self) {
        let name = if self.peer == Peer::Evenkeel { "TERM" } else { "USR1" };
        processes::signal(self.child.id(), name);
    }

    /// Waits for the end of the process that was started here; how it ended.
    pub fn ends_within(&mut self, limit: Duration) -> Option<String> {
        let mut status = None;
        wait_until(limit, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.map(|status| status.to_string())
    }

    /// What it said so far.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.place.directory().join("stderr")).unwrap_or_default()
    }
}

/// Writes the configuration beside the old one and renames it, so that nobody ever reads half of it.
fn write(peer: Peer, setup: &Setup, place: &Place) {
    let (name, text) = match peer {
        Peer::Evenkeel => (evenkeel::FILE, evenkeel::configuration(setup, place)),
        Peer::Haproxy => (haproxy::FILE, haproxy::configuration(setup, place)),
    };
    let next = place.scratch.file("next", &text);
    std::fs::rename(next, place.directory().join(name)).unwrap();
}

/// The addresses of a crowd: nobody listens there.
pub fn crowd(size: u32) -> impl Iterator<Item = SocketAddr> {
    (0..size).map(|n| SocketAddr::from(([127, 1, (n / 250) as u8, (n % 250) as u8 + 1], 9)))
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in processes::of(self.place.directory()) {
            processes::signal(pid, "KILL");
        }
        if std::thread::panicking() {
            eprintln!("the proxy said:\n{}", self.stderr());
        }
    }
}
