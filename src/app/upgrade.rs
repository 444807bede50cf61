//! SIGUSR2: the binary as it is on disk now is started with our sockets, and takes over when it is ready.
//!
//! The sockets themselves are handed over, all of them: connections wait in a socket's queue, and whichever process accepts them
//! serves them, so there is no moment at which nobody does. Until the new process says that it is ready, and if it never
//! does, this one serves on as if nothing had been asked.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::inherit::{self, NAMES, READY};
use crate::io::HostPort;
use crate::listener::BoundSocket;

/// How long the new process may take to get ready: it reads its configuration, looks names up and binds what is new.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a new process that has given up may take to say why, and to end.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The first file descriptor that is handed over: SD_LISTEN_FDS_START of sd_listen_fds(3).
const FIRST: i32 = 3;

/// How this process was started.
#[derive(Debug)]
pub(super) struct Invocation {
    binary: PathBuf,
    arguments: Vec<OsString>,
}

/// A process that is to take over.
#[derive(Debug)]
pub(super) struct Successor {
    child: Child,
    ready: tokio::net::UnixStream,
    deadline: Instant,
}

impl Invocation {
    /// To be remembered early: once the file is replaced, the kernel tells no path that leads anywhere.
    pub fn of_this_process() -> io::Result<Self> {
        Ok(Self { binary: std::env::current_exe()?, arguments: std::env::args_os().skip(1).collect() })
    }

    /// Starts the binary in the same way again, with these sockets and their names, and the addresses of backends' names: those that it
    /// can't look up are still where they are for us.
    pub fn start_successor(
        &self,
        sockets: Vec<(String, BoundSocket)>,
        addresses: Vec<(HostPort, Vec<SocketAddr>)>,
    ) -> io::Result<Successor> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let ready = tokio::net::UnixStream::from_std(ours)?;
        let (mut names, mut fds): (Vec<String>, Vec<OwnedFd>) =
            sockets.into_iter().map(|(name, socket)| (name.replace(':', "_"), OwnedFd::from(socket))).unzip();
        names.push(READY.to_owned());
        fds.push(theirs.into());
        let mut command = Command::new(&self.binary);
        command
            .args(&self.arguments)
            .env("LISTEN_FDS", fds.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .env(NAMES, inherit::format_names(addresses))
            // of systemd, and about us
            .env_remove("LISTEN_PID")
            .env_remove("WATCHDOG_PID");
        let mappings = fds.into_iter().zip(FIRST..).map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mappings.collect()).map_err(io::Error::other)?;
        // our copies of what is handed over are closed with the command
        Ok(Successor { child: command.spawn()?, ready, deadline: Instant::now() + PATIENCE })
    }
}

impl Successor {
    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it is ready. The wait may be given up and begun again.
    ///
    /// # Errors
    ///
    /// Why it won't be; it has ended by then.
    pub async fn ready(&mut self) -> Result<(), String> {
        let said = timeout_at(self.deadline, async {
            loop {
                self.ready.readable().await?;
                match self.ready.try_read(&mut [0]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return read,
                }
            }
        });
        let why = match said.await {
            Ok(Ok(1..)) => return Ok(()),
            // a process that ends closes its end of the socket without a byte
            Ok(Ok(0)) => {
                self.last_word().await;
                "it ended before it was ready; its own log says why".to_owned()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it was not ready within {PATIENCE:?}"),
        };
        Err(format!("{why}{}", self.end()))
    }

    /// Waits until it has ended by itself, for [`LAST_WORD`] at most.
    async fn last_word(&mut self) {
        let ending = async {
            while let Ok(None) = self.child.try_wait() {
                sleep(LAST_WORD / 100).await;
            }
        };
        let _ = timeout(LAST_WORD, ending).await;
    }

    /// Ends it, if it has not ended by itself; gives back how, for people.
    pub fn end(&mut self) -> String {
        let _ = self.child.kill();
        // unwaited for, it would remain in the process table
        self.child.wait().map(|status| format!(" ({status})")).unwrap_or_default()
    }
}

/// Tells the old process that this one is ready.
pub(super) fn take_over(mut before: UnixStream) {
    if let Err(error) = before.write_all(b"R") {
        tracing::warn!(%error, "the process before can't be told that this one is ready");
    }
}
