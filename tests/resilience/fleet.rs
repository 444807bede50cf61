//! The backends: processes that are killed, stopped, continued and told how to behave.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::origin;
use crate::ports::Port;
use crate::processes;
use crate::scratch::Scratch;

/// The backends of one situation: `a`, `b`, `c`... in this order.
pub struct Fleet {
    backends: Vec<Backend>,
    scratch: Scratch,
}

struct Backend {
    name: String,
    port: Port,
    process: Option<Process>,
}

struct Process {
    child: Child,
    commands: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Fleet {
    /// So many backends, all listening.
    pub fn start(size: u8) -> Self {
        let backend = |n| Backend { name: char::from(b'a' + n).to_string(), port: Port::reserve(), process: None };
        let mut fleet = Self { backends: (0..size).map(backend).collect(), scratch: Scratch::new() };
        for n in fleet.all() {
            fleet.revive(n);
        }
        fleet
    }

    /// All of them, by number.
    pub fn all(&self) -> std::ops::Range<usize> {
        0..self.backends.len()
    }

    /// Where they listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.backends.iter().map(|backend| backend.port.address()).collect()
    }

    /// Starts a backend and says when it began to listen.
    pub fn revive(&mut self, n: usize) -> Instant {
        let backend = &mut self.backends[n];
        assert!(backend.process.is_none(), "{} is alive", backend.name);
        let port = backend.port.address().port().to_string();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([origin::ARGUMENT, &backend.name, &port])
            .arg(self.scratch.path().join(&backend.name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, replies) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let process = backend.process.insert(Process { child, commands, replies });
        let ready = process.reply();
        let micros = ready.strip_prefix("ready ").and_then(|micros| micros.parse().ok()).unwrap();
        let ago = UNIX_EPOCH.checked_add(Duration::from_micros(micros)).and_then(|at| at.elapsed().ok());
        Instant::now() - ago.unwrap_or_default()
    }

    /// SIGKILL.
    pub fn kill(&mut self, n: usize) {
        if let Some(mut process) = self.backends[n].process.take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }

    /// SIGKILL to all at once.
    pub fn kill_all(&mut self) {
        for backend in &mut self.backends {
            backend.process.as_mut().map(|process| process.child.kill());
        }
        self.all().for_each(|n| self.kill(n));
    }

    /// SIGSTOP: it hangs, and its kernel goes on accepting connections.
    pub fn stop(&mut self, n: usize) {
        assert!(processes::signal(self.process(n).child.id(), "STOP"));
    }

    /// SIGCONT.
    pub fn go_on(&mut self, n: usize) {
        assert!(processes::signal(self.process(n).child.id(), "CONT"));
    }

    /// Changes its manners, see `origin.rs`.
    pub fn tell(&mut self, n: usize, manners: &str) {
        assert_eq!(self.process(n).ask(manners), "ok");
    }

    /// Requests of the load that reached it since it was started.
    pub fn requests(&mut self, n: usize) -> usize {
        self.process(n).ask("count").strip_prefix("count ").unwrap().parse().unwrap()
    }

    fn process(&mut self, n: usize) -> &mut Process {
        self.backends[n].process.as_mut().expect("it is alive")
    }

    /// How often each POST was executed, by its id, over all backends and all their lives.
    pub fn executions(&self) -> HashMap<u64, usize> {
        let mut executions = HashMap::new();
        for backend in &self.backends {
            let ids = std::fs::read_to_string(self.scratch.path().join(&backend.name)).unwrap_or_default();
            ids.lines().for_each(|id| *executions.entry(id.parse().unwrap()).or_default() += 1);
        }
        executions
    }
}

impl Process {
    fn ask(&mut self, line: &str) -> String {
        writeln!(self.commands, "{line}").unwrap();
        self.reply()
    }

    fn reply(&mut self) -> String {
        let mut line = String::new();
        self.replies.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.kill_all();
    }
}
