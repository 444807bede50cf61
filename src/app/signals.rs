//! The signals that the process obeys.

use std::fmt;
use std::io;

use tokio::signal::unix::{self, SignalKind};

/// A signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM: a service manager says stop.
    Terminate,
    /// SIGINT: somebody at a terminal says stop.
    Interrupt,
    /// SIGHUP: read the configuration again, and reopen the access log.
    Hangup,
    /// SIGUSR2: start a new process that takes over.
    Upgrade,
}

/// Receives them; while it exists they don't end the process.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
    upgrade: unix::Signal,
}

impl Signals {
    /// Begins to receive.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hangup: unix::signal(SignalKind::hangup())?,
            upgrade: unix::signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.hangup.recv() => Signal::Hangup,
            _ = self.upgrade.recv() => Signal::Upgrade,
        }
    }

    /// Waits for a signal that says stop. The others stay for [`next`](Self::next).
    pub async fn stop(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::Hangup => "SIGHUP",
            Self::Upgrade => "SIGUSR2",
        })
    }
}
