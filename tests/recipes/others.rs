//! Programs of others that pages are about, or call.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::support::{Port, Scratch, wait_until};

/// Whether this machine has all of these programs. A test that needs others than the page's own ends without them, and says so.
pub fn at_hand(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |program: &&&str| std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file());
    let missing: Vec<_> = programs.iter().filter(|program| !has(program)).collect();
    if !missing.is_empty() {
        eprintln!("not tested: {missing:?} is not on this machine");
    }
    missing.is_empty()
}

/// A real Redis, until it goes out of scope.
pub struct Redis {
    child: Child,
    port: Port,
    _folder: Scratch,
}

impl Redis {
    /// With these arguments beside its port.
    pub fn start(more: &[&str]) -> Self {
        let (port, folder) = (Port::reserve(), Scratch::new());
        let number = port.address().port().to_string();
        let child = Command::new("redis-server")
            .args(["--port", &number, "--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0"])
            .args(more)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self { child, port, _folder: folder };
        wait_until("Redis listens", || TcpStream::connect(redis.port.address()).is_ok());
        redis
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
