//! The process that an upgrade puts in the place of the one that a test has started.

use std::process::Command;

use super::Proxy;

/// Killed when it goes out of scope, for it is no child of ours.
pub struct Successor(String);

impl Successor {
    /// The one that `proxy` has started by now.
    pub fn of(proxy: &Proxy) -> Self {
        let said = proxy.stderr();
        let line = said.lines().rev().find(|line| line.contains("takes over when it is ready"));
        Self(line.unwrap().rsplit_once("pid=").unwrap().1.trim().to_owned())
    }

    /// Sends it a signal by its name; whether it was there to get it.
    pub fn signal(&self, name: &str) -> bool {
        Command::new("kill").args(["-s", name, &self.0]).status().unwrap().success()
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}
