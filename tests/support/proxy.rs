//! The built binary, with a configuration of its own.

use std::fmt::Display;
use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::{Client, Origin, Port, Scratch, wait_until};

/// A running proxy; killed when it goes out of scope.
pub struct Proxy {
    child: Child,
    ports: Vec<Port>,
    scratch: Scratch,
}

/// The configuration's name in the proxy's directory.
const FILE: &str = "proxy.toml";

/// How many listeners a configuration may have: `{port}`, `{port2}`, `{port3}`.
const LISTENERS: usize = 3;

/// A configuration with one listener and one service `api`. `listener` and `service` are further keys of theirs; what is in
/// a table of its own (`[listener.limits]`, `[service.api.timeout]`) comes last in each. Keys of the last backend may follow.
pub fn config(listener: &str, service: &str, backends: &[&Origin]) -> String {
    let backends: String = backends.iter().map(|origin| backend(origin.address())).collect();
    format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:{{port}}\"\nservice = \"api\"\n{listener}\n\
         [service.api]\n{service}\n{backends}"
    )
}

/// One more backend for the service `api` at the end of a configuration. Further keys of it may follow.
pub fn backend(address: impl Display) -> String {
    format!("[[service.api.backend]]\naddress = \"{address}\"\n")
}

/// The configuration with everything filled in.
fn complete(toml: &str, ports: &[Port], scratch: &Scratch) -> String {
    let mut toml = toml.replace("{dir}", scratch.path().to_str().unwrap());
    for (name, port) in ["{port}", "{port2}", "{port3}", "{admin}"].iter().zip(ports) {
        toml = toml.replace(name, &port.address().port().to_string());
    }
    if !toml.contains("[server]") {
        toml.push_str("\n[server]\nworkers = 2\n");
    }
    let state = scratch.path().join("state");
    toml = toml.replace("[server]\n", &format!("[server]\nstate_dir = {state:?}\n"));
    if !toml.contains("[admin]\n") {
        toml.push_str("\n[admin]\n");
    }
    toml.replace("[admin]\n", &format!("[admin]\nbind = \"{}\"\n", ports[LISTENERS].address()))
}

/// The command that runs it with this file.
fn run(file: &Path, scratch: &Scratch) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command
        .arg("run")
        .arg("-c")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(scratch.path().join("stderr")).unwrap());
    command
}

impl Proxy {
    /// In front of one backend.
    pub fn to(origin: &Origin) -> Self {
        Self::start(&config("", "", &[origin]))
    }

    /// With this configuration. `{port}`, `{port2}`, `{port3}` and `{admin}` become ports that nobody else has, `{dir}` an empty
    /// directory; `[server]` and `[admin]` are written here, or completed where the configuration has them.
    pub fn start(toml: &str) -> Self {
        Self::start_with(toml, |_| {})
    }

    /// As [`start`](Self::start), with the command prepared further.
    pub fn start_with(toml: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut proxy = Self::spawn(toml, prepare);
        proxy.wait_until_ready();
        proxy
    }

    /// As [`start`](Self::start), where the admin address can't be asked by what is here: it says itself that it is ready.
    pub fn start_unasked(toml: &str) -> Self {
        let mut proxy = Self::spawn(toml, |_| {});
        wait_until("the proxy gets ready", || {
            assert_eq!(proxy.child.try_wait().unwrap(), None, "it ended:\n{}", proxy.stderr());
            proxy.stderr().lines().any(|line| line.ends_with(" ready"))
        });
        proxy
    }

    fn spawn(toml: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let scratch = Scratch::new();
        // the last one is the admin address's
        let ports: Vec<Port> = (0..=LISTENERS).map(|_| Port::reserve()).collect();
        let file = scratch.file(FILE, complete(toml, &ports, &scratch));
        let mut command = run(&file, &scratch);
        prepare(&mut command);
        let child = command.spawn().unwrap();
        Self { child, ports, scratch }
    }

    /// Ends it as a crash does, and starts it again with the same file, ports and directory.
    pub fn kill_and_start(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = run(&self.scratch.path().join(FILE), &self.scratch).spawn().unwrap();
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        wait_until("the proxy gets ready", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the proxy ended with {status}:\n{}", self.stderr());
            }
            self.admin("/readyz").is_ok_and(|ready| ready.status == 200)
        });
    }

    /// Where the first listener is.
    pub fn address(&self) -> SocketAddr {
        self.ports[0].address()
    }

    /// Where the second listener is.
    pub fn second_address(&self) -> SocketAddr {
        self.ports[1].address()
    }

    /// Where the admin address is.
    pub fn admin_address(&self) -> SocketAddr {
        self.ports[LISTENERS].address()
    }

    /// A new connection to the first listener.
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// Writes another configuration, as for [`start`](Self::start), and tells nobody.
    pub fn rewrite(&self, toml: &str) {
        self.scratch.file(FILE, complete(toml, &self.ports, &self.scratch));
    }

    /// A file in the proxy's directory (`{dir}`).
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.scratch.path().join(name)
    }

    /// What it said so far.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("stderr")).unwrap_or_default()
    }

    /// Open file descriptors.
    pub fn fds(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Resident memory in bytes.
    pub fn rss(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most resident memory that it ever had, in bytes.
    pub fn peak_rss(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, kind: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(kind)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        wait_until("the proxy ends", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }

    /// Waits until the listener is closed.
    pub fn wait_until_it_accepts_no_more(&self) {
        wait_until("the listener closes", || {
            TcpStream::connect_timeout(&self.address(), Duration::from_secs(1)).is_err()
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let stderr = self.stderr();
        if std::thread::panicking() {
            eprintln!("the proxy said:\n{stderr}");
        } else {
            assert!(!stderr.contains("a defect"), "the proxy panicked:\n{stderr}");
        }
    }
}
