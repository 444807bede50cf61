//! A page that is followed.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::page::{self, Block, Section};
use super::printed::fits;
use super::support::certs::Authority;
use super::support::{Client, PATIENCE, Port, Scratch, wait_until};

/// A page of docs/recipes, and a folder of its own in which it is followed. When it goes out of scope, every block of the page has to have been used.
///
/// This is the one place where what the page says is not taken as it stands:
///
/// - `bind` addresses of its configurations become ports that the kernel gives (the admin address, too, which gets a `bind` where the page has none). curl
///   reaches them by the ports that the page names: the folder is its HOME, and has a `.curlrc` that says so.
/// - What the test says to [`replace`](Self::replace): addresses of backends, which become the test's own, and folders of the system.
///
/// In what commands print, all of that is written as on the page again, before it is compared.
pub struct Recipe {
    name: String,
    sections: Vec<Section>,
    scratch: Scratch,
    /// What the page says, and what is there instead.
    replaced: Vec<(String, String)>,
    /// The same for addresses that the proxy binds.
    bound: Vec<(String, Port)>,
    /// Configurations that were not checked since they were saved.
    unchecked: Vec<String>,
    proxies: Vec<Running>,
}

/// An `evenkeel run` of the page.
struct Running {
    child: Child,
    stderr: PathBuf,
}

/// What the admin address is without a word.
const ADMIN: &str = "127.0.0.1:9900";

impl Recipe {
    /// The page docs/recipes/NAME.md.
    pub fn open(name: &str) -> Self {
        let markdown = fs::read_to_string(page::folder().join(format!("{name}.md"))).unwrap();
        let scratch = Scratch::new();
        fs::create_dir(scratch.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_evenkeel"), scratch.path().join("bin/evenkeel")).unwrap();
        fs::create_dir(scratch.path().join("here")).unwrap();
        Authority::shared().file(&scratch);
        Self {
            name: name.to_owned(),
            sections: page::sections(&markdown),
            scratch,
            replaced: Vec::new(),
            bound: Vec::new(),
            unchecked: Vec::new(),
            proxies: Vec::new(),
        }
    }

    /// Has something else in place of an address or a folder that the page names, in its files and commands.
    pub fn replace(&mut self, shown: &str, real: &str) {
        assert!(self.sections.iter().any(|section| section.mentions(shown)), "{}: {shown} is not on it", self.name);
        self.replaced.push((shown.to_owned(), real.to_owned()));
    }

    /// A path in the folder in which the page is followed.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join("here").join(name)
    }

    /// Puts a certificate for these names, and its key, where the page has the folder `shown`, as certbot names the files.
    pub fn certificate(&mut self, shown: &str, below: &str, names: &[&str]) {
        let real = self.scratch.path().join(shown.trim_start_matches('/'));
        self.replace(shown, real.to_str().unwrap());
        pair(&real.join(below), names);
    }

    /// A program that the page calls and this machine may not have: a shell script in its place.
    pub fn program(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.scratch.file(&format!("bin/{name}"), format!("#!/bin/sh\n{script}"));
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Does what these sections say, each from its first block to its last.
    pub fn follow_all(&mut self, headings: &[&str]) {
        headings.iter().for_each(|heading| self.follow(heading));
    }

    /// Does what a section says.
    pub fn follow(&mut self, heading: &str) {
        let section = self.sections.iter_mut().find(|section| section.heading == heading && !section.blocks.is_empty());
        let section = section.unwrap_or_else(|| panic!("{}: nothing to do under {heading:?}", self.name));
        for block in std::mem::take(&mut section.blocks) {
            match block {
                Block::File { name, text } => self.save(&name, &text),
                Block::Console(commands) => {
                    commands.iter().for_each(|command| self.command(&command.line, &command.prints))
                }
            }
        }
    }

    fn save(&mut self, name: &str, text: &str) {
        let mut text = with(text, &self.replaced);
        if name.ends_with(".toml") {
            text = self.bind(&text, name.contains('/'));
            self.unchecked.push(name.to_owned());
        }
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The configuration with ports that nobody else has, and no backend that the test does not know. One in a folder of its own (`conf.d/x.toml`) is included by another,
    /// which has the admin address.
    fn bind(&mut self, text: &str, included: bool) -> String {
        let table: toml::Table = text.parse().unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let table = toml::Value::Table(table);
        for address in strings(&table, "address") {
            let known = self.replaced.iter().any(|(_, real)| *real == address);
            assert!(known, "{}: the test has nothing in place of the backend {address}", self.name);
        }
        let mut binds = strings(&table, "bind");
        let mut text = text.to_owned();
        if !included && table.get("admin").and_then(|admin| admin.get("bind")).is_none() {
            text = with_admin(&text);
            binds.push(ADMIN.to_owned());
        }
        for bind in binds.into_iter().filter(|bind| !bind.starts_with("unix:")) {
            if !self.bound.iter().any(|(shown, _)| *shown == bind) {
                self.bound.push((bind, Port::reserve()));
            }
        }
        let lines = self.bound.iter().map(|(shown, port)| {
            let port_shown = shown.rsplit_once(':').unwrap().1;
            format!("connect-to = \":{port_shown}:{}\"\n", port.address())
        });
        let curlrc = format!("no-progress-meter\ncacert = {:?}\n", self.scratch.path().join("ca.pem"));
        self.scratch.file(".curlrc", lines.fold(curlrc, |all, line| all + &line));
        with(&text, &self.ports())
    }

    /// What the page binds, and what is bound instead.
    fn ports(&self) -> Vec<(String, String)> {
        self.bound.iter().map(|(shown, port)| (shown.clone(), port.address().to_string())).collect()
    }

    fn command(&mut self, line: &str, prints: &str) {
        self.check();
        let real = with(line, &self.replaced);
        if real == "evenkeel run" || real.starts_with("evenkeel run ") {
            return self.start(&real, prints);
        }
        let (_, printed) = self.outcome(&real);
        let told = || format!("{}.md shows of\n$ {line}\n{prints}\nand this is what it prints:\n{printed}", self.name);
        assert!(fits(prints, &printed), "{}\n{}", told(), self.stderr());
    }

    /// Every configuration is without mistakes, and nothing in it is warned of.
    fn check(&mut self) {
        // an included one is checked with the one that includes it
        for name in std::mem::take(&mut self.unchecked) {
            let name = if name.contains('/') { "proxy.toml" } else { &name };
            assert_eq!(self.run(&format!("evenkeel check -c {name} --format short")), "", "{}: {name}", self.name);
        }
    }

    /// A command of somebody who has followed the page so far, which has to succeed: what it prints, written as on the page.
    pub fn run(&self, line: &str) -> String {
        let (status, printed) = self.outcome(line);
        assert_eq!(status, Some(0), "{}: {line}\n{printed}", self.name);
        printed
    }

    fn outcome(&self, line: &str) -> (Option<i32>, String) {
        let limit = PATIENCE.as_secs().to_string();
        let mut command = self.shell(&["timeout", &limit, "sh", "-c", &format!("exec 2>&1\n{line}")]);
        let output = command.output().unwrap();
        assert_ne!(output.status.code(), Some(124), "{}: it takes too long: {line}", self.name);
        let mut shown = self.ports();
        shown.extend(self.replaced.iter().cloned());
        let back: Vec<_> = shown.into_iter().map(|(shown, real)| (real, shown)).collect();
        (output.status.code(), with(&String::from_utf8_lossy(&output.stdout), &back))
    }

    fn shell(&self, words: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .current_dir(self.path(""))
            .env("PATH", format!("{}:{path}", self.scratch.path().join("bin").display()))
            .env("HOME", self.scratch.path())
            .env_remove("CURL_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    fn start(&mut self, line: &str, prints: &str) {
        let stderr = self.scratch.path().join(format!("stderr-{}", self.proxies.len()));
        let mut command = self.shell(&["sh", "-c", &format!("exec {line}")]);
        let child = command.stdout(Stdio::null()).stderr(File::create(&stderr).unwrap()).spawn().unwrap();
        self.proxies.push(Running { child, stderr });
        wait_until("the proxy gets ready", || {
            let ended = self.proxies.last_mut().unwrap().child.try_wait().unwrap();
            assert_eq!(ended, None, "{}: it ended:\n{}", self.name, self.stderr());
            self.last_stderr().lines().any(|line| line.ends_with(" ready") || line.contains("\"message\":\"ready\""))
        });
        // what the first checks find comes after that at any time
        let not_ready = |line: &&str| !line.ends_with(" ready");
        let told = self.last_stderr();
        let lines = told.lines().take_while(not_ready).count() + 1;
        let printed: String = told.lines().take(lines).flat_map(|line| [line, "\n"]).collect();
        assert!(prints.is_empty() || fits(prints, &printed), "{}.md shows\n{prints}\nand not\n{printed}", self.name);
    }

    fn last_stderr(&self) -> String {
        self.proxies.last().map(|running| fs::read_to_string(&running.stderr).unwrap()).unwrap_or_default()
    }

    /// What the proxies of the page said so far.
    pub fn stderr(&self) -> String {
        self.proxies.iter().map(|running| fs::read_to_string(&running.stderr).unwrap()).collect()
    }

    /// Where the port is that the page names.
    pub fn address(&self, port: u16) -> SocketAddr {
        let end = format!(":{port}");
        let found = self.bound.iter().find(|(shown, _)| shown.ends_with(&end));
        found.unwrap_or_else(|| panic!("{}: it binds no port {port}", self.name)).1.address()
    }

    /// A new connection to the port that the page names.
    pub fn client(&self, port: u16) -> Client {
        Client::connect(self.address(port))
    }

    /// All that the proxy of `proxy.toml` says of itself.
    pub fn status(&self) -> Value {
        let status = self.run("evenkeel status --json");
        serde_json::from_str(&status).unwrap_or_else(|e| panic!("{}: {e}: {status}", self.name))
    }
}

impl Drop for Recipe {
    fn drop(&mut self) {
        for running in &mut self.proxies {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the proxy said:\n{}", self.stderr());
            return;
        }
        assert!(self.unchecked.is_empty(), "{}: a configuration is saved and not used", self.name);
        let left: Vec<_> = self.sections.iter().filter(|section| !section.blocks.is_empty()).collect();
        assert!(left.is_empty(), "{}: the test does not follow {left:?}", self.name);
        assert!(!self.stderr().contains("a defect"), "{}: the proxy panicked:\n{}", self.name, self.stderr());
    }
}

impl Section {
    fn mentions(&self, text: &str) -> bool {
        self.blocks.iter().any(|block| match block {
            Block::File { text: file, .. } => file.contains(text),
            Block::Console(commands) => commands.iter().any(|command| command.line.contains(text)),
        })
    }
}

/// A new certificate for these names, and its key, as certbot names the files.
pub fn pair(folder: &Path, names: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    let made = Scratch::new();
    let identity = Authority::shared().sign(&made, names);
    fs::copy(identity.key, folder.join("privkey.pem")).unwrap();
    fs::copy(identity.cert, folder.join("fullchain.pem")).unwrap();
}

/// All strings of this key, at any depth.
fn strings(value: &toml::Value, key: &str) -> Vec<String> {
    match value {
        toml::Value::Table(table) => {
            let own = table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
            own.into_iter().chain(table.values().flat_map(|value| strings(value, key))).collect()
        }
        toml::Value::Array(items) => items.iter().flat_map(|value| strings(value, key)).collect(),
        _ => Vec::new(),
    }
}

/// The configuration with the admin address written out.
fn with_admin(text: &str) -> String {
    let bind = format!("[admin]\nbind = \"{ADMIN}\"\n");
    if text.contains("[admin]\n") { text.replacen("[admin]\n", &bind, 1) } else { format!("{text}\n{bind}") }
}

/// The text with each of the pairs replaced, the longest first; an address is none within a longer one.
fn with(text: &str, pairs: &[(String, String)]) -> String {
    let mut pairs: Vec<_> = pairs.iter().collect();
    pairs.sort_by_key(|(shown, _)| std::cmp::Reverse(shown.len()));
    let mut made = String::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let apart = |c: Option<char>| !c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.');
        let found = pairs.iter().find(|(shown, _)| {
            let rest = &text[at..];
            rest.starts_with(shown.as_str())
                && apart(text[..at].chars().next_back())
                && !rest[shown.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
        });
        match found {
            Some((shown, real)) => {
                made.push_str(real);
                at += shown.len();
            }
            None => {
                made.push(c);
                at += c.len_utf8();
            }
        }
    }
    made
}

#[test]
fn an_address_is_not_replaced_within_a_longer_one() {
    let pairs = [("10.0.0.1:80", "A"), ("10.0.0.1:8000", "B")].map(|(shown, real)| (shown.to_owned(), real.to_owned()));
    assert_eq!(
        with("10.0.0.1:80 \"10.0.0.1:8000\" 110.0.0.1:80 http://10.0.0.1:80/é", &pairs),
        "A \"B\" 110.0.0.1:80 http://A/é"
    );
}
