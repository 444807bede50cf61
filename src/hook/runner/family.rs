//! The end of a command and of all that it has started.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid};

use super::super::processes::{Process, descendants, signal};

/// How long processes have to end by themselves after SIGTERM.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How long SIGKILL is repeated: a process that the kernel holds (a broken disk, another user's) may never end.
pub(super) const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// A command and its descendants.
#[derive(Debug)]
pub(super) struct Family {
    /// The command. It leads a process group of its own.
    command: Pid,
    /// All that were ever sent a signal.
    signalled: BTreeSet<i32>,
}

impl Family {
    /// The family of this command.
    pub fn new(command: Pid) -> Self {
        Self { command, signalled: BTreeSet::new() }
    }

    /// Sends a signal to each of them; how many there are.
    pub fn signal(&mut self, which: Signal) -> usize {
        let members = Self::members();
        // this process leads a group, which a descendant may have joined
        signal(&members, which, Some(getpid()));
        self.signalled.extend(members.iter().map(|member| member.id.as_raw_pid()));
        members.len()
    }

    /// Whether none of them lives.
    pub fn is_gone() -> bool {
        Self::members().is_empty()
    }

    /// How many processes beside the command itself were sent a signal.
    pub fn others(&self) -> usize {
        self.signalled.iter().filter(|id| **id != self.command.as_raw_pid()).count()
    }

    fn members() -> Vec<Process> {
        descendants(getpid())
    }
}
